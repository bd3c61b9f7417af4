package main

import (
	"cmreach/profiles"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// nameService answers what a run asks of the DNS. *net.Resolver is one.
type nameService interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// lookupTime is how long one server may take for one question, with all
// repetitions.
const lookupTime = 6 * time.Second

const dnsPort = 53

// readServers reads --dns. A server is named by its address: its name could
// only be looked up where the user does not want to look.
func readServers(flags []string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	var errs []error
	for _, f := range flags {
		if a, err := netip.ParseAddr(f); err == nil {
			out = append(out, netip.AddrPortFrom(a.Unmap(), dnsPort))
			continue
		}
		ap, err := netip.ParseAddrPort(f)
		if err != nil || ap.Port() == 0 {
			errs = append(errs, fmt.Errorf("--dns: %q is not a server: give its address, with a port if it is not 53: 198.18.0.53 or [fd00::53]:5353", f))
			continue
		}
		out = append(out, ap)
	}
	return out, errors.Join(errs...)
}

// servers are the name servers of --dns, asked one after the other until one
// has an answer. That a name does not exist is one.
type servers []server

type server struct {
	*net.Resolver
	at netip.AddrPort
}

// newServers makes the resolvers. The files of this machine (hosts, and the
// list of suffixes in resolv.conf) still apply.
func newServers(list []netip.AddrPort) servers {
	var out servers
	for _, at := range list {
		out = append(out, server{at: at, Resolver: &net.Resolver{
			PreferGo: true,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, at.String())
			},
		}})
	}
	return out
}

// ask puts one question to the servers in their order.
func ask[T any](ctx context.Context, list servers, question func(context.Context, server) (T, error)) (T, error) {
	var answer T
	var err error
	for _, s := range list {
		limited, cancel := context.WithTimeout(ctx, lookupTime)
		answer, err = question(limited, s)
		cancel()
		var de *net.DNSError
		if errors.As(err, &de) {
			de.Server = s.at.String() // not the one of this machine's settings
		}
		if err == nil || ctx.Err() != nil || de != nil && de.IsNotFound {
			break
		}
	}
	return answer, err
}

// LookupNetIP asks for the addresses of a name.
func (l servers) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return ask(ctx, l, func(ctx context.Context, s server) ([]netip.Addr, error) {
		return s.LookupNetIP(ctx, network, host)
	})
}

// LookupAddr asks for the names of an address.
func (l servers) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	return ask(ctx, l, func(ctx context.Context, s server) ([]string, error) { return s.LookupAddr(ctx, addr) })
}

// LookupSRV asks for the servers of a service (RFC 2782).
func (l servers) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	type answer struct {
		name string
		list []*net.SRV
	}
	a, err := ask(ctx, l, func(ctx context.Context, s server) (answer, error) {
		cname, list, err := s.LookupSRV(ctx, service, proto, name)
		return answer{cname, list}, err
	})
	return a.name, a.list, err
}

// lookUpNames says whom the run asks for names, and completes the flags out of
// the name service.
func (s *selection) lookUpNames(ctx context.Context, list []*profiles.Profile, site *profiles.Site) (nameService, []string, error) {
	dns, notes := s.nameService()
	found, err := s.discover(ctx, dns, list, site)
	return dns, append(notes, found...), err
}

// nameService is what the flags say is to be asked, with a note for the report
// when it is not this machine's own.
func (s *selection) nameService() (nameService, []string) {
	if len(s.servers) == 0 {
		return net.DefaultResolver, nil
	}
	var at []string
	for _, a := range s.servers {
		at = append(at, a.String())
	}
	return newServers(s.servers), []string{"names are looked up at " + strings.Join(at, ", ") + " (--dns), after the hosts file of this machine"}
}
