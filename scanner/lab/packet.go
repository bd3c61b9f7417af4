package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// maxDatagram is what a service is shown of a datagram at most.
const maxDatagram = 64 << 10

// servePackets answers datagrams. On a socket that is bound to no address it
// must be told to which one a datagram was sent, and answer from there.
func (l *Lab) servePackets(pc net.PacketConn, at netip.Addr, s Service, who func(netip.Addr) Host) error {
	read, write, err := datagrams(pc, at)
	if err != nil {
		return err
	}
	l.serve.Go(func() {
		b := make([]byte, maxDatagram)
		for {
			n, dst, from, err := read(b)
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || !dst.IsValid() { // an ICMP error for an earlier answer
				continue
			}
			if answer := s.Packet(b[:n], who(dst)); answer != nil {
				_ = write(answer, dst, from) // whoever asked may be gone
			}
		}
	})
	return nil
}

// readPacket gives a datagram with the address that it was sent to, and who sent
// it; writePacket answers from that address.
type (
	readPacket  func(b []byte) (n int, dst netip.Addr, from net.Addr, err error)
	writePacket func(b []byte, src netip.Addr, to net.Addr) error
)

// datagrams are how a socket at that address is read and written.
func datagrams(pc net.PacketConn, at netip.Addr) (readPacket, writePacket, error) {
	var read readPacket = func(b []byte) (int, netip.Addr, net.Addr, error) {
		n, from, err := pc.ReadFrom(b)
		return n, at, from, err
	}
	var write writePacket = func(b []byte, _ netip.Addr, to net.Addr) error {
		_, err := pc.WriteTo(b, to)
		return err
	}
	switch {
	case at == netip.IPv4Unspecified():
		p := ipv4.NewPacketConn(pc)
		if err := p.SetControlMessage(ipv4.FlagDst, true); err != nil {
			return nil, nil, fmt.Errorf("ask for destination addresses: %w", err)
		}
		read = func(b []byte) (int, netip.Addr, net.Addr, error) {
			n, cm, from, err := p.ReadFrom(b)
			if cm == nil {
				return n, netip.Addr{}, from, err
			}
			return n, fromIP(cm.Dst), from, err
		}
		write = func(b []byte, src netip.Addr, to net.Addr) error {
			_, err := p.WriteTo(b, &ipv4.ControlMessage{Src: src.AsSlice()}, to)
			return err
		}
	case at == netip.IPv6Unspecified():
		p := ipv6.NewPacketConn(pc)
		if err := p.SetControlMessage(ipv6.FlagDst, true); err != nil {
			return nil, nil, fmt.Errorf("ask for destination addresses: %w", err)
		}
		read = func(b []byte) (int, netip.Addr, net.Addr, error) {
			n, cm, from, err := p.ReadFrom(b)
			if cm == nil {
				return n, netip.Addr{}, from, err
			}
			return n, fromIP(cm.Dst), from, err
		}
		write = func(b []byte, src netip.Addr, to net.Addr) error {
			_, err := p.WriteTo(b, &ipv6.ControlMessage{Src: src.AsSlice()}, to)
			return err
		}
	}
	return read, write, nil
}

func fromIP(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
