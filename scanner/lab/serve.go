package lab

import (
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Service is what is offered on a port. Exactly one of its functions is set.
type Service struct {
	// Conn holds one conversation; the connection is closed when it returns
	// and when the lab ends.
	Conn func(ctx context.Context, c net.Conn, h Host)
	// HTTP answers one request.
	HTTP func(w http.ResponseWriter, r *http.Request, h Host)
	// Packet answers one datagram; nil is silence.
	Packet func(request []byte, h Host) []byte
	// Certify puts TLS in front of Conn or HTTP; nil: there is none.
	Certify Certify
}

// patience is the longest time that one conversation may take.
const patience = 2 * time.Minute

// startFleet opens the listeners of a fleet in the namespace of the calling
// thread and serves them.
func (l *Lab) startFleet(f *Fleet) error {
	v4, v6 := false, false
	for _, p := range f.Prefixes {
		v4, v6 = v4 || p.Addr().Is4(), v6 || p.Addr().Is6()
	}
	for _, li := range f.Listen {
		addrs := []netip.Addr{li.Addr}
		if !li.Addr.IsValid() {
			addrs = nil
			if v4 {
				addrs = append(addrs, netip.IPv4Unspecified())
			}
			if v6 {
				addrs = append(addrs, netip.IPv6Unspecified())
			}
		}
		for _, a := range addrs {
			if err := l.listen(netip.AddrPortFrom(a, li.Port), li.Protocol, li.Service, f.host); err != nil {
				return err
			}
		}
	}
	return nil
}

// host says who lives at an address of the fleet.
func (f *Fleet) host(a netip.Addr) Host {
	if f.Host == nil {
		return Host{Addr: a}
	}
	return f.Host(a)
}

// listen opens one listener and serves it until the lab ends.
func (l *Lab) listen(at netip.AddrPort, proto scanner.Protocol, s Service, who func(netip.Addr) Host) error {
	family := "4"
	if at.Addr().Is6() {
		family = "6"
	}
	var lc net.ListenConfig
	if proto == scanner.UDP {
		pc, err := lc.ListenPacket(l.ctx, "udp"+family, at.String())
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		l.onClose(pc.Close)
		return l.servePackets(pc, at.Addr(), s, who)
	}
	ln, err := lc.Listen(l.ctx, "tcp"+family, at.String())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := longQueue(ln); err != nil {
		return errors.Join(fmt.Errorf("listen on %v: %w", at, err), ln.Close())
	}
	if s.HTTP != nil {
		l.serveHTTP(ln, s, who)
		return nil
	}
	l.onClose(ln.Close)
	l.serve.Go(func() { l.serveConns(ln, s, who) })
	return nil
}

func (l *Lab) serveConns(ln net.Listener, s Service, who func(netip.Addr) Host) {
	for {
		c, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select { // no descriptors: those that are open will end
			case <-l.ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
				continue
			}
		}
		l.serve.Go(func() {
			hangUp := func() { _ = c.Close() } // the peer may have done so before
			defer hangUp()
			defer context.AfterFunc(l.ctx, hangUp)()
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				return
			}
			stream := c
			if s.Certify != nil {
				stream = tls.Server(c, s.Certify.tlsConfig(at(who)))
			}
			s.Conn(l.ctx, stream, who(local(c.LocalAddr())))
		})
	}
}

func (l *Lab) serveHTTP(ln net.Listener, s Service, who func(netip.Addr) Host) {
	if s.Certify != nil {
		ln = quiet{tls.NewListener(ln, s.Certify.tlsConfig(at(who)))}
	}
	srv := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			if !ok {
				return // cannot happen: http.Server sets it
			}
			s.HTTP(w, r, who(local(a)))
		}),
	}
	l.onClose(srv.Close)
	l.serve.Go(func() { _ = srv.Serve(ln) }) // ends with http.ErrServerClosed
}

// quiet hides from a web server that its connections are TLS: it would write to
// standard error whenever a client ends a handshake.
type quiet struct{ net.Listener }

// Accept waits for the next connection.
func (q quiet) Accept() (net.Conn, error) {
	c, err := q.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

// at finds who lives at the near end of a connection.
func at(who func(netip.Addr) Host) func(net.Addr) Host {
	return func(a net.Addr) Host { return who(local(a)) }
}

// local is the address that the peer connected to.
func local(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
