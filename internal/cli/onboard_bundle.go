package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/onboard/kit"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// bundleFlags are the flags of onboard that make an archive.
type bundleFlags struct {
	file       string
	withSecret bool
	why        string
}

func (f *bundleFlags) add(command *cobra.Command) {
	set := command.Flags()
	set.StringVar(&f.file, "bundle", "", "write sheet, authority, check and scripts to this new zip archive")
	set.BoolVar(&f.withSecret, "with-secret", false, "put the enrollment secret into the archive; this is its reveal, and needs --why")
	set.StringVar(&f.why, "why", "", "the reason of the reveal, with --with-secret")
}

func (f *bundleFlags) check(command *cobra.Command) error {
	switch {
	case f.file == "" && f.withSecret:
		return usageError("--with-secret needs --bundle: the secret is never part of the sheet")
	case f.file != "" && command.Flags().Changed("output"):
		return usageError("--bundle and --output exclude each other")
	case !f.withSecret && f.why != "":
		return usageError("--why is the reason of a reveal; use it with --with-secret")
	case f.withSecret:
		if err := reveal.CheckWhy(f.why); err != nil {
			return usageError("--why: %w", err)
		}
	}
	return nil
}

// writeBundle writes the archive. With the secret, everything that can fail is
// tried before it is spent.
func (s *session) writeBundle(ctx context.Context, c *cluster, flags bundleFlags, sheet onboard.Sheet) error {
	without, err := archiveOf(sheet, nil)
	if err != nil {
		return err
	}
	to, err := s.secretTarget("--bundle", flags.file)
	if err != nil {
		return err
	}
	if !flags.withSecret {
		if err := to.write(without); err != nil {
			return fmt.Errorf("write %s: %w", flags.file, err)
		}
		s.talk("%s is written; the enrollment secret is not in it", flags.file)
		return nil
	}
	ref := reveal.Enrollment(sheet.Tenant)
	by, err := reveal.EntryFor(ctx, c, flags.why, time.Now())
	if err != nil {
		to.discard()
		return err
	}
	shown, err := s.spend(ctx, c, ref, by, to)
	if err != nil {
		return err
	}
	with, err := archiveOf(sheet, shown)
	if err = errors.Join(err, to.write(with)); err != nil {
		return unwritten(ref, err)
	}
	s.talk("%s is written, with the enrollment secret: keep it from others", flags.file)
	return nil
}

func archiveOf(sheet onboard.Sheet, secret []byte) ([]byte, error) {
	files, err := kit.Files(sheet, secret)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = kit.WriteZip(&out, kit.Folder(sheet), files)
	return out.Bytes(), err
}
