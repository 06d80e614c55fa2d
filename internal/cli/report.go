package cli

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

// formatEnvelope is a report as it is signed, to be kept in a file.
const formatEnvelope = "envelope"

// maxReport bounds a report's file: one of 500 agents has a tenth of it.
const maxReport = 1 << 20

func newReportCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:     "report",
		Aliases: []string{"reports"},
		Short:   "show and verify the reports of offboardings",
		Long: "Show and verify the reports of offboardings. A report outlives its tenant, in the\n" +
			"cluster until somebody deletes it, and in a file anywhere: it is signed (Ed25519, in a\n" +
			"DSSE envelope) with a key the operator made, whose public half is in the ConfigMap\n" +
			naming.ReportKey + " beside the operator.",
	}, newReportListCommand(s), newReportShowCommand(s), newReportVerifyCommand(s))
	s.addClusterFlags(command)
	return command
}

func newReportListCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short:   "list the reports in the cluster",
		Long:    "List the reports in the cluster, with the columns their kind defines: kubectl get\noffboardingreports shows the same ones.",
		Example: "  soctalk-ingress report list -o wide",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	out := addOutput(command, formatTable, formatWide, formatJSON, formatYAML, formatName, formatJSONPath)
	command.RunE = func(command *cobra.Command, _ []string) error {
		return s.listReports(command.Context(), out)
	}
	return command
}

func (s *session) listReports(ctx context.Context, out *output) error {
	if err := out.check(); err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	return s.printList(ctx, c, out, "offboardingreports", "", &v1alpha1.OffboardingReportList{}, "no reports yet; tenant offboard and tenant delete end with one")
}

func newReportShowCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:   "show SLUG|NAME",
		Short: "show a report of the cluster, after checking its signature",
		Long: "Show a report of the cluster, after checking its signature with the published key. The\n" +
			"slug of a tenant that was removed means the last of its reports; a report's own name\n" +
			"means that one. -o envelope gives the report as it is signed, to be kept in a file.",
		Example: "  soctalk-ingress report show acme\n\n" +
			"  # one of several, to keep\n" +
			"  soctalk-ingress report show acme-6f0f0d6e -o envelope > acme.json",
		Args: oneName, ValidArgsFunction: s.completeReport,
	}
	out := addOutput(command, formatText, formatJSON, formatEnvelope)
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.showReport(command.Context(), out, args[0])
	}
	return command
}

// oneName wants the name of a report, or of its tenant, and nothing else.
func oneName(command *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one slug or one report's name, got %d", command.CommandPath(), len(args))
	}
	return nil
}

func (s *session) showReport(ctx context.Context, out *output, name string) error {
	if err := out.check(); err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	held, err := s.findReport(ctx, c, name)
	if err != nil {
		return err
	}
	payload, _, err := c.VerifiedReport(ctx, held)
	if err != nil {
		return err
	}
	if out.format == formatEnvelope {
		text, err := json.MarshalIndent(held.Spec.Envelope, "", "  ")
		if err != nil {
			return err
		}
		_, err = s.streams.Out.Write(append(text, '\n'))
		return err
	}
	return s.printStatement(out, payload)
}

func (s *session) printStatement(out *output, payload []byte) error {
	if out.format == formatJSON {
		_, err := s.streams.Out.Write(append(payload, '\n'))
		return err
	}
	statement, err := report.Parse(payload)
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.streams.Out, report.Text(statement))
	return err
}

func newReportVerifyCommand(s *session) *cobra.Command {
	var keyFile string
	command := &cobra.Command{
		Use:   "verify FILE",
		Short: "check a report's signature, and show it",
		Long: "Check the signature of a report in a file (or - for standard input), and show it. With\n" +
			"--key no cluster is asked; without, the key is the one the operator publishes now. A\n" +
			"report that was changed, or that another key signed, is not shown and ends with 4.",
		Example: "  soctalk-ingress report verify acme.json --key report-key.pem\n\n" +
			"  # the public key, to keep apart from the reports\n" +
			"  kubectl -n soctalk-system get configmap soctalk-ingress-report-key -o jsonpath='{.data.public\\.pem}' > report-key.pem",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s takes one file, got %d", command.CommandPath(), len(args))
			}
			return nil
		},
	}
	command.Flags().StringVar(&keyFile, "key", "", "file with the public key (PEM); no cluster is needed then")
	out := addOutput(command, formatText, formatJSON)
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.verifyReport(command.Context(), out, args[0], keyFile)
	}
	return command
}

func (s *session) verifyReport(ctx context.Context, out *output, name, keyFile string) error {
	if err := out.check(); err != nil {
		return err
	}
	text, err := s.readReport(name)
	if err != nil {
		return err
	}
	envelope, err := report.ParseEnvelope(text)
	if err != nil {
		return hinted(exitRefused, fmt.Errorf("%s: %w", name, err), "give the file that tenant offboard --report or report show -o envelope wrote")
	}
	key, err := s.verifyingKey(ctx, keyFile)
	if err != nil {
		return err
	}
	payload, err := report.Verify(key, envelope)
	if err != nil {
		return desk.NotVerified(name, err)
	}
	id, err := report.KeyID(key)
	if err != nil {
		return err
	}
	s.talk("%s signed with key %s", s.painter(s.streams.ErrOut).mark(markGood), id)
	return s.printStatement(out, payload)
}

func (s *session) readReport(name string) ([]byte, error) {
	in := s.streams.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError("%w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxReport {
		return nil, hinted(exitRefused, fmt.Errorf("%s: larger than %d bytes", name, maxReport), "no report is")
	}
	return text, nil
}

func (s *session) verifyingKey(ctx context.Context, file string) (ed25519.PublicKey, error) {
	if file == "" {
		c, err := s.connect()
		if err != nil {
			return nil, err
		}
		return c.ReportKey(ctx)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError("--key: %w", err)
	}
	key, err := report.ParsePublicKey(text)
	if err != nil {
		return nil, usageError("--key: %s: %w", file, err)
	}
	return key, nil
}
