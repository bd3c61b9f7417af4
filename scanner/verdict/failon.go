package verdict

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// FailOn says which states of required paths count as failure, and how much of
// some of them is tolerated.
type FailOn struct {
	States StateSet // these always
	Limits []Limit  // these above a limit; none of them is in States
}

// All are the states that count as failure, within a limit or not.
func (f FailOn) All() StateSet {
	all := f.States
	for _, l := range f.Limits {
		all = all.With(l.State)
	}
	return all
}

// Limit tolerates a state up to a number of paths, or up to a share of them.
type Limit struct {
	State State
	Share bool  // Most is a share
	Most  int64 // paths, or millionths of the required paths that could be tested
	// Word is the limit as it was written, "blocked>2%".
	Word string
}

// whole is a share of 100 %, and percent one of 1 %.
const (
	whole   = 1_000_000
	percent = whole / 100
)

// ParseFailOn reads what counts as failure beside DefaultFail: STATE, or
// STATE>N and STATE>N% for a limit, below which the state is tolerated. All
// mistakes are reported at once.
func ParseFailOn(words []string) (FailOn, error) {
	f := FailOn{States: DefaultFail}
	var plain StateSet
	var errs []error
	for _, w := range words {
		l, limited, err := parseLimit(strings.TrimSpace(w))
		at := slices.IndexFunc(f.Limits, func(have Limit) bool { return have.State == l.State })
		switch {
		case err != nil:
			errs = append(errs, err)
		case at >= 0 && limited && f.Limits[at].Word == l.Word:
		case at >= 0 || limited && plain.Has(l.State):
			errs = append(errs, fmt.Errorf("%s has two limits: name it once", l.State))
		case limited:
			f.Limits = append(f.Limits, l)
		default:
			plain = plain.With(l.State)
		}
	}
	f.States |= plain
	for _, l := range f.Limits {
		f.States &^= 1 << l.State
	}
	return f, errors.Join(errs...)
}

// parseLimit reads one word of --fail-on.
func parseLimit(w string) (l Limit, limited bool, err error) {
	word, number, limited := strings.Cut(w, ">")
	l.State, err = ParseState(strings.TrimSpace(word))
	switch {
	case err != nil:
		return Limit{}, limited, err
	case l.State == Open:
		return Limit{}, limited, errors.New("an open path is no failure: name another state")
	case !limited:
		return l, false, nil
	}
	number = strings.TrimSpace(number)
	digits, share := strings.CutSuffix(number, "%")
	l.Share, l.Word = share, l.State.String()+">"+strings.ReplaceAll(number, " ", "")
	if l.Most, err = parseMost(strings.TrimSpace(digits), share); err != nil {
		return Limit{}, true, fmt.Errorf("%s: %w", w, err)
	}
	return l, true, nil
}

// parseMost reads a number of paths, or a share in percent with at most four
// digits after the point. No floating point is in it: a limit is met exactly.
func parseMost(s string, share bool) (int64, error) {
	const example = "write a number of paths, as in blocked>5, or percent, as in blocked>2.5%"
	before, after, point := strings.Cut(s, ".")
	if !share {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return 0, fmt.Errorf("%q is no limit: %s", s, example)
		}
		return int64(n), nil
	}
	n, err := strconv.ParseUint(before, 10, 31)
	if err != nil || point && (after == "" || len(after) > 4 || strings.Trim(after, "0123456789") != "") {
		return 0, fmt.Errorf("%q is no limit: %s", s+"%", example)
	}
	millionths := int64(n) * percent
	if point {
		part, _ := strconv.ParseInt((after + "0000")[:4], 10, 64) // digits alone
		millionths += part
	}
	if millionths > whole {
		return 0, fmt.Errorf("%q is more than all: %s", s+"%", example)
	}
	return millionths, nil
}

// Measure is a limit, and how much of its state there is.
type Measure struct {
	Limit
	Paths int // required paths in that state
	Of    int // required paths that could be tested
}

// Exceeded reports whether the state counts as failure.
func (m Measure) Exceeded() bool {
	if !m.Share {
		return int64(m.Paths) > m.Most
	}
	return int64(m.Paths)*whole > m.Most*int64(m.Of)
}

// String says in words what became of the limit.
func (m Measure) String() string {
	word := "tolerated"
	if m.Exceeded() {
		word = "more than is tolerated"
	}
	paths, are := "required paths", "are"
	if m.Paths == 1 {
		are = "is"
	}
	if m.State == Error {
		are += " in"
	}
	if !m.Share {
		if m.Paths == 1 {
			paths = "required path"
		}
		return fmt.Sprintf("%s: %d %s %s %s, --fail-on %s", word, m.Paths, paths, are, m.State, m.Word)
	}
	share := 0.0
	if m.Of > 0 {
		share = 100 * float64(m.Paths) / float64(m.Of)
	}
	return fmt.Sprintf("%s: %.1f %% of the required paths are %s (%d of %d), --fail-on %s", word, share, m.State, m.Paths, m.Of, m.Word)
}

// Measures says how much there is of each state that has a limit.
func (t *Tally) Measures() []Measure {
	var out []Measure
	for _, l := range t.Limits {
		d := t.All.Demanded
		m := Measure{Limit: l, Paths: d[l.State], Of: d.Total()}
		for _, s := range []State{Untested, Error} { // these could not be tested
			if s != l.State {
				m.Of -= d[s]
			}
		}
		out = append(out, m)
	}
	return out
}

// settled are the states that fail, and those that are tolerated, by what was
// counted so far.
func (t *Tally) settled() (fail, tolerated StateSet) {
	fail = t.Fail
	for _, m := range t.Measures() {
		if m.Exceeded() {
			fail = fail.With(m.State)
		} else {
			fail &^= 1 << m.State
			tolerated = tolerated.With(m.State)
		}
	}
	return fail, tolerated
}

// Settle decides, when all hosts are counted, which of the states with a limit
// fail and which are tolerated, and counts the classes accordingly.
func (t *Tally) Settle() {
	if len(t.Limits) == 0 {
		return
	}
	t.Fail, t.Tolerated = t.settled()
	parts := []*Part{&t.All}
	for i := range t.Profiles {
		parts = append(parts, &t.Profiles[i])
	}
	for i := range t.Requirements {
		parts = append(parts, &t.Requirements[i])
	}
	for _, p := range parts {
		p.Classes = p.classes(t.Fail, t.Tolerated)
	}
	t.HostsBy = t.kinds.classes(t.Fail, t.Tolerated)
	for i := range t.Boundaries {
		b := &t.Boundaries[i]
		b.HostsBy = b.kinds.classes(t.Fail, t.Tolerated)
	}
}

// classes counts the findings of the part anew.
func (p *Part) classes(fail, tolerated StateSet) [classes]int {
	var out [classes]int
	for _, c := range []Class{ClassSatisfied, ClassOptional} {
		out[c] = p.Classes[c]
	}
	out[ClassPassed] = p.States[Open]
	for s, n := range p.Demanded {
		if State(s) != Open {
			out[demanded(State(s), fail, tolerated)] += n
		}
	}
	return out
}

// kinds counts hosts by the states of their required paths. There are few such
// sets, however many hosts.
type kinds map[StateSet]int

// satisfiedHere marks, in such a set, a required path that another one serves.
const satisfiedHere = StateSet(1 << 15)

// hostKind is the set of one host.
func hostKind(findings []Finding) StateSet {
	var k StateSet
	for i := range findings {
		switch f := &findings[i]; {
		case !f.Required:
		case f.State != Open && f.SatisfiedBy != "":
			k |= satisfiedHere
		default:
			k = k.With(known(f.State))
		}
	}
	return k
}

// class is the worst class of a host of that kind.
func (k StateSet) class(fail, tolerated StateSet) Class {
	var has [classes]bool
	has[ClassSatisfied] = k&satisfiedHere != 0
	for s := StateUnknown; s <= Error; s++ {
		if k.Has(s) {
			has[demanded(s, fail, tolerated)] = true
		}
	}
	return worstOf(has)
}

// classes counts the hosts by class.
func (k kinds) classes(fail, tolerated StateSet) [classes]int {
	var out [classes]int
	for kind, n := range k {
		out[kind.class(fail, tolerated)] += n
	}
	return out
}
