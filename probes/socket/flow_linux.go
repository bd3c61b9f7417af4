package socket

import (
	"cmreach/scanner"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// openFlow makes the flight's own socket and connects it. For TCP that sends
// the SYN, for UDP nothing.
func (c *Connect) openFlow(f *flight, kind int) error {
	a := f.shot.Addr
	fam := unix.AF_INET6
	if a.Is4() {
		fam = unix.AF_INET
	}
	fd, err := unix.Socket(fam, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	if err := c.setUpFlow(fd, f); err != nil {
		closeFD(fd)
		return err
	}
	if f.to, err = sockaddr(a, f.shot.Port); err != nil {
		closeFD(fd)
		return err
	}
	if !f.shot.UDP.AnyPort {
		if err := unix.Connect(fd, f.to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			closeFD(fd)
			return fmt.Errorf("connect: %w", err)
		}
	}
	f.fd = fd
	if kind == unix.SOCK_STREAM && !c.tapped(f) {
		return nil // seldom asked for
	}
	if err := f.readLocal(); err != nil {
		closeFD(fd)
		return fmt.Errorf("read the local address: %w", err)
	}
	return nil
}

// readLocal asks for the address and port that the flight's socket sends from.
func (f *flight) readLocal() error {
	local, err := unix.Getsockname(f.fd)
	if err == nil {
		f.local = addrPort(local)
	}
	return err
}

// self is the address that the flight's packets come from.
func (f *flight) self() netip.Addr {
	if !f.local.IsValid() && f.fd >= 0 {
		_ = f.readLocal() // of an own socket
	}
	return f.local.Addr()
}

// setUpFlow sets the options of a flight's socket. The error queue must be on
// before anything is sent.
func (c *Connect) setUpFlow(fd int, f *flight) error {
	set := []sockopt{
		{unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
		{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, int(f.shot.HopLimit)},
	}
	if f.shot.Addr.Is4() {
		set = []sockopt{
			{unix.IPPROTO_IP, unix.IP_RECVERR, 1},
			{unix.IPPROTO_IP, unix.IP_RECVTTL, 1},
			{unix.IPPROTO_IP, unix.IP_TTL, int(f.shot.HopLimit)},
		}
	}
	if f.shot.HopLimit == 0 {
		set = set[:2]
	}
	if f.shot.Protocol == scanner.TCP {
		// The kernel holds the last ACK of the handshake back, to send it with the
		// first data (tcp(7)). A shot has none: the RST of discard goes in its place,
		// and the peer's service is not troubled with a connection.
		set = append(set, sockopt{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1})
	}
	bind, more := c.bindTo(f)
	for _, o := range append(set, more...) {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("set socket option %d/%d: %w", o.level, o.name, err)
		}
	}
	if !bind.IsValid() {
		return nil
	}
	from, err := sockaddr(bind.Addr(), bind.Port())
	if err != nil {
		return err
	}
	switch err := unix.Bind(fd, from); {
	case err != nil && bind.Port() != 0:
		return &portError{port: bind.Port(), err: err}
	case err != nil:
		return fmt.Errorf("send from %s: %w", bind.Addr(), err)
	}
	return nil
}

// bindTo returns where the flight's socket is bound before it is used, and the
// options that this needs; not valid when the system may choose.
func (c *Connect) bindTo(f *flight) (netip.AddrPort, []sockopt) {
	src, need := c.opt.source(f.shot.Addr), f.shot.UDP
	switch {
	case f.shot.Protocol != scanner.UDP || need == (scanner.UDPSocket{}):
		if !src.IsValid() {
			return netip.AddrPort{}, nil
		}
		// The port is chosen at connect(), so that it need be free for this peer only.
		return netip.AddrPortFrom(src, 0), []sockopt{{unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1}}
	case !src.IsValid():
		// Not connected, a socket does not know its own address, which tells
		// this machine's ICMP errors from others'.
		src = c.Source(f.shot.Addr)
	}
	if !src.IsValid() {
		src = unspecified(f.shot.Addr) // no route: sending will say so
	}
	if need.LocalPort == 0 || need.AnyPort {
		return netip.AddrPortFrom(src, need.LocalPort), nil
	}
	// Our own sockets share the port, and nobody else's (SO_REUSEPORT, socket(7)):
	// each is connected to its peer, so every answer finds its own.
	return netip.AddrPortFrom(src, need.LocalPort), []sockopt{{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1}}
}

type sockopt struct{ level, name, value int }

func (c *Connect) startTCP(f *flight) error {
	if c.tapped(f) {
		if err := c.openFlow(f, unix.SOCK_STREAM); err != nil {
			return err
		}
		return c.registerFlow(f)
	}
	c.mu.Unlock()
	err := c.openFlow(f, unix.SOCK_STREAM)
	c.mu.Lock()
	if err != nil {
		return err
	}
	if err := c.closedError(); err != nil {
		closeFD(f.fd)
		return err
	}
	return c.registerFlow(f)
}

// startUDP registers before it sends: nothing may come back unnoticed.
func (c *Connect) startUDP(f *flight) error {
	c.makeSpare()
	if err := c.openFlow(f, unix.SOCK_DGRAM); err != nil {
		return err
	}
	if err := c.registerFlow(f); err != nil {
		return err
	}
	var to unix.Sockaddr
	if f.shot.UDP.AnyPort {
		to = f.to
	}
	if _, err := unix.SendmsgN(f.fd, f.shot.Payload, nil, to, 0); err != nil {
		c.forget(f)
		closeFD(f.fd)
		return fmt.Errorf("send a datagram: %w", err)
	}
	if f.shot.Also != nil {
		// What fails now is no failure of the shot, whose first datagram has left;
		// an ICMP error that has come already stays in the error queue.
		_, _ = unix.SendmsgN(f.fd, f.shot.Also, nil, to, 0)
	}
	f.shot.Payload, f.shot.Also = nil, nil
	return nil
}

func (c *Connect) registerFlow(f *flight) error {
	if err := c.register(f); err != nil {
		closeFD(f.fd)
		return err
	}
	return nil
}

// onTCP decides how an attempt to connect ended. An event is only the occasion
// to look: it may be about what the socket did before. The error queue comes
// first: the plain error number cannot tell a RST from port unreachable, nor one
// rejection from another.
func (c *Connect) onTCP(f *flight, events uint32) {
	if f.opening {
		f.stirred = true
		return
	}
	s, err := readAttempt(f.fd)
	switch {
	case err != nil:
		c.land(f, localError(f.shot.Key, f.shot.Addr, f.sent, fmt.Errorf("read the socket's state: %w", err)))
	case (events&unix.EPOLLERR != 0 || !s.connected()) && c.landByICMP(f):
	case s.connected():
		c.landAnswered(f, s.took)
	case s.ended():
		c.failedTCP(f)
	}
}

// failedTCP ends an attempt to connect by the socket's error.
func (c *Connect) failedTCP(f *flight) {
	switch r := c.failure(f); r.Outcome {
	case scanner.Silent:
		c.lose(f)
	case scanner.Cut: // for a single packet the acceptance counts
		c.landAnswered(f, 0)
	default:
		c.land(f, r)
	}
}

// failure says by the socket's error how an attempt to connect ended.
func (c *Connect) failure(f *flight) scanner.Reply {
	peer := f.shot.Addr
	errno, err := unix.GetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return localError(f.shot.Key, peer, f.sent, fmt.Errorf("read the socket's error: %w", err))
	}
	switch e := unix.Errno(errno); e {
	case 0, unix.ETIMEDOUT: // closed without a reason; the kernel gave up before we did
		return c.unheard(f)
	case unix.ECONNREFUSED:
		r := f.reply(scanner.Refused, peer)
		r.TTL = f.ttlReset
		return r
	case unix.ECONNRESET, unix.EPIPE: // SYN-ACK first, then RST
		r := f.reply(scanner.Cut, peer)
		r.Err, r.TTL = "connection reset by peer at once", f.ttlReset
		return r
	case unix.EHOSTUNREACH:
		return f.neighbourless()
	default:
		return localError(f.shot.Key, peer, f.sent, e)
	}
}

// landAnswered ends an attempt that the peer accepted.
func (c *Connect) landAnswered(f *flight, took time.Duration) { c.land(f, f.answered(took)) }

// answered is the reply when the peer accepted, at the time that the kernel says:
// this process may have been late to look.
func (f *flight) answered(took time.Duration) scanner.Reply {
	r := f.reply(scanner.Answered, f.shot.Addr)
	r.TTL = f.ttlAccept
	if at := f.sent.Add(took); took > 0 && at.Before(r.At) {
		r.At = at
	}
	return r
}

// hostUnreachable is what a machine says when nobody answers its ARP or
// neighbour solicitation.
func hostUnreachable(v6 bool) scanner.ICMPError {
	if v6 {
		return scanner.ICMPError{Type: icmp6Unreachable, Code: icmp6AddrCode}
	}
	return scanner.ICMPError{Type: icmp4Unreachable, Code: icmp4HostCode}
}

// neighbourless is the reply when this machine found no neighbour to send to.
func (f *flight) neighbourless() scanner.Reply {
	r := f.reply(scanner.Rejected, f.self())
	r.ICMP = hostUnreachable(f.shot.Addr.Is6())
	return r
}

// onUDP takes the first datagram, or the ICMP error in its place.
func (c *Connect) onUDP(f *flight, events uint32) {
	if events&unix.EPOLLERR != 0 && c.landByICMP(f) {
		return
	}
	oob := make([]byte, 128)
	n, oobn, _, from, err := unix.Recvmsg(f.fd, c.scratch[:maxAnswer], oob, unix.MSG_DONTWAIT)
	if err != nil {
		// EAGAIN: nothing. Others: an error that the queue has told of already,
		// now cleared by having been read.
		return
	}
	if f.shot.UDP.AnyPort && addrPort(from).Addr() != f.shot.Addr.WithZone("") {
		return // a stranger's; the next one wakes us again
	}
	r := f.reply(scanner.Answered, f.shot.Addr)
	r.Payload = append([]byte(nil), c.scratch[:n]...)
	r.TTL = parseControl(oob[:oobn]).ttl
	c.land(f, r)
}

// landByICMP ends the flight if its error queue holds an error that decides.
func (c *Connect) landByICMP(f *flight) bool {
	r, ok := c.byICMP(f)
	if ok {
		c.land(f, r)
	}
	return ok
}

// byICMP is the reply when the error queue holds an error that decides. The lock
// is held.
func (c *Connect) byICMP(f *flight) (scanner.Reply, bool) {
	used := f.pooled
	for range 16 {
		_, ctl, err := readErrQueue(f.fd, c.scratch)
		if err != nil {
			break
		}
		f.pooled = false // it may bear the error beyond this attempt
		if used && ctl.to != netip.AddrPortFrom(f.shot.Addr, f.shot.Port) {
			continue // about what the socket did before
		}
		if r, ok := c.judge(f, ctl); ok {
			return r, true
		}
	}
	return scanner.Reply{}, false
}

// judge says what an entry of the error queue means for the flight.
func (c *Connect) judge(f *flight, ctl control) (scanner.Reply, bool) {
	e := ctl.err
	switch e.origin {
	case unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6:
		return icmpReply(f, e.icmp, e.offender, f.self(), ctl.ttl)
	case unix.SO_EE_ORIGIN_LOCAL:
		return localError(f.shot.Key, f.shot.Addr, f.sent, e.errno), true
	}
	return scanner.Reply{}, false
}

// icmpReply makes the reply for an ICMP error from the given sender; self is
// the address that the packet was sent from.
func icmpReply(f *flight, e scanner.ICMPError, from, self netip.Addr, ttl uint8) (scanner.Reply, bool) {
	v6 := f.shot.Addr.Is6()
	o := outcomeOf(e, v6)
	if o == scanner.OutcomeUnknown {
		return scanner.Reply{}, false
	}
	bySelf := from.IsValid() && from == self && from != f.shot.Addr.WithZone("")
	if bySelf && e != hostUnreachable(v6) {
		return localError(f.shot.Key, f.shot.Addr, f.sent, ownReject(e, from)), true
	}
	r := f.reply(o, from)
	r.ICMP, r.TTL = e, ttl
	return r, true
}

// ownReject is an ICMP error that this machine sent to itself.
func ownReject(e scanner.ICMPError, from netip.Addr) error {
	return fmt.Errorf("this machine's own firewall or router rejects it (ICMP type %d code %d from %s)", e.Type, e.Code, from)
}
