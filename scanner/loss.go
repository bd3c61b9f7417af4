package scanner

import "math"

// Stats is what a run knows of its own exactness.
type Stats struct {
	Packets  uint64 // sent by the sweep
	Answered int    // paths that answered
	Tries    int    // packets that these needed, all together
	Silent   int    // paths that stayed silent to the end
	MinTries int    // the fewest packets that any of the silent ones got
}

// Loss estimates the share of round trips that were lost, from 0 to 1: what
// retransmission recovered, on the paths that answered in the end.
func (s Stats) Loss() float64 {
	if s.Tries == 0 {
		return 0
	}
	return float64(s.Tries-s.Answered) / float64(s.Tries)
}

// Doubt is the number of paths that are expected to be silent only because
// every one of their packets was lost. It assumes that losses are independent.
func (s Stats) Doubt() float64 {
	if s.Silent == 0 {
		return 0
	}
	return math.Min(falselySilent(s, s.MinTries), float64(s.Silent))
}

// falselySilent is how many of the answering paths would still look silent
// after the given number of tries.
func falselySilent(s Stats, tries int) float64 {
	miss := math.Pow(s.Loss(), float64(tries))
	if miss >= 1 {
		return math.Inf(1)
	}
	return float64(s.Answered) * miss / (1 - miss)
}

// maxDoubt is the expected number of falsely silent paths in a whole run below
// which a silent path is not asked again.
const maxDoubt = 0.01

// again reports whether a path that was silent for so many tries is asked
// once more: always up to minTries, then for as long as the losses of the run
// leave a doubt, and never more often than rounds.
func again(s Stats, tries, rounds int) bool {
	switch {
	case tries >= rounds:
		return false
	case tries < minTries:
		return true
	default:
		return falselySilent(s, tries) > maxDoubt
	}
}
