package onboard

import (
	"fmt"
	"strings"
)

// installed points agents that are there already at the tenant. agent-auth reads
// the secret from its file when it is given none; it is gone in Wazuh 5, where
// the configuration alone makes the agent enroll.
func installed(f facts) []Installed {
	var out []Installed
	for _, on := range systems() {
		entry := Installed{System: on.name, Config: on.config(), ClientXML: clientXML(f, on)}
		if on.name == windowsName {
			entry.Steps = installedWindows(f)
		} else {
			entry.Steps = installedUnix(f, on)
		}
		out = append(out, entry)
	}
	return out
}

const installedRemark = "version 4 only; needed when the agent has a key of another manager, otherwise the restart alone enrolls it; " +
	"if it ends with \"SSL error\" although the checks above are well, run it again"

func installedUnix(f facts, on system) []Step {
	restart := "sudo systemctl restart wazuh-agent"
	if on.name == macOSName {
		restart = "sudo /Library/Ossec/bin/wazuh-control restart"
	}
	bundle, before := shWord(on.ca(f.trust.Public)), ""
	if f.trust.Public && on.otherBundle != "" {
		bundle, before = `"$bundle"`, eitherBundle(on)+"\n"
	}
	return []Step{
		placeFiles(f, on),
		{
			Title: "enroll", Shell: ShellSh, Remark: installedRemark,
			Run: before + fmt.Sprintf("sudo %s -m %s -p %d -v %s", shWord(on.home+"bin/agent-auth"), shWord(f.host), f.enrollment, bundle) +
				groupFlag(f.group, shWord),
		},
		{Title: "restart", Shell: ShellSh, Run: restart},
	}
}

func installedWindows(f facts) []Step {
	return []Step{
		psPlaceFiles(f),
		{
			Title: "enroll", Shell: ShellPowerShell, Remark: installedRemark,
			Run: psHome + "\nSet-Location $agent\n" +
				fmt.Sprintf(`.\agent-auth.exe -m %s -p %d -v %s`, psQuote(f.host), f.enrollment, psQuote(CAFile)) +
				groupFlag(f.group, psQuote),
		},
		{Title: "restart", Shell: ShellPowerShell, Run: "Restart-Service WazuhSvc"},
	}
}

// groupFlag says the group again: agent-auth does not read the configuration.
func groupFlag(group string, quote func(string) string) string {
	if group == "" {
		return ""
	}
	return " -G " + quote(group)
}

// plain is the shortest command that enrolls. Its events port comes from the
// configuration, and the secret stands in its arguments.
func plain(f facts) Step {
	run := "/var/ossec/bin/agent-auth -m " + shWord(f.host)
	if f.edge {
		run += fmt.Sprintf(" -p %d", f.enrollment)
	}
	remark := "it works, but every user of the endpoint sees the secret in the list of processes, and without -v " +
		"the agent gives it to whoever answers; prefer the commands above"
	if f.edge {
		remark += fmt.Sprintf(". The events port %d must be set in ossec.conf as well", f.events)
	}
	return Step{Title: "shortest form", Shell: ShellSh, Run: run + ` -P "` + secretPlaceholder + `"`, Remark: remark}
}

// clientXML replaces <client>. The first enrollment goes to manager_address, a
// later one to the server's address: both are the same name.
func clientXML(f facts, on system) string {
	ca, secret := on.ca(f.trust.Public), on.etc+SecretFile
	if on.name == windowsName {
		ca = CAFile
	}
	lines := []string{
		"<client>",
		"  <server>",
		"    <address>" + xmlText(f.host) + "</address>",
		fmt.Sprintf("    <port>%d</port>", f.events),
		"    <protocol>tcp</protocol>",
		"  </server>",
		"  <enrollment>",
		"    <enabled>yes</enabled>",
		"    <manager_address>" + xmlText(f.host) + "</manager_address>",
		fmt.Sprintf("    <port>%d</port>", f.enrollment),
	}
	if f.group != "" {
		lines = append(lines, "    <groups>"+xmlText(f.group)+"</groups>")
	}
	if f.trust.Public && on.otherBundle != "" {
		lines = append(lines, "    <!-- on SUSE: "+on.otherBundle+" -->")
	}
	lines = append(lines,
		"    <server_ca_path>"+xmlText(ca)+"</server_ca_path>",
		"    <authorization_pass_path>"+xmlText(secret)+"</authorization_pass_path>",
		"  </enrollment>",
		"</client>")
	return strings.Join(lines, "\n") + "\n"
}
