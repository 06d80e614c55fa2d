package manager

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// row is what the agent database knows of an agent. It is apart from the keys because the two can
// disagree: an agent with a key and no row works, and can neither be seen nor deleted by the API.
type row struct {
	ID, Name, RegisterIP string

	Status       string
	Groups       []string
	Added        time.Time
	LastSeen     time.Time // keep-alive
	Disconnected time.Time
	IP           string
	System       string
	Version      string
	MergedSum    string
}

// store holds client.keys, the agent database, and remoted's own copy of the keys.
type store struct {
	root   root
	now    func() time.Time
	reload time.Duration // between remoted's looks at client.keys
	start  time.Time

	mu     sync.Mutex
	keys   map[string]wazuh.Key // removed ones too, until purged
	added  map[string]time.Time
	lastID int // authd's counter
	newest string
	rows   map[string]*row

	seen  map[string]wazuh.Key // remoted's copy
	ticks int64                // of reload, at the time of the copy
	stale bool
}

func openStore(r root, now func() time.Time, reload time.Duration) (*store, error) {
	s := &store{
		root: r, now: now, reload: reload, start: now(),
		keys: map[string]wazuh.Key{}, added: map[string]time.Time{}, rows: map[string]*row{},
	}
	text, err := r.read(keysFile)
	if err != nil && !missing(err) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		k, err := wazuh.ParseKey(line)
		if wazuh.IsComment(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("client.keys: %w", err)
		}
		s.keys[k.ID] = k
	}
	if err := s.loadTimes(); err != nil {
		return nil, err
	}
	for _, k := range s.live() { // what modulesd does when the manager starts
		s.rows[k.ID] = s.newRow(k, nil)
	}
	s.recount()
	s.seen = s.live()
	return s, nil
}

const timeLayout = "2006-01-02 15:04:05"

func (s *store) loadTimes() error {
	text, err := s.root.read(timesFile)
	if err != nil && !missing(err) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // id name ip date time
		if len(f) != 5 {
			continue
		}
		if at, err := time.Parse(timeLayout, f[3]+" "+f[4]); err == nil {
			s.added[f[0]] = at
		}
	}
	return nil
}

// recount is what authd does when it starts: the counter is the highest id on file, so the id of a
// purged agent can come back.
func (s *store) recount() {
	s.lastID = 0
	for id := range s.keys {
		if n, err := strconv.Atoi(id); err == nil {
			s.lastID = max(s.lastID, n)
		}
	}
}

func (s *store) live() map[string]wazuh.Key {
	m := maps.Clone(s.keys)
	maps.DeleteFunc(m, func(_ string, k wazuh.Key) bool { return k.Removed })
	return m
}

func (s *store) newRow(k wazuh.Key, groups []string) *row {
	added, ok := s.added[k.ID]
	if !ok {
		added = s.now()
	}
	if len(groups) == 0 {
		groups = []string{"default"}
	}
	return &row{ID: k.ID, Name: k.Name, RegisterIP: k.IP, Status: wazuh.StatusNeverConnected, Groups: groups, Added: added}
}

// add makes a key, in authd's memory and on file; the database hears of it later.
func (s *store) add(name, ip string) (wazuh.Key, error) {
	s.lookAgain()
	s.lastID++
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	k := wazuh.Key{ID: fmt.Sprintf("%03d", s.lastID), Name: name, IP: ip, Raw: wazuh.NewSecret(hex.EncodeToString(raw[:]))}
	s.keys[k.ID], s.added[k.ID], s.newest, s.stale = k, s.now(), k.ID, true
	return k, s.save()
}

// remove deletes a key; purge decides whether its line stays as a memory of the id.
func (s *store) remove(id string, purge bool) error {
	s.lookAgain()
	k := s.keys[id]
	k.Removed = true
	s.keys[id] = k
	if purge {
		delete(s.keys, id)
		delete(s.added, id)
	}
	delete(s.rows, id)
	s.stale = true
	return s.save()
}

func (s *store) save() error {
	var keys, times bytes.Buffer
	for _, id := range slices.SortedFunc(maps.Keys(s.keys), byNumber) {
		k := s.keys[id]
		keys.Write(append(k.AppendLine(nil), '\n'))
		if !k.Removed {
			fmt.Fprintf(&times, "%s %s %s %s\n", id, k.Name, k.IP, s.added[id].UTC().Format(timeLayout))
		}
	}
	if err := s.root.replace(timesFile, times.Bytes()); err != nil {
		return err
	}
	return s.root.replace(keysFile, keys.Bytes())
}

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// find returns the live key for which match holds, the lowest id first.
func (s *store) find(match func(wazuh.Key) bool) (wazuh.Key, bool) {
	found := false
	var lowest wazuh.Key
	for _, k := range s.keys {
		if !k.Removed && match(k) && (!found || byNumber(k.ID, lowest.ID) < 0) {
			lowest, found = k, true
		}
	}
	return lowest, found
}

// state returns a row with its status as of now: nothing marks an agent disconnected but the clock.
func (s *store) state(id string, timeout time.Duration) (row, bool) {
	r, ok := s.rows[id]
	if !ok {
		return row{}, false
	}
	now := *r
	lost := r.LastSeen.Add(timeout)
	if now.Status == wazuh.StatusActive && s.now().After(lost) {
		now.Status, now.Disconnected = wazuh.StatusDisconnected, lost
	}
	return now, true
}

// lookAgain lets remoted read client.keys if the time for it has come. It is called before every
// change and every look, so that the copy is always the one of the last full interval.
func (s *store) lookAgain() {
	ticks := int64(0)
	if s.reload > 0 {
		ticks = int64(s.now().Sub(s.start) / s.reload)
	}
	if s.stale && (s.reload <= 0 || ticks > s.ticks) {
		s.seen, s.stale = s.live(), false
	}
	s.ticks = ticks
}

// forRemoted finds the key of a frame: by id, and then the source must fit; or by source alone.
func (s *store) forRemoted(p wazuh.Prefix, source netip.Addr) (wazuh.Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookAgain()
	if p.Kind == wazuh.PrefixID {
		k, ok := s.seen[string(p.ID)]
		return k, ok && covers(k.IP, source)
	}
	for _, k := range s.seen {
		if k.FoundByAddress() && covers(k.IP, source) {
			return k, true
		}
	}
	return wazuh.Key{}, false
}

func covers(column string, source netip.Addr) bool {
	if column == wazuh.AnyAddress {
		return true
	}
	if a, err := netip.ParseAddr(column); err == nil {
		return a == source
	}
	p, err := netip.ParsePrefix(column)
	return err == nil && p.Contains(source)
}

// update changes a row, if there is one.
func (s *store) update(id string, change func(*row)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.rows[id]; ok {
		change(r)
	}
}
