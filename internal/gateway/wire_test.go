package gateway_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Every combination an agent of 4.3 or later may come with is served, without
// SNI; what is older is not.
func TestAgentsOfAllAgesShakeHands(t *testing.T) {
	s := newSite(t, basic())
	suites := map[string][]uint16{
		"ecdsa": {tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
		"rsa":   {tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
	}
	for kind, pair := range map[string]map[string][]byte{"ecdsa": keyPair(t, "e"), "rsa": rsaPair(t, "r")} {
		s.swap("tls", pair)
		s.eventually("the new certificate", func() bool { return s.serves(pair) })
		for _, suite := range suites[kind] {
			s.handshake(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		}
		s.handshake(&tls.Config{MinVersion: tls.VersionTLS13})
	}
	conn, err := tls.Dial("tcp", s.gateway.Addresses().Enrollment, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func (s *site) handshake(config *tls.Config) {
	s.Helper()
	config.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", s.gateway.Addresses().Enrollment, config)
	if err != nil {
		s.Errorf("suites %v, versions %x to %x: %v", config.CipherSuites, config.MinVersion, config.MaxVersion, err)
		return
	}
	_ = conn.Close()
}

// serves reports whether a new connection gets this certificate.
func (s *site) serves(pair map[string][]byte) bool {
	s.Helper()
	want, err := tls.X509KeyPair(pair["tls.crt"], pair["tls.key"])
	must(s, err)
	return s.servedLeaf().Equal(want.Leaf)
}

func (s *site) servedLeaf() *x509.Certificate {
	s.Helper()
	conn, err := tls.Dial("tcp", s.gateway.Addresses().Enrollment, &tls.Config{InsecureSkipVerify: true})
	must(s, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// A handshake that began under the old certificate ends well, and a swap that is
// half done (the key of another certificate) changes nothing.
func TestTheCertificateIsSwappedUnderFire(t *testing.T) {
	p := basic()
	p.Limits.FailuresPerMinute = 100_000 // this test only shakes hands, which counts as a mistake
	s := newSite(t, p)
	slow := s.dial()
	client := tls.Client(&halting{Conn: slow, resume: make(chan struct{})}, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()

	second := keyPair(t, "second")
	third := keyPair(t, "third")
	s.swap("tls", map[string][]byte{"tls.crt": third["tls.crt"], "tls.key": second["tls.key"]})
	s.eventually("a complaint about the pair", func() bool { return s.gateway.State().Certificate.Problem != "" })
	if name := s.servedLeaf().Subject.CommonName; name != "first" {
		t.Errorf("a broken pair is mounted, and %q is served; want first", name)
	}
	s.swap("tls", second)
	s.eventually("the second certificate", func() bool { return s.serves(second) })
	state := s.gateway.State().Certificate
	if leaf := s.servedLeaf(); state.Serial != leaf.SerialNumber.Text(16) || state.Problem != "" || !state.NotAfter.Equal(leaf.NotAfter) {
		t.Errorf("the state tells of certificate %+v", state)
	}
	close(client.NetConn().(*halting).resume)
	must(t, <-done)
	if name := client.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "first" && name != "second" {
		t.Errorf("the slow handshake got %q", name)
	}
	_ = client.Close()
}

// halting sends the first half of the ClientHello, and the rest when told.
type halting struct {
	net.Conn
	resume chan struct{}
	halted bool
}

func (h *halting) Write(b []byte) (int, error) {
	if h.halted {
		return h.Conn.Write(b)
	}
	h.halted = true
	half := len(b) / 2
	if _, err := h.Conn.Write(b[:half]); err != nil {
		return 0, err
	}
	<-h.resume
	n, err := h.Conn.Write(b[half:])
	return half + n, err
}

func (s *site) dial(source ...string) net.Conn {
	s.Helper()
	address := "127.0.0.1"
	if len(source) > 0 {
		address = source[0]
	}
	conn, err := from(address)(s.Context(), "tcp", s.gateway.Addresses().Enrollment)
	must(s, err)
	s.Cleanup(func() { _ = conn.Close() })
	must(s, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

// Whoever says nothing, or says it too slowly, loses the connection; each stage
// has its own patience.
func TestSlowPeersAreCut(t *testing.T) {
	p := basic()
	short := policy.Duration(100 * time.Millisecond)
	p.Limits = policy.Limits{Hello: short, Handshake: policy.Duration(time.Minute), Request: short, FailuresPerMinute: 1000}
	s := newSite(t, p)
	stages := map[string]func(net.Conn){
		"silent":       func(net.Conn) {},
		"half a hello": func(c net.Conn) { _, _ = c.Write([]byte{0x16, 0x03, 0x01, 0x02}) },
		"no end of the line": func(c net.Conn) {
			conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			_, _ = io.WriteString(conn, "OSSEC PASS: "+tenantSecret)
		},
		"one byte at a time": func(c net.Conn) {
			conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			for range 1000 {
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond) // slower than its patience in sum, faster in each step
			}
			t.Error("a thousand slow bytes were read to the end")
		},
	}
	for what, act := range stages {
		conn := s.dial()
		act(conn)
		_, err := io.Copy(io.Discard, conn)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the connection was never closed", what)
		}
	}
	s.eventually("four time-outs in the audit", func() bool {
		n := 0
		for _, r := range s.gateway.Enrollments(0, 1000).Records {
			if r.Reason == policy.ReasonTimeout {
				n++
			}
		}
		return n == len(stages)
	})
}

// The answer is one record, then close_notify, then the end, for keys and
// refusals alike. TLS 1.2 shows a record's kind in clear.
func TestOneRecordAndAGoodbye(t *testing.T) {
	const alert, data = 21, 23
	s := newSite(t, basic())
	for _, secret := range []string{tenantSecret, wrongSecret} {
		raw := &recording{Conn: s.dial()}
		client := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		must(t, client.Handshake())
		raw.seen = nil
		_, err := fmt.Fprintf(client, "OSSEC PASS: %s OSSEC A:'web-01'\n", secret)
		must(t, err)
		_, err = io.Copy(io.Discard, client)
		must(t, err)
		_, err = io.Copy(io.Discard, raw)
		must(t, err)
		var kinds []byte
		for rest := raw.seen; len(rest) >= 5; rest = rest[min(len(rest), 5+int(rest[3])<<8+int(rest[4])):] {
			kinds = append(kinds, rest[0])
		}
		if string(kinds) != string([]byte{data, alert}) {
			t.Errorf("with %q the answer came in records of kinds %v, want %v", secret, kinds, []byte{data, alert})
		}
	}
}

// recording keeps what it read.
type recording struct {
	net.Conn
	seen []byte
}

func (r *recording) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.seen = append(r.seen, b[:n]...)
	return n, err
}

// Each stage has a patience of its own: who was quick to say hello may take its
// time afterwards.
func TestPatienceIsRenewed(t *testing.T) {
	const hello = time.Second // enough for a first word on a busy machine
	p := basic()
	p.Limits = policy.Limits{Hello: policy.Duration(hello), Handshake: policy.Duration(time.Minute), Request: policy.Duration(time.Minute)}
	s := newSite(t, p)
	client := tls.Client(&hesitant{Conn: s.dial(), pause: hello + hello/4}, &tls.Config{InsecureSkipVerify: true})
	if _, err := fmt.Fprintf(client, "OSSEC PASS: %s OSSEC A:'web-01'\n", tenantSecret); err != nil {
		t.Fatal(err)
	}
	if answer, err := bufio.NewReader(client).ReadString('\''); answer != "OSSEC K:'" {
		t.Errorf("got %q, %v", answer, err)
	}
}

// hesitant pauses before everything it sends but the first.
type hesitant struct {
	net.Conn
	pause time.Duration
	begun bool
}

func (h *hesitant) Write(b []byte) (int, error) {
	if h.begun {
		time.Sleep(h.pause)
	}
	h.begun = true
	return h.Conn.Write(b)
}

// Too long a line is refused after as many bytes as allowed.
func TestLinesThatAreTooLong(t *testing.T) {
	p := basic()
	p.Limits.Line = 512
	s := newSite(t, p)
	long := strings.Repeat("x", 600)
	for start, want := range map[string]string{
		"OSSEC PASS: " + tenantSecret + " OSSEC A:'web-01' V:'" + long: wazuh.ReasonInvalidRequest,
		"OSSEC PASS: " + wrongSecret + " OSSEC A:'" + long:             wazuh.ReasonInvalidPassword,
		long: wazuh.ReasonInvalidPassword,
	} {
		answer := strings.Join(talk(t, s.gateway.Addresses().Enrollment, start), "")
		if answer != "ERROR: "+want+". Unable to add agent" {
			t.Errorf("%.40q...: got %q", start, answer)
		}
	}
}

func proxied(mode string, trusted ...string) *policy.Policy {
	p := basic()
	p.Proxy.Mode = mode
	for _, t := range trusted {
		p.Proxy.Trusted = append(p.Proxy.Trusted, netip.MustParsePrefix(t))
	}
	return p
}

// header is what an edge sends ahead of the agent's own bytes.
func header(version byte, source string) []byte {
	h := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.ParseIP(source), Port: 4711}, &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1515})
	text, err := h.Format()
	if err != nil {
		panic(err)
	}
	return text
}

// through enrolls from a peer that sends some bytes first; it returns the error.
func (s *site) through(peer string, first []byte, name string) error {
	conn := s.dial(peer)
	defer conn.Close()
	_, _ = conn.Write(first)
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if _, err := fmt.Fprintf(client, "OSSEC PASS: %s OSSEC A:'%s'\n", tenantSecret, name); err != nil {
		return err
	}
	answer, err := bufio.NewReader(client).ReadString('\'')
	if err == nil && answer != "OSSEC K:'" {
		err = errors.New(answer)
	}
	return err
}

// The edge is believed, and nobody else.
func TestProxyHeaders(t *testing.T) {
	const edge, stranger, endpoint = "127.0.9.1", "127.0.8.1", "203.0.113.7"
	optional, required := proxied(policy.ProxyOptional, "127.0.9.0/24"), proxied(policy.ProxyRequired, "127.0.9.0/24")
	for _, c := range []struct {
		what   string
		policy *policy.Policy
		peer   string
		first  []byte
		source string // empty: refused
		reason policy.Reason
	}{
		{"v2", required, edge, header(2, endpoint), endpoint, ""},
		{"v1", required, edge, header(1, endpoint), endpoint, ""},
		{"v2 IPv6", required, edge, header(2, "2001:db8::7"), "2001:db8::7", ""},
		{"none, required", required, edge, nil, "", policy.ReasonProxyMissing},
		{"none, optional", optional, edge, nil, edge, ""},
		{"stranger, required", required, stranger, nil, "", policy.ReasonProxyMissing},
		{"stranger, optional", optional, stranger, nil, stranger, ""},
		{"stranger with header", optional, stranger, header(2, endpoint), "", policy.ReasonProxyUntrusted},
		{"header, off", basic(), edge, header(1, endpoint), "", policy.ReasonProxyUntrusted},
		{"broken header", required, edge, []byte("PROXY TCP4 nonsense\r\n"), "", policy.ReasonProxyMalformed},
		{"not TLS", optional, stranger, []byte("GET / HTTP/1.1\r\n\r\n"), "", policy.ReasonNotTLS},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newSite(t, c.policy)
			err := s.through(c.peer, c.first, "web-01")
			if (err == nil) != (c.source != "") {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				s.eventually("the reason in the audit", func() bool {
					r := s.gateway.Enrollments(0, 10).Records
					return len(r) == 1 && r[0].Reason == c.reason
				})
				return
			}
			r := s.last("web-01")
			if r.Source != c.source || (r.Via != "") != (c.first != nil) {
				t.Errorf("the audit says source %q via %q, want source %q", r.Source, r.Via, c.source)
			}
		})
	}
}
