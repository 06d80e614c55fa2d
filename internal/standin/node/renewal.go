package node

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/standin/volumes"
	"github.com/soctalk/soctalk-ingress/internal/standin/wazuhimage"
)

// renewal does what the container's own watch script does when a mounted Secret
// changes: run the hooks, which put things into place and refuse by waiting what
// can't be used, then restart authd, which reads its certificate and password only
// when it starts.
type renewal struct {
	workload *workload
	start    wazuhimage.Start
	mounted  *volumes.Container
	control  string

	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
	// due holds at most one more round, for what changes during a round.
	due chan struct{}
}

// volumeEnrollment is the pod's volume with the password authd asks for.
const volumeEnrollment = "enrollment"

func newRenewal(w *workload, start wazuhimage.Start, mounted *volumes.Container, control string) *renewal {
	r := &renewal{workload: w, start: start, mounted: mounted, control: control, due: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(w.ctx)
	r.group.Go(r.run)
	return r
}

func (r *renewal) stop() {
	r.cancel()
	r.group.Wait()
}

// look updates the folders of changed objects, at once even while a hook waits.
func (r *renewal) look() {
	changed, err := r.mounted.Refresh()
	if err != nil {
		r.workload.node.Log.Warn("volumes are out of date", "pod", r.workload.key, "error", err)
	}
	if r.start.Env["SOCTALK_ENROLLMENT"] == "gateway" {
		// Then the script looks at authd's own secret only.
		changed = slices.DeleteFunc(changed, func(name string) bool { return name != volumeEnrollment })
	}
	if len(changed) == 0 {
		return
	}
	r.workload.node.Log.Info("volumes changed", "pod", r.workload.key, "volumes", changed)
	select {
	case r.due <- struct{}{}:
	default:
	}
}

func (r *renewal) run() {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.due:
		}
		if err := r.round(); err != nil && r.ctx.Err() == nil {
			r.workload.node.Log.Warn("authd was not restarted", "pod", r.workload.key, "error", err)
		}
	}
}

func (r *renewal) round() error {
	if err := wazuhimage.RunHooks(r.ctx, r.start); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	defer cancel()
	restart := r.control + "/restart?" + url.Values{"daemon": {"authd"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, restart, nil)
	if err != nil {
		return err
	}
	request.Close = true // one request, no idle connection
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulator answers %s", response.Status)
	}
	r.workload.node.Log.Info("authd restarted", "pod", r.workload.key)
	return nil
}
