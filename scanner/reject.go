package scanner

import (
	"net/netip"
	"time"
)

// Routers limit the ICMP errors that they send (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f).
// Linux sends 6 to one destination, then one a second (icmp_ratelimit 1000 ms),
// and 1,000 a second to all (icmp_msgs_per_sec, in bursts of 50); others send
// two a second. A sweep that meets a rule which rejects sees a few rejects, then
// silence, though the rule is the same for all. Such silence is no evidence of a
// packet that was dropped: it is to be asked again slowly, and what cannot be
// asked slowly enough stays undecided.
const (
	rejectRouters = 64
	rejectPorts   = 256
	rejectClasses = 8192
	rejectPerPort = 8 // routers that are remembered for one port
	// rejectEarly is how many rejects of a router are taken for its burst: the
	// share of rejects up to there is what is to be expected of the rest.
	rejectEarly = 6
	// rejectExpect is how many rejects must have been expected since then before
	// their absence, or presence, says something. Half of the share is reckoned
	// with, because so few make it uncertain.
	rejectExpect = 8
	rejectNets   = 2 // subnets from which on a router is taken to be on the way to all
	// rejectRate is less than any known limit lets through: who sends fewer
	// errors a second has held none back.
	rejectRate = 0.5
	// The time between two slow questions, without and with measurement: it
	// must be longer than the router takes for its next error.
	rejectSlow   = 1250 * time.Millisecond
	rejectFloor  = 20 * time.Millisecond
	rejectCeil   = 3 * time.Second
	rejectFactor = 1.25
)

type rejectPort struct {
	proto Protocol
	port  uint16
}

type rejectClass struct {
	router uint8
	net    netip.Prefix
	at     rejectPort
}

// rejectRouter is what is known of one sender of errors.
type rejectRouter struct {
	addr        netip.Addr
	rejects     int       // all of them
	recovered   int       // of these, to a later try of a path
	early, late rejectMix // first tries only
	earlyUntil  time.Time // the latest first try among the early rejects left at this time
	firstLate   time.Time // arrival of the first and the latest reject after the burst
	lastLate    time.Time
	lateCount   int
	nets        [rejectNets]netip.Prefix
	netCount    int
	first       time.Time // the first packet that it rejected left at this time
	swept       time.Time // the latest packet of the sweep that it rejected, or may have
	exposed     time.Time // the same with the questions asked slowly
}

type rejectMix struct{ rejects, silent int }

// rejectLimits recognises routers whose rejects thin out. It holds no clock;
// its tables are bounded, and where they are full the judgement is the careful one.
type rejectLimits struct {
	routers []rejectRouter
	ports   map[rejectPort][]uint8
	classes map[rejectClass]struct{}
	full    bool // something could not be remembered
}

func newRejectLimits() *rejectLimits {
	return &rejectLimits{
		routers: make([]rejectRouter, 0, rejectRouters),
		ports:   map[rejectPort][]uint8{}, classes: map[rejectClass]struct{}{},
	}
}

// rejected notes an ICMP unreachable for a path in a subnet, from a router (not
// from the target itself). The answered try left at sent and was the path's
// first, second and so on.
func (l *rejectLimits) rejected(router netip.Addr, net netip.Prefix, proto Protocol, port uint16, sent, now time.Time, try int) {
	i, known := l.router(router)
	if !known {
		l.full = true
		return
	}
	at := rejectPort{proto, port}
	l.remember(i, net, at)
	r := &l.routers[i]
	r.meets(sent)
	if r.rejects == 0 {
		r.first = sent
	}
	r.rejects++
	if try > 1 {
		r.recovered++
	}
	if r.rejects > rejectEarly {
		if r.lateCount == 0 {
			r.firstLate = now
		}
		r.lateCount++
		r.lastLate = now
	}
	switch {
	case try > 1:
	case r.early.rejects < rejectEarly:
		r.early.rejects++
		r.earlyUntil = later(r.earlyUntil, sent)
	default:
		r.late.rejects++
	}
}

// meets notes a packet of the sweep that the router met.
func (r *rejectRouter) meets(sent time.Time) {
	r.swept = later(r.swept, sent)
	r.exposed = later(r.exposed, sent)
}

// router finds the account of a router, or opens one when there is room.
func (l *rejectLimits) router(a netip.Addr) (uint8, bool) {
	for i := range uint8(rejectRouters) {
		switch {
		case int(i) == len(l.routers):
			l.routers = append(l.routers, rejectRouter{addr: a})
			return i, true
		case l.routers[i].addr == a:
			return i, true
		}
	}
	return 0, false
}

// remember notes that a router rejects a port in a subnet.
func (l *rejectLimits) remember(i uint8, net netip.Prefix, at rejectPort) {
	class := rejectClass{i, net, at}
	if _, known := l.classes[class]; known {
		return
	}
	if len(l.classes) < rejectClasses {
		l.classes[class] = struct{}{}
	} else {
		l.full = true
	}
	r := &l.routers[i]
	known := false
	for _, n := range r.nets[:r.netCount] {
		known = known || n == net
	}
	if !known && r.netCount < rejectNets {
		r.nets[r.netCount] = net
		r.netCount++
	}
	on := l.ports[at]
	for _, k := range on {
		if k == i {
			return
		}
	}
	if on == nil && len(l.ports) == rejectPorts || len(on) == rejectPerPort {
		l.full = true
		return
	}
	l.ports[at] = append(on, i)
}

// silent notes that a try of a path stayed silent. What was asked slowly is not
// noted, neither here nor as rejected.
func (l *rejectLimits) silent(net netip.Prefix, proto Protocol, port uint16, sent time.Time, try int) {
	at := rejectPort{proto, port}
	for _, i := range l.ports[at] {
		r := &l.routers[i]
		if !l.concerns(i, net, at) {
			continue
		}
		r.meets(sent)
		switch {
		case try > 1:
		case r.early.rejects < rejectEarly || !sent.After(r.earlyUntil):
			r.early.silent++
		default:
			r.late.silent++
		}
	}
}

// concerns reports whether a router is likely to be on the way to a subnet: it
// rejected the port there, or it rejected in several subnets.
func (l *rejectLimits) concerns(i uint8, net netip.Prefix, at rejectPort) bool {
	if l.routers[i].netCount >= rejectNets {
		return true
	}
	_, here := l.classes[rejectClass{i, net, at}]
	return here
}

// suspect reports whether the silence of a port in a subnet may be a reject
// that was not sent, and the router that did not send it (not valid when there
// were too many to remember). A router is under suspicion for the ports that it
// rejects, in the subnets that it is likely to be on the way to, until it has
// shown that it holds nothing back.
func (l *rejectLimits) suspect(net netip.Prefix, proto Protocol, port uint16) (netip.Addr, bool) {
	at := rejectPort{proto, port}
	for _, i := range l.ports[at] {
		if r := &l.routers[i]; l.concerns(i, net, at) && !r.steady() {
			return r.addr, true
		}
	}
	return netip.Addr{}, l.full
}

// expected is how many rejects of first tries should have come after the burst.
func (r *rejectRouter) expected() float64 {
	share := float64(r.early.rejects) / float64(max(1, r.early.rejects+r.early.silent))
	return share / 2 * float64(r.late.rejects+r.late.silent)
}

// limited reports that rejects have thinned out: far fewer came after the burst
// than the share before it let expect; or they came to later tries of paths whose
// first was silent, more often than loss explains.
func (r *rejectRouter) limited() bool {
	if e := r.expected(); e >= rejectExpect && float64(r.late.rejects) < e/3 {
		return true
	}
	return r.recovered >= 4 && 5*r.recovered >= 2*r.rejects
}

// steady reports that the router holds nothing back: its rejects went on as
// they began, and few came only to later tries; or there were fewer of them in
// all this time than any limit lets through.
func (r *rejectRouter) steady() bool {
	if r.limited() {
		return false
	}
	if float64(r.rejects) < rejectRate*r.swept.Sub(r.first).Seconds() {
		return true
	}
	e := r.expected()
	return e >= rejectExpect && float64(r.late.rejects) >= e && 10*r.recovered <= 3*r.rejects
}

// spacing is the time between two packets to which the router answers both, as
// far as was measured.
func (r *rejectRouter) spacing() time.Duration {
	if r.lateCount < 3 || !r.limited() {
		return rejectSlow
	}
	gap := r.lastLate.Sub(r.firstLate) / time.Duration(r.lateCount-1)
	return min(max(time.Duration(rejectFactor*float64(gap)), rejectFloor), rejectCeil)
}

// slow returns 0 when a suspect path may be asked now, and notes that it is;
// otherwise after how long to come back. It is for the end of a run, when the
// routers meet no other packets of ours: a silence that follows then is one that
// counts.
func (l *rejectLimits) slow(net netip.Prefix, proto Protocol, port uint16, now time.Time) time.Duration {
	at := rejectPort{proto, port}
	wait := time.Duration(0)
	for _, i := range l.ports[at] {
		if r := &l.routers[i]; l.concerns(i, net, at) {
			wait = max(wait, r.exposed.Add(r.spacing()).Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, i := range l.ports[at] {
		if l.concerns(i, net, at) {
			l.routers[i].exposed = now
		}
	}
	return 0
}
