package verdict

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Exit codes of a finished check; design.md's contract. The codes 2 (bad
// input) and 130 (interrupted) are not decided by findings.
const (
	ExitOpen      = 0 // every required path is open
	ExitFailed    = 1 // a required path is in a state that counts as failure
	ExitUndecided = 3 // none of those, but required paths stayed undecided
	ExitError     = 4 // none of ExitFailed, but this machine could not do a test
)

// StateSet is a set of states.
type StateSet uint16

// DefaultFail are the states that count as failure unless the user says more.
const DefaultFail = StateSet(1<<Blocked | 1<<Closed | 1<<WrongService | 1<<WrongHost)

// Has reports whether the state is in the set.
func (s StateSet) Has(st State) bool { return st <= Error && s&(1<<st) != 0 }

// With returns the set with the state in it.
func (s StateSet) With(st State) StateSet { return s | 1<<st }

// Class is what a finding means for the run as a whole.
type Class uint8

// The classes. Each finding is in exactly one.
const (
	ClassPassed    Class = iota // open
	ClassFailed                 // required, and its state counts as failure
	ClassError                  // required, and this machine could not test it
	ClassUndecided              // required, and not known to work: down, unresolved, inconclusive
	ClassUntested               // required, and to be tested from elsewhere
	ClassTolerated              // required, and of a state of which a limit tolerates as much
	ClassSatisfied              // not open, but another path of its any-of group is
	ClassOptional               // not open, and not required
)

const classes = int(ClassOptional) + 1

// Class says what a finding means, by what the run as a whole tolerates; see Settle.
func (t *Tally) Class(f *Finding) Class { return f.class(t.Fail, t.Tolerated) }

// ClassOf says what a finding means when the states in fail count as failure.
// The finding of a satisfied any-of group has SatisfiedBy set; see Judge.
func ClassOf(f *Finding, fail StateSet) Class { return f.class(fail, 0) }

func (f *Finding) class(fail, tolerated StateSet) Class {
	switch {
	case f.State == Open:
		return ClassPassed
	case !f.Required:
		return ClassOptional
	case f.SatisfiedBy != "":
		return ClassSatisfied
	default:
		return demanded(f.State, fail, tolerated)
	}
}

// demanded is the class of a required path for which no other one serves.
func demanded(s State, fail, tolerated StateSet) Class {
	switch {
	case s == Open:
		return ClassPassed
	case tolerated.Has(s):
		return ClassTolerated
	case fail.Has(s):
		return ClassFailed
	case s == Error:
		return ClassError
	case s == Untested:
		return ClassUntested
	default:
		return ClassUndecided
	}
}

// Counts holds a number for each state.
type Counts [int(Error) + 1]int

// Total is the sum over all states.
func (c Counts) Total() int {
	n := 0
	for _, v := range c {
		n += v
	}
	return n
}

// MarshalJSON writes all states in the order of the reports, with those that
// are 0, so that a script need not ask which are there.
func (c Counts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, s := range States {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(s.String()) + ":" + strconv.Itoa(c[s]))
	}
	if n := c[StateUnknown]; n > 0 {
		b.WriteString(`,"unknown":` + strconv.Itoa(n))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Part counts the findings of one profile, or of one requirement.
type Part struct {
	Name    string
	States  Counts
	Classes [classes]int
	// Demanded are the states of the required paths, without those for which
	// another path of their any-of group serves: what can decide the exit code.
	Demanded Counts
}

// Total is the number of findings.
func (p Part) Total() int { return p.States.Total() }

func (p *Part) add(f *Finding, c Class) {
	p.States[known(f.State)]++
	p.Classes[c]++
	if f.Required && (f.State == Open || f.SatisfiedBy == "") {
		p.Demanded[known(f.State)]++
	}
}

// Tally counts the findings of a run. The zero value counts with an empty set
// of failure states; use NewTally.
type Tally struct {
	Fail          StateSet
	Tolerated     StateSet // of the states with a limit, those that no longer count; see Settle
	Limits        []Limit  // none of their states is in Fail before Settle
	Required      Counts
	Informational Counts
	All           Part
	Profiles      []Part // in the order in which they came
	Requirements  []Part // likewise

	// Hosts counts the addresses, and HostsBy the worst class that each of
	// them met among its required paths (ClassOptional: it has none).
	Hosts   int
	HostsBy [classes]int

	// Boundaries counts the addresses by the named part of the network that they
	// lie in, in the order in which they came; "" for those that lie in none.
	Boundaries []Boundary

	profiles, requirements map[string]int
	kinds                  kinds // nil: no state has a limit
}

// Boundary counts the hosts of one named part of the network.
type Boundary struct {
	Name    string
	Hosts   int
	HostsBy [classes]int
	kinds   kinds
}

// NewTally returns a tally that takes the states in fail for failures, and
// those with a limit above it. Until Settle is called these are taken for
// tolerated.
func NewTally(fail StateSet, limits ...Limit) *Tally {
	t := &Tally{Fail: fail, Limits: limits, profiles: map[string]int{}, requirements: map[string]int{}}
	if len(limits) > 0 {
		t.kinds = kinds{}
	}
	for _, l := range limits {
		t.Fail &^= 1 << l.State
		t.Tolerated = t.Tolerated.With(l.State)
	}
	return t
}

// Satisfy marks, among the findings of one host, the members of any-of groups
// of which another one is open. Judge does so itself; this is for findings that
// come from elsewhere, such as an old record.
func Satisfy(findings []Finding) { satisfy(findings) }

// AddHost counts the findings of one host, and returns the host's class. A member of an any-of group that
// has an open member is satisfied, whether or not the finding says so itself.
func (t *Tally) AddHost(findings []Finding) Class {
	if grouped(findings) {
		findings = slices.Clone(findings)
		satisfy(findings)
	}
	t.Hosts++
	class := t.HostClass(findings)
	t.HostsBy[class]++
	if t.kinds != nil {
		t.kinds[hostKind(findings)]++
	}
	if len(findings) > 0 {
		b := t.boundary(findings[0].Boundary)
		b.Hosts++
		b.HostsBy[class]++
		if t.kinds != nil {
			b.kinds[hostKind(findings)]++
		}
	}
	for i := range findings {
		f := &findings[i]
		c := f.class(t.Fail, t.Tolerated)
		t.All.add(f, c)
		part(&t.Profiles, t.profiles, f.Profile, 0).add(f, c)
		part(&t.Requirements, t.requirements, f.Requirement, i).add(f, c)
		which := &t.Required
		if !f.Required {
			which = &t.Informational
		}
		which[known(f.State)]++
	}
	return class
}

// grouped reports whether a finding may be satisfied by another one without
// saying so.
func grouped(findings []Finding) bool {
	for i := range findings {
		if findings[i].AnyOf != "" && findings[i].SatisfiedBy == "" {
			return true
		}
	}
	return false
}

// boundary finds or makes the count of a boundary. There are few.
func (t *Tally) boundary(name string) *Boundary {
	for i := range t.Boundaries {
		if t.Boundaries[i].Name == name {
			return &t.Boundaries[i]
		}
	}
	t.Boundaries = append(t.Boundaries, Boundary{Name: name, kinds: kinds{}})
	return &t.Boundaries[len(t.Boundaries)-1]
}

// known maps a state that has no word to StateUnknown.
func known(s State) State {
	if s > Error {
		return StateUnknown
	}
	return s
}

// part finds or makes the part of a name. The guess is where it most likely is:
// most hosts have the same rows in the same order.
func part(parts *[]Part, index map[string]int, name string, guess int) *Part {
	if guess < len(*parts) && (*parts)[guess].Name == name {
		return &(*parts)[guess]
	}
	i, ok := index[name]
	if !ok {
		i = len(*parts)
		index[name] = i
		*parts = append(*parts, Part{Name: name})
	}
	return &(*parts)[i]
}

// worst is the order in which the classes of its paths decide about a host.
var worst = []Class{ClassFailed, ClassError, ClassUndecided, ClassTolerated, ClassPassed, ClassSatisfied, ClassUntested}

// HostClass is the worst class among the required findings of one host, or of a
// part of them, by what the run as a whole tolerates; see Settle. It is
// ClassPassed when every required path that can be tested from here is open,
// and ClassOptional when no path is required.
func (t *Tally) HostClass(findings []Finding) Class {
	var has [classes]bool
	for i := range findings {
		if f := &findings[i]; f.Required {
			has[t.Class(f)] = true
		}
	}
	return worstOf(has)
}

func worstOf(has [classes]bool) Class {
	for _, c := range worst {
		if has[c] {
			return c
		}
	}
	return ClassOptional
}

// Exit is the exit code of a run that came to its end. A failure wins over an
// error, an error over what is undecided. What is tolerated decides nothing. Untested paths change nothing, unless
// nothing else was tested: then it is not known that anything works.
func (t *Tally) Exit() int {
	c := t.All.Classes
	if len(t.Limits) > 0 { // it may be asked for before all hosts are counted
		c = t.All.classes(t.settled())
	}
	switch {
	case c[ClassFailed] > 0:
		return ExitFailed
	case c[ClassError] > 0:
		return ExitError
	case c[ClassUndecided] > 0, c[ClassUntested] > 0 && c[ClassPassed] == 0:
		return ExitUndecided
	default:
		return ExitOpen
	}
}

// String is the tally in one line, the states in the order of the reports.
func (t *Tally) String() string {
	var s []string
	for _, st := range States {
		if n := t.All.States[st]; n > 0 {
			s = append(s, fmt.Sprintf("%d %s", n, st))
		}
	}
	if len(s) == 0 {
		return "no paths"
	}
	return strings.Join(s, ", ")
}
