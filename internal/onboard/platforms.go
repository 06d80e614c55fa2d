package onboard

import (
	"fmt"
	"slices"
	"strings"
)

// PlatformIDs lists the platforms in the order of a sheet.
func PlatformIDs() []string {
	return []string{"deb-amd64", "deb-arm64", "rpm-x86_64", "rpm-aarch64", "windows-msi", "macos-intel", "macos-arm", "container"}
}

func platforms(f facts) []Platform {
	return slices.DeleteFunc([]Platform{
		linux(f, debian(), "deb-amd64", "Debian, Ubuntu (amd64)", debURL(f.version, "amd64"), "dpkg -i"),
		linux(f, debian(), "deb-arm64", "Debian, Ubuntu (arm64)", debURL(f.version, "arm64"), "dpkg -i"),
		linux(f, redHat(), "rpm-x86_64", "Red Hat, Amazon Linux, SUSE (x86_64)", rpmURL(f.version, "x86_64"), "rpm -ihv"),
		linux(f, redHat(), "rpm-aarch64", "Red Hat, Amazon Linux, SUSE (aarch64)", rpmURL(f.version, "aarch64"), "rpm -ihv"),
		windowsMSI(f),
		mac(f, "macos-intel", "macOS (Intel)", pkgURL(f.version, "intel64")),
		mac(f, "macos-arm", "macOS (Apple silicon)", pkgURL(f.version, "arm64")),
		container(f),
	}, func(p Platform) bool { return without(p.ID, f.version) != "" })
}

// variable is one of Wazuh's deployment variables.
type variable struct{ name, value string }

// variables for the packages. Both ports are always said: the installer's
// defaults are right in one of the two modes only, and a sheet that is copied
// from one tenant to another must not silently keep them. The secret is not
// among them: a variable would put it into an argument list.
func variables(f facts, caPath string) []variable {
	out := []variable{
		{"WAZUH_MANAGER", f.host},
		{"WAZUH_MANAGER_PORT", fmt.Sprint(f.events)},
		{"WAZUH_REGISTRATION_SERVER", f.host},
		{"WAZUH_REGISTRATION_PORT", fmt.Sprint(f.enrollment)},
		{"WAZUH_REGISTRATION_CA", caPath},
	}
	if f.group != "" {
		out = append(out, variable{"WAZUH_AGENT_GROUP", f.group})
	}
	return out
}

// linux installs a package. The variables stand after sudo, which would drop
// them from its own environment.
func linux(f facts, on system, id, name, url, install string) Platform {
	file := fileOf(url)
	lines := []string{"sudo"}
	for _, v := range variables(f, on.ca(f.trust.Public)) {
		lines = append(lines, "  "+v.name+"="+shQuote(v.value))
	}
	lines = append(lines, "  "+install+" ./"+shWord(file))
	run := strings.Join(lines, " \\\n")
	if f.trust.Public && on.otherBundle != "" {
		run = eitherBundle(on) + "\n" + strings.Replace(run, shQuote(on.bundle), `"$bundle"`, 1)
	}
	remark := "the variables count on a first installation only; see \"already installed\" otherwise"
	return Platform{ID: id, Name: name, System: on.name, Package: url, Steps: []Step{
		{Title: "download", Shell: ShellSh, Run: "curl -fLO " + shWord(url)},
		{Title: "install", Shell: ShellSh, Run: run, Remark: remark},
		placeFiles(f, on),
		{Title: "start", Shell: ShellSh, Run: "sudo systemctl daemon-reload && sudo systemctl enable --now wazuh-agent"},
		watchLog(on),
	}}
}

// eitherBundle finds the public authorities where distributions differ.
func eitherBundle(on system) string {
	return "bundle=" + on.bundle + "; [ -e \"$bundle\" ] || bundle=" + on.otherBundle
}

// placeFiles puts secret and authority where the agent, which runs as user
// wazuh, can read them and others cannot.
func placeFiles(f facts, on system) Step {
	step := Step{Title: "place the secret", Shell: ShellSh, Remark: "before the agent starts"}
	if !f.trust.Public {
		step.Title = "place the authority and the secret"
		step.Run = "sudo install -m 640 -o root -g wazuh " + CAFile + " " + shWord(on.ca(false)) + "\n"
	}
	step.Run += "sudo install -m 640 -o root -g wazuh " + SecretFile + " " + shWord(on.secret()) + " && rm -f " + SecretFile
	return step
}

func watchLog(on system) Step {
	return Step{
		Title: "see it arrive", Shell: ShellSh,
		Run: "sudo grep -E 'Valid key received|Connected to the server|ERROR' " + shWord(on.home+"logs/ossec.log"),
		Remark: "\"Valid key received\" means the enrollment port works, \"Connected to the server\" the events port; " +
			"between the two lie some 20 seconds",
	}
}

// mac writes the variables to the file the package's script reads as root and
// deletes; install(1) makes that file new, so that nobody else owns it.
func mac(f facts, id, name, url string) Platform {
	on := macOS()
	lines := []string{"sudo install -m 600 /dev/null /tmp/wazuh_envs", "sudo tee /tmp/wazuh_envs > /dev/null <<'EOF'"}
	for _, v := range variables(f, on.ca(f.trust.Public)) {
		lines = append(lines, v.name+"="+shQuote(v.value))
	}
	lines = append(lines, "EOF", "sudo installer -pkg ./"+shWord(fileOf(url))+" -target /")
	return Platform{ID: id, Name: name, System: on.name, Package: url, Steps: []Step{
		{Title: "download", Shell: ShellSh, Run: "curl -fLO " + shWord(url)},
		{Title: "install", Shell: ShellSh, Run: strings.Join(lines, "\n")},
		placeFiles(f, on),
		{Title: "start", Shell: ShellSh, Run: "sudo /Library/Ossec/bin/wazuh-control start"},
		watchLog(on),
	}}
}
