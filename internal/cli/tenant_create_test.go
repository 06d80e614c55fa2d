package cli

import (
	"testing"

	"k8s.io/client-go/rest"
)

// A daemon's client has a limit of its own; a person's commands have none.
func TestClientLimits(t *testing.T) {
	server := "https://127.0.0.1:1"
	s := newSession(Program{})
	s.config.APIServer = &server
	daemon, err := s.config.ToRESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if daemon.QPS <= rest.DefaultQPS || daemon.Burst < int(daemon.QPS) {
		t.Errorf("a daemon asks %v times a second, %d at once", daemon.QPS, daemon.Burst)
	}
	person, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	if person.Config.QPS >= 0 {
		t.Errorf("a command waits for itself: QPS %v", person.Config.QPS)
	}
	if daemon.QPS < 0 {
		t.Error("connect changed the daemon's limit")
	}
}
