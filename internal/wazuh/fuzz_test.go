package wazuh

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzParseEnrollRequest(f *testing.F) {
	v := loadVectors(f)
	f.Add(unhex(f, v.Authd["request_hex"]))
	f.Add(unhex(f, v.Authd["reenroll_hex"]))
	f.Add([]byte("OSSEC PASS: T3nant-Secret OSSEC A:'web-01' G:'a,,b' V:'v"))
	password := NewSecret("T3nant-Secret")
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseEnrollRequest(line, password)
		var refused *Refused
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("not a refusal: %v", err)
		}
		if err != nil {
			return
		}
		again, err := ParseEnrollRequest(AppendEnrollRequest(nil, r), password)
		if diff := cmp.Diff(r, again); diff != "" || err != nil {
			t.Fatalf("%q came back different:\n%s%v", line, diff, err)
		}
	})
}

func FuzzParseEnrollResponse(f *testing.F) {
	v := loadVectors(f)
	f.Add(unhex(f, v.Authd["response_hex"]))
	f.Add(unhex(f, v.Authd["bad_hex"]))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := ParseEnrollResponse(b)
		if err != nil {
			return
		}
		if got := AppendEnrollResponse(nil, key); !bytes.HasPrefix(b, got[:len(got)-1]) {
			t.Fatalf("%q came back as %q", b, got)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("007 web-01 any " + strings.Repeat("0123456789abcdef", 4) + "\n")
	f.Add("007 !web-01 10.0.0.0/8 ab")
	f.Fuzz(func(t *testing.T, line string) {
		if k, err := ParseKey(line); err == nil && !strings.HasPrefix(k.Name, "#") {
			if _, err := ParseKey(string(k.AppendLine(nil))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzParsePrefix(f *testing.F) {
	for _, v := range loadVectors(f).Frames {
		f.Add(unhex(f, v.Hex)[:16])
	}
	f.Add(AppendFrame(nil, []byte(Ping)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePrefix(b)
		if err != nil && p.Kind != 0 || err == nil && p.Kind == 0 {
			t.Fatalf("kind %v with error %v", p.Kind, err)
		}
		if errors.Is(err, ErrShort) && len(b) >= MaxPrefix {
			t.Fatalf("%d bytes were too few", len(b))
		}
	})
}

func FuzzOpen(f *testing.F) {
	v := loadVectors(f)
	for _, frame := range v.Frames {
		f.Add(unhex(f, frame.Hex)[frameHeader:])
	}
	o, err := NewOpener(v.key(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		msg, _, err := o.Open(nil, payload)
		if err != nil && (!errors.Is(err, ErrUndecodable) || len(msg) > 0) {
			t.Fatalf("message %q with error %v", msg, err)
		}
	})
}

// FuzzInner reaches what FuzzOpen can't: behind the cipher and the checksum.
func FuzzInner(f *testing.F) {
	f.Add([]byte("123450000000003:0042:1:/var/log/auth.log:hello"))
	f.Fuzz(func(t *testing.T, body []byte) {
		inner := append([]byte(md5hex(string(body))), body...)
		counter, msg, err := parseInner(inner)
		if err == nil && !bytes.HasSuffix(body, appendInner(nil, 0, counter, msg)[offGlobal:]) {
			t.Fatalf("%q read as %v %q", body, counter, msg)
		}
	})
}

func FuzzMessages(f *testing.F) {
	for _, v := range loadVectors(f).Frames {
		f.Add([]byte(v.Msg))
	}
	f.Add([]byte("#!-req 1a syscheck getconfig syscheck"))
	f.Add([]byte("#!-up file 4a8724b20dee0124ff9656783c490c4e merged.mg\n"))
	f.Add([]byte(`#!-err {"message":"no"}`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if e, err := ParseEvent(msg); err == nil && !strings.HasSuffix(e.Location, "|") {
			again, err := ParseEvent(AppendEvent(nil, e))
			if diff := cmp.Diff(e, again); diff != "" || err != nil {
				t.Fatalf("%q:\n%s%v", msg, diff, err)
			}
		}
		_, _ = ParseKeepAlive(msg)
		_, _ = ParseStartup(msg)
		_, _ = ParseError(msg)
		_, _, _ = ParseFileStart(msg)
		_, _, _, _ = ParseRequest(msg)
	})
}

func FuzzDecodeEnvelope(f *testing.F) {
	f.Add([]byte(`{"data":{"affected_items":["007"],"failed_items":[{"error":{"code":1701,"message":"m"},"id":["009"]}]},"message":"x","error":2}`))
	f.Add([]byte(`{"title":"Unauthorized","detail":"Invalid credentials"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var data struct {
			Items []string `json:"affected_items"`
		}
		if err := decodeEnvelope("GET /", body, &data); err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
		if parseProblem("GET /", 500, body).Error() == "" {
			t.Fatal("a problem without words")
		}
	})
}
