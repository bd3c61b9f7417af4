package report

import (
	"cmreach/scanner/record"
	"fmt"
	"math"
)

// doubt says how far the silence can be trusted, and what limited the run.
func (t *text) doubt() {
	t.out.head("HOW SURE")
	for _, s := range t.confidence() {
		t.out.para(2, 2, s)
	}
	notes := t.r.Header.Notes
	for i, n := range notes {
		if i == textNotes && !t.o.Verbose {
			t.out.para(2, 4, fmt.Sprintf("- and %d more; -v shows them", len(notes)-i))
			return
		}
		t.out.para(2, 4, "- "+n)
	}
}

// confidence says what the findings rest on.
func (t *text) confidence() []string {
	r := t.r
	var out []string
	switch {
	case r.Truncated != nil:
		out = append(out, fmt.Sprintf("The record has no end: how many of %s are wrong is not known.", silentPaths(r.Silent)))
	case r.Silent == 0:
		out = append(out, fmt.Sprintf("No path was silent: nothing here rests on a missing answer (loss %s).", percent(r.End.Loss)))
	default:
		out = append(out, fmt.Sprintf("%s of %s %s expected to be wrong (loss %s).",
			expected(r.End.Doubt), silentPaths(r.Silent), are(r.Silent), percent(r.End.Loss)))
		if n := moreRounds(r.Header.Rounds, r.End); n > 0 {
			out = append(out, fmt.Sprintf("More tries (--rounds %d) bring that below 0.01.", n))
		}
	}
	if s := hurdles(r.End.Hurdles); s != "" {
		out = append(out, s)
	}
	if r.Remarked > 0 {
		out = append(out, fmt.Sprintf("The name service says different things of %s: the evidence has them (-v).", hosts(r.Remarked)))
	}
	return out
}

// moreRounds is how many rounds would have made the silence sure: each is as good
// as the share of the packets that it loses is small. Paths may have got one more
// than the rounds of the run, see [scanner.Config.Extra]. 0: it is sure, or the
// record does not tell.
func moreRounds(rounds int, e record.End) int {
	if e.Doubt < 0.01 || rounds == 0 || e.Loss <= 0 || e.Loss >= 0.5 {
		return 0
	}
	return rounds + 1 + int(math.Ceil(math.Log(e.Doubt/0.01)/-math.Log(e.Loss)))
}

// expected writes an expected number: 0 where it is not worth a thought.
func expected(n float64) string {
	switch {
	case n < 0.01:
		return "0"
	case n < 10:
		return fmt.Sprintf("%.2f", n)
	default:
		return fmt.Sprintf("%.0f", n)
	}
}
