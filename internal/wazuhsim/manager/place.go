package manager

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
)

// place is where the image of a version keeps what the simulator reads.
type place struct {
	home, conf      string
	apiCert, apiKey string
	template        string // what an empty volume gets from the image, as far as we read it
}

func placeOf(wazuh4 bool) place {
	if wazuh4 {
		return place{
			home: "/var/ossec", conf: "etc/ossec.conf", template: templateConf,
			apiCert: "api/configuration/ssl/server.crt", apiKey: "api/configuration/ssl/server.key",
		}
	}
	return place{
		home: "/var/wazuh-manager", conf: "etc/wazuh-manager.conf", template: template5,
		apiCert: "etc/certs/apid.pem", apiKey: "etc/certs/apid-key.pem",
	}
}

// authority5 is what tokens for agents of Wazuh 5 are made with; its manager doesn't start without.
const authority5 = "etc/certs/root-ca.pem"

const templateConf = `<ossec_config>
  <global><agents_disconnection_time>15m</agents_disconnection_time></global>
  <alerts><log_alert_level>3</log_alert_level></alerts>
  <remote><connection>secure</connection><port>1514</port><protocol>tcp</protocol></remote>
  <auth><port>1515</port><purge>yes</purge><use_password>no</use_password></auth>
</ossec_config>
`

const template5 = `<wazuh_config>
  <remote><legacy><enabled>yes</enabled><port>1514</port></legacy></remote>
  <indexer><hosts><host>https://127.0.0.1:9200</host></hosts></indexer>
  <auth><port>1515</port><purge>yes</purge><use_password>yes</use_password>
    <ssl_manager_cert>etc/certs/remoted.pem</ssl_manager_cert><ssl_manager_key>etc/certs/remoted-key.pem</ssl_manager_key>
  </auth>
  <cluster><key>0123456789abcdef0123456789abcdef</key></cluster>
</wazuh_config>
`

// parse reads the manager's configuration.
func (m *Manager) parse(text []byte) (config, error) {
	if m.before(5, 0) {
		return parseConfig(text)
	}
	return parseConfig5(text)
}

// parseConfig5 reads the same from the one file of Wazuh 5, which its manager holds against a schema
// before it starts anything. Of that schema we know what our own file met: the file's root, an
// indexer that must be named, and the length of the cluster's key.
func parseConfig5(text []byte) (config, error) {
	var x struct {
		XMLName xml.Name `xml:"wazuh_config"`
		Legacy  struct {
			Inner []byte `xml:",innerxml"`
		} `xml:"remote>legacy"`
		Auth struct {
			Inner []byte `xml:",innerxml"`
		} `xml:"auth"`
		Global struct {
			Inner []byte `xml:",innerxml"`
		} `xml:"global"`
		Hosts []string `xml:"indexer>hosts>host"`
		Key   string   `xml:"cluster>key"`
	}
	if err := xml.Unmarshal(text, &x); err != nil {
		return config{}, fmt.Errorf("wazuh-manager.conf: %w", err)
	}
	if len(x.Hosts) == 0 {
		return config{}, errors.New("wazuh-manager.conf: no host of an indexer; the manager doesn't start")
	}
	const keySize = 32
	if len(x.Key) != keySize {
		return config{}, fmt.Errorf("wazuh-manager.conf: a cluster key of %d characters; the manager doesn't start", len(x.Key))
	}
	var old bytes.Buffer
	fmt.Fprintf(&old, "<ossec_config><global>%s</global><remote>%s</remote><auth>%s</auth></ossec_config>", x.Global.Inner, x.Legacy.Inner, x.Auth.Inner)
	return parseConfig(old.Bytes())
}

// lookAtAuthority is a step of Wazuh 5 only.
func (m *Manager) lookAtAuthority() error {
	if m.before(5, 0) {
		return nil
	}
	if _, err := m.root.read(authority5); err != nil {
		return fmt.Errorf("remoted: ca_certificate: %w", err)
	}
	return nil
}

// Unpack lays out for Wazuh 5 what it doesn't start without and doesn't make itself, where nothing
// else does; with an empty version or one of Wazuh 4 there is nothing to lay out. It returns the
// manager's home, below the folder, and its configuration, in the home.
func Unpack(folder, version string) (home, conf string, err error) {
	m := &Manager{o: Options{Version: version}.withDefaults()}
	m.place = placeOf(m.before(5, 0))
	m.root = root{folder, m.place.home}
	if m.before(5, 0) {
		return m.place.home, m.place.conf, nil
	}
	if err := m.selfSign(m.place.apiCert, m.place.apiKey); err != nil {
		return "", "", err
	}
	authority, err := m.root.read(m.place.apiCert)
	if err != nil {
		return "", "", err
	}
	if err := m.root.replace(authority5, authority); err != nil {
		return "", "", err
	}
	return m.place.home, m.place.conf, m.root.replace(m.place.conf, []byte(template5))
}
