package scanner

import (
	"net/netip"
	"slices"
	"time"
)

// Routers limit the ICMP errors that they send (RFC 1812 4.3.2.8, RFC 4443 2.4
// f). Linux sends six to one destination, then one a second (icmp_ratelimit),
// and 1,000 a second to all (icmp_msgs_per_sec); others send two a second. A
// sweep that meets a rule which rejects sees a few rejects, then silence, though
// the rule is the same for all.
//
// Two things give such a router away. It rejects a path at one try that was
// silent at an earlier one. And a path that it has rejected is silent when it is
// asked again, while the router meets others that it rejects: so that is done now
// and then, as long as there are silent paths that it may be the cause of.
const (
	rationRouters = 64
	rationPorts   = 64 // of one router
	rationFew     = 16 // rejects, with fewer of which not every port need be among them
	rationKnown   = 4  // paths that are asked again, in turn
	// rationPause is between two such questions, so that they alone reach no
	// limit: of a route that prohibits, Linux sends but one error in two seconds.
	rationPause = 2200 * time.Millisecond
	rationTries = 2 // in one question
	rationLate  = 8 // questions that weigh as much as all before them
	// A router that once sent more errors than these has no limit so low that a
	// path must be asked slowly to meet it, nor that the one question would.
	rationBurst = 2 * rejectBurst
	rationRate  = 10 // a second
	// How far from the hosts that a router rejects paths of it is taken to be on
	// the way: the prefix of a site. Of a single host, its subnet.
	rationBits4 = 16
	rationBits6 = 48
	// rationTurns is how long after its first try a path has its turn at the latest;
	// a second one, in half that time. If more have to wait, not all can be told.
	rationTurns = 9 * time.Second
)

// rations knows the routers that reject, and which of them hold rejects back.
// Its room is bounded; what comes when it is full is not recognised.
type rations struct{ routers []*rationer }

// rationer is one sender of errors.
type rationer struct {
	addr      netip.Addr
	only      netip.Addr   // the host whose paths it rejects; not valid: there are several
	behind    netip.Prefix // the addresses that it is taken to be on the way to
	ports     []suspect    // those that it rejects
	rejects   int
	recovered int // of these, to a later try of a path that was silent at one that counts
	since     time.Duration
	free      bool // it sent more than a low limit lets through

	known    []canaryPath // of paths that it rejected
	called   *task        // one of them, which is asked again
	next     time.Duration
	answered int // questions of this kind that it rejected once more
	missed   int // and those that it did not

	turn time.Duration // the latest that a silent path waits for, or when the latest rejection came
}

// rejected notes an error of a router, not of the target itself.
func (l *rations) rejected(from, to netip.Addr, s suspect, recovered bool, now time.Duration) {
	i := slices.IndexFunc(l.routers, func(r *rationer) bool { return r.addr == from })
	if i < 0 {
		if len(l.routers) == rationRouters {
			return
		}
		i = len(l.routers)
		l.routers = append(l.routers, &rationer{addr: from, only: to, behind: Subnet(to), since: now, next: now})
	}
	r := l.routers[i]
	r.turn = max(r.turn, now)
	r.rejects++
	if recovered {
		r.recovered++
	}
	r.free = r.free || r.rejects > rationBurst+int(rationRate*(now-r.since)/time.Second)
	if r.only != to {
		r.only, r.behind = netip.Addr{}, around(r.behind, to)
	}
	if len(r.ports) < rationPorts && !slices.Contains(r.ports, s) {
		r.ports = append(r.ports, s)
	}
	switch w := (canaryPath{to, s.proto, s.port}); {
	case s.proto == UDP: // whose question is not kept
	case len(r.known) < rationKnown:
		r.known = append(r.known, w)
	default:
		r.known[r.rejects%rationKnown] = w
	}
}

// around is the smallest prefix about what was known and an address, at least a
// site. One sender has one address family.
func around(known netip.Prefix, to netip.Addr) netip.Prefix {
	bits := rationBits4
	if to.Is6() {
		bits = rationBits6
	}
	for bits = min(bits, known.Bits()); bits >= 0; bits-- {
		if p, err := to.Prefix(bits); err == nil && p.Contains(known.Addr()) {
			return p
		}
	}
	return known
}

// concerns reports whether a router may be the one that an endpoint got no
// answer from. The few rejections of one that holds back need not show all ports.
func (r *rationer) concerns(to netip.Addr, s suspect, loss float64) bool {
	if !r.behind.Contains(to) {
		return false
	}
	return len(r.ports) == rationPorts || slices.Contains(r.ports, s) || r.rejects < rationFew && r.holdsBack(loss)
}

// holdsBack reports that a router held rejects back, more often than losses
// explain.
func (r *rationer) holdsBack(loss float64) bool {
	more := 3*loss + 0.02
	switch {
	case r.recovered >= 2 && float64(r.recovered) > more*float64(r.rejects):
		return true
	case r.free || r.missed == 0 || float64(r.missed) <= more*float64(r.missed+r.answered):
		return false
	default:
		return r.answered == 0 || r.missed >= 2
	}
}

// may reports whether it is not known yet whether a router holds something back.
func (r *rationer) may() bool { return !r.free && (r.answered == 0 || r.missed > 0) }

// asked notes what became of a question to a path that it rejected before.
func (r *rationer) asked(answered bool) {
	if r.answered+r.missed >= 2*rationLate {
		r.answered, r.missed = r.answered/2, r.missed/2
	}
	if answered {
		r.answered++
	} else {
		r.missed++
	}
}

// by returns the router that may have held back what it should have said of a
// silent endpoint; not valid: none is known to.
func (l *rations) by(to netip.Addr, s suspect, loss float64) netip.Addr {
	for _, r := range l.routers {
		if r.concerns(to, s, loss) && r.holdsBack(loss) {
			return r.addr
		}
	}
	return netip.Addr{}
}

// rationed has the routers tested that may have held back what they should have
// said of a silent task, and reports whether it is to be asked slowly. That is
// done for hosts of which nothing came. The silent paths of one that answers are
// blocked, by the router or by somebody else; and of one that the router rejected
// a path of, it is known that it filters: these need the rejections that are left.
func (e *engine) rationed(t *task) bool {
	alive, rejected := false, false
	for _, other := range t.host.tasks {
		alive = alive || other.done && other.seen.outcome.asHost()
		rejected = rejected || other.done && other.seen.outcome == Rejected
	}
	if rejected {
		return false
	}
	slow, s, loss := false, suspect{t.proto, t.port}, e.stats.Loss()
	for _, r := range e.rations.routers {
		if !r.concerns(t.host.Addr, s, loss) {
			continue
		}
		if !r.free && r.only != t.host.Addr && len(r.known) > 0 && r.called == nil && e.now >= r.next {
			e.askRouter(r)
		}
		slow = slow || r.holdsBack(loss) || r.may()
	}
	return slow && !alive
}

// turn is when a silent path is asked again that a router may reject without
// saying so. The paths of a host of which the router rejected another one share
// what it may send: asked side by side, at the same distances, the same ones would
// always come when the others have used it up. So they are asked in turn.
func (e *engine) turn(t *task) time.Duration {
	at := max(e.now, t.last+rejectGap)
	r := e.rations.rejecter(t.host)
	if r == nil {
		return at
	}
	pause, most := rejectGap, rationTurns
	if t.tries > minTries { // that was too soon, or the router rejected something else
		pause, most = rationPause, rationTurns/2
	}
	turn := max(at, r.turn+pause)
	if turn > t.first+most {
		return at
	}
	r.turn = turn
	return turn
}

// rejecter returns the router that rejected a path of a host, or nil.
func (l *rations) rejecter(h *hostRun) *rationer {
	for _, t := range h.tasks {
		if !t.done || t.seen.outcome != Rejected || t.more == nil {
			continue
		}
		for _, r := range l.routers {
			if r.addr == t.more.from {
				return r
			}
		}
	}
	return nil
}

// askRouter asks a path again that a router rejected.
func (e *engine) askRouter(r *rationer) {
	w := r.known[(r.answered+r.missed)%len(r.known)] // another one each time
	host := &hostRun{Host: &Host{Addr: w.addr}, net: &neighbourhood{}}
	r.called = &task{host: host, proto: w.proto, port: w.port, more: &extra{router: r}}
	e.ask(r.called, e.now)
}

// heardRouter ends that, or asks once more: a single packet may be lost.
func (e *engine) heardRouter(t *task, reply *Reply) {
	r := t.more.router
	switch {
	case reply != nil && reply.Outcome == Rejected && reply.From == r.addr:
		r.asked(true)
	case reply != nil: // by somebody else
	case e.trouble >= t.first, e.sight.blind(e.judged()): // nothing else is answered either
	case t.tries < rationTries:
		e.ask(t, e.now)
		return
	case e.void(t) == 0:
		r.asked(false)
	}
	e.slots.drop(t)
	t.done, r.called, r.next = true, nil, e.now+rationPause
}

// recovers reports whether a try that was answered had one before it that was
// lost, or got no answer, at a time at which answers came.
func (e *engine) recovers(sl *slot) bool {
	for at := sl.next; at != 0; {
		try := e.slots.at(at - 1)
		if try.state == slotSent && !e.voids(try) {
			return true
		}
		at = try.next
	}
	return false
}
