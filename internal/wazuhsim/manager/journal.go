package manager

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// journalSize is how many lines the API reads back of ossec.log.
const journalSize = 2000

// journal is the part of ossec.log that the API shows: what remoted warns of.
type journal struct {
	mu    sync.Mutex
	lines []journalLine // oldest first
}

type journalLine struct {
	At                      time.Time
	Tag, Level, Description string
}

func (j *journal) warn(at time.Time, tag, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, journalLine{At: at, Tag: tag, Level: "warning", Description: fmt.Sprintf(format, args...)})
	if extra := len(j.lines) - journalSize; extra > 0 {
		j.lines = slices.Delete(j.lines, 0, extra)
	}
}

func (j *journal) all() []journalLine {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// managerLogs knows the filters tag, level and search; like the real one, it says nothing of
// sessions, and its times are whole seconds.
func (a *api) managerLogs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	offset, ok1 := number(q, "offset", 0, 0)
	limit, ok2 := number(q, "limit", defaultLimit, 1)
	if !ok1 || !ok2 || limit > maxLimit {
		problem(w, http.StatusBadRequest, "Bad Request", "Failed validation of offset or limit", 0)
		return
	}
	lines := slices.DeleteFunc(a.m.journal.all(), func(l journalLine) bool {
		return q.Get("tag") != "" && q.Get("tag") != l.Tag || q.Get("level") != "" && q.Get("level") != l.Level ||
			!strings.Contains(l.Description, q.Get("search"))
	})
	if q.Get("sort") != "+timestamp" { // the newest first, unless asked otherwise
		slices.Reverse(lines)
	}
	total := len(lines)
	items := []map[string]string{}
	for _, l := range lines[min(offset, total):min(offset+limit, total)] {
		items = append(items, map[string]string{
			"timestamp": l.At.UTC().Format(apiTime), "tag": l.Tag, "level": l.Level, "description": " " + l.Description,
		})
	}
	a.envelope(w, items, total, nil, [3]string{"Logs were successfully read in specified node"})
}
