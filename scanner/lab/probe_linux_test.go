package lab_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// seen is how an attempt ended: "open", "refused" (a RST), "silent", or the
// ICMP error with its sender, such as "icmp 3/13 by 198.18.101.2".
type seen string

// silence is how long the tests wait before they call a port silent. Nothing
// in a lab takes more than a few milliseconds.
const silence = 700 * time.Millisecond

// connect makes a TCP connection and says how it ended, with the ICMP error
// from the socket's error queue (ip(7), IP_RECVERR).
func connect(to netip.AddrPort) seen { return attempt(to, unix.SOCK_STREAM) }

// datagram sends a UDP datagram and says what came back.
func datagram(to netip.AddrPort) seen { return attempt(to, unix.SOCK_DGRAM) }

func attempt(to netip.AddrPort, kind int) seen {
	failed := func(err error) seen { return seen(fmt.Sprintf("local error: %v", err)) }
	domain, level, opt := unix.AF_INET, unix.SOL_IP, unix.IP_RECVERR
	var sa unix.Sockaddr = &unix.SockaddrInet4{Port: int(to.Port()), Addr: as4(to.Addr())}
	if to.Addr().Is6() {
		domain, level, opt = unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_RECVERR
		sa = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return failed(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, level, opt, 1); err != nil {
		return failed(err)
	}
	events := int16(unix.POLLIN)
	if err := unix.Connect(fd, sa); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return failed(err)
	}
	if kind == unix.SOCK_DGRAM {
		if _, err := unix.Write(fd, []byte("hello")); err != nil {
			return failed(err)
		}
	} else {
		events = unix.POLLOUT
	}
	for deadline := time.Now().Add(silence); ; {
		left := max(0, time.Until(deadline)) // a last look is due even on a machine that is late
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(left.Milliseconds())+1)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return failed(err)
		case n <= 0 && left == 0:
			return "silent"
		case n <= 0:
			continue
		}
		break
	}
	if s := errorQueue(fd); s != "" {
		return s
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return failed(err)
	case unix.Errno(errno) == unix.ECONNREFUSED:
		return "refused"
	case errno != 0:
		return seen(unix.Errno(errno).Error())
	}
	return "open"
}

func as4(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}

// errorQueue reads the ICMP error that the kernel kept (sock_extended_err).
func errorQueue(fd int) seen {
	b, oob := make([]byte, 512), make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return ""
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return ""
	}
	for _, m := range msgs {
		d := m.Data
		if m.Header.Type != unix.IP_RECVERR && m.Header.Type != unix.IPV6_RECVERR || len(d) < 16+16 {
			continue
		}
		origin, typ, code := d[4], d[5], d[6]
		if origin != unix.SO_EE_ORIGIN_ICMP && origin != unix.SO_EE_ORIGIN_ICMP6 {
			continue
		}
		offender := d[16:]
		var by netip.Addr
		switch binary.NativeEndian.Uint16(offender) {
		case unix.AF_INET:
			by, _ = netip.AddrFromSlice(offender[4:8])
		case unix.AF_INET6:
			by, _ = netip.AddrFromSlice(offender[8:24])
		}
		return seen(fmt.Sprintf("icmp %d/%d by %v", typ, code, by))
	}
	return ""
}

// ping sends an echo request by the socket that ordinary users have for it.
func ping(to netip.Addr) seen {
	network, proto, any := "udp4", 1, "0.0.0.0"
	var kind icmp.Type = ipv4.ICMPTypeEcho
	if to.Is6() {
		network, proto, any, kind = "udp6", 58, "::", ipv6.ICMPTypeEchoRequest
	}
	c, err := icmp.ListenPacket(network, any)
	if err != nil {
		return seen(fmt.Sprintf("local error: %v", err))
	}
	defer c.Close()
	request, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{Seq: 7, Data: []byte("hello")}}).Marshal(nil)
	if err == nil {
		_, err = c.WriteTo(request, &net.UDPAddr{IP: to.AsSlice()})
	}
	if err == nil {
		err = c.SetReadDeadline(time.Now().Add(silence))
	}
	b := make([]byte, 512)
	for err == nil {
		var n int
		var m *icmp.Message
		if n, _, err = c.ReadFrom(b); err == nil {
			m, err = icmp.ParseMessage(proto, b[:n])
		}
		if err != nil {
			break
		}
		if e, ok := m.Body.(*icmp.Echo); ok && e.Seq == 7 && string(e.Data) == "hello" {
			return "open"
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "silent"
	}
	return seen(fmt.Sprintf("local error: %v", err))
}
