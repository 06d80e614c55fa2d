package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// revealFlags are the flags of secret reveal.
type revealFlags struct {
	secretFlags
	why    string
	show   bool
	toFile string
}

func newSecretRevealCommand(s *session) *cobra.Command {
	var flags revealFlags
	command := &cobra.Command{
		Use:   "reveal SLUG --why TEXT",
		Short: "reveal a tenant's secret, once",
		Long: "Reveal a tenant's secret, once. It is marked as revealed first and shown then: of several\n" +
			"people at it at the same time one sees it, and the others are told who. Who, when and\n" +
			"why stand on the Secret, and in an Event on the Tenant.\n\n" +
			"The secret alone goes to standard output, to be piped. It is not printed to a terminal,\n" +
			"where it would stay in the scroll-back, unless --show says so.",
		Example: "  # into a file only you can read\n" +
			"  soctalk-ingress secret reveal acme --why 'first agents, ticket 4711' --to-file authd.pass\n\n" +
			"  # into a program\n" +
			"  soctalk-ingress secret reveal acme --why 'into the vault' | vault-put",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	flags.add(command)
	set := command.Flags()
	set.StringVar(&flags.why, "why", "", "the reason, kept with the secret (required)")
	set.BoolVar(&flags.show, "show", false, "print it although standard output is a terminal")
	set.StringVar(&flags.toFile, "to-file", "", "write it to this new file, with mode 0600")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := flags.check(isTerminal(s.streams.Out)); err != nil {
			return err
		}
		return s.secretReveal(command.Context(), flags, args[0])
	}
	return command
}

func (f *revealFlags) check(terminal bool) error {
	if err := reveal.CheckWhy(f.why); err != nil {
		return usageError("--why: %w", err)
	}
	switch {
	case f.show && f.toFile != "":
		return usageError("--show and --to-file exclude each other")
	case terminal && !f.show && f.toFile == "":
		return hinted(exitUsage, errors.New("standard output is a terminal; nothing was revealed"),
			"use --to-file FILE, pipe the output into a program, or use --show")
	}
	return nil
}

func (s *session) secretReveal(ctx context.Context, flags revealFlags, slug string) error {
	ref := flags.reference(slug)
	c, _, err := s.connectTo(ctx, slug)
	if err != nil {
		return err
	}
	by, err := reveal.EntryFor(ctx, c, flags.why, time.Now())
	if err != nil {
		return err
	}
	// What can fail here must fail before the secret is spent.
	to, err := s.secretTarget("--to-file", flags.toFile)
	if err != nil {
		return err
	}
	shown, err := s.spend(ctx, c, ref, by, to)
	if err != nil {
		return err
	}
	if err := to.write(asLine(shown)); err != nil {
		return unwritten(ref, err)
	}
	s.talk("secret %s is revealed; the next time needs a rotation, or secret rearm", ref.Namespaced())
	return nil
}

// target is where a secret goes: discard undoes the opening of it.
type target struct {
	write   func(line []byte) error
	discard func()
}

func (s *session) secretTarget(flag, file string) (target, error) {
	if file == "" {
		return target{write: func(line []byte) error { _, err := s.streams.Out.Write(line); return err }, discard: func() {}}, nil
	}
	opened, err := newFile(flag, file, 0o600)
	if err != nil {
		return target{}, err
	}
	return target{
		write: func(line []byte) error {
			_, err := opened.Write(line)
			return errors.Join(err, opened.Sync(), opened.Close())
		},
		discard: func() { _ = opened.Close(); _ = os.Remove(file) },
	}, nil
}

// newFile makes the file a flag names, and never writes over one.
func newFile(flag, file string, mode fs.FileMode) (*os.File, error) {
	opened, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, usageError("%s: %s exists already; remove it, or name another file", flag, file)
	case err != nil:
		return nil, usageError("%s: %w", flag, err)
	}
	return opened, nil
}

// asLine ends a secret with one newline, which authd.pass has and a token may lack.
func asLine(shown []byte) []byte {
	return append(bytes.TrimRight(bytes.Clone(shown), "\n"), '\n')
}
