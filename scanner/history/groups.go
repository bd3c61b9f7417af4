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
	Requirement string
	Required    bool
	State, Was  verdict.State
	Message     string
	Steady      bool
	Paths       int
	Hosts       []string // some of them
}

// Groups are the items of each list of [Changes], of all of them and not of the
// samples alone, the largest groups first.
type Groups struct{ Broken, Recovered, Still, Flapping, Gone, Added []Group }

// grouped puts items together. Of a list that has more groups than can be kept,
// the rest is one group without a message for each row and state.
func grouped(items []Item) []Group {
	type key struct {
		requirement string
		state, was  verdict.State
		message     string
		steady      bool
	}
	index := map[key]int{}
	var out []Group
	for i := range items {
		it := &items[i]
		k := key{it.Requirement, it.State, it.Was, it.Message, it.Steady}
		at, ok := index[k]
		if !ok && len(out) >= maxGroups {
			k.message = ""
			at, ok = index[k]
		}
		if !ok {
			at = len(out)
			index[k] = at
			out = append(out, Group{Requirement: it.Requirement, Required: it.Required, State: it.State, Was: it.Was, Message: k.message, Steady: it.Steady})
		}
		g := &out[at]
		if g.Paths++; len(g.Hosts) < groupHosts {
			g.Hosts = append(g.Hosts, it.Host)
		}
	}
	slices.SortStableFunc(out, func(a, b Group) int {
		if a.Required != b.Required {
			if a.Required {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Paths, a.Paths)
	})
	return out
}
