package onboard

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the sheet for people: a page that can be sent as it is.
func (s Sheet) WriteText(w io.Writer) error {
	page := &page{}
	page.head(s)
	page.firewall(s.Firewall)
	page.trust(s.Trust)
	page.section("enrollment secret")
	page.paragraph(s.Secret.Remark)
	page.steps(s.Secret.Make)
	page.section("check before you install")
	page.steps(s.Checks)
	for _, platform := range s.Platforms {
		page.section("install on " + platform.Name)
		page.steps(platform.Steps)
	}
	for _, entry := range s.Installed {
		page.section("already installed, version 4: " + entry.System)
		page.paragraph("in " + entry.Config + ", replace <client> with:")
		page.block(entry.ClientXML)
		page.steps(entry.Steps)
	}
	page.section(s.Plain.Title)
	page.steps([]Step{s.Plain})
	_, err := w.Write(page.out.Bytes())
	return err
}

// page is text under construction.
type page struct{ out bytes.Buffer }

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

func (p *page) section(title string) {
	p.line("")
	p.line("== %s", title)
}

func (p *page) paragraph(text string) {
	p.line("")
	p.line("%s", wrap(text, 100, ""))
}

// block is text to be copied: indented by four, nothing else on its lines.
func (p *page) block(text string) {
	p.line("")
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		p.line("%s", strings.TrimRight("    "+line, " "))
	}
}

// steps writes each step: its title, what to mind, and what to run.
func (p *page) steps(steps []Step) {
	for _, step := range steps {
		p.line("")
		label := step.Title
		if step.Shell == ShellPowerShell {
			label += " (PowerShell)"
		}
		p.line("%s", wrap("- "+join(": ", label, step.Remark), 100, "  "))
		p.block(step.Run)
	}
}

func (p *page) head(s Sheet) {
	name := s.Tenant
	if s.DisplayName != "" {
		name = s.DisplayName + " (" + s.Tenant + ")"
	}
	p.line("Wazuh agents of %s", name)
	for _, note := range s.Notes {
		p.line("")
		p.line("%s", wrap("! "+note, 100, "  "))
	}
	p.line("")
	table := tabwriter.NewWriter(&p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "hostname\t%s\n", s.Hostname)
	fmt.Fprintf(table, "address\t%s\n", either(s.Addresses, "not assigned yet"))
	for _, port := range s.Ports {
		fmt.Fprintf(table, "%s port\t%d\n", port.Name, port.Port)
	}
	fmt.Fprintf(table, "agent version\t%s\n", s.AgentVersion)
	_ = table.Flush() // a bytes.Buffer accepts every write
}

func (p *page) firewall(firewall Firewall) {
	p.section("firewall on the customer's side")
	p.line("")
	table := tabwriter.NewWriter(&p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DIRECTION\tPROTOCOL\tDESTINATION\tADDRESS\tPORT\tPURPOSE")
	for _, row := range firewall.Rows {
		address := "-"
		if len(row.Addresses) > 0 {
			address = strings.Join(row.Addresses, ",")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", row.Direction, row.Protocol, row.Destination, address, row.Port, row.Purpose)
	}
	_ = table.Flush() // a bytes.Buffer accepts every write
	p.line("")
	for _, remark := range firewall.Remarks {
		p.line("%s", wrap("- "+remark, 100, "  "))
	}
}

func (p *page) trust(trust Trust) {
	p.section("authority to trust")
	if trust.Public {
		p.paragraph("The certificate on the enrollment port comes from a public authority. The agent must still be told where the system keeps those:")
	} else {
		p.paragraph("The certificate on the enrollment port comes from " + trust.Subject + ". Save this as " + trust.File + ":")
		p.block(trust.PEM)
		p.paragraph("SHA-256 " + trust.SHA256)
		p.steps(trust.Check)
		p.paragraph("The commands put it here:")
	}
	p.line("")
	table := tabwriter.NewWriter(&p.out, 0, 0, 2, ' ', 0)
	for _, path := range trust.Paths {
		fmt.Fprintf(table, "    %s\t%s\n", path.System, path.Path)
	}
	_ = table.Flush() // a bytes.Buffer accepts every write
}

func join(between string, parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, between)
}

// wrap breaks a text between words; every line after the first is indented.
func wrap(text string, width int, indent string) string {
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			out.WriteString("\n" + indent)
			column = len(indent)
		default:
			out.WriteString(" ")
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}
