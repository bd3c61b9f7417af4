package socket

import (
	"cmreach/scanner"
	"container/heap"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// flight is a shot that waits for its answer. A connection that is dialed is one
// beside the books.
type flight struct {
	shot  scanner.Shot
	fd    int // -1: none of its own (echo)
	age   int32
	sent  time.Time
	until time.Time // zero: whoever dials ends it
	next  time.Time // until, or before it the time up to which it must not be given up
	over  bool      // that time has passed: it stays while there is room
	place int       // in its heap of deadlines
	hops  uint8     // of its socket
	// pooled: its socket is used again; worn: it must be dissolved before that.
	// opening: its connect() is under way, elsewhere; stirred: its socket may have
	// had an event in that time.
	pooled, worn, opening, stirred bool
	local                          netip.AddrPort
	to                             unix.Sockaddr // of the shot's own socket
	echo                           *pendingEcho

	ttlAccept, ttlReset uint8 // of the latest SYN-ACK and RST, from the tap
}

// ports identifies a TCP packet's connection on this machine.
type ports struct {
	peer  netip.AddrPort
	local uint16
}

func (f *flight) ports() ports {
	return ports{
		peer:  netip.AddrPortFrom(f.shot.Addr.WithZone(""), f.shot.Port),
		local: f.local.Port(),
	}
}

// reply begins the reply to the flight.
func (f *flight) reply(o scanner.Outcome, from netip.Addr) scanner.Reply {
	return scanner.Reply{Key: f.shot.Key, Outcome: o, From: from, At: time.Now(), Sent: f.sent}
}

// deadlines is a heap of flights, the first to end on top.
type deadlines []*flight

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].next.Before(d[j].next) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push is for package heap.
func (d *deadlines) Push(x any) {
	f := x.(*flight)
	f.place = len(*d)
	*d = append(*d, f)
}

// Pop is for package heap.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	f := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return f
}

// start sends the packet of a flight and registers it. The lock is held: it is
// let go of while a connection is begun, which takes the kernel long, unless a
// tap might see the answer before the flight is known.
func (c *Connect) start(f *flight) error {
	if !f.shot.Addr.IsValid() {
		return errBadAddr
	}
	if err := c.closedError(); err != nil {
		return err
	}
	switch f.shot.Protocol {
	case scanner.TCP:
		return c.startTCP(f)
	case scanner.UDP:
		return c.startUDP(f)
	case scanner.ICMP:
		return c.startEcho(f)
	default:
		return fmt.Errorf("protocol %s cannot be sent", f.shot.Protocol)
	}
}

// register makes the loop wait for the flight.
func (c *Connect) register(f *flight) error {
	if f.fd >= 0 {
		c.age++
		f.age = c.age
		events := uint32(unix.EPOLLIN)
		if f.shot.Protocol == scanner.TCP {
			events = unix.EPOLLOUT
		}
		if err := c.watch(f.fd, events, f.age); err != nil {
			return err
		}
		c.flights[f.fd] = f
	}
	if c.tapped(f) {
		c.byPorts[f.ports()] = f
	}
	if f.echo != nil {
		c.byEcho[f.echo] = f
	}
	c.flying++
	c.arm(f)
	return nil
}

// arm sets the deadlines of a shot. The lock is held.
func (c *Connect) arm(f *flight) {
	wait := f.shot.Wait
	if wait <= 0 {
		wait = defaultWait
	}
	f.until = f.sent.Add(wait)
	if f.shot.Protocol == scanner.TCP {
		f.until = f.sent.Add(max(wait, synAgain)) // while there is room
	}
	f.next = f.until
	if h := f.shot.Hold; h > 0 && h < wait {
		f.next = f.sent.Add(h)
	}
	heap.Push(&c.due, f)
	first := f.next
	if at := f.sent.Add(synAgain); f.shot.Protocol == scanner.TCP && at.Before(f.until) {
		c.looks = append(c.looks, look{f, at})
		if at.Before(first) {
			first = at
		}
	}
	if c.asleep && (c.sleep.IsZero() || first.Before(c.sleep)) {
		c.asleep = false
		c.wakeUp()
	}
}

// Linux sends a SYN again after a second (RFC 6298 2.1), and up to a step of its
// timers later: 80 ms where these are coarsest.
const (
	synTimeout = time.Second
	synAgain   = synTimeout + 100*time.Millisecond
)

// Hindsight is how long after a SYN has left it is known at the latest that it
// has not: that it was this machine that dropped it. See [scanner.Config].
func (c *Connect) Hindsight() time.Duration { return synAgain }

// look is a flight to be looked at before its time is over, whether its SYN left.
// The flight may have ended since, and be another.
type look struct {
	f  *flight
	at time.Time
}

// lookAt ends the flights whose SYN is found not to leave this machine.
func (c *Connect) lookAt(now time.Time) {
	for len(c.looks) > 0 && !c.looks[0].at.After(now) {
		l := c.looks[0]
		c.looks[0], c.looks = look{}, c.looks[1:]
		if c.flights[l.f.fd] == l.f && !l.f.opening && l.f.sent.Add(synAgain).Equal(l.at) && l.f.held() {
			c.lose(l.f)
		}
	}
}

// tell queues a reply until the lock is let go of.
func (c *Connect) tell(r scanner.Reply) { c.out = append(c.out, r) }

// tapped reports whether the tap sees the answers to a flight.
func (c *Connect) tapped(f *flight) bool {
	return f.shot.Protocol == scanner.TCP && c.tap[family(f.shot.Addr)] != nil
}

// forget takes a flight out of all books, and leaves its descriptor open.
func (c *Connect) forget(f *flight) {
	if f.fd >= 0 {
		delete(c.flights, f.fd)
	}
	if f.local.IsValid() && c.byPorts[f.ports()] == f {
		delete(c.byPorts, f.ports())
	}
	if f.echo != nil {
		delete(c.byEcho, f.echo)
		if e := c.echo[family(f.shot.Addr)]; e != nil {
			e.book.remove(f.echo)
		}
	}
	c.flying--
	if f.over {
		heap.Remove(&c.over, f.place)
	} else {
		heap.Remove(&c.due, f.place)
	}
}

// passTime ends the flights whose time is over, and notes those that have had
// the time that they must have.
func (c *Connect) passTime(now time.Time) {
	c.lookAt(now)
	for len(c.due) > 0 && !c.due[0].next.After(now) {
		f := c.due[0]
		if !f.until.After(now) {
			c.lose(f)
			continue
		}
		heap.Pop(&c.due)
		f.next, f.over = f.until, true
		heap.Push(&c.over, f)
	}
	for len(c.over) > 0 && !c.over[0].next.After(now) {
		c.lose(c.over[0])
	}
}

// makeRoom gives up the flight that has waited longest beyond the time that it
// must have. It reports false when there is none, or its answer has come just
// now.
func (c *Connect) makeRoom() bool {
	if len(c.over) == 0 {
		return false
	}
	f := c.over[0]
	if f.fd >= 0 {
		ready := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN | unix.POLLOUT}} //nolint:gosec // a descriptor fits
		if n, err := unix.Poll(ready, 0); err != nil || n > 0 {
			return false
		}
	}
	c.lose(f)
	return true
}

// land ends a flight with a reply.
func (c *Connect) land(f *flight, r scanner.Reply) {
	c.forget(f)
	c.discard(f, r.Outcome)
	c.tell(r)
}

// lose ends a flight to which nothing came.
func (c *Connect) lose(f *flight) {
	if r := c.unheard(f); r.Outcome != scanner.Silent {
		c.land(f, r)
		return
	}
	c.forget(f)
	c.discard(f, scanner.Silent)
}

// unheard is the reply when nothing came. It is no silence when the SYN was
// dropped by this machine, or may have been.
func (c *Connect) unheard(f *flight) scanner.Reply {
	switch {
	case f.shot.Protocol == scanner.TCP && c.crowded.since(f.shot.Addr, f.sent, time.Now()):
		return localError(f.shot.Key, f.shot.Addr, f.sent, errNeighbours)
	case f.held():
		return localError(f.shot.Key, f.shot.Addr, f.sent, &heldError{to: f.shot.Addr})
	}
	return f.reply(scanner.Silent, netip.Addr{})
}

// held reports whether the SYN of a flight does not leave this machine. It shows
// when the kernel sends it once more.
func (f *flight) held() bool {
	if f.shot.Protocol != scanner.TCP || f.fd < 0 || time.Since(f.sent) < synTimeout {
		return false
	}
	s, err := readAttempt(f.fd)
	return err == nil && s.held
}

// grave is a descriptor to be closed.
type grave struct {
	fd    int
	reset bool // by RST, which leaves no TIME_WAIT behind on this machine
}

// discard has the socket of a shot closed. A connection that was accepted is
// reset.
func (c *Connect) discard(f *flight, o scanner.Outcome) {
	switch {
	case f.fd < 0:
	case f.pooled && (o == scanner.Answered || o == scanner.Refused || o == scanner.Silent):
		c.resting = append(c.resting, f)
	default:
		c.dead = append(c.dead, grave{fd: f.fd, reset: f.shot.Protocol == scanner.TCP && o == scanner.Answered})
	}
}

// unlock lets go of the lock and closes or dissolves what was discarded under
// it: that takes the kernel long, and nobody else has to wait for it.
func (c *Connect) unlock() {
	dead, resting := c.dead, c.resting
	c.dead, c.resting = nil, nil
	c.tiring += len(resting)
	c.replies.put(c.out...)
	clear(c.out) // let go of the payloads
	c.out = c.out[:0]
	c.mu.Unlock()
	if len(resting) > 0 {
		c.rest(resting)
	}
	for _, g := range dead {
		if g.reset {
			_ = unix.SetsockoptLinger(g.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
		closeFD(g.fd)
	}
}
