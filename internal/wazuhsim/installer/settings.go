package installer

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Settings are what an agent reads from <client> in its ossec.conf.
type Settings struct {
	Address       string
	Port          int
	EnrollAddress string
	EnrollPort    int
	Groups, Name  string
	// CA and SecretFile may be relative to the agent's home.
	CA, SecretFile string
}

func (s Settings) events() string { return net.JoinHostPort(s.Address, strconv.Itoa(s.Port)) }

func (s Settings) enrollment() string {
	return net.JoinHostPort(s.EnrollAddress, strconv.Itoa(s.EnrollPort))
}

type clientXML struct {
	XMLName xml.Name `xml:"client"`
	Servers []struct {
		Address  string `xml:"address"`
		Port     int    `xml:"port"`
		Protocol string `xml:"protocol"`
	} `xml:"server"`
	Enrollment *struct {
		Enabled string `xml:"enabled"`
		Address string `xml:"manager_address"`
		Port    int    `xml:"port"`
		Groups  string `xml:"groups"`
		Name    string `xml:"agent_name"`
		CA      string `xml:"server_ca_path"`
		Secret  string `xml:"authorization_pass_path"`
	} `xml:"enrollment"`
}

// Settings reads the configuration, with the agent's own defaults.
func (h *Host) Settings() (Settings, error) {
	text, err := os.ReadFile(h.real(h.config()))
	if err != nil {
		return Settings{}, fmt.Errorf("no configuration: %w", err)
	}
	var file struct {
		Client clientXML `xml:"client"`
	}
	if err := xml.Unmarshal(text, &file); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", h.config(), err)
	}
	client := file.Client
	if len(client.Servers) != 1 || client.Servers[0].Address == "" {
		return Settings{}, fmt.Errorf("%s names no server, or several", h.config())
	}
	s := Settings{Address: client.Servers[0].Address, Port: client.Servers[0].Port, EnrollPort: 1515, SecretFile: "etc/authd.pass"}
	if h.System == Windows {
		s.SecretFile = "authd.pass"
	}
	if s.Port == 0 {
		s.Port = 1514
	}
	s.EnrollAddress = s.Address
	if e := client.Enrollment; e != nil {
		if e.Enabled != "" && e.Enabled != "yes" {
			return s, errors.New("enrollment is switched off")
		}
		if e.Address != "" {
			s.EnrollAddress = e.Address
		}
		if e.Port != 0 {
			s.EnrollPort = e.Port
		}
		if e.Secret != "" {
			s.SecretFile = e.Secret
		}
		s.Groups, s.Name, s.CA = e.Groups, e.Name, e.CA
	}
	return s, nil
}

// ReplaceClient does what an administrator does in an editor.
func (h *Host) ReplaceClient(text string) error {
	return h.write(h.config(), []byte("<ossec_config>\n"+text+"</ossec_config>\n"))
}

// Variables register_configure_agent.sh and InstallerScripts.vbs know; their
// deprecated names are left out, so that using one is an error.
var variables = []string{
	"WAZUH_MANAGER", "WAZUH_MANAGER_PORT", "WAZUH_PROTOCOL", "WAZUH_REGISTRATION_SERVER", "WAZUH_REGISTRATION_PORT",
	"WAZUH_REGISTRATION_PASSWORD", "WAZUH_REGISTRATION_CA", "WAZUH_REGISTRATION_CERTIFICATE", "WAZUH_REGISTRATION_KEY",
	"WAZUH_AGENT_NAME", "WAZUH_AGENT_GROUP", "WAZUH_KEEP_ALIVE_INTERVAL", "WAZUH_TIME_RECONNECT", "ENROLLMENT_DELAY",
}

// Variables the agent's image knows (0-wazuh-init); it has none for the authority.
var imageVariables = []string{
	"WAZUH_MANAGER_SERVER", "WAZUH_MANAGER_PORT", "WAZUH_REGISTRATION_SERVER", "WAZUH_REGISTRATION_PORT",
	"WAZUH_REGISTRATION_PASSWORD", "WAZUH_AGENT_NAME", "WAZUH_AGENT_GROUP",
}

// judge finds what the scripts would get wrong or leave out without a word.
func judge(given map[string]string, known []string) error {
	for name, value := range given {
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("the installer does not know the variable %s", name)
		case value == "":
			return fmt.Errorf("%s is empty", name)
		case strings.ContainsAny(value, `#&\`):
			return fmt.Errorf("the value of %s has one of # & \\, which the installer's sed takes for its own", name)
		case strings.ContainsAny(value, "\n\r\"'"):
			return fmt.Errorf("the value of %s has a quote or a line break", name)
		}
		if strings.HasSuffix(name, "_PORT") {
			if port, err := strconv.ParseUint(value, 10, 16); err != nil || port == 0 {
				return fmt.Errorf("%s=%q is no port", name, value)
			}
		}
	}
	return nil
}

// install is what a package does: its files, its group, and, where there was no
// agent before, the variables.
func (h *Host) install(given map[string]string) error {
	if h.installed {
		return nil // an upgrade reads no variable
	}
	if err := judge(given, variables); err != nil {
		return err
	}
	h.installed = true
	if secret := given["WAZUH_REGISTRATION_PASSWORD"]; secret != "" {
		path := h.inHome(map[bool]string{true: "authd.pass", false: "etc/authd.pass"}[h.System == Windows])
		if err := h.write(path, []byte(secret+"\n")); err != nil {
			return err
		}
		h.owners[path] = owner{"root", "wazuh", 0o640}
	}
	return h.configure(given["WAZUH_MANAGER"], given)
}

// configure writes the configuration from the package's template.
func (h *Host) configure(manager string, given map[string]string) error {
	line := func(name, value string) string {
		if value == "" {
			return ""
		}
		return "      <" + name + ">" + value + "</" + name + ">\n"
	}
	port := given["WAZUH_MANAGER_PORT"]
	if port == "" {
		port = "1514"
	}
	text := "<ossec_config>\n  <client>\n    <server>\n" + line("address", manager) + line("port", port) + line("protocol", "tcp") + "    </server>\n" +
		"    <enrollment>\n" + line("enabled", "yes") + line("manager_address", given["WAZUH_REGISTRATION_SERVER"]) +
		line("port", given["WAZUH_REGISTRATION_PORT"]) + line("agent_name", given["WAZUH_AGENT_NAME"]) + line("groups", given["WAZUH_AGENT_GROUP"]) +
		line("server_ca_path", given["WAZUH_REGISTRATION_CA"]) + "    </enrollment>\n  </client>\n</ossec_config>\n"
	return h.write(h.config(), []byte(text))
}
