package report

import (
	"bufio"
	"cmreach/scanner/cause"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits of what is listed for people; the CSV lists all.
const (
	textPrefixes = 8
	mdPrefixes   = 200
)

// summary is the answer in one sentence.
func (s *Rules) summary() string {
	switch {
	case s.Len() == 0 && s.other > 0:
		return fmt.Sprintf("no firewall change to ask for there; %s elsewhere", ruleCount(s.other, "change", "changes"))
	case s.Len() == 0:
		return "no firewall change to ask for: no required path was seen to be blocked"
	}
	paths := 0
	for _, a := range s.list {
		paths += a.Paths
	}
	return fmt.Sprintf("%s to ask for, because of %s in the check of %s",
		ruleCount(s.Len(), "firewall change", "firewall changes"), ruleCount(paths, "blocked path", "blocked paths"), s.when())
}

// remarks say what the rules do not tell.
func (s *Rules) remarks() []string {
	var out []string
	if s.Len() > 0 && s.other > 0 {
		out = append(out, fmt.Sprintf("%s for other places are left out.", ruleCount(s.other, "change", "changes")))
	}
	if !s.run.Complete() {
		out = append(out, "The check did not come to its end: there may be more to ask for.")
	}
	if left := s.left(); left != "" {
		out = append(out, fmt.Sprintf("No firewall is shown to stop the other required paths that do not work (%s): cmreach report says what to do.", left))
	}
	return out
}

// wider says that more could be asked for.
func (s *Rules) wider() []string {
	if s.o.Subnets || !slices.ContainsFunc(s.list, func(a ruleAsk) bool { return len(a.to) > 1 }) {
		return nil
	}
	return []string{"These are the blocked addresses and no other: --aggregate subnet asks for their /24 and /64 networks."}
}

// text writes the rules for people.
func (s *Rules) text(w io.Writer) error {
	width := s.o.Width
	if width <= 0 {
		width = 80
	}
	p := page{w: bufio.NewWriter(w), width: width, color: s.o.Color}
	line := s.summary() + "."
	p.colored(bold, 0, 0, strings.ToUpper(line[:1])+line[1:])
	for _, a := range s.list {
		mark := fmt.Sprintf("%d. ", a.n)
		p.line("")
		p.colored(bold, 2, 2+len(mark), mark+a.title)
		in := 2 + len(mark)
		p.labelled(in, "from:  ", a.from.who())
		p.labelled(in, "to:    ", rulePrefixes(a.to, textPrefixes)+"; "+a.covers(s.o.Subnets))
		if b := a.bounds(); b != "" {
			p.labelled(in, "in:    ", b)
		}
		p.labelled(in, "why:   ", fmt.Sprintf("%s: %s (for example %s, %s)", ruleCount(a.Paths, "path", "paths"), a.Example.Message, a.Example.Host, a.Example.Requirement))
		if e := a.elsewhere(); e != "" {
			p.labelled(in, "where: ", e)
		}
		p.labelled(in, "cause: ", strings.Join(a.Causes, ", "))
	}
	if r := slices.Concat(s.wider(), s.remarks()); len(r) > 0 {
		p.line("")
		for _, l := range r {
			p.para(0, 0, l)
		}
	}
	return p.flush()
}

// ruleColumns are the columns of the CSV. The names are a contract.
var ruleColumns = []string{
	"rule", "change", "device", "source_role", "source", "destination", "protocol", "ports", "boundary",
	"requirements", "addresses", "paths", "why", "example_host", "example_address", "causes",
}

// csv writes a line for each destination (RFC 4180). The first columns are the
// same on all lines of one rule.
func (s *Rules) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	_ = c.Write(ruleColumns) // errors are kept until Flush
	for _, a := range s.list {
		from := rulePrefixes(a.from.addrs, len(a.from.addrs))
		if from == "" {
			from = a.from.fillIn()
		}
		for _, to := range a.to {
			line := []string{
				fmt.Sprint(a.n), a.Place.String(), a.device(), string(a.From), strings.ReplaceAll(from, ",", ""), rulePrefix(to),
				a.Protocol.String(), a.ports("-", " "), a.bounds(), strings.Join(a.Rows, " "),
				fmt.Sprint(len(a.Addrs)), fmt.Sprint(a.Paths), a.Example.Message, a.Example.Host, a.Example.Addr.String(), strings.Join(a.Causes, " "),
			}
			for i := range line {
				line[i] = ruleCell(line[i])
			}
			_ = c.Write(line)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	return nil
}

// device is who is to be changed, as far as it has an address.
func (a ruleAsk) device() string {
	if a.Place == cause.PlaceDevice {
		return a.By.String()
	}
	var hops []string
	for _, b := range a.Between {
		hops = append(hops, b.String())
	}
	return strings.Join(hops, " ")
}

// ruleCell makes a text safe for spreadsheets: none begins as a formula does.
func ruleCell(s string) string {
	if s = clean(s); s != "" && strings.ContainsRune("=+-@|%", rune(s[0])) {
		return "'" + s
	}
	return s
}

// markdown writes the change request as a table, and the destinations below.
func (s *Rules) markdown(w io.Writer) error {
	b := bufio.NewWriter(w)
	out := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format, args...) }
	line := s.summary()
	out("# Firewall changes\n\n%s.\n", ruleMD(strings.ToUpper(line[:1])+line[1:]))
	if s.Len() > 0 {
		out("\n| # | where | from | to | permit | in | why | paths | cause |\n|---|---|---|---|---|---|---|---|---|\n")
	}
	for _, a := range s.list {
		where := a.where()
		if e := a.elsewhere(); e != "" {
			where += "; " + e
		}
		to := fmt.Sprintf("%s, see below", a.covers(s.o.Subnets))
		if len(a.to) <= 4 {
			to = rulePrefixes(a.to, len(a.to))
		}
		out("| %d | %s | %s | %s | %s | %s | %s | %d | %s |\n", a.n, ruleMD(where), ruleMD(a.from.who()), ruleMD(to), ruleMD(a.what()),
			ruleMD(a.bounds()), ruleMD(a.Example.Message+" ("+a.Example.Host+")"), a.Paths, ruleMD(strings.Join(a.Causes, ", ")))
	}
	for _, a := range s.list {
		if len(a.to) <= 4 {
			continue
		}
		out("\n## Destinations of rule %d\n\n%s: %s.\n\n", a.n, ruleMD(a.title), ruleMD(a.covers(s.o.Subnets)))
		for i, p := range a.to {
			if i == mdPrefixes {
				out("- and %d more: `cmreach rules -o csv` lists all\n", len(a.to)-i)
				break
			}
			out("- %s\n", rulePrefix(p))
		}
	}
	for _, l := range slices.Concat(s.wider(), s.remarks()) {
		out("\n%s\n", ruleMD(l))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	return nil
}

// ruleMD makes a text plain for Markdown: nothing in it is markup, a link, a
// mention or a cell's end.
func ruleMD(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		switch {
		case strings.ContainsRune("<>&@", r):
			fmt.Fprintf(&b, "&#%d;", r)
		case strings.ContainsRune("\\`*_[]|~$", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "://", "&#58;//")
}
