package notify

import (
	"cmp"
	"cmreach/scanner/cause"
	"cmreach/scanner/history"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
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
	Changes *history.Changes   // nil: there is no state to compare with
	Diff    *report.DiffReport // nil: it was not compared with the run of another record
	Records []report.DiffRun   // of which it is; none: a check that was just made
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
	var parts []string
	add := func(n int, format string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d "+format, n))
		}
	}
	if m.Diff != nil {
		n := m.Diff.Counts
		add(n.Worse, "worse")
		add(n.Better, "better")
		add(n.Gone, "no longer checked")
		add(n.Added, "newly checked")
		return strings.Join(parts, ", ")
	}
	c := m.Changes
	if c == nil || !c.Changed() {
		return m.standing()
	}
	add(c.Counts.Broken, "new "+brokenWord(c))
	add(c.Counts.Recovered, "recovered")
	add(c.NewlyFlapping, "flapping")
	add(c.Counts.Gone, "no longer checked")
	if len(parts) == 0 {
		add(c.Counts.Added, "newly checked")
	}
	if len(parts) == 0 { // something that was not told before, of which no more is known
		return m.standing()
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

// sections are the text of a message: what changed, why, and what to do. Where
// something broke the causes come first: there are few of them, and many hosts.
func (m *Message) sections() []section {
	out := m.hindrances()
	causes := m.causes()
	if len(causes.lines) > 0 && m.bad() {
		out = append(out, causes)
	}
	out = append(out, m.changes()...)
	out = append(out, m.differences()...)
	if len(causes.lines) > 0 && !m.bad() {
		out = append(out, causes)
	}
	if m.Changes != nil || m.Diff != nil { // else the subject says so
		now := []string{line(m.standing())}
		if m.Changes != nil && m.Changes.Counts.Still > 0 {
			now = append(now, "broken before, and still: "+counted(m.Changes.Counts.Still, "path", "paths"))
		}
		if m.Diff != nil && m.Diff.Counts.StillBroken > 0 {
			now = append(now, "broken in both: "+counted(m.Diff.Counts.StillBroken, "path", "paths"))
		}
		out = append(out, section{"How all of it stands now", now})
	}
	out = append(out, m.records()...)
	if m.More != "" {
		out = append(out, section{"To see more", []string{line(m.More)}})
	}
	return out
}

// hindrances are why the run is not whole.
func (m *Message) hindrances() []section {
	switch {
	case m.Run.End.Err != "":
		return []section{{"The check broke off", []string{line(m.Run.End.Err)}}}
	case m.Run.Truncated != nil:
		return []section{{"The record is incomplete", []string{line(m.Run.Truncated.Error())}}}
	default:
		return nil
	}
}

// changes are those since the run before, and what was not told of the runs
// before that.
func (m *Message) changes() []section {
	c := m.Changes
	if c == nil {
		return nil
	}
	var out []section
	out = append(out, items("New failures", c.Broken, c.Counts.Broken, broke)...)
	out = append(out, items("Recovered", c.Recovered, c.Counts.Recovered, was)...)
	if c.NewlyFlapping > 0 {
		out = append(out, items("Flapping: open and failing by turns", c.Flapping, c.Counts.Flapping, path)...)
	}
	out = append(out, items("No longer in the plan: nothing is known of them", c.Gone, c.Counts.Gone, was)...)
	if !c.First { // else all of it is
		out = append(out, items("New in the plan", c.Added, c.Counts.Added, path)...)
	}
	switch {
	case c.Lost == "":
	case c.First:
		out = append(out, section{"The state file could not be read", []string{line(c.Lost + ": this run is compared with nothing")}})
	default:
		out = append(out, section{"The state file could not be read by an earlier run", []string{line(c.Lost + ": what was known before that run is lost")}})
	}
	if !c.UntoldSince.IsZero() {
		s := "this message could not be sent then; it says how things are now"
		if c.Untold > 0 {
			s = counted(c.Untold, "change", "changes") + " could not be told then, and is said above as it is now"
			if c.Untold > 1 {
				s = strings.Replace(s, "is said", "are said", 1)
			}
		}
		out = append(out, section{"Told late, since the run of " + stamp(c.UntoldSince), []string{s}})
	}
	return out
}

// differences are those between two records.
func (m *Message) differences() []section {
	d := m.Diff
	if d == nil {
		return nil
	}
	return slices.Concat(
		items("Worse", d.Worse, d.Counts.Worse, broke), items("Better", d.Better, d.Counts.Better, was),
		items("In the old record alone: nothing is known of them", d.Gone, d.Counts.Gone, was), items("In the new record alone", d.Added, d.Counts.Added, broke),
	)
}

// records say of which files the message is.
func (m *Message) records() []section {
	s := section{title: "Of the recorded runs"}
	if len(m.Records) == 1 {
		s.title = "Of the recorded run"
	}
	for i, r := range m.Records[:min(len(m.Records), maxItems)] {
		text := fmt.Sprintf("%s: by %s, %s", r.File, cmp.Or(r.Scanner, "an unknown machine"), stamp(r.Started))
		if m.Diff != nil {
			text = []string{"old: ", "new: "}[min(i, 1)] + text
		}
		if !r.Complete {
			text += ", incomplete"
		}
		s.lines = append(s.lines, line(text))
	}
	if left := len(m.Records) - len(s.lines); left > 0 {
		s.lines = append(s.lines, fmt.Sprintf("and %d more", left))
	}
	if len(s.lines) == 0 {
		return nil
	}
	return []section{s}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// causes are the explanations of all that fails now, with what to do.
func (m *Message) causes() section {
	s := section{title: "Causes of all that fails now, and what to do"}
	n := 0
	list, _ := cause.Fold(m.Run.Causes)
	for _, c := range list {
		if c.State == verdict.Untested {
			continue
		}
		if n++; n > maxCauses {
			continue
		}
		text := fmt.Sprintf("%d. %s", n, c.Message)
		if profiles := c.Profiles(); len(m.Run.Header.Profiles) > 1 {
			text += " (" + strings.Join(profiles, ", ") + ")"
		}
		s.lines = append(s.lines, line(text))
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
	if i.Steady {
		s += ", steadily, after flapping"
	}
	if i.Message != "" {
		s += ": " + i.Message
	}
	return s
}

// was says what a path was that works now, or that is not checked now.
func was(i history.Item) string {
	switch {
	case i.Steady:
		return path(i) + ": open, steadily, after flapping"
	case i.Was == verdict.StateUnknown:
		return path(i)
	default:
		return path(i) + ": was " + i.Was.String()
	}
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
	if m.Diff != nil {
		return m.Diff.Counts.Worse > 0
	}
	if c := m.Changes; c != nil && c.Changed() {
		return c.Counts.Broken+c.NewlyFlapping > 0
	}
	return m.Exit != verdict.ExitOpen
}
