package wazuh

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

// The stages between message and wire, of two frames whose compressed text is known. Go's deflate
// makes other (equally valid) bytes than zlib, so encryption is tested from zlib's.
func TestStagesMatchWazuh(t *testing.T) {
	const (
		eventInner = "c3a7908a0cd60e30ce559c4377b4da94123450000000003:0042:1:/var/log/auth.log:Dec 29 10:00:01 web-01 sshd[4242]: Failed password for root from 203.0.113.9 port 4711 ssh2"
		eventZlib  = "78da358b410ec2300c04bfe20f90dab14b48ce159f401cdc24a54845a99242bf4f85c45e660eb391d579bc28c674c6cc1873dffb28ecdc2849bd9065e9f13f0e88620385eea3b55bcaa3d3f7369b43c29023580f8447129060cfe3e9406b73ba89157b0f70d5e79213acdada5e6a82a954a8a56c30d5f2028b6cd010b1f1b096ba8138fafded176f182e4b"
		ackInner   = "3439094caa33208fdc745ded9f7584e0655350000000000:9997:#!-agent ack "
		ackZlib    = "78da333631b634b034494e4c34363632b0484b493637314d494db14c3337b530493530333535363580032b4b4b4b732b6545ddc4f4d4bc1285c4e46c05002cf310c9"
		ackPlain   = "21212121212178da333631b634b034494e4c34363632b0484b493637314d494db14c3337b530493530333535363580032b4b4b4b732b6545ddc4f4d4bc1285c4e46c05002cf310c9"
	)
	v := loadVectors(t)
	if got := hex.EncodeToString(appendPlain(nil, unhex(t, ackZlib))); got != ackPlain {
		t.Errorf("plain of the ack\n got %s\nwant %s", got, ackPlain)
	}
	for name, stage := range map[string]struct{ inner, zlib string }{
		"event": {eventInner, eventZlib},
		"ack":   {ackInner, ackZlib},
	} {
		f := v.Frames[name]
		inner := appendInner(nil, f.Rand, Counter{f.Global, f.Local}, []byte(f.Msg))
		if string(inner) != stage.inner {
			t.Errorf("%s: inner\n got %s\nwant %s", name, inner, stage.inner)
		}
		s := sealerFor(t, v, f)
		payload := appendPlain([]byte(s.head), unhex(t, stage.zlib))
		frame := AppendFrame(nil, s.encryptFrom(payload, len(s.head)))
		if got := hex.EncodeToString(frame); got != f.Hex {
			t.Errorf("%s: frame\n got %s\nwant %s", name, got, f.Hex)
		}
	}
}

func sealerFor(t *testing.T, v vectors, f vector) *Sealer {
	t.Helper()
	seal := NewManagerSealer
	if f.AgentID != nil {
		seal = NewAgentSealer
	}
	s, err := seal(v.key(), SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpenWazuhFrames(t *testing.T) {
	v := loadVectors(t)
	opener, err := NewOpener(v.key(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range v.Frames {
		payload, err := NewFrameReader(bytes.NewReader(unhex(t, f.Hex))).Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		msg, counter, err := opener.Open(nil, payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(msg) != f.Msg || counter != (Counter{f.Global, f.Local}) {
			t.Errorf("%s: got %v %q, want %q", name, counter, msg, f.Msg)
		}
	}
}

func TestSealOpen(t *testing.T) {
	v := loadVectors(t)
	sealer, err := NewAgentSealer(v.key(), SealOptions{Counter: Counter{3, 9997}, Rand: func() uint16 { return 7 }})
	if err != nil {
		t.Fatal(err)
	}
	opener, _ := NewOpener(v.key(), nil)
	var wire []byte
	messages := []string{"a", AckMessage, strings.Repeat("log line ", 1000), incompressible(60000)}
	for _, m := range messages {
		if wire, err = sealer.AppendFrame(wire, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	frames := NewFrameReader(bytes.NewReader(wire))
	want := Counter{3, 9997}
	for _, m := range messages {
		want = want.Next()
		payload, err := frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		msg, counter, err := opener.Open(nil, payload)
		if err != nil || string(msg) != m || counter != want {
			t.Fatalf("got %v %.20q %v, want %v %.20q", counter, msg, err, want, m)
		}
	}
	if want != (Counter{4, 4}) {
		t.Errorf("counter ended at %v", want)
	}
}

// incompressible is text that deflate can do nothing with.
func incompressible(n int) string {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return string(b)
}

func TestSealLimits(t *testing.T) {
	s, _ := NewAgentSealer(loadVectors(t).key(), SealOptions{})
	for _, msg := range []string{"", strings.Repeat("x", MaxMessage+1)} {
		if _, err := s.AppendFrame(nil, []byte(msg)); err == nil {
			t.Errorf("sealed a message of %d bytes", len(msg))
		}
	}
	frame, err := s.AppendFrame(nil, []byte(strings.Repeat("x", MaxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	o, _ := NewOpener(loadVectors(t).key(), nil)
	if msg, _, err := o.Open(nil, frame[frameHeader:]); err != nil || len(msg) != MaxMessage {
		t.Errorf("largest message: %d bytes, %v", len(msg), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	v := loadVectors(t)
	good := unhex(t, v.Frames["event"].Hex)[frameHeader:]
	flipped := bytes.Clone(good)
	flipped[len(flipped)-20] ^= 1
	other := v.key()
	other.Raw = NewSecret(strings.Repeat("f", 64))
	for name, c := range map[string]struct {
		key     Key
		payload []byte
	}{
		"another key":    {other, good},
		"a flipped bit":  {v.key(), flipped},
		"half a block":   {v.key(), good[:len(good)-3]},
		"a lost block":   {v.key(), good[:len(good)-16]},
		"no id end":      {v.key(), []byte("!007")},
		"no ciphertext":  {v.key(), []byte("!007!#AES:")},
		"another cipher": {v.key(), []byte("!007!:0123456789abcdef")},
		"nothing":        {v.key(), nil},
	} {
		o, _ := NewOpener(c.key, nil)
		if _, _, err := o.Open(nil, c.payload); !errors.Is(err, ErrUndecodable) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// Damage usually shows in the padding or to zlib; the checksum is for what doesn't.
func TestChecksum(t *testing.T) {
	inner := appendInner(nil, 1, Counter{1, 1}, []byte("message"))
	if _, _, err := parseInner(inner); err != nil {
		t.Fatal(err)
	}
	inner[len(inner)-1] ^= 1
	if _, _, err := parseInner(inner); !errors.Is(err, ErrUndecodable) {
		t.Errorf("got %v", err)
	}
}

// A small payload must not become a large allocation.
func TestInflateIsBounded(t *testing.T) {
	p := new(Pool)
	d := p.deflater()
	d.inner = bytes.Repeat([]byte("0"), maxInner+1)
	if err := d.compress(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.inflater().inflate(d.out); !errors.Is(err, errTooLarge) {
		t.Errorf("got error %v", err)
	}
}

// Sealing is the hot path of a load generator: it allocates nothing once its buffers have grown.
func TestSealAllocatesNothing(t *testing.T) {
	v := loadVectors(t)
	s, _ := NewAgentSealer(v.key(), SealOptions{})
	msg := []byte(v.Frames["event"].Msg)
	var buf []byte
	seal := func() { buf, _ = s.AppendFrame(buf[:0], msg) }
	if n := testing.AllocsPerRun(200, seal); n >= 1 && !raceEnabled {
		t.Errorf("AppendFrame allocates %v times a message", n)
	}
	o, _ := NewOpener(v.key(), nil)
	payload := unhex(t, v.Frames["event"].Hex)[frameHeader:]
	const huffmanTables = 8 // compress/flate makes a few for each dynamic block
	open := func() { buf, _, _ = o.Open(buf[:0], payload) }
	if n := testing.AllocsPerRun(200, open); n > huffmanTables && !raceEnabled {
		t.Errorf("Open allocates %v times a message", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	v := loadVectors(b)
	s, _ := NewAgentSealer(v.key(), SealOptions{})
	msg := []byte(v.Frames["event"].Msg)
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		buf, _ = s.AppendFrame(buf[:0], msg)
	}
}

func BenchmarkOpen(b *testing.B) {
	v := loadVectors(b)
	o, _ := NewOpener(v.key(), nil)
	frame := unhex(b, v.Frames["event"].Hex)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = o.Open(buf[:0], frame[frameHeader:])
	}
}

func BenchmarkFrameReader(b *testing.B) {
	frame := unhex(b, loadVectors(b).Frames["event"].Hex)
	f := NewFrameReader(&endless{frame: frame})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// endless repeats one frame for ever.
type endless struct {
	frame []byte
	at    int
}

var _ io.Reader = (*endless)(nil)

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.frame[e.at:])
	e.at = (e.at + n) % len(e.frame)
	return n, nil
}
