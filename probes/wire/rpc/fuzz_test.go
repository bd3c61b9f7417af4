package rpc_test

import (
	"bytes"
	"cmreach/probes/wire/rpc"
	"cmreach/probes/wire/rpc/rpctest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func seed(f *testing.F) {
	for _, pdus := range rpctest.LoadAll(f, transcripts) {
		for _, pdu := range pdus {
			f.Add(pdu.Bytes)
		}
	}
	for _, c := range messages(f) {
		f.Add(c.wire)
	}
}

// FuzzDecode: what is read can be written, and means the same when read again.
func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := rpc.Decode(b)
		if err != nil {
			return
		}
		wire, err := m.Encode()
		if err != nil {
			return // reserved2 of a short fault may make it longer than 65535 bytes
		}
		again, err := rpc.Decode(wire)
		if err != nil {
			t.Fatalf("%+v was written as %x: %v", m, wire, err)
		}
		// The lengths and the credentials are the writer's; a middle fragment
		// gets the flags of a whole one; the hint is filled in.
		ignore := cmpopts.IgnoreFields(rpc.Header{}, "FragLen", "AuthLen", "Flags")
		hint := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".AllocHint" }, cmp.Ignore())
		if d := cmp.Diff(m, again, ignore, hint); d != "" {
			t.Errorf("read again (-first +second):\n%s", d)
		}
	})
}

// FuzzHeader: a header that is read says no less than its own length.
func FuzzHeader(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := rpc.DecodeHeader(b)
		if err == nil && (h.FragLen < rpc.HeaderLen || !rpc.CouldBegin(b)) {
			t.Errorf("%+v of % x", h, b[:rpc.HeaderLen])
		}
	})
}

// FuzzAssembler cuts the input into PDUs as a reader does and joins them.
func FuzzAssembler(f *testing.F) {
	for _, pdus := range rpctest.LoadAll(f, transcripts) {
		var answers []byte
		for _, pdu := range pdus {
			if !pdu.Client {
				answers = append(answers, pdu.Bytes...)
			}
		}
		f.Add(answers)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 4096
		a := rpc.Assembler{MaxBytes: most, MaxFragments: 8}
		for {
			h, err := rpc.DecodeHeader(b)
			if err != nil || int(h.FragLen) > len(b) {
				break
			}
			m, err := rpc.Decode(b[:h.FragLen])
			b = b[h.FragLen:]
			r, ok := m.(*rpc.Response)
			if err != nil || !ok {
				continue
			}
			if _, err := a.Add(r); err != nil {
				break
			}
		}
		if len(a.Stub()) > most {
			t.Errorf("joined %d bytes, want at most %d", len(a.Stub()), most)
		}
	})
}

// FuzzDatagram: what is read can be written, and is the same but for what
// stands behind the body.
func FuzzDatagram(f *testing.F) {
	for _, c := range datagrams(f) {
		f.Add(c.wire)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := rpc.DecodeDatagram(b)
		if err != nil {
			return
		}
		wire, err := m.Encode()
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		want := bytes.Clone(b[:len(wire)])
		want[5], want[6] = 0, 0 // floating point and reserved: not kept
		if !bytes.Equal(wire, want) {
			t.Errorf("written %x\nread    %x", wire, want)
		}
	})
}
