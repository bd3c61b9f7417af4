package report

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
)

// look is what the text needs to know of the hosts before it begins.
type look struct {
	rows      map[string]rowLook
	nameWidth int
	portWidth int
	digits    int
	// lines are the hosts to show, by class, at most textHosts for each, and
	// few that say the same: the causes tell how many there are.
	lines map[verdict.Class][]hostLine
}

// textAlike is how many hosts with the same trouble the short report lists.
const textAlike = 3

// rowLook is a row of a profile as its findings show it.
type rowLook struct {
	protocol      scanner.Protocol
	ports         []uint16
	informational bool
	proof         scanner.Assurance // the lowest of the open paths
}

// hostLine is one line of the table of hosts.
type hostLine struct{ name, addr, says string }

// shown is the order in which the hosts are listed: what needs work first.
var shown = []verdict.Class{
	verdict.ClassFailed, verdict.ClassError, verdict.ClassUndecided, verdict.ClassUntested,
	verdict.ClassPassed, verdict.ClassSatisfied, verdict.ClassOptional,
}

// look walks the hosts once and keeps what the short report shows of them.
func (t *text) look() (*look, error) {
	v := &look{portWidth: 8, rows: map[string]rowLook{}, lines: map[verdict.Class][]hostLine{}}
	for h, err := range t.r.Hosts() {
		if err != nil {
			return nil, err
		}
		for _, f := range h.Findings {
			row, have := v.rows[f.Requirement]
			if !have {
				row = rowLook{protocol: f.Protocol, ports: portsOf(f), informational: !f.Required}
			}
			if f.State == verdict.Open && (row.proof == scanner.AssuranceNone || f.Assurance < row.proof) {
				row.proof = f.Assurance
			}
			v.rows[f.Requirement] = row
		}
		c := verdict.HostClass(h.Findings, t.r.Tally.Fail)
		if l := t.hostLine(h); len(v.lines[c]) < textHosts && v.alike(c, l) < textAlike {
			v.lines[c] = append(v.lines[c], l)
		}
	}
	for _, p := range t.r.Tally.Requirements {
		row := v.rows[p.Name]
		v.portWidth = max(v.portWidth, len(portOf(row.protocol, row.ports)))
		v.nameWidth = min(max(v.nameWidth, len(clean(p.Name))), 30)
		v.digits = max(v.digits, len(fmt.Sprint(p.Total())))
	}
	return v, nil
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

// hostLine says of a host what does not work, by state.
func (t *text) hostLine(h Host) hostLine {
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
		slices.Sort(rows)
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

// hosts writes the table of the short report.
func (t *text) hosts(v *look) {
	if t.r.Tally.Hosts == 0 {
		return
	}
	t.out.head("HOSTS")
	var lines []hostLine
	for _, c := range shown {
		lines = append(lines, v.lines[c]...)
	}
	lines = lines[:min(len(lines), textHosts)]
	name, addr := 0, 0
	for _, l := range lines {
		name = min(max(name, len([]rune(l.name))), 28)
		addr = max(addr, len(l.addr))
	}
	for _, l := range lines {
		s := fmt.Sprintf("%-*s  %-*s  %s", name, short(l.name, name), addr, l.addr, l.says)
		indent := name + addr + 6
		if indent > t.o.Width/2 {
			indent = 6
		}
		t.out.para(2, indent, s)
	}
	if more := t.r.Tally.Hosts - len(lines); more > 0 {
		t.out.para(2, 2, fmt.Sprintf("... and %s more; -v shows all with the evidence, -o json=FILE keeps them.", hosts(more)))
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
		if tags := tagLine(h.Tags); tags != "" {
			t.out.para(4, 6, tags)
		}
		for _, f := range h.Findings {
			t.finding(f)
		}
	}
	return nil
}

func (t *text) finding(f verdict.Finding) {
	c := green
	switch verdict.Classify(f, t.r.Tally.Fail) {
	case verdict.ClassFailed:
		c = red
	case verdict.ClassError, verdict.ClassUndecided:
		c = yellow
	case verdict.ClassUntested, verdict.ClassSatisfied, verdict.ClassOptional:
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
