//go:build !linux

package socket

import (
	"cmreach/scanner"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
)

// openUDP makes the socket for a datagram: connected, unless the answer may
// come from another port.
func (c *Connect) openUDP(ctx context.Context, s scanner.Shot) (*net.UDPConn, error) {
	src := c.opt.source(s.Addr)
	if !src.IsValid() {
		src = unspecified(s.Addr)
	}
	local := netip.AddrPortFrom(src, s.UDP.LocalPort)
	if s.UDP.AnyPort {
		network := "udp4"
		if s.Addr.Is6() {
			network = "udp6"
		}
		conn, err := (&net.ListenConfig{}).ListenPacket(ctx, network, local.String())
		if err != nil {
			return nil, bindError(s, err)
		}
		return conn.(*net.UDPConn), nil // of a UDP network (net.ListenPacket)
	}
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(local)}
	conn, err := d.DialContext(ctx, "udp", netip.AddrPortFrom(s.Addr, s.Port).String())
	if err != nil {
		return nil, bindError(s, err)
	}
	return conn.(*net.UDPConn), nil // of a UDP network (net.Dial)
}

// bindError tells the failure to get the local port from others.
func bindError(s scanner.Shot, err error) error {
	call, ok := errors.AsType[*os.SyscallError](err)
	if ok && call.Syscall == "bind" && s.UDP.LocalPort != 0 {
		return &portError{port: s.UDP.LocalPort, err: call.Err}
	}
	return err
}

func send(conn *net.UDPConn, s scanner.Shot, b []byte) error {
	var err error
	if s.UDP.AnyPort {
		_, err = conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(s.Addr, s.Port))
	} else {
		_, err = conn.Write(b)
	}
	return err
}

// hear reads the first datagram of the address that was asked.
func hear(conn *net.UDPConn, s scanner.Shot, buf []byte) (int, error) {
	if !s.UDP.AnyPort {
		return conn.Read(buf)
	}
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil && n < len(buf) {
			return n, err
		}
		if from.Addr().Unmap().WithZone("") == s.Addr.WithZone("") {
			return n, err
		}
	}
}
