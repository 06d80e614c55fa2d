package manager

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// config is what the simulator takes from ossec.conf. Everything else in the file is ignored.
type config struct {
	Auth   authConfig
	Remote remoteConfig
	Global globalConfig
}

type authConfig struct {
	Disabled, UseSourceIP, Purge, UsePassword, AllowHigher bool

	Port      int
	Cert, Key string // in the home, if not absolute
	AgentCA   string // empty: no client certificates
	Force     force
}

// force says when a new agent may take the name or address of an old one.
type force struct {
	Enabled           bool
	KeyMismatch       bool
	AfterRegistration time.Duration
	CheckDisconnected bool
	Disconnected      time.Duration
}

type remoteConfig struct {
	Port        int
	AllowHigher bool
	Overtake    time.Duration
}

type globalConfig struct {
	DisconnectionTime time.Duration
	AlertLevel        int
}

// defaultConfig has the values of the code (authd-config.c, remoted/config.c, monitord.c), not of
// the templates.
func defaultConfig() config {
	return config{
		Auth: authConfig{
			Port: 1515, Cert: "etc/sslmanager.cert", Key: "etc/sslmanager.key",
			Force: force{Enabled: true, KeyMismatch: true, AfterRegistration: time.Hour, CheckDisconnected: true, Disconnected: time.Hour},
		},
		Remote: remoteConfig{Port: 1514, Overtake: time.Minute},
		Global: globalConfig{DisconnectionTime: 15 * time.Minute, AlertLevel: 3},
	}
}

// confXML is the part of ossec.conf that we read; the file may have several roots.
type confXML struct {
	Parts []struct {
		Global struct {
			Disconnection string `xml:"agents_disconnection_time"`
		} `xml:"global"`
		Alerts struct {
			Level string `xml:"log_alert_level"`
		} `xml:"alerts"`
		Remote struct {
			Port     string `xml:"port"`
			Overtake string `xml:"connection_overtake_time"`
			Higher   string `xml:"agents>allow_higher_versions"`
		} `xml:"remote"`
		Auth struct {
			Disabled    string `xml:"disabled"`
			Port        string `xml:"port"`
			UseSourceIP string `xml:"use_source_ip"`
			Purge       string `xml:"purge"`
			UsePassword string `xml:"use_password"`
			Cert        string `xml:"ssl_manager_cert"`
			Key         string `xml:"ssl_manager_key"`
			AgentCA     string `xml:"ssl_agent_ca"`
			Higher      string `xml:"agents>allow_higher_versions"`
			Force       struct {
				Enabled      string `xml:"enabled"`
				KeyMismatch  string `xml:"key_mismatch"`
				After        string `xml:"after_registration_time"`
				Disconnected struct {
					Enabled string `xml:"enabled,attr"`
					Time    string `xml:",chardata"`
				} `xml:"disconnected_time"`
			} `xml:"force"`
		} `xml:"auth"`
	} `xml:"ossec_config"`
}

// parseConfig reads ossec.conf. Later parts of the file win over earlier ones.
func parseConfig(text []byte) (config, error) {
	c := defaultConfig()
	d := xml.NewDecoder(bytes.NewReader([]byte("<file>" + string(text) + "</file>")))
	d.Strict = false
	var x confXML
	if err := d.Decode(&x); err != nil {
		return c, fmt.Errorf("ossec.conf: %w", err)
	}
	if len(x.Parts) == 0 {
		return c, fmt.Errorf("ossec.conf: no <ossec_config>")
	}
	p := &fields{}
	for _, part := range x.Parts {
		p.duration("agents_disconnection_time", part.Global.Disconnection, &c.Global.DisconnectionTime)
		p.number("log_alert_level", part.Alerts.Level, &c.Global.AlertLevel)
		p.number("remote port", part.Remote.Port, &c.Remote.Port)
		p.duration("connection_overtake_time", part.Remote.Overtake, &c.Remote.Overtake)
		p.yes("remote allow_higher_versions", part.Remote.Higher, &c.Remote.AllowHigher)
		a := part.Auth
		p.yes("auth disabled", a.Disabled, &c.Auth.Disabled)
		p.number("auth port", a.Port, &c.Auth.Port)
		p.yes("use_source_ip", a.UseSourceIP, &c.Auth.UseSourceIP)
		p.yes("purge", a.Purge, &c.Auth.Purge)
		p.yes("use_password", a.UsePassword, &c.Auth.UsePassword)
		p.file(a.Cert, &c.Auth.Cert)
		p.file(a.Key, &c.Auth.Key)
		p.file(a.AgentCA, &c.Auth.AgentCA)
		p.yes("auth allow_higher_versions", a.Higher, &c.Auth.AllowHigher)
		p.yes("force enabled", a.Force.Enabled, &c.Auth.Force.Enabled)
		p.yes("key_mismatch", a.Force.KeyMismatch, &c.Auth.Force.KeyMismatch)
		p.duration("after_registration_time", a.Force.After, &c.Auth.Force.AfterRegistration)
		p.yes("disconnected_time enabled", a.Force.Disconnected.Enabled, &c.Auth.Force.CheckDisconnected)
		p.duration("disconnected_time", a.Force.Disconnected.Time, &c.Auth.Force.Disconnected)
	}
	return c, p.err
}

// fields sets what is present, and keeps the first error.
type fields struct{ err error }

func (p *fields) fail(name, text, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("ossec.conf: %s %q: want %s", name, text, want)
	}
}

func (p *fields) yes(name, text string, into *bool) {
	switch strings.TrimSpace(text) {
	case "":
	case "yes":
		*into = true
	case "no":
		*into = false
	default:
		p.fail(name, text, "yes or no")
	}
}

func (p *fields) number(name, text string, into *int) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		p.fail(name, text, "a number")
		return
	}
	*into = n
}

// duration reads Wazuh's form: a number with s, m, h, d or w, or of seconds.
func (p *fields) duration(name, text string, into *time.Duration) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	d, ok := parseDuration(text)
	if !ok {
		p.fail(name, text, "a duration such as 30s, 15m or 1h")
		return
	}
	*into = d
}

func parseDuration(text string) (time.Duration, bool) {
	unit := time.Second
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if u, ok := units[text[len(text)-1]]; ok {
		unit, text = u, text[:len(text)-1]
	}
	n, err := strconv.Atoi(text)
	const tooMany = 1 << 31
	return time.Duration(n) * unit, err == nil && n >= 0 && n < tooMany
}

func (p *fields) file(text string, into *string) {
	if text = strings.TrimSpace(text); text != "" {
		*into = text
	}
}
