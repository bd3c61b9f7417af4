package rpc_test

import (
	"bytes"
	"cmreach/probes/wire/rpc"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var activity = rpc.UUID{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x47, 0x08, 0x89, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10}

// datagrams are PDUs byte by byte, and what they say.
func datagrams(t testing.TB) map[string]struct {
	wire []byte
	want *rpc.Datagram
} {
	const (
		null   = "00000000 0000 0000 0000000000000000"
		mapper = "0883afe1 1f5d c911 91a408002b14a0fa"
		act    = "04030201 0605 0847 890a0b0c0d0e0f10"
		actBig = "01020304 0506 4708 890a0b0c0d0e0f10"
		mapBig = "e1af8308 5d1f 11c9 91a408002b14a0fa"
	)
	return map[string]struct {
		wire []byte
		want *rpc.Datagram
	}{
		"request": {
			unhex(
				t,
				"04 00 20 00", "100000 00", null, mapper, act, // version, request, idempotent; drep, serial_hi
				"00000000", "03000000", "00000000", // server_boot, if_vers, seqnum
				"0300", "ffff", "ffff", "0200", "0000", "00", "00", "abcd", // opnum, hints, len, fragnum, auth, serial_lo
			),
			rpc.NewDatagram(rpc.EndpointMapper, 3, activity, []byte{0xab, 0xcd}),
		},
		"fault, big endian": {
			unhex(
				t,
				"04 03 00 00", "000000 01", null, mapBig, actBig,
				"00000001", "00000003", "00000002",
				"0003", "ffff", "ffff", "0004", "0000", "00", "02", "1c010003",
			),
			&rpc.Datagram{
				Type: rpc.DatagramFault, BigEndian: true, Serial: 0x0102, Interface: rpc.EndpointMapper, Activity: activity,
				ServerBoot: 1, Sequence: 2, Opnum: 3, InterfaceHint: 0xffff, ActivityHint: 0xffff, Body: []byte{0x1c, 1, 0, 3},
			},
		},
	}
}

func TestDatagrams(t *testing.T) {
	for name, c := range datagrams(t) {
		t.Run(name, func(t *testing.T) {
			got, err := rpc.DecodeDatagram(c.wire)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("decoded (-want +got):\n%s", d)
			}
			wire, err := c.want.Encode()
			if err != nil || !bytes.Equal(wire, c.wire) {
				t.Errorf("encoded %x (%v)\nwant    %x", wire, err, c.wire)
			}
			for n := range c.wire {
				if m, err := rpc.DecodeDatagram(c.wire[:n]); err == nil {
					t.Errorf("%d of %d bytes decoded as %+v", n, len(c.wire), m)
				}
			}
		})
	}
}

// TestDatagramAnswers goes through every type that a server may send.
func TestDatagramAnswers(t *testing.T) {
	request := rpc.NewDatagram(rpc.EndpointMapper, 3, activity, nil)
	status := []byte{0x03, 0x00, 0x01, 0x1c}
	for _, c := range []struct {
		kind   rpc.DatagramType
		name   string
		body   []byte
		status uint32
	}{
		{rpc.DatagramResponse, "response", []byte{1}, 0},
		{rpc.DatagramFault, "fault", status, rpc.StatusUnknownInterface},
		{rpc.DatagramReject, "reject", status, rpc.StatusUnknownInterface},
		{rpc.DatagramWorking, "working", nil, 0},
		{rpc.DatagramNoCall, "nocall", nil, 0},
		{rpc.DatagramPing, "ping", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			wire, err := request.Answer(c.kind, c.body).Encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := rpc.DecodeDatagram(append(wire, "credentials"...))
			if err != nil {
				t.Fatal(err)
			}
			s, has := got.Status()
			if got.Type != c.kind || got.Type.String() != c.name || got.Activity != activity ||
				s != c.status || has != (c.status != 0) || !bytes.Equal(got.Body, c.body) {
				t.Errorf("%+v, status %#x", got, s)
			}
		})
	}
}

func TestDatagramRefuses(t *testing.T) {
	right, err := rpc.NewDatagram(rpc.EndpointMapper, 3, activity, nil).Encode()
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(at int, v byte) []byte {
		b := bytes.Clone(right)
		b[at] = v
		return b
	}
	for _, c := range []struct {
		name string
		wire []byte
		want error
	}{
		{"nothing", nil, rpc.ErrNotRPC},
		{"connection-oriented", spoil(0, 5), rpc.ErrNotRPC},
		{"unknown type", spoil(1, 11), rpc.ErrMalformed},
		{"EBCDIC", spoil(4, 0x11), rpc.ErrMalformed},
		{"body that is not there", spoil(74, 1), rpc.ErrMalformed},
		{"reject without a status", spoil(1, byte(rpc.DatagramReject)), rpc.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m, err := rpc.DecodeDatagram(c.wire); !errors.Is(err, c.want) {
				t.Errorf("%+v, %v, want %v", m, err, c.want)
			}
		})
	}
	if _, err := rpc.NewDatagram(rpc.EndpointMapper, 3, activity, make([]byte, 1<<16)).Encode(); !errors.Is(err, rpc.ErrTooLarge) {
		t.Errorf("a body of 65536 bytes: %v", err)
	}
}
