package socket

import (
	"cmreach/scanner"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// errNoRoom: the echo socket's send buffer is full. The engine offers the shot
// again. It fills when many packets wait for ARP.
var errNoRoom = errors.New("no room in the send buffer")

// heldError is the SYN that did not leave this machine, when it was to leave again.
type heldError struct{ to netip.Addr }

func (e *heldError) Error() string {
	return fmt.Sprintf("this machine's own firewall drops packets to %s, or the queue of its interface is full", e.to)
}

// localError makes the reply that says what this machine could not do.
func localError(key uint64, to netip.Addr, sent time.Time, err error) scanner.Reply {
	text, temporary := explain(to, err)
	return scanner.Reply{
		Key: key, Outcome: scanner.LocalError, At: time.Now(), Sent: sent,
		Err: text, Temporary: temporary,
	}
}

// explain puts a system error into words and says whether it may pass. These
// errors come from our own kernel before a packet has left.
func explain(to netip.Addr, err error) (string, bool) {
	if p, ok := errors.AsType[*portError](err); ok {
		return p.Error(), p.temporary()
	}
	if errors.Is(err, errNeighbours) {
		return err.Error(), true
	}
	if _, held := errors.AsType[*heldError](err); (held || errors.Is(err, unix.EPERM)) && conntrackFull() {
		return errTracked.Error(), true
	}
	var e unix.Errno
	if !errors.As(err, &e) {
		return err.Error(), false
	}
	switch e {
	case unix.EMFILE, unix.ENFILE: // descriptors: others are being closed
		return "too few file descriptors: " + err.Error(), true
	case unix.ENOBUFS, unix.ENOMEM: // queue of the interface, socket memory
		return "too little buffer memory: " + err.Error(), true
	case unix.EAGAIN, unix.EADDRNOTAVAIL, unix.EADDRINUSE: // local ports for this peer are used up
		return "no free local port or address: " + err.Error(), true
	case unix.ENETUNREACH: // no route matches
		return fmt.Sprintf("no route to %s from this machine: %v", to, err), false
	case unix.EHOSTUNREACH: // route of type unreachable
		return fmt.Sprintf("this machine's routing table says that %s is unreachable: %v", to, err), false
	case unix.EACCES: // route of type prohibit; broadcast address; security module
		return fmt.Sprintf("this machine's routing table or security policy prohibits %s, or it is a broadcast address: %v", to, err), false
	case unix.EINVAL: // route of type blackhole
		return fmt.Sprintf("this machine's routing table discards packets to %s (blackhole), or it is no usable address: %v", to, err), false
	case unix.EPERM: // own output rules drop it
		return fmt.Sprintf("this machine's own firewall forbids packets to %s: %v", to, err), false
	case unix.ENETDOWN:
		return "a network interface of this machine is down: " + err.Error(), false
	case unix.EAFNOSUPPORT:
		return "this machine does not have the address family of " + to.String() + ": " + err.Error(), false
	default:
		return err.Error(), false
	}
}
