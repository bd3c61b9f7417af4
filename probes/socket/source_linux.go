package socket

import (
	"cmreach/scanner"
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sourceCache knows the address that this machine sends from to another. It
// asks the kernel's routing by connecting a datagram socket, which sends
// nothing, and remembers the answer for a moment: for the whole subnet where the
// routes show that it has but one.
type sourceCache struct {
	opt   Options
	fds   [2]int
	list  []sourceEntry
	now   time.Time // when the batch began
	whole wholeSubnets
	asked func(to, from netip.Addr) // told of each answer; nil: nobody wants to know
}

type sourceEntry struct {
	to, from netip.Addr // to is the subnet's address where the answer is for all of it
	whole    bool       // it is
	until    time.Time
}

const (
	sourceEntries = 1 << 12
	sourceLife    = 2 * time.Second // routes change
)

func newSourceCache(opt Options) *sourceCache {
	return &sourceCache{opt: opt, fds: [2]int{-1, -1}, list: make([]sourceEntry, sourceEntries)}
}

// begin starts a batch: what it asks is as of now.
func (c *sourceCache) begin() {
	c.now = time.Now()
	c.whole.refresh(c.now)
}

func (c *sourceCache) close() {
	for _, fd := range c.fds {
		closeFD(fd)
	}
}

// to returns the address to send from.
func (c *sourceCache) to(to netip.Addr) (netip.Addr, error) {
	if src := c.opt.source(to); src.IsValid() {
		return src, nil
	}
	subnet := scanner.Subnet(to).Addr()
	e := &c.list[hash12(subnet)]
	if e.whole && e.to == subnet && to.Zone() == "" && c.now.Before(e.until) {
		return e.from, nil
	}
	key, whole := to, false
	if c.whole.one(to) {
		key, whole = subnet, true
	} else if e = &c.list[hash12(to)]; !e.whole && e.to == to && c.now.Before(e.until) {
		return e.from, nil
	}
	from, err := c.ask(to)
	if err != nil {
		return netip.Addr{}, err
	}
	*e = sourceEntry{to: key, from: from, whole: whole, until: c.now.Add(sourceLife)}
	return from, nil
}

// hash12 is Knuth's multiplicative hash of the words of an address, cut to 12
// bits.
func hash12(a netip.Addr) uint32 {
	b := a.As16()
	h := binary.BigEndian.Uint32(b[12:])
	if a.Is6() {
		h ^= binary.BigEndian.Uint32(b[8:]) ^ binary.BigEndian.Uint32(b[4:])
	}
	return h * 2654435761 >> 20
}

func (c *sourceCache) ask(to netip.Addr) (netip.Addr, error) {
	fam, i := unix.AF_INET, family(to)
	if i == 1 {
		fam = unix.AF_INET6
	}
	if c.fds[i] < 0 {
		fd, err := unix.Socket(fam, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return netip.Addr{}, err
		}
		c.fds[i] = fd
	}
	const discard = 9 // any port would do
	sa, err := sockaddr(to, discard)
	if err != nil {
		return netip.Addr{}, err
	}
	// Once connected, the socket keeps the source address of before: undo it.
	if err := disconnect(c.fds[i]); err != nil {
		return netip.Addr{}, err
	}
	if err := unix.Connect(c.fds[i], sa); err != nil {
		return netip.Addr{}, err
	}
	local, err := unix.Getsockname(c.fds[i])
	if err != nil {
		return netip.Addr{}, err
	}
	from := addrPort(local).Addr()
	if c.asked != nil {
		c.asked(to, from)
	}
	return from, nil
}

// disconnect takes a datagram socket's peer away (connect(2), AF_UNSPEC).
func disconnect(fd int) error {
	sa := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa)) //nolint:gosec // descriptors are positive
	if errno != 0 && errno != unix.EAFNOSUPPORT {
		return errno
	}
	return nil
}

// wholeSubnets knows which subnets (/24 and /64) have one route, so that one
// address is sent from to all of them.
type wholeSubnets struct {
	read  time.Time
	exact [2]bool               // by family: no subnet can be relied upon
	split map[netip.Prefix]bool // subnets with routes of their own inside
}

const (
	routesLife = 5 * time.Second
	maxRoutes  = 10000 // with more, reading them costs more than asking for each address
)

// refresh reads the routes now and then. Rules that choose a table and routes
// with several next hops may send neighbours in different ways.
func (w *wholeSubnets) refresh(now time.Time) {
	if !w.read.IsZero() && now.Sub(w.read) < routesLife {
		return
	}
	w.read, w.split = now, map[netip.Prefix]bool{}
	for i, fam := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		w.exact[i] = !w.readFamily(fam)
	}
}

func (w *wholeSubnets) readFamily(family int) bool {
	rules, err := netlink.RuleList(family)
	if err != nil {
		return false
	}
	for _, r := range rules {
		if r.Src != nil || r.Dst != nil || r.Mark != 0 || r.IifName != "" || r.OifName != "" || r.Invert || r.Goto >= 0 ||
			r.Sport != nil || r.Dport != nil || r.IPProto != 0 || r.UIDRange != nil || r.Tos != 0 || r.TunID != 0 {
			return false
		}
	}
	routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil || len(routes) > maxRoutes {
		return false
	}
	for _, r := range routes {
		if len(r.MultiPath) > 0 {
			return false
		}
		if r.Dst == nil {
			continue
		}
		ones, _ := r.Dst.Mask.Size()
		to, ok := netip.AddrFromSlice(r.Dst.IP)
		if !ok {
			return false
		}
		if p := scanner.Subnet(to); ones > p.Bits() {
			w.split[p] = true
		}
	}
	return true
}

// one reports whether there is one route to the subnet of an address.
func (w *wholeSubnets) one(to netip.Addr) bool {
	return to.Zone() == "" && !w.exact[family(to)] && !w.split[scanner.Subnet(to)]
}
