package history

import (
	"cmp"
	"cmreach/scanner/verdict"
	"slices"
)

// Bounds of the groups of one list.
const (
	maxGroups  = 1000
	groupHosts = 5
)

// Group is items of which the same is to be said: one line of a report.
type Group struct {
	Requirements []string // one port is often in several
	Required     bool
	State, Was   verdict.State
	Message      string
	Steady       bool
	Paths        int
	Hosts        int
	Sample       []string // some of them
}

// Groups are the items of each list of [Changes], of all of them and not of the
// samples alone, the largest groups first.
type Groups struct{ Broken, Recovered, Still, Flapping, Gone, Added []Group }

// sameness is what the items of a group have in common.
type sameness struct {
	required   bool
	state, was verdict.State
	message    string
	steady     bool
}

// grouped puts items together, which are sorted by requirement. Of a list that
// has more groups than can be kept, the rest is one group without a message for
// each state.
func grouped(items []Item) []Group {
	index := map[sameness]int{}
	var out []Group
	var hosts []map[string]struct{}
	for i := range items {
		it := &items[i]
		k := sameness{it.Required, it.State, it.Was, it.Message, it.Steady}
		at, ok := index[k]
		if !ok && len(out) >= maxGroups {
			k.message = ""
			at, ok = index[k]
		}
		if !ok {
			at = len(out)
			index[k] = at
			out = append(out, Group{Required: k.required, State: k.state, Was: k.was, Message: k.message, Steady: k.steady})
			hosts = append(hosts, map[string]struct{}{})
		}
		g := &out[at]
		g.Paths++
		if n := len(g.Requirements); n == 0 || g.Requirements[n-1] != it.Requirement {
			g.Requirements = append(g.Requirements, it.Requirement)
		}
		hosts[at][it.Host] = struct{}{}
		if len(hosts[at]) > g.Hosts && len(g.Sample) < groupHosts {
			g.Sample = append(g.Sample, it.Host)
		}
		g.Hosts = len(hosts[at])
	}
	slices.SortStableFunc(out, func(a, b Group) int {
		return cmp.Or(order(!a.Required, !b.Required), cmp.Compare(b.Paths, a.Paths))
	})
	return out
}

// order sorts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
