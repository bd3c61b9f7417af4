package report

import (
	"cmp"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
)

// sort parts the causes by what is to be done about them, those of the most
// hosts first.
func (t *text) sort() {
	list, folded := cause.Fold(t.r.Causes)
	t.folded = folded
	for _, c := range list {
		switch {
		case t.r.Tally.Fail.Has(c.State):
			t.failing = append(t.failing, c)
		case t.r.Tally.Tolerated.Has(c.State) && !c.ByHand():
			t.tolerated = append(t.tolerated, c)
		case c.State == verdict.Error:
			t.errors = append(t.errors, c)
		case c.ByHand():
			t.byHand = append(t.byHand, c)
		case c.State == verdict.Untested:
			t.untested = append(t.untested, c)
		default:
			t.undecided = append(t.undecided, c)
		}
	}
	for _, list := range [][]cause.Cause{t.failing, t.errors, t.undecided, t.tolerated} {
		slices.SortStableFunc(list, func(a, b cause.Cause) int { return cmp.Compare(b.Hosts, a.Hosts) })
	}
}

// section is a part of the causes, under a head.
type section struct {
	color  color
	head   string
	causes []cause.Cause
	later  bool // not tested by this run
}

func (t *text) sections() []section {
	return []section{
		{red, "WHAT IS BLOCKED, AND WHY", t.failing, false},
		{yellow, "WHAT THIS MACHINE COULD NOT TEST", t.errors, false},
		{yellow, "WHAT COULD NOT BE DECIDED", t.undecided, false},
		{plain, "WHAT --fail-on TOLERATES", t.tolerated, false},
		{plain, "WHAT MUST BE TESTED FROM ELSEWHERE", t.untested, true},
		{plain, "WHAT MUST BE CHECKED BY HAND", t.byHand, true},
	}
}

// The parts of what is said of a cause, in their order.
const (
	partMessage = iota
	partHosts
	partPlaces
	partSeen
	partAdvice // the most useful; others follow
)

// causes lists what does not work, with everything that is known about it.
func (t *text) causes() { t.list(t.sections()) }

// list writes the causes of some sections, numbered from 1.
func (t *text) list(sections []section) {
	n := 0
	for _, s := range sections {
		if len(s.causes) > 0 {
			t.out.head(s.head)
		}
		for i := range s.causes {
			n++
			for part := range partAdvice + len(s.causes[i].Advice) {
				t.causePart(s.color, n, &s.causes[i], part)
				t.say(n, &s.causes[i], part)
			}
		}
	}
}

// causePart writes one part of what is said of cause n, if there is any.
func (t *text) causePart(col color, n int, c *cause.Cause, part int) {
	mark := fmt.Sprintf("%d. ", n)
	indent := 2 + len(mark)
	switch part {
	case partMessage:
		s := c.Message
		if !t.o.Verbose {
			s = t.inShort(c)
		}
		t.out.colored(col, 2, indent, mark+s)
	case partHosts:
		if len(c.Sample) > 0 && (t.o.Verbose || c.Hosts > 1) {
			t.out.labelled(indent, "hosts: ", sample(*c))
		}
	case partPlaces:
		if len(c.Boundaries) > 0 && (t.o.Verbose || !inOne(c)) {
			t.out.labelled(indent, "in:    ", inBoundaries(*c))
		}
	case partSeen:
		if c.State == verdict.WrongHost || c.State == verdict.Error || c.State == verdict.Untested {
			t.out.labelled(indent, "seen:  ", strings.TrimPrefix(c.Example, "seen "))
		}
	default:
		i := part - partAdvice
		if i >= len(c.Advice) {
			return
		}
		label, a := "do:    ", c.Advice[i]
		if i > 0 {
			label = "also:  "
		}
		switch before := t.said[a]; {
		case before > 0 && !t.o.Verbose:
			return
		case before > 0 && len(a) > t.o.Width:
			a = fmt.Sprintf("as under cause %d.", before)
		}
		t.out.labelled(indent, label, a)
	}
}

// say notes that a part was written.
func (t *text) say(n int, c *cause.Cause, part int) {
	if i := part - partAdvice; i >= 0 && i < len(c.Advice) && t.said[c.Advice[i]] == 0 {
		t.said[c.Advice[i]] = n
	}
}
