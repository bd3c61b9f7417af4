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
func assemble(items, excludes []placedItem, limit int) (*Targets, error) {
	t := &Targets{excludeNames: map[string]bool{}}
	var except netipx.IPSetBuilder
	var holes []interval
	for _, e := range excludes {
		if e.key != "" {
			t.excludeNames[e.key] = true
			continue
		}
		except.AddRange(netipx.IPRangeFrom(e.from, e.to))
		holes = append(holes, interval{from: e.from, to: e.to, owner: -1})
	}
	set, err := except.IPSet()
	if err != nil {
		return nil, fmt.Errorf("exclusions: %w", err)
	}
	t.excludeAddrs = set

	named, spans, total := namesOf(items)
	union := sweep(spans)
	kept := union // in lists of a million lines each copy counts
	if len(holes) > 0 {
		kept = slices.DeleteFunc(sweep(append(slices.Clone(union), holes...)), func(s interval) bool { return s.owner < 0 })
	}
	t.duplicates = clampInt(total - min(total, uint64(len(named))+sizeOf(union)))

	count := sizeOf(kept)
	for _, i := range named {
		if t.excludeNames[items[i].key] || items[i].from.IsValid() && t.Excluded(items[i].from) {
			continue
		}
		kept = append(kept, interval{owner: i})
		count = saturatingAdd(count, 1)
	}
	t.excluded = clampInt(saturatingAdd(uint64(len(named)), sizeOf(union)) - count)
	if limit <= 0 {
		limit = DefaultMaxTargets
	}
	if count > uint64(limit) {
		return nil, tooMany(items, count, limit)
	}
	t.count = int(count) //nolint:gosec // G115: not above limit
	slices.SortFunc(kept, func(a, b interval) int { return cmp.Or(cmp.Compare(a.owner, b.owner), a.from.Compare(b.from)) })
	t.list = make([]item, 0, len(kept))
	for _, k := range kept {
		it := items[k.owner].item
		if it.key == "" {
			it.from, it.to = k.from, k.to
		}
		t.list = append(t.list, it)
	}
	t.index = newIndex(t.list)
	return t, nil
}

// namesOf separates names, each once, from the intervals of addresses. The
// total counts every target as it was written.
func namesOf(items []placedItem) (named []int, spans []interval, total uint64) {
	seen := map[string]bool{}
	for i, it := range items {
		if it.key != "" {
			total = saturatingAdd(total, 1)
			if !seen[it.key] {
				seen[it.key] = true
				named = append(named, i)
			}
			continue
		}
		h := it.hosts()
		spans = append(spans, interval{from: h.from, to: h.to, owner: i})
		total = saturatingAdd(total, sizeOf(spans[len(spans)-1:]))
	}
	return named, spans, total
}

// tooMany names the entry that is to blame, if it is one.
func tooMany(items []placedItem, count uint64, limit int) error {
	hint := "raise the limit with --max-targets if that is meant"
	var worst uint64
	var at *placedItem
	for i, it := range items {
		if it.key != "" {
			continue
		}
		h := it.hosts()
		if n := sizeOf([]interval{{from: h.from, to: h.to}}); n > worst {
			worst, at = n, &items[i]
		}
	}
	bound := uint64(max(limit, 0))
	if at != nil && worst > bound {
		return &Error{
			File: at.file, Line: at.at.line, Column: at.at.column, Hint: hint,
			Msg: fmt.Sprintf("%s names %s addresses, the limit is %s", at.text, sizeWord(worst), thousands(bound)),
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

// interval is a range of addresses that belongs to the entry number owner;
// -1 stands for the exclusions, which win.
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
