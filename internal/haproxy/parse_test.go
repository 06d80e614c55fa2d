package haproxy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The answers below were given by HAProxy 2.6.12.
const (
	mapAnswer    = "0x56068cb33e50 15141 e0/A/127.10.0.1/1515/en/200/600/60\n0x56068cb33ed0 15140 s0/A/127.10.0.1/1514/ev_0/1220/1220/0\n\n"
	aclAnswer    = "0x56068cb39b30 fd00::7f00:0/104\n0x56068ced6250 fd00::5:0:0/96\n\n"
	tenantAnswer = "# table: st_tenant, type: string, size:204800, used:1\n" +
		"0x56068ced48a0: key=s12 use=1 exp=0 conn_cnt=4 conn_rate(10000)=3 conn_cur=1 bytes_in_cnt=127 bytes_out_cnt=144 gpc0=0 gpc1=0 gpc2=0 gpc3=0 gpc4=0 gpc5=9 gpc6=1\n\n"
	agentAnswer   = "# table: st_agent, type: string, size:204800, used:2\n0x56068ced5a58: key=s0/001/::1/40112 use=1 exp=0 conn_cur=1\n\n"
	enrollAnswer  = "# table: st_enroll, type: string, size:102400, used:2\n0x56068ced5b20: key=p7//127.0.0.1/40113 use=1 exp=0 conn_cur=1\n0x56068ced5c20: key=p8//127.0.0.1/40114 use=0 exp=9000 conn_cur=0\n\n"
	sessionAnswer = "0x5652e9e2f2c0: proto=tcpv4 src=127.0.0.1:47188 fe=edge be=ev_0 srv=s0 ts=00 epoch=0 age=2m3s calls=2 rate=0 cpu=0 lat=0 rq[f=848202h,i=0,an=00h,rx=,wx=,ax=] exp=29m57s\n" +
		"0x5652e9e30010: proto=tcpv6 src=::1:40113 fe=edge be=ep srv=gateway ts=00 epoch=0 age=1d3h calls=2 exp=\n" +
		"0x5652e9e31000: proto=tcpv4 src=127.0.0.1:47200 fe=edge be=<NONE> srv=<none> ts=00 epoch=0 age=0s calls=1 exp=\n" +
		"0x5652e9e32000: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0x1 age=0s calls=1 exp=\n\n"
	targetAnswer = "0x564546e81c40: [26/Nov/2026:02:58:50.332955] id=0 proto=tcpv4 source=127.0.0.1:36336\n  flags=0x4a, conn_retries=0\n" +
		"  frontend=f (id=2 mode=tcp), listener=? (id=2) addr=127.0.0.7:19194\n  backend=b (id=3 mode=tcp) addr=127.0.0.1:38402\n  server=a (id=1) addr=127.0.0.7:19194\n" +
		"0x7ff124a7a200: [26/Nov/2026:02:58:51.686694] id=0 proto=tcpv6 source=::1:36342\n  frontend=f (id=2 mode=tcp), listener=? (id=2) addr=2001:db8::7:1515\n" +
		"0x7ff124a7b000: [26/Nov/2026:02:58:52.000001] id=0 proto=unix_stream source=unix:1\n  frontend=GLOBAL (id=0 mode=tcp), listener=? (id=1) addr=unix:1\n\n"
	statAnswer = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,\nen,e3,2,2,1,1,,5,100,200,\n\n"
)

func TestParse(t *testing.T) {
	entries, err := ParseMap(mapAnswer)
	check(t, err, entries, []Entry{{"15141", "e0/A/127.10.0.1/1515/en/200/600/60"}, {"15140", "s0/A/127.10.0.1/1514/ev_0/1220/1220/0"}})
	patterns, err := ParseACL(aclAnswer)
	check(t, err, patterns, []string{"fd00::7f00:0/104", "fd00::5:0:0/96"})
	rows, err := ParseTenants(tenantAnswer)
	check(t, err, rows, []TenantRow{{Slot: 12, Port: PortEvents, Counters: Counters{Current: 1, Rate: 3, Total: 4, In: 127, Out: 144, Rejected: [reasons]int64{5: 9, 6: 1}}}})
	agents, err := ParseAgents(agentAnswer)
	check(t, err, len(agents), 1)
	check(t, nil, agents[0].Source.String(), "[::1]:40112")
	check(t, nil, agents[0].Key(), "s0/001/::1/40112")
	enrollments, err := ParseEnrollments(enrollAnswer)
	check(t, err, fmt.Sprint(enrollments), "[{p7 7  127.0.0.1:40113 true} {p8 8  127.0.0.1:40114 false}]")
	inUse, err := ParseInUse(tenantAnswer)
	check(t, err, inUse, []string{"s12"})
	sessions, err := ParseSessions(sessionAnswer)
	check(t, err, len(sessions), 2)
	check(t, nil, fmt.Sprint(sessions), "[{0x5652e9e2f2c0 ev_0 s0 127.0.0.1:47188 2m3s 1s} {0x5652e9e30010 ep gateway [::1]:40113 27h0m0s 1h0m0s}]")
	sessions, err = ParseSessionsOf("ep", sessionAnswer)
	check(t, err, fmt.Sprint(sessions), "[{0x5652e9e30010 ep gateway [::1]:40113 27h0m0s 1h0m0s}]")
	targets, err := ParseTargets(targetAnswer)
	check(t, err, fmt.Sprint(targets), "map[0x564546e81c40:127.0.0.7:19194 0x7ff124a7a200:[2001:db8::7]:1515]")
	if _, err := ParseTargets("Unknown command"); err == nil {
		t.Error("an answer that is no list of sessions is taken for an empty one")
	}
	stats, err := ParseStat(statAnswer)
	check(t, err, stats, []Stat{{Proxy: "en", Service: "e3", Queued: 2, Current: 1, Total: 5, Peak: 1, In: 100, Out: 200}})
	check(t, nil, ParseInfo("Name: HAProxy\nPid: 12\n")["Pid"], "12")
}

func check[T any](t *testing.T, err error, got, want T) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{mapAnswer, aclAnswer, tenantAnswer, agentAnswer, enrollAnswer, statAnswer, sessionAnswer, targetAnswer, "15140 x\n", "Pid: 1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if entries, err := ParseMap(text); err == nil {
			for _, entry := range entries {
				if entry.Key == "" || entry.Value == "" {
					t.Errorf("an entry is half empty: %+v", entry)
				}
			}
		}
		if rows, err := ParseTenants(text); err == nil {
			for _, row := range rows {
				if row.Slot < 0 || row.Slot > MaxSlot || row.Port == "" {
					t.Errorf("a row nobody has: %+v", row)
				}
			}
		}
		if rows, err := ParseAgents(text); err == nil {
			for _, row := range rows {
				if !row.Source.IsValid() || row.ID == "" {
					t.Errorf("a row nobody has: %+v", row)
				}
			}
		}
		_, _ = ParseACL(text)
		_, _ = ParseInUse(text)
		if targets, err := ParseTargets(text); err == nil {
			for id, target := range targets {
				if id == "" || !target.IsValid() {
					t.Errorf("a session that leads nowhere: %q, %s", id, target)
				}
			}
		}
		_, _ = ParseStat(text)
		_, _ = ParseRouteFile(text)
		ParseInfo(text)
		ParseWorkers(text)
		if sessions, err := ParseSessions(text); err == nil {
			for _, session := range sessions {
				if session.ID == "" || !session.Source.IsValid() || session.Age < 0 {
					t.Errorf("a session nobody has: %+v", session)
				}
			}
		}
	})
}

// A revocation asks for the earliest moment a session can have begun.
func TestHowOldASessionCanBe(t *testing.T) {
	for age, atMost := range map[string]time.Duration{
		"0s": time.Second, "59m59s": time.Hour, "1h0m": time.Hour + time.Minute, "23h59m": 24 * time.Hour, "1d0h": 25 * time.Hour, "1d": 25 * time.Hour,
	} {
		sessions, err := ParseSessions("0x55d0: proto=tcpv4 src=192.0.2.7:40112 fe=edge be=ev_0 srv=e0 ts=00 age=" + age + " calls=3\n")
		if err != nil || len(sessions) != 1 {
			t.Fatalf("age %s: %v, %d sessions", age, err, len(sessions))
		}
		now := time.Now()
		if got := now.Sub(sessions[0].Earliest(now)); got != atMost {
			t.Errorf("age %s: at most %s, want %s", age, got, atMost)
		}
	}
}

func TestParseWorkers(t *testing.T) {
	current, old := ParseWorkers("#<PID>          <type>          <reloads>       <uptime>        <version>\n3246            master          1 [failed: 0]   0d00h00m01s     2.6.12\n" +
		"# workers\n3247            worker          0               0d00h00m01s     2.6.12\n# old workers\n3101            worker          1               0d00h05m01s     2.6.12\n# programs\n9 worker\n\n")
	check(t, nil, current, []string{"3247"})
	check(t, nil, old, []string{"3101"})
}
