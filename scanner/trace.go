package scanner

import "slices"

// Bounds of a trace: it ends at the first answer that is no "time exceeded".
const (
	maxHops    = 30
	silentHops = 3 // that follow each other
)

// trace finds out how far packets to one endpoint get, by packets with a
// growing hop limit.
type trace struct {
	silent int // hops without an answer, since the last that answered
}

// next returns the hop limit after the one that ended so, or 0 when the trace
// is finished.
func (t *trace) next(hop uint8, o Outcome) uint8 {
	switch o {
	case Expired:
		t.silent = 0
	case Silent:
		if t.silent++; t.silent >= silentHops {
			return 0
		}
	default:
		return 0
	}
	if hop >= maxHops {
		return 0
	}
	return hop + 1
}

// hopAgain reports whether the silent packet of a trace is sent once more: where
// packets are lost, and where an answer was to be expected, because the endpoint
// itself had answered or another trace to the host was answered from there. What a
// trace shows must not depend on a single packet that was lost, or came late.
func (e *engine) hopAgain(t *task) bool {
	if t.tries > 2 {
		return false
	}
	h := t.host
	expired := slices.ContainsFunc(h.Observations, func(o Observation) bool {
		return o.HopLimit == t.hop && o.Outcome == Expired
	})
	answers := slices.ContainsFunc(h.tasks, func(o *task) bool {
		return o.proto == t.proto && o.port == t.port && o.seen.outcome.asHost()
	})
	if e.losses > 0 {
		return t.tries == 1 || expired || answers
	}
	return t.tries == 1 && answers || expired
}

// suspect is an endpoint whose answer, or silence, a trace can explain.
type suspect struct {
	proto Protocol
	port  uint16
}

// maxSuspects bounds the traces to one host.
const maxSuspects = 3

// suspects returns what a trace would explain, the endpoint to compare with
// first: a refusal that the host need not have sent itself, and silence of a
// host that is alive. budget says whether a silent endpoint may be traced.
func suspects(h *hostRun, budget func(suspect) bool) []suspect {
	ref, alive := reference(h)
	var out []suspect
	for _, t := range h.tasks {
		s := suspect{t.proto, t.port}
		switch {
		case !t.done || len(out) >= maxSuspects:
		case t.seen.outcome == Refused:
			if !sameDistance(h, t.seen.ttl) {
				out = append(out, s)
			}
		case t.silent && alive && t.via == 0 && t.proto == TCP:
			if budget(s) {
				out = append(out, s)
			}
		}
	}
	if len(out) > 0 && alive {
		out = append([]suspect{ref}, out...)
	}
	return out
}

// reference returns an endpoint at which the host itself answered: a TCP port
// if there is one, because packets of one protocol take one way.
func reference(h *hostRun) (suspect, bool) {
	var ref suspect
	found := false
	for _, t := range h.tasks {
		if !t.done || t.seen.outcome != Answered || t.proto == UDP {
			continue
		}
		if !found || (ref.proto == ICMP && t.proto == TCP) {
			ref, found = suspect{t.proto, t.port}, true
		}
	}
	return ref, found
}

// sameDistance reports whether the TTL of a refusal shows that it came from as
// far away as the host's other answers.
func sameDistance(h *hostRun, ttl uint8) bool {
	if ttl == 0 {
		return false
	}
	for _, t := range h.tasks {
		if t.done && t.seen.outcome == Answered && t.seen.ttl != 0 && Hops(t.seen.ttl) == Hops(ttl) {
			return true
		}
	}
	return false
}

// Hops is the number of routers that a packet passed, guessed from its TTL on
// arrival: senders start at 32, 64, 128 or 255 (RFC 1700 suggests 64).
func Hops(ttl uint8) int {
	for _, start := range []uint8{32, 64, 128} {
		if ttl <= start {
			return int(start - ttl)
		}
	}
	return 255 - int(ttl)
}
