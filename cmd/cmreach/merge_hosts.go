package main

import (
	"cmreach/scanner"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// hostKey is a host as all runs know it.
type hostKey struct {
	name string
	addr netip.Addr
}

// hostIndex finds the hosts that several runs have checked. One run may name a
// computer in full and another in short or by its address: at one address these
// are the same, and no names else.
type hostIndex struct {
	names map[netip.Addr][]string // in lower case
	left  map[hostKey]int         // how often the host is still to come
	open  map[hostKey]*mergedHost
}

func newHostIndex() *hostIndex {
	return &hostIndex{names: map[netip.Addr][]string{}, left: map[hostKey]int{}, open: map[hostKey]*mergedHost{}}
}

func plainName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// name notes a name that an address was checked under.
func (ix *hostIndex) name(name string, addr netip.Addr) {
	name = plainName(name)
	if addr.IsValid() && name != addr.String() && !slices.Contains(ix.names[addr], name) {
		ix.names[addr] = append(ix.names[addr], name)
	}
}

// key finds the host of a name. All names must have been noted before.
func (ix *hostIndex) key(name string, addr netip.Addr) hostKey {
	name = plainName(name)
	known := ix.names[addr]
	if name == addr.String() {
		if len(known) == 0 {
			return hostKey{name, addr}
		}
		name = slices.MinFunc(known, func(a, b string) int { return len(a) - len(b) })
		for _, other := range known {
			if other != name && !strings.HasPrefix(other, name+".") {
				return hostKey{addr.String(), addr} // the address has several computers' names
			}
		}
	}
	if addr.IsValid() && !strings.Contains(name, ".") {
		full := slices.DeleteFunc(slices.Clone(known), func(n string) bool { return !strings.HasPrefix(n, name+".") })
		if len(full) == 1 {
			name = full[0]
		}
	}
	return hostKey{name, addr}
}

// count notes that a host will come.
func (ix *hostIndex) count(name string, addr netip.Addr) { ix.left[ix.key(name, addr)]++ }

// hosts is how many different hosts there are.
func (ix *hostIndex) hosts() int { return len(ix.left) }

// add takes what a run knows of a host, and returns the host when it was the
// last that was to come of it.
func (ix *hostIndex) add(run string, h report.Host) *mergedHost {
	k := ix.key(h.Name, h.Addr)
	m := ix.open[k]
	if m == nil {
		m = &mergedHost{Host: scanner.Host{Name: h.Name, Addr: h.Addr}, byRow: map[string][]verdict.Opinion{}}
		ix.open[k] = m
	}
	if plainName(h.Name) == k.name {
		m.Name = h.Name
	}
	if m.Boundary == "" {
		m.Boundary = h.Boundary
	}
	if len(m.Tags) == 0 {
		m.Tags = h.Tags
	}
	m.Addresses = max(m.Addresses, h.Addresses)
	m.Observations = append(m.Observations, h.Observations...)
	for _, f := range h.Findings {
		m.byRow[f.Requirement] = append(m.byRow[f.Requirement], verdict.Opinion{Run: run, Finding: f})
	}
	if ix.left[k]--; ix.left[k] > 0 {
		return nil
	}
	delete(ix.open, k)
	return m
}

// mergedHost is a host with the opinions of the runs.
type mergedHost struct {
	scanner.Host
	byRow map[string][]verdict.Opinion
}

// finish joins the opinions, in the order of the rows.
func (m *mergedHost) finish(rows []*scanner.Requirement) (scanner.Host, []verdict.Finding) {
	var findings []verdict.Finding
	for _, row := range rows {
		opinions := m.byRow[row.ID]
		if len(opinions) == 0 {
			continue
		}
		f := verdict.Merge(opinions)
		f.Host, f.Boundary, f.Tags = m.Name, m.Boundary, m.Tags
		findings = append(findings, f)
		m.Rows = append(m.Rows, row)
	}
	verdict.Satisfy(findings)
	return m.Host, findings
}

// joinRows adds the rows that are new. A row that starts at the vantage of one
// of the runs starts here.
func joinRows(have, more []*scanner.Requirement) []*scanner.Requirement {
	for _, row := range more {
		i := slices.IndexFunc(have, func(r *scanner.Requirement) bool { return r.ID == row.ID })
		if i < 0 {
			c := *row
			have = append(have, &c)
			continue
		}
		have[i].FromHere = have[i].FromHere || row.FromHere
		if have[i].FarEnd == "" { // one run may have had no key
			have[i].FarEnd, have[i].Control, have[i].ControlProbe = row.FarEnd, row.Control, row.ControlProbe
		}
	}
	return have
}

// difference is what two runs checked differently under one id.
func difference(a, b *scanner.Requirement) (what, inA, inB string) {
	port := func(r *scanner.Requirement) string {
		s := fmt.Sprintf("%s/%s", r.Protocol, scanner.PortList(r.OwnPorts()))
		if r.Via != 0 {
			s += fmt.Sprintf(" by way of %d", r.Via)
		}
		return s
	}
	for _, d := range []struct{ what, a, b string }{
		{"port", port(a), port(b)},
		{"meaning of several ports", a.Several.String(), b.Several.String()},
		{"further ports", fmt.Sprint(a.Extra), fmt.Sprint(b.Extra)},
		{"way", fmt.Sprintf("%s to %s", a.From, a.To), fmt.Sprintf("%s to %s", b.From, b.To)},
		{"probe", fmt.Sprintf("%q", a.Probe+a.ViaProbe), fmt.Sprintf("%q", b.Probe+b.ViaProbe)},
		{"expectation", fmt.Sprintf("%q", a.Expect), fmt.Sprintf("%q", b.Expect)},
		{"need", a.Need.String(), b.Need.String()},
		{"any-of group", fmt.Sprintf("%q", a.AnyOf), fmt.Sprintf("%q", b.AnyOf)},
	} {
		if d.a != d.b {
			return d.what, d.a, d.b
		}
	}
	return "", "", ""
}

// each leaves one of each word, in their order.
func each(words []string) []string {
	var out []string
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// plus joins the different ones of some words.
func plus(words []string) string { return strings.Join(each(words), "+") }

// vantageOf names all vantages of a merged record.
func vantageOf(words []string) scanner.Role {
	var all []string
	for _, w := range words {
		all = append(all, strings.Split(w, "+")...) // of one that was merged before
	}
	return scanner.Role(plus(all))
}
