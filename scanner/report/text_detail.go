package report

import (
	"cmp"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
)

// profiles says for each profile whether it is ready, with its paths by state.
func (t *text) profiles() {
	if t.r.Tally.Hosts == 0 {
		return
	}
	t.out.head("BY PROFILE")
	parts := t.inProfileOrder()
	width := 0
	for _, p := range parts {
		width = min(max(width, len([]rune(clean(p.Name)))), 28)
	}
	for _, p := range parts {
		c, word := t.profile(p.Name)
		line := fmt.Sprintf("%-*s  %-11s  %s", width, short(clean(p.Name), width), word, byState(p))
		t.out.colored(c, 2, width+17, line)
	}
}

// byState counts the paths of a part.
func byState(p verdict.Part) string {
	s := fmt.Sprintf("%s: %d open", paths(p.Total()), p.States[verdict.Open])
	if rest := others(p.States); rest != "" {
		s += ", " + rest
	}
	if n := p.Classes[verdict.ClassOptional] + p.Classes[verdict.ClassSatisfied]; n > 0 {
		s += fmt.Sprintf("; %d need not be open", n)
	}
	return s
}

func paths(n int) string { return count(n, "path") }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// inProfileOrder are the counts by profile as the profiles were named.
func (t *text) inProfileOrder() []verdict.Part {
	place := func(p verdict.Part) int { return slices.Index(t.r.Header.Profiles, p.Name) }
	return slices.SortedStableFunc(slices.Values(t.r.Tally.Profiles), func(a, b verdict.Part) int { return cmp.Compare(place(a), place(b)) })
}

// detail is what the short text has room for: the causes, and parts of what is
// said of each.
type detail struct {
	left  int // lines
	parts map[int]map[int][]string
}

// details fills a screen and no more. What matters most comes to it first; what
// has no place is counted.
func (t *text) details() {
	if t.r.Tally.Hosts == 0 {
		return
	}
	methods, boundaries := t.out.hold(t.advice), t.out.hold(t.byBoundary)
	d := detail{left: textDetail - 1 - bodyLines(methods), parts: map[int]map[int][]string{}} // 1: what more there is
	few := len(boundaries) > 0 && bodyLines(boundaries) <= textBoundaries
	if few {
		d.left -= bodyLines(boundaries)
	}
	var all []numbered
	for _, s := range t.sections() {
		for i := range s.causes {
			all = append(all, numbered{n: len(all) + 1, section: s, cause: &s.causes[i]})
		}
	}
	t.choose(&d, all)
	t.chosen(&d, all)
	more := []string{}
	if n := len(all) - len(d.parts); n > 0 {
		more = append(more, count(n, "cause")+" more")
	}
	switch n := bodyLines(boundaries); {
	case n == 0:
	case !few && n > d.left:
		more = append(more, fmt.Sprintf("%d boundaries", len(t.r.boundaries())))
	default:
		if !few {
			d.left -= n
		}
		t.byBoundary()
	}
	view := t.r.measured()
	if rows := t.out.hold(func() { t.rows(view) }); len(rows) <= d.left {
		d.left -= len(rows)
		t.out.head("WHAT WORKS")
		t.rows(view)
	} else {
		more = append(more, count(len(t.r.Tally.Requirements), "row"))
	}
	if n := t.r.Tally.Hosts - t.hosts(view, d.left); n > 0 {
		more = append(more, hosts(n))
	}
	t.advice()
	if len(more) > 0 {
		t.out.line("")
		t.out.para(2, 2, "-v shows "+strings.Join(more, ", ")+", and the evidence.")
	}
}

// bodyLines counts the lines that are no heads and not empty.
func bodyLines(lines []string) int {
	n := 0
	for _, l := range lines {
		if strings.HasPrefix(l, "  ") || strings.HasPrefix(l, "\x1b") && strings.Contains(l, "m  ") {
			n++
		}
	}
	return n
}

// numbered is a cause with its number in the report.
type numbered struct {
	n int
	section
	cause *cause.Cause
}

// choose takes the first cause with what to do, then the sentences of the
// others, then what to do about each, then the rest.
func (t *text) choose(d *detail, all []numbered) {
	all = all[:min(len(all), textCauses)]
	take := func(c numbered, part int) bool {
		_, ok := d.parts[c.n]
		if !ok && part != partMessage {
			return false
		}
		lines := t.out.hold(func() { t.causePart(c.color, c.n, c.cause, part) })
		if len(lines) == 0 || len(lines) > d.left || d.parts[c.n][part] != nil {
			return ok
		}
		if !ok {
			d.parts[c.n] = map[int][]string{}
		}
		d.parts[c.n][part] = lines
		d.left -= len(lines)
		t.say(c.n, c.cause, part)
		return true
	}
	if len(all) > 0 {
		take(all[0], partMessage)
		take(all[0], partAdvice)
	}
	for _, part := range []int{partMessage, partAdvice, partHosts, partSeen, partPlaces, partAdvice + 1, partAdvice + 2} {
		for _, c := range all {
			if !take(c, part) { // the causes are shown up to one, with none left out before it
				break
			}
		}
	}
}

// chosen writes the causes as they were chosen.
func (t *text) chosen(d *detail, all []numbered) {
	head := ""
	for _, c := range all {
		parts, ok := d.parts[c.n]
		if !ok {
			continue
		}
		if c.head != head {
			head = c.head
			t.out.head(head)
		}
		for part := range partAdvice + len(c.cause.Advice) {
			for _, l := range parts[part] {
				t.out.line(l)
			}
		}
	}
}

// advice says which ways to install the client would work, for how many.
func (t *text) advice() {
	methods := t.r.Methods()
	rest := otherMethods(methods)
	if len(rest) == len(methods) {
		return
	}
	t.out.head("INSTALLATION METHODS, FOR HOW MANY CLIENTS")
	width := max(5, len(fmt.Sprint(clients(methods))))
	t.out.line(fmt.Sprintf("  %-6s  %*s  not proven  %*s  undecided", "", width, "yes", width, "no"))
	for i := range methods {
		m := &methods[i]
		if !m.Checked {
			continue
		}
		c := green
		switch {
		case m.Clients[cause.AnswerNo] > 0 || m.Shared.Answer == cause.AnswerNo:
			c = red
		case m.Shared.Answer != cause.AnswerYes || m.Total() > m.Clients[cause.AnswerYes]:
			c = yellow
		}
		t.out.line(t.out.paint(c, fmt.Sprintf("  %-6s  %*d  %10d  %*d  %9d", m.Name, width, m.Clients[cause.AnswerYes], m.Clients[cause.AnswerNotProven],
			width, m.Clients[cause.AnswerNo], m.Clients[cause.AnswerUndecided])))
	}
	s := shared(methods)
	if len(rest) > 0 {
		s = append(s, fmt.Sprintf("Not checked: %s.", strings.Join(rest, ", ")))
	}
	if t.o.Lists != "" {
		s = append(s, "Lists of the clients are in "+t.o.Lists)
	}
	if len(s) > 0 {
		t.out.para(2, 2, strings.Join(s, " "))
	}
}

// shared says what holds for all clients, whatever their own paths are.
func shared(methods []cause.Method) []string {
	var out, reasons, counts []string
	prove := ""
	for i := range methods {
		m := &methods[i]
		switch {
		case !m.Checked || m.Shared.Answer == cause.AnswerYes:
		case remedy(m) != "":
			prove = remedy(m)
			counts = append(counts, fmt.Sprintf("%s %d", m.Name, m.Shared.Untested))
		default:
			reasons = append(reasons, m.Shared.Reason)
		}
	}
	if len(reasons) > 0 {
		out = append(out, "For all clients: "+strings.Join(reasons, "; ")+".")
	}
	if len(counts) > 0 {
		out = append(out, fmt.Sprintf("Not proven are the paths that start elsewhere (%s): %s.", strings.Join(counts, ", "), prove))
	}
	return out
}
