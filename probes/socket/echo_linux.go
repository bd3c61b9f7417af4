package socket

import (
	"cmreach/scanner"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// echoSocket sends and receives all ICMP echo of one family.
type echoSocket struct {
	fd   int
	v6   bool
	raw  bool // else a datagram socket: the kernel matches the id and keeps an error queue
	hops int  // as set on the socket; -1: the system's default
	book *echoBook
}

const (
	solRaw     = 255 // SOL_RAW, linux/socket.h
	icmpFilter = 1   // ICMP_FILTER, linux/icmp.h

	echoBuffer = 4 << 20
	echoBurst  = 1 << 14
)

// openEcho opens a raw socket or, without the right to it, a datagram socket
// (net.ipv4.ping_group_range).
func openEcho(v6 bool, src netip.Addr, key [32]byte, id uint16) (*echoSocket, error) {
	fam, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if v6 {
		fam, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	const flags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	e := &echoSocket{v6: v6, raw: true, hops: -1}
	var err error
	if e.fd, err = unix.Socket(fam, unix.SOCK_RAW|flags, proto); err != nil {
		e.raw = false
		if e.fd, err = unix.Socket(fam, unix.SOCK_DGRAM|flags, proto); err != nil {
			return nil, err
		}
	}
	if id, err = e.setUp(src, id); err != nil {
		closeFD(e.fd)
		return nil, err
	}
	e.book = newEchoBook(key, id)
	return e, nil
}

// setUp sets the options, binds, and returns the id of our echo requests. The
// error queue is what makes the kernel tell even a raw socket that a packet was
// lost for want of a buffer or a neighbour entry (ENOBUFS, ip(7)).
func (e *echoSocket) setUp(src netip.Addr, id uint16) (uint16, error) {
	opts := []sockopt{{unix.IPPROTO_IP, unix.IP_RECVTTL, 1}, {unix.IPPROTO_IP, unix.IP_RECVERR, 1}}
	if e.v6 {
		opts = []sockopt{{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1}, {unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1}}
	}
	for _, o := range opts {
		if err := unix.SetsockoptInt(e.fd, o.level, o.name, o.value); err != nil {
			return 0, fmt.Errorf("set socket option %d/%d: %w", o.level, o.name, err)
		}
	}
	if err := e.filter(); err != nil {
		return 0, err
	}
	growBuffer(e.fd, echoBuffer)
	if unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, echoBuffer) != nil {
		_ = unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, echoBuffer)
	}
	if !src.IsValid() {
		src = netip.IPv4Unspecified()
		if e.v6 {
			src = netip.IPv6Unspecified()
		}
	}
	from, err := sockaddr(src, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(e.fd, from); err != nil {
		return 0, fmt.Errorf("send from %s: %w", src, err)
	}
	if e.raw {
		return id, nil
	}
	local, err := unix.Getsockname(e.fd)
	if err != nil {
		return 0, fmt.Errorf("read the echo id: %w", err)
	}
	return addrPort(local).Port(), nil
}

// filter keeps everything but echo replies and errors away from a raw socket.
func (e *echoSocket) filter() error {
	if !e.raw {
		return nil
	}
	if !e.v6 {
		pass := 1<<icmp4EchoReply | 1<<icmp4Unreachable | 1<<icmp4TimeExceeded | 1<<icmp4ParamProblem
		if err := unix.SetsockoptInt(e.fd, solRaw, icmpFilter, ^pass); err != nil {
			return fmt.Errorf("set the ICMP filter: %w", err)
		}
		return nil
	}
	var f unix.ICMPv6Filter
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	for _, t := range []int{icmp6Unreachable, icmp6TimeExceeded, icmp6ParamProblem, icmp6EchoReply} {
		f.Data[t/32] &^= 1 << (t % 32)
	}
	if err := unix.SetsockoptICMPv6Filter(e.fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &f); err != nil {
		return fmt.Errorf("set the ICMPv6 filter: %w", err)
	}
	return nil
}

// setHops sets the hop limit of what is sent next. A control message would do
// for one packet, but older kernels ignore it on ICMPv6 datagram sockets.
func (e *echoSocket) setHops(limit uint8) error {
	want := int(limit)
	if limit == 0 {
		want = -1
	}
	if want == e.hops {
		return nil
	}
	level, name := unix.IPPROTO_IP, unix.IP_TTL
	if e.v6 {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if err := unix.SetsockoptInt(e.fd, level, name, want); err != nil {
		return fmt.Errorf("set the hop limit: %w", err)
	}
	e.hops = want
	return nil
}

func (c *Connect) startEcho(f *flight) error {
	e := c.echo[family(f.shot.Addr)]
	if e == nil {
		return errNoEcho
	}
	to, err := sockaddr(f.shot.Addr, 0)
	if err != nil {
		return err
	}
	if err := e.setHops(f.shot.HopLimit); err != nil {
		return err
	}
	f.echo = e.book.add(f.shot.Addr)
	packet, err := e.book.request(f.echo)
	if err == nil {
		err = e.send(packet, to)
	}
	if err == nil {
		err = c.register(f)
	}
	if err != nil {
		e.book.remove(f.echo)
	}
	return err
}

// send sends a packet. An ICMP error for an earlier packet waits on the socket
// and would be returned in place of this packet's fate, once for each; a fault
// of this machine stays.
func (e *echoSocket) send(packet []byte, to unix.Sockaddr) error {
	var err error
	for range 8 {
		_, err = unix.SendmsgN(e.fd, packet, nil, to, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EAGAIN):
			return errNoRoom
		case errors.Is(err, unix.ENOBUFS): // no ICMP error has this number
			return fmt.Errorf("send an echo request: %w", err)
		}
	}
	return fmt.Errorf("send an echo request: %w", err)
}

// onEcho reads what came on an echo socket.
func (c *Connect) onEcho(e *echoSocket, events uint32) {
	if events&unix.EPOLLERR != 0 {
		c.echoErrors(e)
	}
	var oob [128]byte
	for range echoBurst {
		n, oobn, _, sa, err := unix.Recvmsg(e.fd, c.scratch, oob[:], unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if err != nil {
			continue // a pending ICMP error; reading it cleared it
		}
		b, ttl, from := c.scratch[:n], parseControl(oob[:oobn]).ttl, addrPort(sa).Addr()
		if e.raw && !e.v6 {
			var ok bool
			if b, _, ok = skipIPv4(b); !ok {
				continue
			}
		}
		c.echoMessage(e, b, from, ttl)
	}
}

// echoMessage handles an ICMP message: a reply, or on a raw socket an error.
func (c *Connect) echoMessage(e *echoSocket, b []byte, from netip.Addr, ttl uint8) {
	if p := e.book.reply(from, b); p != nil {
		if f := c.byEcho[p]; f != nil {
			r := f.reply(scanner.Answered, f.shot.Addr)
			r.TTL = ttl
			c.land(f, r)
		}
		return
	}
	want := uint8(protoICMP)
	if e.v6 {
		want = protoICMP6
	}
	kind, q, ok := parseICMPError(b, e.v6)
	if !ok || q.Proto != want {
		return
	}
	c.landEcho(e.book.quoted(q.Dst, q.Transport), kind, from, q.Src, ttl)
}

// echoErrors empties the error queue, where the quoted packet begins with our
// ICMP header. A raw socket gets the ICMP message itself too, which says more.
func (c *Connect) echoErrors(e *echoSocket) {
	for range echoBurst {
		b, ctl, err := readErrQueue(e.fd, c.scratch)
		if err != nil {
			return
		}
		if e.raw || ctl.err.origin != unix.SO_EE_ORIGIN_ICMP && ctl.err.origin != unix.SO_EE_ORIGIN_ICMP6 {
			continue
		}
		m, ok := parseEcho(b)
		if !ok {
			continue
		}
		// The kernel matches an error by the identifier alone; the address that it
		// quotes tells whether the packet was ours.
		p := e.book.bySeq[m.seq]
		if p == nil || ctl.to.Addr() != p.to.WithZone("") || e.book.quoted(p.to, b) != p {
			continue
		}
		self := netip.Addr{}
		if c.own[ctl.err.offender] {
			self = ctl.err.offender
		}
		c.landEcho(p, ctl.err.icmp, ctl.err.offender, self, ctl.ttl)
	}
}

func (c *Connect) landEcho(p *pendingEcho, e scanner.ICMPError, from, self netip.Addr, ttl uint8) {
	f := c.byEcho[p]
	if p == nil || f == nil {
		return
	}
	if r, ok := icmpReply(f, e, from, self, ttl); ok {
		c.land(f, r)
	}
}

// errNoEcho is why echo shots fail when neither kind of socket could be had.
var errNoEcho = errors.New("no ICMP echo: needs CAP_NET_RAW or a group in net.ipv4.ping_group_range")
