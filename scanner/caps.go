package scanner

import "time"

// The caps. A host is a client or a server at work and has a neighbour cache,
// a firewall and a backlog; a subnet is often a branch office behind a thin
// line, with a router that must resolve each address first. Neither may be
// harmed by a sweep, however fast the whole of it is:
//
//   - one host gets at most 16 packets at once, and then 100 a second: a profile
//     of 5 rows leaves at once, one of 40 within a quarter of a second;
//   - one subnet (/24 or /64) gets at most a quarter of the rate of the sweep,
//     where this is more than 1,000 a second, in bursts of at most 20 ms of it
//     (32 packets at the least). A run without a rate has the limits of one with
//     100,000 a second. With the default rate of 1,000 a second, or where the
//     order is spread over four subnets or more, this cap is never met.
const (
	hostBurst   = 16
	hostGap     = 10 * time.Millisecond
	subnetShare = 4
	subnetFloor = 1000.0 // packets a second that a subnet may always get
	subnetBurst = 32
	subnetAhead = 20 * time.Millisecond
	cappedRate  = 100_000.0 // what a run without a rate counts as
)

// caps holds the packets to one host and to one subnet down, by the generic
// cell rate algorithm (ITU-T I.371, annex A): of each it is kept only at which
// time its allowance is whole again. It holds no clock.
type caps struct{ hostGap, netGap, netDepth int64 }

// allowance is when a host may get all at once again that it ever may, in
// nanoseconds of the run.
type allowance struct{ whole int64 }

// shared is the same of a subnet, and when the latest caller that had to wait
// was told to come back.
type shared struct{ whole, told int64 }

// newCaps makes the limits. rate is that of the whole sweep; 0: no limit.
func newCaps(rate float64) caps {
	if rate <= 0 {
		rate = cappedRate
	}
	share := max(subnetFloor, rate/subnetShare)
	burst := max(subnetBurst, share*subnetAhead.Seconds())
	return caps{
		hostGap:  int64(hostGap),
		netGap:   int64(float64(time.Second) / share),
		netDepth: int64((burst - 1) * float64(time.Second) / share),
	}
}

// take accounts for one packet and returns 0; or it accounts for nothing and
// returns after how long to ask again. Callers that wait for one subnet are told
// different times, so that they do not all come back at once.
func (c *caps) take(now time.Duration, h *allowance, n *shared) time.Duration {
	t := int64(now)
	if wait := h.whole - (hostBurst-1)*c.hostGap - t; wait > 0 {
		return time.Duration(wait)
	}
	if due := n.whole - c.netDepth; due > t {
		n.told = max(due, n.told+c.netGap)
		return time.Duration(n.told - t)
	}
	n.whole = max(n.whole, t) + c.netGap
	h.whole = max(h.whole, t) + c.hostGap
	return 0
}

// capped reports whether a try has to wait because its host or subnet got
// enough for now. It comes back when there may be room.
func (e *engine) capped(sl *slot, key uint32) bool {
	h := sl.task.host
	wait := e.caps.take(e.now, &h.allowed, &h.net.allowed)
	if wait <= 0 {
		return false
	}
	sl.state, sl.due = slotWaiting, micros(e.now+wait)
	e.wheel.add(key, e.now+wait)
	return true
}
