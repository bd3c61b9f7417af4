package scanner

import "time"

const (
	// maxLocal is how often a temporary failure of this machine is waited out.
	maxLocal = 20
	// patience is how late this machine may be in its own work before answers
	// may be waiting that it has not read.
	patience = 50 * time.Millisecond
)

// receive matches replies with the tasks that they answer, and gives the buffer
// back.
func (e *engine) receive(rs []Reply) {
	e.tick()
	for i := range rs {
		e.match(&rs[i])
	}
	if n := len(rs); n > 0 {
		e.late(&rs[n-1])
	}
	clear(rs)
	e.buffers <- rs // it has room for all
}

func (e *engine) match(r *Reply) {
	if r.Key == 0 {
		if r.Outcome == LocalError && r.Temporary {
			e.troubled(r.Err)
		}
		return
	}
	if r.Key > 1<<32-1 {
		return
	}
	sl := e.slots.find(uint32(r.Key))
	if sl == nil || sl.state != slotSent || r.To.IsValid() && !sl.task.goes(r) {
		return
	}
	if sl.task.canary != 0 {
		e.canaryReply(sl, r)
		return
	}
	if r.Outcome == LocalError && r.Temporary {
		e.troubled(r.Err)
		if sl.task.local < maxLocal {
			e.unsent(sl)
			return
		}
	}
	e.answered(sl, r)
}

// troubled notes that this machine lost packets.
func (e *engine) troubled(cause string) {
	e.trouble = e.now
	e.stats.Trouble++
	e.control.lost(e.now)
	if cause != "" {
		e.stats.Cause = cause
	}
}

// unsent asks again a little later, without counting the try: the packet never
// left.
func (e *engine) unsent(sl *slot) {
	sl.state = slotVoid
	if t := sl.task; e.slots.at(t.slot-1) == sl { // else a later try is under way
		e.postpone(t)
	}
}

// postpone takes the latest try back and asks again a little later.
func (e *engine) postpone(t *task) {
	t.local++
	t.tries--
	e.ask(t, e.now+min(time.Second, time.Duration(t.local)*20*time.Millisecond))
}

// late notes how long the latest answers waited to be read: silence is no
// evidence while others may wait.
func (e *engine) late(r *Reply) {
	if r.At.IsZero() {
		return
	}
	if lag := e.wall.Sub(r.At); lag > patience {
		e.grace = e.now + min(lag, time.Second)
	}
}

// stalled notes that this machine did nothing for a while: answers may have
// come that it could not read yet.
func (e *engine) stalled(lost time.Duration) {
	if lost > patience {
		e.grace = e.now + patience
	}
}

// answered ends a task.
func (e *engine) answered(sl *slot, r *Reply) {
	t := sl.task
	ago := before(e.now, sl.sent)
	if t.asksRouter() {
		e.heardRouter(t, r)
		return
	}
	if sl.next == 0 && t.trace == nil && r.Outcome != LocalError {
		e.moments.first(stepOf(e.now - ago))
	}
	if t.tries == 0 { // the answer to a try that was taken back
		t.tries = 1
	}
	s := seen{outcome: r.Outcome, itself: r.From == t.host.Addr, ttl: r.TTL, icmp: r.ICMP}
	if !s.itself && r.From.IsValid() {
		t.extra().from = r.From
	}
	if r.Err != "" {
		t.extra().err = r.Err
	}
	switch { // both clocks are read at one time, so that a step of one does no harm
	case r.At.IsZero():
	case !r.Sent.IsZero():
		s.took = max(0, r.At.Sub(r.Sent))
	default:
		s.took = max(0, ago-max(0, e.wall.Sub(r.At)))
	}
	first := sl.next == 0 && t.trace == nil && !t.again
	switch {
	case r.Outcome == Rejected, r.Outcome == Expired:
		e.control.rejected(e.now-ago, first)
	case r.Outcome != LocalError:
		e.control.answered(e.now-ago, first)
	}
	switch {
	case r.Outcome == Rejected:
		e.rejected(sl, r)
	case t.trace == nil && !t.again && r.Outcome.asHost():
		e.proved(sl, ago, s.took)
	}
	if t.proto == UDP && r.Outcome == Answered && t.trace == nil {
		e.decode(t, r)
	}
	e.finish(t, s)
}

// rejected counts a packet that a filter on the way rejected, and says so.
func (e *engine) rejected(sl *slot, r *Reply) {
	t := sl.task
	n, to := t.host.net, t.host.Addr
	if r.From == to || r.ICMP.Unreachable(to.Is6()) {
		return
	}
	if n.rejects == 0 {
		n.since = e.now
	}
	n.rejects++
	if t.trace == nil && r.From.IsValid() {
		e.rations.rejected(r.From, to, suspect{t.proto, t.port}, e.recovers(sl), e.now)
	}
}

// proved counts an answer of the host itself, to a packet that was sent some
// time ago: the one place where what is known of the network grows. The tries
// before the one that was answered are proved to be lost; those after it are not.
func (e *engine) proved(sl *slot, ago, took time.Duration) {
	t, n := sl.task, sl.task.host.net
	e.stats.Answered++
	n.answered++
	if e.prompt(ago) {
		e.saw(e.now - ago)
	}
	e.moments.count(e.moments.reach(stepOf(e.now-ago)), 1, 0)
	lost := 0
	for at := sl.next; at != 0; {
		try := e.slots.at(at - 1)
		if try.state == slotSent {
			lost++
			e.lost(n, e.now-before(e.now, try.sent), try.next == 0)
		}
		at = try.next
	}
	if lost > 0 {
		e.stats.Retried++
	}
	if t.proto != UDP && took > 0 { // a service takes its time
		e.sight.add(canaryPath{t.host.Addr, t.proto, t.port})
		if t.proto == TCP && n.rtt.repetition(took) {
			return
		}
		n.rtt.add(took)
		e.rtt.add(took)
		t.host.slow = max(t.host.slow, took)
	}
}

// prompt reports whether an answer came soon enough to show that both ways were
// good when its packet left: a peer repeats an answer that was lost after a
// second.
func (e *engine) prompt(ago time.Duration) bool {
	return e.rtt.limit == 0 || ago <= max(2*e.rtt.limit, minDeadline)
}

// lost counts a try that was sent in vain, be it the first of its path or not.
func (e *engine) lost(n *neighbourhood, sent time.Duration, first bool) {
	e.losses++
	i := e.moments.reach(stepOf(sent))
	if e.sight.inDark(sent, e.judged()) {
		e.moments.outage++
		return
	}
	e.control.recovered(sent, first)
	e.moments.count(i, 0, 1)
	n.lost.add(&e.moments, i)
}

// decode lets the probes of a UDP endpoint say what its answer was.
func (e *engine) decode(t *task, r *Reply) {
	t.probes(func(name string) {
		probe := e.cfg.Probes[name]
		if probe.Decode == nil {
			return
		}
		o := observe(probe.Decode(t.more.payload, r.Payload))
		o.Protocol, o.Port, o.Via, o.Probe = UDP, t.port, t.via, name
		o.Sent, o.Tries, o.From = e.started.Add(t.last), int(t.tries), r.From
		if t.again && !o.confirm() {
			return
		}
		t.host.Observations = append(t.host.Observations, o)
	})
}
