package onboard

import "strings"

const (
	// psHome is the agent's folder in words PowerShell expands.
	psHome = `$agent = "${env:ProgramFiles(x86)}\ossec-agent"`
	// psExport writes the machine's own trusted authorities into one PEM file,
	// because the agent reads files and not the certificate store.
	psExport = `Get-ChildItem Cert:\LocalMachine\Root | ForEach-Object {` + "\n" +
		`  "-----BEGIN CERTIFICATE-----"; [Convert]::ToBase64String($_.RawData, 'InsertLineBreaks'); "-----END CERTIFICATE-----"` + "\n" +
		`} | Set-Content -Encoding ascii "$agent\` + CAFile + `"`
	psExportRemark = "Windows fetches some public authorities only when they are first needed; if enrollment says " +
		"\"unable to get local issuer certificate\", open https://letsencrypt.org once and run this again"
)

// windowsMSI installs with msiexec, which returns before it is done unless
// Start-Process waits for it. The authority's path is relative, which the agent
// resolves in its folder: msiexec would not take the blanks of the full one.
func windowsMSI(f facts) Platform {
	url := msiURL(f.version)
	lines := []string{
		"$msi = Join-Path $env:TEMP " + psQuote(fileOf(url)),
		"Invoke-WebRequest -UseBasicParsing -Uri " + psQuote(url) + " -OutFile $msi",
		"$arguments = '/i', \"`\"$msi`\"\", '/q'",
	}
	for _, v := range variables(f, CAFile) {
		lines = append(lines, "$arguments += "+psQuote(msiProperty(v.name, v.value)))
	}
	lines = append(lines,
		"$install = Start-Process msiexec.exe -ArgumentList $arguments -Wait -PassThru",
		`if ($install.ExitCode -ne 0) { throw "msiexec ended with $($install.ExitCode)" }`)
	return Platform{ID: "windows-msi", Name: "Windows (32 and 64 bit)", System: windowsName, Package: url, Steps: []Step{
		{
			Title: "install", Shell: ShellPowerShell, Run: strings.Join(lines, "\n"),
			Remark: "as administrator; the properties count on a first installation only, see \"already installed\" otherwise",
		},
		psPlaceFiles(f),
		{Title: "start", Shell: ShellPowerShell, Run: "Start-Service WazuhSvc"},
		{
			Title: "see it arrive", Shell: ShellPowerShell,
			Run:    psHome + "\n" + `Select-String -Path "$agent\ossec.log" -Pattern 'Valid key received|Connected to the server|ERROR'`,
			Remark: "\"Valid key received\" means the enrollment port works, \"Connected to the server\" the events port",
		},
	}}
}

// psPlaceFiles copies rather than moves: a copy takes over the folder's
// permissions, a moved file keeps its own.
func psPlaceFiles(f facts) Step {
	step := Step{Title: "place the authority and the secret", Shell: ShellPowerShell, Run: psHome + "\n", Remark: "before the agent starts"}
	if f.trust.Public {
		step.Run += psExport + "\n"
		step.Remark += "; " + psExportRemark
	} else {
		step.Run += `Copy-Item ` + CAFile + ` "$agent\` + CAFile + `"` + "\n"
	}
	step.Run += `Copy-Item ` + SecretFile + ` "$agent\` + SecretFile + `"; Remove-Item ` + SecretFile
	return step
}
