package scanner

import "time"

const (
	// spread is how long after the first try of a silent path the last of the late
	// ones leaves, where packets were lost at all: losses come in bursts, and most
	// bursts are shorter. The others leave in between.
	spread = time.Second
	// Routers reject few packets a second at the most: RFC 1812 4.3.2.8 wants a
	// limit, and Linux sends one a second to a destination after the first six.
	rejectBurst = 6
	rejectGap   = 1100 * time.Millisecond
	// hindsightRoom is for the word of the sweeper to arrive.
	hindsightRoom = 50 * time.Millisecond
)

// stepOf is the step of the wheel that a time is in.
func stepOf(at time.Duration) int64 { return int64(max(0, at) / wheelStep) }

// quiet is the time before which nothing counts as silent.
func (e *engine) quiet() time.Duration { return e.grace }

// expire deals with the tries whose time is over.
func (e *engine) expire() {
	if e.now < e.quiet() {
		return
	}
	for weighed := false; ; {
		keys := e.wheel.pop(e.now)
		if keys == nil {
			return
		}
		if !weighed {
			e.weigh()
			weighed = true
		}
		for _, key := range keys {
			if sl := e.slots.find(key); sl != nil {
				e.due(sl, key)
			}
		}
		e.wheel.done(keys)
	}
}

// due deals with a try whose time has come.
func (e *engine) due(sl *slot, key uint32) {
	t := sl.task
	switch left := -before(e.now, sl.due); {
	case left > 0: // further away than the wheel is big
		e.wheel.add(key, e.now+left)
	case sl.state == slotWaiting:
		sl.state = slotQueued
		e.enlist(t, key)
	case sl.state == slotSent && e.aviary.paused && t.canary == 0: // nothing tells this path from all others
		sl.due = micros(e.now + canaryLater)
		e.wheel.add(key, e.now+canaryLater)
	case sl.state == slotSent && e.slots.at(t.slot-1) == sl: // else there is a later one
		e.silent(t, sl, key)
	}
}

// weigh brings the account of the losses up to date.
func (e *engine) weigh() {
	e.moments.reach(stepOf(e.now))
	answered, lost, outage := e.moments.sum()
	// Paths whose answered packet left in an outage answered all the same.
	e.stats.Tries, e.stats.Outage = max(answered+lost, e.stats.Answered), outage
	doubt, hidden, o := e.stats.whole()
	e.stats.Hidden, e.odds = hidden, o
	e.stats.tolerance = tolerable(max(doubt, e.local))
	e.stats.Weight = e.unlike.weight(e.stats.share())
}

// silent decides what becomes of a task whose latest try got no answer within
// its time.
func (e *engine) silent(t *task, sl *slot, key uint32) {
	if t.asksRouter() {
		e.heardRouter(t, nil)
		return
	}
	if t.canary != 0 {
		e.canarySilent(t)
		return
	}
	e.aviary.urgent = true
	if t.trace != nil {
		if e.hopAgain(t) {
			e.ask(t, e.now)
		} else {
			e.control.retried(t.last, false)
			e.finish(t, seen{outcome: Silent})
		}
		return
	}
	if e.trouble >= t.last { // its silence may be our own fault
		if t.local < maxLocal {
			e.postpone(t)
			return
		}
		t.extra().err = "silent, but this machine lost packets: " + e.stats.Cause
		e.finish(t, seen{outcome: LocalError})
		return
	}
	if e.sight.blind(e.judged()) { // is it this path that is silent, or everything?
		if t.local >= maxLocal {
			t.extra().err = "silent, but so is everything that had answered before: this machine's network may be down"
			e.finish(t, seen{outcome: LocalError})
			return
		}
		t.local++
		sl.due = micros(e.now + firstDeadline)
		e.wheel.add(key, e.now+firstDeadline)
		return
	}
	if void := e.void(t); !t.late || void > 0 {
		if at, more := e.oneMore(t, void+int(t.void)); more {
			e.ask(t, at)
			return
		}
	}
	// The way may have turned out to be slower than was known when the try left.
	if end := max(t.first+max(e.horizon(t), e.hindsight(t)), t.last+e.deadline(t.host)); e.now < end {
		sl.due = micros(end)
		e.wheel.add(key, end)
		return
	}
	e.gaveUp(t)
}

// judged is the time up to which the answers to packets must have come.
func (e *engine) judged() time.Duration { return e.now - e.rtt.limit }

// horizon is how long after its first try a path is called silent at the
// earliest. Where nothing is known of the way, one packet has all the time that
// packets are given; so has a service that works on its answer.
func (e *engine) horizon(t *task) time.Duration {
	if t.host.net.rtt.limit == 0 || t.proto == UDP {
		return e.cfg.Timeout
	}
	return 0
}

// hindsight is how long after its first try it is known that the packets of a
// task left this machine; 0: at once.
func (e *engine) hindsight(t *task) time.Duration {
	if t.proto != TCP || e.cfg.Hindsight == 0 {
		return 0
	}
	return e.cfg.Hindsight + hindsightRoom
}

// oneMore reports whether a silent task is asked once more, and when. The first
// tries follow each other; those after them, where there were losses, are
// spread in time.
func (e *engine) oneMore(t *task, void int) (at time.Duration, more bool) {
	most := e.cfg.Rounds + min(void, e.cfg.Rounds)
	if _, alive := reference(t.host); alive && falselySilent(e.stats, e.cfg.Rounds) > maxDoubt {
		most += e.cfg.Extra
	}
	most = min(most, manyTries)
	tries := int(t.tries)
	n := t.host.net
	slow := (e.rationed(t) || n.thin(e.now)) && tries >= minTries
	dull := e.losses == 0 && tries >= minTries && e.dull(t)
	switch {
	case tries >= most:
		return 0, false
	case tries < minTries:
		return e.now, true
	case e.doubts(n, tries-void, most):
	case (e.losses > 0 || dull) && !t.spread():
	case slow:
	default:
		return 0, false
	}
	if slow {
		return e.turn(t), true
	}
	if e.losses == 0 && void == 0 && !dull {
		return e.now, true
	}
	last := tries + 1 // the try after which no doubt will be left, as far as is known
	for last < most && e.doubts(n, last-void, most) {
		last++
	}
	at = t.first + spread*time.Duration(tries+1-minTries)/time.Duration(last-minTries)
	return max(at, e.now), true
}

// doubts reports whether the silence of so many tries in a subnet is not enough.
func (e *engine) doubts(n *neighbourhood, tries, most int) bool {
	return again(e.stats, tries, most) || n.again(e.stats, &e.moments, tries, most)
}

// spread reports whether the tries of a task outlast most bursts of losses.
func (t *task) spread() bool { return t.last-t.first >= spread }

// dull reports whether about the first try of a task far fewer packets were
// answered than before.
func (e *engine) dull(t *task) bool {
	from := stepOf(t.first) / momentSteps
	return e.moments.dull(from, min(from+dullLong, stepOf(e.judged())/momentSteps))
}

// thin reports whether a router on the way rejects packets, but so few that it
// may have reached its limit: then silence may be a rejection that was not sent.
func (n *neighbourhood) thin(now time.Duration) bool {
	return n.rejects > 0 && n.rejects <= rejectBurst+int((now-n.since)/time.Second)
}

// void counts the tries of a task that tell nothing, because all or most packets
// that were sent at their time were lost.
func (e *engine) void(t *task) int {
	if e.stats.Outage == 0 && e.sight.darks+e.sight.crowds == 0 && !e.sight.quiet {
		return 0
	}
	n := 0
	for at := t.slot; at != 0; {
		sl := e.slots.at(at - 1)
		if sl.state == slotSent && e.voids(sl) {
			n++
		}
		at = sl.next
	}
	return n
}

// voids reports whether a try tells nothing, for that reason.
func (e *engine) voids(sl *slot) bool {
	sent := e.now - before(e.now, sl.sent)
	return e.sight.inDark(sent, e.judged()) || e.moments.dead(stepOf(sent)/momentSteps)
}

// gaveUp ends a task that stayed silent: the one place where a negative is
// counted.
func (e *engine) gaveUp(t *task) {
	e.control.retried(t.last, t.askedOnce())
	if t.again {
		e.finish(t, seen{outcome: Silent})
		return
	}
	t.void += uint8(min(e.void(t), manyTries)) //nolint:gosec // the tries are as few
	tries := int(t.tries) - int(t.void)
	if tries < min(minTries, e.cfg.Rounds) {
		t.extra().err = "silent, but so was nearly everything else when it was asked"
		e.finish(t, seen{outcome: LocalError})
		return
	}
	if e.stats.Silent == 0 || tries < e.stats.MinTries {
		e.stats.MinTries = tries
	}
	e.stats.Silent++
	t.host.net.silent++
	t.silent = true
	e.finish(t, seen{outcome: Silent})
}

// takeBack undoes gaveUp.
func (e *engine) takeBack(t *task) {
	t.silent = false
	e.stats.Silent--
	t.host.net.silent--
}
