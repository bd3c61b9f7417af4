package scanner

import "math"

// evidence is what became of tries that were sent at about one rate.
type evidence struct {
	answered float64 // tries
	lost     float64 // tries of paths that answered later
	firsts   float64 // first tries, with those of paths that never answer
	greeted  float64 // first tries that were answered
}

func (e evidence) tries() float64 { return e.answered + e.lost }

func (e evidence) loss() float64 { return e.lost / max(e.tries(), 1) }

func (e evidence) share() float64 { return e.greeted / max(e.firsts, 1) }

func (e evidence) plus(o evidence) evidence {
	return evidence{e.answered + o.answered, e.lost + o.lost, e.firsts + o.firsts, e.greeted + o.greeted}
}

// worse reports whether more is lost here than there: by more than chance (three
// standard deviations of the difference of two shares), and by enough to matter.
func (e evidence) worse(than evidence) bool {
	n, m := e.tries(), than.tries()
	if n < 1 || m < 1 {
		return false
	}
	p := (e.lost + than.lost + 1) / (n + m + 2)
	chance := math.Sqrt(p * (1 - p) * (1/n + 1/m))
	return e.loss()-than.loss() > max(worseLoss, 3*chance)
}

const (
	bandsPerOctave = 8
	bandCount      = 24 * bandsPerOctave
	// bandMost is how many tries a band remembers; older ones fade.
	bandMost = 4000
)

// bands keeps evidence by rate, each band 9 % wide, in bounded memory.
type bands [bandCount]evidence

func band(rate float64) int {
	return min(max(int(bandsPerOctave*math.Log2(max(rate, 1))), 0), bandCount-1)
}

func (b *bands) add(rate float64, more evidence) {
	e := &b[band(rate)]
	*e = e.plus(more)
	if fade := bandMost / max(e.tries(), 1); fade < 1 {
		*e = evidence{e.answered * fade, e.lost * fade, e.firsts * fade, e.greeted * fade}
	}
}

// from is the evidence of a rate and all higher ones.
func (b *bands) from(rate float64) (sum evidence) {
	for _, e := range b[band(rate):] {
		sum = sum.plus(e)
	}
	return sum
}

// under is the evidence of all lower bands.
func (b *bands) under(rate float64) (sum evidence) {
	for _, e := range b[:band(rate)] {
		sum = sum.plus(e)
	}
	return sum
}

// below is the evidence of rates that are clearly lower, by 9 % or more.
func (b *bands) below(rate float64) (sum evidence) {
	for _, e := range b[:max(band(rate)-1, 0)] {
		sum = sum.plus(e)
	}
	return sum
}

// drop forgets the evidence of higher rates.
func (b *bands) drop(rate float64) { clear(b[band(rate)+1:]) }
