package onboard

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// DefaultAgentVersion is installed while the manager's own is not known.
const DefaultAgentVersion = "4.14.7"

var (
	agentVersionForm = regexp.MustCompile(`^4\.[0-9]{1,3}\.[0-9]{1,3}$`)
	// groupForm leaves out what the installer's sed would take for itself.
	groupForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}(,[A-Za-z0-9._-]{1,128})*$`)
)

// agentVersion chooses the version to install: never newer than the manager,
// because a manager refuses newer agents unless told otherwise.
func agentVersion(in Input) (version, note string, err error) {
	manager := ""
	if in.Tenant.Status.Manager != nil {
		manager = strings.TrimPrefix(in.Tenant.Status.Manager.Version, "v")
	}
	if in.AgentVersion != "" {
		if !agentVersionForm.MatchString(in.AgentVersion) {
			return "", "", fmt.Errorf("agent version %q: want a version of Wazuh 4, such as %s", in.AgentVersion, DefaultAgentVersion)
		}
		return in.AgentVersion, newerNote(in.AgentVersion, manager), nil
	}
	switch {
	case agentVersionForm.MatchString(manager):
		return manager, "", nil
	case manager == "":
		return DefaultAgentVersion, "", nil
	}
	return DefaultAgentVersion, fmt.Sprintf("the manager is version %s; this sheet is for agents of version 4, which it serves on these ports; do not upgrade them to version 5, which comes to port 1517 and enrolls past the gateway", manager), nil
}

// newerNote warns of agents the manager refuses; the patch level doesn't count.
func newerNote(agent, manager string) string {
	if a, m := minorOf(agent), minorOf(manager); m < 0 || a <= m {
		return ""
	}
	return fmt.Sprintf("agents of version %s are newer than the manager (%s), which refuses them unless it allows higher versions", agent, manager)
}

// minorOf is the y of a version 4.y.z, and -1 for any other.
func minorOf(version string) int {
	if !agentVersionForm.MatchString(version) {
		return -1
	}
	minor, err := strconv.Atoi(strings.Split(version, ".")[1])
	if err != nil {
		return -1
	}
	return minor
}

// notBefore is false for what is no version, too.
func notBefore(text string, first *version.Version) bool {
	of, err := version.ParseGeneric(text)
	return err == nil && of.AtLeast(first)
}

var (
	// firstMacPackages have an architecture in their name. Before them there was one
	// package for both, which does not install on every Apple silicon, and before 4.4.3
	// it took its settings from launchctl, which macOS 13.4 has closed to root.
	firstMacPackages = version.MustParseGeneric("4.5.1")
	// firstAgentImage of Wazuh's own.
	firstAgentImage = version.MustParseGeneric("4.13.0")
)

// without says why a version of the agent has no commands for a platform; empty
// means it has them.
func without(id, agent string) string {
	switch {
	case strings.HasPrefix(id, "macos") && !notBefore(agent, firstMacPackages):
		return fmt.Sprintf("no commands for macOS: packages of agents before %s have other names and take their settings another way; "+
			"install %s by Wazuh's own documents, then follow \"already installed\"", firstMacPackages, agent)
	case id == "container" && !notBefore(agent, firstAgentImage):
		return fmt.Sprintf("no commands for containers: Wazuh publishes an image of the agent since %s, and this sheet is for %s", firstAgentImage, agent)
	}
	return ""
}

func checkGroup(group string) error {
	if group == "" || groupForm.MatchString(group) {
		return nil
	}
	return fmt.Errorf("agent group %q: use letters, digits, '.', '_' and '-', with commas between groups", group)
}

const packageRoot = "https://" + packageHost + "/4.x/"

func debURL(version, arch string) string {
	return packageRoot + "apt/pool/main/w/wazuh-agent/wazuh-agent_" + version + "-1_" + arch + ".deb"
}

func rpmURL(version, arch string) string {
	return packageRoot + "yum/wazuh-agent-" + version + "-1." + arch + ".rpm"
}

func msiURL(version string) string { return packageRoot + "windows/wazuh-agent-" + version + "-1.msi" }

func pkgURL(version, arch string) string {
	return packageRoot + "macos/wazuh-agent-" + version + "-1." + arch + ".pkg"
}

func imageRef(version string) string { return "docker.io/wazuh/wazuh-agent:" + version }

// fileOf is the last part of a URL.
func fileOf(url string) string { return url[strings.LastIndex(url, "/")+1:] }
