package history

import (
	"cmreach/scanner/verdict"
	"slices"
	"strings"
	"time"
)

// Bounds of what is remembered for those who could not be told.
const (
	MostReceivers = 32    // who may be told of one memory
	MostUntold    = 20000 // paths; of those beyond it no more than their number is remembered
)

// receiver is somebody to be told of changes, by a name that does not say who
// it is.
type receiver struct {
	id    string
	since time.Time // the first run of which it was not told; zero: it knows everything
	lost  string    // that an older memory was lost, and why
	more  int       // changes beyond MostUntold
}

// pathKey finds a path, in the plan or gone from it.
type pathKey struct {
	host string // folded
	row  uint32
}

// untold is a path of which somebody has not been told what became of it. The
// sets have a bit for each receiver.
type untold struct {
	name     string
	required bool
	was      verdict.State // before its last change
	turned   uint32        // who does not know that it broke, recovered, or began to flap
	added    uint32        // that it is new in the plan
	gone     uint32        // that it has left the plan

	item Item // what this run says of it
	now  standing
}

func (u *untold) who() uint32 { return u.turned | u.added | u.gone }

// standing is in which lists of [Changes] a path is to be told once more.
type standing struct {
	turned outcome // none: this run has news of it
	listed bool    // it is in Still or Flapping as it is
	added  bool
	gone   bool
}

// fresh is a change of this run, until it is known who was told of it.
type fresh struct {
	key                 pathKey
	name                string
	required            bool
	was                 verdict.State
	turned, added, gone bool
}

// Tell says who is to be told of the changes, before a run is compared. What
// others were not told is forgotten. A receiver is found by its id; where that
// is gone, by what stands before the dash in it, as its key may be another now.
func (m *Memory) Tell(ids []string) {
	ids = ids[:min(len(ids), MostReceivers)]
	old := m.receivers
	m.receivers = make([]receiver, len(ids))
	moved := make([]uint32, len(old)) // the new bit of each; 0: there is none
	taken := make([]bool, len(ids))
	match := func(same func(have, id string) bool) {
		for i := range old {
			for at := range ids {
				if moved[i] == 0 && !taken[at] && same(old[i].id, ids[at]) {
					moved[i], taken[at], m.receivers[at] = 1<<at, true, old[i]
				}
			}
		}
	}
	match(func(have, id string) bool { return have == id })
	match(func(have, id string) bool { return place(have) == place(id) })
	for i, id := range ids {
		m.receivers[i].id = id
	}
	move := func(set uint32) (out uint32) {
		for i, bit := range moved {
			if set>>i&1 != 0 {
				out |= bit
			}
		}
		return out
	}
	for key, u := range m.untold {
		u.turned, u.added, u.gone = move(u.turned), move(u.added), move(u.gone)
		if u.who() == 0 {
			delete(m.untold, key)
		}
	}
}

// place is the part of an id that stays when a key changes.
func place(id string) string {
	where, _, _ := strings.Cut(id, "-")
	return where
}

// left says what this run has of the paths that have left the plan before it,
// and of which somebody was not told that.
func (m *Memory) left() {
	for key, u := range m.untold {
		if u.gone != 0 {
			u.item, u.now = Item{Requirement: m.rows[key.row], Host: u.name, Required: u.required, Was: u.was}, standing{gone: true}
		}
	}
}

// note is the news of this run of one path, for those who may not get them. Of
// the first run only what is broken is news.
func (c *Comparison) note(key string, h *host, p *path, gone bool) {
	if len(c.m.receivers) == 0 {
		return
	}
	n := fresh{key: pathKey{key, p.row}, name: h.name, required: p.required, was: p.was, added: p.added && !c.first, gone: gone}
	if gone {
		n.was = p.state
	} else {
		n.turned = p.outcome.news()
	}
	if n.turned || n.added || n.gone {
		c.m.fresh = append(c.m.fresh, n)
	}
}

// retell says what this run has of a path that somebody was not told of: not
// what it was then, but what it is now.
func (c *Comparison) retell(out *collector, key string, h *host, p *path, gone bool) {
	u := c.m.untold[pathKey{key, p.row}]
	if u == nil {
		return
	}
	reached := p.now != kindNone
	var one []Item
	out.add(&one, h, p)
	u.item, u.now = one[0], standing{}
	if gone { // what happened before is of no interest any more
		u.gone, u.turned, u.added = u.who(), 0, 0
		return // the run says it itself
	}
	u.added |= u.gone // and is back
	u.gone = 0
	if !reached { // what is known of it stands
		u.item.State, u.item.Was = p.state, verdict.StateUnknown
	}
	if u.item.Was == verdict.StateUnknown && u.was != u.item.State && !p.flapping {
		u.item.Was = u.was
	}
	u.now.added = !p.added
	switch {
	case p.outcome.news():
	case p.flapping:
		u.now.turned, u.now.listed = outcomeNewlyFlapping, reached
	case p.troubled():
		u.now.turned, u.now.listed = outcomeBroken, reached
	default:
		u.now.turned = outcomeRecovered
	}
}

// news reports whether an outcome is a change.
func (o outcome) news() bool {
	switch o {
	case outcomeNone, outcomeStill, outcomeFlapping:
		return false
	case outcomeBroken, outcomeRecovered, outcomeNewlyFlapping, outcomeSteadyBroken, outcomeSteadyGood:
		return true
	default:
		return false
	}
}

// For is what a receiver is to be told, by its place in the list given to
// [Memory.Tell], once the run was compared: the changes of the run, and those
// that it has not been told before, as what they are now.
func (m *Memory) For(i int, run *Changes) *Changes {
	r := &m.receivers[i]
	if r.since.IsZero() {
		return run
	}
	ch := *run
	ch.Untold, ch.UntoldSince = r.more, r.since
	if ch.Lost == "" {
		ch.Lost = r.lost
	}
	bit := uint32(1) << i
	var broken, recovered, flapping, gone, added []Item
	moved := map[[2]string]bool{} // from the list of what is still broken
	for _, u := range m.untold {
		if u.who()&bit != 0 {
			ch.Untold++
		}
		if u.added&bit != 0 && u.now.added {
			added = append(added, u.item)
		}
		if u.gone&bit != 0 && u.now.gone {
			gone = append(gone, u.item)
		}
		switch {
		case u.turned&bit == 0:
		case u.now.turned == outcomeBroken:
			broken = append(broken, u.item)
			if u.now.listed {
				moved[[2]string{u.item.Requirement, u.item.Host}] = true
				ch.Counts.Still--
			}
		case u.now.turned == outcomeRecovered:
			recovered = append(recovered, u.item)
		case u.now.turned == outcomeNewlyFlapping:
			ch.NewlyFlapping++
			if !u.now.listed {
				flapping = append(flapping, u.item)
			}
		}
	}
	ch.Still = slices.DeleteFunc(slices.Clone(ch.Still), func(it Item) bool { return moved[[2]string{it.Requirement, it.Host}] })
	join := func(n *int, list *[]Item, more []Item) {
		*n += len(more)
		all := append(slices.Clone(*list), more...)
		slices.SortFunc(all, compareItems)
		*list = all[:min(len(all), Samples)]
	}
	join(&ch.Counts.Broken, &ch.Broken, broken)
	join(&ch.Counts.Recovered, &ch.Recovered, recovered)
	join(&ch.Counts.Flapping, &ch.Flapping, flapping)
	join(&ch.Counts.Gone, &ch.Gone, gone)
	join(&ch.Counts.Added, &ch.Added, added)
	return &ch
}

// Told notes whether a receiver was told what [Memory.For] says of it. If it
// was not, the news of this run join what it has not been told before.
func (m *Memory) Told(i int, told bool) {
	r, bit := &m.receivers[i], uint32(1)<<i
	if told {
		*r = receiver{id: r.id}
		for key, u := range m.untold {
			u.turned, u.added, u.gone = u.turned&^bit, u.added&^bit, u.gone&^bit
			if u.who() == 0 {
				delete(m.untold, key)
			}
		}
		return
	}
	if r.since.IsZero() {
		r.since = m.info.Started
	}
	if m.freshLoss != "" {
		r.lost = m.freshLoss
	}
	for i := range m.fresh {
		n := &m.fresh[i]
		u := m.untold[n.key]
		if u == nil && len(m.untold) >= MostUntold {
			r.more++
			continue
		}
		if u == nil {
			u = &untold{}
			m.untold[n.key] = u
		}
		u.name, u.required, u.was = n.name, n.required, n.was
		if n.turned {
			u.turned |= bit
		}
		if n.added {
			u.added |= bit
		}
		if n.gone {
			u.gone |= bit
		}
	}
}

// waits reports whether somebody has not been told something.
func (m *Memory) waits() bool {
	return slices.ContainsFunc(m.receivers, func(r receiver) bool { return !r.since.IsZero() })
}
