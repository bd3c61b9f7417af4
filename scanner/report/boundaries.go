package report

import (
	"cmp"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
)

// boundaries are the counts by boundary in the order of the site file, those
// of hosts that lie in none last; nil for a site without boundaries.
func (r *Run) boundaries() []verdict.Boundary {
	if len(r.Header.Boundaries) == 0 {
		return nil
	}
	out := slices.Clone(r.Tally.Boundaries)
	place := func(b verdict.Boundary) int {
		if b.Name == "" {
			return len(r.Header.Boundaries)
		}
		return slices.Index(r.Header.Boundaries, b.Name)
	}
	slices.SortStableFunc(out, func(a, b verdict.Boundary) int { return cmp.Compare(place(a), place(b)) })
	return out
}

func (r *Run) boundariesJSON() []boundaryJSON {
	var out []boundaryJSON
	for _, b := range r.boundaries() {
		out = append(out, boundaryJSON{b.Name, hostsBy(b.Hosts, b.HostsBy)})
	}
	return out
}

// hostsBy writes counts of hosts by what they met at worst.
func hostsBy(total int, by [int(verdict.ClassOptional) + 1]int) hostsJSON {
	return hostsJSON{
		Total: total, Ready: by[verdict.ClassPassed] + by[verdict.ClassSatisfied], Failed: by[verdict.ClassFailed],
		Error: by[verdict.ClassError], Undecided: by[verdict.ClassUndecided], Untested: by[verdict.ClassUntested],
		Optional: by[verdict.ClassOptional], Tolerated: by[verdict.ClassTolerated],
	}
}

// byBoundary says how each named part of the network stands, and which of the
// numbered causes are to be looked at there.
func (t *text) byBoundary() {
	all := t.r.boundaries()
	if len(all) == 0 {
		return
	}
	t.out.head("BY BOUNDARY")
	name := func(b verdict.Boundary) string {
		if b.Name == "" {
			return "(in no boundary)"
		}
		return clean(b.Name)
	}
	width := 0
	for _, b := range all {
		width = min(max(width, len([]rune(name(b)))), 28)
	}
	for _, b := range all {
		n := hostsBy(b.Hosts, b.HostsBy)
		parts := []string{fmt.Sprintf("ready %d", n.Ready+n.Optional)}
		c := green
		for _, p := range []struct {
			what string
			n    int
			c    color
		}{{"to be tested from elsewhere", n.Untested, plain}, {"tolerated", n.Tolerated, yellow}, {"not decided", n.Undecided, yellow}, {"error", n.Error, yellow}, {"not ready", n.Failed, red}} {
			if p.n > 0 {
				parts = slices.Insert(parts, 1, fmt.Sprintf("%s %d", p.what, p.n))
				c = p.c
			}
		}
		line := fmt.Sprintf("%-*s  %s: %s", width, short(name(b), width), hosts(b.Hosts), strings.Join(parts, ", "))
		if found := t.causesIn(b.Name); found != "" {
			line += "; " + found
		}
		t.out.colored(c, 2, width+4, line)
	}
}

// inBrief says in two lines at most which boundaries need work; nothing where
// there is but one, of which the answer tells.
func (t *text) inBrief() {
	all := t.r.boundaries()
	if len(all) < 2 {
		return
	}
	type part struct {
		name string
		bad  int
		all  int
	}
	var bad []part
	for _, b := range all {
		n := hostsBy(b.Hosts, b.HostsBy)
		if wrong := n.Failed + n.Error + n.Undecided; wrong > 0 {
			name := "in none"
			if b.Name != "" {
				name = clean(b.Name)
			}
			bad = append(bad, part{middle(name, 24), wrong, b.Hosts})
		}
	}
	if len(bad) == 0 {
		return
	}
	slices.SortStableFunc(bad, func(a, b part) int { return cmp.Compare(b.bad, a.bad) })
	for n := len(bad); n > 0; n-- {
		var s []string
		for _, p := range bad[:n] {
			s = append(s, fmt.Sprintf("%s %d of %d", p.name, p.bad, p.all))
		}
		if n < len(bad) {
			s = append(s, fmt.Sprintf("and %d more", len(bad)-n))
		}
		line := fmt.Sprintf("Hosts need work in %d of %d: %s.", len(bad), len(all), strings.Join(s, ", "))
		if lines := wrap(line, 2, 4, t.o.Width); len(lines) <= 2 || n == 1 {
			t.out.head("BY BOUNDARY")
			t.out.para(2, 4, line)
			return
		}
	}
}

// causesIn names the causes that hosts of a boundary have, by their numbers in
// this report.
func (t *text) causesIn(boundary string) string {
	var numbers []string
	n := 0
	for _, list := range [][]cause.Cause{t.failing, t.errors, t.undecided, t.tolerated, t.untested} {
		for _, c := range list {
			n++
			inNone := c.Hosts
			has := false
			for _, b := range c.Boundaries {
				inNone -= b.Hosts
				has = has || b.Name == boundary
			}
			if has || boundary == "" && inNone > 0 {
				numbers = append(numbers, fmt.Sprint(n))
			}
		}
	}
	switch len(numbers) {
	case 0:
		return ""
	case 1:
		return "cause " + numbers[0]
	default:
		return "causes " + strings.Join(numbers, ", ")
	}
}

// inBoundaries says where the hosts of a cause are.
func inBoundaries(c cause.Cause) string {
	var parts []string
	rest := c.Hosts
	for i, b := range c.Boundaries {
		if i == textCauses {
			break
		}
		rest -= b.Hosts
		parts = append(parts, fmt.Sprintf("%s (%d)", b.Name, b.Hosts))
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("in none (%d)", rest))
	}
	return strings.Join(parts, ", ")
}
