package rpc_test

import (
	"bytes"
	"cmreach/probes/wire/rpc"
	"cmreach/probes/wire/rpc/rpctest"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const transcripts = "../../../testdata/wire/rpc"

// unhex joins labelled byte strings.
func unhex(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(parts, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	little = rpc.Header{Flags: rpc.FlagFirst | rpc.FlagLast, CallID: 1}
	big    = rpc.Header{Flags: rpc.FlagFirst | rpc.FlagLast, CallID: 1, BigEndian: true}
)

func head(h rpc.Header, t rpc.PacketType, n int) rpc.Header {
	h.Type, h.FragLen = t, uint16(n)
	return h
}

// messages are PDUs byte by byte, and what they say.
func messages(t testing.TB) map[string]struct {
	wire []byte
	want rpc.Message
} {
	ndr := "045d888a eb1c c911 9fe808002b104860 02000000"
	ndrBig := "8a885d04 1ceb 11c9 9fe808002b104860 00000002"
	return map[string]struct {
		wire []byte
		want rpc.Message
	}{
		"bind": {
			unhex(
				t,
				"05 00 0b 03", "10000000", "4800 0000", "01000000", // version, bind, first+last; drep; lengths; call
				"d016 d016", "00000000", // max_xmit, max_recv 5840; group
				"01 00 0000", "0000 01 00", // one context, number 0, one transfer syntax
				"0883afe1 1f5d c911 91a408002b14a0fa 03000000", ndr,
			),
			&rpc.Bind{Header: head(little, rpc.TypeBind, 72), MaxXmit: 5840, MaxRecv: 5840, Contexts: []rpc.Context{
				{Interface: rpc.EndpointMapper, Transfers: []rpc.Syntax{rpc.NDR}},
			}},
		},
		"bind_ack, big endian": {
			unhex(
				t,
				"05 00 0c 03", "00000000", "003c 0000", "00000001",
				"16d0 16d0", "00001234", "0004 31333500", "0000", // group; "135" and its padding
				"01 00 0000", "0000 0000", ndrBig,
			),
			&rpc.BindAck{
				Header: head(big, rpc.TypeBindAck, 60), MaxXmit: 5840, MaxRecv: 5840, Group: 0x1234,
				SecondaryAddr: "135", Results: []rpc.ContextResult{{Transfer: rpc.NDR}},
			},
		},
		"bind_nak": {
			unhex(t, "05 00 0d 03", "10000000", "1500 0000", "01000000", "0400", "01 05 00"),
			&rpc.BindNak{
				Header: head(little, rpc.TypeBindNak, 21), Reason: rpc.NakProtocolVersion,
				Versions: []rpc.ProtocolVersion{{Major: 5}},
			},
		},
		"request with an object": {
			unhex(
				t,
				"05 00 00 83", "10000000", "2a00 0000", "01000000", "02000000", "0100 0500", // alloc_hint; context, opnum
				"c4fefc99 6052 1b10 bbcb00aa0021347a", "abcd",
			),
			&rpc.Request{
				Header:    head(rpc.Header{Flags: 0x83, CallID: 1}, rpc.TypeRequest, 42),
				AllocHint: 2, ContextID: 1, Opnum: 5, Object: rpc.ObjectExporter.UUID, Stub: []byte{0xab, 0xcd},
			},
		},
		"response, big endian": {
			unhex(t, "05 00 02 03", "00000000", "001c 0000", "00000001", "00000004", "0001 00 00", "01020304"),
			&rpc.Response{Header: head(big, rpc.TypeResponse, 28), AllocHint: 4, ContextID: 1, Stub: []byte{1, 2, 3, 4}},
		},
		"fault": {
			unhex(t, "05 00 03 03", "10000000", "2000 0000", "01000000", "18000000", "0000 00 00", "05000000", "00000000"),
			&rpc.Fault{Header: head(little, rpc.TypeFault, 32), AllocHint: 24, Status: rpc.StatusAccessDenied},
		},
	}
}

func TestMessages(t *testing.T) {
	for name, c := range messages(t) {
		t.Run(name, func(t *testing.T) {
			got, err := rpc.Decode(c.wire)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("decoded (-want +got):\n%s", d)
			}
			wire, err := c.want.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(wire, c.wire) {
				t.Errorf("encoded %x\nwant    %x", wire, c.wire)
			}
			for n := range c.wire {
				if m, err := rpc.Decode(c.wire[:n]); err == nil {
					t.Errorf("%d of %d bytes decoded as %+v", n, len(c.wire), m)
				}
			}
		})
	}
}

func TestDecodeOddForms(t *testing.T) {
	cases := []struct {
		name string
		wire []byte
		want rpc.Message
	}{
		{
			"bind_nak without versions",
			unhex(t, "05 00 0d 03", "10000000", "1200 0000", "01000000", "0000"),
			&rpc.BindNak{Header: head(little, rpc.TypeBindNak, 18)},
		},
		{
			"fault without reserved2",
			unhex(t, "05 00 03 03", "10000000", "1c00 0000", "01000000", "00000000", "0000 00 00", "0300011c"),
			&rpc.Fault{Header: head(little, rpc.TypeFault, 28), Status: rpc.StatusUnknownInterface},
		},
		{
			// 2 bytes of stub, 2 of padding, sec_trailer, 4 of credentials
			"response with credentials",
			unhex(
				t, "05 00 02 03", "10000000", "2800 0400", "01000000", "02000000", "0000 00 00",
				"abcd", "0000", "0a02 02 00 00000000", "01020304",
			),
			&rpc.Response{
				Header:    func() rpc.Header { h := head(little, rpc.TypeResponse, 40); h.AuthLen = 4; return h }(),
				AllocHint: 2, Stub: []byte{0xab, 0xcd},
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := rpc.Decode(c.wire)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("decoded (-want +got):\n%s", d)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	cases := []struct {
		name string
		wire []byte
		want error
	}{
		{"nothing", nil, rpc.ErrMalformed},
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n"), rpc.ErrNotRPC},
		{"connectionless", unhex(t, "04 00 0c 03 10000000 1000 0000 01000000"), rpc.ErrNotRPC},
		{"minor version 2", unhex(t, "05 02 0c 03 10000000 1000 0000 01000000"), rpc.ErrNotRPC},
		{"EBCDIC", unhex(t, "05 00 0c 03 11000000 1000 0000 01000000"), rpc.ErrNotRPC},
		{"shorter than its header", unhex(t, "05 00 0c 03 10000000 0f00 0000 01000000"), rpc.ErrMalformed},
		{"a type that has no place here", unhex(t, "05 00 11 03 10000000 1000 0000 01000000"), rpc.ErrMalformed},
		{"credentials longer than the PDU", unhex(t, "05 00 02 03 10000000 1800 ffff 01000000 0000000000000000"), rpc.ErrMalformed},
		{"more padding than body", unhex(t, "05 00 02 03 10000000 2000 0000 01000000 0a02ff00 00000000 01020304 00000000")[:32], nil},
		{"results that are not there", unhex(t, "05 00 0c 03 10000000 2200 0000 01000000 0000 0000 00000000 0000 0000 ff000000 0000"), rpc.ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.want == nil {
				c.wire[10] = 4 // auth_length: the trailer begins at 20 and claims 255 bytes of padding
				c.want = rpc.ErrMalformed
			}
			m, err := rpc.Decode(c.wire)
			if !errors.Is(err, c.want) {
				t.Errorf("%+v, %v, want %v", m, err, c.want)
			}
		})
	}
}

func TestCouldBegin(t *testing.T) {
	wire := unhex(t, "05 00 0c 03 10000000")
	for n := range len(wire) + 1 {
		if !rpc.CouldBegin(wire[:n]) {
			t.Errorf("% x could begin a PDU", wire[:n])
		}
	}
	for _, s := range []string{"H", "SSH-2.0", "\x00", "\x05\x09", "\x05\x00\x99", "\x05\x00\x0c\x03\x77"} {
		if rpc.CouldBegin([]byte(s)) {
			t.Errorf("%q could not begin a PDU", s)
		}
	}
}

// TestTranscripts reads every PDU of real peers and writes it again, byte for
// byte.
func TestTranscripts(t *testing.T) {
	for name, pdus := range rpctest.LoadAll(t, transcripts) {
		t.Run(name, func(t *testing.T) {
			for i, pdu := range pdus {
				m, err := rpc.Decode(pdu.Bytes)
				if err != nil {
					t.Fatalf("PDU %d: %v", i+1, err)
				}
				again, err := m.Encode()
				if err != nil {
					t.Fatalf("PDU %d: %v", i+1, err)
				}
				// alloc_hint 0 is written as the length of the stub; impacket leaves it 0
				if f := m.Head(); f.Type == rpc.TypeRequest && bytes.Equal(pdu.Bytes[16:20], []byte{0, 0, 0, 0}) {
					copy(again[16:20], pdu.Bytes[16:20])
				}
				if !bytes.Equal(again, pdu.Bytes) {
					t.Errorf("PDU %d (%s)\nwritten %x\nwas     %x", i+1, m.Head().Type, again, pdu.Bytes)
				}
			}
		})
	}
}

func TestTranscriptFacts(t *testing.T) {
	answer := func(name string, n int) rpc.Message {
		m, err := rpc.Decode(rpctest.Load(t, transcripts, name)[n].Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	ack, ok := answer("dc-oxid-rejected", 1).(*rpc.BindAck)
	if !ok || len(ack.Results) != 1 || ack.Results[0].String() != "provider_rejection: abstract_syntax_not_supported" {
		t.Errorf("rejected bind: %+v", ack)
	}
	ack, ok = answer("cli-epm-lookup", 1).(*rpc.BindAck)
	if !ok || ack.SecondaryAddr != "135" || len(ack.Results) != 1 || ack.Results[0].String() != "accepted" || ack.Results[0].Transfer != rpc.NDR {
		t.Errorf("accepted bind: %+v", ack)
	}
	fault, ok := answer("dc-mgmt-fault", 3).(*rpc.Fault)
	if !ok || rpc.StatusText(fault.Status) != "bad stub data (0x000006f7)" {
		t.Errorf("fault: %+v", fault)
	}
}

func TestFragments(t *testing.T) {
	stub := make([]byte, 1000)
	for i := range stub {
		stub[i] = byte(i)
	}
	for _, c := range []struct {
		frag uint16
		want int
	}{{5840, 1}, {1024, 1}, {1023, 2}, {128, 10}, {32, 125}} {
		m := &rpc.Response{Header: rpc.Header{CallID: 7, BigEndian: true}, Stub: stub}
		pdus, err := m.Fragments(c.frag)
		if err != nil || len(pdus) != c.want {
			t.Fatalf("fragments of %d bytes: %d (%v), want %d", c.frag, len(pdus), err, c.want)
		}
		a := rpc.Assembler{MaxBytes: 1000, MaxFragments: c.want}
		for i, pdu := range pdus {
			if len(pdu) > int(c.frag) {
				t.Errorf("fragment of %d bytes, want at most %d", len(pdu), c.frag)
			}
			part, err := rpc.Decode(pdu)
			if err != nil {
				t.Fatal(err)
			}
			done, err := a.Add(part.(*rpc.Response))
			if err != nil || done != (i == len(pdus)-1) {
				t.Fatalf("fragment %d of %d: done %t, %v", i+1, len(pdus), done, err)
			}
		}
		if !bytes.Equal(a.Stub(), stub) || a.Head().CallID != 7 || !a.Head().BigEndian {
			t.Errorf("joined %d bytes, head %+v", len(a.Stub()), a.Head())
		}
	}
	empty, err := (&rpc.Response{}).Fragments(32)
	if err != nil || len(empty) != 1 || empty[0][3] != rpc.FlagFirst|rpc.FlagLast {
		t.Errorf("empty response: %x, %v", empty, err)
	}
	if _, err := (&rpc.Response{Stub: stub}).Fragments(31); !errors.Is(err, rpc.ErrTooLarge) {
		t.Errorf("fragments without room for a stub: %v", err)
	}
	if _, err := (&rpc.Response{Stub: make([]byte, 1<<16)}).Encode(); !errors.Is(err, rpc.ErrTooLarge) {
		t.Errorf("a PDU of more than 65535 bytes: %v", err)
	}
}

func TestAssemblerRefuses(t *testing.T) {
	part := func(flags uint8, call uint32, n int) *rpc.Response {
		return &rpc.Response{Header: rpc.Header{Flags: flags, CallID: call}, Stub: make([]byte, n)}
	}
	cases := []struct {
		name  string
		parts []*rpc.Response
		want  error
	}{
		{"begins in the middle", []*rpc.Response{part(0, 1, 8)}, rpc.ErrFragment},
		{"begins twice", []*rpc.Response{part(rpc.FlagFirst, 1, 8), part(rpc.FlagFirst, 1, 8)}, rpc.ErrFragment},
		{"another call", []*rpc.Response{part(rpc.FlagFirst, 1, 8), part(0, 2, 8)}, rpc.ErrFragment},
		{"after the end", []*rpc.Response{part(rpc.FlagFirst|rpc.FlagLast, 1, 8), part(0, 1, 8)}, rpc.ErrFragment},
		{"too many", []*rpc.Response{part(rpc.FlagFirst, 1, 0), part(0, 1, 0), part(0, 1, 0), part(0, 1, 0)}, rpc.ErrTooLarge},
		{"too long", []*rpc.Response{part(rpc.FlagFirst, 1, 60), part(0, 1, 60)}, rpc.ErrTooLarge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := rpc.Assembler{MaxBytes: 100, MaxFragments: 3}
			var err error
			for i, p := range c.parts {
				if _, err = a.Add(p); err != nil && i < len(c.parts)-1 {
					t.Fatalf("fragment %d: %v", i+1, err)
				}
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}
