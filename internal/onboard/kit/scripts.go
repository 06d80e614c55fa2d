package kit

import (
	"fmt"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/onboard"
)

// installer is the script of one platform: the steps of the sheet in order, and
// before them the question for the secret where there is no file of it.
func installer(sheet onboard.Sheet, platform onboard.Platform) File {
	if platform.Steps[0].Shell == onboard.ShellPowerShell {
		return File{"install-" + platform.ID + ".ps1", 0o644, windowsText(powerShellInstaller(sheet, platform))}
	}
	lines := []string{
		"#!/bin/sh",
		fmt.Sprintf("# Installs a Wazuh agent of %s on %s.", sheet.Hostname, platform.Name),
		"set -eu",
		`cd "$(dirname "$0")"`,
	}
	if !sheet.Trust.Public {
		lines = append(lines, "[ -s "+onboard.CAFile+" ] || { echo '"+onboard.CAFile+" is missing; unpack the whole folder' >&2; exit 1; }")
	}
	lines = append(lines, askSecret...)
	do, look := parts(platform)
	for _, step := range do {
		lines = append(lines, "", "# "+step.Title, strings.TrimSpace(step.Run))
	}
	lines = append(lines, "", "cat <<'NEXT'", "", "Done. "+look.Remark+":", "")
	lines = append(append(lines, indent(look.Run)...), "NEXT")
	return File{"install-" + platform.ID + ".sh", 0o755, []byte(strings.Join(lines, "\n") + "\n")}
}

// askSecret works in every POSIX shell: read -s is bash's alone.
var askSecret = []string{
	"if [ ! -s " + onboard.SecretFile + " ]; then",
	"  printf 'enrollment secret (not shown): ' >&2",
	"  trap 'stty echo' EXIT",
	"  stty -echo",
	"  IFS= read -r secret",
	"  stty echo",
	"  trap - EXIT",
	"  echo >&2",
	"  (umask 077 && printf '%s\\n' \"$secret\" > " + onboard.SecretFile + ")",
	"fi",
}

func powerShellInstaller(sheet onboard.Sheet, platform onboard.Platform) string {
	lines := []string{
		fmt.Sprintf("# Installs a Wazuh agent of %s on %s.", sheet.Hostname, platform.Name),
		"#Requires -RunAsAdministrator",
		"$ErrorActionPreference = 'Stop'",
		"Set-Location $PSScriptRoot",
	}
	if !sheet.Trust.Public {
		lines = append(lines, "if (-not (Test-Path "+onboard.CAFile+")) { throw '"+onboard.CAFile+" is missing; unpack the whole folder' }")
	}
	lines = append(lines, "if (-not (Test-Path "+onboard.SecretFile+")) {")
	for _, step := range sheet.Secret.Make {
		if step.Shell == onboard.ShellPowerShell {
			lines = append(lines, indent(step.Run)...)
		}
	}
	lines = append(lines, "}")
	do, look := parts(platform)
	for _, step := range do {
		lines = append(lines, "", "# "+step.Title, strings.TrimSpace(step.Run))
	}
	lines = append(lines, "", "Write-Host @'", "", "Done. "+look.Remark+":", "")
	lines = append(append(lines, indent(look.Run)...), "'@")
	return strings.Join(lines, "\n") + "\n"
}

// parts are what a script does, and the last step, which looks whether the agent
// arrived: that takes a while, so the script only says how.
func parts(platform onboard.Platform) (do []onboard.Step, look onboard.Step) {
	last := len(platform.Steps) - 1
	return platform.Steps[:last], platform.Steps[last]
}

// shellCheck runs the sheet's checks one after another and says what to look for.
func shellCheck(sheet onboard.Sheet) string {
	lines := []string{
		"#!/bin/sh", "# Tells whether this host reaches " + sheet.Hostname + ". It installs nothing.", `cd "$(dirname "$0")"`,
	}
	for _, step := range stepsFor(sheet.Checks, onboard.ShellSh) {
		lines = append(lines, "", "echo "+single("== "+step.Title))
		if step.Remark != "" {
			lines = append(lines, "echo "+single("   "+step.Remark))
		}
		lines = append(lines, strings.TrimSpace(step.Run)+" || echo "+single("   FAILED: "+step.Title))
	}
	return strings.Join(lines, "\n") + "\n"
}

func powerShellCheck(sheet onboard.Sheet) string {
	lines := []string{"# Tells whether this host reaches " + sheet.Hostname + ". It installs nothing.", "Set-Location $PSScriptRoot"}
	for _, step := range stepsFor(sheet.Checks, onboard.ShellPowerShell) {
		lines = append(lines, "", "Write-Host "+single2("== "+step.Title))
		if step.Remark != "" {
			lines = append(lines, "Write-Host "+single2("   "+step.Remark))
		}
		lines = append(lines, strings.TrimSpace(step.Run))
	}
	return strings.Join(lines, "\n") + "\n"
}

func stepsFor(steps []onboard.Step, shell string) []onboard.Step {
	var kept []onboard.Step
	for _, step := range steps {
		if step.Shell == shell {
			kept = append(kept, step)
		}
	}
	return kept
}

func indent(text string) []string {
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		lines = append(lines, "  "+line)
	}
	return lines
}

// windowsText ends lines as the editors there expect, and marks the text as
// UTF-8, which Windows PowerShell does not assume.
func windowsText(text string) []byte {
	return []byte("\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"))
}

// single quotes a text for sh, single2 one for PowerShell.
func single(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func single2(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
