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
	startRate = 10_000 // packets a second: a sweep is short, and most networks carry that
	// blindRate is the most while nothing at all has ever answered: there is no
	// sign that the network bears more.
	blindRate = 64_000
	slowest   = 10 // no congestion brings the rate below
	// epochLong is the time over which evidence is gathered before the rate is
	// reconsidered, epochPackets the least number of packets, and epochMost
	// the most time that is given to reach it.
	epochLong    = 40 * time.Millisecond
	epochShort   = 10 * time.Millisecond // the same while the rate doubles
	epochPackets = 20
	epochMost    = 2 * time.Second
	epochs       = 128
	// Answers are waited for as long as the round trip takes, which is believed to
	// be within these bounds; before it is known rttFirst is assumed.
	rttFirst = 25 * time.Millisecond
	rttLeast = 5 * time.Millisecond
	rttMost  = time.Second
	// increase is the additive increase for each epoch, as a share of the rate at
	// which there was congestion.
	increase = 0.02
	// faster is the increase for each epoch beyond what came through before.
	faster = 1.05
	// trialMost and trialLeast bound the part of the rate that a trial leaves:
	// the more is lost, the lower it goes, so as to be below the bottleneck.
	trialMost, trialLeast = 0.9, 0.1
	// trialEnd is the part of the rate below which no further trial goes.
	trialEnd = 0.02
	// nearby bounds what counts as the rate of a trial.
	nearby = 1.2
	// heavyLoss in a trial makes it go on at a lower rate: hardly any network
	// loses so much at every rate.
	heavyLoss = 0.25
	// crowdLoss is for each answered try so many that were lost that the silence
	// of a try tells nothing of its path; crowdPart is the part of the rate that
	// a trial must have come to for that.
	crowdLoss, crowdPart = 0.4, 0.6
	// trialLong is how long a trial lasts at the most, silentLong how long the rate
	// stays where it is for want of evidence, as when many paths wait for their
	// next try. It then becomes higher, but not more than blindly.
	trialLong  = 1500 * time.Millisecond
	silentLong = 500 * time.Millisecond
	blindly    = 1.4
	// localLeast is the rate below which losses of this machine itself do not
	// bring the run: they may have nothing to do with it.
	localLeast = 100
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
	// ripening is after which time so few silent tries that were tried again are
	// evidence, when most of them still wait for that: the rate has become low.
	ripening = 400 * time.Millisecond
)

// epoch is a stretch of sending and what became of its first tries.
type epoch struct {
	start, end int64   // nanoseconds since the beginning of the run, and 1
	target     float64 // the rate that was aimed at
	all        fates   // of all tries
	first      fates   // of these, first tries of their paths
	ripe       int64   // when enough had been tried again to judge; 0: not yet
	over       bool    // judged, or not worth it
}

// fates is what became of tries.
type fates struct {
	sent      int
	answered  int
	rejected  int // by an ICMP error: routers may thin these out
	retried   int // silent ones that have been followed by another, or are the last
	recovered int // silent ones of paths that answered later: these were lost
}

func (f *fates) add(o fates) {
	f.sent += o.sent
	f.answered += o.answered
	f.rejected += o.rejected
	f.retried += o.retried
	f.recovered += o.recovered
}

func (f *fates) silent() int { return f.sent - f.answered - f.rejected }

// share is the part that was answered at once.
func (f *fates) share() float64 { return float64(f.answered) / float64(max(f.sent, 1)) }

// rate is what was really sent.
func (e *epoch) rate() float64 {
	return float64(e.all.sent) / (time.Duration(e.end-e.start).Seconds() + 1e-9)
}

// telling are the tries whose fates tell of the losses: the first ones, if
// they are many. Among later ones are those of paths that never answer, which
// are tried again at other times, so that before all is known there is no saying.
func (e *epoch) telling() (f *fates, first bool) {
	if 2*e.first.sent >= e.all.sent {
		return &e.first, true
	}
	return &e.all, false
}

// note adds to the fates of the tries that left at a time.
func (c *congestion) note(sent time.Duration, first bool, what fates) {
	e := c.at(sent)
	if e == nil {
		return
	}
	e.all.add(what)
	if first {
		e.first.add(what)
	}
}

// idled reports whether something else than the rate limited the sending.
func (e *epoch) idled() bool { return e.rate() < idleShare*e.target }

// congestion finds the rate. It holds no clock, allocates nothing after it was made, and
// is told of each packet and answer once.
type congestion struct {
	ceiling  float64 // 0: none
	rate     float64
	starts   bool    // slow start
	doubling bool    // it is under way
	known    float64 // the rate after it was cut, or the latest of which there is evidence
	raised   int64   // when the rate was doubled last
	limit    float64 // what came through when there was congestion last; 0: never
	resume   float64 // during a trial, the rate before it
	good     float64 // in slow start, the highest rate with which the answers kept up
	clean    float64 // the highest rate that was judged and found good since the latest change
	spoke    bool    // something has answered
	cut      int64   // evidence of higher rates from before this time was dealt with
	heavy    int64   // when the first of the latest epochs began in which very much was lost; 0: none
	crowd    span    // the latest time in which the rate was the cause of that
	fresh    bool    // crowd was not fetched yet
	cuts     int     // how often the rate was found to be the cause of losses
	fastest  float64 // the highest rate that was
	carried  float64 // what came through when it was found last
	local    int64   // when this machine last lost packets
	rtt      int64   // within which nearly every answer comes
	ring     [epochs]epoch
	newest   int // position in ring of the epoch that is being filled
	bands    bands
}

// newCongestion makes the control for a ceiling; 0: none.
func newCongestion(ceiling float64) *congestion {
	c := &congestion{ceiling: max(ceiling, 0), starts: true, doubling: true, rtt: int64(rttFirst)}
	c.setRate(startRate)
	for i := range c.ring {
		c.ring[i].over = true
	}
	return c
}

func (c *congestion) setRate(rate float64) {
	if rate < c.rate {
		c.known = rate
	}
	c.rate = max(rate, slowest)
	if c.ceiling > 0 {
		c.rate = min(c.rate, c.ceiling)
	}
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
func (c *congestion) at(sent time.Duration) *epoch {
	t := int64(sent) + 1
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
func (c *congestion) sent(now time.Duration, firsts, others int) {
	e := c.current(int64(now) + 1)
	e.first.sent += firsts
	e.all.sent += firsts + others
}

// retried notes that a try which left at that time stayed silent and is now
// followed by another, or is the last of its path; and whether it was the first.
func (c *congestion) retried(sent time.Duration, first bool) {
	c.note(sent, first, fates{retried: 1})
}

// answered notes that a try which left at that time was answered (not by an
// ICMP error).
func (c *congestion) answered(sent time.Duration, first bool) {
	c.spoke = true
	c.note(sent, first, fates{answered: 1})
}

// recovered notes that a try which left at that time was lost: a later one of its
// path was answered.
func (c *congestion) recovered(sent time.Duration, first bool) {
	c.note(sent, first, fates{recovered: 1})
}

// rejected notes that a try which left at that time met an ICMP error. It is neither an answer
// nor a loss, because routers limit how many errors they send (RFC 1812,
// 4.3.2.8).
func (c *congestion) rejected(sent time.Duration, first bool) {
	c.note(sent, first, fates{rejected: 1})
}

// lost notes that this machine itself lost packets (ENOBUFS, an overflow of
// the receive buffer): that is congestion without any doubt.
func (c *congestion) lost(now time.Duration) {
	t := int64(now) + 1
	if c.local != 0 && t-c.local < int64(100*time.Millisecond) {
		return
	}
	c.local = t
	rate := c.rate
	if e := &c.ring[(c.newest-1+epochs)%epochs]; e.start != 0 && e.all.sent > epochPackets {
		rate = min(rate, 1.2*e.rate())
	}
	c.decrease(t, max(rate, localLeast/0.7), 0.7)
}

// void notes a window in which everything was lost, for reasons of which the
// rate may be one. Its evidence is dropped; afterwards the rate starts from half
// of what it was.
func (c *congestion) void(since, until time.Duration) {
	from, to := int64(since)+1, int64(until)+1
	for i := range c.ring {
		if e := &c.ring[i]; e.start <= to && e.end >= from {
			e.end = min(e.end, to)
			e.over = true
		}
	}
	c.setRate(max(c.rate/2, min(c.rate, startRate)))
	c.starts, c.doubling, c.resume, c.clean = true, true, 0, 0
}

// tick reconsiders and returns the rate. It may be called as often as is
// convenient. rtt is within which time nearly every answer comes; 0: not known.
func (c *congestion) tick(now, rtt time.Duration) float64 {
	t := int64(now) + 1
	e := c.current(t)
	long, enough := t-e.start, epochLong
	if c.doubling {
		enough = epochShort
	}
	if long < int64(enough) || e.all.sent < epochPackets && long < int64(epochMost) {
		return c.rate
	}
	if rtt == 0 {
		rtt = rttFirst
	}
	c.rtt = int64(min(max(rtt, rttLeast), rttMost))
	e.end = t
	for i := range epochs {
		c.judge(&c.ring[(c.newest+1+i)%epochs], t) // the oldest first
	}
	c.grow(t)
	c.newest = (c.newest + 1) % epochs
	c.ring[c.newest] = epoch{start: t, end: math.MaxInt64, target: c.rate}
	return c.rate
}

// grow makes the rate higher when nothing speaks against it.
func (c *congestion) grow(now int64) {
	last, was := &c.ring[c.newest], c.rate
	if c.resume > 0 && now-c.cut > int64(trialLong) {
		c.conclude(c.bands.from(c.rate*nearby).loss() > heavyLoss, now)
		return
	}
	if !c.starts && c.resume == 0 && !last.idled() && now-max(c.cut, c.raised) > int64(silentLong) && c.rate < c.known*blindly {
		c.setRate(c.rate * faster) // nothing is known against it
	}
	c.doubling = c.starts && c.resume == 0 && !last.idled() && c.rate != c.ceiling
	if !c.doubling || last.over { // see weigh for what is not slow start
		return
	}
	switch {
	case !c.spoke:
		if 2*c.rate <= blindRate && now-c.raised >= int64(2*epochShort) {
			c.setRate(2 * c.rate)
		}
	case c.clean >= c.rate/2:
		c.setRate(2 * c.rate)
	default:
		c.follow(now)
	}
	if c.rate > was {
		c.raised = now
	}
}

// follow doubles the rate when the answers have kept up with it: when the share
// of first tries that are answered is what it was at lower rates. A smaller
// share is no loss, for this part of the plan may be less alive. It only makes
// the start wait, at the rate that was good, for what retransmissions say.
func (c *congestion) follow(now int64) {
	patience := c.rtt
	var latest *epoch
	before := fates{}
	for i := range epochs {
		e := &c.ring[(c.newest-i+epochs)%epochs]
		switch {
		case e.start == 0 || e.end+patience > now || e.first.sent < epochPackets:
		case latest == nil:
			latest = e
		default:
			before.add(e.first)
		}
	}
	switch {
	case latest == nil:
	case latest.first.share() < 0.7*before.share():
		c.setRate(min(c.rate, max(c.good, startRate)))
		c.doubling = false
	default:
		c.good = latest.target
		if latest.target > 0.4*c.rate {
			c.setRate(2 * c.rate)
		}
	}
}
