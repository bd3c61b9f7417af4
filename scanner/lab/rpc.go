package lab

import (
	"cmreach/probes/wire/rpc"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
)

// maxFrag is the fragment size that Windows offers.
const maxFrag = 5840

// iface is an interface that a fake server has, and how it answers a call. A
// nil stub is answered with the status as a fault.
type iface struct {
	id   rpc.Syntax
	call func(c call) (stub []byte, status uint32)
}

// call is one request, connection-oriented or not.
type call struct {
	opnum uint16
	stub  []byte
	head  rpc.Header // for the byte order of the stub
	host  Host
}

// RPC is a server of the interfaces that takes binds and refuses every call
// for want of credentials, as the services of a Windows client do.
func RPC(interfaces ...rpc.Syntax) Service {
	var ifs []iface
	for _, id := range interfaces {
		ifs = append(ifs, iface{id, func(call) ([]byte, uint32) { return nil, rpc.StatusAccessDenied }})
	}
	return serveRPC(ifs)
}

// serveRPC holds connection-oriented conversations (C706 12.6).
func serveRPC(ifs []iface) Service {
	return Service{Conn: func(_ context.Context, c net.Conn, h Host) {
		s := rpcSession{ifs: ifs, host: h, contexts: map[uint16]iface{}, fragment: maxFrag}
		for {
			pdu, err := readPDU(c)
			if err != nil {
				return
			}
			answers, err := s.answer(pdu)
			if err != nil {
				return
			}
			for _, a := range answers {
				if _, err := c.Write(a); err != nil {
					return
				}
			}
		}
	}}
}

func readPDU(r io.Reader) ([]byte, error) {
	pdu := make([]byte, rpc.HeaderLen)
	if _, err := io.ReadFull(r, pdu); err != nil {
		return nil, err
	}
	h, err := rpc.DecodeHeader(pdu)
	if err != nil {
		return nil, err
	}
	pdu = append(pdu, make([]byte, int(h.FragLen)-rpc.HeaderLen)...)
	_, err = io.ReadFull(r, pdu[rpc.HeaderLen:])
	return pdu, err
}

// rpcSession is what a server remembers of a connection.
type rpcSession struct {
	ifs      []iface
	host     Host
	contexts map[uint16]iface // that were accepted
	fragment uint16           // longest that the client takes
}

func (s *rpcSession) answer(pdu []byte) ([][]byte, error) {
	m, err := rpc.Decode(pdu)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *rpc.Bind:
		return one(s.bind(m).Encode())
	case *rpc.Request:
		return s.request(m)
	default:
		fault := rpc.Fault{Header: rpc.Header{CallID: m.Head().CallID}, Status: rpc.StatusUnknownInterface}
		return one(fault.Encode())
	}
}

func one(pdu []byte, err error) ([][]byte, error) { return [][]byte{pdu}, err }

// bind accepts the contexts whose interface is here and which offer NDR.
func (s *rpcSession) bind(m *rpc.Bind) *rpc.BindAck {
	if m.MaxRecv >= 1432 { // C706 12.6.3.1: MustRecvFragSize; who says less means nothing
		s.fragment = min(m.MaxRecv, maxFrag)
	}
	ack := &rpc.BindAck{
		Header: rpc.Header{CallID: m.CallID}, MaxXmit: s.fragment, MaxRecv: maxFrag, Group: 0x1234,
	}
	for _, c := range m.Contexts {
		i := slices.IndexFunc(s.ifs, func(f iface) bool { return f.id.UUID == c.Interface.UUID && f.id.Major == c.Interface.Major })
		switch {
		case i < 0:
			ack.Results = append(ack.Results, rpc.ContextResult{Result: rpc.ProviderRejection, Reason: rpc.ReasonAbstractSyntax})
		case !slices.Contains(c.Transfers, rpc.NDR):
			ack.Results = append(ack.Results, rpc.ContextResult{Result: rpc.ProviderRejection, Reason: rpc.ReasonTransferSyntaxes})
		default:
			s.contexts[c.ID] = s.ifs[i]
			ack.Results = append(ack.Results, rpc.ContextResult{Transfer: rpc.NDR})
		}
	}
	return ack
}

func (s *rpcSession) request(m *rpc.Request) ([][]byte, error) {
	head := rpc.Header{CallID: m.CallID}
	f, ok := s.contexts[m.ContextID]
	if !ok {
		fault := rpc.Fault{Header: head, ContextID: m.ContextID, Status: rpc.StatusUnknownInterface}
		return one(fault.Encode())
	}
	stub, status := f.call(call{m.Opnum, m.Stub, m.Header, s.host})
	if stub == nil {
		fault := rpc.Fault{Header: head, ContextID: m.ContextID, Status: status}
		return one(fault.Encode())
	}
	response := rpc.Response{Header: head, ContextID: m.ContextID, Stub: stub}
	return response.Fragments(s.fragment)
}

// packetRPC answers connectionless calls (C706 12.5): a call to an interface
// that is here with its result, any other with a reject.
func packetRPC(ifs []iface) Service {
	return Service{Packet: func(request []byte, h Host) []byte {
		m, err := rpc.DecodeDatagram(request)
		if err != nil || m.Type != rpc.DatagramRequest {
			return nil
		}
		kind, body, status := rpc.DatagramReject, []byte(nil), rpc.StatusUnknownInterface
		for _, f := range ifs {
			if f.id != m.Interface {
				continue
			}
			kind = rpc.DatagramFault
			body, status = f.call(call{m.Opnum, m.Body, rpc.Header{BigEndian: m.BigEndian}, h})
		}
		a := m.Answer(rpc.DatagramResponse, body)
		if body == nil {
			a = m.Answer(kind, binary.LittleEndian.AppendUint32(nil, status))
		}
		a.BigEndian = false
		pdu, err := a.Encode()
		if err != nil {
			return nil
		}
		return pdu
	}}
}
