package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

const (
	// heartbeat keeps proxies from hanging up, and notices that the session ended.
	heartbeat = 15 * time.Second
	// writePatience is how long a browser may take to read; then it is hung up on, and
	// comes again by itself.
	writePatience = 20 * time.Second
	// backlog is how many changes wait for a slow reader.
	backlog = 256
	// maxStreams of one session: a tab each. Over plain HTTP a browser opens six
	// connections to one host, and must have some left to ask with; who gets no stream
	// asks now and then.
	maxStreams      = 16
	maxStreamsPlain = 4
	watchLasts      = 2 * time.Minute
	watchAgain      = 2 * time.Second
)

// kind is something whose changes are told.
type kind struct {
	name     string
	resource string
	list     func() client.ObjectList
}

func kinds() []kind {
	return []kind{
		{"tenants", "tenants", func() client.ObjectList { return &v1alpha1.TenantList{} }},
		{"regions", "regions", func() client.ObjectList { return &v1alpha1.RegionList{} }},
		{"tokens", "enrollmenttokens", func() client.ObjectList { return &v1alpha1.EnrollmentTokenList{} }},
		{"revocations", "revocations", func() client.ObjectList { return &v1alpha1.RevocationList{} }},
		{"handovers", "handovers", func() client.ObjectList { return &v1alpha1.HandoverList{} }},
		{"reports", "offboardingreports", func() client.ObjectList { return &v1alpha1.OffboardingReportList{} }},
	}
}

// told is one event of a stream.
type told struct {
	event string
	data  any
}

// events tells a browser what changes, for as long as it listens.
func (c *Console) events(w http.ResponseWriter, r *http.Request, one *visit) error {
	most := maxStreams
	if c.options.Plain {
		most = maxStreamsPlain
	}
	if !one.enter(most) {
		return refuse(http.StatusServiceUnavailable, "", "you have too many pages open", "close some")
	}
	defer one.leave()
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	news := make(chan told, backlog)
	for _, k := range kinds() {
		go c.follow(ctx, one, k, news)
	}
	if slug := r.URL.Query().Get("agents"); slug != "" {
		go c.followAgents(ctx, one, slug, news)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	// The server's limit is for requests that end.
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	write := func(text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
			return err
		}
		if _, err := fmt.Fprint(w, text); err != nil {
			return err
		}
		return out.Flush()
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	next := ": listening\n\n"
	for write(next) == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-one.ctx.Done():
		case <-beat.C:
			next = ": still here\n\n"
		case change := <-news:
			text, err := json.Marshal(change.data)
			if err != nil {
				return nil // the headers are out; the browser comes again
			}
			next = "event: " + change.event + "\ndata: " + string(text) + "\n\n"
		}
		// Nothing is told any more once the session is over, whatever came first.
		if one.over(c.options.Now()) || one.tokens != nil && one.tokens.Over() != nil {
			_ = write("event: end\ndata: {}\n\n")
			return nil
		}
	}
	return nil
}

// enter counts a stream; false when there are enough.
func (one *visit) enter(most int) bool {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.streams >= most {
		return false
	}
	one.streams++
	return true
}

func (one *visit) leave() {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.streams--
}

// follow tells the changes of one kind, as far as the person may watch it. A watch that
// has run its time goes on where it was; when that cannot be, what happened meanwhile is
// one change of no object in particular.
func (c *Console) follow(ctx context.Context, one *visit, k kind, news chan<- told) {
	version := ""
	for ctx.Err() == nil {
		err := one.watchOnce(ctx, k, &version, news)
		switch {
		case apierrors.IsForbidden(err):
			send(ctx, news, told{"blind", wire.Blind{Kind: k.name, Missing: need{verb: "watch", group: v1alpha1.GroupVersion.Group, resource: k.resource}.String() + " in all namespaces"}})
			return
		case apierrors.IsUnauthorized(err):
			c.visits.finish(one) // the token has ended before the session
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchAgain):
		}
		if err != nil {
			version = ""
			send(ctx, news, told{"change", wire.Change{Kind: k.name}})
		}
	}
}

// watchOnce tells what changes after a version, which it moves on, or from now on where
// there is none. The API server asks whose token it is only when a watch begins, so it
// begins anew now and then.
func (one *visit) watchOnce(ctx context.Context, k kind, version *string, news chan<- told) error {
	if *version == "" {
		list := k.list()
		// One object, for the version of the list: what is there already is no change.
		if err := one.watch.List(ctx, list, client.Limit(1)); err != nil {
			return err
		}
		*version = list.GetResourceVersion()
	}
	lasts := int64(watchLasts.Seconds())
	watching, err := one.watch.Watch(ctx, k.list(), &client.ListOptions{Raw: &metav1.ListOptions{
		ResourceVersion: *version, AllowWatchBookmarks: true, TimeoutSeconds: &lasts,
	}})
	if err != nil {
		return err
	}
	defer watching.Stop()
	for event := range watching.ResultChan() {
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
		object, ok := event.Object.(client.Object)
		if !ok {
			continue
		}
		*version = object.GetResourceVersion()
		if event.Type == watch.Bookmark {
			continue
		}
		change := wire.Change{Kind: k.name, Name: object.GetName()}
		switch {
		case k.name == "tenants":
			change.Tenant = object.GetName()
		case object.GetNamespace() != "":
			change.Tenant = naming.SlugOf(object.GetNamespace())
		}
		send(ctx, news, told{"change", change})
	}
	return nil
}

// followAgents asks who a tenant's agents are for as long as somebody looks, and tells
// when the answer is another. That they cannot be asked the page hears when it asks.
func (c *Console) followAgents(ctx context.Context, one *visit, slug string, news chan<- told) {
	last := ""
	for ctx.Err() == nil {
		now := "unknown"
		_, rows, err := c.look(ctx, one, slug)
		switch {
		case err == nil:
			now = fingerprint(rows)
		case apierrors.IsUnauthorized(err):
			c.visits.finish(one)
			return
		}
		if now != last && last != "" {
			send(ctx, news, told{"change", wire.Change{Kind: "agents", Tenant: slug}})
		}
		last = now
		select {
		case <-ctx.Done():
		case <-one.ctx.Done():
			return
		case <-time.After(pause(c.visits.looking(slug), len(rows))):
		}
	}
}

// fingerprint is what is worth showing anew: not each keep-alive.
func fingerprint(rows []roster.Row) string {
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = strings.Join([]string{row.ID, row.Name, row.State, row.Version, row.SeenFrom, strings.Join(row.Groups, ",")}, "\x00")
	}
	slices.Sort(lines)
	return "agents\n" + strings.Join(lines, "\n")
}

func send(ctx context.Context, news chan<- told, one told) {
	select {
	case news <- one:
	case <-ctx.Done():
	}
}
