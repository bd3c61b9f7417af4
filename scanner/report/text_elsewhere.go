package report

import (
	"cmp"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
)

// notHere sums up what this run did not test. Nothing while that is all there is
// to say, and little: then each command is shown.
func (t *text) notHere() {
	wrong := len(t.failing) + len(t.errors) + len(t.undecided) + len(t.tolerated)
	if len(t.untested)+len(t.byHand) == 0 || wrong == 0 && len(t.untested)+len(t.byHand) <= 3 {
		return
	}
	t.out.head("WHAT WAS NOT TESTED")
	if wrong > 0 {
		t.out.para(2, 2, strings.TrimSpace(t.startElsewhere()+t.handWork()))
		return
	}
	t.byVantage()
	if s := t.handWork(); s != "" {
		t.out.para(2, 2, strings.TrimSpace(s))
	}
}

// handWork names what no packet can test.
func (t *text) handWork() string {
	var rows []string
	for _, c := range t.byHand {
		rows = append(rows, c.Requirements...)
	}
	if len(rows) == 0 {
		return ""
	}
	return fmt.Sprintf(" By hand: %s (-v says how).", short(words(rows), 60))
}

// vantage is what is left to another vantage.
type vantage struct {
	role         string
	paths, wrong int // wrong: whose service is not right, seen from here
	profiles     []string
}

func (t *text) vantages() []vantage {
	var list []vantage
	for i := range t.untested {
		c := &t.untested[i]
		role := t.startOf(c)
		at := slices.IndexFunc(list, func(v vantage) bool { return v.role == role })
		if at < 0 {
			at = len(list)
			list = append(list, vantage{role: role})
		}
		v := &list[at]
		v.paths += c.Paths
		if seen := c.Seen(); seen != verdict.StateUnknown && seen != verdict.Open {
			v.wrong += c.Paths
		}
		for _, p := range c.Profiles() {
			if !slices.Contains(v.profiles, p) {
				v.profiles = append(v.profiles, p)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b vantage) int { return cmp.Compare(b.paths, a.paths) })
	return list
}

// startElsewhere says in a sentence what is left to other vantages.
func (t *text) startElsewhere() string {
	var s []string
	for _, v := range t.vantages() {
		s = append(s, fmt.Sprintf("%d at the %s", v.paths, clean(v.role)))
	}
	switch {
	case len(s) == 0:
		return ""
	case len(s) > textVantages:
		s = append(s[:textVantages], "...")
	}
	return "Paths that start elsewhere: " + strings.Join(s, ", ") + ". Check there too (--vantage), and merge."
}

// textVantages is how many other vantages the short text names.
const textVantages = 3

// byVantage says in a line for each vantage what is left to it.
func (t *text) byVantage() {
	list := t.vantages()
	for i, v := range list {
		if i == textVantages {
			t.out.para(2, 4, "and "+count(len(list)-i, "more vantage"))
			break
		}
		s := fmt.Sprintf("%s of %s: run the same check at the %s, with --vantage %[3]s", paths(v.paths), short(words(v.profiles), 40), clean(v.role))
		if v.wrong > 0 {
			s += fmt.Sprintf("; of %d, the service is not right as seen from here", v.wrong)
		}
		t.out.para(2, 4, s)
	}
}

// startOf is the role at which the paths of a cause start.
func (t *text) startOf(c *cause.Cause) string {
	for _, r := range t.r.Header.Rows {
		if slices.Contains(c.Requirements, r.ID) {
			return string(r.From)
		}
	}
	return "ROLE"
}
