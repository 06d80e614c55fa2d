package onboard

// SecretFile is the file an agent reads the enrollment secret from.
const SecretFile = "authd.pass"

// secretPlaceholder stands where the plain command wants the secret itself.
const secretPlaceholder = "<authd-shared-secret>"

// Secret says how the enrollment secret travels: as a file, never in a command,
// because other users of the endpoint see the arguments of its processes.
type Secret struct {
	File   string `json:"file"`
	Remark string `json:"remark"`
	// Make writes the file from what was handed over.
	Make []Step `json:"make"`
}

func newSecret() Secret {
	return Secret{
		File: SecretFile,
		Remark: "the secret comes separately, over a channel you trust; it is one line of letters and digits. " +
			"It lets any host enroll as this tenant: delete the file from where you worked once agents run.",
		Make: []Step{
			{
				Title: "write the file", Shell: ShellSh,
				Run:    `(umask 077; printf 'enrollment secret: '; IFS= read -rs secret && printf '%s\n' "$secret" > ` + SecretFile + `)`,
				Remark: "in bash or zsh; paste the secret and press Enter, it is not shown",
			},
			{
				Title: "write the file", Shell: ShellPowerShell,
				Run: "$secret = Read-Host -AsSecureString 'enrollment secret'\n" +
					`[IO.File]::WriteAllText("$PWD\` + SecretFile + `", [Net.NetworkCredential]::new('', $secret).Password + "` + "`n" + `")`,
				Remark: "paste the secret and press Enter, it is not shown",
			},
		},
	}
}
