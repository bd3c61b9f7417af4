package verdict

import (
	"cmp"
	"cmreach/scanner"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Opinion is what one run found of a path.
type Opinion struct {
	Run     string // which run, in a few words for people
	Finding Finding
}

// Merge joins what several runs found of one path, in any order. A finding
// that decides wins over one that does not: a path that is untested from one
// vantage and proven from another is proven. Where runs decided differently the
// worse state wins, the evidence of all is kept, and the message says so: the
// path may depend on where it starts, or have changed between the runs.
// Whether another row of an any-of group is open is for [Satisfy] to say again.
// It panics on no opinion at all.
func Merge(opinions []Opinion) Finding {
	list := slices.SortedStableFunc(slices.Values(opinions), func(a, b Opinion) int {
		return cmp.Or(
			cmp.Compare(weight(b.Finding.State), weight(a.Finding.State)),
			cmp.Compare(b.Finding.Assurance, a.Finding.Assurance),
			cmp.Compare(a.Finding.Reason, b.Finding.Reason), cmp.Compare(a.Run, b.Run),
		)
	})
	f := list[0].Finding
	f.SatisfiedBy = ""
	if len(list) == 1 {
		return f
	}
	f.Evidence = nil
	var decided []string
	differ := false
	for _, o := range list {
		lines := o.Finding.Evidence
		switch {
		case o.Finding.State == Untested && f.State != Untested:
			lines = lines[:min(len(lines), 1)] // how the service looks from there
		case Decided(o.Finding.State):
			decided = append(decided, fmt.Sprintf("%s from %s", o.Finding.State, o.Run))
			differ = differ || o.Finding.State != f.State
		}
		f.Conflict = f.Conflict || o.Finding.Conflict
		if len(lines) == 0 {
			lines = []string{o.Finding.State.String()}
		}
		for _, l := range lines {
			f.Evidence = append(f.Evidence, o.Run+": "+l)
		}
	}
	if differ {
		f.Conflict = true
		f.Message += "; the runs disagree: " + strings.Join(decided, ", ")
		f.Evidence = append([]string{"the runs disagree: " + strings.Join(decided, ", ")}, f.Evidence...)
	}
	return f
}

// weight is the order in which the states of one path win, the highest first:
// what decides before what does not, and of what decides the worst.
func weight(s State) int {
	order := []State{Untested, Error, StateUnknown, Inconclusive, Open, Unresolved, Down, Closed, WrongHost, WrongService, Blocked}
	return slices.Index(order, s)
}

// Decided reports whether a state says something of the path that another run
// can contradict.
func Decided(s State) bool { return weight(s) >= weight(Open) }

// Coverage is how much of a profile is proven, in one way or the other.
type Coverage struct {
	Profile   string
	Required  int // paths of required rows, without those to check by hand
	Proven    int // of these: open, satisfied by another row of the group, or known not to work
	ByHand    int // required rows that no packet can test
	Conflicts int // paths on which runs disagree, required or not
}

// Percent is the share of the required paths that is proven; 100 means all.
func (c Coverage) Percent() float64 {
	if c.Required == 0 {
		return 100
	}
	return math.Floor(1000*float64(c.Proven)/float64(c.Required)) / 10
}

// Coverages counts by profile, in the order in which they came.
type Coverages []Coverage

// AddHost counts the findings of one host, which Satisfy has seen.
func (cs *Coverages) AddHost(findings []Finding) {
	for k := range findings {
		f := &findings[k]
		i := slices.IndexFunc(*cs, func(c Coverage) bool { return c.Profile == f.Profile })
		if i < 0 {
			i = len(*cs)
			*cs = append(*cs, Coverage{Profile: f.Profile})
		}
		c := &(*cs)[i]
		if f.Conflict {
			c.Conflicts++
		}
		switch {
		case !f.Required:
		case f.Protocol == scanner.Manual:
			c.ByHand++
		default:
			c.Required++
			if f.proven() {
				c.Proven++
			}
		}
	}
}

// proven reports whether a path is known to work or not to work. Of a host that
// is off, or whose name has no address, nothing is known.
func (f *Finding) proven() bool {
	switch f.State {
	case Open, Blocked, Closed, WrongService, WrongHost:
		return true
	default:
		return f.SatisfiedBy != ""
	}
}
