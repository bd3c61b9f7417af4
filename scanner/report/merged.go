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
	width := 0
	for _, c := range t.r.Coverage {
		width = max(width, len([]rune(clean(c.Profile))))
	}
	for _, c := range t.r.Coverage {
		t.out.colored(coverageColor(c), 2, 4+width, fmt.Sprintf("%-*s %s", width, clean(c.Profile), coverageLine(c)))
	}
	for i, o := range t.r.Header.Merged {
		if i == textCauses && !t.o.Verbose {
			t.out.para(2, 4, fmt.Sprintf("and from %d more", len(t.r.Header.Merged)-i))
			break
		}
		t.out.para(2, 4, fmt.Sprintf("from %s, %s, %s", o.Run, o.Started.UTC().Format("2006-01-02 15:04:05 UTC"), hosts(o.Hosts)))
	}
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
