//go:build unix && !linux

package socket

import (
	"cmreach/scanner"
	"net"
	"syscall"
)

// classify says what an error number means on macOS and the BSDs. What could
// be this machine's fault as well as the network's is called a LocalError.
func classify(e syscall.Errno, p scanner.Protocol) scanner.Reply {
	switch e {
	case syscall.ECONNREFUSED: // RST; UDP: ICMP port unreachable
		if p == scanner.UDP {
			return scanner.Reply{Outcome: scanner.Rejected, ICMP: portUnreachable(false)}
		}
		return scanner.Reply{Outcome: scanner.Refused}
	case syscall.ECONNRESET: // accepted, then reset
		return scanner.Reply{Outcome: scanner.Cut, Err: "connection reset by peer at once"}
	case syscall.EHOSTUNREACH, // ICMP host unreachable or prohibited; no ARP answer some time ago
		syscall.EHOSTDOWN: // no ARP answer
		return scanner.Reply{Outcome: scanner.Rejected}
	case syscall.ENETUNREACH: // no route here; seldom ICMP net unreachable
		return scanner.Reply{Outcome: scanner.LocalError}
	case syscall.ETIMEDOUT: // the system gave up
		return scanner.Reply{Outcome: scanner.Silent}
	case syscall.EMFILE, syscall.ENFILE, // descriptors
		syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN, // memory
		syscall.EADDRNOTAVAIL, syscall.EADDRINUSE: // ports used up
		return scanner.Reply{Outcome: scanner.LocalError, Temporary: true}
	default:
		// EACCES, EPERM (own firewall), EINVAL, ENETDOWN and whatever else comes.
		return scanner.Reply{Outcome: scanner.LocalError}
	}
}

// reportUnreachable has nothing to do here: connected UDP sockets report it.
func reportUnreachable(*net.UDPConn) {}
