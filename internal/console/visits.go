package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/signon"
)

// How long a session lasts, and how many there may be: each keeps a client. One person
// has a few, for browsers that were left without signing out; the oldest makes room.
const (
	visitLasts   = 8 * time.Hour
	visitIdle    = 30 * time.Minute
	maxVisits    = 500
	maxPerPerson = 10
)

// visit is one person's session.
type visit struct {
	user   string
	groups []string
	desk   *desk.Desk
	watch  client.WithWatch
	begun  time.Time
	// tokens of who signed in at the identity provider; nil for a pasted token.
	tokens *signon.Tokens

	// ctx ends with the visit, and with it every port that was forwarded for it.
	ctx context.Context
	end context.CancelFunc

	mu      sync.Mutex
	last    time.Time
	rosters map[string]*openRoster
	rights  map[string]knownRights
	streams int
}

// visits are the sessions, by a digest of what is in the cookie: who reads this
// process's memory finds tokens, but a log or a dump of keys opens nothing.
type visits struct {
	ctx context.Context
	now func() time.Time

	mu   sync.Mutex
	held map[[sha256.Size]byte]*visit
}

func newVisits(ctx context.Context, now func() time.Time) *visits {
	return &visits{ctx: ctx, now: now, held: map[[sha256.Size]byte]*visit{}}
}

// begin keeps a visit and returns what its cookie says. Where there are too many, one
// makes room: nobody can keep others out by signing in.
func (v *visits) begin(one *visit) string {
	for {
		name, before := v.tryBegin(one)
		if before == nil {
			return name
		}
		v.finish(before)
	}
}

// tryBegin keeps a visit, or says which must end first: the oldest of a person who has
// enough, or the one that has been idle for longest.
func (v *visits) tryBegin(one *visit) (name string, before *visit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var oldest, idlest *visit
	own := 0
	for _, held := range v.held {
		if idlest == nil || held.lastUse().Before(idlest.lastUse()) {
			idlest = held
		}
		if held.user != one.user {
			continue
		}
		own++
		if oldest == nil || held.begun.Before(oldest.begun) {
			oldest = held
		}
	}
	switch {
	case own >= maxPerPerson:
		return "", oldest
	case len(v.held) >= maxVisits:
		return "", idlest
	}
	name = rand.Text() + rand.Text()
	one.ctx, one.end = context.WithCancel(v.ctx)
	one.begun, one.last = v.now(), v.now()
	one.rosters, one.rights = map[string]*openRoster{}, map[string]knownRights{}
	v.held[sha256.Sum256([]byte(name))] = one
	return name, nil
}

// find returns the visit a cookie names, nil if it has ended. Only a request that
// the person caused keeps it from falling idle.
func (v *visits) find(name string, caused bool) *visit {
	v.mu.Lock()
	one := v.held[sha256.Sum256([]byte(name))]
	v.mu.Unlock()
	if one == nil || one.over(v.now()) {
		return nil
	}
	if caused {
		one.mu.Lock()
		one.last = v.now()
		one.mu.Unlock()
	}
	return one
}

// finish ends a visit.
func (v *visits) finish(one *visit) {
	v.mu.Lock()
	for key, held := range v.held {
		if held == one {
			delete(v.held, key)
		}
	}
	v.mu.Unlock()
	one.end()
	one.hangUp(v.now())
}

// ends are when a visit is over: whatever happens, and if nothing is asked for.
func (one *visit) ends() (always, idle time.Time) {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.begun.Add(visitLasts), one.last.Add(visitIdle)
}

func (one *visit) lastUse() time.Time {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.last
}

func (one *visit) over(now time.Time) bool {
	always, idle := one.ends()
	return one.ctx.Err() != nil || !now.Before(always) || !now.Before(idle)
}

// sweepEvery is how often what is over is looked for.
const sweepEvery = 20 * time.Second

// sweep ends visits that are over, and hangs up on managers nobody looks at.
func (v *visits) sweep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery):
		}
		now := v.now()
		v.mu.Lock()
		all := make([]*visit, 0, len(v.held))
		for _, one := range v.held {
			all = append(all, one)
		}
		v.mu.Unlock()
		for _, one := range all {
			if one.over(now) {
				v.finish(one)
			} else {
				one.hangUp(now)
			}
		}
	}
}

// cookie is the session's; an empty name takes it back.
func (c *Console) cookie(r *http.Request, name string) *http.Cookie {
	cookie := &http.Cookie{
		Name: c.cookieName(r), Value: name, Path: "/", HttpOnly: true, Secure: !c.options.Plain, SameSite: http.SameSiteStrictMode,
		MaxAge: int(visitLasts.Seconds()),
	}
	if name == "" {
		cookie.MaxAge = -1
	}
	return cookie
}

// cookieName has the prefix that ties the cookie to this very host, where browsers
// allow it. Without TLS that is loopback, where cookies of all ports are one: the port in
// the name lets a console for one cluster stand beside that for another.
func (c *Console) cookieName(r *http.Request) string {
	if !c.options.Plain {
		return "__Host-console"
	}
	_, port, err := net.SplitHostPort(r.Host)
	if _, notPort := strconv.ParseUint(port, 10, 16); err != nil || notPort != nil {
		return "console"
	}
	return "console-" + port
}
