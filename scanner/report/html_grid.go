package report

import (
	"cmreach/scanner/verdict"
	"net/netip"
	"slices"
)

// maxGridNets is how many subnets the matrix tells apart. Where a run has
// more, they are joined to larger ones.
const maxGridNets = 256

// Sizes of the subnets of the matrix, from the finest.
var (
	gridBits4 = []int{24, 20, 16, 12, 8, 0}
	gridBits6 = []int{64, 56, 48, 32, 16, 0}
)

// cell counts the paths of one row in one part of the network.
type cell = verdict.Part

// line is one part of the network: its hosts, and its cells by row.
type line struct {
	name     string
	net      netip.Prefix // of a subnet; invalid: hosts without an address
	hosts    int
	ready    int
	boundary string // that all hosts lie in
	mixed    bool   // they lie in several
	cells    []cell
}

// grid is how each row fares in each subnet and each boundary. It does not grow
// with the number of hosts.
type grid struct {
	rows       []verdict.Part // with findings, in the order of the profiles
	place      map[string]int // of a row
	width      int            // index into gridBits
	nets       map[netip.Prefix]*line
	boundaries map[string]*line
	list       []*line        // the subnets in order, those without an address last
	named      []*line        // the boundaries in order, none last
	netAt      map[*line]int  // index in list
	namedAt    map[string]int // index in named
}

// newGrid counts by walking the record.
func newGrid(r *Run) (*grid, error) {
	t := text{r: r}
	g := &grid{rows: t.inOrder(r.Tally.Requirements), place: map[string]int{}, nets: map[netip.Prefix]*line{}, boundaries: map[string]*line{}}
	for i, row := range g.rows {
		g.place[row.Name] = i
	}
	for h, err := range r.Hosts() {
		if err != nil {
			return nil, err
		}
		g.add(&h, r.Tally)
	}
	g.sort(r)
	return g, nil
}

// subnet is the part of the network that an address is in; invalid for none.
func (g *grid) subnet(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := gridBits6[g.width]
	if a.Is4() {
		bits = gridBits4[g.width]
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func (g *grid) add(h *Host, tally *verdict.Tally) {
	key := g.subnet(h.Addr)
	l := g.nets[key]
	boundary := boundaryOf(h)
	if l == nil {
		l = &line{net: key, boundary: boundary, cells: make([]cell, len(g.rows))}
		g.nets[key] = l
	}
	l.mixed = l.mixed || l.boundary != boundary
	b := g.boundaries[boundary]
	if b == nil {
		b = &line{name: boundary, cells: make([]cell, len(g.rows))}
		g.boundaries[boundary] = b
	}
	ready := 0
	if c := tally.HostClass(h.Findings); c == verdict.ClassPassed || c == verdict.ClassSatisfied || c == verdict.ClassOptional {
		ready = 1
	}
	for _, l := range []*line{l, b} {
		l.hosts++
		l.ready += ready
		for i := range h.Findings {
			f := &h.Findings[i]
			if at, ok := g.place[f.Requirement]; ok {
				c := &l.cells[at]
				c.States[min(f.State, verdict.Error)]++
				c.Classes[tally.Class(f)]++
			}
		}
	}
	for len(g.nets) > maxGridNets && g.width < len(gridBits4)-1 {
		g.widen()
	}
}

// boundaryOf is the named part of the network that a host lies in, as the
// tally counts it.
func boundaryOf(h *Host) string {
	if len(h.Findings) > 0 {
		return h.Findings[0].Boundary
	}
	return h.Boundary
}

// widen joins the subnets to larger ones.
func (g *grid) widen() {
	g.width++
	old := g.nets
	g.nets = map[netip.Prefix]*line{}
	for key, l := range old {
		if key.IsValid() {
			key = g.subnet(key.Addr())
		}
		have := g.nets[key]
		if have == nil {
			l.net = key
			g.nets[key] = l
			continue
		}
		have.hosts += l.hosts
		have.ready += l.ready
		have.mixed = have.mixed || l.mixed || have.boundary != l.boundary
		for i := range l.cells {
			for s, n := range l.cells[i].States {
				have.cells[i].States[s] += n
			}
			for c, n := range l.cells[i].Classes {
				have.cells[i].Classes[c] += n
			}
		}
	}
}

// sort puts the lines in order.
func (g *grid) sort(r *Run) {
	g.netAt, g.namedAt = map[*line]int{}, map[string]int{}
	for _, l := range g.nets {
		l.name = "no address"
		if l.net.IsValid() {
			l.name = l.net.String()
		}
		g.list = append(g.list, l)
	}
	slices.SortFunc(g.list, func(a, b *line) int {
		switch {
		case a.net.IsValid() != b.net.IsValid():
			return map[bool]int{true: -1, false: 1}[a.net.IsValid()]
		default:
			return a.net.Addr().Compare(b.net.Addr())
		}
	})
	for i, l := range g.list {
		g.netAt[l] = i
	}
	for _, b := range r.boundaries() {
		if l := g.boundaries[b.Name]; l != nil {
			g.namedAt[b.Name] = len(g.named)
			g.named = append(g.named, l)
		}
	}
}

// of are the places of a host among the subnets and the boundaries; the latter
// is -1 for a site without boundaries.
func (g *grid) of(h *Host) (net, boundary int) {
	boundary = -1
	if at, ok := g.namedAt[boundaryOf(h)]; ok {
		boundary = at
	}
	return g.netAt[g.nets[g.subnet(h.Addr)]], boundary
}
