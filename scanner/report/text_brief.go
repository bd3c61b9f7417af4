package report

import (
	"bufio"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
)

// Brief writes what of a run matters first, for people: the answer, for merged
// runs the verdict on each profile, and what is wrong, a sentence each. A run
// of one vantage says what to do about it as well. Text has the rest.
func Brief(w io.Writer, r *Run, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	t := text{r: r, o: o, out: page{w: bufio.NewWriter(w), width: o.Width, color: o.Color}}
	t.answer()
	if r.merged() {
		t.verdicts()
	}
	t.out.line("")
	for i, c := range r.Causes {
		if c.State == verdict.Untested {
			continue
		}
		color := yellow
		if r.Tally.Fail.Has(c.State) {
			color = red
		}
		mark := fmt.Sprintf("%d. ", i+1)
		t.out.colored(color, 2, 2+len(mark), mark+c.Message)
		if !r.merged() && len(c.Advice) > 0 {
			t.out.labelled(2+len(mark), "do: ", c.Advice[0])
		}
	}
	t.elsewhere()
	return t.out.flush()
}

// verdicts says for each profile of merged runs whether it is ready, and how
// much of it is proven.
func (t *text) verdicts() {
	width := 0
	for _, c := range t.r.Coverage {
		width = max(width, len([]rune(clean(c.Profile))))
	}
	for _, c := range t.r.Coverage {
		col, word, more := t.profile(c.Profile)
		if more != "" {
			more = "; " + more
		}
		t.out.colored(col, 2, width+16, fmt.Sprintf("%-*s  %-11s  %s%s", width, clean(c.Profile), word, coverageLine(c), more))
	}
}

// profile is the verdict on one profile.
func (t *text) profile(name string) (c color, word, more string) {
	for _, p := range t.r.Tally.Profiles {
		if p.Name != name {
			continue
		}
		failed, open := p.Classes[verdict.ClassFailed], p.Classes[verdict.ClassUndecided]+p.Classes[verdict.ClassError]
		switch {
		case failed > 0:
			return red, "NOT READY", fmt.Sprintf("%d do not work", failed)
		case open > 0:
			return yellow, "NOT DECIDED", fmt.Sprintf("%d are not decided", open)
		case p.Classes[verdict.ClassPassed] > 0:
			return green, "READY", ""
		}
	}
	return yellow, "NOT TESTED", ""
}

// elsewhere counts what another vantage must test.
func (t *text) elsewhere() {
	paths := 0
	for _, c := range t.r.Causes {
		if c.State == verdict.Untested {
			paths += c.Paths
		}
	}
	switch {
	case paths == 1:
		t.out.para(2, 2, "1 path starts elsewhere, or is to be checked by hand.")
	case paths > 1:
		t.out.para(2, 2, fmt.Sprintf("%d paths start elsewhere, or are to be checked by hand.", paths))
	}
}
