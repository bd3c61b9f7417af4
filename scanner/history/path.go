package history

import (
	"cmreach/scanner/verdict"
	"net/netip"
)

// kind is what one result of a path means. The order is that in which the
// results of several addresses of one name decide about the name: the worst.
type kind uint8

const (
	kindNone      kind = iota // not seen
	kindGood                  // open, or made good by an open row of its group
	kindUndecided             // no verdict: inconclusive, untested, error
	kindAway                  // down or unresolved: it does not work, and nothing proves why
	kindBad                   // a state that counts as failure
)

// kindOf says what a finding means for its path.
func kindOf(f *verdict.Finding, fail verdict.StateSet) kind {
	switch {
	case f.State == verdict.Open, f.SatisfiedBy != "":
		return kindGood
	case fail.Has(f.State):
		return kindBad
	case f.State == verdict.Down, f.State == verdict.Unresolved:
		return kindAway
	default:
		return kindUndecided
	}
}

// path is what is remembered of a path, and what this run adds.
type path struct {
	row      uint32 // place in Memory.rows
	required bool
	flapping bool
	standing kind          // confirmed: none, good, away or bad
	state    verdict.State // of the last result that agreed with the standing
	since    int64         // Unix time of the start of the run that confirmed it; 0: never
	results  results

	added   bool // by this run
	now     kind // of this run
	outcome outcome
	was     verdict.State // before this run
	seen    *seen         // of this run; nil: good, or not reached
}

// seen is what this run says of a path that is not good.
type seen struct {
	state           verdict.State
	addr            netip.Addr
	reason, message string
}

// outcome is the list of Changes that a path belongs to.
type outcome uint8

const (
	outcomeNone outcome = iota
	outcomeBroken
	outcomeRecovered
	outcomeStill
	outcomeFlapping
	outcomeNewlyFlapping
	outcomeSteadyBroken // broken, and no longer flapping
	outcomeSteadyGood
)

// vote takes the result of a run into account, and says what it comes to.
//
// A result that decides nothing changes nothing: what could not be tested is
// neither broken nor recovered. A path that was proven to be blocked stays so
// while its host is down, for nothing shows otherwise; the other way round, a
// host that was down and is now proven to be blocked is news.
func (p *path) vote(c Confirm, state verdict.State, at int64) {
	p.was, p.outcome = p.state, outcomeNone
	if p.now == kindUndecided || p.now == kindNone {
		p.outcome = p.asBefore()
		return
	}
	p.results = p.results.with(p.now)
	before := p.flapping
	switch {
	case before && p.results.steady(c):
		p.flapping = false
		p.stand(p.now, state, at)
		p.outcome = outcomeSteadyGood
		if p.now != kindGood {
			p.outcome = outcomeSteadyBroken
		}
		return
	case before, p.results.flaps(c):
		p.flapping = true
		p.outcome = outcomeFlapping
		if !before {
			p.outcome = outcomeNewlyFlapping
		}
		return
	}
	if p.confirmed(c) {
		first := p.standing == kindNone
		p.stand(p.now, state, at)
		switch {
		case p.now != kindGood:
			p.outcome = outcomeBroken
		case !first:
			p.outcome = outcomeRecovered
		}
		return
	}
	if p.now == p.standing || p.standing == kindBad && p.now == kindAway {
		p.state = state
	}
	p.outcome = p.asBefore()
}

func (p *path) stand(k kind, state verdict.State, at int64) {
	p.standing, p.state, p.since = k, state, at
}

// troubled reports whether the path is known not to work.
func (p *path) troubled() bool { return p.standing == kindBad || p.standing == kindAway }

// asBefore is the outcome of a path of which nothing is new.
func (p *path) asBefore() outcome {
	switch {
	case p.flapping:
		return outcomeFlapping
	case p.troubled():
		return outcomeStill
	default:
		return outcomeNone
	}
}

// confirmed reports whether the last result is another standing than the one
// before, and enough of the results before agree.
func (p *path) confirmed(c Confirm) bool {
	switch p.standing {
	case kindBad:
		return p.now == kindGood && p.results.good(c.Last) >= c.Need
	case kindAway:
		return p.now == kindGood && p.results.good(c.Last) >= c.Need ||
			p.now == kindBad && p.results.bads(c.Last) >= c.Need
	case kindGood:
		return p.now != kindGood && p.results.troubles(c.Last) >= c.Need
	default:
		return p.now == kindGood && p.results.good(c.Last) >= c.Need ||
			p.now != kindGood && p.results.troubles(c.Last) >= c.Need
	}
}

// unconfirmed reports whether the path fares otherwise than is believed of it.
// Of one that works and has not done so for long, nobody believes otherwise.
func (p *path) unconfirmed() bool {
	switch {
	case p.flapping:
		return false
	case p.now == kindGood:
		return p.troubled()
	case p.now == kindBad:
		return p.standing != kindBad
	default:
		return p.now == kindAway && !p.troubled()
	}
}
