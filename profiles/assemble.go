package profiles

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"

	"go4.org/netipx"
)

// assemble removes duplicates and exclusions and counts, all by arithmetic on
// ranges: nothing is expanded, so a /8 costs no more than an address.
func assemble(list *entries, excludes []item, limit int) (*Targets, error) {
	t := &Targets{excludeNames: map[string]bool{}, list: list}
	var except netipx.IPSetBuilder
	for _, e := range excludes {
		if e.key != "" {
			t.excludeNames[e.key] = true
			continue
		}
		except.AddRange(netipx.IPRangeFrom(e.from, e.to))
	}
	set, err := except.IPSet()
	if err != nil {
		return nil, fmt.Errorf("exclusions: %w", err)
	}
	t.excludeAddrs = set

	names := list.names()
	order := list.sorted()
	d := disjoin(list, order, set.Ranges())
	t.duplicates = clampInt(saturatingAdd(d.doubled, uint64(list.doubled))) //nolint:gosec // G115: a count

	named, gone := t.dropNames()
	if limit <= 0 {
		limit = DefaultMaxTargets
	}
	count := saturatingAdd(d.left, named)
	if count > uint64(limit) {
		return nil, tooMany(list, count, limit)
	}
	t.count = int(count) //nolint:gosec // G115: not above limit
	t.excluded = clampInt(saturatingAdd(d.union-min(d.union, d.left), gone))
	if len(d.cut) > 0 || gone > 0 || list.doubled > 0 {
		t.list = list.rebuilt(d.cut)
		names, order = t.list.names(), t.list.sorted()
	}
	t.index = newIndex(t.list, names, order)
	return t, nil
}

// dropNames takes the excluded names out of the list and counts both.
func (t *Targets) dropNames() (left, gone uint64) {
	var key [512]byte
	for i := range t.list.len() {
		c := t.list.cells.at(i)
		if c.kind != isName && c.kind != isZoned {
			continue
		}
		out := len(t.excludeNames) > 0 && t.excludeNames[string(t.list.key(key[:0], c))]
		if c.kind == isZoned {
			out = out || t.Excluded(t.list.host(i, 0).addr)
		}
		if out {
			c.kind = isGone
			gone++
			continue
		}
		left++
	}
	return left, gone
}

// disjoint is what is left of entries with addresses where they overlap.
type disjoint struct {
	cut     map[int][]interval // the entries of which not all is left, and what is
	union   uint64             // addresses that were named
	left    uint64             // of those, what is not excluded
	doubled uint64             // addresses that were named again
}

// disjoin gives each address to the first entry that has it, and takes out the
// holes, which are disjoint and in order. Only entries that meet each other or a
// hole are looked at more closely.
func disjoin(list *entries, order []uint32, holes []netipx.IPRange) disjoint {
	d := disjoint{cut: map[int][]interval{}}
	var group []interval
	for i := 0; i < len(order); {
		owner := int(order[i])
		group = append(group[:0], interval{list.cells.at(owner).addr(), list.last(owner), owner})
		end := group[0].to
		for i++; i < len(order); i++ {
			owner := int(order[i])
			from := list.cells.at(owner).addr()
			if end.Less(from) {
				break
			}
			to := list.last(owner)
			group = append(group, interval{from, to, owner})
			if end.Less(to) {
				end = to
			}
		}
		holes = d.take(group, holes)
	}
	return d
}

// take deals with entries that overlap, or with a single one. It returns the
// holes that may concern those that follow.
func (d *disjoint) take(group []interval, holes []netipx.IPRange) []netipx.IPRange {
	for len(holes) > 0 && holes[0].To().Less(group[0].from) {
		holes = holes[1:]
	}
	union := group
	total := uint64(0)
	for i := range group {
		total = saturatingAdd(total, sizeOf(group[i:i+1]))
	}
	if len(group) > 1 {
		whole := slices.Clone(group)
		union = sweep(group)
		for _, g := range whole {
			d.cut[g.owner] = nil
		}
	}
	size := sizeOf(union)
	d.union = saturatingAdd(d.union, size)
	d.doubled = saturatingAdd(d.doubled, total-min(total, size))
	for _, u := range union {
		left := without(u, holes)
		d.left = saturatingAdd(d.left, sizeOf(left))
		if len(group) > 1 || len(left) != 1 || left[0] != u {
			d.cut[u.owner] = append(d.cut[u.owner], left...)
		}
	}
	return holes
}

// without is what holes leave of a range.
func without(r interval, holes []netipx.IPRange) (left []interval) {
	i, _ := slices.BinarySearchFunc(holes, r.from, func(h netipx.IPRange, a netip.Addr) int { return h.To().Compare(a) })
	for ; i < len(holes) && !r.to.Less(holes[i].From()); i++ {
		if r.from.Less(holes[i].From()) {
			left = append(left, interval{r.from, holes[i].From().Prev(), r.owner})
		}
		if !holes[i].To().Less(r.to) {
			return left
		}
		r.from = holes[i].To().Next()
	}
	return append(left, r)
}

// rebuilt is the list without what is gone, and with what is left of the entries
// that were cut, in their order. The list itself is used up.
func (e *entries) rebuilt(cut map[int][]interval) *entries {
	out := &entries{words: e.words, tags: e.tags, lists: e.lists, seed: e.seed, ends: map[int]netip.Addr{}}
	for i := range e.len() {
		c := *e.cells.at(i)
		e.cells.forget(i)
		pieces, some := cut[i]
		switch {
		case c.kind == isGone:
		case !some:
			if end, ok := e.ends[i]; ok {
				out.ends[out.len()] = end
			}
			out.cells.add(c)
		}
		for _, p := range pieces {
			c.setAddr(p.from)
			if p.from != p.to {
				out.ends[out.len()] = p.to
			}
			out.cells.add(c)
		}
	}
	return out
}

// tooMany names the entry that is to blame, if it is one.
func tooMany(list *entries, count uint64, limit int) error {
	hint := "raise the limit with --max-targets if that is meant"
	bound := uint64(max(limit, 0))
	if list.worst > bound {
		at := list.blame
		return &Error{
			File: at.file, Line: at.at.line, Column: at.at.column, Hint: hint,
			Msg: fmt.Sprintf("%s names %s addresses, the limit is %s", at.text, sizeWord(list.worst), thousands(bound)),
		}
	}
	return &Error{
		File: "targets", Hint: hint,
		Msg: fmt.Sprintf("there are %s targets, the limit is %s", sizeWord(count), thousands(bound)),
	}
}

func sizeWord(n uint64) string {
	if n == math.MaxUint64 {
		return "more than 18 quintillion"
	}
	return thousands(n)
}

// interval is a range of addresses that belongs to the entry number owner.
type interval struct {
	from, to netip.Addr
	owner    int
}

// sweep cuts overlapping intervals into disjoint ones: each address goes to the
// lowest owner that has it. It walks the intervals once in the order of their
// beginnings and keeps the open ones in a heap, so that 100,000 lines take
// moments whatever their order. The list is sorted in its place.
func sweep(list []interval) []interval {
	slices.SortFunc(list, func(a, b interval) int { return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.owner, b.owner)) })
	var out []interval
	var open owners
	var at netip.Addr // everything before it is done
	for next := 0; next < len(list) || len(open) > 0; {
		if len(open) == 0 {
			at = list[next].from
		}
		for next < len(list) && list[next].from.Compare(at) <= 0 {
			heap.Push(&open, list[next])
			next++
		}
		for len(open) > 0 && open[0].to.Less(at) {
			heap.Pop(&open)
		}
		if len(open) == 0 {
			continue
		}
		cut := interval{from: at, to: open[0].to, owner: open[0].owner}
		if next < len(list) && list[next].from.Compare(cut.to) <= 0 {
			cut.to = list[next].from.Prev()
		}
		if last := len(out) - 1; last >= 0 && out[last].owner == cut.owner && out[last].to.Next() == cut.from {
			out[last].to = cut.to
		} else {
			out = append(out, cut)
		}
		if at = cut.to.Next(); !at.IsValid() { // the end of the family: nothing open goes beyond
			open = open[:0]
		}
	}
	return out
}

// owners is a heap of open intervals, the lowest owner on top.
type owners []interval

func (o owners) Len() int           { return len(o) }
func (o owners) Less(i, j int) bool { return o[i].owner < o[j].owner }
func (o owners) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }

// Push is for container/heap.
func (o *owners) Push(x any) {
	if v, ok := x.(interval); ok {
		*o = append(*o, v)
	}
}

// Pop is for container/heap.
func (o *owners) Pop() any {
	last := len(*o) - 1
	v := (*o)[last]
	*o = (*o)[:last]
	return v
}

// sizeOf counts addresses; the count stops at the largest number.
func sizeOf(list []interval) uint64 {
	var n uint64
	for _, s := range list {
		a, b := s.from.As16(), s.to.As16()
		low, borrow := bits.Sub64(binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(a[8:]), 0)
		high, _ := bits.Sub64(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(a[:8]), borrow)
		if high != 0 {
			return math.MaxUint64
		}
		n = saturatingAdd(n, saturatingAdd(low, 1))
	}
	return n
}

func saturatingAdd(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return math.MaxUint64
}

func clampInt(n uint64) int { return int(min(n, math.MaxInt)) }
