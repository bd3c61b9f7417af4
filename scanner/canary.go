package scanner

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"
)

// Canaries are paths that answered and are asked again through the run. A
// single one that goes silent says something of its host only. When they go
// silent together, and nothing else that was sent since is answered either, this
// machine or its link is in trouble: nothing that is silent in that time is the
// network's verdict. Sending pauses, the canaries are asked on until one
// answers, and what was silent in the window is asked again.
//
// They see what silences the whole run. A part of the network that goes away
// while the rest answers is not seen by them.
const (
	canarySlots = 64 // canaries at the most, each of another subnet where there are so many
	canaryFew   = 8  // fewer are taken of one subnet too
	// canaryShare is the part of the rate that canaries may take; at low rates
	// one each canaryMost is asked all the same, as far as canaryLow of the rate allows.
	canaryShare = 0.01
	canaryLow   = 0.05
	canaryLeast = 5 * time.Millisecond   // between two canaries, however fast the run is
	canaryMost  = 250 * time.Millisecond // between two canaries, where the rate bears it
	canaryHaste = 20 * time.Millisecond  // between two canaries after one was silent
	canaryProbe = 100 * time.Millisecond // between two canaries in a pause
	canaryRest  = 200 * time.Millisecond // between two packets to one canary
	// canaryRun is how many canaries in a row, with nothing else answered, make
	// the verdict; three hosts of them must differ, or all where there are only
	// two. One host alone proves nothing.
	canaryRun   = 5
	canaryHosts = 3
	// canaryPatience is how long sending pauses at the most.
	canaryPatience = 30 * time.Second
	// canaryFaults is how often one canary may be silent while others answer
	// before its place is free for another path.
	canaryFaults = 4
)

// canaryPath is what is asked again.
type canaryPath struct {
	addr  netip.Addr
	proto Protocol
	port  uint16
}

type canary struct {
	path   canaryPath
	asked  time.Duration
	faults int
	used   bool
}

// canaries are chosen and asked by turns. They hold no clock: times are those of
// the run, and of packets those at which they left. They allocate nothing.
type canaries struct {
	key    uint64
	slots  [canarySlots]canary
	used   int
	turn   int           // slot that is asked next
	last   time.Duration // when a canary was asked last; 0: never
	good   time.Duration // the latest packet that is known to have been answered; negative: none
	silent int           // canaries in a row, asked after good, that stayed silent
	hosts  [canaryHosts]netip.Addr
	differ int // hosts of these that differ
	quiet  bool
	since  time.Duration // begin of the window, when quiet
	found  time.Duration // when it was found
}

// add offers a path that answered. It is taken when the place of its subnet is
// free.
func (c *canaries) add(p canaryPath) {
	s := &c.slots[c.slot(neighbours(p.addr))]
	if s.used && s.faults < canaryFaults && c.used < canaryFew && s.path.addr != p.addr {
		b := p.addr.As16() // the place of the host itself
		s = &c.slots[c.slot(binary.BigEndian.Uint64(b[:8])^binary.BigEndian.Uint64(b[8:]))]
	}
	if s.used && s.faults < canaryFaults {
		return
	}
	if !s.used {
		c.used++
	}
	*s = canary{path: p, used: true, asked: -canaryRest}
}

// neighbours is the number of a subnet.
func neighbours(a netip.Addr) uint64 {
	b := a.As16()
	if a.Is4() {
		return uint64(b[12])<<16 | uint64(b[13])<<8 | uint64(b[14])
	}
	return binary.BigEndian.Uint64(b[:8])
}

// slot is the place of a subnet or a host.
func (c *canaries) slot(n uint64) int {
	over, under := bits.Mul64(n^c.key, 0x9e3779b97f4a7c15)
	return int((over ^ under) >> 58)
}

// pause is the time between two canaries at a rate of the whole run; 0: no
// limit. Urgent is what is asked for because nothing else is answered.
func (c *canaries) pause(rate float64, urgent bool) time.Duration {
	kind, least := canaryLeast, canaryHaste
	if rate > 0 {
		kind = max(kind, time.Duration(float64(time.Second)/(canaryShare*rate)))
		least = max(least, time.Duration(float64(time.Second)/(canaryLow*rate)))
	}
	switch {
	case c.quiet:
		return canaryProbe
	case c.silent > 0:
		return least
	case urgent:
		return canaryRest
	}
	return min(kind, max(canaryMost, least))
}

// next returns a canary to ask now, or after how long to come back. Its id
// comes back with the answer or the silence. Its packet counts for the rate and
// the caps like any other.
func (c *canaries) next(now time.Duration, rate float64, urgent bool) (id int, p canaryPath, wait time.Duration) {
	if c.used == 0 {
		return 0, canaryPath{}, canaryMost
	}
	pause := c.pause(rate, urgent)
	switch {
	case c.last != 0:
	case urgent:
		c.last = now - pause
	default: // the first has only just answered
		c.last = now + max(0, canaryMost-pause)
	}
	if wait := c.last + pause - now; wait > 0 {
		return 0, canaryPath{}, wait
	}
	rest := canaryRest
	for range canarySlots {
		s := &c.slots[c.turn]
		id, c.turn = c.turn, (c.turn+1)%canarySlots
		if !s.used {
			continue
		}
		if wait := s.asked + canaryRest - now; wait > 0 {
			rest = min(rest, wait)
			continue
		}
		s.asked, c.last = now, now
		return id, s.path, 0
	}
	return 0, canaryPath{}, rest
}

// heard notes that any packet of the run which left at that time was answered,
// in whatever way: then nothing was wrong with this machine and its link.
func (c *canaries) heard(sent time.Duration) {
	if sent <= c.good {
		return
	}
	c.good = sent
	c.silent, c.differ, c.quiet = 0, 0, false
}

// quieted notes that the packet to a canary that left at that time was not
// answered in its time.
func (c *canaries) quieted(id int, sent, now time.Duration) {
	s := &c.slots[id]
	if sent <= c.good {
		s.faults++ // others answered what was sent later
		return
	}
	c.silent++
	known := false
	for _, h := range c.hosts[:c.differ] {
		known = known || h == s.path.addr
	}
	if !known && c.differ < canaryHosts {
		c.hosts[c.differ] = s.path.addr
		c.differ++
	}
	if !c.quiet && c.silent >= canaryRun && c.differ >= max(2, min(c.used, canaryHosts)) {
		c.quiet, c.since, c.found = true, c.good, now
	}
}

// pausing reports whether nothing but canaries should be sent. That ends after
// canaryPatience, because a run must end: from then on silence counts for
// nothing until quiet is over.
func (c *canaries) pausing(now time.Duration) bool { return c.quiet && now-c.found < canaryPatience }
