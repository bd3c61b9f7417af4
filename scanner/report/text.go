package report

import (
	"bufio"
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Limits of the short text; -v lifts them. A screen has 24 lines and more.
const (
	textDetail = 20 // lines about causes, methods, rows and hosts, all together
	textCauses = 8  // always begun, where they fit
	textMost   = 12 // and these if there is room for more
	textNotes  = 3

	textMethods  = 5 // lines about the methods while causes want room
	textFewHosts = 5 // of which each row is shown
)

// TextOptions say how the text looks.
type TextOptions struct {
	Color   bool // ANSI colours, for a terminal
	Verbose bool // all hosts, all causes, with the evidence
	Width   int  // columns; 0 means 80

	PromHosts bool   // for the format prom: a series for each host too
	Lists     string // the folder with the advice for each client; empty: not asked for
}

// Text writes the run for people: the answer, the profiles, what is wrong and
// what to do about it, and the next step.
func Text(w io.Writer, r *Run, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	t := text{r: r, o: o, said: map[string]int{}, out: page{w: bufio.NewWriter(w), width: o.Width, color: o.Color}}
	t.sort()
	t.changes(false)
	t.answer()
	t.profiles()
	if !o.Verbose {
		t.details()
	} else if err := t.everything(); err != nil {
		return err
	}
	t.coverage()
	t.doubt()
	t.nextStep()
	return t.out.flush()
}

// everything is what the short text has a part of.
func (t *text) everything() error {
	view := t.r.measured()
	t.out.head("WHAT WORKS")
	t.rows(view)
	t.causes()
	t.byBoundary()
	t.advice(0)
	return t.everyHost()
}

// text renders one run.
type text struct {
	r   *Run
	o   TextOptions
	out page

	failing, errors, undecided, tolerated, untested, byHand []cause.Cause

	said  map[string]int // the cause that gave an advice first
	brief bool           // only what matters first

	folded map[string]string // causes that are in another one, by ID

	each *cause.Advisor // for -v, host by host
}

// banner is a line that begins with a coloured word.
type banner struct {
	color color
	word  string
	rest  string
}

// verdict says how it stands.
func (t *text) verdict() banner {
	r := t.r
	by := r.Tally.HostsBy
	ready := by[verdict.ClassPassed] + by[verdict.ClassSatisfied]
	total := r.Tally.Hosts
	switch exit := r.Tally.Exit(); {
	case total == 0:
		return banner{yellow, "NOTHING CHECKED", "no host was checked."}
	case exit == verdict.ExitFailed:
		return banner{red, "NOT READY", fmt.Sprintf("%d of %s cannot be reached as required.", by[verdict.ClassFailed], hosts(total))}
	case exit == verdict.ExitError:
		return banner{yellow, "NO ANSWER", fmt.Sprintf("this machine could not do the test for %d of %s.", by[verdict.ClassError], hosts(total))}
	case exit == verdict.ExitUndecided && by[verdict.ClassUndecided] > 0:
		return banner{yellow, "NOT DECIDED", fmt.Sprintf("nothing is known to be blocked, but %d of %s did not show it.", by[verdict.ClassUndecided], hosts(total))}
	case !r.Complete():
		return banner{yellow, "NOT DECIDED", fmt.Sprintf("the run did not come to its end; nothing wrong was found at %s so far.", hosts(total))}
	case by[verdict.ClassTolerated] > 0:
		return banner{green, "READY", fmt.Sprintf("what is not open at %s is within the limits of --fail-on.", hosts(by[verdict.ClassTolerated]))}
	case ready == 0:
		return banner{yellow, "NOT TESTED", "no required path starts here; see below from where to test."}
	case r.merged():
		return banner{green, "READY", "every required path that the runs have tested is open."}
	default:
		return banner{green, "READY", "every required path that can be tested from here is open."}
	}
}

// numbers counts the hosts by what they met.
func (t *text) numbers() string {
	by := t.r.Tally.HostsBy
	s := fmt.Sprintf("Ready %d, not ready %d, not decided %d, error %d, to test elsewhere %d",
		by[verdict.ClassPassed]+by[verdict.ClassSatisfied], by[verdict.ClassFailed], by[verdict.ClassUndecided],
		by[verdict.ClassError], by[verdict.ClassUntested])
	if n := by[verdict.ClassTolerated]; n > 0 {
		s += fmt.Sprintf(", tolerated %d", n)
	}
	return s + "."
}

// limits says what became of the limits of --fail-on.
func (t *text) limits() {
	for _, m := range t.r.Tally.Measures() {
		c := plain
		if m.Exceeded() {
			c = red
		}
		if s := m.String(); m.Paths > 0 {
			t.out.colored(c, 0, 2, strings.ToUpper(s[:1])+s[1:]+".")
		}
	}
}

// warnings say why the run is not whole.
func (t *text) warnings() []banner {
	r := t.r
	var out []banner
	switch {
	case r.Truncated != nil:
		out = append(out, banner{red, "INCOMPLETE", r.Truncated.Error() + "."})
	case r.End.Interrupted:
		out = append(out, banner{red, "INTERRUPTED", checked(r.End) + " were checked; this report covers them alone."})
	}
	if r.End.Err != "" {
		out = append(out, banner{red, "ENDED EARLY", r.End.Err})
	}
	return out
}

// answer says in the first lines how it stands.
func (t *text) answer() {
	b := t.verdict()
	t.out.banner(b.color, b.word, b.rest)
	if t.r.Tally.Hosts > 0 && !t.brief {
		t.out.para(0, 0, t.numbers())
	}
	t.limits()
	for _, b := range t.warnings() {
		t.out.banner(b.color, b.word, b.rest)
	}
	if !t.brief {
		t.out.para(0, 2, t.about())
	}
}

// about says what was checked, from where and when.
func (t *text) about() string {
	h := t.r.Header
	if t.r.merged() {
		return fmt.Sprintf("cmreach %s, %s, merged of %d runs", h.Version, words(h.Profiles), len(h.Merged))
	}
	s := fmt.Sprintf("cmreach %s, %s from %s (%s)", h.Version, words(h.Profiles), h.Scanner, h.Vantage)
	if h.Site != "" {
		s += ", site " + h.Site
	}
	s += ", " + h.Started.UTC().Format("2006-01-02 15:04:05 UTC")
	if d := t.r.End.Finished.Sub(h.Started); !t.r.End.Finished.IsZero() && d >= 0 {
		s += ", took " + d.Round(time.Second).String()
	}
	return s
}

// rows shows how each row of the profiles fares.
func (t *text) rows(v *look) {
	for _, p := range t.inOrder(t.r.Tally.Requirements) {
		row := v.named(p.Name)
		line := fmt.Sprintf("%-*s %-*s %*d of %*d open", v.nameWidth, short(clean(p.Name), v.nameWidth), v.portWidth, portOf(row.protocol, row.ports),
			v.digits, p.States[verdict.Open], v.digits, p.Total())
		if p.States[verdict.Open] > 0 {
			line += " (" + row.proof.String() + ")"
		}
		if rest := others(p.States); rest != "" {
			line += "; " + rest
		}
		if row.informational {
			line += "; informational"
		}
		c := green
		if p.States[verdict.Open] < p.Total() {
			c = yellow
		}
		if p.Classes[verdict.ClassFailed] > 0 {
			c = red
		}
		t.out.colored(c, 2, v.nameWidth+v.portWidth+4, line)
	}
}

// inOrder sorts rows as the profiles have them: the tally has them as the hosts
// happened to answer.
func (t *text) inOrder(parts []verdict.Part) []verdict.Part {
	place := func(p verdict.Part) int {
		return slices.IndexFunc(t.r.Header.Rows, func(r *scanner.Requirement) bool { return r.ID == p.Name })
	}
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b verdict.Part) int { return cmp.Compare(place(a), place(b)) })
	return parts
}

// others counts what is not open.
func others(c verdict.Counts) string {
	var s []string
	for _, st := range verdict.States[1:] {
		if c[st] > 0 {
			s = append(s, fmt.Sprintf("%d %s", c[st], st))
		}
	}
	return strings.Join(s, ", ")
}

// sample names the first hosts of a cause.
func sample(c cause.Cause) string {
	s := words(c.Sample)
	if more := c.Hosts - len(c.Sample); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// nextStep is the one thing to do now.
func (t *text) nextStep() {
	t.out.head("NEXT STEP")
	t.out.para(2, 2, t.next())
}

func (t *text) next() string {
	s := "Nothing is left to do for the network: go on with the deployment."
	if !t.r.Complete() {
		s = "Nothing is known to be wrong so far."
	}
	switch {
	case len(t.failing) > 0:
		n, all := t.failing[0].Paths, t.r.Tally.All.Classes[verdict.ClassFailed]
		share := fmt.Sprintf("%d of the %d paths that do", n, all)
		if n == all {
			share = "everything that does"
		}
		s = fmt.Sprintf("Mend cause 1: it explains %s not work. Then run the same check again.", share)
	case len(t.errors) > 0:
		s = "Mend this machine (cause 1), then run the same check again: nothing was learned about these paths."
	case len(t.undecided) > 0:
		s = "See to cause 1, then run the same check again for these hosts."
	case len(t.tolerated) > 0:
		s = "Nothing has to be done: what is left is tolerated by --fail-on. Cause 1 is what there is most of it."
	case len(t.untested) > 0:
		s = "Run the check where these paths start, too, and merge the records (cmreach merge)."
	case len(t.byHand) > 0:
		s = "Check by hand what cause 1 says; nothing else is left to do for the network."
	case t.r.Tally.Hosts == 0:
		s = "Look at the target list and the roles of the site: cmreach plan shows what would be checked."
	}
	if !t.r.Complete() {
		s += " This run did not come to its end: the hosts that are missing here must be checked again."
	}
	return s
}

// checked says how far an interrupted run came: in hosts as they were planned,
// and in addresses where names have more than one.
func checked(e record.End) string {
	if e.Targets == 0 || e.Targets == e.Hosts {
		return fmt.Sprintf("%d of %s planned", e.Hosts, hosts(e.Planned))
	}
	return fmt.Sprintf("%d of %s planned, at %d addresses,", e.Targets, hosts(e.Planned), e.Hosts)
}

func silentPaths(n int) string {
	if n == 1 {
		return "1 silent path"
	}
	return fmt.Sprintf("%d silent paths", n)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func percent(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}

// portOf names a port, or what takes its place.
func portOf(p scanner.Protocol, ports []uint16) string {
	switch {
	case p == scanner.ICMP:
		return "echo"
	case len(ports) == 0 || ports[0] == 0:
		return p.String() + "/rpc"
	default:
		return fmt.Sprintf("%s/%s", p, scanner.PortList(ports))
	}
}

// portsOf are all ports that a finding is about.
func portsOf(f *verdict.Finding) []uint16 {
	if len(f.Ports) == 0 {
		return []uint16{f.Port}
	}
	var out []uint16
	for _, p := range f.Ports {
		out = append(out, p.Port)
	}
	return out
}
