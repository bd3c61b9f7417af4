package scanner

import "testing"

// The codes that speak of routing or of the host are those of the RFCs, and no
// others: a filter must not be taken for a missing route, nor the reverse.
func TestICMPUnreachable(t *testing.T) {
	routing := map[bool][]ICMPError{
		false: {{3, 0}, {3, 1}, {3, 6}, {3, 7}, {3, 11}, {3, 12}}, // RFC 792, RFC 1812 5.2.7.1
		true:  {{1, 0}, {1, 2}, {1, 3}},                           // RFC 4443 3.1
	}
	for v6, want := range routing {
		is := map[ICMPError]bool{}
		for _, e := range want {
			is[e] = true
		}
		for i := range 1 << 16 {
			e := ICMPError{Type: uint8(i >> 8), Code: uint8(i)}
			if got := e.Unreachable(v6); got != is[e] {
				t.Errorf("IPv6 %v, %+v: %v", v6, e, got)
			}
			if e.Text(v6) == "" {
				t.Errorf("IPv6 %v, %+v has no words", v6, e)
			}
		}
	}
	if k := (ICMPError{3, 13}).Kind(false); k != ICMPProhibited {
		t.Errorf("3/13 is of kind %d", k)
	}
	if k := (ICMPError{3, 13}).Kind(true); k != ICMPOther {
		t.Errorf("3/13 of ICMPv6 is of kind %d", k)
	}
}
