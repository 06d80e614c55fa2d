package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/disk"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

// Where a policy came from.
const (
	fromFile = "file"
	fromPush = "push"
	fromDisk = "disk"
)

// policies holds the policy in force. The one pushed last is also kept on disk:
// a mounted Secret can be a minute behind, and a restart in that minute must not
// let in again who was just denied.
type policies struct {
	path   string
	change func(*policy.Policy)

	mu      sync.Mutex // held while one is offered
	current atomic.Pointer[inForce]
}

type inForce struct {
	policy *policy.Policy
	text   []byte // in our own spelling, or as it came if it is of a later version
	from   string
	// problem says why nobody is let in by a policy that is there.
	problem string
}

func newPolicies(stateDir string, change func(*policy.Policy)) (*policies, error) {
	p := &policies{path: filepath.Join(stateDir, filePolicy), change: change}
	text, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the policy kept on disk: %w", err)
	}
	var tooNew *policy.TooNew
	if _, err := p.offer(text, fromDisk); errors.As(err, &tooNew) {
		p.shut(tooNew)
	} else if err != nil {
		return nil, fmt.Errorf("read the policy kept on disk in %q: %w", p.path, err)
	}
	return p, nil
}

// shut lets nobody in where there is a policy, and this gateway is too old for it. It
// goes on running: the pod it is in carries the agents' events as well. A later policy
// that it can read opens it again.
func (p *policies) shut(why *policy.TooNew) {
	closed := &policy.Policy{Generation: max(why.Generation, 1), Suspended: true}
	text, err := json.Marshal(closed)
	if err != nil {
		return // numbers and flags always encode
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.Load() == nil {
		p.current.Store(&inForce{policy: closed, text: text, from: fromDisk, problem: why.Error()})
		p.change(closed)
	}
}

// get returns the policy in force; nil before the first.
func (p *policies) get() *policy.Policy {
	if f := p.current.Load(); f != nil {
		return f.policy
	}
	return nil
}

// offer puts a policy in force if its generation is above the one there is. The
// same policy again is no error. It counts before it is on disk, because a
// revocation must not wait for a full disk.
func (p *policies) offer(text []byte, from string) (offered, error) {
	next, err := policy.Parse(text)
	if err != nil {
		return offered{}, err
	}
	spelled, err := spell(next, text)
	if err != nil {
		return offered{}, err
	}
	result := offered{generation: next.Generation}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := p.current.Load(); {
	case now != nil && bytes.Equal(spelled, now.text):
	case now != nil && next.Generation <= now.policy.Generation:
		return offered{}, &admin.Outdated{Generation: now.policy.Generation}
	default:
		result.changed = true
		p.current.Store(&inForce{policy: next, text: spelled, from: from})
		p.change(next)
	}
	result.persisted = from == fromDisk || p.keep(spelled)
	return result, nil
}

// spell is how a policy is kept and told apart: in our own spelling, or, if it is of a
// later version, with all that was in it, for the gateway that follows this one.
func spell(p *policy.Policy, text []byte) ([]byte, error) {
	if p.Version <= policy.Version {
		return json.Marshal(p)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// offered is what became of a policy.
type offered struct {
	generation         int64
	changed, persisted bool
}

// keep writes the policy to disk, unless it is there.
func (p *policies) keep(spelled []byte) bool {
	kept, err := os.ReadFile(p.path)
	return err == nil && bytes.Equal(kept, spelled) || disk.Replace(p.path, spelled) == nil
}

// state tells of the policy in force, without its digests.
func (p *policies) state(uses map[string]int) admin.PolicyState {
	f := p.current.Load()
	state := admin.PolicyState{
		Generation: f.policy.Generation, Fingerprint: policy.FingerprintOf(f.text), From: f.from, Problem: f.problem, Suspended: f.policy.Suspended,
		Denied: len(f.policy.Deny), Tokens: []admin.TokenState{},
	}
	if f.policy.Previous != nil {
		state.PreviousUntil = f.policy.Previous.Until
	}
	for _, t := range f.policy.Tokens {
		state.Tokens = append(state.Tokens, admin.TokenState{
			Name: t.Name, Uses: uses[t.UseKey()], MaxUses: t.MaxUses, Expires: t.Expires, Revoked: t.Revoked,
		})
	}
	return state
}
