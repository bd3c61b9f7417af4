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
)

// changeLists is how many groups of paths the short text shows of each list;
// -v lifts it.
var changeLists = struct{ broken, recovered, still, flapping, gone, added int }{6, 4, 3, 3, 2, 2}

// groupRows is how many rows of one group are named.
const groupRows = 3

// WriteChanges renders, in place of the run, what changed in it: for jobs that
// are to tell nothing else. Formats that have no words for it get the whole run.
func WriteChanges(w io.Writer, format string, r *Run, o TextOptions) error {
	switch {
	case r.Changes == nil:
		return Write(w, format, r, o)
	case format == "text":
		return changesText(w, r, o)
	case format == "json":
		return changesJSON(w, r)
	default:
		return Write(w, format, r, o)
	}
}

// changesText is the text of the changes, and of why a run is not to be relied on.
func changesText(w io.Writer, r *Run, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	t := text{r: r, o: o, said: map[string]int{}, out: page{w: bufio.NewWriter(w), width: o.Width, color: o.Color}}
	t.changes(true)
	for _, b := range t.warnings() {
		t.out.banner(b.color, b.word, b.rest)
	}
	t.out.para(0, 2, t.about())
	for _, c := range r.Causes {
		if c.State == verdict.Error {
			t.errors = append(t.errors, c)
		}
	}
	t.list([]section{{yellow, "WHAT THIS MACHINE COULD NOT TEST", t.errors, false}})
	return t.out.flush()
}

// changes says what is new since the run before, ahead of everything else. Alone: the report does not follow.
func (t *text) changes(alone bool) {
	c := t.r.Changes
	if c == nil {
		return
	}
	if c.Lost != "" {
		s := "the state file is damaged: " + c.Lost + ". What earlier runs found is lost."
		if c.KeptAs != "" {
			s += " The file is kept as " + c.KeptAs + "."
		}
		t.out.banner(red, "STATE LOST", s+" Everything is new to this run.")
	}
	n := c.Counts
	switch {
	case c.First:
		t.out.banner(yellow, "FIRST RUN", fmt.Sprintf("%s remembered from now on; %s.", pathsAre(c.Paths), strings.Replace(changeCounts(c), "now broken", "broken", 1)))
	case n.Broken > 0:
		t.out.banner(red, "CHANGED", changeCounts(c)+".")
	case c.Changed():
		t.out.banner(green, "CHANGED", changeCounts(c)+".")
	default:
		t.out.banner(plain, "NO CHANGE", changeCounts(c)+".")
	}
	if basis := t.basis(c); basis != "" {
		t.out.para(0, 0, basis)
	}
	if c.First && !alone { // the report says it all
		t.out.line("")
		return
	}
	g := c.Groups
	t.groups(red, "NOW BROKEN", g.Broken, n.Broken, changeLists.broken)
	t.groups(green, "RECOVERED", g.Recovered, n.Recovered, changeLists.recovered)
	t.groups(yellow, "FLAPPING: THEY WORK AND FAIL BY TURNS", g.Flapping, n.Flapping, changeLists.flapping)
	t.groups(yellow, "STILL BROKEN", g.Still, n.Still, changeLists.still)
	t.groups(plain, "GONE FROM THE PLAN: NOT CHECKED ANY MORE, AND NOT RECOVERED", g.Gone, n.Gone, changeLists.gone)
	if !c.First {
		added, paths := notIn(g.Added, n.Added, g.Broken)
		t.groups(plain, "NEW IN THE PLAN", added, paths, changeLists.added)
	}
	t.out.line("")
}

// changeCounts says in a line what changed.
func changeCounts(c *history.Changes) string {
	n := c.Counts
	steady := n.Flapping - c.NewlyFlapping
	var s []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{n.Broken, "now broken"}, {n.Recovered, "recovered"}, {c.NewlyFlapping, "begun to flap"}, {n.Gone, "gone from the plan"},
	} {
		if p.n > 0 {
			s = append(s, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if n.Added > 0 && !c.First {
		s = append(s, fmt.Sprintf("%d new in the plan", n.Added))
	}
	switch {
	case n.Still > 0:
		s = append(s, fmt.Sprintf("%d still broken", n.Still))
	case n.Broken+n.Flapping+c.Unconfirmed+c.Errors == 0 && c.Complete:
		s = append(s, "nothing is known to be broken")
	}
	if c.Errors > 0 {
		s = append(s, fmt.Sprintf("%d not tested by this machine's fault", c.Errors))
	}
	if c.Unconfirmed > 0 {
		s = append(s, fmt.Sprintf("%d not confirmed yet", c.Unconfirmed))
	}
	if steady > 0 {
		s = append(s, fmt.Sprintf("%d still flapping", steady))
	}
	if len(s) == 0 {
		return "in what was checked nothing is known to be broken"
	}
	return strings.Join(s, ", ")
}

// basis says with what was compared, and what the comparison leaves out.
func (t *text) basis(c *history.Changes) string {
	var s []string
	if !c.First {
		s = append(s, "Since the run of "+c.Previous.UTC().Format("2006-01-02 15:04:05 UTC")+".")
	}
	if need, last, _ := strings.Cut(c.Confirm, "/"); c.Unconfirmed > 0 {
		s = append(s, fmt.Sprintf("A change of a path is confirmed when %s of its last %s results agree.", need, last))
	}
	if other := c.Undecided - c.Errors; other > 0 {
		s = append(s, pathCount(other)+" gave no verdict this time, which changes nothing.")
	}
	if c.Unreached > 0 {
		s = append(s, pathCount(c.Unreached)+" were not reached: what is known of them stands.")
	}
	return strings.Join(s, " ")
}

// groups writes one list.
func (t *text) groups(c color, head string, groups []history.Group, paths, most int) {
	if paths == 0 {
		return
	}
	t.out.head(head)
	for i, g := range groups {
		if i == most && !t.o.Verbose {
			for _, shown := range groups[:i] {
				paths -= shown.Paths
			}
			t.out.para(2, 2, fmt.Sprintf("... and %s more; -v shows them.", pathCount(paths)))
			return
		}
		t.out.colored(c, 2, 4, groupLine(&g, groupRows))
		hosts := words(g.Sample)
		if more := g.Hosts - len(g.Sample); more > 0 {
			hosts += fmt.Sprintf(" and %d more", more)
		}
		t.out.labelled(4, "hosts: ", hosts)
	}
}

// notIn leaves out the groups that another list has already, and their paths.
func notIn(groups []history.Group, paths int, have []history.Group) ([]history.Group, int) {
	var out []history.Group
	for _, g := range groups {
		if slices.ContainsFunc(have, func(h history.Group) bool {
			return groupLine(&h, groupRows) == groupLine(&g, groupRows) && h.Hosts == g.Hosts
		}) {
			paths -= g.Paths
			continue
		}
		out = append(out, g)
	}
	return out, paths
}

// groupLine says of a group what it is, and why. Of its rows it names so many.
func groupLine(g *history.Group, rows int) string {
	s := strings.Join(g.Requirements, ", ")
	if more := len(g.Requirements) - rows; more == 1 {
		s = strings.Join(g.Requirements[:rows], ", ") + " and 1 more row"
	} else if more > 1 {
		s = fmt.Sprintf("%s and %d more rows", strings.Join(g.Requirements[:rows], ", "), more)
	}
	if !g.Required {
		s += " (informational)"
	}
	switch was := g.Was != verdict.StateUnknown; {
	case g.Steady:
		s += ": " + g.State.String() + ", steadily, after flapping"
	case g.State == verdict.StateUnknown && was:
		s += ": was " + g.Was.String()
	case was:
		s += ": " + g.State.String() + ", was " + g.Was.String()
	case g.State != verdict.StateUnknown:
		s += ": " + g.State.String()
	}
	if g.Message != "" {
		s += ": " + g.Message
	}
	return s
}

func pathCount(n int) string {
	if n == 1 {
		return "1 path"
	}
	return fmt.Sprintf("%d paths", n)
}

func pathsAre(n int) string { return pathCount(n) + " " + are(n) }

// changesJSON is the document without what has nothing to do with the changes.
func changesJSON(w io.Writer, r *Run) error {
	d := document{w: bufio.NewWriter(w)}
	d.raw(`{"schema":`)
	d.value(record.Schema)
	d.raw(",\n\"run\":")
	d.value(r.runJSON())
	d.raw(",\n\"summary\":")
	d.value(r.summaryJSON())
	d.changes(r)
	d.raw("}\n")
	return d.flush()
}

// changes adds the key of the changes, if the run was compared with others.
func (d *document) changes(r *Run) {
	if r.Changes != nil {
		d.raw(",\n\"changes\":")
		d.value(r.Changes)
	}
}
