package profiles

import (
	"fmt"
	"strings"
)

// nearestLength bounds the work for one comparison: no word of ours is longer.
const nearestLength = 64

// Nearest returns the known word that the given one was most likely meant to
// be, or "" when none is close. It counts insertions, deletions, replacements
// and swaps of neighbours (the restricted Damerau-Levenshtein distance).
func Nearest(word string, known []string) string {
	w := []rune(strings.ToLower(word))
	if len(w) == 0 || len(w) > nearestLength {
		return ""
	}
	best, bestDistance := "", min(3, max(1, len(w)/3))+1
	for _, k := range known {
		if d := distance(w, []rune(strings.ToLower(k))); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
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
