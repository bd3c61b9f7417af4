package report

import (
	"cmreach/scanner/verdict"
	"fmt"
	"strings"
)

// coverageJSON is how much of a profile the merged runs have proven.
type coverageJSON struct {
	Profile   string  `json:"profile"`
	Required  int     `json:"required"` // paths of required rows
	Proven    int     `json:"proven"`   // of these
	Percent   float64 `json:"percent"`
	ByHand    int     `json:"by_hand"`   // required rows that no packet can test
	Conflicts int     `json:"conflicts"` // paths on which the runs disagree
}

// merged reports whether the record was made of several runs.
func (r *Run) merged() bool { return len(r.Header.Merged) > 0 }

func (r *Run) coverageJSON() []coverageJSON {
	if !r.merged() {
		return nil
	}
	var out []coverageJSON
	for _, c := range r.Coverage {
		out = append(out, coverageJSON{c.Profile, c.Required, c.Proven, c.Percent(), c.ByHand, c.Conflicts})
	}
	return out
}

// coverage says how much the merged runs have proven, and where they disagree.
func (t *text) coverage() {
	if !t.r.merged() {
		return
	}
	t.out.head("COVERAGE")
	list := t.r.Coverage
	if !t.o.Verbose {
		list = t.partly()
	}
	width := 0
	for _, c := range list {
		width = max(width, len([]rune(clean(c.Profile))))
	}
	for _, c := range list {
		t.out.colored(coverageColor(c), 2, 4+width, fmt.Sprintf("%-*s %s", width, clean(c.Profile), coverageLine(c)))
	}
	var from []string
	for _, o := range t.r.Header.Merged {
		if len(from) == textOrigins && !t.o.Verbose {
			from = append(from, fmt.Sprintf("%d more", len(t.r.Header.Merged)-textOrigins))
			break
		}
		if t.o.Verbose {
			t.out.para(2, 4, fmt.Sprintf("from %s, %s, %s", o.Run, o.Started.UTC().Format("2006-01-02 15:04:05 UTC"), hosts(o.Hosts)))
			continue
		}
		from = append(from, fmt.Sprintf("%s (%s)", middle(clean(o.Run), 50), hosts(o.Hosts)))
	}
	if len(from) > 0 {
		t.out.para(2, 4, "from "+strings.Join(from, ", "))
	}
}

// textOrigins is how many of the merged runs the short text names.
const textOrigins = 3

// partly says in one line which profiles are proven as far as packets can, and
// returns the others.
func (t *text) partly() verdict.Coverages {
	var whole []string
	var rest verdict.Coverages
	for _, c := range t.r.Coverage {
		if c.Required > 0 && c.Proven == c.Required && c.Conflicts == 0 {
			whole = append(whole, c.Profile)
		} else {
			rest = append(rest, c)
		}
	}
	if len(whole) > 0 {
		t.out.colored(green, 2, 4, words(whole)+": every required path has a proven verdict")
	}
	return rest
}

func coverageColor(c verdict.Coverage) color {
	switch {
	case c.Conflicts > 0:
		return red
	case c.Proven < c.Required:
		return yellow
	default:
		return green
	}
}

func coverageLine(c verdict.Coverage) string {
	parts := []string{"nothing is required"}
	if c.Required > 0 {
		parts[0] = fmt.Sprintf("%.1f %%: %d of %d required paths are proven", c.Percent(), c.Proven, c.Required)
	}
	if c.ByHand > 0 {
		parts = append(parts, fmt.Sprintf("%d to be checked by hand", c.ByHand))
	}
	if c.Conflicts > 0 {
		parts = append(parts, fmt.Sprintf("the runs disagree on %d, where the worse counts: -v shows the evidence of both", c.Conflicts))
	}
	return strings.Join(parts, "; ")
}
