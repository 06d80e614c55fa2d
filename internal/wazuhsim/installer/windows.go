package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// command runs a cmdlet, or a program.
func (s *powerShell) command(ctx context.Context, words []string) error {
	if secret := s.host.Secret; secret != "" && slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, secret) }) {
		return fmt.Errorf("the enrollment secret is an argument of %s", words[0])
	}
	known, ok := cmdlets()[words[0]]
	if !ok {
		return fmt.Errorf("this host has no command %q", words[0])
	}
	arguments := words[1:]
	if known.form != nil {
		if err := matches(arguments, known.form); err != nil {
			return err
		}
	}
	return known.run(ctx, s, arguments)
}

// cmdlet is a command in the one form our commands use it.
type cmdlet struct {
	form []string // nil takes anything
	run  func(ctx context.Context, s *powerShell, arguments []string) error
}

func cmdlets() map[string]cmdlet {
	start := func(_ context.Context, s *powerShell, _ []string) error { return s.host.start() }
	return map[string]cmdlet{
		"Invoke-WebRequest": {[]string{"-UseBasicParsing", "-Uri", "*", "-OutFile", "*"}, func(_ context.Context, s *powerShell, a []string) error {
			to := s.path(a[4])
			return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), s.host.download(a[2], to))
		}},
		"Start-Process": {[]string{"msiexec.exe", "-ArgumentList", "*", "-Wait", "-PassThru"}, func(_ context.Context, s *powerShell, a []string) error {
			// Start-Process joins its list with blanks and quotes nothing.
			return s.host.msiexec(strings.ReplaceAll(a[2], "\x00", " "))
		}},
		"Copy-Item":     {[]string{"*", "*"}, copyItem},
		"Remove-Item":   {[]string{"*"}, func(_ context.Context, s *powerShell, a []string) error { return os.Remove(s.path(a[0])) }},
		"Start-Service": {[]string{"WazuhSvc"}, start}, "Restart-Service": {[]string{"WazuhSvc"}, start},
		"Set-Location": {[]string{"*"}, func(_ context.Context, s *powerShell, a []string) error {
			if a[0] != "." { // the script's own folder, where it is already
				s.dir = strings.TrimSuffix(a[0], `\`) + `\`
			}
			return nil
		}},
		`.\agent-auth.exe`: {nil, func(ctx context.Context, s *powerShell, a []string) error {
			if s.dir != windowsHome {
				return fmt.Errorf("there is no agent-auth.exe in %q", s.dir)
			}
			return agentAuth(ctx, &process{host: s.host, args: append([]string{"agent-auth.exe"}, a...), root: true, stdout: &s.host.out})
		}},
		"Select-String":      {[]string{"-Path", "*", "-Pattern", "*"}, selectString},
		"Resolve-DnsName":    {[]string{"*"}, func(ctx context.Context, s *powerShell, a []string) error { return s.host.lookup(ctx, a[0]) }},
		"Test-NetConnection": {[]string{"-ComputerName", "*", "-Port", "*"}, func(ctx context.Context, s *powerShell, a []string) error { return s.reach(ctx, a[1], a[3]) }},
		"Write-Host": {nil, func(_ context.Context, s *powerShell, a []string) error {
			fmt.Fprintln(&s.host.out, strings.Join(a, " "))
			return nil
		}},
	}
}

func copyItem(_ context.Context, s *powerShell, arguments []string) error {
	text, err := os.ReadFile(s.path(arguments[0]))
	if err != nil {
		return err
	}
	if !s.host.installed {
		return errors.New("the agent's folder does not exist yet")
	}
	return s.host.write(arguments[1], text)
}

func selectString(_ context.Context, s *powerShell, arguments []string) error {
	text, err := os.ReadFile(s.path(arguments[1]))
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if slices.ContainsFunc(strings.Split(arguments[3], "|"), func(part string) bool { return strings.Contains(line, part) }) {
			fmt.Fprintln(&s.host.out, line)
		}
	}
	return nil
}

// matches compares words with a form; * is any one word.
func matches(words, form []string) error {
	if len(words) != len(form) {
		return fmt.Errorf("want %q, got %q", form, words)
	}
	for i, word := range form {
		if word != "*" && word != words[i] {
			return fmt.Errorf("want %q, got %q", form, words)
		}
	}
	return nil
}

// msiexec reads a command line as Windows Installer does: NAME="value", with ""
// for a quote; a blank outside quotes ends a word.
func (h *Host) msiexec(line string) error {
	words, err := msiWords(line)
	if err != nil {
		return err
	}
	if len(words) < 3 || words[0] != "/i" || words[2] != "/q" {
		return fmt.Errorf("want /i PACKAGE /q first, so that nobody has to press a button: %q", words)
	}
	if h.downloads[h.real(words[1])] == "" || !strings.HasSuffix(words[1], ".msi") {
		return fmt.Errorf("%s is no package that was downloaded", words[1])
	}
	given := map[string]string{}
	for _, word := range words[3:] {
		name, value, found := strings.Cut(word, "=")
		if !found || name != strings.ToUpper(name) {
			return fmt.Errorf("%q is no property; a public one is in capitals", word)
		}
		if _, twice := given[name]; twice {
			return fmt.Errorf("%s is given twice", name)
		}
		given[name] = value
	}
	return h.install(given)
}

func msiWords(line string) ([]string, error) {
	var out []string
	var now strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"' && quoted && i+1 < len(line) && line[i+1] == '"':
			now.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			if now.Len() > 0 {
				out = append(out, now.String())
			}
			now.Reset()
		default:
			now.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if now.Len() > 0 {
		out = append(out, now.String())
	}
	return out, nil
}
