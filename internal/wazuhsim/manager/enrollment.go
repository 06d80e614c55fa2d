package manager

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const maxGroupsPerAgent = 128

// applicant is what a request and its connection say of a new agent.
type applicant struct {
	wazuh.EnrollRequest
	source netip.Addr
}

// enroll decides on a request in authd's order and, if nothing speaks against it, makes the key. The
// error is a *wazuh.Refused.
func (m *Manager) enroll(c authConfig, a applicant) (wazuh.Key, error) {
	s := m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := m.checkGroups(a.Groups); err != nil {
		return wazuh.Key{}, err
	}
	ip := address(c, a)
	if ip != wazuh.AnyAddress {
		if err := m.vacate(c, a, wazuh.ReasonDuplicateIP(ip), func(k wazuh.Key) bool { return k.IP == ip }); err != nil {
			return wazuh.Key{}, err
		}
	}
	if a.Name == m.o.Hostname && m.before(5, 0) {
		return wazuh.Key{}, &wazuh.Refused{Reason: wazuh.ReasonInvalidName(a.Name)}
	}
	if err := m.vacate(c, a, wazuh.ReasonDuplicateName(a.Name), func(k wazuh.Key) bool { return k.Name == a.Name }); err != nil {
		return wazuh.Key{}, err
	}
	k, err := s.add(a.Name, ip)
	if err != nil {
		m.log.Error("add agent", "name", a.Name, "error", err)
		return wazuh.Key{}, &wazuh.Refused{Reason: wazuh.ReasonInternalAdd(a.Name)}
	}
	return k, nil
}

func (m *Manager) checkGroups(list string) error {
	if list == "" {
		return nil
	}
	for i, group := range strings.Split(list, ",") {
		if i > maxGroupsPerAgent {
			return &wazuh.Refused{Reason: wazuh.ReasonTooManyGroups}
		}
		if group != defaultGroup && !m.root.isDir(sharedDir+"/"+group) {
			return &wazuh.Refused{Reason: wazuh.ReasonInvalidGroup(group)}
		}
	}
	return nil
}

// address returns the address column of the new key. An agent may ask for its source address even
// of a manager that doesn't use it by itself.
func address(c authConfig, a applicant) string {
	switch {
	case strings.HasPrefix(a.IP, wazuh.SourceIP), a.IP == "" && c.UseSourceIP:
		return a.source.String()
	case a.IP == "":
		return wazuh.AnyAddress
	}
	return a.IP
}

// vacate removes the agent that is in the way, or refuses with reason.
func (m *Manager) vacate(c authConfig, a applicant, reason string, match func(wazuh.Key) bool) error {
	old, taken := m.store.find(match)
	if !taken {
		return nil
	}
	r, known := m.store.state(old.ID, m.conf.Global.DisconnectionTime)
	if !known || !mayReplace(c.Force, r, a.KeyHash, old.Hash(), m.store.now()) {
		return &wazuh.Refused{Reason: reason}
	}
	m.log.Info("replace agent", "id", old.ID, "name", old.Name)
	if err := m.store.remove(old.ID, c.Purge); err != nil {
		return &wazuh.Refused{Reason: wazuh.ReasonInternalAdd(a.Name)}
	}
	return nil
}

// mayReplace holds the rules of <force> (auth.c): all of them must agree.
func mayReplace(f force, old row, keyHash, oldHash string, now time.Time) bool {
	if !f.Enabled {
		return false
	}
	if f.CheckDisconnected && old.Status != wazuh.StatusNeverConnected {
		if old.Status != wazuh.StatusDisconnected || now.Sub(old.Disconnected) < f.Disconnected {
			return false
		}
	}
	if now.Sub(old.Added) < f.AfterRegistration {
		return false
	}
	sameKey := keyHash != "" && keyHash == oldHash
	return !f.KeyMismatch || !sameKey
}

// record writes the new agent into the database. In 4.14 it takes the key added last instead of
// the one just issued (main-server.c), so that of two enrollments at a time one may get no row, and
// its groups go to the other.
func (m *Manager) record(k wazuh.Key, groups string) {
	s := m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.faults.has(FaultRace) {
		k = s.keys[s.newest]
	}
	if k.ID == "" || k.Removed {
		return
	}
	var list []string
	if groups != "" {
		list = strings.Split(groups, ",")
	}
	s.rows[k.ID] = s.newRow(k, list)
}

// tooNew reports whether an agent's version is above the manager's, without its patch level. A
// version that can't be read isn't.
func tooNew(agent, manager string) bool {
	a, okA := majorMinor(agent)
	m, okM := majorMinor(manager)
	return okA && okM && (a[0] > m[0] || a[0] == m[0] && a[1] > m[1])
}

// before reports whether the manager is older than a version. One without a version that can be
// read is the newest of Wazuh 4.
func (m *Manager) before(major, minor int) bool {
	own, ok := majorMinor(m.o.Version)
	return ok && (own[0] < major || own[0] == major && own[1] < minor) || !ok && major > 4
}

func majorMinor(version string) ([2]int, bool) {
	_, version, ok := strings.Cut(version, "v")
	if !ok {
		return [2]int{}, false
	}
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return [2]int{}, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return [2]int{major, minor}, err1 == nil && err2 == nil
}
