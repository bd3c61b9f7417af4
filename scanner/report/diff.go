package report

import (
	"bufio"
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// DiffFormats are the formats of the comparison of two runs.
var DiffFormats = []string{"text", "json", "junit"}

// DiffRun is one of the two runs that were compared.
type DiffRun struct {
	File     string    `json:"file"`
	Scanner  string    `json:"scanner"`
	Started  time.Time `json:"started"`
	Complete bool      `json:"complete"`
}

// DiffReport is two runs, and how they differ.
type DiffReport struct {
	Old, New DiffRun
	Exit     int
	history.Diff
}

// WriteDiff renders the comparison of two runs.
func WriteDiff(w io.Writer, format string, r *DiffReport, o TextOptions) error {
	switch format {
	case "text":
		return diffText(w, r, o)
	case "json":
		return diffJSON(w, r)
	case "junit":
		return diffJUnit(w, r)
	default:
		return fmt.Errorf("unknown format %q (known: %s)", format, strings.Join(DiffFormats, ", "))
	}
}

// diffList is one list of a comparison.
type diffList struct {
	name   string
	color  color
	items  []history.Item
	groups []history.Group
	most   int // lines of the short text
}

func (r *DiffReport) lists() []diffList {
	g := r.Groups
	return []diffList{
		{"worse", red, r.Worse, g.Worse, 7},
		{"better", green, r.Better, g.Better, 3},
		{"unclear", yellow, r.Unclear, g.Unclear, 2},
		{"gone", plain, r.Gone, g.Gone, 1},
		{"new", plain, r.Added, g.Added, 1},
	}
}

// diffText is the comparison for people: in at most 20 lines, or with -v whole.
func diffText(w io.Writer, r *DiffReport, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	out := page{w: bufio.NewWriter(w), width: o.Width, color: o.Color}
	n := r.Counts
	counts := fmt.Sprintf("%d worse, %d better, %d unclear, %d gone, %d new, %d unchanged", n.Worse, n.Better, n.Unclear, n.Gone, n.Added, n.Unchanged)
	if n.StillBroken > 0 {
		counts += fmt.Sprintf(" (of these %d broken in both)", n.StillBroken)
	}
	if n.LeftOut > 0 {
		counts += fmt.Sprintf(", %d left out as a run did not reach them", n.LeftOut)
	}
	switch {
	case n.WorseRequired > 0:
		out.banner(red, "WORSE", counts+".")
	case n.Worse+n.Unclear > 0:
		out.banner(yellow, "NOT WORSE", counts+".")
	default:
		out.banner(green, "NOT WORSE", counts+".")
	}
	out.line(short(clean("old: "+r.Old.line()), o.Width))
	out.line(short(clean("new: "+r.New.line()), o.Width))
	for _, l := range r.lists() {
		if o.Verbose {
			diffWhole(&out, l)
		} else {
			diffShort(&out, l, o.Width)
		}
	}
	return out.flush()
}

// line is the run in one line; what may be long is at the end.
func (r *DiffRun) line() string {
	s := r.Started.UTC().Format("2006-01-02 15:04:05 UTC")
	if !r.Complete {
		s += ", INCOMPLETE"
	}
	return s + ", by " + r.Scanner + ", " + r.File
}

// diffShort writes a line for each group, the largest first.
func diffShort(out *page, l diffList, width int) {
	left := len(l.items)
	for i, g := range l.groups {
		if i == l.most {
			out.line(short(fmt.Sprintf("  %-7s %5d  more; -v shows them", l.name, left), width))
			return
		}
		left -= g.Paths
		if l.name == "worse" && g.Was == verdict.Open { // as most are
			g.Was = verdict.StateUnknown
		}
		where := fmt.Sprintf("%d hosts", g.Hosts)
		if g.Hosts == 1 {
			where = g.Sample[0]
		}
		s := fmt.Sprintf("  %-7s %5d  %s [%s]", l.name, g.Paths, groupLine(&g, 1), where)
		if tail := " [" + clean(where) + "]"; len(clean(s)) > width && len(tail) < width/3 { // the message is cut, and not the place
			s = short(strings.TrimSuffix(clean(s), tail), width-len(tail)) + tail
		}
		out.line(out.paint(l.color, short(clean(s), width)))
	}
}

// diffWhole writes all groups with what there is to say of them.
func diffWhole(out *page, l diffList) {
	if len(l.items) == 0 {
		return
	}
	out.head(strings.ToUpper(l.name))
	for _, g := range l.groups {
		out.colored(l.color, 2, 9, fmt.Sprintf("%5d  %s", g.Paths, groupLine(&g, groupRows)))
		hosts := words(g.Sample)
		if more := g.Hosts - len(g.Sample); more > 0 {
			hosts += fmt.Sprintf(" and %d more", more)
		}
		out.labelled(9, "hosts: ", hosts)
	}
}

// diffJSON is the comparison as one document, with every path that changed.
func diffJSON(w io.Writer, r *DiffReport) error {
	d := document{w: bufio.NewWriter(w)}
	d.raw(`{"schema":`)
	d.value(record.Schema)
	d.raw(",\n\"old\":")
	d.value(r.Old)
	d.raw(",\n\"new\":")
	d.value(r.New)
	d.raw(",\n\"exit\":" + fmt.Sprint(r.Exit))
	d.raw(",\n\"counts\":")
	d.value(r.Counts)
	for _, l := range r.lists() {
		name := l.name
		if name == "new" {
			name = "added" // as in "changes"; "new" is the run
		}
		d.raw(",\n\"" + name + "\":[")
		sep := "\n"
		for i := range l.items {
			d.raw(sep)
			d.value(&l.items[i])
			sep = ",\n"
		}
		d.raw("]")
	}
	d.raw("}\n")
	return d.flush()
}

// diffJUnit is the comparison for CI: a case for each path that changed, and
// one that says how many did not. Worse required paths are failures.
func diffJUnit(w io.Writer, r *DiffReport) error {
	m := &markup{w: bufio.NewWriter(w)}
	cases, skipped := 1, 0
	for _, l := range r.lists() {
		cases += len(l.items)
		if l.name != "better" {
			skipped += len(l.items)
		}
	}
	skipped -= r.Counts.WorseRequired
	host := strings.TrimSpace(clean(r.New.Scanner))
	if host == "" {
		host = "localhost"
	}
	m.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<testsuites>\n")
	m.open(1, "testsuite",
		attr{"name", "cmreach.diff"}, attr{"id", "0"}, attr{"package", ""}, attr{"timestamp", timestamp(r.New.Started)}, attr{"hostname", host},
		attr{"tests", fmt.Sprint(cases)}, attr{"failures", fmt.Sprint(r.Counts.WorseRequired)}, attr{"errors", "0"}, attr{"skipped", fmt.Sprint(skipped)},
		attr{"time", seconds(0)})
	m.raw("\n")
	m.open(2, "properties")
	m.raw("\n")
	m.empty(3, "property", attr{"name", "cmreach.old"}, attr{"value", r.Old.line()})
	m.empty(3, "property", attr{"name", "cmreach.new"}, attr{"value", r.New.line()})
	m.close(2, "properties")
	for _, l := range r.lists() {
		for i := range l.items {
			diffCase(m, l.name, &l.items[i])
		}
	}
	m.empty(2, "testcase", attr{"classname", "cmreach.diff"}, attr{"name", "paths without a change"}, attr{"time", seconds(0)})
	m.leaf(2, "system-out", fmt.Sprintf("%d paths are unchanged, of these %d broken; %d were left out", r.Counts.Unchanged, r.Counts.StillBroken, r.Counts.LeftOut))
	m.leaf(2, "system-err", "")
	m.close(1, "testsuite")
	m.raw("</testsuites>\n")
	return m.flush()
}

// diffCase writes the case of one path.
func diffCase(m *markup, list string, it *history.Item) {
	profile, row, _ := strings.Cut(it.Requirement, "/")
	class := "cmreach.diff." + dotless(profile) + "." + dotless(row)
	attrs := []attr{{"classname", class}, {"name", short(clean(it.Host), junitName)}, {"time", seconds(0)}}
	if list == "better" {
		m.empty(2, "testcase", attrs...)
		return
	}
	m.open(2, "testcase", attrs...)
	m.raw("\n")
	g := history.Group{Requirements: []string{it.Requirement}, Required: it.Required, State: it.State, Was: it.Was, Message: it.Message}
	message := list + ": " + clean(groupLine(&g, groupRows))
	element, kind := "skipped", []attr(nil)
	if list == "worse" && it.Required {
		element, kind = "failure", []attr{{"type", it.Reason}}
	}
	m.leaf(3, element, short(message, junitBody/4), slices.Concat([]attr{{"message", short(message, junitMessage)}}, kind)...)
	m.close(2, "testcase")
}
