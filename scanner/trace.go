package scanner

import "net/netip"

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
func suspects(h *Host, budget func(netip.Prefix, suspect) bool) []suspect {
	ref, alive := reference(h)
	var out []suspect
	for _, o := range h.Observations {
		s := suspect{o.Protocol, o.Port}
		switch {
		case !o.Sweep() || len(out) >= maxSuspects:
		case o.Outcome == Refused:
			if !sameDistance(h, o) {
				out = append(out, s)
			}
		case o.Outcome == Silent && alive && o.Via == 0 && o.Protocol == TCP:
			if budget(subnet(h.Addr), s) {
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
func reference(h *Host) (suspect, bool) {
	var ref suspect
	found := false
	for _, o := range h.Observations {
		if !o.Sweep() || o.Outcome != Answered || o.Protocol == UDP {
			continue
		}
		if !found || (ref.proto == ICMP && o.Protocol == TCP) {
			ref, found = suspect{o.Protocol, o.Port}, true
		}
	}
	return ref, found
}

// sameDistance reports whether the TTL of a refusal shows that it came from as
// far away as the host's other answers.
func sameDistance(h *Host, refusal Observation) bool {
	if refusal.TTL == 0 {
		return false
	}
	for _, o := range h.Observations {
		if o.Sweep() && o.Outcome == Answered && o.TTL != 0 && Hops(o.TTL) == Hops(refusal.TTL) {
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
