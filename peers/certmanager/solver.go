package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/cert-manager/cert-manager/pkg/issuer/acme/http/solver"
	"k8s.io/klog/v2"
)

// listenVariable is the address that stands for the pod's: on this machine several
// pods open the same port.
const listenVariable = "LISTEN_ADDRESS"

// noPort makes upstream's listener fail at once, after it has set up the handler;
// upstream would listen on every address there is.
const noPort = -1

// solverMain takes the flags with which cert-manager starts its solver pods.
func solverMain(ctx context.Context, arguments []string) error {
	s := &solver.HTTP01Solver{ListenPort: noPort}
	flags := flag.NewFlagSet("acmesolver", flag.ContinueOnError)
	port := flags.Int("listen-port", 8089, "the port to answer on")
	flags.StringVar(&s.Domain, "domain", "", "the name to be proven")
	flags.StringVar(&s.Token, "token", "", "what the proof is asked for by")
	flags.StringVar(&s.Key, "key", "", "the proof")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if err := s.Listen(klog.Background()); s.Handler == nil {
		return fmt.Errorf("set up cert-manager's solver: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv(listenVariable), strconv.Itoa(*port)))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
