package report

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
)

// detail is what the short text has room for: parts of what is said of each
// cause.
type detail struct {
	left  int // lines
	parts map[int]map[int][]string
}

// numbered are the states whose sentences count the hosts themselves.
var numbered = map[verdict.State]bool{
	verdict.WrongHost: true, verdict.Unresolved: true, verdict.Down: true, verdict.Error: true,
}

// listed is a cause with its number in the report.
type listed struct {
	n int
	section
	cause *cause.Cause
}

// details fills a screen and no more. Causes come first and get most of it; what
// has no place is counted.
func (t *text) details() {
	if t.r.Tally.Hosts == 0 {
		return
	}
	notHere := t.out.hold(t.notHere)
	all := t.listed(len(notHere) > 0)
	around := bodyLines(notHere) + bodyLines(t.out.hold(t.coverage)) + 1 // what more there is
	d := detail{left: textDetail - around, parts: map[int]map[int][]string{}}
	methods := func(most int) { t.advice(most) }
	if sentences := t.sentences(all); sentences+bodyLines(t.out.hold(func() { methods(textMethods) })) > d.left {
		methods = func(int) { t.methodLine() }
	}
	d.left -= bodyLines(t.out.hold(func() { methods(textMethods) }))
	t.choose(&d, t.whatMatters(all))
	places := t.out.hold(func() { t.places(all) })
	if bodyLines(places) > d.left {
		places = nil
	}
	d.left -= bodyLines(places)
	t.choose(&d, t.whatHelps(all))
	if table := t.out.hold(t.byBoundary); len(t.r.boundaries()) > 1 && bodyLines(table) <= d.left+bodyLines(places) {
		d.left += bodyLines(places) - bodyLines(table)
		places = table
	}
	t.chosen(&d, all)
	t.write(notHere)
	t.write(places)
	more := []string{}
	if n := len(all) - len(d.parts); n > 0 {
		more = append(more, count(n, "more cause"))
	}
	more = append(more, t.closer(&d, len(all))...)
	methods(textMethods + max(d.left, 0))
	if len(more) > 0 {
		t.out.line("")
		t.out.para(2, 2, "-v shows "+strings.Join(more, ", ")+", and the evidence.")
	}
}

// listed numbers the causes, as -v does; those that were not tested are left out
// where they are summed up.
func (t *text) listed(summed bool) []listed {
	var all []listed
	n := 0
	for _, s := range t.sections() {
		for i := range s.causes {
			n++
			if !summed || !s.later {
				all = append(all, listed{n: n, section: s, cause: &s.causes[i]})
			}
		}
	}
	return all
}

// sentences is how many lines it takes to name the first causes, and to say what
// is to be done about the first.
func (t *text) sentences(all []listed) int {
	lines := t.out.hold(func() {
		for i, c := range all[:min(len(all), textCauses)] {
			t.causePart(c.color, c.n, c.cause, partMessage)
			if i == 0 {
				t.causePart(c.color, c.n, c.cause, partAdvice)
			}
		}
	})
	return len(lines)
}

// places says where work is needed, if the causes do not say it.
func (t *text) places(all []listed) {
	for _, c := range all {
		if !inOne(c.cause) {
			t.inBrief()
			return
		}
	}
}

func (t *text) write(lines []string) {
	for _, l := range lines {
		t.out.line(l)
	}
}

// closer shows the rows of a few hosts, and the hosts that need work where all
// of them fit and the causes do not tell already. It returns what was not shown.
func (t *text) closer(d *detail, causes int) (more []string) {
	view := t.r.measured()
	rows := t.out.hold(func() { t.rows(view) })
	if t.r.Tally.Hosts <= textFewHosts && len(rows) <= d.left {
		d.left -= len(rows)
		t.out.head("WHAT WORKS")
		t.write(rows)
	} else {
		more = append(more, count(len(t.r.Tally.Requirements), "row"))
	}
	if causes > 1 && t.r.Tally.Hosts > 1 {
		lines := t.out.hold(func() { t.hosts(view) })
		if bodyLines(lines) <= d.left {
			d.left -= bodyLines(lines)
			t.write(lines)
		}
	}
	if t.r.Tally.Hosts > 1 {
		more = append(more, hosts(t.r.Tally.Hosts))
	}
	return more
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

// step takes one part of what is said of each of some causes.
type step struct {
	of   []listed
	part int
	skip func(*cause.Cause) bool // nil: none
}

// whatMatters is the first cause with what to do, then the sentences of others,
// then what to do about each where the sentence does not tell, then more causes.
func (t *text) whatMatters(all []listed) []step {
	some := all[:min(len(all), textCauses)]
	all = all[:min(len(all), textMost)]
	return []step{
		{all[:min(len(all), 1)], partMessage, nil},
		{all[:min(len(all), 1)], partAdvice, nil},
		{some, partMessage, nil},
		{some, partAdvice, t.plainly},
		{all, partMessage, nil},
		{all, partAdvice, t.plainly},
	}
}

// whatHelps is the rest of what is known of the causes.
func (t *text) whatHelps(all []listed) []step {
	all = all[:min(len(all), textMost)]
	return []step{
		{all, partSeen, func(c *cause.Cause) bool { return c.Seen() == verdict.Open }},
		{all, partHosts, nil},
		{all, partAdvice, nil},
		{all, partPlaces, nil},
		{all, partAdvice + 1, nil},
	}
}

// choose takes what there is room for.
func (t *text) choose(d *detail, steps []step) {
	for _, s := range steps {
		for _, c := range s.of {
			if s.skip != nil && s.skip(c.cause) {
				continue
			}
			if !t.take(d, c, s.part) { // the causes are shown up to one, with none left out before it
				break
			}
		}
	}
}

// take gives a part of a cause its lines, if there is room, and reports whether
// the cause is shown.
func (t *text) take(d *detail, c listed, part int) bool {
	_, ok := d.parts[c.n]
	if !ok && part != partMessage {
		return false
	}
	if d.parts[c.n][part] != nil {
		return true
	}
	lines := t.out.hold(func() { t.causePart(c.color, c.n, c.cause, part) })
	if len(lines) == 0 || len(lines) > d.left {
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

// chosen writes the causes as they were chosen.
func (t *text) chosen(d *detail, all []listed) {
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
			t.write(parts[part])
		}
	}
}

// plainly reports whether the sentence of a cause says already what is to be
// done, or what is to be done was said under another one.
func (t *text) plainly(c *cause.Cause) bool {
	if len(c.Advice) == 0 || t.said[c.Advice[0]] > 0 {
		return true
	}
	return c.State == verdict.Blocked && c.By.IsValid() && len(c.Subnets) <= 1
}

// inShort is the sentence of a cause with whom it concerns: one host by its
// name, others by their number. Where they are, and which profiles it concerns,
// is added as far as it fits on the line.
func (t *text) inShort(c *cause.Cause) string {
	if c.State == verdict.Untested {
		return t.untestedInShort(c)
	}
	s := strings.Replace(c.Sentence(), " (administratively prohibited)", "", 1)
	s = strings.Replace(s, ", the last hop before the hosts", "", 1)
	const mark = 6 // columns before it
	add := func(more string) {
		if len([]rune(clean(s+more))) <= t.o.Width-mark {
			s += more
		}
	}
	switch {
	case c.Hosts == 1 && len(c.Sample) == 1:
		if name := clean(c.Sample[0]); !strings.Contains(s, name) {
			add(": " + name)
		}
	case numbered[c.State]:
	default:
		s += ", " + count(c.Hosts, t.kind(c))
		if inOne(c) {
			add(" of " + middle(clean(c.Boundaries[0].Name), 24))
		}
	}
	if list := c.Profiles(); len(t.r.Header.Profiles) > 1 && len(list) > 0 {
		add(" (" + words(list) + ")")
	}
	return s
}

// untestedInShort says where the paths start, and what was seen of the service.
func (t *text) untestedInShort(c *cause.Cause) string {
	if c.ByHand() {
		return c.Sentence()
	}
	s := fmt.Sprintf("%s: to be tested from the %s", words(c.Requirements), t.startOf(c))
	switch seen := c.Seen(); seen {
	case verdict.StateUnknown:
		return s
	case verdict.Open:
		return s + "; the service itself answers"
	default:
		return s + "; seen from here, the service is " + seen.String()
	}
}

// inOne reports whether all hosts of a cause lie in one named part of the network.
func inOne(c *cause.Cause) bool {
	return c.Hosts > 1 && len(c.Boundaries) == 1 && c.Boundaries[0].Hosts == c.Hosts && !numbered[c.State]
}

// kind is what the hosts of a cause are.
func (t *text) kind(c *cause.Cause) string {
	clients, servers := 0, 0
	for _, r := range t.r.Header.Rows {
		switch {
		case !slices.Contains(c.Requirements, r.ID):
		case r.To == scanner.RoleClient:
			clients++
		default:
			servers++
		}
	}
	switch {
	case clients > 0 && servers == 0:
		return "client"
	case servers > 0 && clients == 0:
		return "server"
	default:
		return "host"
	}
}
