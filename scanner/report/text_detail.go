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
		line := fmt.Sprintf("%-*s  %-11s %s", width, short(clean(p.Name), width), word, byState(p, c == green))
		t.out.colored(c, 2, width+16, line)
	}
}

// byState counts the paths of a part; where it is ready in spite of some that are
// not open, it says why.
func byState(p verdict.Part, ready bool) string {
	s := fmt.Sprintf("%d of %d open", p.States[verdict.Open], p.Total())
	if rest := others(p.States); rest != "" {
		s += ", " + rest
	}
	if n := p.Classes[verdict.ClassOptional] + p.Classes[verdict.ClassSatisfied]; n > 0 && ready {
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

// advice says which ways to install the client would work, for how many, in so
// many lines if that can be; 0: in as many as it takes.
func (t *text) advice(most int) {
	methods := t.r.Methods()
	rest := otherMethods(methods)
	if len(rest) == len(methods) {
		return
	}
	var s []string
	if t.o.Lists != "" {
		s = append(s, "Lists of the clients are in "+t.o.Lists)
	}
	table := func() {}
	if clients(methods) > 0 {
		t.out.head("INSTALLATION METHODS, FOR HOW MANY CLIENTS")
		table = func() { t.methodTable(methods) }
	} else {
		t.out.head("INSTALLATION METHODS")
		s = append(s, "No client is among these hosts.")
	}
	s = append(s, t.shared(methods, most == 0)...)
	if len(rest) > 0 && most == 0 {
		s = append(s, fmt.Sprintf("Not checked: %s.", strings.Join(rest, ", ")))
	}
	lines := func() []string {
		return t.out.hold(func() {
			table()
			if len(s) > 0 {
				t.out.para(2, 2, strings.Join(s, " "))
			}
		})
	}
	for most > 0 && len(s) > 1 && len(lines()) > most {
		s = s[:len(s)-1]
	}
	t.write(lines())
}

// methodTable counts the clients by method and answer.
func (t *text) methodTable(methods []cause.Method) {
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
}

// shared says what holds for all clients, whatever their own paths are: by the
// numbers of the causes, as far as there is one. The short text has said what is
// to be tested from elsewhere.
func (t *text) shared(methods []cause.Method, long bool) []string {
	var out, why, counts []string
	by := map[string][]string{} // the methods, by reason
	prove := ""
	for i := range methods {
		m := &methods[i]
		if !m.Checked || m.Shared.Answer == cause.AnswerYes {
			continue
		}
		if s := remedy(m); s != "" {
			prove = s
			counts = append(counts, fmt.Sprintf("%s %d", m.Name, m.Shared.Untested))
			continue
		}
		name, reason := m.Name, m.Shared.Reason
		if n := t.numberOf(m.Shared); n > 0 {
			reason = fmt.Sprintf("%s by cause %d", m.Shared.Answer, n)
		} else if row, rest, ok := strings.Cut(reason, " "); ok && strings.HasPrefix(row, m.Name+"/") { // it names the row
			name, reason = row, rest
		} else {
			reason = "(" + reason + ")"
		}
		if by[reason] == nil {
			why = append(why, reason)
		}
		by[reason] = append(by[reason], name)
	}
	for i, reason := range why {
		if rest, ok := strings.CutPrefix(reason, "was "); ok && len(by[reason]) > 1 {
			why[i] = strings.Join(by[reason], ", ") + " were " + rest
			continue
		}
		why[i] = strings.Join(by[reason], ", ") + " " + reason
	}
	if len(why) > 0 {
		out = append(out, "For all clients: "+strings.Join(why, "; ")+".")
	}
	if len(counts) > 0 && (long || len(t.untested) == 0) {
		out = append(out, fmt.Sprintf("Not proven (%s): %s.", strings.Join(counts, ", "), prove))
	}
	return out
}

// methodLine is the advice where the causes need the room.
func (t *text) methodLine() {
	methods := t.r.Methods()
	all := clients(methods)
	var s []string
	for i := range methods {
		if m := &methods[i]; m.Checked {
			s = append(s, fmt.Sprintf("%s %d", m.Name, m.Clients[cause.AnswerYes]))
		}
	}
	if all == 0 || len(s) == 0 {
		return
	}
	t.out.head("INSTALLATION METHODS")
	t.out.para(2, 4, fmt.Sprintf("Of %d clients, so many are ready for: %s", all, strings.Join(s, ", ")))
	if t.o.Lists != "" {
		t.out.para(2, 4, "Lists of the clients are in "+t.o.Lists)
	}
}

// numberOf is the number of the cause that a reason is about; 0: there is none.
func (t *text) numberOf(o cause.Opinion) int {
	n := 0
	for _, s := range t.sections() {
		for _, c := range s.causes {
			n++
			if o.Row != "" && c.State == o.State && slices.Contains(c.Requirements, o.Row) {
				return n
			}
		}
	}
	return 0
}
