package scanner

import (
	"math"
	"time"
)

// judge takes an epoch into the evidence as soon as most of its silent tries have
// been tried again, and decides on it.
func (c *congestion) judge(e *epoch, now int64) {
	if e.over || e.start == 0 || e.end > now {
		return
	}
	f, sure := e.telling()
	if e.ripe == 0 && f.ripe(sure, time.Duration(now-e.end)) {
		e.ripe = now
	}
	if e.ripe == 0 || now-max(e.ripe, e.end) < c.rtt {
		return
	}
	e.over = true
	rate := e.rate()
	found := evidence{float64(f.answered), float64(f.recovered), float64(e.first.sent), float64(e.first.answered)}
	if silent := f.silent(); silent > f.retried { // of the rest it is not known what was lost
		part := float64(f.retried) / float64(silent)
		found.answered, found.firsts, found.greeted = part*found.answered, part*found.firsts, part*found.greeted
	}
	if found.tries() >= fewTries && found.answered < outageShare*found.tries() {
		return
	}
	switch {
	case found.tries() < fewTries/2:
	case found.lost > crowdLoss*found.answered:
		if c.heavy == 0 {
			c.heavy = e.start
		}
	case c.resume == 0:
		c.heavy = 0
	}
	if c.resume == 0 && e.start < c.cut && rate > c.rate*1.05 {
		c.deepen(rate, found, e.end)
		return
	}
	if c.bands.add(rate, found); found.tries() >= epochPackets {
		c.known = max(c.known, min(rate, c.rate))
	}
	switch {
	case e.idled():
	case c.resume > 0:
		c.verdict(rate, found, now)
	default:
		c.weigh(rate, e.start >= c.cut, now)
	}
}

// ripe reports whether enough of the silent tries have been tried again, so long
// after they left. Of first tries, some are as good as all.
func (f *fates) ripe(first bool, after time.Duration) bool {
	most, wait := (9*f.silent()+9)/10, ripening
	if first {
		most, wait = (3*f.silent()+3)/4, ripening/4
	}
	return f.retried >= most || after > rttMost || f.retried >= fewTries && after > wait
}

// deepen takes late evidence of a rate that was given up: it may be that even
// less came through than was known then.
func (c *congestion) deepen(rate float64, found evidence, until int64) {
	low := c.bands.below(rate)
	if low.tries() < fewTries || found.tries() < fewTries || !found.worse(low) {
		return
	}
	c.crowded(until)
	if limit := rate * c.through(found, low); limit < c.limit {
		c.limit = limit
		c.setRate(min(c.rate, limit*margin))
		c.bands.drop(c.rate)
	}
}

// weigh decides on the evidence of one rate.
func (c *congestion) weigh(rate float64, current bool, now int64) {
	high, low := c.bands.from(rate), c.bands.below(rate)
	switch {
	case high.tries() < fewTries/2:
		c.clean = max(c.clean, rate) // silence is no loss
	case low.tries() >= fewTries && high.worse(low):
		c.limit = rate * c.through(high, low)
		c.blamed(rate, c.limit, now)
		c.decrease(now, c.limit, margin)
	case low.tries() >= fewTries || high.loss() < worseLoss:
		c.clean = max(c.clean, rate)
		switch {
		case c.starts || rate < 0.8*c.rate:
			return
		case rate > 1.08*c.limit: // what was in the way is gone
			c.limit = c.rate
			c.setRate(c.rate * faster)
		default:
			c.setRate(c.rate + increase*c.limit)
		}
		c.raised = now
	case c.rate > 1.3*rate:
		// evidence of higher rates is under way and can be compared
	case !current:
	case high.tries() >= fewTries && high.loss() > heavyLoss, high.tries() >= 3*fewTries && high.loss() > 1.5*worseLoss:
		c.resume = c.rate
		c.clean = 0
		c.setRate(rate * trialPart(high))
		c.cut = now
	}
}

// trialPart is the part of the rate to try instead: what came through, when the
// later tries are lost as often as the earlier ones, and a little less.
func trialPart(high evidence) float64 {
	return min(max(margin*(1-high.lost/max(high.answered, 1)), trialLeast), trialMost)
}

// verdict ends a trial, when there is evidence of the lower rate.
func (c *congestion) verdict(rate float64, found evidence, now int64) {
	if rate > c.rate*nearby {
		if deeper := c.resume * trialPart(c.bands.from(rate)); deeper < trialMost*c.rate && found.loss() > heavyLoss {
			c.setRate(deeper) // it is worse than it looked when the trial began
			c.cut = now
		}
		return
	}
	low, high := c.bands.under(c.rate*nearby), c.bands.from(c.rate*nearby)
	switch {
	case low.tries() < 3*fewTries:
		return
	case low.loss() > heavyLoss && c.rate > c.resume*trialEnd:
		c.setRate(c.rate * trialPart(low))
		c.cut = now
		return
	}
	c.conclude(high.worse(low), now)
}

// conclude ends a trial: with the rate that was tried, when the higher one was
// to blame for the losses, else with that one.
func (c *congestion) conclude(blame bool, now int64) {
	if blame {
		c.limit = math.Sqrt(c.rate * c.resume) // somewhere between
		c.starts = false
		if c.rate > crowdPart*c.resume {
			c.heavy = 0
		}
		c.blamed(c.resume, c.rate, c.cut)
		c.bands.drop(c.rate)
	} else {
		c.setRate(c.resume)
	}
	c.resume, c.cut = 0, now
}

// through is the part of the packets that came through at the higher rate, of
// those that would have at the lower one. Of lost tries only those are known
// whose path answered later, when that was not lost too; so the truth is between
// no loss of retransmissions and as much as of all others, and the share of first
// tries that were answered tells where.
func (c *congestion) through(high, low evidence) float64 {
	most := high.answered / max(high.tries(), 1)
	least := 1 - high.lost/max(high.answered, 1)
	clear := max(1-low.loss(), 0.01)
	part := min(1, most/clear)
	if low.share() > 0 {
		part = min(part, max(high.share()/low.share(), least/clear))
	}
	return max(part, 1.0/8)
}

// decrease sets the rate to a part of another.
func (c *congestion) decrease(now int64, rate, part float64) {
	c.limit = rate
	c.setRate(min(c.rate, rate*part))
	c.starts, c.resume, c.clean, c.cut = false, 0, 0, now
	c.bands.drop(c.rate)
}

// blamed notes that the rate was found to be the cause of losses until a time.
func (c *congestion) blamed(rate, carried float64, until int64) {
	c.cuts++
	c.fastest = max(c.fastest, rate)
	c.carried = carried
	c.crowded(until)
}

// crowded notes that so much was lost until a time that silence then tells
// nothing, if it was.
func (c *congestion) crowded(until int64) {
	if c.heavy == 0 {
		return
	}
	d := span{time.Duration(c.heavy - 1), time.Duration(until)}
	if c.fresh {
		d = span{min(d.from, c.crowd.from), max(d.to, c.crowd.to)}
	}
	c.crowd, c.fresh, c.heavy = d, true, 0
}

// crowds returns a time in which the rate was the cause of heavy losses, once.
func (c *congestion) crowds() (span, bool) {
	fresh := c.fresh
	c.fresh = false
	return c.crowd, fresh
}
