package history

import "cmreach/scanner/verdict"

// Diff is how one run differs from an earlier one, with no regard to what was
// between them. All paths are in exactly one list, or unchanged, or left out.
// The lists are whole.
type Diff struct {
	Worse   []Item `json:"worse"`   // worked, or was not known to fail, and is now proven to fail or down
	Better  []Item `json:"better"`  // open, and was not
	Unclear []Item `json:"unclear"` // another result, which proves neither
	Gone    []Item `json:"gone"`    // in the old plan alone
	Added   []Item `json:"added"`   // in the new plan alone

	Counts DiffCounts `json:"counts"`
	Groups DiffGroups `json:"-"`
}

// DiffCounts counts paths.
type DiffCounts struct {
	Worse         int `json:"worse"`
	WorseRequired int `json:"worse_required"` // of these: those that the scenario needs
	Better        int `json:"better"`
	Unclear       int `json:"unclear"`
	Gone          int `json:"gone"`
	Added         int `json:"added"`
	Unchanged     int `json:"unchanged"`
	StillBroken   int `json:"still_broken"` // of these: those that do not work
	LeftOut       int `json:"left_out"`     // an incomplete run did not come to them
}

// DiffGroups are the items of each list, put together.
type DiffGroups struct{ Worse, Better, Unclear, Gone, Added []Group }

// Differ takes the hosts of two runs.
type Differ struct {
	m    *Memory
	fail verdict.StateSet
}

// NewDiffer returns one that takes the states in fail for broken.
func NewDiffer(fail verdict.StateSet) *Differ { return &Differ{m: New(), fail: fail} }

// Old takes the findings of one address from the old run.
func (d *Differ) Old(findings []verdict.Finding) {
	d.each(findings, func(p *path, f *verdict.Finding, k kind) {
		if k > p.standing {
			p.standing, p.state = k, f.State
		}
	})
}

// New takes the findings of one address from the new run.
func (d *Differ) New(findings []verdict.Finding) {
	d.each(findings, func(p *path, f *verdict.Finding, k kind) {
		if k <= p.now {
			return
		}
		p.now, p.seen = k, nil
		if k != p.standing || k == kindUndecided {
			p.seen = &seen{state: f.State, addr: f.Addr, reason: f.Reason, message: said(f)}
		}
	})
}

func (d *Differ) each(findings []verdict.Finding, take func(*path, *verdict.Finding, kind)) {
	for i := range findings {
		f := &findings[i]
		p := d.m.path(d.m.host(f.Host), f.Requirement, i)
		p.required = f.Required
		take(p, f, kindOf(f, d.fail))
	}
}

// Diff compares. A path that a run is without is gone or added if that run was
// complete; else it is left out.
func (d *Differ) Diff(oldComplete, newComplete bool) Diff {
	out := collector{m: d.m, plain: true}
	var diff Diff
	n := &diff.Counts
	for _, h := range d.m.hosts {
		for i := range h.paths {
			p := &h.paths[i]
			p.was = p.state
			switch compared(p.standing, p.now) {
			case diffGone:
				if !newComplete {
					n.LeftOut++
					continue
				}
				out.add(&diff.Gone, h, p)
			case diffAdded:
				if !oldComplete {
					n.LeftOut++
					continue
				}
				out.add(&diff.Added, h, p)
			case diffWorse:
				if p.required {
					n.WorseRequired++
				}
				out.add(&diff.Worse, h, p)
			case diffBetter:
				out.add(&diff.Better, h, p)
			case diffUnclear:
				out.add(&diff.Unclear, h, p)
			default:
				n.Unchanged++
				if p.standing == kindBad || p.standing == kindAway {
					n.StillBroken++
				}
			}
		}
	}
	n.Worse, diff.Groups.Worse = out.sorted(diff.Worse)
	n.Better, diff.Groups.Better = out.sorted(diff.Better)
	n.Unclear, diff.Groups.Unclear = out.sorted(diff.Unclear)
	n.Gone, diff.Groups.Gone = out.sorted(diff.Gone)
	n.Added, diff.Groups.Added = out.sorted(diff.Added)
	return diff
}

// difference is the list of a Diff that a path belongs to.
type difference uint8

const (
	diffNone difference = iota
	diffWorse
	diffBetter
	diffUnclear
	diffGone
	diffAdded
)

// compared says what two results of a path are to each other. What is not
// decided now is neither better nor worse; a host that is down hides whether
// what was broken is still so.
func compared(before, now kind) difference {
	switch {
	case before == kindNone:
		return diffAdded
	case now == kindNone:
		return diffGone
	case before == now:
		return diffNone
	case now == kindGood:
		return diffBetter
	case now == kindBad, now == kindAway && before == kindGood:
		return diffWorse
	default:
		return diffUnclear
	}
}
