package scanner

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// lookups is how many names are looked up at once.
const lookups = 32

// resolve turns targets into hosts, one for each address, and puts them
// into out in any order. It ends when the targets do or ctx is done, and closes out.
func resolve(ctx context.Context, c Config, targets iter.Seq[Target], out *intake) {
	defer out.close()
	names := make(chan Target)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(names)
	started := 0
	for t := range targets {
		if t.Addr.IsValid() {
			if !out.put(ctx, &Host{Name: t.Name, Addr: t.Addr.Unmap(), Rows: t.Rows, Tags: t.Tags}) {
				return
			}
			continue
		}
		if started < lookups {
			started++
			workers.Go(func() {
				for t := range names {
					for _, h := range lookup(ctx, c, t) {
						out.put(ctx, h)
					}
				}
			})
		}
		if !send(ctx, names, t) {
			return
		}
	}
}

// send delivers v unless ctx is done first.
func send[T any](ctx context.Context, out chan<- T, v T) bool {
	select {
	case out <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// lookup returns the hosts of one target. A name without an address gives one
// host that has none, and the reason as its observation.
func lookup(ctx context.Context, c Config, t Target) []*Host {
	started := time.Now()
	addrs, err := c.Resolver.LookupNetIP(ctx, c.Network, t.Name)
	if err != nil && temporary(err) {
		addrs, err = c.Resolver.LookupNetIP(ctx, c.Network, t.Name)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	if len(addrs) == 0 {
		o := Observation{Outcome: Unresolved, Sent: started, Took: time.Since(started), Tries: 1}
		if err != nil {
			o.Err = err.Error()
			if !notFound(err) {
				o.Outcome = LocalError
			}
		}
		return []*Host{{Name: t.Name, Rows: t.Rows, Tags: t.Tags, Observations: []Observation{o}}}
	}
	hosts := make([]*Host, 0, len(addrs))
	for _, a := range addrs {
		rows := t.Rows
		if a.Is6() && addrs[0].Is4() { // those come first
			if rows = withIPv6(c, rows); len(rows) == 0 {
				continue
			}
		}
		hosts = append(hosts, &Host{Name: t.Name, Addr: a, Rows: rows, Tags: t.Tags})
	}
	return hosts
}

// withIPv6 leaves out the rows that are proven in IPv4 only: of a machine that
// has both, the IPv6 address is not where such a service could be missed.
func withIPv6(c Config, rows []*Requirement) []*Requirement {
	return slices.DeleteFunc(slices.Clone(rows), func(r *Requirement) bool { return c.Probes[r.Probe].IPv4Only })
}

// notFound reports whether the look-up proved that there is no address. All
// other failures (time-out, refused, server failure) prove nothing.
func notFound(err error) bool {
	var de *net.DNSError
	if errors.As(err, &de) {
		return de.IsNotFound
	}
	var ae *net.AddrError // "no suitable address found": the name has only the other family
	return errors.As(err, &ae)
}

func temporary(err error) bool {
	var de *net.DNSError
	return errors.As(err, &de) && (de.IsTimeout || de.IsTemporary)
}
