package scanner

import (
	"errors"
	"net/netip"
	"time"
)

const (
	batch      = 64                   // shots offered to the sweeper at once
	bigBatch   = 256                  // the same, when there is no rate to keep
	shortPause = 2 * time.Millisecond // before a full sweeper is offered shots again
	manyTries  = 250                  // of a task at the most: it counts them in eight bits
)

// errManyTries ends a run that lost count of its limits.
var errManyTries = errors.New("scanner: too many packets are under way")

// transmit sends what the pace allows and returns how long to wait for the
// next packet or deadline.
func (e *engine) transmit() time.Duration {
	wait := e.reported + progressStep - e.now
	if due, ok := e.wheel.next(); ok {
		wait = min(wait, max(due, e.quiet())-e.now)
	}
	wait = max(min(wait, e.govern()), time.Microsecond)
	if e.nothing() || len(e.outbox) >= backlog {
		return wait
	}
	if e.now < e.hold {
		return min(wait, e.hold-e.now)
	}
	want := batch
	if e.cfg.Rate <= 0 {
		want = bigBatch
	}
	n, pause := e.pace.allow(e.wall, want)
	if n == 0 {
		return min(wait, pause)
	}
	if e.load(n); len(e.shots) == 0 {
		return 0
	}
	took, err := e.sendBatch()
	if err != nil {
		e.fail(err)
	}
	if err != nil || took < len(e.shots) {
		e.hold = e.now + shortPause
	}
	rest := copy(e.shots, e.shots[took:])
	clear(e.shots[rest:])
	e.shots = e.shots[:rest]
	return 0
}

// nothing reports whether there is nothing to send.
func (e *engine) nothing() bool {
	return len(e.shots) == 0 && e.aviary.queued == 0 &&
		(e.aviary.paused || e.held.n == 0 && e.retry.n == 0 && e.later.n == 0 && e.wave.empty())
}

// sendBatch offers the batch to the sweeper: the one place at which packets
// leave. It returns how many shots were taken.
func (e *engine) sendBatch() (int, error) {
	e.tick() // answers are measured from here
	took, err := e.cfg.Sweeper.Send(e.shots)
	packets, firsts := took, 0
	for i := range e.shots[:took] {
		if e.flying(&e.shots[i]) {
			firsts++
		}
		if e.shots[i].Also != nil {
			packets++
		}
	}
	e.stats.Packets += uint64(packets) //nolint:gosec // never negative
	e.pace.sent(took)
	e.control.sent(e.now, firsts, took-firsts)
	return took, err
}

// load fills the batch up to n shots. What the sweeper had no room for comes
// first, unless it was answered in the meantime.
func (e *engine) load(n int) {
	kept := e.shots[:0]
	for i := range e.shots {
		if e.slots.find(uint32(e.shots[i].Key)) != nil { //nolint:gosec // the engine's keys fit
			kept = append(kept, e.shots[i])
		}
	}
	e.shots = kept
	if s, due := e.nextCanary(); due {
		e.shots = append(e.shots, s)
	}
	for len(e.shots) < n && !e.aviary.paused {
		// Retries first: they show what is lost, before more is.
		if e.next(&e.retry) || e.next(&e.held) {
			continue
		}
		if t := e.wave.pop(); t != nil {
			e.fresh(t)
			continue
		}
		if e.retry.n == 0 && !e.next(&e.later) {
			return
		}
	}
}

// next puts the next try of a queue into the batch, and reports whether there
// was one.
func (e *engine) next(q *ring[uint32]) bool {
	for {
		key, ok := q.pop()
		if !ok {
			return false
		}
		sl := e.slots.find(key)
		if sl == nil { // it was answered in the meantime
			continue
		}
		if e.possible(sl.task) && !e.mustWait(sl.task) && !e.capped(sl, key) {
			e.shots = append(e.shots, e.shot(sl.task, key))
		}
		return true
	}
}

// fresh puts the first try of a task into the batch.
func (e *engine) fresh(t *task) {
	if !e.possible(t) || e.mustWait(t) {
		return
	}
	key := e.slots.take(t)
	if key == 0 {
		e.fail(errManyTries)
		return
	}
	if !e.capped(e.slots.find(key), key) {
		e.shots = append(e.shots, e.shot(t, key))
	}
}

// possible reports whether there is a question to ask, and ends the task
// otherwise, as in a DHCP question to an IPv6 address.
func (e *engine) possible(t *task) bool {
	if t.proto != UDP || e.fillDatagram(t) {
		return true
	}
	t.extra().err = "there is no question of this protocol to such an address"
	e.finish(t, seen{outcome: LocalError})
	return false
}

// shot makes the next packet of a task.
func (e *engine) shot(t *task, key uint32) Shot {
	s := Shot{
		Key: uint64(key), Addr: t.host.Addr, Protocol: t.proto, Port: t.port,
		HopLimit: t.hop, Wait: e.cfg.Timeout, Hold: e.patienceFor(t),
	}
	if t.proto == UDP && t.trace == nil && t.more != nil {
		s.Payload, s.Also, s.UDP = t.more.payload, t.more.also, t.more.udp
	}
	return s
}

// patienceFor is how long the answer to the next packet of a task must be waited
// for: until the path may be called silent at the earliest.
func (e *engine) patienceFor(t *task) time.Duration {
	if t.trace == nil && e.horizon(t) > 0 {
		return e.cfg.Timeout
	}
	tries := time.Duration(max(1, minTries-int(t.tries)))
	return min(e.cfg.Timeout, tries*e.deadline(t.host))
}

// flying notes that a shot has left, and reports whether it is the first try of
// a path.
func (e *engine) flying(s *Shot) bool {
	key := uint32(s.Key) //nolint:gosec // the engine's keys fit
	sl := e.slots.find(key)
	t := sl.task
	if t.tries == 0 {
		t.first = e.now
		if t.trace == nil && t.canary == 0 && !t.asksRouter() {
			e.moments.asked(stepOf(e.now))
		}
	} else if !t.asksRouter() {
		e.control.retried(t.last, t.askedOnce())
		e.aviary.urgent = true // so that a canary leaves at that time too, if all else is silent
	}
	t.tries++
	t.last = e.now
	due := e.now + e.deadline(t.host)
	if t.trace != nil && t.tries == 1 && e.losses > 0 {
		due = e.now + e.soon(t.host)
	}
	sl.state, sl.sent, sl.due = slotSent, micros(e.now), micros(due)
	e.wheel.add(key, due)
	return t.askedOnce()
}

// ask has a task asked once more, in a queue: at once or at a later time.
func (e *engine) ask(t *task, at time.Duration) {
	key := e.slots.take(t)
	if key == 0 {
		e.slots.shed(t)
		if key = e.slots.take(t); key == 0 { // full admits no hosts long before
			e.fail(errManyTries)
			return
		}
	}
	if at <= e.now {
		e.enlist(t, key)
		return
	}
	sl := e.slots.find(key)
	sl.state, sl.due = slotWaiting, micros(at)
	e.wheel.add(key, at)
}

// enlist queues a try. A first one, which had to wait, keeps no retry from
// showing what is lost. A late one goes behind all others: its task was asked
// often enough to wait for the rest of the sweep.
func (e *engine) enlist(t *task, key uint32) {
	switch {
	case t.tries == 0 && t.trace == nil:
		e.held.push(key)
	case t.trace == nil && !t.late && t.tries >= minTries:
		e.later.push(key)
	default:
		e.retry.push(key)
	}
}

// fillDatagram makes the datagram of a UDP endpoint, once. It reports false
// when there is none to send.
func (e *engine) fillDatagram(t *task) bool {
	if t.proto != UDP || t.trace != nil || t.more != nil && t.more.payload != nil {
		return true
	}
	possible := true
	ask := Ask{Host: t.host.Name, To: netip.AddrPortFrom(t.host.Addr, t.port)}
	if e.cfg.Source != nil {
		ask.From = e.cfg.Source(t.host.Addr)
	}
	x := t.extra()
	t.probes(func(name string) {
		if p := e.cfg.Probes[name]; p.Request != nil {
			x.payload, x.also, x.udp = p.Request(ask), nil, p.UDP
			if p.Also != nil {
				x.also = p.Also(ask)
			}
			possible = x.payload != nil
		}
	})
	return possible
}
