package scanner

import (
	"net/netip"
	"time"
)

const (
	// firstDeadline is for the first try where nothing is known of the network.
	firstDeadline = 250 * time.Millisecond
	// minDeadline leaves room for what is no property of the way: a busy peer,
	// a radio that sleeps.
	minDeadline = 200 * time.Millisecond
	// repeatLeast is a little less than the time after which a peer repeats a
	// SYN-ACK that was lost, or whose RST was (RFC 6298 2.1: 1 s), and repeatTimes
	// how much more than an answer ever took that must be. Of so many in turn as
	// repeatMost, one is believed to show a network that has become slow.
	repeatLeast = 900 * time.Millisecond
	repeatTimes = 4
	repeatMost  = 8
)

// roundTrip estimates the time after which an answer is no longer likely, as
// RFC 6298 2 does. Its samples are exact, because each try has a key of its own.
type roundTrip struct {
	mean, dev time.Duration
	limit     time.Duration // 0: no sample yet
	repeats   int           // answers that were repetitions, fewer for each that was none
}

// repetition reports whether an answer that took so long is one that the peer
// repeated because the first was lost: it says nothing of the way.
func (r *roundTrip) repetition(d time.Duration) bool {
	if r.limit == 0 || d < max(repeatLeast, repeatTimes*r.limit) {
		r.repeats = max(0, r.repeats-1)
		return false
	}
	r.repeats = min(r.repeats+1, 2*repeatMost)
	return r.repeats <= repeatMost
}

// add takes a sample. One that is far beyond the limit counts as twice the
// limit.
func (r *roundTrip) add(d time.Duration) {
	if r.limit == 0 {
		r.mean, r.dev = d, d/2
	} else {
		d = min(d, 2*max(r.limit, minDeadline))
		r.dev += ((r.mean - d).Abs() - r.dev) / 4
		r.mean += (d - r.mean) / 8
	}
	r.limit = max(r.mean+4*r.dev, time.Microsecond)
}

// neighbourhood is what is known of a subnet, /24 or /64.
type neighbourhood struct {
	subnet   netip.Prefix
	rtt      roundTrip
	allowed  shared
	hosts    int     // in flight
	answered int     // paths
	lost     losses  // tries of theirs that got no answer
	silent   int     // paths
	judged   Judged  // those of hosts that are done
	sample   sample  // as it was counted for the run
	doubt    float64 // the same
	traces   []traced
	rejects  int           // of packets to its hosts, by filters on the way
	since    time.Duration // the first of them
	idle     bool          // it stands in the line of those without hosts
}

type traced struct {
	suspect
	times int
}

// Subnet is the part of the network that an address is taken to be in with its
// neighbours: its /24 or, in IPv6, /64, without a zone. That of an invalid
// address is invalid.
func Subnet(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	if a.Is4() { // Prefix does the same, in more time
		b := a.As4()
		b[3] = 0
		return netip.PrefixFrom(netip.AddrFrom4(b), 24)
	}
	p, err := a.Prefix(64)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// maxIdle is how many subnets without a host in flight are remembered.
const maxIdle = 1 << 14

// subnets knows the neighbourhoods of the hosts in flight, and of late ones.
type subnets struct {
	known map[netip.Prefix]*neighbourhood
	idle  ring[*neighbourhood]
}

// enter returns the subnet of a host that is admitted.
func (s *subnets) enter(a netip.Addr) *neighbourhood {
	k := Subnet(a)
	n := s.known[k]
	if n == nil {
		n = &neighbourhood{subnet: k}
		s.known[k] = n
	}
	n.hosts++
	return n
}

// leave says that a host is done. What has long been without one is forgotten,
// so that memory does not grow with the plan.
func (s *subnets) leave(n *neighbourhood) {
	if n.hosts--; n.hosts > 0 || n.idle {
		return
	}
	n.idle = true
	s.idle.push(n)
	for s.idle.n > maxIdle {
		old, _ := s.idle.pop()
		if old.idle = false; old.hosts == 0 {
			delete(s.known, old.subnet)
		}
	}
}

// trace reports whether one more silent endpoint of the kind may be traced.
func (n *neighbourhood) trace(s suspect, most int) bool {
	for i := range n.traces {
		if n.traces[i].suspect == s {
			n.traces[i].times++
			return n.traces[i].times <= most
		}
	}
	n.traces = append(n.traces, traced{s, 1})
	return most >= 1
}

// deadline is how long the next try of a task is waited for before the one
// after it is sent: what the host's other answers, its neighbours' or the run's
// say, in that order of weight.
func (e *engine) deadline(h *hostRun) time.Duration {
	d := firstDeadline
	switch {
	case h.net.rtt.limit > 0:
		d = h.net.rtt.limit
	case e.rtt.limit > 0:
		d = e.rtt.limit
	}
	return min(max(d, 2*h.slow, minDeadline), e.cfg.Timeout)
}

// soon is how long the first packet of a trace is waited for where packets are
// lost: not longer than nearly every answer takes, because many hops answer none.
func (e *engine) soon(h *hostRun) time.Duration {
	d := e.deadline(h)
	return min(d, max(d/4, h.net.rtt.limit))
}
