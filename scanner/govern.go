package scanner

import "time"

const (
	// canaryEach is how many packets a run sends for each that goes to a canary
	// while nothing is wrong.
	canaryEach = 100
	// lateShare is the part of what the network carried at which paths are asked
	// again that stayed silent, once all others are done: few of them answer, so
	// that losses would not be seen.
	lateShare = 0.5
	// spreadKey mixes addresses for the places of canaries. Runs that are alike
	// take the same course.
	spreadKey = 0x9d39247e33776d41
	// canaryLater is when a try is looked at again whose time is over while
	// nothing at all is answered.
	canaryLater = 100 * time.Millisecond
)

// aviary is the engine's side of the canaries: their packets.
type aviary struct {
	birds  [canarySlots]*bird
	asked  uint64 // packets that were made for canaries
	queued uint32 // the key of one that is to be sent; 0: none
	urgent bool   // something is silent since a canary was asked
	paused bool   // nothing but canaries is sent
}

// bird is what a packet to a canary needs of a task. It belongs to no host of
// the run: no statistics count it, and nothing is observed of it.
type bird struct {
	task task
	run  hostRun
	host Host
	net  neighbourhood // where the subnet is no longer known
}

// govern holds the run to what the network bears: it sets the rate, makes the
// packet to a canary when one is due, and notices when none is answered. It
// returns after how long it wants to be called again.
func (e *engine) govern() time.Duration {
	e.steer()
	a, s := &e.aviary, &e.sight
	a.paused = s.pausing(e.now)
	if e.running == 0 || a.queued != 0 || s.used == 0 {
		return progressStep
	}
	urgent := a.urgent && e.judged()-s.good > hush
	if !s.quiet && s.silent == 0 && !urgent && (a.asked+1)*canaryEach > e.stats.Packets {
		return canaryMost
	}
	id, path, wait := s.next(e.now, e.control.rate, urgent)
	if wait > 0 {
		return wait
	}
	e.askCanary(id, path)
	return canaryLeast
}

// steer sets the rate.
func (e *engine) steer() {
	c := e.control
	rate := c.tick(e.now, e.rtt.limit)
	if c.cuts > 0 && c.carried > 0 && e.wave.empty() && e.held.n == 0 {
		rate = min(rate, lateShare*c.carried)
	}
	e.pace.setRate(e.wall, rate)
	e.stats.Cuts, e.stats.Fastest, e.stats.Carried = c.cuts, c.fastest, c.carried
	if d, found := c.crowds(); found {
		e.sight.crowded(d)
	}
}

// askCanary makes the packet to a canary, unless its last one is still waited
// for or its subnet has got enough for now.
func (e *engine) askCanary(id int, path canaryPath) {
	b := e.aviary.birds[id]
	if b == nil {
		b = &bird{}
		e.aviary.birds[id] = b
	}
	t := &b.task
	if t.slot != 0 {
		return
	}
	if b.host.Addr != path.addr {
		b.run.allowed = allowance{}
	}
	b.host.Addr = path.addr
	b.run.Host, b.run.net = &b.host, &b.net
	if n := e.subnets.known[Subnet(path.addr)]; n != nil {
		b.run.net = n
	}
	if e.caps.take(e.now, &b.run.allowed, &b.run.net.allowed) > 0 {
		return
	}
	*t = task{host: &b.run, proto: path.proto, port: path.port, canary: uint8(id + 1)} //nolint:gosec // at most 64
	e.aviary.queued = e.slots.take(t)
	e.aviary.asked++
	e.aviary.urgent = false
}

// nextCanary returns the packet to a canary that is to be sent now.
func (e *engine) nextCanary() (Shot, bool) {
	key := e.aviary.queued
	e.aviary.queued = 0
	if key == 0 {
		return Shot{}, false
	}
	return e.shot(e.slots.find(key).task, key), true
}

// canaryReply takes the answer to a canary. A packet that this machine could
// not send is neither an answer nor silence.
func (e *engine) canaryReply(sl *slot, r *Reply) {
	t := sl.task
	ago := before(e.now, sl.sent)
	switch {
	case r.Outcome != LocalError:
		e.sight.slots[t.canary-1].faults = 0
		e.control.answered(e.now-ago, false)
		if e.prompt(ago) {
			e.saw(e.now - ago)
		}
	case r.Temporary:
		e.troubled(r.Err)
	}
	e.slots.drop(t)
}

// canarySilent notes that a canary did not answer in its time.
func (e *engine) canarySilent(t *task) {
	if e.trouble < t.last {
		e.sight.quieted(int(t.canary)-1, t.last, e.now)
	}
	e.control.retried(t.last, false)
	e.slots.drop(t)
	e.aviary.urgent = true
}

// saw notes that a packet which left at a time was answered.
func (e *engine) saw(sent time.Duration) {
	if since := e.sight.good; e.sight.saw(sent) {
		e.control.void(since, e.now)
	}
}
