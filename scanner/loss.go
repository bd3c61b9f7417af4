package scanner

import (
	"cmp"
	"math"
)

// Stats is what a run knows of its own exactness.
type Stats struct {
	Packets  uint64 // sent by the sweep
	Answered int    // paths that answered, be it with a refusal
	Tries    int    // packets that these needed until one was answered, all together; without Outage
	Retried  int    // of those that answered, paths that did not at the first packet
	Silent   int    // paths that stayed silent to the end
	MinTries int    // the fewest packets that any of the silent ones got
	// Outage is how many packets were lost at times at which most were. They
	// say nothing of the loss at other times, and silence then is none.
	Outage int
	// Trouble is how often this machine could not send, or lost what it
	// received; Cause is the latest reason, in its words.
	Trouble int
	Cause   string
	// Cuts is how often the losses were found to grow with the rate, so that the
	// run slowed down: at worst from Fastest, in the end because the network
	// carried about Carried packets a second.
	Cuts             int
	Fastest, Carried float64
	// Judged is what became of the paths of the hosts that are done.
	Judged Judged
	// Local is the doubt with the losses of each subnet for its own paths: some
	// may be worse than the run is on the whole. 0: the run is not at its end.
	Local float64
	// Hidden is how many tries the falsely silent paths are expected to have lost.
	Hidden float64
	// Weight is how many tries of its own a subnet needs to count as much as what
	// is known of the run, by how far the subnets are alike.
	Weight float64

	tolerance float64 // see tolerable
}

// Loss estimates the share of round trips that were lost, from 0 to 1: what
// retransmission recovered, on the paths that answered in the end.
func (s Stats) Loss() float64 {
	if s.Tries == 0 {
		return 0
	}
	return float64(s.lost()) / float64(s.Tries)
}

func (s Stats) lost() int { return max(0, s.Tries-s.Answered) }

// Doubt is the number of paths that are expected to be silent only because
// every one of their packets was lost. It assumes that losses are independent,
// outages apart.
func (s Stats) Doubt() float64 {
	switch {
	case s.Silent == 0:
		return 0
	case s.Local > 0:
		return min(s.Local, float64(s.Silent))
	}
	doubt, _, _ := s.whole()
	return doubt
}

func (s *Stats) whole() (doubt, lost float64, o odds) {
	return s.Judged.whole(float64(s.lost())+1, float64(s.Answered)+1)
}

// share is the probability that a try is lost, as far as it is known.
func (s *Stats) share() float64 {
	return (float64(s.lost()) + s.Hidden + 1) / (float64(s.Tries) + s.Hidden + 2)
}

// falselySilent is how many of the answering paths would still look silent
// after the given number of tries.
func falselySilent(s Stats, tries int) float64 {
	return missed(s.Answered, float64(s.lost())+1, float64(s.Answered)+1, tries)
}

// missed is how many paths, beside those that answered, are expected to have
// lost every try. The loss of a try is known only by so many that were lost and
// so many that were answered: its probability has the beta distribution of
// these, whose moment of the order tries is the probability to lose them all.
// Little evidence thus makes a great doubt.
func missed(answered int, lost, kept float64, tries int) float64 {
	all := 1.0
	for i := range tries {
		all *= (lost + float64(i)) / (lost + kept + float64(i))
	}
	if all >= 1 {
		return math.Inf(1)
	}
	return float64(answered) * all / (1 - all)
}

const (
	// maxDoubt is the expected number of falsely silent paths in a whole run that
	// the silent ones are asked for to get below.
	maxDoubt = 0.01
	// sparing is the part of it that is left for further paths in any case, where
	// those before have used it up: these are not asked again.
	sparing = 16
)

// tolerable is how many falsely silent paths there might be if all paths of the
// run so far were asked as often as one that is asked no more. When the run goes
// on, this one stays as doubtful as it is; so half of what may be is kept.
func tolerable(doubt float64) float64 { return max((maxDoubt-doubt)/2, maxDoubt/sparing) }

// again reports whether a path that was silent for so many tries is asked once
// more: always up to minTries, then for as long as what is known of the losses
// of the run leaves a doubt, and never more often than rounds. Where nothing
// answered, nothing is known.
func again(s Stats, tries, rounds int) bool {
	switch {
	case tries >= rounds:
		return false
	case tries < minTries:
		return true
	default:
		return s.Answered == 0 || falselySilent(s, tries) > s.tolerance
	}
}

// chance is what is known of the loss of a try in the subnet: the two
// parameters of its beta distribution.
func (n *neighbourhood) chance(s Stats, m *moments) (lost, kept float64) {
	p, w := s.share(), cmp.Or(s.Weight, weight)
	return float64(n.lost.count(m)) + w*p, float64(n.answered) + w*(1-p)
}

// again is what again says of the run, for a subnet whose own paths answered, if
// all of the run were like it.
func (n *neighbourhood) again(s Stats, m *moments, tries, rounds int) bool {
	if n.answered == 0 || tries >= rounds {
		return false
	}
	lost, kept := n.chance(s, m)
	return missed(s.Answered, lost, kept, tries) > s.tolerance
}
