package notify

import (
	"cmp"
	"cmreach/scanner/cause"
	"cmreach/scanner/history"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// How much of a run a message holds.
const (
	maxItems   = 20 // paths of each list of changes
	maxCauses  = 8
	maxSubject = 200 // characters
	maxLine    = 500
)

// Message is what there is to tell of a run.
type Message struct {
	Run     *report.Run
	Changes *history.Changes // nil: there is no state to compare with
	Exit    int
	More    string // the command that shows more
	Now     time.Time
}

// section is a part of the text. Its lines are clean, and none has a line end.
type section struct {
	title string
	lines []string
}

// Subject says in one line what happened and where.
func (m *Message) Subject() string {
	return cut("cmreach: "+m.headline()+m.place(), maxSubject)
}

// place is where that is, and from where it was seen.
func (m *Message) place() string {
	h := m.Run.Header
	at := ""
	if h.Site != "" {
		at = " at " + h.Site
	}
	return report.Clean(fmt.Sprintf("%s (%s) from %s", at, strings.Join(h.Profiles, ", "), cmp.Or(h.Scanner, "an unknown machine")))
}

// headline is the news in a few words.
func (m *Message) headline() string {
	c := m.Changes
	if c == nil || !c.Changed() {
		return m.standing()
	}
	var parts []string
	add := func(n int, format string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d "+format, n))
		}
	}
	add(c.Counts.Broken, "new "+brokenWord(c))
	add(c.Counts.Recovered, "recovered")
	add(c.NewlyFlapping, "flapping")
	add(c.Counts.Gone, "no longer checked")
	if len(parts) == 0 {
		add(c.Counts.Added, "newly checked")
	}
	return strings.Join(parts, ", ")
}

// brokenWord is the state of all that broke, if it is one.
func brokenWord(c *history.Changes) string {
	word := ""
	for _, i := range c.Broken {
		if w := i.State.String(); word != "" && w != word {
			return "failures"
		} else if word == "" {
			word = w
		}
	}
	switch {
	case word != "" && len(c.Broken) == c.Counts.Broken:
		return word
	case c.Counts.Broken == 1:
		return "failure"
	default:
		return "failures"
	}
}

// standing says how the run stands by itself.
func (m *Message) standing() string {
	t := m.Run.Tally
	failed, faulty, undecided := t.HostsBy[verdict.ClassFailed], t.HostsBy[verdict.ClassError], t.HostsBy[verdict.ClassUndecided]
	switch {
	case m.Run.End.Err != "":
		return "the check broke off"
	case failed > 0 && failed == t.Hosts && failed > 1:
		return fmt.Sprintf("NOT READY, all %d hosts fail", failed)
	case failed > 0:
		return fmt.Sprintf("NOT READY, %d of %s", failed, counted(t.Hosts, "host fails", "hosts fail"))
	case faulty > 0:
		return fmt.Sprintf("this machine could not test %d of %s", faulty, counted(t.Hosts, "host", "hosts"))
	case undecided > 0:
		return fmt.Sprintf("NOT DECIDED, %d of %s", undecided, counted(t.Hosts, "host", "hosts"))
	case m.Exit != verdict.ExitOpen:
		return "NOT DECIDED"
	default:
		return fmt.Sprintf("READY, %s", counted(t.Hosts, "host", "hosts"))
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sections are the text of a message: what changed, why, and what to do.
func (m *Message) sections() []section {
	var out []section
	if m.Run.End.Err != "" {
		out = append(out, section{"The check broke off", []string{line(m.Run.End.Err)}})
	}
	if c := m.Changes; c != nil {
		out = append(out, items("New failures", c.Broken, c.Counts.Broken, broke)...)
		out = append(out, items("Recovered", c.Recovered, c.Counts.Recovered, recovered)...)
		if c.NewlyFlapping > 0 {
			out = append(out, items("Flapping: open and failing by turns", c.Flapping, c.Counts.Flapping, path)...)
		}
		out = append(out, items("No longer in the plan: nothing is known of them", c.Gone, c.Counts.Gone, path)...)
		if c.Lost != "" {
			out = append(out, section{"The state file could not be read", []string{line(c.Lost + ": this run is compared with nothing")}})
		}
	}
	if s := m.causes(); len(s.lines) > 0 {
		out = append(out, s)
	}
	if m.Changes != nil { // else the subject says so
		now := []string{line(m.standing())}
		if m.Changes.Counts.Still > 0 {
			now = append(now, "broken before, and still: "+counted(m.Changes.Counts.Still, "path", "paths"))
		}
		out = append(out, section{"How all of it stands now", now})
	}
	if m.More != "" {
		out = append(out, section{"To see more", []string{line(m.More)}})
	}
	return out
}

// causes are the explanations of all that fails now, with what to do.
func (m *Message) causes() section {
	s := section{title: "Causes, and what to do"}
	n := 0
	for _, c := range m.Run.Causes {
		if c.State == verdict.Untested {
			continue
		}
		if n++; n > maxCauses {
			continue
		}
		s.lines = append(s.lines, line(fmt.Sprintf("%d. %s", n, c.Message)))
		if do := firstAdvice(c); do != "" {
			s.lines = append(s.lines, line("   do: "+do))
		}
	}
	if n > maxCauses {
		s.lines = append(s.lines, fmt.Sprintf("and %d more", n-maxCauses))
	}
	return s
}

func firstAdvice(c cause.Cause) string {
	if len(c.Advice) == 0 {
		return ""
	}
	return c.Advice[0]
}

// items are a list of paths, bounded; none when the list is empty.
func items(title string, list []history.Item, all int, say func(history.Item) string) []section {
	if all == 0 {
		return nil
	}
	s := section{title: fmt.Sprintf("%s (%d)", title, all)}
	for _, i := range list[:min(len(list), maxItems)] {
		s.lines = append(s.lines, line(say(i)))
	}
	if left := all - len(s.lines); left > 0 {
		s.lines = append(s.lines, fmt.Sprintf("and %d more", left))
	}
	return []section{s}
}

func path(i history.Item) string {
	host := i.Host
	if a := i.Addr.String(); i.Addr.IsValid() && a != host {
		host += " (" + a + ")"
	}
	return i.Requirement + " to " + host
}

func broke(i history.Item) string {
	s := path(i) + ": " + i.State.String()
	if i.Message != "" {
		s += ": " + i.Message
	}
	return s
}

func recovered(i history.Item) string {
	if i.Was == verdict.StateUnknown {
		return path(i)
	}
	return path(i) + ": was " + i.Was.String()
}

// line cleans and bounds a text for one line.
func line(s string) string { return cut(report.Clean(s), maxLine) }

// cut bounds a text in characters, and shows that it did.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-3]) + "..."
}

// text is the whole message for a mail, in lines.
func (m *Message) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", strings.TrimPrefix(m.Subject(), "cmreach: "))
	for _, s := range m.sections() {
		fmt.Fprintf(&b, "\n%s\n", s.title)
		for _, l := range s.lines {
			fmt.Fprintf(&b, "  %s\n", l)
		}
	}
	return b.String()
}

// bad reports whether the message is of something that went wrong, and not of
// recovery alone.
func (m *Message) bad() bool {
	if c := m.Changes; c != nil && c.Changed() {
		return c.Counts.Broken+c.NewlyFlapping > 0
	}
	return m.Exit != verdict.ExitOpen
}
