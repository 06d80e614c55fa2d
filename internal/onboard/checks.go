package onboard

import "fmt"

// checks tell name, firewall and TLS inspection apart before anything is installed.
func checks(f facts, addresses []string) []Step {
	want := "it must answer " + either(addresses, "the tenant's address")
	return append(shChecks(f, want), powerShellChecks(f, want)...)
}

func shChecks(f facts, want string) []Step {
	host := shWord(f.host)
	out := []Step{{Title: "the name", Shell: ShellSh, Run: "nslookup " + host, Remark: want}}
	for _, port := range []int32{f.events, f.enrollment} {
		out = append(out, Step{
			Title: fmt.Sprintf("port %d", port), Shell: ShellSh,
			Run: fmt.Sprintf("nc -vz -w 5 %s %d", host, port), Remark: "a timeout means a firewall in between",
		})
	}
	// remoted answers a clear-text #ping frame without knowing who asks.
	out = append(out, Step{
		Title: "the manager behind the events port", Shell: ShellSh,
		Run:    fmt.Sprintf(`printf '\005\000\000\000#ping' | nc -w 5 %s %d | grep -ao '#pong'`, host, f.events),
		Remark: "it must print #pong",
	})
	verify := "openssl s_client -connect " + fmt.Sprintf("%s:%d", host, f.enrollment) +
		" -noservername -verify_hostname " + host + " -verify_return_error"
	remark := "it must say \"Verify return code: 0 (ok)\"; another issuer means TLS inspection; needs OpenSSL 1.1.1 or newer. " +
		"Agents send no server name, hence -noservername"
	if !f.trust.Public {
		verify += " -CAfile " + CAFile
	}
	return append(out, Step{Title: "the certificate on the enrollment port", Shell: ShellSh, Run: verify + " < /dev/null", Remark: remark})
}

func powerShellChecks(f facts, want string) []Step {
	host := psQuote(f.host)
	out := []Step{{Title: "the name", Shell: ShellPowerShell, Run: "Resolve-DnsName " + host, Remark: want}}
	for _, port := range []int32{f.events, f.enrollment} {
		out = append(out, Step{
			Title: fmt.Sprintf("port %d", port), Shell: ShellPowerShell,
			Run:    fmt.Sprintf("Test-NetConnection -ComputerName %s -Port %d", host, port),
			Remark: "TcpTestSucceeded must be True",
		})
	}
	issuer := "a public authority"
	if !f.trust.Public {
		issuer = f.trust.Subject
	}
	return append(out, Step{
		Title: "who signed the certificate on the enrollment port", Shell: ShellPowerShell,
		Run: fmt.Sprintf("$tcp = [Net.Sockets.TcpClient]::new(%s, %d)\n", host, f.enrollment) +
			"$tls = [Net.Security.SslStream]::new($tcp.GetStream(), $false, { $true })\n" +
			fmt.Sprintf("$tls.AuthenticateAsClient(%s)\n", host) +
			"$tls.RemoteCertificate | Format-List Subject, Issuer\n" +
			"$tcp.Close()",
		Remark: "the issuer must be " + issuer + "; another one means TLS inspection",
	})
}
