package scanner

import "slices"

// finish records how a task ended and what follows from it.
func (e *engine) finish(t *task, s seen) {
	e.slots.drop(t)
	t.done, t.seen = true, s
	e.passOn(t)
	h := t.host
	h.open--
	if t.again {
		e.settle(h)
		return
	}
	if t.trace == nil {
		e.proceed(t)
		e.settle(h)
		return
	}
	var o Observation
	t.observation(&o, e.started)
	h.Observations = append(h.Observations, o)
	e.revive(t)
	if hop := t.trace.next(t.hop, s.outcome); hop != 0 {
		e.hop(h, t.trace, suspect{t.proto, t.port}, hop)
	}
	e.settle(h)
}

// proceed starts what follows from the answer of an endpoint: conversations, or
// at least the fixed ports beside those that a conversation would have named.
func (e *engine) proceed(t *task) {
	talks := t.seen.outcome == Answered && t.proto == TCP && e.cfg.Depth > AssurancePortOpen
	t.probes(func(name string) {
		if !talks {
			e.follow(t.host, t.port, name, nil)
		} else if p, ok := e.cfg.Probes[name]; ok && p.Talk != nil {
			e.enqueue(job{host: t.host, port: t.port, via: t.via, probe: p})
		}
	})
}

// revive takes the answer to a packet of a trace for what it is: an endpoint
// that was silent before does answer.
func (e *engine) revive(t *task) {
	if t.seen.outcome != Answered {
		return
	}
	for _, was := range t.host.tasks {
		if was.proto != t.proto || was.port != t.port || !was.silent {
			continue
		}
		e.takeBack(was)
		e.stats.Answered++
		e.stats.Retried++
		e.moments.answered++
		e.moments.lost += int(was.tries)
		e.losses += int(was.tries)
		t.host.net.answered++
		t.host.net.lost.sure += int(was.tries)
		was.tries++
		was.seen = t.seen
		if t.more != nil && t.more.from.IsValid() {
			was.extra().from = t.more.from
		}
		e.proceed(was)
	}
}

// follow adds the endpoints of the rows whose ports the conversation on port
// was to name: those that it revealed, and the fixed ones beside them.
func (e *engine) follow(h *hostRun, port uint16, probe string, revealed []Endpoint) {
	for _, row := range h.Rows {
		if row.Via != port || row.ViaProbe != probe {
			continue
		}
		for i, ep := range revealed {
			if i < e.cfg.Revealed {
				e.sweepToo(h, ep.Protocol, ep.Port, port, ep.Probe)
			}
		}
		for _, p := range row.Extra {
			e.sweepToo(h, TCP, p, port, row.Probe)
		}
	}
}

func (e *engine) sweepToo(h *hostRun, proto Protocol, port, via uint16, probe string) {
	if t := h.add(proto, port, via, probe); t != nil {
		e.ask(t, e.now)
	}
}

// settle closes a host when nothing of it is open any more, after the traces
// that explain what was seen.
func (e *engine) settle(h *hostRun) {
	if h.open > 0 {
		return
	}
	if !h.late {
		h.late = true
		if e.askLate(h) {
			return
		}
	}
	if !h.sure {
		h.sure = true
		if e.confirm(h) {
			return
		}
	}
	if !h.traced && e.cfg.Traces >= 0 {
		h.traced = true
		for _, s := range suspects(h, func(s suspect) bool { return h.net.trace(s, e.cfg.Traces) }) {
			e.hop(h, &trace{}, s, 1)
		}
		if h.open > 0 {
			return
		}
	}
	e.leave(h)
}

// leave hands a host over with everything that was observed of it.
func (e *engine) leave(h *hostRun) {
	if len(h.tasks) > 0 {
		list := e.room(len(h.tasks) + len(h.Observations))[:len(h.tasks)]
		for i, t := range h.tasks {
			t.observation(&list[i], e.started)
			if t.silent && len(e.rations.routers) > 0 {
				list[i].Rationed = e.rations.by(h.Addr, suspect{t.proto, t.port}, e.stats.Loss())
			}
		}
		h.Observations = append(list, h.Observations...)
	}
	e.outbox = append(e.outbox, Event{Host: h.Host})
	e.running--
	e.finished++
	e.judge(h)
	e.depart(h.net)
	h.reset()
	e.idle = append(e.idle, h)
}

// askLate asks the silent endpoints of a host that is alive once more, after
// everything else: what silenced them may have passed. Where not one packet of
// the whole run was lost, there was no such thing, and what was asked over a while
// outlived it. It reports whether there are any.
func (e *engine) askLate(h *hostRun) bool {
	if _, alive := reference(h); !alive || e.flawless() {
		return false
	}
	asked := false
	for _, t := range h.tasks {
		if !t.silent || t.proto == UDP || int(t.tries) >= e.cfg.Rounds || t.spread() {
			continue
		}
		e.takeBack(t)
		t.done, t.late, asked = false, true, true
		h.open++
		e.ask(t, e.now)
	}
	return asked
}

// flawless reports whether nothing that was sent is known to have been lost so
// far, on the way or by this machine.
func (e *engine) flawless() bool {
	return e.losses == 0 && e.stats.Trouble == 0 && e.sight.darks+e.sight.crowds == 0
}

// hop sends the packet of a trace that may pass one router more.
func (e *engine) hop(h *hostRun, tr *trace, s suspect, hop uint8) {
	h.open++
	e.ask(&task{host: h, proto: s.proto, port: s.port, trace: tr, hop: hop}, e.now)
}

// observe turns a conversation's result into an observation.
func observe(r Result) Observation {
	o := Observation{
		Outcome: r.Outcome, Err: r.Err, Proof: r.Proof, NeedsCredentials: r.NeedsCredentials,
		Identity: r.Identity, FarEnd: r.FarEnd, Details: slices.Clone(r.Details),
	}
	if r.Reply.Outcome != OutcomeUnknown {
		o.From, o.TTL, o.ICMP = r.Reply.From, r.Reply.TTL, r.Reply.ICMP
		if o.Err == "" {
			o.Err = r.Reply.Err
		}
	}
	return o
}
