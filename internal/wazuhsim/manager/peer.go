package manager

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// peer is one connection to remoted, whoever is on its other end.
type peer struct {
	r      *remoted
	conn   net.Conn
	source netip.Addr
	bound  string // the id whose control messages came from here

	key    wazuh.Key // that opener is for
	opener *wazuh.Opener
	msg    []byte
}

// receive handles one payload. An error closes the connection.
func (p *peer) receive(payload []byte) error {
	prefix, err := wazuh.PayloadPrefix(payload)
	if err != nil {
		return err
	}
	if prefix.Kind == wazuh.PrefixPing {
		if p.r.m.faults.has(FaultRemotedMute) {
			return nil
		}
		_, err := p.conn.Write(wazuh.AppendFrame(nil, []byte(wazuh.Pong)))
		return err
	}
	key, ok := p.r.m.store.forRemoted(prefix, p.source)
	if !ok {
		return p.unknown(prefix)
	}
	if err := p.r.claim(key.ID, p.conn); err != nil {
		return err
	}
	if err := p.open(key, payload); err != nil {
		return err
	}
	p.r.heard(key.ID, p.conn)
	if wazuh.IsControl(p.msg) {
		p.bound = key.ID
		p.r.bind(key.ID, p.conn)
		return p.control(p.msg)
	}
	if !p.r.m.faults.has(FaultEventsLost) {
		p.r.m.alerts.analyse(key, p.msg)
	}
	return nil
}

// unknown is what remoted says of a frame whose agent it can't find. Wazuh 5 drops the message and
// leaves the connection open.
func (p *peer) unknown(prefix wazuh.Prefix) error {
	why := fmt.Sprintf("(1408): Invalid ID %s for the source ip: '%s' (name 'unknown').", prefix.ID, p.source)
	if prefix.Kind != wazuh.PrefixID {
		why = fmt.Sprintf("(1213): Message from '%s' not allowed. Cannot find the ID of the agent.", p.source)
	}
	m := p.r.m
	if m.before(5, 0) {
		m.journal.warn(m.store.now(), "wazuh-remoted", "%s", why)
		return errors.New(why)
	}
	m.journal.warn(m.store.now(), "wazuh-manager-remoted", "%s", why)
	return nil
}

// open decrypts into p.msg. The opener is kept, since a connection nearly always has one key.
func (p *peer) open(key wazuh.Key, payload []byte) error {
	if p.opener == nil || p.key.ID != key.ID || !p.key.Raw.Equal(key.Raw) {
		opener, err := wazuh.NewOpener(key, &p.r.pool)
		if err != nil {
			return err
		}
		p.opener, p.key = opener, key
	}
	msg, _, err := p.opener.Open(p.msg[:0], payload)
	p.msg = msg
	return err
}

func (p *peer) unbind() {
	if p.bound != "" {
		p.r.release(p.bound, p.conn)
	}
}

func (p *peer) send(msg []byte) error {
	frame, err := p.r.frame(p.key, msg)
	if err != nil {
		return err
	}
	_, err = p.conn.Write(frame)
	return err
}

func (p *peer) acknowledge() error {
	switch {
	case p.r.m.faults.has(FaultAckMissing):
		return nil
	case p.r.m.faults.has(FaultAckWrong):
		return p.send([]byte(wazuh.AckMessage[:len(wazuh.AckMessage)-1]))
	}
	return p.send([]byte(wazuh.AckMessage))
}

// control answers a control message, and keeps the agent's row in step.
func (p *peer) control(msg []byte) error {
	if version, ok := wazuh.ParseStartup(msg); ok {
		return p.startup(version)
	}
	if string(msg) == wazuh.ShutdownMessage {
		now := p.r.m.store.now()
		p.r.m.store.update(p.key.ID, func(r *row) { r.Status, r.Disconnected = wazuh.StatusDisconnected, now })
		return nil
	}
	if _, _, _, ok := wazuh.ParseRequest(msg); ok {
		return nil // an answer; nobody here has asked
	}
	k, err := wazuh.ParseKeepAlive(msg)
	if err != nil {
		p.r.m.log.Warn("Invalid message", "agent", p.key.ID, "error", err)
		return nil // not acknowledged, and not closed either
	}
	return p.keepAlive(k)
}

func (p *peer) startup(version string) error {
	m := p.r.m
	if tooNew(version, m.o.Version) && !m.conf.Remote.AllowHigher {
		return p.send(wazuh.AppendError(nil, wazuh.ReasonVersionTooHigh))
	}
	m.store.update(p.key.ID, func(r *row) { r.Status = wazuh.StatusPending })
	return p.acknowledge()
}

func (p *peer) keepAlive(k wazuh.KeepAlive) error {
	m := p.r.m
	now := m.store.now()
	var groups []string
	m.store.update(p.key.ID, func(r *row) {
		r.Status, r.LastSeen, r.System, r.IP, r.MergedSum = wazuh.StatusActive, now, k.System, k.AgentIP, k.MergedSum
		r.Version = versionOf(k.System)
		groups = r.Groups
	})
	if err := p.acknowledge(); err != nil {
		return err
	}
	shared, err := m.sharedConfig(groups)
	if err != nil {
		return errors.Join(errors.New("shared configuration"), err)
	}
	if shared.sum == k.MergedSum {
		return nil
	}
	return p.push(shared)
}

// push sends the shared configuration. It comes again after every keep-alive that still reports
// another sum.
func (p *peer) push(s shared) error {
	if err := p.send(wazuh.AppendFileStart(nil, s.sum, wazuh.MergedFile)); err != nil {
		return err
	}
	for rest := s.content; len(rest) > 0; {
		n := min(len(rest), wazuh.FileChunk)
		if err := p.send(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return p.send([]byte(wazuh.FileEndMessage))
}
