package socket

import (
	"cmreach/scanner"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// classify says what a Windows Sockets error means. What could be this
// machine's fault as well as the network's is called a LocalError.
func classify(e syscall.Errno, p scanner.Protocol) scanner.Reply {
	switch e {
	case windows.WSAECONNREFUSED: // 10061: RST; also ICMP port unreachable, which is not told apart
		return scanner.Reply{Outcome: scanner.Refused}
	case windows.WSAECONNRESET: // 10054: UDP: ICMP port unreachable; TCP: accepted, then reset
		if p == scanner.UDP {
			return scanner.Reply{Outcome: scanner.Rejected, ICMP: portUnreachable(false)}
		}
		return scanner.Reply{Outcome: scanner.Cut, Err: "connection reset by peer at once"}
	case windows.WSAEHOSTUNREACH: // 10065: ICMP host unreachable or prohibited; nobody answers ARP
		return scanner.Reply{Outcome: scanner.Rejected}
	case windows.WSAENETUNREACH: // 10051: no route here; seldom ICMP net unreachable
		return scanner.Reply{Outcome: scanner.LocalError}
	case windows.WSAETIMEDOUT: // 10060: the system gave up
		return scanner.Reply{Outcome: scanner.Silent}
	case windows.WSAEMFILE, // 10024: sockets
		windows.WSAENOBUFS,    // 10055: memory, or ports used up
		windows.WSAEADDRINUSE: // 10048: ports used up
		return scanner.Reply{Outcome: scanner.LocalError, Temporary: true}
	default:
		// 10013 WSAEACCES (own firewall), 10049 WSAEADDRNOTAVAIL (no usable
		// address), 10050 WSAENETDOWN and whatever else comes.
		return scanner.Reply{Outcome: scanner.LocalError}
	}
}

// reportUnreachable makes a UDP socket report ICMP port unreachable as
// WSAECONNRESET; package net turns that off (SIO_UDP_CONNRESET).
func reportUnreachable(u *net.UDPConn) {
	const sioUDPConnReset = windows.IOC_IN | windows.IOC_VENDOR | 12
	raw, err := u.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		on, out := uint32(1), uint32(0)
		// On failure port unreachable looks like silence, as it does without the call.
		_ = windows.WSAIoctl(windows.Handle(fd), sioUDPConnReset,
			(*byte)(unsafe.Pointer(&on)), uint32(unsafe.Sizeof(on)), nil, 0, &out, nil, 0) //nolint:gosec // the call wants a pointer
	})
}
