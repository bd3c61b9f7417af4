package socket

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// extended makes struct sock_extended_err with an offender, as the kernel does.
func extended(errno uint32, origin, kind, code uint8, offender netip.Addr) []byte {
	b := binary.NativeEndian.AppendUint32(nil, errno)
	b = append(b, origin, kind, code, 0)
	b = append(b, make([]byte, 8)...)
	switch {
	case offender.Is4():
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET)
		b = append(b, 0, 0)
		b = append(b, offender.AsSlice()...)
		b = append(b, make([]byte, 8)...)
	case offender.Is6():
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET6)
		b = append(b, make([]byte, 6)...)
		b = append(b, offender.AsSlice()...)
		b = append(b, make([]byte, 4)...)
	default:
		b = append(b, make([]byte, 16)...) // AF_UNSPEC
	}
	return b
}

func TestParseExtendedErr(t *testing.T) {
	r4, r6 := netip.MustParseAddr("198.18.101.2"), netip.MustParseAddr("fd00:198:101::2")
	tests := []struct {
		name string
		in   []byte
		want extendedErr
		ok   bool
	}{
		{"v4", extended(113, 2, 3, 13, r4), extendedErr{unix.EHOSTUNREACH, 2, code(3, 13), r4}, true},
		{"v6", extended(13, 3, 1, 1, r6), extendedErr{unix.EACCES, 3, code(1, 1), r6}, true},
		{"local", extended(90, 1, 0, 0, netip.Addr{}), extendedErr{unix.EMSGSIZE, 1, code(0, 0), netip.Addr{}}, true},
		{"no offender", extended(113, 2, 3, 1, r4)[:16], extendedErr{unix.EHOSTUNREACH, 2, code(3, 1), netip.Addr{}}, true},
		{"v6 offender cut", extended(113, 3, 1, 3, r6)[:30], extendedErr{unix.EHOSTUNREACH, 3, code(1, 3), netip.Addr{}}, true},
		{"cut", extended(113, 2, 3, 1, r4)[:15], extendedErr{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseExtendedErr(tt.in); got != tt.want || ok != tt.ok {
				t.Errorf("got %+v %t, want %+v %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// message makes one control message.
func message(level, kind int, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(len(data))))
	binary.NativeEndian.PutUint32(b[8:], uint32(level))
	binary.NativeEndian.PutUint32(b[12:], uint32(kind))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func TestParseControl(t *testing.T) {
	ttl := binary.NativeEndian.AppendUint32(nil, 62)
	r4 := netip.MustParseAddr("198.18.101.2")
	oob := append(message(unix.IPPROTO_IP, unix.IP_TTL, ttl), message(unix.IPPROTO_IP, unix.IP_RECVERR, extended(113, 2, 3, 13, r4))...)
	got := parseControl(oob)
	if got.ttl != 62 || !got.hasErr || got.err.offender != r4 || got.err.icmp != code(3, 13) {
		t.Errorf("got %+v", got)
	}
	got = parseControl(message(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, ttl))
	if got.ttl != 62 || got.hasErr {
		t.Errorf("got %+v", got)
	}
	if got := parseControl(oob[:7]); got != (control{}) {
		t.Errorf("got %+v from a broken message", got)
	}
	if got := parseControl(message(unix.IPPROTO_IP, unix.IP_TTL, ttl[:2])); got.ttl != 0 {
		t.Errorf("got %+v from a short TTL", got)
	}
}

const (
	// TCP 445 to 40000: SYN-ACK, RST-ACK, and a SYN-ACK with an MSS option.
	synAck    = "01bd 9c40 00000001 00000002 5012 ffff 0000 0000"
	rstAck    = "01bd 9c40 00000000 00000002 5014 0000 0000 0000"
	synAckMSS = "01bd 9c40 00000001 00000002 6012 ffff 0000 0000 020405b4"
	// From 198.18.100.10, TTL 62.
	ipHead = "4500 0028 0000 4000 3e06 0000 c612640a c6126632"
)

func TestTCPReader(t *testing.T) {
	peer := netip.MustParseAddrPort("198.18.100.10:445")
	tests := []struct {
		name, hex string
		want      seenTCP
		ok        bool
	}{
		{"SYN-ACK", ipHead + synAck, seenTCP{peer, 40000, false, 62}, true},
		{"RST", ipHead + rstAck, seenTCP{peer, 40000, true, 62}, true},
		{"with an option", "4500 002c" + ipHead[9:] + synAckMSS, seenTCP{peer, 40000, false, 62}, true},
		{"TCP header cut", ipHead + synAck[:30], seenTCP{}, false},
		{"UDP", "4500 0028 0000 4000 3e11" + ipHead[24:] + synAck, seenTCP{}, false},
		{"later fragment", "4500 0028 0000 2001 3e06" + ipHead[24:] + synAck, seenTCP{}, false},
		{"empty", "", seenTCP{}, false},
	}
	r := newTCPReader(false)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := r.packet(unhex(t, tt.hex)); got != tt.want || ok != tt.ok {
				t.Errorf("got %+v %t, want %+v %t", got, ok, tt.want, tt.ok)
			}
		})
	}
	from := netip.MustParseAddr("fd00:198:102::50")
	got, ok := newTCPReader(true).segment(unhex(t, rstAck), from)
	if !ok || got != (seenTCP{netip.AddrPortFrom(from, 445), 40000, true, 0}) {
		t.Errorf("IPv6: got %+v %t", got, ok)
	}
}

func TestExplain(t *testing.T) {
	temporary := []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN, unix.EADDRNOTAVAIL, unix.EADDRINUSE}
	lasting := []unix.Errno{
		unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.EPERM,
		unix.ENETDOWN, unix.EAFNOSUPPORT, unix.ECONNREFUSED,
	}
	for want, list := range map[bool][]unix.Errno{true: temporary, false: lasting} {
		for _, e := range list {
			if text, got := explain(netip.MustParseAddr("198.18.0.1"), e); got != want || text == "" {
				t.Errorf("%v: %q, temporary %t, want %t", e, text, got, want)
			}
		}
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add(message(unix.IPPROTO_IP, unix.IP_RECVERR, extended(113, 2, 3, 13, netip.MustParseAddr("198.18.101.2"))))
	f.Add(message(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, extended(13, 3, 1, 1, netip.MustParseAddr("fd00:198:101::2"))))
	f.Add(message(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, []byte{1, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c := parseControl(b); !c.hasErr && c.err != (extendedErr{}) {
			t.Errorf("an error without an error: %+v", c)
		}
	})
}

func FuzzTCPReader(f *testing.F) {
	f.Add(unhex(f, "4500 002c"+ipHead[9:]+synAckMSS))
	f.Add(unhex(f, synAck))
	r4, r6 := newTCPReader(false), newTCPReader(true)
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := r4.packet(b); ok && !s.peer.Addr().Is4() {
			t.Errorf("accepted % x as %+v", b, s)
		}
		if s, ok := r6.segment(b, netip.IPv6Loopback()); ok && s.peer.Addr() != netip.IPv6Loopback() {
			t.Errorf("accepted % x as %+v", b, s)
		}
	})
}

func TestSockaddr(t *testing.T) {
	for _, want := range []string{"198.18.0.1:445", "[fd00:198::1]:445"} {
		ap := netip.MustParseAddrPort(want)
		sa, err := sockaddr(ap.Addr(), ap.Port())
		if err != nil || addrPort(sa) != ap {
			t.Errorf("%s became %+v, %v", want, sa, err)
		}
	}
	sa, err := sockaddr(netip.MustParseAddr("fe80::1%7"), 0)
	if s, ok := sa.(*unix.SockaddrInet6); err != nil || !ok || s.ZoneId != 7 {
		t.Errorf("zone 7 became %+v, %v", sa, err)
	}
	sa, err = sockaddr(netip.MustParseAddr("fe80::1%lo"), 0)
	if s, ok := sa.(*unix.SockaddrInet6); err != nil || !ok || s.ZoneId != 1 {
		t.Errorf("zone lo became %+v, %v", sa, err)
	}
	if _, err := sockaddr(netip.MustParseAddr("fe80::1%no-such-link"), 0); err == nil {
		t.Error("a zone that does not exist was accepted")
	}
}
