package main

import (
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// audits is how many computers' names are looked into at once.
const audits = 32

// nameAudit compares what the name service says of a computer in one direction
// and in the other, and under its short and its full name. It is evidence for
// people and decides nothing: one record may be as stale as the other.
type nameAudit struct {
	dns     nameService
	network string
	suffix  string // completes short names; empty: they stay as they are
	free    chan struct{}
	workers sync.WaitGroup

	mu    sync.Mutex
	found map[string]*audited
}

// audited is what was found of one target.
type audited struct {
	done  chan struct{}
	began time.Time
	left  int                     // hosts that are to get the remarks; then they are forgotten
	all   []string                // of every address
	at    map[netip.Addr][]string // of one
}

func newNameAudit(dns nameService, network, suffix string) *nameAudit {
	return &nameAudit{dns: dns, network: network, suffix: suffix, free: make(chan struct{}, audits), found: map[string]*audited{}}
}

// watch passes the targets on and begins to look into each. It goes no faster
// than the name service. Nil passes them on alone.
func (a *nameAudit) watch(ctx context.Context, targets iter.Seq[scanner.Target]) iter.Seq[scanner.Target] {
	if a == nil {
		return targets
	}
	return func(yield func(scanner.Target) bool) {
		for t := range targets {
			select {
			case a.free <- struct{}{}:
			case <-ctx.Done():
				return
			}
			r := &audited{done: make(chan struct{}), began: time.Now(), at: map[netip.Addr][]string{}}
			a.mu.Lock()
			a.found[t.Name] = r
			a.mu.Unlock()
			a.workers.Go(func() {
				defer func() { <-a.free }()
				defer close(r.done)
				r.left = 1
				if t.Addr.IsValid() {
					a.address(ctx, t.Addr.Unmap(), r)
				} else {
					a.name(ctx, t.Name, r)
				}
			})
			if !yield(t) {
				return
			}
		}
	}
}

// wait ends when nothing is being looked into any more.
func (a *nameAudit) wait() {
	if a != nil {
		a.workers.Wait()
	}
}

// add gives a host the remarks about it, as one observation.
func (a *nameAudit) add(ctx context.Context, h *scanner.Host) {
	if a == nil {
		return
	}
	a.mu.Lock()
	r := a.found[h.Name]
	a.mu.Unlock()
	if r == nil {
		return
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return
	}
	if r.left--; r.left <= 0 {
		a.mu.Lock()
		delete(a.found, h.Name)
		a.mu.Unlock()
	}
	o := scanner.Observation{Probe: scanner.NameAudit, Sent: r.began}
	for _, n := range append(slices.Clone(r.all), r.at[h.Addr]...) {
		o.Details = append(o.Details, scanner.Detail{Key: "names", Value: n})
	}
	if len(o.Details) > 0 {
		h.Observations = append(h.Observations, o)
	}
}

// name looks into a target that was named.
func (a *nameAudit) name(ctx context.Context, name string, r *audited) {
	addrs, err := a.forward(ctx, name)
	if err != nil {
		return // that is reported as the host's own state
	}
	r.left = max(1, len(addrs))
	if len(addrs) > 1 {
		r.all = append(r.all, fmt.Sprintf("%s has %d addresses: %s", name, len(addrs), addrList(addrs)))
	}
	other := ""
	if short, rest, dotted := strings.Cut(strings.TrimSuffix(name, "."), "."); dotted && rest != "" {
		other = short
	} else if a.suffix != "" {
		other = short + "." + a.suffix
	}
	if other != "" {
		if more, err := a.forward(ctx, other); err == nil && !slices.Equal(addrs, more) {
			r.all = append(r.all, fmt.Sprintf("%s is %s, but %s is %s", name, addrList(addrs), other, addrList(more)))
		}
	}
	for _, addr := range addrs {
		names, err := a.reverse(ctx, addr)
		switch {
		case err != nil:
			r.at[addr] = append(r.at[addr], fmt.Sprintf("the PTR record of %s could not be looked up: %s", addr, err))
		case len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return a.same(n, name) }):
			r.at[addr] = append(r.at[addr], fmt.Sprintf("the PTR record of %s names %s, not %s", addr, strings.Join(names, ", "), name))
		}
	}
}

// address looks into a target that was given by its address.
func (a *nameAudit) address(ctx context.Context, addr netip.Addr, r *audited) {
	names, err := a.reverse(ctx, addr)
	if err != nil {
		r.all = append(r.all, fmt.Sprintf("the PTR record of %s could not be looked up: %s", addr, err))
		return
	}
	if len(names) > 1 {
		r.all = append(r.all, fmt.Sprintf("%s has %d names: %s", addr, len(names), strings.Join(names, ", ")))
	}
	for _, n := range names {
		addrs, err := a.dns.LookupNetIP(ctx, "ip", n) // of any family: PTR records are of one
		addrs = plainAddrs(addrs)
		switch {
		case notThere(err):
			r.all = append(r.all, fmt.Sprintf("the PTR record of %s names %s, which has no address", addr, n))
		case err == nil && !slices.Contains(addrs, addr):
			r.all = append(r.all, fmt.Sprintf("the PTR record of %s names %s, which is %s", addr, n, addrList(addrs)))
		}
	}
}

// same reports whether two names are one computer's. A short name is the full
// one's with the suffix, or with any where none is known.
func (a *nameAudit) same(x, y string) bool {
	x, y = plainName(x), plainName(y)
	if len(x) < len(y) {
		x, y = y, x
	}
	if a.suffix != "" && !strings.Contains(y, ".") {
		return x == y || x == y+"."+strings.ToLower(a.suffix)
	}
	return x == y || !strings.Contains(y, ".") && strings.HasPrefix(x, y+".")
}

func (a *nameAudit) forward(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := a.dns.LookupNetIP(ctx, a.network, name)
	return plainAddrs(addrs), err
}

// reverse returns the names of an address; none is no error.
func (a *nameAudit) reverse(ctx context.Context, addr netip.Addr) ([]string, error) {
	names, err := a.dns.LookupAddr(ctx, addr.String())
	if notThere(err) {
		return nil, nil
	}
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], ".")
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func notThere(err error) bool {
	var de *net.DNSError
	return errors.As(err, &de) && de.IsNotFound
}

// plainAddrs sorts addresses and leaves each once.
func plainAddrs(addrs []netip.Addr) []netip.Addr {
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

func addrList(addrs []netip.Addr) string {
	var words []string
	for _, a := range addrs {
		words = append(words, a.String())
	}
	return strings.Join(words, ", ")
}
