package onboard

import (
	"fmt"
	"strings"
)

// containerCA is the authority's path inside the container; the image is an
// Amazon Linux and brings the public ones.
func containerCA(public bool) string {
	if public {
		return redHat().bundle
	}
	return "/" + CAFile
}

// container runs Wazuh's image. It takes its settings from variables of its own
// (WAZUH_MANAGER_SERVER, not WAZUH_MANAGER) and knows none for the authority, so
// a script in the folder the image runs before the agent starts sets that.
func container(f facts) Platform {
	image := imageRef(f.version)
	return Platform{ID: "container", Name: "container (Docker, Podman)", Package: image, Steps: []Step{
		{
			Title: "write the settings", Shell: ShellSh, Run: envFile(f),
			Remark: "the secret is in the file and, as with every environment variable, in \"docker inspect\"",
		},
		{Title: "write the script that sets the authority", Shell: ShellSh, Run: caScript(f)},
		{
			Title: "start", Shell: ShellSh, Run: dockerRun(f, image),
			Remark: "the volume keeps the agent's key, so that a new container does not enroll again",
		},
		{
			Title: "see that the authority is set, and that it arrives", Shell: ShellSh,
			Run: "docker exec wazuh-agent grep server_ca_path /var/ossec/etc/ossec.conf\n" +
				"docker exec wazuh-agent grep -E 'Valid key received|Connected to the server|ERROR' /var/ossec/logs/ossec.log",
			Remark: "if the first line is missing, the agent does not check whom it enrolls with: stop it",
		},
	}}
}

func envFile(f facts) string {
	lines := []string{
		"(umask 077 && cat > wazuh-agent.env <<'EOF'",
		"WAZUH_MANAGER_SERVER=" + f.host,
		fmt.Sprintf("WAZUH_MANAGER_PORT=%d", f.events),
		"WAZUH_REGISTRATION_SERVER=" + f.host,
		fmt.Sprintf("WAZUH_REGISTRATION_PORT=%d", f.enrollment),
	}
	if f.group != "" {
		lines = append(lines, "WAZUH_AGENT_GROUP="+f.group)
	}
	return strings.Join(append(lines, "EOF",
		`printf 'WAZUH_REGISTRATION_PASSWORD=%s\n' "$(cat `+SecretFile+`)" >> wazuh-agent.env) && rm -f `+SecretFile), "\n")
}

func caScript(f facts) string {
	element := "<server_ca_path>" + xmlText(containerCA(f.trust.Public)) + "</server_ca_path>"
	return strings.Join([]string{
		"mkdir -p entrypoint-scripts && cat > entrypoint-scripts/10-server-ca.sh <<'EOF'",
		"conf=/var/ossec/etc/ossec.conf",
		`grep -q '<server_ca_path>' "$conf" || sed -i 's#</enrollment>#` + element + `</enrollment>#' "$conf"`,
		"EOF",
	}, "\n")
}

func dockerRun(f facts, image string) string {
	lines := []string{
		`docker run -d --name wazuh-agent --restart unless-stopped --hostname "$(hostname)"`,
		"  --env-file wazuh-agent.env",
		`  -v "$PWD/entrypoint-scripts:/entrypoint-scripts:ro"`,
	}
	if !f.trust.Public {
		lines = append(lines, `  -v "$PWD/`+CAFile+`:`+containerCA(false)+`:ro"`)
	}
	return strings.Join(append(lines, "  -v wazuh-agent-etc:/var/ossec/etc", "  "+shWord(image)), " \\\n")
}
