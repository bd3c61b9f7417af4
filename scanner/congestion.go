package scanner

import (
	"math"
	"time"
)

// The congestion control of a run. The rate that the user gave is a ceiling;
// below it the run finds the rate that the network carries:
//
//   - slow start (RFC 5681, 3.1): from startRate the rate doubles every epoch
//     for as long as the answers keep up with it;
//   - additive increase: near the rate at which packets were lost before;
//   - multiplicative decrease: to a little below what came through, when the
//     loss is seen to grow with the rate.
//
// Loss is only what is proven: a first try was lost when a later try of the
// same path was answered. A path that never answers says nothing. And loss is
// held against the rate only when it is higher at high rates than at low ones:
// a network that loses 5 % at any rate is not helped by slower sending (the
// tries must be more, which is not decided here). Where there is no evidence at a
// lower rate, a trial makes it: the rate is cut, and goes back if that did not
// help.
//
// Rates are compared, not windows, because a sweep has thousands of paths with
// one packet each and no acknowledged stream. The evidence of a try counts for
// the time at which the try left, so that late retransmissions do no harm.
const (
	startRate = 1000 // packets a second: the default of the whole program
	// blindRate is the most while nothing at all has ever answered: there is no
	// sign that the network bears more.
	blindRate = 32_000
	slowest   = 10 // no congestion brings the rate below
	// epochLong is the time over which evidence is gathered before the rate is
	// reconsidered, epochPackets the least number of packets, and epochMost
	// the most time that is given to reach it.
	epochLong    = 40 * time.Millisecond
	epochPackets = 20
	epochMost    = 2 * time.Second
	epochs       = 64
	// increase is the additive increase for each epoch, as a share of the rate at
	// which there was congestion.
	increase = 0.01
	// faster is the increase for each epoch beyond what came through before.
	faster = 1.05
	// trialMost and trialLeast bound the part of the rate that a trial leaves:
	// the more is lost, the lower it goes, so as to be below the bottleneck.
	trialMost, trialLeast = 0.8, 0.25
	// heavyLoss that a trial found not to be the rate's doing is put to another
	// trial after reviewAfter: no network loses so much for long.
	heavyLoss   = 0.25
	reviewAfter = 3 * time.Second
	// margin is how far below the rate that came through the rate is set, so
	// that the queue at the bottleneck drains.
	margin = 0.9
	// idleShare is the share of the rate below which an epoch was not limited by the
	// rate: it is no reason to go faster (RFC 7661).
	idleShare = 0.6
	// worseLoss is the least difference of two shares of loss that matters.
	worseLoss = 0.02
	// outageShare is the share of answers below which an epoch is an outage and no
	// congestion: a queue that is full still lets as much through as ever.
	outageShare = 0.01
	// fewTries is the number of tries below which a share of loss is not looked at.
	fewTries = 40
)

// epoch is a stretch of sending and what became of its first tries.
type epoch struct {
	start, end int64   // nanoseconds since the beginning of the run
	target     float64 // the rate that was aimed at
	tries      int     // packets that were sent
	firsts     int     // of these, first tries of their paths
	greeted    int     // first tries that were answered
	answered   int     // tries that were answered, first or later
	rejected   int     // tries that were answered by an ICMP error: routers may thin these out
	retried    int     // silent tries that have been followed by another, or are the last
	recovered  int     // silent tries of paths that answered later: these were lost
	ripe       int64   // when enough had been tried again to judge; 0: not yet
	over       bool    // judged, or not worth it
}

// rate is what was really sent.
func (e *epoch) rate() float64 {
	return float64(e.tries) / (time.Duration(e.end-e.start).Seconds() + 1e-9)
}

// share is the part of the first tries that was answered at once.
func (e *epoch) share() float64 { return float64(e.greeted) / float64(max(e.firsts, 1)) }

// idled reports whether something else than the rate limited the sending.
func (e *epoch) idled() bool { return e.rate() < idleShare*e.target }

// congestion finds the rate. It holds no clock, allocates nothing after it was made, and
// is told of each packet and answer once.
type congestion struct {
	ceiling float64 // 0: none
	rate    float64
	starts  bool    // slow start
	limit   float64 // what came through when there was congestion last; 0: never
	resume  float64 // during a trial, the rate before it
	good    float64 // in slow start, the highest rate with which the answers kept up
	clean   float64 // the highest rate that was judged and found good since the latest change
	spoke   bool    // something has answered
	cut     int64   // evidence of higher rates from before this time was dealt with
	review  int64   // when a trial is to be repeated; 0: never
	local   int64   // when this machine last lost packets
	rtt     rtt
	base    time.Time
	ring    [epochs]epoch
	newest  int // position in ring of the epoch that is being filled
	bands   bands
}

// newCongestion makes the control for a ceiling; 0: none.
func newCongestion(ceiling float64) *congestion {
	c := &congestion{ceiling: max(ceiling, 0), starts: true}
	c.setRate(startRate)
	for i := range c.ring {
		c.ring[i].over = true
	}
	return c
}

func (c *congestion) setRate(rate float64) {
	c.rate = max(rate, slowest)
	if c.ceiling > 0 {
		c.rate = min(c.rate, c.ceiling)
	}
}

func (c *congestion) since(t time.Time) int64 {
	if c.base.IsZero() {
		c.base = t.Add(-time.Nanosecond)
	}
	return int64(t.Sub(c.base))
}

// current is the epoch that is being filled.
func (c *congestion) current(now int64) *epoch {
	e := &c.ring[c.newest]
	if e.over && e.end <= now {
		c.newest = (c.newest + 1) % epochs
		e = &c.ring[c.newest]
		*e = epoch{start: now, end: math.MaxInt64, target: c.rate}
	}
	return e
}

// at finds the epoch in which a packet left; nil when it is over.
func (c *congestion) at(sent time.Time) *epoch {
	t := c.since(sent)
	for i := range epochs {
		e := &c.ring[(c.newest-i+epochs)%epochs]
		if e.start == 0 || t > e.end {
			return nil
		}
		if t >= e.start {
			if e.over {
				return nil
			}
			return e
		}
	}
	return nil
}

// sent notes packets that left: first tries of paths, and all others.
func (c *congestion) sent(now time.Time, firsts, others int) {
	e := c.current(c.since(now))
	e.firsts += firsts
	e.tries += firsts + others
}

// retried notes that a try which left at that time stayed silent and is now
// followed by another, or is the last of its path.
func (c *congestion) retried(sent time.Time) {
	if e := c.at(sent); e != nil {
		e.retried++
	}
}

// answered notes the first answer of a path (not an ICMP error): after how many
// tries, and when the first, the last but one and the last of them left.
func (c *congestion) answered(now time.Time, tries int, first, prev, last time.Time) {
	c.spoke = true
	e := c.at(last)
	if e != nil {
		e.answered++
	}
	if tries == 1 {
		c.rtt.measure(now.Sub(last)) // of others it is not known which try was answered (RFC 6298, 3)
		if e != nil {
			e.greeted++
		}
		return
	}
	if e := c.at(prev); e != nil {
		e.recovered++
	}
	if e := c.at(first); e != nil && tries > 2 {
		e.recovered++
	}
}

// rejected notes that a try which left at that time met an ICMP error. It is neither an answer
// nor a loss, because routers limit how many errors they send (RFC 1812,
// 4.3.2.8).
func (c *congestion) rejected(sent time.Time) {
	if e := c.at(sent); e != nil {
		e.rejected++
	}
}

// lost notes that this machine itself lost packets (ENOBUFS, an overflow of
// the receive buffer): that is congestion without any doubt.
func (c *congestion) lost(now time.Time) {
	t := c.since(now)
	if c.local != 0 && t-c.local < int64(100*time.Millisecond) {
		return
	}
	c.local = t
	rate := c.rate
	if e := c.closed(0); e != nil && e.tries > epochPackets {
		rate = min(rate, 1.2*e.rate())
	}
	c.decrease(t, rate, 0.7)
}

// void notes a window in which everything was lost, for reasons of which the
// rate may be one. Its evidence is dropped; afterwards the rate starts from half
// of what it was.
func (c *congestion) void(since, until time.Time) {
	from, to := c.since(since), c.since(until)
	for i := range c.ring {
		if e := &c.ring[i]; e.start <= to && e.end >= from {
			e.end = min(e.end, to)
			e.over = true
		}
	}
	c.setRate(max(c.rate/2, min(c.rate, startRate)))
	c.starts, c.resume, c.clean = true, 0, 0
}

// tick reconsiders and returns the rate. It may be called as often as is
// convenient.
func (c *congestion) tick(now time.Time) float64 {
	t := c.since(now)
	e := c.current(t)
	long := t - e.start
	if long < int64(epochLong) || e.tries < epochPackets && long < int64(epochMost) {
		return c.rate
	}
	e.end = t
	for i := range epochs {
		c.judge(&c.ring[(c.newest+1+i)%epochs], t) // the oldest first
	}
	c.grow(t)
	c.newest = (c.newest + 1) % epochs
	c.ring[c.newest] = epoch{start: t, end: math.MaxInt64, target: c.rate}
	return c.rate
}

// closed is the epoch before the current one, or further back; nil when there
// is none.
func (c *congestion) closed(back int) *epoch {
	e := &c.ring[(c.newest-1-back+2*epochs)%epochs]
	if back >= epochs-1 || e.start == 0 {
		return nil
	}
	return e
}

// grow makes the rate higher when nothing speaks against it.
func (c *congestion) grow(now int64) {
	last := &c.ring[c.newest]
	if c.resume > 0 || last.idled() || last.over {
		return
	}
	switch {
	case !c.starts: // see weigh
	case !c.spoke && 2*c.rate > blindRate:
	case c.clean >= c.rate/2:
		c.setRate(2 * c.rate)
	default:
		c.follow(now)
	}
}

// follow doubles the rate when the answers have kept up with it: when the share
// of first tries that are answered is what it was at lower rates. A smaller
// share is no loss, for this part of the plan may be less alive. It only makes
// the start wait, at the rate that was good, for what retransmissions say.
func (c *congestion) follow(now int64) {
	patience := int64(c.rtt.bound())
	var latest *epoch
	before := epoch{}
	for i := range epochs {
		e := &c.ring[(c.newest-i+epochs)%epochs]
		switch {
		case e.start == 0 || e.end+patience > now || e.firsts < epochPackets:
		case latest == nil:
			latest = e
		default:
			before.firsts += e.firsts
			before.greeted += e.greeted
		}
	}
	switch {
	case latest == nil:
	case latest.share() < 0.7*before.share():
		c.setRate(min(c.rate, max(c.good, startRate)))
	default:
		c.good = latest.target
		if latest.target > 0.4*c.rate {
			c.setRate(2 * c.rate)
		}
	}
}
