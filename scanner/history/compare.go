package history

import (
	"cmp"
	"cmreach/scanner/verdict"
	"slices"
	"strings"
	"time"
)

// Add takes the findings of one address of a host. They come in any order; the
// worst address decides about a name that has several.
func (c *Comparison) Add(findings []verdict.Finding) {
	var h *host
	for i := range findings {
		f := &findings[i]
		if h == nil || h.name != f.Host {
			h = c.m.host(f.Host)
			h.name, h.reached = f.Host, true
		}
		p := c.m.path(h, f.Requirement, i)
		p.required = f.Required
		k := kindOf(f, c.fail)
		if k <= p.now {
			continue
		}
		p.now, p.seen = k, nil
		if f.State != verdict.Open || p.troubled() || p.flapping {
			p.seen = &seen{state: f.State, addr: f.Addr, reason: f.Reason, message: said(f)}
		}
	}
}

// said is what an item says of a finding. An open path needs no words.
func said(f *verdict.Finding) string {
	switch {
	case f.State == verdict.Open:
		return ""
	case f.SatisfiedBy != "":
		return f.SatisfiedBy + " is open in its place; " + f.Message
	default:
		return f.Message
	}
}

// End takes the run into the memory and says what changed. Paths that an
// incomplete run did not come to stay as they were; those that a complete one
// has no finding of have left the plan, and are forgotten.
func (c *Comparison) End(complete bool) Changes {
	m := c.m
	out := collector{m: m, ch: Changes{
		First: c.first, Complete: complete, Lost: m.lost, KeptAs: m.put, Confirm: c.info.Confirm.String(),
		Previous: m.info.Started, Started: c.info.Started,
	}}
	m.fresh, m.freshLoss = nil, m.lost
	m.left()
	for key, h := range m.hosts {
		kept := h.paths[:0]
		for _, p := range h.paths {
			if p.now == kindNone && complete {
				out.add(&out.gone, h, &p)
				if p.troubled() || p.flapping {
					out.ch.GoneBroken++
				}
				c.note(key, h, &p, true)
				c.retell(&out, key, h, &p, true)
				continue
			}
			c.settle(&out, key, h, &p)
			kept = append(kept, p)
		}
		if h.paths = kept; len(kept) == 0 {
			delete(m.hosts, key)
		}
		h.before = !complete && (h.reached || c.again && h.before)
		h.reached = false
	}
	c.info.Complete = complete
	m.info, m.lost, m.put = c.info, "", ""
	return out.changes()
}

// settle is the end of the run for one path.
func (c *Comparison) settle(out *collector, key string, h *host, p *path) {
	out.ch.Paths++
	if p.now == kindNone {
		out.ch.Unreached++
		c.retell(out, key, h, p, false)
		return
	}
	state := verdict.Open
	if p.seen != nil {
		state = p.seen.state
	}
	switch {
	case p.now != kindUndecided || !p.required:
	case state == verdict.Untested:
		out.ch.Untested++
	case state == verdict.Error:
		out.ch.Errors++
		fallthrough
	default:
		out.ch.Undecided++
	}
	switch {
	case c.again && h.before: // its result was counted when the run was interrupted
		p.was, p.outcome = p.state, p.asBefore()
	case p.now == kindGood && state != verdict.Open: // by another row: what it was is no trouble later on
		p.vote(c.info.Confirm, verdict.StateUnknown, c.info.Started.Unix())
	default:
		p.vote(c.info.Confirm, state, c.info.Started.Unix())
	}
	if p.unconfirmed() {
		out.ch.Unconfirmed++
	}
	if p.added {
		out.add(&out.added, h, p)
	}
	switch p.outcome {
	case outcomeNone:
	case outcomeBroken, outcomeSteadyBroken:
		out.add(&out.broken, h, p)
	case outcomeRecovered, outcomeSteadyGood:
		out.add(&out.recovered, h, p)
	case outcomeStill:
		out.add(&out.still, h, p)
	case outcomeNewlyFlapping:
		out.ch.NewlyFlapping++
		out.add(&out.flapping, h, p)
	case outcomeFlapping:
		out.add(&out.flapping, h, p)
	}
	c.note(key, h, p, false)
	c.retell(out, key, h, p, false)
	p.added, p.now, p.seen = false, kindNone, nil
}

// collector gathers the items of the lists.
type collector struct {
	m     *Memory
	ch    Changes
	plain bool // the results count, and not what is believed

	broken, recovered, still, flapping, gone, added []Item
}

func (o *collector) add(list *[]Item, h *host, p *path) {
	it := Item{Requirement: o.m.rows[p.row], Host: h.name, Required: p.required, State: p.state, Was: p.was}
	if p.since != 0 {
		it.Since = time.Unix(p.since, 0).UTC()
	}
	switch {
	case p.now == kindNone: // gone
		it.State, it.Was = verdict.StateUnknown, p.state
	case p.seen == nil:
		it.State = verdict.Open
	case p.now == kindUndecided && p.standing != kindNone && !o.plain:
		it.Addr, it.Reason, it.Message = p.seen.addr, p.seen.reason, "not seen this time, "+p.seen.state.String()+": "+p.seen.message
	default:
		it.State, it.Addr, it.Reason, it.Message = p.seen.state, p.seen.addr, p.seen.reason, p.seen.message
	}
	switch {
	case p.outcome == outcomeSteadyGood, p.outcome == outcomeSteadyBroken:
		it.Was, it.Steady = verdict.StateUnknown, true
	case it.Was == it.State, p.outcome == outcomeFlapping, p.outcome == outcomeNewlyFlapping:
		it.Was = verdict.StateUnknown
	}
	*list = append(*list, it)
}

// changes sorts and cuts the lists.
func (o *collector) changes() Changes {
	ch := &o.ch
	finish := func(list []Item) (int, []Item, []Group) {
		n, groups := o.sorted(list)
		return n, append([]Item{}, list[:min(n, Samples)]...), groups
	}
	n := &ch.Counts
	n.Broken, ch.Broken, ch.Groups.Broken = finish(o.broken)
	n.Recovered, ch.Recovered, ch.Groups.Recovered = finish(o.recovered)
	n.Still, ch.Still, ch.Groups.Still = finish(o.still)
	n.Flapping, ch.Flapping, ch.Groups.Flapping = finish(o.flapping)
	n.Gone, ch.Gone, ch.Groups.Gone = finish(o.gone)
	n.Added, ch.Added, ch.Groups.Added = finish(o.added)
	return *ch
}

// sorted brings a list into its order, and puts its items together.
func (o *collector) sorted(list []Item) (int, []Group) {
	slices.SortFunc(list, compareItems)
	return len(list), grouped(list)
}

func compareItems(a, b Item) int {
	return cmp.Or(order(!a.Required, !b.Required), strings.Compare(a.Requirement, b.Requirement), strings.Compare(a.Host, b.Host))
}
