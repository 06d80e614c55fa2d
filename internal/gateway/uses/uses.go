// Package uses counts how often each enrollment token was used, and remembers it
// over crashes and restarts: a token for ten agents is good for ten.
//
// A use is written down before the manager is asked ([Ledger.Reserve]) and
// struck out if no agent came of it ([Ledger.Release]). Whoever pulls the plug
// in between loses a use, never gains one. The file is a journal of short lines,
// appended and synced; it is rewritten as totals when the ledger opens.
package uses

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/soctalk/soctalk-ingress/internal/gateway/disk"
)

const (
	fileName = "token-uses"
	// compactAfter lines the journal is rewritten, so that it cannot grow without end.
	compactAfter = 10_000
)

// Ledger is the open count of all tokens. It is safe for concurrent use; two
// processes must not share a folder.
type Ledger struct {
	path string

	mu     sync.Mutex
	counts map[string]int
	file   *os.File
	size   int64 // of the whole lines that are known to be on disk
	lines  int
}

// Open reads the counts kept in dir, which must exist.
func Open(dir string) (*Ledger, error) {
	l := &Ledger{path: filepath.Join(dir, fileName)}
	text, err := os.ReadFile(l.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read token uses: %w", err)
	}
	if l.counts, err = replay(string(text)); err != nil {
		return nil, fmt.Errorf("read token uses from %q: %w", l.path, err)
	}
	if err := l.compact(); err != nil {
		return nil, err
	}
	return l, nil
}

// replay adds a journal up. A last line without its newline was being written
// when the process ended; nobody was let in on it, and it is left out.
func replay(text string) (map[string]int, error) {
	counts := map[string]int{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			break
		}
		key, change, ok := strings.Cut(line, " ")
		n, err := strconv.Atoi(change)
		if !ok || key == "" || err != nil {
			return nil, fmt.Errorf("line %d is damaged; remove the file only if no token has a maximum of uses", number)
		}
		counts[key] = max(0, counts[key]+n)
	}
	return counts, nil
}

// Reserve takes one of at most limit uses; limit 0 is any number. It reports
// false when none is left. An error means that the use could not be written
// down, and then it does not count.
func (l *Ledger) Reserve(key string, limit int) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit > 0 && l.counts[key] >= limit {
		return false, nil
	}
	return true, l.change(key, +1, limit > 0)
}

// Release gives a reserved use back.
func (l *Ledger) Release(key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[key] == 0 {
		return nil
	}
	return l.change(key, -1, false)
}

// Counts returns the uses of every token ever used.
func (l *Ledger) Counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts)
}

// Close closes the journal.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// change appends one line. What limits nobody is not waited for: without sync,
// only a crash of the whole machine can lose it.
func (l *Ledger) change(key string, n int, sync bool) error {
	line := fmt.Sprintf("%s %+d\n", key, n)
	_, err := l.file.WriteAt([]byte(line), l.size)
	if err == nil && sync {
		err = l.file.Sync()
	}
	if err != nil {
		// The next line is written over this one, whole or torn.
		return errors.Join(fmt.Errorf("write down a token's use: %w", err), l.file.Truncate(l.size))
	}
	l.size += int64(len(line))
	l.counts[key] += n
	if l.lines++; l.lines > compactAfter {
		return l.compact()
	}
	return nil
}

// compact replaces the journal by its totals.
func (l *Ledger) compact() error {
	var text []byte
	for _, key := range slices.Sorted(maps.Keys(l.counts)) {
		text = fmt.Appendf(text, "%s %+d\n", key, l.counts[key])
	}
	err := disk.Replace(l.path, text)
	if err != nil {
		return fmt.Errorf("write token uses: %w", err)
	}
	file, err := os.OpenFile(l.path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write token uses: %w", err)
	}
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file, l.size, l.lines = file, int64(len(text)), 0
	return nil
}
