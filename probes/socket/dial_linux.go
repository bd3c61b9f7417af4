package socket

import (
	"cmreach/scanner"
	"context"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// DialTCP connects by an own socket, so that the reply can name who rejected
// it; see [scanner.Dialer].
func (c *Connect) DialTCP(ctx context.Context, to netip.AddrPort) (net.Conn, scanner.Reply) {
	f := &flight{
		shot:   scanner.Shot{Addr: to.Addr().Unmap(), Port: to.Port(), Protocol: scanner.TCP},
		fd:     -1,
		sent:   time.Now(),
		dialed: make(chan dialed, 1),
	}
	if ctx.Err() != nil {
		return nil, f.reply(scanner.Silent, netip.Addr{})
	}
	c.mu.Lock()
	err := c.start(f)
	c.unlock()
	if err != nil {
		return nil, localError(0, f.shot.Addr, f.sent, err)
	}
	select {
	case d := <-f.dialed:
		return handOver(d)
	case <-ctx.Done():
	}
	c.mu.Lock()
	if c.flights[f.fd] == f {
		c.lose(f)
	}
	c.unlock()
	return handOver(<-f.dialed)
}

// handOver makes a net.Conn of a connected descriptor.
func handOver(d dialed) (net.Conn, scanner.Reply) {
	if d.fd < 0 {
		return nil, d.reply
	}
	r := d.reply
	peer, err := unix.Getpeername(d.fd)
	if err != nil { // reset between its acceptance and now
		closeFD(d.fd)
		r.Outcome, r.Err = scanner.Cut, "connection reset by peer at once"
		return nil, r
	}
	// From here on an ICMP error must not tear the connection down at once (RFC
	// 1122 4.2.3.9): the error queue is for the handshake only.
	recvErr := sockopt{unix.IPPROTO_IP, unix.IP_RECVERR, 0}
	if r.From.Is6() {
		recvErr = sockopt{unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 0}
	}
	_ = unix.SetsockoptInt(d.fd, recvErr.level, recvErr.name, recvErr.value)
	return newConn(d.fd, addrPort(peer)), r
}
