package edge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Closing does not depend on the disk. Where a change cannot be written down, what
// it takes away is taken from the running process all the same, and nothing is
// opened: a restart of HAProxy would forget the one, and must not know the other.
//
// The process keeps a mark as long as it is ahead of the files. By it an edge that
// is started meanwhile sees that less is served than its disk says, and opens
// nothing until the source has told.

// keyAhead is the mark: a key of the route map no port has.
const keyAhead = "ahead-of-the-disk"

// unwritten is what could not be written down: why, and what that means for the
// tenants it is about. It is an error so that nobody takes it for success.
type unwritten struct {
	cause error
	words map[string]string
	// closed are tenants of whom the running process serves less than the disk says;
	// those without a route are served not at all.
	closed map[string]*haproxy.Route
}

func (u *unwritten) Error() string {
	text := fmt.Sprintf("the disk cannot be written: %v", u.cause)
	if len(u.closed) > 0 {
		text += fmt.Sprintf("; what changes of %d tenants take away is taken from the running haproxy, and would be back after a restart of it", len(u.closed))
	}
	return text + "; nothing is opened until there is room, which is tried again every comparison"
}

func (u *unwritten) Unwrap() error { return u.cause }

// isUnwritten is true for errors by which files are behind, and the process is not.
func isUnwritten(err error) bool {
	var found *unwritten
	return errors.As(err, &found)
}

// errSilent keeps an edge that knows nothing but its disk from opening anything.
var errSilent = errors.New("an earlier edge closed more than it could write down; nothing is opened until the source of the routes has told what is wanted")

// closeUnwritten takes from the running process what a change takes away that
// could not be written down. Whatever state the process is in, it is compared with
// what may be served; it may have been restarted meanwhile.
func (e *Edge) closeUnwritten(ctx context.Context, settled haproxy.Settled, cause error) error {
	closing := settled.Closing()
	if e.unknown {
		closing = suspended(settled)
	}
	worker, err := e.closeInProcess(ctx, settled, closing)
	if err != nil {
		e.update(func() { e.inStep, e.unwritten = false, &unwritten{cause: cause} })
		return errors.Join(fmt.Errorf("close in the running haproxy what could not be written down: %w", err), cause)
	}
	found := describeUnwritten(settled, closing, cause)
	e.update(func() { e.inStep, e.unwritten, e.worker, e.failing = false, found, worker, e.unknown })
	return found
}

func (e *Edge) closeInProcess(ctx context.Context, settled, closing haproxy.Settled) (worker string, err error) {
	info, err := e.runtime.info(ctx)
	if err != nil {
		return "", err
	}
	have, _, err := e.runtime.read(ctx, e.config)
	if err != nil {
		return "", err
	}
	if err := e.addSlots(ctx, e.routes(), info["Pid"]); err != nil {
		return "", err
	}
	want := tablesOf(e.config, slices.Values(e.board.With(closing)))
	if e.unknown { // what HAProxy has is not what we had: whatever is not wanted goes
		want = have.without(tablesOf(e.config, slices.Values(e.board.With(settled))))
	}
	steps := difference(have, want)
	commands := slices.Concat(steps.before, steps.route)
	c := compare(e.config, closing.Before, closing.After)
	if !have.ahead && len(closing.Before)+len(commands) > 0 { // first of all
		commands = append([]string{"add map " + e.config.File(haproxy.FileRoutes) + " " + keyAhead + " 1"}, commands...)
	}
	if err := e.doAndCut(ctx, commands, c.cut, steps.after); err != nil {
		return "", err
	}
	e.cutRevoked(ctx, c.revoked)
	// A line is struck out in its place, for which a full disk needs no room: a HAProxy
	// that is restarted does not open it again. A disk nobody can write stays as it is.
	if err := e.files.strike(closing.Before, want); err != nil {
		e.log.Warn("what is closed could not be struck out of haproxy's files", "error", err.Error())
	}
	return info["Pid"], nil
}

// without are the lines that are left when nothing may be added and whatever is not
// wanted goes: of a tenant that is to be suspended, the line that says so.
func (t tables) without(wanted tables) tables {
	left := newTables(t.config)
	for key, value := range t.routes {
		now, there := wanted.routes[key]
		switch {
		case there && haproxy.StateOf(now) == haproxy.StateSuspended:
			left.routes[key] = now
		case there:
			left.routes[key] = value
		}
	}
	for line := range t.allow {
		left.allow[line] = wanted.allow[line]
	}
	for line := range t.hosts {
		left.hosts[line] = wanted.hosts[line]
	}
	return left
}

// suspended are those whose sessions are to end, where nobody knows who had any.
func suspended(settled haproxy.Settled) haproxy.Settled {
	closing := haproxy.Settled{Before: map[string]haproxy.Route{}, After: map[string]haproxy.Route{}}
	for slug, route := range settled.After {
		if route.Suspended {
			before := route
			before.Suspended = false
			closing.Before[slug], closing.After[slug] = before, route
		}
	}
	return closing
}

// describeUnwritten says it tenant by tenant, for their Routes' status.
func describeUnwritten(settled, closing haproxy.Settled, cause error) *unwritten {
	found := &unwritten{cause: cause, words: map[string]string{}, closed: map[string]*haproxy.Route{}}
	for slug := range closing.Before {
		if route, stays := closing.After[slug]; stays {
			found.closed[slug] = &route
		} else {
			found.closed[slug] = nil
		}
	}
	slugs := slices.AppendSeq(slices.Collect(maps.Keys(settled.Before)), maps.Keys(settled.After))
	for _, slug := range slugs {
		done := "nothing of the change is done, for it opens something"
		if left, closed := found.closed[slug]; closed {
			done = "closed in the running haproxy; not on the disk, so that a restart of haproxy may open it again"
			if after, stays := settled.After[slug]; stays && (left == nil || !left.Equal(after)) {
				done = "what the change takes away is closed in the running haproxy, and not on the disk, so that a restart of haproxy may open it again; the rest of the change is not done"
			}
		}
		found.words[slug] = fmt.Sprintf("%s: the edge's disk cannot be written (%v); tried again until there is room", done, cause)
	}
	return found
}

// caughtUp is called once files say what they should, and has the process follow:
// it may serve less than they say, and what was to be opened has waited.
func (e *Edge) caughtUp(ctx context.Context, c changes) error {
	if err := e.doAndCut(ctx, nil, c.cut, nil); err != nil {
		return err
	}
	e.slotsOf = "" // slots may be missing
	if err := e.check(ctx); err != nil {
		return err
	}
	e.cutRevoked(ctx, c.revoked)
	e.log.Info("the disk can be written again, and haproxy is as the files say", "tenants", c.count)
	return nil
}

// serves is false for a tenant that is closed in the running process, whatever the
// disk says of him.
func (u *unwritten) serves(tenant string) bool {
	if u == nil {
		return true
	}
	left, closed := u.closed[tenant]
	return !closed || left != nil && !left.Suspended
}

// of is what there is to say, by tenant.
func (u *unwritten) of() map[string]string {
	if u == nil {
		return nil
	}
	return u.words
}
