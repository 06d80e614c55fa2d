package onboard

// system is what differs between operating systems for one agent.
type system struct {
	name string
	// home of the agent, ended by its separator.
	home string
	// etc is where configuration and secret lie below home.
	etc string
	// bundle of public authorities; empty where the system keeps no such file.
	bundle string
	// otherBundle is where some of these distributions keep it instead.
	otherBundle string
}

const (
	debianName  = "Debian, Ubuntu"
	redHatName  = "Red Hat, Amazon Linux, SUSE"
	macOSName   = "macOS"
	windowsName = "Windows"
)

func debian() system {
	return system{name: debianName, home: "/var/ossec/", etc: "etc/", bundle: "/etc/ssl/certs/ca-certificates.crt"}
}

func redHat() system {
	return system{
		name: redHatName, home: "/var/ossec/", etc: "etc/", bundle: "/etc/pki/tls/certs/ca-bundle.crt",
		otherBundle: "/etc/ssl/ca-bundle.pem", // SUSE
	}
}

func macOS() system {
	return system{name: macOSName, home: "/Library/Ossec/", etc: "etc/", bundle: "/etc/ssl/cert.pem"}
}

// windows keeps everything in the installation folder, and no file of public
// authorities: the commands write one from the certificate store.
func windows() system {
	return system{name: windowsName, home: `C:\Program Files (x86)\ossec-agent\`}
}

func systems() []system { return []system{debian(), redHat(), macOS(), windows()} }

// ca is the file the agent is told to trust.
func (s system) ca(public bool) string {
	if public && s.bundle != "" {
		return s.bundle
	}
	return s.home + s.etc + CAFile
}

// secret is where the agent looks for the enrollment secret.
func (s system) secret() string { return s.home + s.etc + SecretFile }

func (s system) config() string { return s.home + s.etc + "ossec.conf" }

// caPaths is ca in words, with both places where distributions differ.
func (s system) caPaths(public bool) string {
	if public && s.otherBundle != "" {
		return s.bundle + ", or " + s.otherBundle
	}
	return s.ca(public)
}
