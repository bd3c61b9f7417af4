package scanner

import (
	"math/bits"
	"net/netip"
	"time"
)

// The caps. A host is a client or a server at work and has a neighbour cache,
// a firewall and a backlog; a subnet is often a branch office behind a thin
// line, with a router that must resolve each address first. Neither may be
// harmed by a sweep, however fast the whole of it is:
//
//   - one host gets at most 10 packets at once, and then 50 a second: a profile
//     of 5 rows leaves at once, one of 40 within a second;
//   - one subnet (/24 or /64) gets at most a quarter of the rate at that time,
//     where this is more than 500 a second, in bursts of at most 20 ms of it (32
//     packets at the least). With the default rate of 1,000 a second a single
//     subnet is swept at 500. Where the order is spread over four subnets or
//     more, this cap is never met.
const (
	hostBurst   = 10
	hostGap     = 20 * time.Millisecond
	subnetShare = 4
	subnetFloor = 500.0 // packets a second that a subnet may always get
	subnetBurst = 32
	subnetAhead = 20 * time.Millisecond
)

// The tables have fixed sizes: two hosts, or two subnets, that meet in one slot
// share its allowance, so that a collision can only make the sweep kinder. At
// 1,000,000 packets a second over many hosts a slot of the hosts has 15 a
// second of its 50.
const (
	hostSlots   = 1 << 16
	subnetSlots = 1 << 12
)

// caps holds the packets to one host and to one subnet down, by the generic
// cell rate algorithm (ITU-T I.371, annex A): each slot keeps only the time at which
// its allowance is whole again. It holds no clock.
type caps struct {
	key   uint64
	epoch time.Time
	hosts []int64 // nanoseconds since epoch
	nets  []int64
	told  []int64 // per subnet: when the latest caller that had to wait was told to come back

	netGap, netDepth int64
}

// newCaps makes the tables. rate is that of the whole sweep, 0: no limit.
func newCaps(key uint64, rate float64) *caps {
	c := &caps{
		key:   key,
		hosts: make([]int64, hostSlots), nets: make([]int64, subnetSlots), told: make([]int64, subnetSlots),
	}
	c.setRate(rate)
	return c
}

// setRate follows the rate of the whole sweep. Without a limit (0) there is
// none for subnets either; hosts keep theirs.
func (c *caps) setRate(rate float64) {
	if rate <= 0 {
		c.netGap, c.netDepth = 0, 0
		return
	}
	share := max(subnetFloor, rate/subnetShare)
	burst := max(subnetBurst, share*subnetAhead.Seconds())
	c.netGap = int64(float64(time.Second) / share)
	c.netDepth = int64((burst - 1) * float64(time.Second) / share)
}

// take accounts for one packet to the address and returns 0; or it accounts for
// nothing and returns after how long to ask again. Callers that wait for one
// subnet are told different times, so that they do not all come back at once.
func (c *caps) take(now time.Time, to netip.Addr) time.Duration {
	if c.epoch.IsZero() {
		c.epoch = now
	}
	t := int64(now.Sub(c.epoch)) + 1
	h, n := c.slots(to)
	const depth = int64(hostBurst-1) * int64(hostGap)
	if wait := c.hosts[h] - depth - t; wait > 0 {
		return time.Duration(wait)
	}
	if c.netGap > 0 {
		if due := c.nets[n] - c.netDepth; due > t {
			c.told[n] = max(due, c.told[n]+c.netGap)
			return time.Duration(c.told[n] - t)
		}
		c.nets[n] = max(c.nets[n], t) + c.netGap
	}
	c.hosts[h] = max(c.hosts[h], t) + int64(hostGap)
	return 0
}

// slots finds the slot of a host and of its subnet, /24 or /64.
func (c *caps) slots(a netip.Addr) (host, net uint32) {
	b := a.As16()
	var high, low uint64
	for i := range 8 {
		high = high<<8 | uint64(b[i])
		low = low<<8 | uint64(b[8+i])
	}
	neighbourhood := high
	if a.Is4() {
		neighbourhood = low >> 8
	}
	const odd = 0x9e3779b97f4a7c15
	over, under := bits.Mul64(low^c.key, odd)
	over2, under2 := bits.Mul64(high^over^under^c.key, odd)
	over3, under3 := bits.Mul64(neighbourhood^bits.RotateLeft64(c.key, 32), odd)
	return uint32((over2 ^ under2) >> (64 - 16)), uint32((over3 ^ under3) >> (64 - 12))
}
