package oxid_test

import (
	"bytes"
	"cmreach/probes/wire/oxid"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(parts, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answer is what PC1 at 10.0.0.1 says, byte by byte ([MS-DCOM] 2.2.19).
func answer(t testing.TB) ([]byte, oxid.ServerAlive2) {
	wire := unhex(
		t,
		"0500 0700", "00000200", // COMVERSION 5.7; referent
		"18000000", "1800 1000", // maximum count, wNumEntries, wSecurityOffset
		"0700 5000 4300 3100 0000",                                  // TCP, "PC1"
		"0700 3100 3000 2e00 3000 2e00 3000 2e00 3100 0000", "0000", // TCP, "10.0.0.1"; end
		"0900 ffff 4100 0000",    // Negotiate, no authorization, "A"
		"0a00 ffff 0000", "0000", // NTLM; end
		"00000000", "00000000", // pReserved, status
	)
	return wire, oxid.ServerAlive2{Major: 5, Minor: 7, Bindings: oxid.DualStrings{
		Strings:  []oxid.StringBinding{{Tower: oxid.TowerTCP, Address: "PC1"}, {Tower: oxid.TowerTCP, Address: "10.0.0.1"}},
		Security: []oxid.SecurityBinding{{Service: 9, Reserved: 0xffff, Principal: "A"}, {Service: 10, Reserved: 0xffff}},
	}}
}

func TestServerAlive2(t *testing.T) {
	wire, want := answer(t)
	got, err := oxid.Decode(wire, binary.LittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("decoded (-want +got):\n%s", d)
	}
	again, err := want.Encode()
	if err != nil || !bytes.Equal(again, wire) {
		t.Errorf("encoded %x (%v)\nwant    %x", again, err, wire)
	}
	for n := range wire {
		if s, err := oxid.Decode(wire[:n], binary.LittleEndian); !errors.Is(err, oxid.ErrMalformed) {
			t.Errorf("%d of %d bytes: %+v, %v", n, len(wire), s, err)
		}
	}
}

func TestDecodeForms(t *testing.T) {
	cases := []struct {
		name string
		wire []byte
		want oxid.ServerAlive2
	}{
		{
			"big endian, padding", unhex(t, "0005 0001", "00000001", "00000005 0005 0004", "0007 0041 0000 0000 0000", "0000", "00000009 80070005"),
			oxid.ServerAlive2{
				Major: 5, Minor: 1, Reserved: 9, Status: 0x80070005,
				Bindings: oxid.DualStrings{Strings: []oxid.StringBinding{{Tower: 7, Address: "A"}}},
			},
		},
		{"null array", unhex(t, "0005 0001", "00000000", "00000000 00000000"), oxid.ServerAlive2{Major: 5, Minor: 1}},
		{"array without elements", unhex(t, "0005 0001", "00000001", "00000000 0000 0000", "00000000 00000000"), oxid.ServerAlive2{Major: 5, Minor: 1}},
		{
			"half a surrogate pair", unhex(t, "0005 0001", "00000001", "00000006 0006 0004", "0007 d800 0000 0000 0000 0000", "00000000 00000000"),
			oxid.ServerAlive2{Major: 5, Minor: 1, Bindings: oxid.DualStrings{Strings: []oxid.StringBinding{{Tower: 7, Address: "\ufffd"}}}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := oxid.Decode(c.wire, binary.BigEndian)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	cases := []struct {
		name string
		wire []byte
	}{
		{"65535 characters that are not there", unhex(t, "0005 0001 00000001", "0000ffff ffff 0000", "00000000 00000000")},
		{"two lengths", unhex(t, "0005 0001 00000001", "00000004 0002 0001", "0000 0000", "00000000 00000000")},
		{"security beyond the end", unhex(t, "0005 0001 00000001", "00000002 0002 0003", "0000 0000", "00000000 00000000")},
		{"string without an end", unhex(t, "0005 0001 00000001", "00000004 0004 0003", "0007 0041 0041 0000", "00000000 00000000")},
		{"security of one character", unhex(t, "0005 0001 00000001", "00000002 0002 0001", "0000 000a", "00000000 00000000")},
		{"security without an end", unhex(t, "0005 0001 00000001", "00000004 0004 0001", "0000 000a ffff 0041", "00000000 00000000")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if s, err := oxid.Decode(c.wire, binary.BigEndian); !errors.Is(err, oxid.ErrMalformed) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	long := oxid.ServerAlive2{Bindings: oxid.DualStrings{Strings: []oxid.StringBinding{{Tower: 7, Address: strings.Repeat("A", 1<<16)}}}}
	if _, err := long.Encode(); err == nil {
		t.Error("an array of more than 65535 characters was written")
	}
}

func FuzzDecode(f *testing.F) {
	wire, _ := answer(f)
	f.Add(wire, false)
	f.Add(unhex(f, "0005 0001", "00000001", "00000005 0005 0004", "0007 0041 0000 0000 0000", "0000", "00000009 80070005"), true)
	f.Fuzz(func(t *testing.T, b []byte, big bool) {
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		s, err := oxid.Decode(b, order)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil {
			return // overlapping lists may be too long when they are written one after the other
		}
		second, err := oxid.Decode(again, binary.LittleEndian)
		if err != nil {
			t.Fatalf("%+v was written as %x: %v", s, again, err)
		}
		if d := cmp.Diff(s, second); d != "" {
			t.Errorf("read again (-first +second):\n%s", d)
		}
	})
}
