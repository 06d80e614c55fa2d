package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

// One look that hangs must not keep everybody's sessions from ending.
func TestHangingUpWaitsForNobody(t *testing.T) {
	held := newVisits(t.Context(), time.Now)
	one := &visit{user: "jane"}
	held.begin(one)
	look, err := one.rosterOf("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	look.turn <- struct{}{} // a look is under way, and its manager does not answer
	done := make(chan struct{})
	go func() { held.finish(one); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("ending a session waits for a manager")
	}
	if look.ctx.Err() == nil {
		t.Error("the look goes on after the session")
	}
}

// Who waits for another's look is told so when the look is ended, or his own time is up.
func TestALookThatIsCalledOff(t *testing.T) {
	c := New(t.Context(), testOptions(t, "https://127.0.0.1:1"))
	one := &visit{user: "jane"}
	c.visits.begin(one)
	look, err := one.rosterOf("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	look.turn <- struct{}{}
	impatient, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := c.look(impatient, one, "acme"); !errors.Is(err, context.Canceled) {
		t.Errorf("who went away is told %v", err)
	}
	waits := make(chan error, 1)
	go func() {
		_, _, err := c.look(t.Context(), one, "acme")
		waits <- err
	}()
	c.visits.finish(one)
	select {
	case err := <-waits:
		if asRefusal(err) == nil {
			t.Errorf("who waited is told %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a look outlives its session")
	}
}

// However many look at a tenant, its manager is asked about as often as by one, and well
// below the 300 requests a minute it answers.
func TestManyWhoLookAskNoMoreOften(t *testing.T) {
	held := newVisits(t.Context(), time.Now)
	for i := range 20 {
		one := &visit{user: fmt.Sprint("person ", i)}
		held.begin(one)
		if _, err := one.rosterOf("acme", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if looking := held.looking("acme"); looking != 20 || held.looking("beta") != 0 {
		t.Errorf("%d look at acme, %d at beta", looking, held.looking("beta"))
	}
	for _, agents := range []int{0, 499, 20_000} {
		for _, looking := range []int{0, 1, 3, 20} {
			requests := float64(max(looking, 1)*(agents/agentsPage+1)) * float64(time.Minute) / float64(pause(looking, agents)-time.Second)
			if requests > 75 {
				t.Errorf("%d who look at %d agents: %.0f requests a minute", looking, agents, requests)
			}
		}
	}
	if pause(1, 10) != lookEvery {
		t.Errorf("one who looks waits %s", pause(1, 10))
	}
}

// Agents are revoked by id: a name is chosen by who enrols, and may be another's id.
func TestWhoIsMeant(t *testing.T) {
	agent := func(id, name string) roster.Row { return roster.Row{Agent: roster.Agent{ID: id, Name: name}} }
	rows := []roster.Row{agent("001", "web"), agent("002", "003")}
	for i := range maxRevoked {
		rows = append(rows, agent(fmt.Sprint(1000+i), fmt.Sprint("many-", i)))
	}
	for name, c := range map[string]struct {
		request wire.RevokeRequest
		chosen  int
		says    string
		refused int
	}{
		"one":                     {wire.RevokeRequest{IDs: []string{"001"}}, 1, "", 0},
		"one, said twice":         {wire.RevokeRequest{IDs: []string{"001", "001"}}, 1, "", 0},
		"a name":                  {wire.RevokeRequest{IDs: []string{"web"}}, 0, `no agent with id "web"`, 0},
		"a name like another id":  {wire.RevokeRequest{IDs: []string{"003"}}, 0, `no agent with id "003"`, 0},
		"one who is not there":    {wire.RevokeRequest{IDs: []string{"001", "999"}}, 0, `no agent with id "999"`, 0},
		"nobody":                  {wire.RevokeRequest{}, 0, "say which agents", http.StatusUnprocessableEntity},
		"as many as may be":       {wire.RevokeRequest{Selector: "name=many-*"}, maxRevoked, "", 0},
		"more than are answered":  {wire.RevokeRequest{Selector: "name=*"}, 0, "at most 500", http.StatusUnprocessableEntity},
		"ids and a selector both": {wire.RevokeRequest{IDs: []string{"001"}, Selector: "name=web"}, 0, "not both", http.StatusUnprocessableEntity},
	} {
		chosen, err := meant("acme", c.request, rows)
		switch {
		case c.says == "" && (err != nil || len(chosen) != c.chosen):
			t.Errorf("%s: %d chosen, %v", name, len(chosen), err)
		case c.says != "" && (err == nil || chosen != nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %d chosen, %v", name, len(chosen), err)
		case c.refused != 0 && (asRefusal(err) == nil || asRefusal(err).status != c.refused):
			t.Errorf("%s: %v", name, err)
		case c.says != "" && c.refused == 0 && fault.ClassOf(err) != fault.NotFound:
			t.Errorf("%s: class %d", name, fault.ClassOf(err))
		}
	}
}

// A token that has ended sees nothing more through ways that were opened with it.
func TestAnOpenWayDoesNotOutliveTheToken(t *testing.T) {
	d := deskAt(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`)
	})
	c := New(t.Context(), testOptions(t, "https://127.0.0.1:1"))
	one := &visit{user: "jane", desk: d}
	name := c.visits.begin(one)
	held, err := one.rosterOf("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	hungUp := false
	held.asked, held.hang, held.opened = &desk.Roster{}, func() { hungUp = true }, time.Now()
	held.rows, held.at = []roster.Row{{Agent: roster.Agent{ID: "001"}}}, time.Now().Add(-time.Minute)
	if got := call(c.Handler(), http.MethodGet, "/api/v1/tenants/acme/agents", "", "Cookie", "console="+name); got.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if c.visits.find(name, false) != nil || !hungUp {
		t.Errorf("the session has ended: %t, the way: %t", c.visits.find(name, false) == nil, hungUp)
	}
	// With a stream that looks on, too.
	one = &visit{user: "jane", desk: d}
	c.visits.begin(one)
	c.followAgents(t.Context(), one, "acme", make(chan told, backlog))
	if one.ctx.Err() == nil {
		t.Error("a stream goes on without a token")
	}
}
