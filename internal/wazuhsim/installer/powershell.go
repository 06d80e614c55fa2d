package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// windowsHome is the agent's folder, as a 64-bit Windows expands it.
const windowsHome = `C:\Program Files (x86)\ossec-agent\`

// powerShell is a host's session: its variables, each a list, and its folder.
type powerShell struct {
	host *Host
	vars map[string][]string
	dir  string // "" is the work folder, else a folder of the host
}

// RunPowerShell runs the small part of PowerShell the commands use. Whatever it
// does not know is an error, so that a new command is judged before it is shipped.
func (h *Host) RunPowerShell(ctx context.Context, script string) error {
	session := &powerShell{host: h, vars: map[string][]string{}}
	for number, line := range statements(script) {
		if err := session.run(ctx, line); err != nil {
			return fmt.Errorf("statement %d, %q: %w", number+1, line, err)
		}
	}
	return nil
}

// statements splits a script at line ends and semicolons outside quotes, braces
// and here-strings.
func statements(script string) []string {
	script = strings.ReplaceAll(strings.TrimPrefix(script, "\ufeff"), "\r\n", "\n")
	script = regexp.MustCompile(`(?s)Write-Host @'\n.*?\n'@`).ReplaceAllString(script, "")
	var out []string
	var now strings.Builder
	depth, quote := 0, rune(0)
	end := func() {
		if text := strings.TrimSpace(now.String()); text != "" && !strings.HasPrefix(text, "#") {
			out = append(out, text)
		}
		now.Reset()
	}
	escaped := false
	for _, c := range script {
		switch {
		case escaped:
			escaped = false
		case quote != 0:
			escaped = c == '`' && quote == '"'
			if c == quote {
				quote = 0
			}
		case strings.HasPrefix(strings.TrimSpace(now.String()), "#") && c != '\n': // a comment
		case c == '\'' || c == '"':
			quote = c
		case c == '{' || c == '(':
			depth++
		case c == '}' || c == ')':
			depth--
		}
		if quote == 0 && depth == 0 && (c == '\n' || c == ';') {
			end()
			continue
		}
		now.WriteRune(c)
	}
	end()
	return out
}

var (
	psAssign   = regexp.MustCompile(`(?s)^\$(\w+) (\+?=) (.*)$`)
	psUnless   = regexp.MustCompile(`(?s)^if \(-not \(Test-Path (\S+)\)\) \{(.*)\}$`)
	psExitCode = regexp.MustCompile(`^if \(\$install\.ExitCode -ne 0\) \{ throw ".*" \}$`)
	psMethod   = regexp.MustCompile(`^\$(tls|tcp)\.(AuthenticateAsClient\('([^']+)'\)|RemoteCertificate \| Format-List Subject, Issuer|Close\(\))$`)
	psSocket   = regexp.MustCompile(`^\[Net\.Sockets\.TcpClient\]::new\('([^']+)', (\d+)\)$`)
	psWrite    = regexp.MustCompile(`^\[IO\.File\]::WriteAllText\("\$PWD\\([^"]+)", \[Net\.NetworkCredential\]::new\('', \$secret\)\.Password \+ "` + "`n" + `"\)$`)
	psRoots    = regexp.MustCompile(`(?s)^Get-ChildItem Cert:\\LocalMachine\\Root \| ForEach-Object \{\s+"-----BEGIN CERTIFICATE-----"; \[Convert\]::ToBase64String\(\$_\.RawData, 'InsertLineBreaks'\); ` +
		`"-----END CERTIFICATE-----"\s+\} \| Set-Content -Encoding ascii (".*")$`)
	// psHash compares a fingerprint; it changes nothing.
	psHash = regexp.MustCompile(`^(\$ca = \[Security\.Cryptography\.X509Certificates\.X509Certificate2\]::new\("\$PWD\\\S+"\)|\[BitConverter\]::ToString\(\[Security\.Cryptography\.SHA256\]::Create\(\)\.ComputeHash\(\$ca\.RawData\)\)\.Replace\('-', ':'\))$`)
)

func (s *powerShell) run(ctx context.Context, line string) error {
	switch {
	case psExitCode.MatchString(line), psHash.MatchString(line), psMethod.MatchString(line):
		return nil
	case psUnless.MatchString(line):
		match := psUnless.FindStringSubmatch(line)
		if _, err := os.Stat(s.path(match[1])); err == nil {
			return nil
		}
		for _, inner := range statements(match[2]) {
			if err := s.run(ctx, inner); err != nil {
				return err
			}
		}
		return nil
	case psWrite.MatchString(line):
		return os.WriteFile(s.path(psWrite.FindStringSubmatch(line)[1]), []byte(s.host.Input), 0o600)
	case psRoots.MatchString(line):
		target, err := s.words(psRoots.FindStringSubmatch(line)[1])
		if err != nil {
			return err
		}
		return s.host.write(target[0], s.host.PublicCA)
	case psAssign.MatchString(line):
		match := psAssign.FindStringSubmatch(line)
		return s.assign(ctx, match[1], match[2], match[3])
	}
	words, err := s.words(line)
	if err != nil {
		return err
	}
	return s.command(ctx, words)
}

func (s *powerShell) assign(ctx context.Context, name, operator, value string) error {
	if name == "ErrorActionPreference" || value == "[Net.Security.SslStream]::new($tcp.GetStream(), $false, { $true })" ||
		name == "secret" && strings.HasPrefix(value, "Read-Host -AsSecureString '") {
		return nil
	}
	if match := psSocket.FindStringSubmatch(value); match != nil {
		return s.reach(ctx, match[1], match[2])
	}
	if name == "install" {
		words, err := s.words(value)
		if err != nil {
			return err
		}
		return s.command(ctx, words)
	}
	if rest, found := strings.CutPrefix(value, "Join-Path "); found {
		words, err := s.words(rest)
		if err != nil || len(words) != 2 {
			return errors.Join(err, fmt.Errorf("Join-Path %q", words))
		}
		s.vars[name] = []string{words[0] + `\` + words[1]}
		return nil
	}
	var list []string
	for _, item := range strings.Split(value, ", ") {
		words, err := s.words(item)
		if err != nil || len(words) != 1 {
			return errors.Join(err, fmt.Errorf("%q is no value", item))
		}
		list = append(list, words[0])
	}
	if operator == "+=" {
		list = append(slices.Clone(s.vars[name]), list...)
	}
	s.vars[name] = list
	return nil
}

// path is where a word leads on this machine.
func (s *powerShell) path(word string) string {
	switch {
	case strings.Contains(word, ":"):
		return s.host.real(word)
	case s.dir != "":
		return s.host.real(s.dir + word)
	}
	return filepath.Join(s.host.work, word)
}

func (s *powerShell) reach(ctx context.Context, host, port string) error {
	connection, err := s.host.dial(ctx, host, port)
	if err != nil {
		return err
	}
	return connection.Close()
}
