package profiles

import (
	"fmt"
	"strings"
)

// nearestLength bounds the work for one comparison: no word of ours is longer.
const nearestLength = 64

// Nearest returns the known word that the given one was most likely meant to
// be, or "" when none is close. It counts insertions, deletions, replacements
// and swaps of neighbours (the restricted Damerau-Levenshtein distance); when
// that finds nothing, it takes the word for the beginning of one known word, or
// for its initials, as in "mp" for "management-point".
func Nearest(word string, known []string) string {
	w := []rune(strings.ToLower(word))
	if len(w) == 0 || len(w) > nearestLength {
		return ""
	}
	best, bestDistance := "", min(3, max(1, (len(w)+1)/3))+1
	for _, k := range known {
		if d := distance(w, []rune(strings.ToLower(k))); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return shortened(strings.ToLower(word), known)
	}
	return best
}

// shortened finds the one known word that begins with w or has it for its
// initials.
func shortened(w string, known []string) string {
	var found []string
	for _, k := range known {
		var initials strings.Builder
		for part := range strings.SplitSeq(strings.ToLower(k), "-") {
			initials.WriteString(part[:min(1, len(part))])
		}
		if len(w) > 2 && strings.HasPrefix(strings.ToLower(k), w) || len(w) > 1 && initials.String() == w {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// Suggest words the cure for an unknown word: the nearest known one or, when
// none is close, all of them.
func Suggest(word string, known []string) string {
	if n := Nearest(word, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "known: " + strings.Join(known, ", ")
}

// distance is the number of edits between two words. Three rows suffice,
// because a swap looks back no further than two.
func distance(a, b []rune) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		now[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(last[j+1]+1, now[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
