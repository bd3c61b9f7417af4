package socket

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// When the kernel's table of neighbours (ARP, neighbour discovery) is full,
// packets to new neighbours are dropped before they leave. Echo and datagrams
// get ENOBUFS for it, but a SYN is lost without a word and would look like a
// path that is silent. The kernel counts these drops.

// errNeighbours is the temporary failure of this machine.
var errNeighbours = errors.New("this machine's table of neighbours overflowed (net.ipv4.neigh.default.gc_thresh3)")

// neighbourWatch notices when the table overflows.
type neighbourWatch struct {
	fulls   uint64    // the kernel's count
	read    time.Time // when it was read
	fullAt  time.Time // when it was last seen to have grown
	counter func() (uint64, bool)
	links   []netip.Prefix // the networks of this machine's interfaces
}

// neighbourEvery is how often the count is read at the most.
const neighbourEvery = 100 * time.Millisecond

func newNeighbourWatch(now time.Time, links []netip.Prefix) *neighbourWatch {
	w := &neighbourWatch{counter: neighbourFulls, read: now, links: links}
	w.fulls, _ = w.counter()
	return w
}

// onLink lists the networks that this machine is itself on. What lies behind a
// router needs no entry but the router's, which stays.
func onLink() []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var links []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			links = append(links, p.Masked())
		}
	}
	return links
}

// since reports whether a packet that was sent to a neighbour at the given time
// may have been dropped because the table was full.
func (w *neighbourWatch) since(to netip.Addr, sent, now time.Time) bool {
	if !slices.ContainsFunc(w.links, func(p netip.Prefix) bool { return p.Contains(to) }) {
		return false
	}
	if now.Sub(w.read) >= neighbourEvery {
		if n, ok := w.counter(); ok && n != w.fulls {
			w.fulls = n
			w.fullAt = now
		}
		w.read = now
	}
	return !w.fullAt.IsZero() && !w.fullAt.Before(sent)
}

// Numbers of linux/neighbour.h that the unix package does not have.
const (
	ndtaStats      = 7  // struct ndt_stats
	ndtStatsFulls  = 10 // its member ndts_table_fulls, counted in 64-bit words
	sizeofNdtMsg   = 4
	sizeofAttrHead = 4
)

// neighbourFulls adds up the overflows of all tables, as rtnetlink(7) tells them.
func neighbourFulls() (uint64, bool) {
	rib, err := syscall.NetlinkRIB(unix.RTM_GETNEIGHTBL, unix.AF_UNSPEC)
	if err != nil {
		return 0, false
	}
	msgs, err := syscall.ParseNetlinkMessage(rib)
	if err != nil {
		return 0, false
	}
	var sum uint64
	found := false
	for _, m := range msgs {
		if n, ok := tableFulls(m.Data); ok {
			sum += n
			found = true
		}
	}
	return sum, found
}

// tableFulls finds the count in one table's message.
func tableFulls(b []byte) (uint64, bool) {
	if len(b) < sizeofNdtMsg {
		return 0, false
	}
	b = b[sizeofNdtMsg:]
	for len(b) >= sizeofAttrHead {
		size := int(binary.NativeEndian.Uint16(b))
		kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if size < sizeofAttrHead || size > len(b) {
			return 0, false
		}
		if value := b[sizeofAttrHead:size]; kind == ndtaStats && len(value) >= 8*(ndtStatsFulls+1) {
			return binary.NativeEndian.Uint64(value[8*ndtStatsFulls:]), true
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return 0, false
}
