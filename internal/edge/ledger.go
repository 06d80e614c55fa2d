package edge

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// ledger adds up counters that HAProxy forgets when it restarts: what is
// counted is how far each has moved since the last look.
type ledger struct {
	// Worker whose numbers Last holds.
	Worker string `json:"worker"`
	// Last seen and Sum so far, by tenant and port: "acme/events".
	Last map[string]haproxy.Counters `json:"last"`
	Sum  map[string]haproxy.Counters `json:"sum"`
}

func newLedger() *ledger {
	return &ledger{Last: map[string]haproxy.Counters{}, Sum: map[string]haproxy.Counters{}}
}

// load goes on where an earlier edge ended. A file that cannot be read costs
// history, nothing else.
func (l *ledger) load(files *store) {
	text, err := os.ReadFile(filepath.Join(files.dir, fileCounters))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	read := newLedger()
	if err == nil && json.Unmarshal(text, read) == nil && read.Last != nil && read.Sum != nil {
		*l = *read
	}
}

// add counts one look at the table of a worker. Tenants that are gone are forgotten.
func (l *ledger) add(worker string, rows []haproxy.TenantRow, tenantOf map[int32]string) {
	if worker != l.Worker {
		l.Worker, l.Last = worker, map[string]haproxy.Counters{}
	}
	present := map[string]bool{}
	for _, slug := range tenantOf {
		present[slug] = true
	}
	for key := range l.Sum {
		if !present[tenantOfKey(key)] {
			delete(l.Sum, key)
			delete(l.Last, key)
		}
	}
	for _, row := range rows {
		slug, known := tenantOf[row.Slot]
		if !known {
			continue
		}
		key := slug + "/" + row.Port
		last := l.Last[key]
		if row.Total < last.Total {
			last = haproxy.Counters{} // the row was cleared in between
		}
		sum := l.Sum[key]
		sum.Current, sum.Rate = row.Current, row.Rate
		sum.Total += row.Total - last.Total
		sum.In += row.In - last.In
		sum.Out += row.Out - last.Out
		for i := range sum.Rejected {
			sum.Rejected[i] += row.Rejected[i] - last.Rejected[i]
		}
		l.Sum[key], l.Last[key] = sum, row.Counters
	}
}

func tenantOfKey(key string) string {
	for i := range key {
		if key[i] == '/' {
			return key[:i]
		}
	}
	return key
}

// count reads the tables of the running worker into the ledger, and takes out of
// them what will not change any more.
func (e *Edge) count(ctx context.Context) error {
	e.looking.Lock() // an older answer after a newer one would look like a restart
	defer e.looking.Unlock()
	info, err := e.runtime.info(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	seen, rows, err := e.readTables(ctx)
	if err != nil {
		return err
	}
	tenantOf := map[int32]string{}
	for _, route := range e.routes() {
		tenantOf[route.Slot] = route.Tenant
	}
	var text []byte
	e.update(func() {
		// A pid may come again; with the start time it does not.
		e.ledger.add(info["Pid"]+"@"+info["Start_time_sec"]+info["Node"], rows, tenantOf)
		e.seen.look(now, seen, tenantOf)
		text, err = json.Marshal(e.ledger)
	})
	if err != nil {
		return err
	}
	// That history is lost with the next restart is no reason to call HAProxy away.
	if _, err := e.files.write(fileCounters, text); err != nil {
		e.log.Warn("the counters could not be kept", "error", err.Error())
	}
	if err := e.forgetEnded(ctx, seen); err != nil {
		return err
	}
	e.update(func() { e.bury(now, seen, rows) })
	return nil
}
