package lab

import (
	"bufio"
	"bytes"
	"cmreach/probes/wire/ike"
	"encoding/binary"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// mutated is a request with some bytes changed and the end cut off. (No fuzz
// target: the tests of this package run in a second process, see TestMain.)
func mutated(t *rapid.T, seeds ...[]byte) []byte {
	b := bytes.Clone(rapid.SampledFrom(seeds).Draw(t, "seed"))
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
	}
	return b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
}

// TestStrangeRequests holds that no request makes a fake fail, and that one
// without a right end is not answered as if it had one.
func TestStrangeRequests(t *testing.T) {
	h := Host{Addr: netip.MustParseAddr("198.18.0.1"), DNSName: "dc1.lab.test", DNSDomain: "lab.test"}
	bind := []byte("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00")
	search := []byte("\x30\x1f\x02\x01\x02\x63\x1a\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x03abc\x30\x00")
	init := ike.Init(ike.SPI{1}, [256]byte{1}, [32]byte{2}).Marshal()
	rapid.Check(t, func(t *rapid.T) {
		request := mutated(t, bind, search)
		_, op, err := readLDAP(bufio.NewReader(bytes.NewReader(request)))
		if err == nil {
			d := directory{host: h}
			_ = d.bind(op.Value)
			if len(d.search(op.Value)) == 0 {
				t.Error("a search without an answer")
			}
		}
		if err == nil && request[1] < 0x80 && len(request) < int(request[1])+2 {
			t.Errorf("%x is cut and was read", request)
		}
		DHCP().Packet(mutated(t, make([]byte, 300)), h)
		m := mutated(t, init)
		whole := len(m) >= ike.HeaderLen && int(binary.BigEndian.Uint32(m[24:])) == len(m) // RFC 7296 3.1
		if IKE(nil).Packet(m, h) != nil && !whole {
			t.Errorf("%x is cut and was answered", m)
		}
	})
}
