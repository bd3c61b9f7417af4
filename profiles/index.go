package profiles

import (
	"cmreach/scanner"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"
)

// index finds targets by their number, and the number of a target, without
// listing the addresses of ranges: by arithmetic on where each entry begins.
type index struct {
	starts []uint64  // number of the first target of each entry; nil: each is one target
	byName nameTable // the entries that are names
	byAddr []uint32  // the others, sorted by their first address
}

// newIndex numbers the targets of a list in its order.
func newIndex(list *entries, names nameTable, sorted []uint32) index {
	ix := index{byName: names, byAddr: sorted}
	if len(list.ends) == 0 {
		return ix
	}
	ix.starts = make([]uint64, list.len())
	var n uint64
	for i := range list.len() {
		ix.starts[i] = n
		if end, ok := list.ends[i]; ok {
			n += stepsTo(list.cells.at(i).addr(), end)
		}
		n++
	}
	return ix
}

// start is the number of the first target of an entry.
func (ix *index) start(entry int) uint64 {
	if ix.starts == nil {
		return uint64(entry) //nolint:gosec // G115: an index
	}
	return ix.starts[entry]
}

// at returns a target by its number, which must be below Len.
func (t *Targets) at(n uint64) hostItem {
	e := int(n) //nolint:gosec // G115: below Len
	if t.index.starts != nil {
		i, found := slices.BinarySearch(t.index.starts, n)
		if e = i; !found {
			e--
		}
	}
	return t.list.host(e, n-t.index.start(e))
}

// number finds the number of a host among the targets.
func (t *Targets) number(h hostItem) (uint64, bool) {
	if t.list == nil {
		return 0, false
	}
	if h.addr.IsValid() && h.addr.Zone() == "" {
		return t.numberAt(h.addr)
	}
	e, found := t.index.byName.number(t.list, h.key)
	if !found {
		return 0, false
	}
	return t.index.start(e), true
}

// numberAt finds the number of an address among the targets.
func (t *Targets) numberAt(addr netip.Addr) (uint64, bool) {
	var want cell
	want.setAddr(addr)
	i, found := slices.BinarySearchFunc(t.index.byAddr, &want, func(e uint32, want *cell) int { return t.list.cells.at(int(e)).compare(want) })
	if !found {
		i--
	}
	if i < 0 {
		return 0, false
	}
	e := int(t.index.byAddr[i])
	first := t.list.cells.at(e).addr()
	if first.BitLen() != addr.BitLen() || t.list.last(e).Less(addr) {
		return 0, false
	}
	return t.index.start(e) + stepsTo(first, addr), true
}

// stepsTo is how many steps an address lies after another of its family, as far
// as a number goes.
func stepsTo(from, to netip.Addr) uint64 { return sizeOf([]interval{{from: from, to: to}}) - 1 }

// plus is the address so many after another. The sum must not leave the family.
func plus(a netip.Addr, n uint64) netip.Addr {
	b := a.As16()
	low := binary.BigEndian.Uint64(b[8:])
	sum := low + n
	binary.BigEndian.PutUint64(b[8:], sum)
	if sum < low {
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])+1)
	}
	out := netip.AddrFrom16(b)
	if a.Is4() {
		return out.Unmap()
	}
	return out
}

// All is how many targets the whole plan has, whatever part of it is taken.
func (p *Plan) All() uint64 { return uint64(len(p.servers)) + uint64(p.allClients()) } //nolint:gosec // G115: not negative

// At returns a target of the whole plan by its number, from 0 to All()-1: first
// come the hosts that have a role, then the clients that have none, in the order
// in which they were named. It takes the same little time and memory wherever the target is in a range.
func (p *Plan) At(i uint64) scanner.Target {
	if i < uint64(len(p.servers)) {
		s := p.servers[i]
		return scanner.Target{Name: s.host.name, Addr: s.host.addr, Rows: s.rows, Tags: s.host.row.tags()}
	}
	n := i - uint64(len(p.servers))
	for _, a := range p.aside { // ascending: each that is before it moves it on
		if n >= a {
			n++
		}
	}
	h := p.targets.at(n)
	return scanner.Target{Name: h.name, Addr: h.addr, Rows: p.clientRows, Tags: h.row.tags()}
}

// Number finds the number of a target by the name under which it was checked.
func (p *Plan) Number(name string) (uint64, bool) {
	h, ok := checkedAs(name)
	if !ok {
		return 0, false
	}
	if i := slices.IndexFunc(p.servers, func(s server) bool { return s.host.addr == h.addr && (h.addr.IsValid() || s.host.key == h.key) }); i >= 0 {
		return uint64(i), true
	}
	n, found := p.targets.number(h)
	if !found || len(p.clientRows) == 0 {
		return 0, false
	}
	before, _ := slices.BinarySearch(p.aside, n)
	return uint64(len(p.servers)) + n - uint64(before), true //nolint:gosec // G115: an index
}

// checkedAs is the host of a name. An address, which most are in large runs, is
// read without its text being made again.
func checkedAs(name string) (hostItem, bool) {
	if addr, err := netip.ParseAddr(name); err == nil && addr.Zone() == "" {
		return hostItem{name: name, addr: addr.Unmap()}, true
	}
	it, msg, _ := parseItem(name)
	if msg != "" || it.name == "" {
		return hostItem{}, false
	}
	return it.host(), true
}

// Take puts the targets into the order of a key, and takes the shard of the
// plan out of so many: every so-manieth place of the order. Shards are disjoint,
// together they are the plan, and their sizes differ by one at most.
func (p *Plan) Take(key uint64, shard, of int) {
	p.order = &scanner.Order{Key: key, N: p.All()}
	p.shard, p.of = uint64(max(shard, 1))-1, uint64(max(of, 1))
}

// Key is the key of the order, if the targets were put into one.
func (p *Plan) Key() (key uint64, ok bool) {
	if p.order == nil {
		return 0, false
	}
	return p.order.Key, true
}

// Shard is the part that was taken, from 1, and of how many; 1 of 1 is the whole plan.
func (p *Plan) Shard() (shard, of int) {
	return int(p.shard) + 1, int(max(p.of, 1)) //nolint:gosec // G115: what Take was given
}

// Places walks the numbers of the targets that were taken, in their order.
func (p *Plan) Places() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		if p.order == nil {
			for i := range p.All() {
				if !yield(i) {
					return
				}
			}
			return
		}
		for at := p.shard; at < p.order.N; at += p.of {
			if !yield(p.order.At(at)) {
				return
			}
		}
	}
}

// share counts the targets of the part that was taken: the hosts with a role
// one by one, the others as a number.
func (p *Plan) share() ([]server, int) {
	if p.of < 2 {
		return p.servers, p.allClients()
	}
	n := 0
	var servers []server
	for i := range p.Places() {
		if i < uint64(len(p.servers)) {
			servers = append(servers, p.servers[i])
		} else {
			n++
		}
	}
	return servers, n
}

// Digest is a fingerprint of all that decides what is sent to whom: two plans
// with the same digest have the same targets under the same numbers, and the
// same rows. Tags, boundaries and the pace are no part of it.
func (p *Plan) Digest() string {
	h := sha256.New()
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(h, format+"\n", args...) } // a hash takes everything
	write("cmreach plan 1 %s %s %q", p.Vantage, p.Family.Network(), p.Site)
	list := json.NewEncoder(h)
	for _, r := range p.Rows {
		_ = list.Encode(r) // plain data
	}
	for _, s := range p.servers {
		write("server %q", s.host.key)
		for _, r := range s.rows {
			write("row %q", r.ID)
		}
	}
	if len(p.clientRows) > 0 {
		p.targets.digest(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// digest writes the targets, and what their names must not lead to.
func (t *Targets) digest(w io.Writer) {
	var key, b []byte
	for i := range t.list.len() {
		c := t.list.cells.at(i)
		switch c.kind {
		case isAddr4, isAddr6:
			b = append(c.addr().AppendTo(append(b, `"" `...)), ' ')
			b = t.list.last(i).AppendTo(b)
		case isZoned:
			h := t.list.host(i, 0)
			b = fmt.Appendf(b, "%q %s %s", h.key, h.addr, h.addr)
		default:
			key = t.list.key(key[:0], c)
			b = append(strconv.AppendQuote(b, string(key)), " invalid IP invalid IP"...)
		}
		if b = append(b, '\n'); len(b) > 4<<10 {
			_, _ = w.Write(b)
			b = b[:0]
		}
	}
	_, _ = w.Write(b)
	if t.excludeAddrs != nil {
		for _, r := range t.excludeAddrs.Ranges() {
			_, _ = fmt.Fprintf(w, "not %s\n", r)
		}
	}
}
