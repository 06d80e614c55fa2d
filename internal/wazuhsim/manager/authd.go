package manager

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const (
	slots = 999 // of 1000; a silent connection keeps its slot for as long as it likes

	// raceWindow is how long the race of concurrent enrollments stays open: long enough to be hit.
	raceWindow = 20 * time.Millisecond
)

// authd is the enrollment service: one process in a real manager, restarted by itself when its
// certificate or password changes. It reads configuration, certificate and password once.
type authd struct {
	m        *Manager
	conf     authConfig
	tls      *tls.Config
	password wazuh.Secret
	listener net.Listener
	conns    *connections
	served   sync.WaitGroup
	// deciding stands for the one thread that real requests are handled by.
	deciding sync.Mutex
}

// startAuthd takes over from old what the faults say a restart doesn't renew. It returns nil when
// authd is disabled in ossec.conf.
func (m *Manager) startAuthd(address string, old *authd) (*authd, error) {
	text, err := m.root.read(m.place.conf)
	if err != nil {
		return nil, err
	}
	conf, err := m.parse(text)
	if err != nil {
		return nil, err
	}
	if conf.Auth.Disabled {
		return nil, nil
	}
	a := &authd{m: m, conf: conf.Auth, conns: newConnections(slots)}
	if err := a.loadCertificate(); err != nil {
		return nil, fmt.Errorf("authd: %w", err)
	}
	if conf.Auth.UsePassword {
		if a.password, err = loadPassword(m.root, !m.before(5, 0)); err != nil {
			return nil, fmt.Errorf("authd: %w", err)
		}
	}
	if old != nil && m.faults.has(FaultCertStale) {
		a.tls = old.tls
	}
	if old != nil && m.faults.has(FaultPasswordStale) {
		a.password = old.password
	}
	if a.listener, err = net.Listen("tcp", address); err != nil {
		return nil, fmt.Errorf("authd: %w", err)
	}
	m.store.mu.Lock()
	m.store.recount()
	m.store.mu.Unlock()
	if err := m.root.replace(pidFile("authd"), []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
		_ = a.listener.Close()
		return nil, err
	}
	a.served.Go(a.accept)
	return a, nil
}

// pidFile is where a real daemon writes its process id. Here all daemons are one process, so the id
// is the simulator's: hanging it up (SIGHUP) restarts authd, any other signal ends everything.
func pidFile(daemon string) string {
	return fmt.Sprintf("%s/wazuh-%s-%d.pid", runDir, daemon, os.Getpid())
}

// loadCertificate makes the TLS settings. Record sizes are fixed so that an answer is one record.
func (a *authd) loadCertificate() error {
	cert, err := a.m.keyPair(a.conf.Cert, a.conf.Key, true)
	if err != nil {
		return err
	}
	a.tls = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, DynamicRecordSizingDisabled: true,
	}
	if !a.m.before(5, 0) {
		a.tls.MinVersion = tls.VersionTLS13
	}
	if a.conf.AgentCA == "" {
		return nil
	}
	pem, err := a.m.root.read(a.conf.AgentCA)
	if err != nil {
		return err
	}
	a.tls.ClientCAs, a.tls.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !a.tls.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s contains no certificate", a.conf.AgentCA)
	}
	return nil
}

func (a *authd) stop() {
	_ = a.listener.Close()
	a.conns.closeAll()
	a.served.Wait()
	a.m.root.remove(pidFile("authd"))
}

func (a *authd) accept() {
	for {
		conn, err := a.listener.Accept()
		if err != nil {
			return
		}
		if a.m.faults.has(FaultAuthdFull) || !a.conns.add(conn) {
			a.m.log.Warn("Too many connections. Rejecting.")
			_ = conn.Close()
			continue
		}
		a.served.Go(func() {
			defer a.conns.remove(conn)
			a.serve(conn)
		})
	}
}

// serve reads one request, however long it takes to come, and answers it.
func (a *authd) serve(raw net.Conn) {
	conn := tls.Server(raw, a.tls)
	defer conn.Close()
	in := bufio.NewReaderSize(conn, wazuh.MaxEnrollRequest)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return
	}
	if a.m.faults.has(FaultAuthdSilent) {
		_, _ = in.ReadByte() // until the peer gives up
		return
	}
	source := addrOf(raw.RemoteAddr())
	key, groups, err := a.decide(line, source)
	answer := wazuh.AppendEnrollResponse(nil, key)
	var refused *wazuh.Refused
	if errors.As(err, &refused) {
		a.m.log.Info("refuse enrollment", "source", source, "reason", refused.Reason)
		answer = refused.Append(nil)
	}
	a.send(conn, answer)
	if err == nil {
		if a.m.faults.has(FaultRace) {
			time.Sleep(raceWindow)
		}
		a.m.record(key, groups)
	}
}

func (a *authd) send(conn net.Conn, answer []byte) {
	if reason, refusal := bytes.CutSuffix(answer, []byte(". "+wazuh.ReasonUnable)); refusal && a.m.before(4, 13) {
		_, _ = conn.Write(reason)
		answer = []byte("ERROR: " + wazuh.ReasonUnable)
	}
	if a.m.faults.has(FaultAuthdSplit) {
		half := len(answer) / 2
		_, _ = conn.Write(answer[:half])
		answer = answer[half:]
	}
	_, _ = conn.Write(answer)
}

func (a *authd) decide(line []byte, source netip.Addr) (wazuh.Key, string, error) {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	password := a.password
	if a.m.faults.has(FaultAuthdOpen) {
		password = wazuh.Secret{}
	}
	if at := bytes.Index(line, []byte("' V:'")); at >= 0 && a.m.before(4, 6) {
		line = line[:at+1] // it does not know the field, and ignores all that follows
	}
	r, err := wazuh.ParseEnrollRequest(line, password)
	if tooNew(r.Version, a.m.o.Version) && !a.conf.AllowHigher { // looked at before what follows in the line
		err = &wazuh.Refused{Reason: wazuh.ReasonVersionTooHigh}
	}
	if err != nil {
		return wazuh.Key{}, "", err
	}
	key, err := a.m.enroll(a.conf, applicant{r, source})
	return key, r.Groups, err
}

// addrOf returns the address of a peer, with IPv4 in its short form.
func addrOf(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}
