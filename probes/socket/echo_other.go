//go:build !linux

package socket

import (
	"cmreach/scanner"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// echoConn sends and receives all ICMP echo of one family.
type echoConn struct {
	conn  *icmp.PacketConn
	v6    bool
	dgram bool

	mu      sync.Mutex
	book    *echoBook
	waiting map[*pendingEcho]chan scanner.Reply // each has room for one
}

// openEchoes opens a raw socket, or else a datagram socket, for each family.
func (c *Connect) openEchoes() {
	for i, v6 := range []bool{false, true} {
		e, err := openEcho(v6, c.opt)
		if err != nil {
			c.notes = append(c.notes, fmt.Sprintf("no ICMP echo over %s: needs administrator rights (%v)", []string{"IPv4", "IPv6"}[i], err))
			continue
		}
		c.echo[i] = e
		c.wg.Add(1)
		go func() {
			defer c.wg.Done()
			e.read()
		}()
	}
}

func openEcho(v6 bool, opt Options) (*echoConn, error) {
	networks, src := []string{"ip4:icmp", "udp4"}, opt.Source4
	if v6 {
		networks, src = []string{"ip6:ipv6-icmp", "udp6"}, opt.Source6
	}
	addr := "0.0.0.0"
	switch {
	case src.IsValid():
		addr = src.String()
	case v6:
		addr = "::"
	}
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("draw an echo id: %w", err)
	}
	var errs []error
	for i, network := range networks {
		conn, err := icmp.ListenPacket(network, addr)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e := &echoConn{
			conn: conn, v6: v6, dgram: i == 1,
			book:    newEchoBook(opt.Key, binary.BigEndian.Uint16(id[:])),
			waiting: make(map[*pendingEcho]chan scanner.Reply),
		}
		// Not every system tells the TTL; then it stays 0.
		if v6 {
			_ = conn.IPv6PacketConn().SetControlMessage(ipv6.FlagHopLimit, true)
		} else {
			_ = conn.IPv4PacketConn().SetControlMessage(ipv4.FlagTTL, true)
		}
		return e, nil
	}
	return nil, errors.Join(errs...)
}

// ping sends an echo request and waits for what comes.
func (c *Connect) ping(ctx context.Context, s scanner.Shot) scanner.Reply {
	e := c.echo[1]
	if s.Addr.Is4() {
		e = c.echo[0]
	}
	if e == nil {
		return scanner.Reply{Outcome: scanner.LocalError, Err: "no ICMP echo: needs administrator rights"}
	}
	p, answer, err := e.send(s)
	defer e.drop(p)
	if err != nil {
		return c.failed(ctx, s.Addr, scanner.ICMP, err)
	}
	select {
	case r := <-answer:
		return r
	case <-ctx.Done():
		return scanner.Reply{Outcome: scanner.Silent}
	}
}

// send holds the lock from setting the hop limit to sending: the limit is the
// socket's.
func (e *echoConn) send(s scanner.Shot) (*pendingEcho, <-chan scanner.Reply, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.book.add(s.Addr)
	answer := make(chan scanner.Reply, 1)
	e.waiting[p] = answer
	packet, err := e.book.request(p)
	if err != nil {
		return p, answer, err
	}
	hops := int(s.HopLimit)
	if hops == 0 {
		hops = 64
	}
	if e.v6 {
		err = e.conn.IPv6PacketConn().SetHopLimit(hops)
	} else {
		err = e.conn.IPv4PacketConn().SetTTL(hops)
	}
	if err != nil {
		return p, answer, fmt.Errorf("set the hop limit: %w", err)
	}
	var to net.Addr = &net.IPAddr{IP: s.Addr.AsSlice(), Zone: s.Addr.Zone()}
	if e.dgram {
		to = &net.UDPAddr{IP: s.Addr.AsSlice(), Zone: s.Addr.Zone()}
	}
	_, err = e.conn.WriteTo(packet, to)
	return p, answer, err
}

func (e *echoConn) drop(p *pendingEcho) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, p)
	e.book.remove(p)
}

// read takes messages until the socket is closed.
func (e *echoConn) read() {
	buf := make([]byte, 1<<16)
	for {
		n, ttl, from, err := e.receive(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			e.handle(buf[:n], ttl, from)
		}
	}
}

func (e *echoConn) receive(buf []byte) (int, uint8, netip.Addr, error) {
	var n, ttl int
	var src net.Addr
	var err error
	if e.v6 {
		var cm *ipv6.ControlMessage
		if n, cm, src, err = e.conn.IPv6PacketConn().ReadFrom(buf); cm != nil {
			ttl = cm.HopLimit
		}
	} else {
		var cm *ipv4.ControlMessage
		if n, cm, src, err = e.conn.IPv4PacketConn().ReadFrom(buf); cm != nil {
			ttl = cm.TTL
		}
	}
	if err != nil {
		return 0, 0, netip.Addr{}, err
	}
	var ip net.IP
	switch a := src.(type) {
	case *net.IPAddr:
		ip = a.IP
	case *net.UDPAddr:
		ip = a.IP
	}
	from, _ := netip.AddrFromSlice(ip)
	return n, uint8(ttl), from.Unmap(), nil
}

// handle matches a message with the request that it answers.
func (e *echoConn) handle(b []byte, ttl uint8, from netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.book.reply(from, b); p != nil {
		e.give(p, scanner.Reply{Outcome: scanner.Answered, From: from, TTL: ttl})
		return
	}
	kind, q, ok := parseICMPError(b, e.v6)
	if !ok || q.Proto != protoICMP && q.Proto != protoICMP6 {
		return
	}
	if p := e.book.quoted(q.Dst, q.Transport); p != nil {
		e.give(p, scanner.Reply{Outcome: outcomeOf(kind, e.v6), From: from, ICMP: kind, TTL: ttl})
	}
}

func (e *echoConn) give(p *pendingEcho, r scanner.Reply) {
	select {
	case e.waiting[p] <- r:
	default:
	}
}
