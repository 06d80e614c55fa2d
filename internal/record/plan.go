package record

import "slices"

// Current is a record as it is in the zone, and whose it is. One without values is
// a mark that an interrupted writer left behind.
type Current struct {
	Record `json:",inline"`
	// Owner its mark names; nil when there is no mark.
	Owner *Owner `json:"owner,omitempty"`
	// Mark is the name of the TXT record that says so, and Texts all that is there.
	Mark  string   `json:"mark,omitempty"`
	Texts []string `json:"texts,omitempty"`
}

func (c Current) ownedBy(id string) bool { return c.Owner != nil && c.Owner.ID == id }

// Change replaces one record by another.
type Change struct {
	From Current `json:"from"`
	To   Record  `json:"to"`
}

// Changes lead from what is there to what is wanted.
type Changes struct {
	Create []Record  `json:"create,omitempty"`
	Update []Change  `json:"update,omitempty"`
	Delete []Current `json:"delete,omitempty"`
	// Blocked are records of others at names we want; nothing is done at those names.
	Blocked []Current `json:"blocked,omitempty"`
}

// Empty is true when there is nothing to do.
func (c Changes) Empty() bool { return len(c.Create)+len(c.Update)+len(c.Delete) == 0 }

// Made are the records as they are to be: the new ones and the changed ones.
func (c Changes) Made() []Record {
	out := slices.Clone(c.Create)
	for _, change := range c.Update {
		out = append(out, change.To)
	}
	return out
}

// Names that anything is done at.
func (c Changes) Names() []string {
	var names []string
	for _, gone := range c.Delete {
		names = append(names, gone.Name)
	}
	for _, made := range c.Made() {
		names = append(names, made.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Plan compares. Records of ours that are not wanted go, those of others stay; a
// name where others have anything gets nothing new from us.
func Plan(current []Current, desired []Record, id string) Changes {
	var changes Changes
	names := map[string]bool{}
	for _, record := range current {
		names[record.Name] = true
	}
	for _, record := range desired {
		names[record.Name] = true
	}
	ordered := make([]string, 0, len(names))
	for name := range names {
		ordered = append(ordered, name)
	}
	slices.Sort(ordered)
	for _, name := range ordered {
		changes.at(at(current, name), wanted(desired, name), id)
	}
	return changes
}

// at plans one name.
func (c *Changes) at(current []Current, desired []Record, id string) {
	var blocked []Current
	for _, have := range current {
		if !have.ownedBy(id) {
			blocked = append(blocked, have)
		}
	}
	for _, have := range current {
		i := slices.IndexFunc(desired, func(want Record) bool { return want.Type == have.Type })
		switch {
		case !have.ownedBy(id):
		case i < 0:
			c.Delete = append(c.Delete, have)
		case !have.same(desired[i]):
			c.Update = append(c.Update, Change{From: have, To: desired[i]})
		}
	}
	missing := slices.DeleteFunc(slices.Clone(desired), func(want Record) bool {
		return slices.ContainsFunc(current, func(have Current) bool { return want.Type == have.Type && have.ownedBy(id) })
	})
	if len(blocked) > 0 && len(desired) > 0 {
		c.Blocked = append(c.Blocked, blocked...)
		return
	}
	c.Create = append(c.Create, missing...)
}

func at(current []Current, name string) []Current {
	out := slices.DeleteFunc(slices.Clone(current), func(r Current) bool { return r.Name != name })
	slices.SortFunc(out, func(a, b Current) int { return compare(a.Record, b.Record) })
	return out
}

func wanted(desired []Record, name string) []Record {
	out := slices.DeleteFunc(slices.Clone(desired), func(r Record) bool { return r.Name != name })
	slices.SortFunc(out, compare)
	return out
}
