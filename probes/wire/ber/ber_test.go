package ber

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wire  []byte
		tag   byte
		value string
		rest  string
		err   string
	}{
		{name: "short", wire: []byte("\x04\x03abcd"), tag: OctetString, value: "abc", rest: "d"},
		{name: "empty value", wire: []byte("\x30\x00"), tag: Sequence},
		{name: "longer than needed", wire: []byte("\x30\x84\x00\x00\x00\x01ab"), tag: Sequence, value: "a", rest: "b"},
		{name: "nothing", wire: nil, err: "ends after 0 bytes"},
		{name: "tag alone", wire: []byte{4}, err: "ends after 1 bytes"},
		{name: "long tag", wire: []byte{0x1f, 0x81, 0x01, 0}, err: "a tag of more than one byte"},
		{name: "indefinite", wire: []byte{0x30, 0x80, 0, 0}, err: "a length of 0 bytes"},
		{name: "length of five bytes", wire: []byte{4, 0x85, 0, 0, 0, 0, 1, 'a'}, err: "a length of 5 bytes"},
		{name: "ends in its length", wire: []byte{4, 0x82, 1}, err: "ends in its length"},
		{name: "too long", wire: []byte{4, 0x84, 0xff, 0xff, 0xff, 0xff, 'a'}, err: "4294967295 bytes do not fit in 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, rest, err := Next(tt.wire)
			if tt.err != "" {
				if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || e.Tag != tt.tag || string(e.Value) != tt.value || string(rest) != tt.rest {
				t.Errorf("tag %#x, value %q, rest %q, error %v", e.Tag, e.Value, rest, err)
			}
		})
	}
	if _, _, err := Want([]byte{4, 0}, Integer); err == nil || !strings.Contains(err.Error(), "tag 0x04, want 0x02") {
		t.Errorf("Want: %v", err)
	}
}

func TestIntegers(t *testing.T) {
	for _, tt := range []struct {
		n    uint32
		wire string
	}{
		{0, "\x02\x01\x00"},
		{127, "\x02\x01\x7f"},
		{128, "\x02\x02\x00\x80"},
		{256, "\x02\x02\x01\x00"},
		{1<<31 - 1, "\x02\x04\x7f\xff\xff\xff"},
		{1<<32 - 1, "\x02\x05\x00\xff\xff\xff\xff"},
	} {
		b := EncodeInt(Integer, tt.n)
		if string(b) != tt.wire {
			t.Errorf("%d: % x, want % x", tt.n, b, tt.wire)
		}
		if n, rest, err := WantInt(b, Integer); n != int64(tt.n) || len(rest) != 0 || err != nil {
			t.Errorf("%d: read back as %d, rest % x, %v", tt.n, n, rest, err)
		}
	}
	if n, err := Int([]byte{0xff, 0x7f}); n != -129 || err != nil {
		t.Errorf("negative: %d, %v", n, err)
	}
	for _, broken := range []string{"", "123456789"} {
		if _, err := Int([]byte(broken)); !errors.Is(err, ErrMalformed) {
			t.Errorf("integer of %d bytes: %v", len(broken), err)
		}
	}
}

func TestEncodeLengths(t *testing.T) {
	for _, n := range []int{0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000} {
		value := bytes.Repeat([]byte{'a'}, n)
		e, rest, err := Next(Encode(OctetString, value[:n/2], value[n/2:]))
		if err != nil || len(rest) != 0 || !bytes.Equal(e.Value, value) {
			t.Errorf("%d bytes: %d back, rest %d, %v", n, len(e.Value), len(rest), err)
		}
	}
}

// FuzzNext: no bytes make the reader panic, and what it reads is what was there.
func FuzzNext(f *testing.F) {
	f.Add([]byte("\x30\x84\x00\x00\x00\x01ab"))
	f.Add(Encode(Sequence, EncodeInt(Integer, 1<<31), EncodeText(OctetString, "x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, rest, err := Next(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v", err)
			}
			return
		}
		if !bytes.HasSuffix(b, append(bytes.Clone(e.Value), rest...)) {
			t.Errorf("% x gives value % x and rest % x", b, e.Value, rest)
		}
		again, none, err := Next(Encode(e.Tag, e.Value))
		if err != nil || len(none) != 0 || again.Tag != e.Tag || !bytes.Equal(again.Value, e.Value) {
			t.Errorf("% x does not survive: %v", b, err)
		}
		_, _ = Int(e.Value)
	})
}
