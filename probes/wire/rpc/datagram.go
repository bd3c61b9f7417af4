package rpc

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DatagramHeaderLen is the length of the connectionless header (C706 12.5.2).
const DatagramHeaderLen = 80

// DatagramType is the kind of a connectionless PDU (C706 12.5.2.2).
type DatagramType uint8

// The connectionless PDU types (C706 12.1, table 12-2).
const (
	DatagramRequest   DatagramType = 0
	DatagramPing      DatagramType = 1
	DatagramResponse  DatagramType = 2
	DatagramFault     DatagramType = 3
	DatagramWorking   DatagramType = 4
	DatagramNoCall    DatagramType = 5
	DatagramReject    DatagramType = 6
	DatagramAck       DatagramType = 7
	DatagramCancel    DatagramType = 8
	DatagramFack      DatagramType = 9
	DatagramCancelAck DatagramType = 10
)

var datagramNames = []string{
	"request", "ping", "response", "fault", "working", "nocall", "reject", "ack", "cl_cancel", "fack", "cancel_ack",
}

// String names the type as C706 does.
func (t DatagramType) String() string {
	if int(t) < len(datagramNames) {
		return datagramNames[t]
	}
	return fmt.Sprintf("packet type %d", uint8(t))
}

// The first set of flags of a datagram (C706 12.5.2.3).
const (
	DatagramLastFragment uint8 = 0x02
	DatagramFragment     uint8 = 0x04
	DatagramNoFack       uint8 = 0x08
	DatagramMaybe        uint8 = 0x10
	DatagramIdempotent   uint8 = 0x20
	DatagramBroadcast    uint8 = 0x40
)

const (
	versionCL  = 4
	noHint     = 0xffff // ihint and ahint: not known
	statusSize = 4
)

// Datagram is one connectionless PDU (C706 12.5).
type Datagram struct {
	Type           DatagramType
	Flags1, Flags2 uint8
	BigEndian      bool // byte order of the sender
	Serial         uint16
	Object         UUID
	Interface      Syntax
	Activity       UUID // of the client; answers carry it back
	ServerBoot     uint32
	Sequence       uint32
	Opnum          uint16
	InterfaceHint  uint16
	ActivityHint   uint16
	Fragment       uint16
	AuthProtocol   uint8
	Body           []byte
}

// NewDatagram gives a request for an operation that may be repeated without
// harm, whole in one datagram. A server executes such a call without asking
// back who the caller is (C706 10.2.6).
func NewDatagram(iface Syntax, opnum uint16, activity UUID, stub []byte) *Datagram {
	return &Datagram{
		Type: DatagramRequest, Flags1: DatagramIdempotent, Interface: iface, Opnum: opnum,
		Activity: activity, InterfaceHint: noHint, ActivityHint: noHint, Body: stub,
	}
}

// Answer gives a PDU of the type that belongs to the same call: what a server
// sends back.
func (m *Datagram) Answer(t DatagramType, body []byte) *Datagram {
	a := *m
	a.Type, a.Flags1, a.Flags2, a.Body = t, 0, 0, body
	return &a
}

// Order is the byte order of the body.
func (m *Datagram) Order() binary.ByteOrder { return orderOf(m.BigEndian) }

// Status gives the code of a fault or a reject (C706 12.5.3.4, 12.5.3.8).
func (m *Datagram) Status() (uint32, bool) {
	if m.Type != DatagramFault && m.Type != DatagramReject || len(m.Body) < statusSize {
		return 0, false
	}
	return m.Order().Uint32(m.Body), true
}

// Encode writes the PDU in the byte order that it names.
func (m *Datagram) Encode() ([]byte, error) {
	if len(m.Body) > math.MaxUint16 {
		return nil, fmt.Errorf("rpc: encode datagram: %w: body of %d bytes", ErrTooLarge, len(m.Body))
	}
	w := &writer{order: orderOf(m.BigEndian), b: make([]byte, 0, DatagramHeaderLen+len(m.Body))}
	w.raw([]byte{versionCL, byte(m.Type), m.Flags1, m.Flags2, drep(m.BigEndian), 0, 0, byte(m.Serial >> 8)})
	w.uuid(m.Object)
	w.uuid(m.Interface.UUID)
	w.uuid(m.Activity)
	w.u32(m.ServerBoot)
	w.u32(uint32(m.Interface.Major) | uint32(m.Interface.Minor)<<16)
	w.u32(m.Sequence)
	w.u16(m.Opnum)
	w.u16(m.InterfaceHint)
	w.u16(m.ActivityHint)
	w.u16(uint16(len(m.Body))) //nolint:gosec // checked above
	w.u16(m.Fragment)
	w.u8(m.AuthProtocol)
	w.u8(uint8(m.Serial & 0xff))
	w.raw(m.Body)
	return w.b, nil
}

// DecodeDatagram reads one connectionless PDU. The body is a part of b, not a
// copy; bytes behind it (credentials) are left out.
func DecodeDatagram(b []byte) (*Datagram, error) {
	if len(b) == 0 || b[0] != versionCL {
		return nil, fmt.Errorf("rpc: decode datagram: %w: it begins with % x", ErrNotRPC, b[:min(len(b), 8)])
	}
	if len(b) < DatagramHeaderLen {
		return nil, fmt.Errorf("rpc: decode datagram: %w: %d bytes, a header has %d", ErrMalformed, len(b), DatagramHeaderLen)
	}
	big, err := parseDrep(b[4])
	if err != nil {
		return nil, fmt.Errorf("rpc: decode datagram: %w", err)
	}
	r := &reader{b: b, off: 8, order: orderOf(big)}
	m := &Datagram{Type: DatagramType(b[1]), Flags1: b[2], Flags2: b[3], BigEndian: big}
	if m.Type > DatagramCancelAck {
		return nil, fmt.Errorf("rpc: decode datagram: %w: %s", ErrMalformed, m.Type)
	}
	m.Object = r.uuid("object")
	m.Interface.UUID = r.uuid("if_id")
	m.Activity = r.uuid("act_id")
	m.ServerBoot = r.u32("server_boot")
	v := r.u32("if_vers")
	m.Interface.Major, m.Interface.Minor = uint16(v&0xffff), uint16(v>>16)
	m.Sequence = r.u32("seqnum")
	m.Opnum = r.u16("opnum")
	m.InterfaceHint = r.u16("ihint")
	m.ActivityHint = r.u16("ahint")
	n := r.u16("len")
	m.Fragment = r.u16("fragnum")
	m.AuthProtocol = r.u8("auth_proto")
	m.Serial = uint16(b[7])<<8 | uint16(r.u8("serial_lo"))
	m.Body = r.take(int(n), "body")
	if r.err != nil {
		return nil, fmt.Errorf("rpc: decode datagram %s: %w", m.Type, r.err)
	}
	if (m.Type == DatagramFault || m.Type == DatagramReject) && len(m.Body) < statusSize {
		return nil, fmt.Errorf("rpc: decode datagram %s: %w: no status", m.Type, ErrMalformed)
	}
	return m, nil
}
