package haproxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Session is one session of a worker.
type Session struct {
	ID, Backend, Server string
	Source              netip.AddrPort
	// Age is rounded down to seconds in the first hour, to minutes in the first
	// day, to hours after that: Unit says which. And the seconds are those of one
	// clock now less those at the beginning, so that a session of 23 ms was seen
	// with an age of 1 s (2.6.12 and 3.4.7).
	Age, Unit time.Duration
}

// Earliest is the earliest moment the session can have begun, seen from now.
func (s Session) Earliest(now time.Time) time.Time { return now.Add(-s.Age - s.Unit) }

// ParseSessions reads the answer to `show sess`, one session per line: "0x55d0:
// proto=tcpv4 src=192.0.2.7:40112 fe=edge be=ev_0 srv=s0 … age=1h2m …". Sessions
// that have no server yet, and those of the socket itself, are left out.
func ParseSessions(text string) ([]Session, error) { return parseSessions(text, "") }

// ParseSessionsOf reads those of one backend, and passes over the others: they are
// many, and a suspension waits.
func ParseSessionsOf(backend, text string) ([]Session, error) {
	return parseSessions(text, " be="+backend+" ")
}

func parseSessions(text, mark string) ([]Session, error) {
	var sessions []Session
	for line := range strings.Lines(text) {
		if !strings.Contains(line, mark) {
			continue
		}
		id, rest, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found || !strings.HasPrefix(id, "0x") {
			continue
		}
		if !strings.HasPrefix(value(rest, "proto"), "tcp") {
			continue
		}
		server := value(rest, "srv")
		if server == "" || server[0] == '<' {
			continue
		}
		source, err := lastColon(value(rest, "src"))
		if err != nil {
			return nil, fmt.Errorf("show sess: source %q: %w", clip(value(rest, "src")), err)
		}
		age, unit, err := parseAge(value(rest, "age"))
		if err != nil {
			return nil, fmt.Errorf("show sess: age %q: %w", clip(value(rest, "age")), err)
		}
		sessions = append(sessions, Session{ID: id, Backend: value(rest, "be"), Server: server, Source: source, Age: age, Unit: unit})
	}
	return sessions, nil
}

// ParseTargets reads the answer to `show sess all`, or to one session's `show
// sess 0x55d0`: several lines each, of which "frontend=edge … addr=10.2.3.4:1514"
// says where the session leads. Those that lead nowhere yet are left out.
func ParseTargets(text string) (map[string]netip.AddrPort, error) {
	targets := map[string]netip.AddrPort{}
	id := ""
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "0x") {
			id, _, _ = strings.Cut(line, ":")
			continue
		}
		line = strings.TrimSpace(line)
		address := value(line, "addr")
		if id == "" || !strings.HasPrefix(line, "frontend=") || address == "" {
			continue
		}
		target, err := lastColon(address)
		if err != nil {
			continue // a socket's session, or one that is ending
		}
		targets[id] = target
	}
	if len(targets) == 0 && strings.TrimSpace(text) != "" && id == "" {
		return nil, fmt.Errorf("show sess: %q is no list of sessions", clip(text))
	}
	return targets, nil
}

// value of " name=value", the first of that name.
func value(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}

// lastColon reads address:port as HAProxy writes it, IPv6 without brackets.
func lastColon(text string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("there is no port")
	}
	address, err := netip.ParseAddr(text[:i])
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(text[i+1:], 10, 16)
	return netip.AddrPortFrom(address, uint16(port)), err
}

// parseAge reads HAProxy's 1d3h, 1h2m, 2m3s and 3s, and says what they are rounded to.
func parseAge(text string) (age, unit time.Duration, err error) {
	days, rest, old := strings.Cut(text, "d")
	if !old {
		days, rest = "0", text
	}
	count, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	if rest == "" {
		rest = "0h"
	}
	age, err = time.ParseDuration(rest)
	age += time.Duration(count) * 24 * time.Hour
	switch {
	case age >= 24*time.Hour:
		unit = time.Hour
	case age >= time.Hour:
		unit = time.Minute
	default:
		unit = time.Second
	}
	return age, unit, err
}
