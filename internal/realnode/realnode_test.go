//go:build linux

package realnode_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
	"github.com/soctalk/soctalk-ingress/internal/realnode/sandbox"
)

// The tests run in a sandbox; why there is none is told by every one of them. What
// was built outside is handed in by a variable.
var without error

const (
	programsVariable = "SOCTALK_NODE_PROGRAMS"
	wantedVariable   = "SOCTALK_NODE_TESTS"
)

func TestMain(m *testing.M) {
	os.Exit(sandbox.Run(m.Run, func(folder string) error {
		without = prepare(folder)
		return without
	}))
}

func prepare(folder string) error {
	if os.Getenv(wantedVariable) == "" {
		return fmt.Errorf("real nodes need root and minutes: run make test-node, or set %s=1", wantedVariable)
	}
	if missing := sandbox.Missing("runc", "haproxy", "nft", "iptables", "ip", "nsenter", "unshare", "/usr/lib/cni/ptp"); missing != "" {
		return errors.New(missing)
	}
	reported := time.Now()
	programs, err := realnode.Build(context.Background(), folder, func(program controlplane.Program, p controlplane.BuildProgress) {
		if time.Since(reported) > 20*time.Second {
			reported = time.Now()
			fmt.Fprintf(os.Stderr, "building %s: %d of at most %d packages after %s\n", program.Title, p.Done, p.Total, p.Elapsed.Round(time.Second))
		}
	})
	if err != nil {
		return err
	}
	text, err := programs.Text()
	if err != nil {
		return err
	}
	return os.Setenv(programsVariable, text)
}
