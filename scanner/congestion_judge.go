package scanner

import "math"

// judge takes an epoch into the evidence as soon as enough of its silent first
// tries have been tried again, and decides on it.
func (c *congestion) judge(e *epoch, now int64) {
	if e.over || e.start == 0 || e.end > now {
		return
	}
	silent := e.tries - e.answered - e.rejected
	if e.ripe == 0 && (silent == 0 || e.retried >= min(fewTries, (9*silent+9)/10)) {
		e.ripe = now
	}
	if e.ripe == 0 || now-max(e.ripe, e.end) < int64(c.rtt.bound()) {
		return
	}
	e.over = true
	rate := e.rate()
	lost := float64(e.recovered)
	if e.retried > 0 && silent > e.retried {
		lost *= float64(silent) / float64(e.retried)
	}
	found := evidence{float64(e.answered), lost, float64(e.firsts), float64(e.greeted)}
	if found.tries() >= fewTries && found.answered < outageShare*found.tries() {
		return
	}
	if c.resume == 0 && e.start < c.cut && rate > c.rate*1.05 {
		c.deepen(rate, found)
		return
	}
	c.bands.add(rate, found)
	switch {
	case e.idled():
	case c.resume > 0:
		c.verdict(rate, now)
	default:
		c.weigh(rate, now)
	}
}

// deepen takes late evidence of a rate that was given up: it may be that even
// less came through than was known then.
func (c *congestion) deepen(rate float64, found evidence) {
	low := c.bands.below(rate)
	if low.tries() < fewTries || found.tries() < fewTries || !found.worse(low) {
		return
	}
	if limit := rate * c.through(found, low); limit < c.limit {
		c.limit = limit
		c.setRate(min(c.rate, limit*margin))
		c.bands.drop(c.rate)
	}
}

// weigh decides on the evidence of one rate.
func (c *congestion) weigh(rate float64, now int64) {
	if c.review != 0 && now > c.review {
		c.bands, c.review = bands{}, 0
		return
	}
	high, low := c.bands.from(rate), c.bands.below(rate)
	switch {
	case high.tries() < fewTries/2:
		c.clean = max(c.clean, rate) // silence is no loss
	case low.tries() >= fewTries && high.worse(low):
		c.limit = rate * c.through(high, low)
		c.decrease(now, c.limit, margin)
	case low.tries() >= fewTries || high.loss() < worseLoss:
		c.clean = max(c.clean, rate)
		switch {
		case c.starts || rate < 0.8*c.rate:
		case rate > 1.08*c.limit: // what was in the way is gone
			c.limit = c.rate
			c.setRate(c.rate * faster)
		default:
			c.setRate(c.rate + increase*c.limit)
		}
	case c.rate > 1.3*rate:
		// evidence of higher rates is under way and can be compared
	case high.tries() >= fewTries && high.loss() > 1.5*worseLoss:
		c.resume = c.rate
		c.clean = 0
		c.setRate(rate * trialPart(high))
		c.cut = now
	}
}

// trialPart is the part of the rate to try instead.
func trialPart(high evidence) float64 {
	return min(max(1-2*high.lost/max(high.answered, 1), trialLeast), trialMost)
}

// verdict ends a trial, when there is evidence of the lower rate.
func (c *congestion) verdict(rate float64, now int64) {
	between := math.Sqrt(c.rate * c.resume)
	if rate > between {
		return
	}
	low, high := c.bands.under(between), c.bands.from(between)
	if deeper := c.resume * trialPart(high); deeper < trialMost*c.rate {
		c.setRate(deeper) // it is worse than it looked when the trial began
		c.cut = now
		return
	}
	if low.tries() < 3*fewTries {
		return
	}
	if high.worse(low) {
		c.limit = c.rate / margin
		c.starts = false
		c.bands.drop(c.rate)
	} else {
		c.setRate(c.resume)
		if high.loss() > heavyLoss {
			c.review = now + int64(reviewAfter)
		}
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
