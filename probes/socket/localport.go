package socket

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// portError says that the port that answers go to cannot be had.
type portError struct {
	port uint16
	err  error
}

func (e *portError) Error() string {
	switch {
	case e.temporary():
		return fmt.Sprintf("UDP port %d of this machine, where the answer goes, is in use by another program: %v", e.port, e.err)
	case noRight(e.err):
		return fmt.Sprintf("no right to use UDP port %d of this machine, where the answer goes (root, an administrator or CAP_NET_BIND_SERVICE has it): %v", e.port, e.err)
	}
	return fmt.Sprintf("UDP port %d of this machine, where the answer goes, cannot be used: %v", e.port, e.err)
}

func (e *portError) Unwrap() error { return e.err }

// temporary: whoever has the port may give it back.
func (e *portError) temporary() bool { return inUse(e.err) }

// Source returns the address that this machine would send from to the given
// one; not valid when there is no route. It asks the system by connecting a UDP
// socket, which sends nothing.
func (c *Connect) Source(to netip.Addr) netip.Addr {
	to = to.Unmap()
	if !to.IsValid() {
		return netip.Addr{}
	}
	if src := c.opt.source(to); src.IsValid() {
		return src
	}
	const discard = 9 // any port would do
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "udp", netip.AddrPortFrom(to, discard).String())
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap()
}

// unspecified is the address that stands for all of this machine's.
func unspecified(to netip.Addr) netip.Addr {
	if to.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
