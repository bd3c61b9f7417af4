package socket

import (
	"cmreach/scanner"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// control is what the control messages of a received message say.
type control struct {
	ttl    uint8
	to     netip.AddrPort // where the packet went that an error is about
	hasErr bool
	err    extendedErr
}

// extendedErr is struct sock_extended_err of linux/errqueue.h, and the
// sender of the ICMP error behind it.
type extendedErr struct {
	errno    unix.Errno
	origin   uint8
	icmp     scanner.ICMPError
	offender netip.Addr
}

// readErrQueue takes one entry from a socket's error queue (ip(7), MSG_ERRQUEUE):
// the packet that it is about, as far as it was quoted, and the error.
func readErrQueue(fd int, buf []byte) ([]byte, control, error) {
	oob := make([]byte, 512)
	for range 16 {
		n, oobn, _, to, err := unix.Recvmsg(fd, buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return nil, control{}, err
		}
		if ctl := parseControl(oob[:oobn]); ctl.hasErr {
			ctl.to = addrPort(to)
			return buf[:n], ctl, nil
		}
	}
	return nil, control{}, unix.EAGAIN
}

// parseControl reads the control messages that we ask for.
func parseControl(oob []byte) control {
	var out control
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return out
	}
	for _, m := range list {
		level, kind := m.Header.Level, m.Header.Type
		switch {
		case level == unix.IPPROTO_IP && kind == unix.IP_TTL,
			level == unix.IPPROTO_IPV6 && kind == unix.IPV6_HOPLIMIT:
			if len(m.Data) >= 4 {
				out.ttl = uint8(binary.NativeEndian.Uint32(m.Data)) //nolint:gosec // an int of 0 to 255
			}
		case level == unix.IPPROTO_IP && kind == unix.IP_RECVERR,
			level == unix.IPPROTO_IPV6 && kind == unix.IPV6_RECVERR:
			out.err, out.hasErr = parseExtendedErr(m.Data)
		}
	}
	return out
}

// parseExtendedErr reads struct sock_extended_err and the sockaddr after it
// (SO_EE_OFFENDER).
func parseExtendedErr(b []byte) (extendedErr, bool) {
	const size = 16
	if len(b) < size {
		return extendedErr{}, false
	}
	e := extendedErr{
		errno:  unix.Errno(binary.NativeEndian.Uint32(b)),
		origin: b[4],
		icmp:   scanner.ICMPError{Type: b[5], Code: b[6]},
	}
	sa := b[size:]
	if len(sa) < 8 {
		return e, true
	}
	switch binary.NativeEndian.Uint16(sa) {
	case unix.AF_INET:
		e.offender = netip.AddrFrom4([4]byte(sa[4:8]))
	case unix.AF_INET6:
		if len(sa) >= 24 {
			e.offender = netip.AddrFrom16([16]byte(sa[8:24])).Unmap()
		}
	}
	return e, true
}
