package wazuh

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeepAlive(t *testing.T) {
	msg := loadVectors(t).Frames["keepalive"].Msg
	want := KeepAlive{
		System:    "Linux |web-01 |6.1.0-18-amd64 |#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01) |x86_64 [Debian GNU/Linux|debian: 12 (bookworm)] - Wazuh v4.14.7",
		ConfigSum: "ab73af41699f13fdd81903b5f23d8d00",
		MergedSum: "4a8724b20dee0124ff9656783c490c4e",
		AgentIP:   "192.0.2.10",
	}
	got, err := ParseKeepAlive([]byte(msg))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	if back := string(AppendKeepAlive(nil, got)); back != msg {
		t.Errorf("came back as %q", back)
	}
	if _, err := ParseKeepAlive([]byte("#!-Linux |web-01")); err == nil {
		t.Error("accepted a keep-alive without a newline; remoted doesn't")
	}
	none, err := ParseKeepAlive([]byte("#!-Linux\n\"env\":prod\nx merged.mg\n"))
	if diff := cmp.Diff(KeepAlive{System: "Linux", Labels: []string{`"env":prod`}}, none); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
}

func TestControlMessages(t *testing.T) {
	frames := loadVectors(t).Frames
	if got := string(AppendStartup(nil, DefaultVersion)); got != frames["startup"].Msg {
		t.Errorf("startup %q", got)
	}
	if AckMessage != frames["ack"].Msg || ShutdownMessage != frames["shutdown"].Msg {
		t.Error("ack or shutdown differs from the captured one")
	}
	if v, ok := ParseStartup([]byte("#!-agent startup ")); v != "" || !ok {
		t.Errorf("startup without a version: %q %v", v, ok)
	}
	if m, ok := ParseError(AppendError(nil, ReasonVersionTooHigh)); m != ReasonVersionTooHigh || !ok {
		t.Errorf("error: %q %v", m, ok)
	}
	counter, target, payload, ok := ParseRequest([]byte("#!-req 1a syscheck getconfig syscheck"))
	if counter != "1a" || target != "syscheck" || payload != "getconfig syscheck" || !ok {
		t.Errorf("request: %q %q %q %v", counter, target, payload, ok)
	}
	sum, name, ok := ParseFileStart(AppendFileStart(nil, "abc", MergedFile))
	if sum != "abc" || name != MergedFile || !ok {
		t.Errorf("file: %q %q %v", sum, name, ok)
	}
}

func TestEvents(t *testing.T) {
	e := Event{Queue: QueueLocalFile, Location: `C:\logs\a.log`, Text: "a: b"}
	msg := AppendEvent(nil, e)
	if string(msg) != `1:C|:\logs\a.log:a: b` {
		t.Errorf("got %q", msg)
	}
	back, err := ParseEvent(msg)
	if diff := cmp.Diff(e, back); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	for _, bad := range []string{"", "1", "1x:a:b", "1:nolocation"} {
		if _, err := ParseEvent([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}
