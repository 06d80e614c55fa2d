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
	// Age is rounded down: to seconds in the first hour, to minutes in the first
	// day, to hours after that.
	Age time.Duration
}

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
		age, err := parseAge(value(rest, "age"))
		if err != nil {
			return nil, fmt.Errorf("show sess: age %q: %w", clip(value(rest, "age")), err)
		}
		sessions = append(sessions, Session{ID: id, Backend: value(rest, "be"), Server: server, Source: source, Age: age})
	}
	return sessions, nil
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

// parseAge reads HAProxy's 1d3h, 1h2m, 2m3s and 3s.
func parseAge(text string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(text, "d"); ok {
		count, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, err
		}
		if rest == "" {
			rest = "0h"
		}
		hours, err := time.ParseDuration(rest)
		return time.Duration(count)*24*time.Hour + hours, err
	}
	return time.ParseDuration(text)
}
