package installer

import (
	"errors"
	"fmt"
	"strings"
)

// words reads a command's words as PowerShell does: '...' is literal with ” for
// a quote, "..." expands variables and has ` for itself, a bare $name is its value.
func (s *powerShell) words(text string) ([]string, error) {
	var out []string
	var now strings.Builder
	began := false
	flush := func() {
		if began {
			out = append(out, now.String())
		}
		now.Reset()
		began = false
	}
	for text != "" {
		switch c := text[0]; {
		case c == ' ':
			flush()
			text = text[1:]
			continue
		case c == '\'':
			literal, rest, err := singleQuoted(text)
			if err != nil {
				return nil, err
			}
			now.WriteString(literal)
			text = rest
		case c == '"':
			expanded, rest, err := s.doubleQuoted(text)
			if err != nil {
				return nil, err
			}
			now.WriteString(expanded)
			text = rest
		case c == '$':
			value, rest, err := s.variable(text)
			if err != nil {
				return nil, err
			}
			now.WriteString(strings.Join(value, "\x00"))
			text = rest
		case strings.IndexByte("`(){}|;&<>@", c) >= 0:
			return nil, fmt.Errorf("%q is not understood here", text)
		default:
			now.WriteByte(c)
			text = text[1:]
		}
		began = true
	}
	flush()
	return out, nil
}

func singleQuoted(text string) (literal, rest string, err error) {
	var out strings.Builder
	for text = text[1:]; text != ""; text = text[1:] {
		if text[0] != '\'' {
			out.WriteByte(text[0])
			continue
		}
		if !strings.HasPrefix(text, "''") {
			return out.String(), text[1:], nil
		}
		out.WriteByte('\'')
		text = text[1:]
	}
	return "", "", errors.New("a quote is not closed")
}

func (s *powerShell) doubleQuoted(text string) (expanded, rest string, err error) {
	var out strings.Builder
	for text = text[1:]; text != ""; {
		switch {
		case text[0] == '`' && len(text) > 1:
			out.WriteByte(map[bool]byte{true: '\n', false: text[1]}[text[1] == 'n'])
			text = text[2:]
		case text[0] == '"':
			return out.String(), text[1:], nil
		case text[0] == '$':
			value, after, err := s.variable(text)
			if err != nil {
				return "", "", err
			}
			out.WriteString(strings.Join(value, " "))
			text = after
		default:
			out.WriteByte(text[0])
			text = text[1:]
		}
	}
	return "", "", errors.New("a quote is not closed")
}

// variable reads $name, $env:NAME or ${env:NAME}.
func (s *powerShell) variable(text string) (value []string, rest string, err error) {
	known := map[string]string{
		"env:TEMP": `C:\Windows\Temp`, "env:ProgramFiles(x86)": strings.TrimSuffix(windowsHome, `\ossec-agent\`),
		"PSScriptRoot": ".",
	}
	name := ""
	if strings.HasPrefix(text, "${") {
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return nil, "", errors.New("a variable's brace is not closed")
		}
		name, rest = text[2:end], text[end+1:]
	} else {
		end := 1
		for end < len(text) && (text[end] == '_' || text[end] == ':' || 'a' <= text[end]|0x20 && text[end]|0x20 <= 'z' || '0' <= text[end] && text[end] <= '9') {
			end++
		}
		name, rest = text[1:end], text[end:]
	}
	if held, ok := known[name]; ok {
		return []string{held}, rest, nil
	}
	if held, ok := s.vars[name]; ok {
		return held, rest, nil
	}
	return nil, "", fmt.Errorf("the variable $%s has no value", name)
}
