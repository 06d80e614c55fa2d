package controlplanetest

import (
	"fmt"
	"net"
	"os"
	"testing"
)

// FreeAddress is host:port for a program that listens later. The port is free now, and
// stays so: the host is this process's own, and nobody's connections begin there, while
// those of the whole machine begin at ports of 127.0.0.1.
func FreeAddress(t testing.TB) string {
	t.Helper()
	own := os.Getpid()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 192+own>>16%32, own>>8%256, own%256))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
