package scanner

import (
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
	Addr     netip.Addr
	Protocol Protocol
	Port     uint16
}

type canary struct {
	path   canaryPath
	asked  time.Time
	faults int
	used   bool
}

// canaries is the state machine. It holds no clock and, once made, allocates nothing.
type canaries struct {
	key    uint64
	slots  [canarySlots]canary
	used   int
	turn   int       // slot that is asked next
	last   time.Time // when a canary was asked last
	good   time.Time // the latest packet that is known to have been answered left at this time
	silent int       // canaries in a row, asked after good, that stayed silent
	hosts  [canaryHosts]netip.Addr
	differ int // hosts of these that differ
	state  canaryState
	since  time.Time // begin of the window, when not watching
	found  time.Time // when it was found
	ended  window    // the latest window that ended
	fresh  bool      // ended was not fetched yet
}

type canaryState uint8

const (
	canaryWatching canaryState = iota
	canaryPausing              // quiet: sending pauses
	canaryGone                 // quiet for longer than canaryPatience: the run goes on, the window stays open
)

func newCanaries(key uint64) *canaries { return &canaries{key: key} }

// add offers a path that answered. It is taken when the place of its subnet is
// free.
func (c *canaries) add(p canaryPath) {
	s := &c.slots[c.slot(p.Addr)]
	if s.used && s.faults < canaryFaults {
		return
	}
	if !s.used {
		c.used++
	}
	*s = canary{path: p, used: true}
}

// slot is the place of a subnet.
func (c *canaries) slot(a netip.Addr) int {
	b := a.As16()
	n := uint64(0)
	if a.Is4() {
		n = uint64(b[12])<<16 | uint64(b[13])<<8 | uint64(b[14])
	} else {
		for _, x := range b[:8] {
			n = n<<8 | uint64(x)
		}
	}
	over, under := bits.Mul64(n^c.key, 0x9e3779b97f4a7c15)
	return int((over ^ under) >> 58)
}

// pause is the time between two canaries at a rate of the whole run; 0: no limit.
func (c *canaries) pause(rate float64) time.Duration {
	switch {
	case c.state != canaryWatching:
		return canaryProbe
	case c.silent > 0:
		return canaryHaste
	case rate <= 0:
		return canaryLeast
	}
	kind := time.Duration(float64(time.Second) / (canaryShare * rate))
	least := time.Duration(float64(time.Second) / (canaryLow * rate))
	return max(min(kind, max(canaryMost, least)), canaryLeast)
}

// next returns a canary to ask now, or after how long to come back. Its id
// comes back with the answer or the silence. Its packet counts for the rate and
// the caps like any other.
func (c *canaries) next(now time.Time, rate float64) (id int, p canaryPath, wait time.Duration) {
	if c.used == 0 {
		return 0, canaryPath{}, canaryMost
	}
	if wait := c.last.Add(c.pause(rate)).Sub(now); !c.last.IsZero() && wait > 0 {
		return 0, canaryPath{}, wait
	}
	rest := canaryRest
	for range canarySlots {
		s := &c.slots[c.turn]
		id, c.turn = c.turn, (c.turn+1)%canarySlots
		if !s.used {
			continue
		}
		if wait := s.asked.Add(canaryRest).Sub(now); !s.asked.IsZero() && wait > 0 {
			rest = min(rest, wait)
			continue
		}
		s.asked, c.last = now, now
		return id, s.path, 0
	}
	return 0, canaryPath{}, rest
}

// answered notes that the packet to a canary that left at that time was answered.
func (c *canaries) answered(id int, sent time.Time) {
	c.slots[id].faults = 0
	c.heard(sent)
}

// heard notes that any packet of the run which left at that time was answered,
// in whatever way: then nothing was wrong with this machine and its link.
func (c *canaries) heard(sent time.Time) {
	if !sent.After(c.good) {
		return
	}
	c.good = sent
	if c.state != canaryWatching && sent.After(c.since) {
		c.ended, c.fresh = window{c.since, sent}, true
		c.state = canaryWatching
	}
	c.silent, c.differ = 0, 0
}

// quieted notes that the packet to a canary that left at that time was not
// answered in its time.
func (c *canaries) quieted(id int, sent, now time.Time) {
	s := &c.slots[id]
	if !sent.After(c.good) {
		s.faults++ // others answered what was sent later
		return
	}
	c.silent++
	known := false
	for _, h := range c.hosts[:c.differ] {
		known = known || h == s.path.Addr
	}
	if !known && c.differ < canaryHosts {
		c.hosts[c.differ] = s.path.Addr
		c.differ++
	}
	if c.state == canaryWatching && c.silent >= canaryRun && c.differ >= max(2, min(c.used, canaryHosts)) {
		c.state, c.since, c.found = canaryPausing, c.good, now
	}
}

// quiet reports that the window is open, and since when. pause says that
// nothing but canaries should be sent; it ends after canaryPatience, because a
// run must end: from then on silence counts for nothing until quiet is over.
func (c *canaries) quiet(now time.Time) (since time.Time, pause, quiet bool) {
	if c.state == canaryPausing && now.Sub(c.found) >= canaryPatience {
		c.state = canaryGone
	}
	return c.since, c.state == canaryPausing, c.state != canaryWatching
}

// over returns a window that has ended, once. What was silent in it is to be
// asked again.
func (c *canaries) over() (window, bool) {
	fresh := c.fresh
	c.fresh = false
	return c.ended, fresh
}
