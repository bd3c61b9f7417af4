package socket

import (
	"cmreach/scanner"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// unhex reads bytes written in hexadecimal, with spaces for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	// IPv4: 198.18.100.10 to 198.18.102.50, protocol TCP; ports 40000 to 445, sequence number 1.
	quote4     = "4500 003c 1234 4000 3e06 0000 c612640a c6126632"
	quote4Opts = "4600 003c 1234 4000 3e06 0000 c612640a c6126632 01010101"
	quote4Frag = "4500 003c 1234 0001 3e06 0000 c612640a c6126632"
	ports8     = "9c40 01bd 000000 01"
	// IPv6: fd00:198:100::10 to fd00:198:102::50; the next header is to follow.
	quote6Head = "60000000 0028"
	quote6Tail = "40 fd000198010000000000000000000010 fd000198010200000000000000000050"
)

func TestParseICMPError(t *testing.T) {
	long := strings.Repeat("00", 120)
	tests := []struct {
		name      string
		hex       string
		v6        bool
		want      scanner.ICMPError
		proto     uint8
		transport int // bytes
		ok        bool
	}{
		{"eight bytes, as RFC 792 promises", "030d 0000 00000000" + quote4 + ports8, false, code(3, 13), 6, 8, true},
		{"seven bytes", "030d 0000 00000000" + quote4 + ports8[:16], false, code(3, 13), 0, 0, false},
		{"with IP options", "0301 0000 00000000" + quote4Opts + ports8, false, code(3, 1), 6, 8, true},
		{"time exceeded", "0b00 0000 00000000" + quote4 + ports8, false, code(11, 0), 6, 8, true},
		{"reassembly time exceeded", "0b01 0000 00000000" + quote4 + ports8, false, code(11, 1), 0, 0, false},
		{"fragmentation needed", "0304 0000 000005dc" + quote4 + ports8, false, code(3, 4), 0, 0, false},
		{"parameter problem", "0c00 0000 14000000" + quote4 + ports8, false, code(12, 0), 6, 8, true},
		{"echo reply is no error", "0000 0000 00000000" + quote4 + ports8, false, code(0, 0), 0, 0, false},
		{"quote of a later fragment", "0303 0000 00000000" + quote4Frag + ports8, false, code(3, 3), 0, 0, false},
		{"RFC 4884: 128 bytes and extensions", "0303 0000 00200000" + quote4 + ports8 + long[:200] + "20000000 00080101", false, code(3, 3), 6, 108, true},
		{"RFC 4884: length beyond the message", "0303 0000 00ff0000" + quote4 + ports8, false, code(3, 3), 6, 8, true},
		{"header length too small", "0303 0000 00000000 44" + quote4[2:] + ports8, false, code(3, 3), 0, 0, false},
		{"header length beyond the quote", "0303 0000 00000000 4f" + quote4[2:] + ports8, false, code(3, 3), 0, 0, false},
		{"IPv6 in ICMPv4", "0303 0000 00000000" + quote6Head + "06" + quote6Tail + ports8, false, code(3, 3), 0, 0, false},
		{"cut off", "0303 0000", false, scanner.ICMPError{}, 0, 0, false},

		{"v6 prohibited", "0101 0000 00000000" + quote6Head + "06" + quote6Tail + ports8, true, code(1, 1), 6, 8, true},
		{"v6 hop limit", "0300 0000 00000000" + quote6Head + "06" + quote6Tail + ports8, true, code(3, 0), 6, 8, true},
		{"v6 packet too big", "0200 0000 00000500" + quote6Head + "06" + quote6Tail + ports8, true, code(2, 0), 0, 0, false},
		{
			"v6 hop-by-hop, destination options, first fragment",
			"0104 0000 00000000" + quote6Head + "00" + quote6Tail +
				"3c00 010400000000" + "2c01 010c 000000000000000000000000" + "1100 0001 00000007" + ports8,
			true, code(1, 4), 17, 8, true,
		},
		{"v6 later fragment", "0104 0000 00000000" + quote6Head + "2c" + quote6Tail + "1100 0009 00000007" + ports8, true, code(1, 4), 0, 0, false},
		{"v6 authentication header", "0104 0000 00000000" + quote6Head + "33" + quote6Tail + "3a01 0000 00000001 00000002" + ports8, true, code(1, 4), 58, 8, true},
		{"v6 extension beyond the quote", "0104 0000 00000000" + quote6Head + "00" + quote6Tail + "06ff 010400000000" + ports8, true, code(1, 4), 0, 0, false},
		{"v6 RFC 4884 length", "0104 0000 06000000" + quote6Head + "06" + quote6Tail + ports8 + "20000000 00080101", true, code(1, 4), 6, 8, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, q, ok := parseICMPError(unhex(t, tt.hex), tt.v6)
			if ok != tt.ok || e != tt.want {
				t.Fatalf("got %+v %t, want %+v %t", e, ok, tt.want, tt.ok)
			}
			if !ok {
				return
			}
			src, dst := netip.MustParseAddr("198.18.100.10"), netip.MustParseAddr("198.18.102.50")
			if tt.v6 {
				src, dst = netip.MustParseAddr("fd00:198:100::10"), netip.MustParseAddr("fd00:198:102::50")
			}
			if q.Src != src || q.Dst != dst || q.Proto != tt.proto || len(q.Transport) != tt.transport {
				t.Errorf("got %s to %s, protocol %d, %d bytes; want protocol %d, %d bytes",
					q.Src, q.Dst, q.Proto, len(q.Transport), tt.proto, tt.transport)
			}
		})
	}
}

func code(t, c uint8) scanner.ICMPError { return scanner.ICMPError{Type: t, Code: c} }

func TestSkipIPv4(t *testing.T) {
	b, ttl, ok := skipIPv4(unhex(t, quote4Opts+"0800 0000"))
	if !ok || ttl != 62 || len(b) != 4 {
		t.Errorf("got % x, TTL %d, %t", b, ttl, ok)
	}
	for _, bad := range []string{"", "45", quote6Head + "06" + quote6Tail, "44" + quote4[2:], "4f" + quote4[2:]} {
		if _, _, ok := skipIPv4(unhex(t, bad)); ok {
			t.Errorf("%q was taken for IPv4", bad)
		}
	}
}

func FuzzParseICMPError(f *testing.F) {
	f.Add(unhex(f, "030d 0000 00000000"+quote4+ports8), false)
	f.Add(unhex(f, "0104 0000 00000000"+quote6Head+"33"+quote6Tail+"3a01 0000 00000001 00000002"+ports8), true)
	f.Add(unhex(f, "0104 0000 06000000"+quote6Head+"00"+quote6Tail+"3c00 010400000000"+ports8), true)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		e, q, ok := parseICMPError(b, v6)
		if !ok {
			return
		}
		if len(q.Transport) < 8 || q.Dst.Is6() != v6 || outcomeOf(e, v6) == scanner.OutcomeUnknown {
			t.Errorf("accepted % x as %+v %+v", b, e, q)
		}
	})
}

func FuzzEchoBook(f *testing.F) {
	to4, to6 := netip.MustParseAddr("198.18.102.50"), netip.MustParseAddr("fd00:198:102::50")
	f.Add([]byte{0, 0, 0, 0, 0, 7, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, true)
	f.Add([]byte{8, 0, 0, 0, 0, 7, 0, 1}, false)
	f.Fuzz(func(t *testing.T, b []byte, reply bool) {
		for _, to := range []netip.Addr{to4, to6} {
			book := newEchoBook([32]byte{1}, 7)
			book.add(to)
			if reply && book.reply(to, b) != nil {
				t.Errorf("% x passed for a reply without the key", b)
			}
			if !reply && len(b) >= 8+cookieSize && book.quoted(to, b) != nil {
				t.Errorf("% x passed for a quote without the key", b)
			}
		}
	})
}
