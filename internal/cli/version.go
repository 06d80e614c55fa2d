package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what is known of this program.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// buildInfo prefers the linker's version and takes the rest from the build's own record.
func (s *session) buildInfo() build {
	b := build{Version: s.version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				b.Commit = setting.Value
			case "vcs.modified":
				b.Modified = setting.Value == "true"
			}
		}
	}
	if b.Version == "" && ok && info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	return b
}

func newVersionCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:   "version",
		Short: "print the version of this program",
		Long:  "Print the version of this program, the commit it was built from, and the Go it was\nbuilt with. No cluster is asked.",
		Example: "  soctalk-ingress version\n" +
			"  soctalk-ingress version -o json",
		Args: cobra.NoArgs,
	}
	out := addOutput(command, formatText, formatJSON, formatYAML)
	command.RunE = func(*cobra.Command, []string) error {
		if err := out.check(); err != nil {
			return err
		}
		b := s.buildInfo()
		if out.format != formatText {
			return out.printData(s.streams.Out, b)
		}
		fmt.Fprintf(s.streams.Out, "soctalk-ingress %s\n", b.Version)
		if b.Commit != "" {
			fmt.Fprintf(s.streams.Out, "commit %s\n", b.Commit)
		}
		fmt.Fprintf(s.streams.Out, "%s %s\n", b.Go, b.Platform)
		return nil
	}
	return command
}
