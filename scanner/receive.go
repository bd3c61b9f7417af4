package scanner

import (
	"container/heap"
	"net/netip"
	"slices"
	"time"
)

// maxLocal is how often a temporary failure of this machine is waited out.
const maxLocal = 20

type traceKey struct {
	net netip.Prefix
	suspect
}

// receive matches replies with the tasks that they answer.
func (e *engine) receive(rs []Reply) {
	for _, r := range rs {
		if r.Key == 0 {
			if r.Outcome == LocalError && r.Temporary {
				e.trouble = time.Now()
			}
			continue
		}
		t := e.flight[r.Key]
		if t == nil || t.done || r.To.IsValid() && !t.goes(r) {
			continue
		}
		if r.Outcome == LocalError && r.Temporary {
			e.trouble = time.Now()
			if t.local < maxLocal {
				e.postpone(t, r.Key)
				continue
			}
		}
		e.answered(t, r)
	}
}

// postpone asks again a little later, without counting the try: the packet
// never left.
func (e *engine) postpone(t *task, key uint64) {
	delete(e.flight, key)
	if t.keys[len(t.keys)-1] != key {
		return // a later shot is under way
	}
	t.local++
	t.tries--
	pause := min(time.Second, time.Duration(t.local)*20*time.Millisecond)
	heap.Push(&e.due, deadline{at: time.Now().Add(pause), task: t, key: key, resend: true})
	t.keys[len(t.keys)-1] = 0 // its own deadline no longer counts
}

// troubled reports whether this machine failed to send while the latest packet
// of the task was under way: its silence may be our own fault then, and does
// not count.
func (e *engine) troubled(t *task) bool {
	return !e.trouble.IsZero() && !e.trouble.Before(t.last) && t.local < maxLocal
}

// answered ends a task.
func (e *engine) answered(t *task, r Reply) {
	if r.Outcome == Answered && t.trace == nil && !t.again {
		e.stats.Answered++
		e.stats.Tries += t.tries
	}
	o := Observation{Outcome: r.Outcome, From: r.From, TTL: r.TTL, ICMP: r.ICMP, Err: r.Err}
	sent := t.last
	if !r.Sent.IsZero() {
		sent = r.Sent
	}
	if !r.At.IsZero() && r.At.After(sent) {
		o.Took = r.At.Sub(sent)
	}
	if t.proto == UDP && r.Outcome == Answered {
		e.decode(t, r)
	}
	e.finish(t, o)
}

// fillDatagram makes the datagram of a UDP endpoint, once. It reports false
// when there is none to send, such as a DHCP question to an IPv6 address.
func (e *engine) fillDatagram(t *task) bool {
	if t.proto != UDP || t.payload != nil || t.trace != nil {
		return true
	}
	possible := true
	ask := Ask{Host: t.host.Name, To: netip.AddrPortFrom(t.host.Addr, t.port)}
	if e.cfg.Source != nil {
		ask.From = e.cfg.Source(t.host.Addr)
	}
	for _, name := range t.probes {
		if p := e.cfg.Probes[name]; p.Request != nil {
			t.payload, t.also, t.udp = p.Request(ask), nil, p.UDP
			if p.Also != nil {
				t.also = p.Also(ask)
			}
			possible = t.payload != nil
		}
	}
	return possible
}

// decode lets the probes of a UDP endpoint say what its answer was.
func (e *engine) decode(t *task, r Reply) {
	for _, name := range t.probes {
		probe := e.cfg.Probes[name]
		if probe.Decode == nil {
			continue
		}
		res := probe.Decode(t.payload, r.Payload)
		o := observe(res)
		o.Protocol, o.Port, o.Via, o.Probe = UDP, t.port, t.via, name
		o.Sent, o.Tries, o.From = t.last, t.tries, r.From
		if t.again && !o.confirm() {
			continue
		}
		t.host.Observations = append(t.host.Observations, o)
	}
}

// finish records how a task ended and what follows from it.
func (e *engine) finish(t *task, o Observation) {
	for _, k := range t.keys {
		delete(e.flight, k)
	}
	t.keys = nil
	t.done = true
	e.passOn(t)
	h := t.host
	h.open--
	if t.again {
		e.settle(h)
		return
	}
	t.silent = o.Outcome == Silent && t.trace == nil
	t.observe(o)
	if t.trace != nil {
		e.revive(t, o)
		if hop := t.trace.next(t.hop, o.Outcome); hop != 0 {
			e.step(h, t.trace, suspect{t.proto, t.port}, hop)
		}
		e.settle(h)
		return
	}
	e.proceed(t, o)
	e.settle(h)
}

// proceed starts what follows from the answer of an endpoint: conversations, or
// at least the fixed ports beside those that a conversation would have named.
func (e *engine) proceed(t *task, o Observation) {
	talks := o.Outcome == Answered && t.proto == TCP && e.cfg.Depth > AssurancePortOpen
	for _, name := range t.probes {
		if !talks {
			e.follow(t.host, t.port, name, nil)
		} else if p, ok := e.cfg.Probes[name]; ok && p.Talk != nil {
			e.enqueue(job{host: t.host, port: t.port, via: t.via, probe: p})
		}
	}
}

// revive takes the answer to a packet of a trace for what it is: an endpoint
// that was silent before does answer.
func (e *engine) revive(t *task, o Observation) {
	if o.Outcome != Answered {
		return
	}
	for _, was := range t.host.tasks {
		if was.proto != t.proto || was.port != t.port || !was.silent {
			continue
		}
		was.forget()
		e.stats.Silent--
		e.stats.Answered++
		was.tries++
		e.stats.Tries += was.tries
		was.observe(o)
		e.proceed(was, o)
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
		e.lanes.push(0, t)
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
		for _, s := range suspects(h.Host, e.mayTrace) {
			e.step(h, &trace{}, s, 1)
		}
		if h.open > 0 {
			return
		}
	}
	e.running--
	e.finished++
	e.outbox = append(e.outbox, Event{Host: h.Host})
}

// askLate asks the silent endpoints of a host that is alive once more, after
// everything else: what silenced them may have passed. It reports whether there
// are any.
func (e *engine) askLate(h *hostRun) bool {
	if _, alive := reference(h.Host); !alive {
		return false
	}
	asked := false
	for _, t := range h.tasks {
		if !t.silent || t.proto == UDP || t.tries >= e.cfg.Rounds {
			continue
		}
		t.forget()
		e.stats.Silent--
		t.done, t.late, asked = false, true, true
		h.open++
		e.lanes.push(retryLane, t)
	}
	return asked
}

// mayTrace keeps the account of the traces of silent endpoints.
func (e *engine) mayTrace(net netip.Prefix, s suspect) bool {
	k := traceKey{net, s}
	if e.traces[k] >= e.cfg.Traces {
		return false
	}
	e.traces[k]++
	return true
}

// step sends the packet of a trace that may pass hop-1 routers.
func (e *engine) step(h *hostRun, tr *trace, s suspect, hop uint8) {
	h.open++
	e.lanes.push(retryLane, &task{host: h, proto: s.proto, port: s.port, trace: tr, hop: hop})
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
