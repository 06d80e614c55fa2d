package door

// Pass is the permission of one connection to be served. Its methods are called
// from that connection's goroutine only.
type Pass struct {
	door     *Door
	source   *source
	unproven bool
}

// Proven says that the peer showed a valid secret: it no longer counts among
// those that might only be holding the door.
func (p *Pass) Proven() {
	if p.unproven {
		p.unproven = false
		<-p.source.unproven
	}
}

// Failed counts a mistake of the source.
func (p *Pass) Failed() {
	now := p.door.now()
	p.source.failures.AllowN(now, 1)
	p.door.mu.Lock()
	all := p.door.failures
	p.door.mu.Unlock()
	all.AllowN(now, 1)
}

// MayEnroll counts a request to the manager, and reports whether the source may
// make it.
func (p *Pass) MayEnroll() bool { return p.source.enrollments.AllowN(p.door.now(), 1) }

// Leave gives the pass back.
func (p *Pass) Leave() {
	p.Proven()
	p.door.mu.Lock()
	defer p.door.mu.Unlock()
	p.source.open--
}
