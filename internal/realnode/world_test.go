//go:build linux

package realnode_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/realnode"
)

// The cluster is made once for all tests of this package, which follow one another.
var world = sync.OnceValues(func() (*realnode.Cluster, error) {
	programs, err := realnode.ReadPrograms(os.Getenv(programsVariable))
	if err != nil {
		return nil, err
	}
	return realnode.Start(context.Background(), programs, 2, func(line string) { fmt.Fprintln(os.Stderr, "started", line) })
})

// cluster returns it, or says why there is none.
func cluster(t *testing.T) *realnode.Cluster {
	t.Helper()
	if without != nil {
		t.Skip(without)
	}
	c, err := world()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hold keeps the cluster while a file is there, for somebody who wants to look into
// it: nsenter into the namespaces of this process.
func hold(t *testing.T) {
	file := os.Getenv("SOCTALK_NODE_HOLD")
	if file == "" {
		return
	}
	t.Logf("held until %s is removed", file)
	for {
		if _, err := os.Stat(file); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}
