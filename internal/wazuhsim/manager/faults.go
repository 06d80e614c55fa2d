package manager

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Fault is a way in which the manager can be made to misbehave.
type Fault string

// The faults. Each can be set at the start or on the control port, and taken back.
const (
	FaultAuthdSilent   Fault = "authd-silent"
	FaultAuthdFull     Fault = "authd-full"
	FaultAuthdOpen     Fault = "authd-open"
	FaultAuthdSplit    Fault = "authd-split"
	FaultCertStale     Fault = "cert-stale"
	FaultPasswordStale Fault = "password-stale"
	FaultRace          Fault = "race"
	FaultRemotedDown   Fault = "remoted-down"
	FaultRemotedMute   Fault = "remoted-mute"
	FaultAckMissing    Fault = "ack-missing"
	FaultAckWrong      Fault = "ack-wrong"
	FaultEventsLost    Fault = "events-lost"
	FaultAPIDown       Fault = "api-down"
	FaultAPISlow       Fault = "api-slow"
	FaultAPINotReady   Fault = "api-500"
	FaultAPIThrottled  Fault = "api-429"
	FaultAPITokens     Fault = "api-401"
	FaultAPINoSummary  Fault = "api-no-summary"
	FaultDelete1726    Fault = "delete-1726"
)

// Faults describes every fault.
func Faults() map[Fault]string {
	return map[Fault]string{
		FaultAuthdSilent:   "authd accepts connections and never answers",
		FaultAuthdFull:     "authd closes every connection, as with all 999 slots taken",
		FaultAuthdOpen:     "authd asks for no password, as with a badly formatted authd.pass",
		FaultAuthdSplit:    "authd answers in two TLS records; agents don't understand that",
		FaultCertStale:     "a restarted authd goes on with its old certificate",
		FaultPasswordStale: "a restarted authd goes on with its old password",
		FaultRace:          "concurrent enrollments damage the agent database, as in 4.14",
		FaultRemotedDown:   "remoted closes every connection at once",
		FaultRemotedMute:   "remoted doesn't answer #ping",
		FaultAckMissing:    "remoted never acknowledges",
		FaultAckWrong:      "remoted acknowledges without the trailing space",
		FaultEventsLost:    "events are accepted and lost, as with a full queue",
		FaultAPIDown:       "the API closes every connection",
		FaultAPISlow:       "the API answers a second late",
		FaultAPINotReady:   "the API answers 500 with error 1017, as during a start",
		FaultAPIThrottled:  "the API answers 429 with error 6001",
		FaultAPITokens:     "the API accepts a login but none of its tokens",
		FaultAPINoSummary:  "the API has no summary of agents, as one of Wazuh 5 may not",
		FaultDelete1726:    "agents can't be deleted, as while authd restarts",
	}
}

// faultSet holds the faults that are on.
type faultSet struct {
	mu sync.Mutex
	on map[Fault]bool
}

func (s *faultSet) has(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on[f]
}

func (s *faultSet) set(name string, on bool) error {
	f := Fault(name)
	if _, ok := Faults()[f]; !ok {
		return fmt.Errorf("fault %q doesn't exist; the faults are %s", name, strings.Join(names(Faults()), ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on == nil {
		s.on = map[Fault]bool{}
	}
	if on {
		s.on[f] = true
		return nil
	}
	delete(s.on, f)
	return nil
}

func (s *faultSet) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return names(s.on)
}

func names[V any](m map[Fault]V) []string {
	out := make([]string, 0, len(m))
	for _, f := range slices.Sorted(maps.Keys(m)) {
		out = append(out, string(f))
	}
	return out
}
