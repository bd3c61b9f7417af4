package report

import (
	"bufio"
	"cmp"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Brief writes what of a run matters first, for people: the answer, for merged
// runs the verdict on each profile, and what is wrong, a sentence each. The
// record of one run says what to do about it as well, the merged one what
// another path makes good and what must be checked by hand. What was wrong in a
// run that the reader has before him is not said again; nil: there is none. Text
// has the rest.
func Brief(w io.Writer, r, before *Run, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	t := text{r: r, o: o, brief: true, out: page{w: bufio.NewWriter(w), width: o.Width, color: o.Color}}
	t.answer()
	if r.merged() {
		t.verdicts()
	}
	t.briefly(before)
	if err := t.elsewhere(); err != nil {
		return err
	}
	return t.out.flush()
}

// verdicts says for each profile of merged runs whether it is ready, and how
// much of it is proven.
func (t *text) verdicts() {
	place := func(c verdict.Coverage) int { return slices.Index(t.r.Header.Profiles, c.Profile) }
	list := slices.SortedStableFunc(slices.Values(t.r.Coverage), func(a, b verdict.Coverage) int { return cmp.Compare(place(a), place(b)) })
	width := 0
	for _, c := range list {
		width = max(width, len([]rune(clean(c.Profile))))
	}
	for _, c := range list {
		col, word := t.profile(c.Profile)
		t.out.colored(col, 2, width+16, fmt.Sprintf("%-*s  %-11s %s", width, clean(c.Profile), word, coverageLine(c)))
	}
}

// profile is the verdict on one profile.
func (t *text) profile(name string) (color, string) {
	for _, p := range t.r.Tally.Profiles {
		switch {
		case p.Name != name:
		case p.Classes[verdict.ClassFailed] > 0:
			return red, "NOT READY"
		case p.Classes[verdict.ClassUndecided]+p.Classes[verdict.ClassError] > 0:
			return yellow, "NOT DECIDED"
		case p.Classes[verdict.ClassPassed]+p.Classes[verdict.ClassTolerated] > 0:
			return green, "READY"
		}
	}
	return yellow, "NOT TESTED"
}

// briefly lists the causes, but for those of a run that was shown before.
func (t *text) briefly(before *Run) {
	t.out.line("")
	var known []cause.Cause
	if before != nil {
		known = sentences(before.Causes)
	}
	again := 0
	for i, c := range sentences(t.r.Causes) {
		if slices.ContainsFunc(known, func(have cause.Cause) bool { return have.Sentence() == c.Sentence() }) {
			again++
			continue
		}
		col := yellow
		if t.r.Tally.Fail.Has(c.State) {
			col = red
		}
		mark := fmt.Sprintf("%d. ", i+1)
		rows := words(c.Requirements)
		if len(c.Requirements) > 2 {
			rows = fmt.Sprintf("%d rows", len(c.Requirements))
		}
		t.out.colored(col, 2, 2+len(mark), fmt.Sprintf("%s%s (%s)", mark, c.Sentence(), rows))
		if !t.r.merged() && len(c.Advice) > 0 {
			t.out.labelled(2+len(mark), "do: ", c.Advice[0])
		}
	}
	if again > 0 {
		t.out.para(2, 2, fmt.Sprintf("and %d as above.", again))
	}
}

// sentences are the causes of what was tested. Those of several rows that say
// the same, as one port is in several profiles, are one.
func sentences(causes []cause.Cause) []cause.Cause {
	var list []cause.Cause
	for _, c := range causes {
		i := slices.IndexFunc(list, func(have cause.Cause) bool { return have.Sentence() == c.Sentence() })
		switch {
		case c.State == verdict.Untested:
		case i < 0:
			c.Requirements = slices.Clone(c.Requirements)
			list = append(list, c)
		default:
			list[i].Requirements = append(list[i].Requirements, c.Requirements...)
		}
	}
	return list
}

// elsewhere says what the run leaves to others: to another vantage, to another
// path of the same group, and to people.
func (t *text) elsewhere() error {
	left := 0
	for _, c := range t.r.Causes {
		if c.State == verdict.Untested && !c.ByHand() {
			left += c.Paths
		}
	}
	switch {
	case left == 1:
		t.out.para(2, 2, "1 path starts elsewhere and is left to another vantage.")
	case left > 1:
		t.out.para(2, 2, fmt.Sprintf("%d paths start elsewhere and are left to other vantages.", left))
	}
	if !t.r.merged() {
		return nil
	}
	if err := t.madeGood(); err != nil {
		return err
	}
	for _, c := range t.r.Causes {
		if c.ByHand() && len(c.Advice) > 0 {
			t.out.para(2, 4, fmt.Sprintf("by hand, %s: %s", words(c.Requirements), strings.TrimPrefix(c.Advice[0], "By hand: ")))
		}
	}
	return nil
}

// madeGood lists the rows that do not work and need not, because another one of
// their group does; of several hosts one is the example.
func (t *text) madeGood() error {
	examples := map[string]verdict.Finding{}
	for h, err := range t.r.Hosts() {
		if err != nil {
			return err
		}
		for _, f := range h.Findings {
			have, ok := examples[f.Requirement]
			if f.SatisfiedBy != "" && f.State != verdict.Untested && (!ok || cmp.Or(strings.Compare(f.Host, have.Host), f.Addr.Compare(have.Addr)) < 0) {
				examples[f.Requirement] = f
			}
		}
	}
	for _, row := range t.r.Header.Rows {
		if f, ok := examples[row.ID]; ok {
			t.out.colored(yellow, 2, 4, fmt.Sprintf("- %s is %s, and %s serves in its place: %s",
				clean(f.Requirement), f.State, clean(f.SatisfiedBy), f.Message))
		}
	}
	return nil
}
