package edge

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Files of the edge's own, beside HAProxy's.
const (
	fileRoutes   = "routes.json"
	fileJournal  = "routes.journal"
	fileCounters = "counters.json"
	fileStatus   = "status.sock"
	fileLog      = "haproxy.log"
)

// Widths of the records: the longest line, and a power of two.
const (
	routeWidth   = 128
	networkWidth = 64
)

// journalLimit is how long the journal may get before a comparison writes the
// model anew.
const journalLimit = 256 << 10

// store is the folder a restarted HAProxy, and a restarted edge, know everything
// from: the model, as it once was and what has changed since, and the lists made
// from it. A change costs what it is about, however many tenants there are.
type store struct {
	dir                  string
	config               haproxy.Config
	routes, allow, hosts *lineFile
	// model and journal are what is in the files, and told what they tell; model
	// and journal are nil when nobody knows.
	model, journal []byte
	told           map[string]haproxy.Route
	// generation is the model's on disk; 0 while nobody knows.
	generation int64
}

func newStore(config haproxy.Config) *store {
	dir := config.Dir
	return &store{
		dir: dir, config: config,
		routes: newLineFile(dir, haproxy.FileRoutes, routeWidth),
		allow:  newLineFile(dir, haproxy.FileAllow, networkWidth),
		hosts:  newLineFile(dir, haproxy.FileHosts, networkWidth),
	}
}

// write replaces one of the other files.
func (s *store) write(name string, content []byte) (changed bool, err error) {
	return replaceFile(s.dir, name, content)
}

// saved is the content of routes.json: the model, from which the other files follow.
type saved struct {
	Generation int64           `json:"generation"`
	Routes     []haproxy.Route `json:"routes"`
}

// entry is a line of the journal: how a tenant's route is from now on, or that
// it is no more. The first line says which generation of the model it goes on from.
type entry struct {
	Of    int64          `json:"of,omitempty"`
	Route *haproxy.Route `json:"route,omitempty"`
	Gone  string         `json:"gone,omitempty"`
}

// change writes down what differs: the journal first, since whatever is missing
// of the rest can be made from it. When it fails, everything is to be saved anew.
func (s *store) change(before, after map[string]haproxy.Route) (err error) {
	defer func() {
		if err != nil {
			s.model, s.journal = nil, nil // it may tell of what did not happen
		}
	}()
	journal, err := journalOf(before, after)
	if err != nil {
		return err
	}
	if err := s.note(journal); err != nil {
		return err
	}
	for slug := range before {
		delete(s.told, slug)
	}
	maps.Copy(s.told, after)
	have, want := tablesOf(s.config, maps.Values(before)), tablesOf(s.config, maps.Values(after))
	// Who may come is known before the port leads anywhere.
	return errors.Join(
		s.allow.change(missing(want.allow, have.allow), missing(have.allow, want.allow)),
		s.hosts.change(missing(want.hosts, have.hosts), missing(have.hosts, want.hosts)),
		s.routes.change(missing(want.routeLines(), have.routeLines()), missing(have.routeLines(), want.routeLines())),
	)
}

// strike takes lines out of HAProxy's lists, each in its place, that say of those
// routes more than is wanted. What is wanted instead is not written.
func (s *store) strike(before map[string]haproxy.Route, want tables) error {
	have := tablesOf(s.config, maps.Values(before))
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(have.routes)) {
		if value := have.routes[key]; haproxy.StateOf(want.routes[key]) != haproxy.StateOf(value) {
			lines = append(lines, haproxy.Entry{Key: key, Value: value}.Line())
		}
	}
	return errors.Join(
		s.routes.change(nil, lines),
		s.allow.change(nil, missing(have.allow, want.allow)),
		s.hosts.change(nil, missing(have.hosts, want.hosts)),
	)
}

// missing are lines of one set that are not in the other, in order.
func missing(from, in map[string]bool) []string {
	lines := slices.Sorted(maps.Keys(from))
	return without(lines, func(line string) bool { return in[line] })
}

func journalOf(before, after map[string]haproxy.Route) (text []byte, err error) {
	put := func(e entry) {
		line, failed := json.Marshal(e)
		text, err = append(append(text, line...), '\n'), errors.Join(err, failed)
	}
	for _, slug := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[slug]; !stays {
			put(entry{Gone: slug})
		}
	}
	for _, slug := range slices.Sorted(maps.Keys(after)) {
		route := after[slug]
		put(entry{Route: &route})
	}
	return text, err
}

// note appends to the journal.
func (s *store) note(lines []byte) error {
	if s.journal == nil {
		return fmt.Errorf("write %s: %w", fileJournal, errOther)
	}
	if len(s.journal) == 0 {
		lines = append(fmt.Appendf(nil, "{\"of\":%d}\n", s.generation), lines...)
	}
	file, err := os.OpenFile(filepath.Join(s.dir, fileJournal), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write %s: %w", fileJournal, err)
	}
	_, err = file.WriteAt(lines, int64(len(s.journal)))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		s.journal = nil
		return fmt.Errorf("write %s: %w", fileJournal, err)
	}
	s.journal = append(s.journal, lines...)
	return nil
}

// save makes every file as the routes are, the model first. It tells whether any
// was other than it should have been.
func (s *store) save(routes []haproxy.Route) (changed bool, err error) {
	ordered := slices.SortedFunc(slices.Values(routes), func(a, b haproxy.Route) int { return cmp.Compare(a.Slot, b.Slot) })
	changed, err = s.saveModel(ordered)
	if err != nil {
		return changed, err
	}
	var lines struct{ routes, allow, hosts []string }
	for _, route := range ordered {
		for _, entry := range route.Entries(s.config) {
			lines.routes = append(lines.routes, entry.Line())
		}
		lines.allow = append(lines.allow, route.AllowLines()...)
		lines.hosts = append(lines.hosts, route.HostLines()...)
	}
	for _, list := range []struct {
		file  *lineFile
		lines []string
	}{{s.allow, lines.allow}, {s.hosts, lines.hosts}, {s.routes, lines.routes}} {
		wrote, err := list.file.replace(list.lines)
		if err != nil {
			return changed, err
		}
		changed = changed || wrote
	}
	return changed, nil
}

// saveModel writes the model anew unless what is there, with a journal of
// moderate length, tells the same.
func (s *store) saveModel(ordered []haproxy.Route) (changed bool, err error) {
	intact := s.model != nil && s.journal != nil && s.same(fileRoutes, s.model) && s.same(fileJournal, s.journal)
	if intact && len(s.journal) < journalLimit && s.tells(ordered) {
		return false, nil
	}
	model := fmt.Appendf(nil, `{"generation":%d,"routes":[`, s.generation+1)
	for i, route := range ordered {
		line, err := json.Marshal(route)
		if err != nil {
			return false, err
		}
		if i > 0 {
			model = append(model, ',')
		}
		model = append(append(model, '\n'), line...)
	}
	model = append(model, "\n]}\n"...)
	s.model, s.journal = nil, nil
	if s.generation == 0 { // the journal belongs to a model that could not be read
		if _, err := replaceFile(s.dir, fileJournal, []byte{}); err != nil {
			return false, err
		}
	}
	wrote, err := replaceFile(s.dir, fileRoutes, model)
	if err != nil {
		return false, err
	}
	s.generation++
	// A power cut before this leaves the journal of the generation before, which counts
	// no more: it may tell of less than the model does.
	emptied, err := replaceFile(s.dir, fileJournal, []byte{})
	if err != nil {
		return false, err
	}
	s.model, s.journal, s.told = model, []byte{}, make(map[string]haproxy.Route, len(ordered))
	for _, route := range ordered {
		s.told[route.Tenant] = route
	}
	return !intact && (wrote || emptied), nil
}

func (s *store) tells(routes []haproxy.Route) bool {
	for _, route := range routes {
		if told, there := s.told[route.Tenant]; !there || !told.Equal(route) {
			return false
		}
	}
	return len(routes) == len(s.told)
}

// same compares a file with what it should hold.
func (s *store) same(name string, want []byte) bool {
	have, err := os.ReadFile(filepath.Join(s.dir, name))
	return err == nil && bytes.Equal(have, want)
}

// load reads the model back. A folder without one holds no routes yet.
func (s *store) load() ([]haproxy.Route, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, fileRoutes))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var content saved
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%s: %w; remove the file, and the routes are fetched from their source again", fileRoutes, err)
	}
	journal, err := os.ReadFile(filepath.Join(s.dir, fileJournal))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	routes, err := replay(content, journal)
	if err == nil {
		s.generation = content.Generation
	}
	return routes, err
}

// replay carries a journal out. A last line without an end was cut off while it
// was written, and nothing was done about it yet.
func replay(model saved, journal []byte) ([]haproxy.Route, error) {
	of := make(map[string]haproxy.Route, len(model.Routes))
	for _, route := range model.Routes {
		of[route.Tenant] = route
	}
	for line := range bytes.Lines(journal) {
		if !bytes.HasSuffix(line, []byte{'\n'}) {
			break
		}
		var change entry
		err := json.Unmarshal(line, &change)
		switch first := change.Of > 0 && change.Route == nil && change.Gone == ""; {
		case err != nil:
		case first && change.Of < model.Generation:
			return model.Routes, nil // the model has taken it in
		case first && change.Of == model.Generation:
			continue
		case first:
			err = fmt.Errorf("it goes on from generation %d of %s, which is of generation %d", change.Of, fileRoutes, model.Generation)
		case (change.Route == nil) == (change.Gone == ""):
			err = errors.New("a line tells of no route, or of two")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w; remove %s, and the routes are fetched from their source again", fileJournal, err, fileRoutes)
		}
		if change.Route != nil {
			of[change.Route.Tenant] = *change.Route
		} else {
			delete(of, change.Gone)
		}
	}
	return slices.Collect(maps.Values(of)), nil
}
