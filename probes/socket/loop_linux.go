package socket

import (
	"cmreach/scanner"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// maxEvents is how many sockets one wait tells of.
const maxEvents = 512

// gather is how long the answers of a sweep gather while some come: a wait that
// finds only one costs more than the answer itself.
const gather = time.Millisecond

// loop waits for all sockets until Close.
func (c *Connect) loop() {
	defer close(c.done)
	events := make([]unix.EpollEvent, maxEvents)
	for {
		n, err := unix.EpollWait(c.poll, events, c.nap())
		if err != nil && !errors.Is(err, unix.EINTR) {
			// Only a programming error can bring this about (epoll_wait(2)).
			c.shutDown()
			return
		}
		more, sweeping := c.turn(events[:max(n, 0)])
		if !more {
			c.shutDown()
			return
		}
		if sweeping && n > 0 && n < maxEvents {
			time.Sleep(gather)
		}
	}
}

// nap returns for how many milliseconds the loop may sleep.
func (c *Connect) nap() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0
	}
	c.asleep = true
	c.sleep = time.Time{}
	for _, d := range []deadlines{c.due, c.over} {
		if len(d) > 0 && (c.sleep.IsZero() || d[0].next.Before(c.sleep)) {
			c.sleep = d[0].next
		}
	}
	if len(c.looks) > 0 && (c.sleep.IsZero() || c.looks[0].at.Before(c.sleep)) {
		c.sleep = c.looks[0].at
	}
	if c.sleep.IsZero() {
		return -1
	}
	left := time.Until(c.sleep)
	if left <= 0 {
		return 0
	}
	return int(min(left.Milliseconds()+1, 1<<30))
}

// wakeUp ends the loop's sleep.
func (c *Connect) wakeUp() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(c.wake, one[:]) // EAGAIN: it is woken already
}

// turn handles what one wait brought. It returns false when the engine closes,
// and whether shots are in flight.
func (c *Connect) turn(events []unix.EpollEvent) (more, sweeping bool) {
	c.mu.Lock()
	defer c.unlock()
	c.asleep = false
	if c.closed {
		return false, false
	}
	// The kernel gives raw sockets their copy before TCP acts on a packet: what
	// woke us is in the taps already, unless it overflowed.
	for _, t := range c.tap {
		if t != nil {
			t.drain(c.scratch, c.noteTTL)
		}
	}
	for _, ev := range events {
		fd := int(ev.Fd)
		switch {
		case fd == c.wake:
			_, _ = unix.Read(c.wake, c.scratch[:8])
		case c.echo[0] != nil && fd == c.echo[0].fd:
			c.onEcho(c.echo[0], ev.Events)
		case c.echo[1] != nil && fd == c.echo[1].fd:
			c.onEcho(c.echo[1], ev.Events)
		default:
			// A descriptor can have been closed and used again since the kernel
			// made the event; the age tells.
			if f := c.flights[fd]; f != nil && f.age == ev.Pad {
				c.onFlight(f, ev.Events)
			}
		}
	}
	if len(events) == maxEvents {
		return true, true // there are more: nothing is lost whose answer may wait among them
	}
	c.passTime(time.Now())
	return true, c.flying > 0
}

func (c *Connect) onFlight(f *flight, events uint32) {
	if f.shot.Protocol == scanner.TCP {
		c.onTCP(f, events)
		return
	}
	c.onUDP(f, events)
}

// noteTTL remembers the TTL of a TCP packet for the flight that it belongs to.
func (c *Connect) noteTTL(p ports, reset bool, ttl uint8) {
	f := c.byPorts[p]
	switch {
	case f == nil:
		if reset {
			c.resets.note(p, ttl) // perhaps of a connection that is dialed
		}
	case reset:
		f.ttlReset = ttl
	default:
		f.ttlAccept = ttl
	}
}

// shutDown closes everything at the loop's end.
func (c *Connect) shutDown() {
	c.mu.Lock()
	defer c.unlock()
	c.closed = true
	c.replies.close()
	c.closeLines()
	for conn := range c.dialing {
		conn.giveUp()
	}
	for _, f := range c.flights {
		if f.opening { // whoever begins it will close it
			continue
		}
		c.dead = append(c.dead, grave{fd: f.fd})
	}
	for i := range c.idle {
		for _, f := range c.idle[i] {
			c.dead = append(c.dead, grave{fd: f.fd})
		}
		c.idle[i] = nil
	}
	clear(c.flights)
	clear(c.byPorts)
	clear(c.byEcho)
	c.due, c.over, c.looks = nil, nil, nil
	c.flying = 0
	c.closeSockets()
}

// closedError is what a caller gets after Close.
func (c *Connect) closedError() error {
	if c.closed {
		return net.ErrClosed
	}
	return nil
}
