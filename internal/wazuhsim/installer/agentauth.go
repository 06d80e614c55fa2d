package installer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// agentAuth enrolls for real, with the flags main-client.c knows. Without -P it
// reads the file an agent reads.
func agentAuth(ctx context.Context, p *process) error {
	if !p.host.installed {
		return errors.New("no such file: no agent is installed")
	}
	flags, err := agentAuthFlags(p.args[1:])
	if err != nil {
		return err
	}
	if flags['m'] == "" {
		return errors.New("no manager: -m is missing")
	}
	port := flags['p']
	if port == "" {
		port = "1515"
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return fmt.Errorf("-p %s is no port", port)
	}
	secret := flags['P']
	if secret == "" {
		file := "etc/authd.pass"
		if p.host.System == Windows {
			file = "authd.pass"
		}
		if secret, err = p.host.secretOf(Settings{SecretFile: file}); err != nil {
			return err
		}
	}
	options := wazuh.EnrollOptions{
		Address: flags['m'] + ":" + port, Dial: p.host.Dial,
		Request: wazuh.EnrollRequest{Password: wazuh.NewSecret(secret), Name: "agent-auth-" + strings.ToLower(string(p.host.System)), Groups: flags['G']},
	}
	if flags['v'] != "" {
		if options.CA, err = p.host.rootsOf(flags['v']); err != nil {
			return err
		}
	}
	if _, err := wazuh.Enroll(ctx, options); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, "INFO: Valid key received")
	return err
}

// agentAuthFlags reads the flags as getopt does with "Vhdtg:D:m:p:n:A:c:v:x:k:P:aG:I:i".
func agentAuthFlags(words []string) (map[byte]string, error) {
	const known = "Vhdtg:D:m:p:n:A:c:v:x:k:P:aG:I:i"
	flags := map[byte]string{}
	for len(words) > 0 {
		word := words[0]
		if len(word) < 2 || word[0] != '-' {
			return nil, fmt.Errorf("an argument without a flag: %q", word)
		}
		at := strings.IndexByte(known, word[1])
		switch {
		case at < 0 || word[1] == ':':
			return nil, fmt.Errorf("unknown flag %s", word)
		case at+1 == len(known) || known[at+1] != ':':
			flags[word[1]], words = "yes", words[1:]
		case len(word) > 2:
			flags[word[1]], words = word[2:], words[1:]
		case len(words) < 2:
			return nil, fmt.Errorf("flag %s lacks its value", word)
		default:
			flags[word[1]], words = words[1], words[2:]
		}
	}
	return flags, nil
}
