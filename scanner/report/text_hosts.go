package report

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// look is what the short text shows of the hosts. It is filled host by host,
// and does not grow with their number.
type look struct {
	rows []rowLook // in the order in which they came
	// lines are the hosts to show, by class, at most lookHosts for each, and
	// few that say the same: the causes tell how many there are.
	lines map[verdict.Class][]hostLine
	// plenty are the shapes of hosts of which enough are in lines.
	plenty map[string]bool
	shape  []byte // of the host that is being added

	// The widths of the columns, for the table of rows.
	nameWidth, portWidth, digits int
}

// lookHosts is how many hosts of a class the short report keeps.
const lookHosts = 20

// textAlike is how many hosts with the same trouble the short report lists.
const textAlike = 3

// maxShapes bounds what look remembers of hosts that it need not look at.
const maxShapes = 1024

// rowLook is a row of a profile as its findings show it.
type rowLook struct {
	name          string
	protocol      scanner.Protocol
	ports         []uint16
	informational bool
	proof         scanner.Assurance // the lowest of the open paths
}

// hostLine is one line of the table of hosts.
type hostLine struct{ name, addr, says string }

func newLook() look {
	return look{lines: map[verdict.Class][]hostLine{}, plenty: map[string]bool{}}
}

// add keeps what the short report shows of a host.
func (v *look) add(h *Host, c verdict.Class) {
	v.shape = v.shape[:0]
	for i := range h.Findings {
		f := &h.Findings[i]
		at := v.row(f, i)
		if row := &v.rows[at]; f.State == verdict.Open && (row.proof == scanner.AssuranceNone || f.Assurance < row.proof) {
			row.proof = f.Assurance
		}
		v.shape = append(binary.LittleEndian.AppendUint32(v.shape, uint32(at)), byte(f.State), 0) //nolint:gosec // there are few rows
		if f.Required && f.SatisfiedBy == "" {
			v.shape[len(v.shape)-1] = 1
		}
	}
	if len(v.lines[c]) >= lookHosts || v.plenty[string(v.shape)] {
		return
	}
	l := lineOf(h)
	if v.alike(c, l) < textAlike {
		v.lines[c] = append(v.lines[c], l)
		return
	}
	if len(v.plenty) >= maxShapes {
		clear(v.plenty)
	}
	v.plenty[string(v.shape)] = true
}

// row finds or makes the row of a finding. The guess is where it most likely is.
func (v *look) row(f *verdict.Finding, guess int) int {
	if guess < len(v.rows) && v.rows[guess].name == f.Requirement {
		return guess
	}
	i := slices.IndexFunc(v.rows, func(r rowLook) bool { return r.name == f.Requirement })
	if i < 0 {
		i = len(v.rows)
		v.rows = append(v.rows, rowLook{name: f.Requirement, protocol: f.Protocol, ports: portsOf(f), informational: !f.Required})
	}
	return i
}

// named is the row of that name.
func (v *look) named(name string) rowLook {
	for _, r := range v.rows {
		if r.name == name {
			return r
		}
	}
	return rowLook{}
}

// measured is the look with the widths of the columns.
func (r *Run) measured() *look {
	v := r.look
	v.portWidth, v.nameWidth, v.digits = 8, 0, 0
	for _, p := range r.Tally.Requirements {
		row := v.named(p.Name)
		v.portWidth = max(v.portWidth, len(portOf(row.protocol, row.ports)))
		v.nameWidth = min(max(v.nameWidth, len(clean(p.Name))), 30)
		v.digits = max(v.digits, len(fmt.Sprint(p.Total())))
	}
	return &v
}

func (v *look) alike(c verdict.Class, l hostLine) int {
	n := 0
	for _, have := range v.lines[c] {
		if have.says == l.says {
			n++
		}
	}
	return n
}

// lineOf says of a host what does not work, by state.
func lineOf(h *Host) hostLine {
	l := hostLine{name: clean(h.Name), addr: "-"}
	if h.Addr.IsValid() {
		l.addr = clean(h.Addr.String())
	}
	var parts []string
	for _, s := range append([]verdict.State{verdict.StateUnknown}, verdict.States...) {
		var rows []string
		for _, f := range h.Findings {
			if f.State == s && (s == verdict.Open || f.Required && f.SatisfiedBy == "") {
				rows = append(rows, clean(rowName(f.Requirement)))
			}
		}
		if len(rows) == 0 {
			continue
		}
		if slices.Sort(rows); s != verdict.Open {
			rows = slices.Compact(rows) // of several profiles
		}
		what := strings.Join(rows, " ")
		if s == verdict.Open {
			what = fmt.Sprint(len(rows))
		}
		parts = append(parts, s.String()+": "+what)
	}
	l.says = strings.Join(parts, ", ")
	if l.says == "" {
		l.says = "nothing required"
	}
	return l
}

// hosts writes the table of the hosts that need work; nothing where there are
// more than were kept.
func (t *text) hosts(v *look) {
	classes := []verdict.Class{verdict.ClassFailed, verdict.ClassError, verdict.ClassUndecided}
	if t.r.Tally.Exit() != verdict.ExitFailed { // else what passed a limit is not the matter
		classes = append(classes, verdict.ClassTolerated)
	}
	var lines []hostLine
	all := 0
	for _, c := range classes {
		lines = append(lines, v.lines[c]...)
		all += t.r.Tally.HostsBy[c]
	}
	if len(lines) < all || all == 0 {
		return
	}
	name, addr := 0, 0
	for _, l := range lines {
		name = min(max(name, len([]rune(l.name))), 28)
		addr = max(addr, len(l.addr))
	}
	t.out.head("HOSTS")
	for _, l := range lines {
		indent := name + addr + 6
		if indent > t.o.Width/2 {
			indent = 6
		}
		t.out.para(2, indent, fmt.Sprintf("%-*s  %-*s  %s", name, short(l.name, name), addr, l.addr, l.says))
	}
}

// everyHost writes all hosts with all findings and their evidence.
func (t *text) everyHost() error {
	if t.r.Tally.Hosts > 0 {
		t.out.head("HOSTS")
	}
	for h, err := range t.r.Hosts() {
		if err != nil {
			return err
		}
		s := h.Name
		if h.Addr.IsValid() {
			s += " (" + h.Addr.String() + ")"
		}
		t.out.colored(bold, 2, 4, s)
		t.methodsOf(&h)
		if tags := tagLine(h.Tags); tags != "" {
			t.out.para(4, 6, tags)
		}
		for _, f := range h.Findings {
			t.finding(f)
		}
	}
	return nil
}

// methodsOf says which ways to install the client would work for it, as far as
// this address of it tells.
func (t *text) methodsOf(h *Host) {
	only := h.Host
	only.Addresses = 0
	if t.each == nil {
		t.each = newAdvisor(t.r.Header, t.r.Tally.Fail|t.r.Tally.Tolerated)
		t.each.Reasons = true
	}
	own := t.each.AddHost(&only, h.Findings)
	if own == nil {
		return
	}
	methods := t.r.Methods()
	for i := range methods {
		m := &methods[i]
		if !m.Checked {
			continue
		}
		o := m.Of(own[i])
		s := m.Name + " would work"
		if o.Answer != cause.AnswerYes {
			s = fmt.Sprintf("%s: %s: %s", m.Name, strings.ReplaceAll(o.Answer.String(), "-", " "), o.Reason)
		}
		t.out.para(4, 6, s)
	}
}

func (t *text) finding(f verdict.Finding) {
	c := green
	switch t.r.Tally.Class(&f) {
	case verdict.ClassFailed:
		c = red
	case verdict.ClassError, verdict.ClassUndecided:
		c = yellow
	case verdict.ClassUntested, verdict.ClassTolerated, verdict.ClassSatisfied, verdict.ClassOptional:
		c = plain
	default:
	}
	s := fmt.Sprintf("%-12s %s: %s", f.State, f.Requirement, f.Message)
	switch {
	case f.State == verdict.Open:
		s += fmt.Sprintf(" (proven to: %s)", f.Assurance)
	case f.SatisfiedBy != "":
		s += fmt.Sprintf(" [%s; %s is open in its place]", f.Reason, f.SatisfiedBy)
	case !f.Required:
		s += fmt.Sprintf(" [%s; informational]", f.Reason)
	default:
		s += fmt.Sprintf(" [%s]", f.Reason)
	}
	t.out.colored(c, 4, 17, s)
	for _, e := range f.Evidence {
		t.out.para(17, 19, "- "+e)
	}
}

// tagLine is what the list of targets says of a host.
func tagLine(tags []scanner.Detail) string {
	var parts []string
	for _, d := range tags {
		parts = append(parts, d.Key+"="+d.Value)
	}
	return strings.Join(parts, ", ")
}

// rowName is the row's part of a requirement's id.
func rowName(id string) string {
	_, name, ok := strings.Cut(id, "/")
	if !ok {
		return id
	}
	return name
}
