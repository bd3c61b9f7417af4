package cause

import (
	"cmreach/scanner/verdict"
	"net/netip"
	"slices"
	"strings"
)

// Sentence is what the cause says, without the number of its paths.
func (c *Cause) Sentence() string {
	if i := strings.LastIndex(c.Message, ": "); i > 0 && strings.HasSuffix(strings.TrimSuffix(c.Message, "s"), " path") {
		return c.Message[:i]
	}
	return c.Message
}

// Profiles are those of the rows of the cause.
func (c *Cause) Profiles() []string {
	var out []string
	for _, r := range c.Requirements {
		if name, _, _ := strings.Cut(r, "/"); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// Fold joins the causes that say the same of the same hosts, as one port is in
// the rows of several profiles. It is for people, who read a sentence twice and look
// for the difference. Of a cause that was joined, into has the ID of the one that it
// is part of. Those that break the most come first. The list itself stays as it is.
func Fold(list []Cause) (out []Cause, into map[string]string) {
	type alike struct {
		sentence, reason string
		state            verdict.State
		by               netip.Addr
		hosts            int
		who              uint64
	}
	at := map[alike]int{}
	into = map[string]string{}
	for _, c := range list {
		k := alike{c.Sentence(), c.Reason, c.State, c.By, c.Hosts, c.who}
		i, have := at[k]
		if !have || k.sentence == c.Message { // what has no number of paths speaks for itself
			at[k] = len(out)
			out = append(out, c)
			continue
		}
		one := &out[i]
		into[c.ID] = one.ID
		one.Paths += c.Paths
		one.Message = k.sentence + ": " + plural(one.Paths, "path")
		one.Requirements = slices.Concat(one.Requirements, c.Requirements)
		for _, a := range c.Advice {
			if !slices.Contains(one.Advice, a) {
				one.Advice = append(slices.Clip(one.Advice), a)
			}
		}
	}
	if len(into) > 0 { // some break more now
		slices.SortStableFunc(out, weigh)
	}
	return out, into
}
