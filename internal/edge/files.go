package edge

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Files of the edge's own, beside HAProxy's.
const (
	fileRoutes   = "routes.json"
	fileCounters = "counters.json"
	fileStatus   = "status.sock"
	fileLog      = "haproxy.log"
)

// store is the folder a restarted HAProxy, and a restarted edge, know everything from.
type store struct {
	dir string
	// written keeps the text of each route, so that one change does not cost
	// writing out thousands.
	written map[string]written
}

// written is one route as it stands in the files.
type written struct {
	route haproxy.Route
	model []byte
	files haproxy.Files
}

func newStore(dir string) *store { return &store{dir: dir, written: map[string]written{}} }

// texts are the contents of all files, by slot.
func (s *store) texts(routes []haproxy.Route) (model []byte, files haproxy.Files, err error) {
	ordered := slices.Clone(routes)
	slices.SortFunc(ordered, func(a, b haproxy.Route) int { return cmp.Compare(a.Slot, b.Slot) })
	kept := make(map[string]written, len(routes))
	model = []byte(`{"routes":[`)
	for i, route := range ordered {
		text, there := s.written[route.Tenant]
		if !there || !text.route.Equal(route) {
			line, err := json.Marshal(route)
			if err != nil {
				return nil, files, err
			}
			text = written{route: route, model: line, files: route.Files()}
		}
		kept[route.Tenant] = text
		if i > 0 {
			model = append(model, ',')
		}
		model = append(append(model, '\n'), text.model...)
		files.Append(text.files)
	}
	s.written = kept
	return append(model, "\n]}\n"...), files, nil
}

// write replaces a file so that a reader, or a power cut, finds the old or the
// new content and never a part. It tells whether the content was another before.
func (s *store) write(name string, content []byte) (changed bool, err error) {
	target := filepath.Join(s.dir, name)
	if old, err := os.ReadFile(target); err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	file, err := os.CreateTemp(s.dir, "."+name+".*")
	if err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(file.Name()) // fails once the file has its name, which is meant
	_, err = file.Write(content)
	// HAProxy may read its files as another user; the routes are no secret.
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(file.Name(), target); err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	return true, s.syncDir()
}

// syncDir makes renames survive a power cut.
func (s *store) syncDir() error {
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// saved is the content of routes.json: the model, from which the other files follow.
type saved struct {
	Routes []haproxy.Route `json:"routes"`
}

// save writes the model first: whatever is missing of the rest can be made from
// it. It tells whether any file was other than it is now.
func (s *store) save(routes []haproxy.Route) (changed bool, err error) {
	model, files, err := s.texts(routes)
	if err != nil {
		return false, err
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{
		{fileRoutes, model}, {haproxy.FileAllow, files.Allow},
		{haproxy.FileHosts, files.Hosts}, {haproxy.FileRoutes, files.Routes},
	} {
		wrote, err := s.write(file.name, file.content)
		if err != nil {
			return changed, err
		}
		changed = changed || wrote
	}
	return changed, nil
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
	return content.Routes, nil
}
