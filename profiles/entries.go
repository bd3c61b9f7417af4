package profiles

import (
	"bytes"
	"cmp"
	"cmreach/scanner"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/netip"
	"slices"
)

// entries is a list of targets as it is kept: 32 bytes for each and the text of
// names, so that a million of them are no burden beside the sweep. It is an
// [item] of a list that can be long.
type entries struct {
	cells column[cell]
	words slab // what was written, where it is not the text of the address
	tags  slab // of the rows of client lists
	lists []*csvLayout
	ends  map[int]netip.Addr // the last addresses of ranges
	seed  maphash.Seed

	worst   uint64 // addresses of the largest range
	blame   placed // and where it was written
	doubled int    // names that were named again
	full    bool   // there was no room for a text
}

// cell is an entry.
type cell struct {
	high, low uint64 // the first address, as 16 bytes; of a name: its hash is low
	word      uint32 // where its text is; 0: it is that of the address
	row       uint32 // where its tags are; 0: it has none
	size      uint8  // of its text
	kind      kind
}

type kind uint8

const (
	isName  kind = iota + 1
	isZoned      // an address with a zone, which is a name in all but its form
	isAddr4
	isAddr6
	isGone // named again, or excluded
)

// placed is where an entry was written.
type placed struct {
	file string
	at   place
	text string
}

func newEntries() *entries { return &entries{ends: map[int]netip.Addr{}, seed: maphash.MakeSeed()} }

func (e *entries) len() int { return e.cells.n }

// add takes an item. The network and the broadcast address of a prefix are no hosts.
func (e *entries) add(it item, row uint32) {
	it = it.hosts()
	c := cell{row: row}
	switch {
	case it.key == "":
		c.setAddr(it.from)
		if it.from != it.to {
			e.ends[e.len()] = it.to
		} else {
			var text [64]byte
			if string(it.from.AppendTo(text[:0])) != it.name && it.name != "" {
				e.write(&c, it.name)
			}
		}
	case it.from.IsValid():
		c.kind = isZoned
		c.low = maphash.String(e.seed, it.key)
		e.write(&c, it.name)
	default:
		c.kind = isName
		c.low = maphash.String(e.seed, it.key)
		e.write(&c, it.name)
	}
	e.cells.add(c)
}

func (e *entries) write(c *cell, name string) {
	at, ok := e.words.put([]byte(name))
	e.full = e.full || !ok
	c.word, c.size = at, uint8(len(name)) //nolint:gosec // G115: no item is longer than 255
}

func (c *cell) setAddr(a netip.Addr) {
	b := a.As16()
	c.high, c.low = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	if c.kind = isAddr6; a.Is4() {
		c.kind = isAddr4
	}
}

// addr is the first address of an entry that has addresses.
func (c *cell) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], c.high)
	binary.BigEndian.PutUint64(b[8:], c.low)
	if c.kind == isAddr4 {
		return netip.AddrFrom16(b).Unmap()
	}
	return netip.AddrFrom16(b)
}

// text is what was written, where it is kept.
func (e *entries) text(c *cell) []byte {
	if c.word == 0 {
		return nil
	}
	return e.words.get(c.word)[:c.size]
}

// key is what makes a name the same name, as [item] has it; appended to b.
func (e *entries) key(b []byte, c *cell) []byte {
	text := e.text(c)
	if c.kind == isZoned {
		a, _ := netip.ParseAddr(string(text)) // it was read before
		return a.Unmap().AppendTo(b)
	}
	from := len(b)
	b = append(b, bytes.TrimSuffix(text, []byte("."))...)
	for i, r := range b[from:] {
		if r >= 'A' && r <= 'Z' {
			b[from+i] = r + 'a' - 'A'
		}
	}
	return b
}

// host is the host so many after the first of an entry.
func (e *entries) host(i int, after uint64) hostItem {
	c := e.cells.at(i)
	h := hostItem{name: string(e.text(c)), row: tagsRef{e, c.row}}
	if c.row == 0 {
		h.row = tagsRef{}
	}
	switch c.kind {
	case isAddr4, isAddr6:
		if h.addr = c.addr(); after > 0 {
			h.addr = plus(h.addr, after)
		}
		h.key = h.addr.String()
		if h.name == "" {
			h.name = h.key
		}
	case isZoned:
		a, _ := netip.ParseAddr(h.name)
		h.addr, h.key = a.Unmap(), string(e.key(nil, c))
	default:
		h.key = string(e.key(nil, c))
	}
	return h
}

// last is the last address of an entry that has addresses.
func (e *entries) last(i int) netip.Addr {
	if len(e.ends) > 0 {
		if a, ok := e.ends[i]; ok {
			return a
		}
	}
	return e.cells.at(i).addr()
}

// sorted are the entries with addresses in the order of the first of these, and
// of the list.
func (e *entries) sorted() []uint32 {
	n := 0
	for i := range e.len() {
		if k := e.cells.at(i).kind; k == isAddr4 || k == isAddr6 {
			n++
		}
	}
	order := make([]uint32, 0, n)
	for i := range e.len() {
		if k := e.cells.at(i).kind; k == isAddr4 || k == isAddr6 {
			order = append(order, uint32(i))
		}
	}
	slices.SortFunc(order, func(x, y uint32) int {
		if d := e.cells.at(int(x)).compare(e.cells.at(int(y))); d != 0 {
			return d
		}
		return int(x) - int(y)
	})
	return order
}

// compare orders first addresses as [netip.Addr.Compare] does.
func (c *cell) compare(d *cell) int {
	if c.kind != d.kind {
		return cmp.Compare(c.kind, d.kind)
	}
	if c.high != d.high {
		return cmp.Compare(c.high, d.high)
	}
	return cmp.Compare(c.low, d.low)
}

// nameTable finds entries by their names: open addressing, with the number of
// an entry and 1 in a slot, and 0 in a free one.
type nameTable []uint32

// names puts the names of the list into a table. Of each the first stays; those
// that come again are taken out of the list.
func (e *entries) names() nameTable {
	n := 0
	for i := range e.len() {
		if k := e.cells.at(i).kind; k == isName || k == isZoned {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	size := 1
	for size < 2*n {
		size *= 2
	}
	t := make(nameTable, size)
	var key [512]byte
	for i := range e.len() {
		c := e.cells.at(i)
		if c.kind != isName && c.kind != isZoned {
			continue
		}
		slot, found := t.find(e, c.low, e.key(key[:0], c))
		if found {
			c.kind = isGone
			e.doubled++
			continue
		}
		t[slot] = uint32(i) + 1
	}
	return t
}

// find returns the slot of a name, or the one where it would be.
func (t nameTable) find(e *entries, hash uint64, key []byte) (slot uint64, found bool) {
	var b [512]byte
	mask := uint64(len(t)) - 1
	for slot = hash & mask; t[slot] != 0; slot = (slot + 1) & mask {
		if c := e.cells.at(int(t[slot] - 1)); c.low == hash && bytes.Equal(e.key(b[:0], c), key) {
			return slot, true
		}
	}
	return slot, false
}

// number is the entry that has a name.
func (t nameTable) number(e *entries, key string) (int, bool) {
	if len(t) == 0 {
		return 0, false
	}
	slot, found := t.find(e, maphash.String(e.seed, key), []byte(key))
	if !found {
		return 0, false
	}
	return int(t[slot] - 1), true
}

// tagsRef is where the tags of a host are. They are read out when somebody
// asks, so that a long list costs little more than its text.
type tagsRef struct {
	e  *entries
	at uint32
}

// tags are the columns that say something and did not make the target.
func (r tagsRef) tags() []scanner.Detail {
	if r.at == 0 {
		return nil
	}
	return r.e.readTags(r.e.tags.get(r.at))
}

// errFull says that the names or the tags have no room: 4 GB of each.
var errFull = errors.New("the lists have more text than can be kept")
