package tds

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer2019 is an answer with the options of a current server in its order:
// version, encryption, instance, thread, MARS, federated authentication.
var answer2019 = []byte{
	0x00, 0, 31, 0, 6, 0x01, 0, 37, 0, 1, 0x02, 0, 38, 0, 1, 0x03, 0, 39, 0, 0, 0x04, 0, 39, 0, 1, 0x06, 0, 40, 0, 1, 0xff,
	15, 0, 0x07, 0xd0, 0, 5, 0x01, 0, 0, 1,
}

func TestPrelogin(t *testing.T) {
	got, err := ParsePrelogin(answer2019)
	if err != nil {
		t.Fatal(err)
	}
	want := Prelogin{Version: Version{15, 0, 2000, 5}, Encryption: EncryptOn, HasEncryption: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if s := got.Version.String() + " " + got.Encryption.String(); s != "15.0.2000.5 on" {
		t.Error(s)
	}
}

func TestPreloginBroken(t *testing.T) {
	change := func(at int, b byte) []byte {
		msg := append([]byte(nil), answer2019...)
		msg[at] = b
		return msg
	}
	for _, tt := range []struct {
		name, want string
		msg        []byte
	}{
		{"empty", "tds: option at byte 0: the message ends before the last option", nil},
		{"the end alone", "tds: option at byte 0: 0xff, want the version first", []byte{0xff}},
		{"an error token", "tds: option at byte 0: 0xaa, want the version first", []byte{0xaa, 1, 0}},
		{"cut in an option", "tds: option at byte 5: cut off", []byte{0, 0, 0, 0, 6, 1, 0}},
		{"data after the end", "tds: option at byte 0: 6 bytes at 31 do not fit in a message of 30", answer2019[:30]},
		{"offset far out", "tds: option at byte 5: 1 bytes at 65317 do not fit in a message of 41", change(6, 0xff)},
		{"a version of five", "tds: version at byte 0: 5 bytes, want 6", change(4, 5)},
		{"no encryption", "tds: encryption at byte 5: empty", change(9, 0)},
		{"no end", "tds: option at byte 160: more than 32 options", []byte(strings.Repeat("\x00\x00\x00\x00\x06", 40))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParsePrelogin(tt.msg)
			var broken *Error
			if !errors.As(err, &broken) || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPacket(t *testing.T) {
	b := Packet(TypePrelogin, []byte{1, 2, 3})
	if d := cmp.Diff([]byte{0x12, 1, 0, 11, 0, 0, 1, 0, 1, 2, 3}, b); d != "" {
		t.Error(d)
	}
	h, err := ParseHeader([HeaderLen]byte(b))
	if err != nil || h != (Header{Type: TypePrelogin, Status: EndOfMessage, Length: 11}) || !h.Last() {
		t.Errorf("%+v %v", h, err)
	}
	if Packet(TypePrelogin, make([]byte, MaxPacket)) != nil {
		t.Error("a packet that is too long was made")
	}
	for _, head := range [][HeaderLen]byte{{4, 1, 0, 7}, {4, 1, 0x10, 1}, {4, 1, 0xff, 0xff}} {
		if _, err := ParseHeader(head); err == nil {
			t.Errorf("% x was taken", head)
		}
	}
}

func FuzzPrelogin(f *testing.F) {
	f.Add(answer2019)
	f.Add(Prelogin{HasEncryption: true}.Marshal())
	f.Add([]byte("\xaa\x01\x00"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		first, err := ParsePrelogin(msg)
		if err != nil {
			return
		}
		again, err := ParsePrelogin(first.Marshal())
		if err != nil {
			t.Fatalf("what was read is written so that it cannot be read: %v", err)
		}
		if d := cmp.Diff(first, again); d != "" {
			t.Error(d)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{4, 1, 0, 41, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < HeaderLen {
			return
		}
		if h, err := ParseHeader([HeaderLen]byte(b)); err == nil && (h.Length < HeaderLen || h.Length > MaxPacket) {
			t.Errorf("length %d", h.Length)
		}
	})
}
