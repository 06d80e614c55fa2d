package wazuh

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFrameReader(t *testing.T) {
	var wire []byte
	for _, p := range []string{Ping, strings.Repeat("x", MaxPayload), "y"} {
		wire = AppendFrame(wire, []byte(p))
	}
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(wire),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(wire)),
	} {
		f := NewFrameReader(r)
		for _, size := range []int{5, MaxPayload, 1} {
			if p, err := f.Next(); err != nil || len(p) != size {
				t.Fatalf("%s: got %d bytes, %v; want %d", name, len(p), err, size)
			}
		}
		if _, err := f.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: end: %v", name, err)
		}
	}
}

func TestFrameReaderRefuses(t *testing.T) {
	for in, want := range map[string]error{
		"\x00\x00\x00\x00":    ErrFrameSize,
		"\x01\x00\x01\x00":    ErrFrameSize,
		"GET / HTTP/1.1\r\n":  ErrFrameSize,
		"\x05\x00":            io.ErrUnexpectedEOF,
		"\x05\x00\x00\x00#pi": io.ErrUnexpectedEOF,
		"\x05\x00\x00\x00":    io.ErrUnexpectedEOF,
		"":                    io.EOF,
	} {
		if _, err := NewFrameReader(strings.NewReader(in)).Next(); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", in, err, want)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"\xaa\x00\x00\x00!007!#AES:": "id 007",
		"\xaa\x00\x00\x00!007!":      "id 007",
		"\xaa\x00\x00\x00!12345678!": "id 12345678",
		"\xaa\x00\x00\x00#AES:":      "address",
		"\xaa\x00\x00\x00:":          "address",
		"\x05\x00\x00\x00#ping":      "ping",
		"":                           "short",
		"\xaa\x00\x00":               "short",
		"\xaa\x00\x00\x00":           "short",
		"\xaa\x00\x00\x00!":          "short",
		"\xaa\x00\x00\x00!12345678":  "short",
		"\xaa\x00\x00\x00#AE":        "short",
		"\x05\x00\x00\x00#pin":       "short",
		"\xaa\x00\x00\x00!123456789": "error",
		"\xaa\x00\x00\x00!!":         "error",
		"\xaa\x00\x00\x00!a":         "error",
		"\x03\x00\x00\x00!00":        "error",
		"\xaa\x00\x00\x00#ping":      "error",
		"\x04\x00\x00\x00#pong":      "error",
		"\xaa\x00\x00\x00hello":      "error",
		"\x16\x03\x01\x02":           "error", // a TLS hello
		"GET /":                      "error",
	} {
		p, err := ParsePrefix([]byte(in))
		got := map[PrefixKind]string{PrefixID: "id " + string(p.ID), PrefixAddress: "address", PrefixPing: "ping"}[p.Kind]
		if errors.Is(err, ErrShort) {
			got = "short"
		} else if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %q (%v), want %q", in, got, err, want)
		}
	}
}

// However a stream is cut, the verdict over a beginning is "short" or the final one.
func TestParsePrefixIsStable(t *testing.T) {
	for name, f := range loadVectors(t).Frames {
		frame := unhex(t, f.Hex)
		final, err := ParsePrefix(frame)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range frame {
			p, err := ParsePrefix(frame[:n])
			if errors.Is(err, ErrShort) && n < MaxPrefix {
				continue
			}
			if err != nil || p.Kind != final.Kind || !bytes.Equal(p.ID, final.ID) {
				t.Errorf("%s: after %d bytes: %+v, %v", name, n, p, err)
			}
		}
	}
}
