package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/door"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// visit is one connection to the enrollment port, from accept to close.
type visit struct {
	g     *Gateway
	tcp   *net.TCPConn
	in    *bufio.Reader
	begin time.Time
	end   time.Time // of our patience

	policy *policy.Policy // as it was when the visit began; judged by the one in force
	limits policy.Limits
	source netip.Addr
	record audit.Record
	pass   *door.Pass
	tls    *tls.Conn
}

// linger is how long a peer may take to close after its answer. Closing first
// with its bytes unread would reset the connection, and the answer with it.
const linger = time.Second

func (g *Gateway) receive(ctx context.Context, tcp *net.TCPConn) {
	p := g.policies.get()
	v := &visit{g: g, tcp: tcp, in: bufio.NewReader(tcp), begin: time.Now(), policy: p, limits: p.Limits.WithDefaults()}
	v.end = v.begin.Add(v.limits.Total.D())
	v.record.Time = g.c.Now()
	ctx, cancel := context.WithDeadline(ctx, v.end)
	defer cancel()
	// Whatever the peer is at: when we stop, it ends.
	stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
	defer stop()
	defer tcp.Close()

	end := v.proceed(ctx)
	if v.pass != nil {
		defer v.pass.Leave()
		if end.mistake {
			v.pass.Failed()
		}
	}
	// The audit comes before the answer: who has a key is in the log.
	v.g.metrics.attempts.WithLabelValues(end.outcome, string(end.reason)).Inc()
	v.writeDown(end)
	v.answer(end)
}

func (v *visit) proceed(ctx context.Context) *ending {
	introduced := v.introduce()
	if end := v.enter(ctx); end != nil {
		return end
	}
	if introduced != nil {
		return introduced
	}
	if end := v.beginsTLS(); end != nil {
		return end
	}
	if end := v.handshake(ctx); end != nil {
		return end
	}
	v.setDeadline(v.limits.Request)
	line, err := readLine(v.tls, v.limits.Line)
	if err != nil && !errors.Is(err, errTooLong) {
		return v.silent(err)
	}
	return v.judge(ctx, parseRequest(line), err != nil)
}

// enter passes the door, where a source with too many connections or mistakes
// is turned away.
func (v *visit) enter(ctx context.Context) *ending {
	wait, cancel := context.WithTimeout(ctx, v.limits.Queue.D())
	defer cancel()
	pass, refusal := v.g.door.Enter(wait, v.source)
	if refusal == nil {
		v.pass = pass
		return nil
	}
	end := drop(refusal.Reason)
	end.quiet = !refusal.Report
	if refusal.Suppressed > 0 {
		end.detail = fmt.Sprintf("and %d more since the last line about this source", refusal.Suppressed)
	}
	return end
}

func (v *visit) handshake(ctx context.Context) *ending {
	begin := time.Now()
	v.setDeadline(v.limits.Hello)
	v.tls = tls.Server(&stream{TCPConn: v.tcp, in: v.in, onHello: func() { v.setDeadline(v.limits.Handshake) }}, v.g.tls)
	if err := v.tls.HandshakeContext(ctx); err != nil {
		end := broken(err, policy.ReasonHandshake)
		end.detail = err.Error()
		return end
	}
	v.g.metrics.handshake.Observe(time.Since(begin).Seconds())
	return nil
}

// silent is the end of a peer that shook hands and then asked for nothing. It
// counts as a mistake: the handshake was work.
func (v *visit) silent(err error) *ending {
	end := broken(err, policy.ReasonHandshake)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		end.reason = policy.ReasonGone
	}
	return end
}

// judge decides on a request. What the peer gets to hear is what authd would say.
func (v *visit) judge(ctx context.Context, r request, tooLong bool) *ending {
	verdict := policy.Decide(v.g.policies.get(), r.attempt(v.source), v.g.c.Now())
	v.note(r, verdict)
	proven := verdict.Reason == policy.ReasonAllowed || verdict.Reason == policy.ReasonMalformed
	switch {
	case proven && tooLong:
		end := refuse(policy.ReasonTooLong, wazuh.ReasonInvalidRequest)
		end.mistake = true
		return end
	case verdict.Reason == policy.ReasonMalformed:
		return refuse(verdict.Reason, r.refusal.Reason)
	case !verdict.Allowed():
		end := refuse(verdict.Reason, wazuh.ReasonInvalidPassword)
		end.mistake = true
		return end
	}
	v.pass.Proven()
	if !v.pass.MayEnroll() {
		return failed(policy.ReasonTooManyEnrollments, r)
	}
	return v.enroll(ctx, r)
}

// note writes into the record who asks, and with what.
func (v *visit) note(r request, verdict policy.Verdict) {
	if r.refusal == nil {
		v.record.Name, v.record.Version, v.record.Groups = r.fields.Name, r.fields.Version, r.fields.Groups
	}
	v.record.Credential, v.record.Token, v.record.Ban = verdict.Credential, "", verdict.Ban
	if verdict.Token != nil {
		v.record.Token = verdict.Token.Name
	}
	if verdict.Group != "" {
		v.record.Groups = verdict.Group
	}
}

// refuse ends with one of authd's refusals.
func refuse(reason policy.Reason, said string) *ending {
	return &ending{outcome: audit.Refused, reason: reason, answer: (&wazuh.Refused{Reason: said}).Append(nil)}
}

// failed ends with what authd says when it is at fault itself; the agent tries
// again later.
func failed(reason policy.Reason, r request) *ending {
	end := refuse(reason, wazuh.ReasonInternalAdd(r.fields.Name))
	end.outcome = audit.Failed
	return end
}

// answer sends the answer as authd does: one record, close_notify, close.
func (v *visit) answer(end *ending) {
	if end.answer == nil || v.tls == nil {
		return
	}
	_ = v.tcp.SetDeadline(time.Now().Add(v.limits.Request.D()))
	_, err := v.tls.Write(end.answer)
	if err == nil {
		err = v.tls.CloseWrite()
	}
	if err != nil {
		v.lost(end)
		return
	}
	_ = v.tcp.CloseWrite()
	_ = v.tcp.SetReadDeadline(time.Now().Add(linger))
	_, _ = io.CopyN(io.Discard, v.in, int64(v.limits.Line))
}

// lost writes down that an agent exists whose host doesn't know it.
func (v *visit) lost(end *ending) {
	if end.outcome != audit.Enrolled {
		return
	}
	v.g.metrics.lost.Inc()
	v.writeDown(&ending{outcome: audit.Failed, reason: policy.ReasonAnswerLost, id: end.id})
}

func (v *visit) writeDown(end *ending) {
	// A connection that says nothing and goes is a health check, every few seconds.
	if end.quiet || end.reason == policy.ReasonGone && !end.mistake {
		return
	}
	r := v.record
	r.Source, r.ID = v.source.String(), end.id
	r.Outcome, r.Reason, r.Detail = end.outcome, end.reason, end.detail
	r.Millis = float64(time.Since(v.begin).Microseconds()) / 1000
	v.g.audit.Add(r)
}
