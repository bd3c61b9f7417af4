package probes

import (
	"bytes"
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/oxid"
	"cmreach/probes/wire/rpc"
	"cmreach/probes/wire/rpc/rpctest"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
)

const rpcTranscripts = "../testdata/wire/rpc"

// rpcPeer is an RPC server in a few lines. Every connection is one association
// and takes one bind, as with the Samba domain controller.
type rpcPeer struct {
	big bool // byte order
	// bind answers a bind; nil: an acceptance of the mapper, of mgmt, and of
	// IObjectExporter when alive is there.
	bind func(b *rpc.Bind) rpc.Message
	// invoke answers a call of the endpoint mapper: with the stub of a response,
	// with a fault, or with neither, which ends the connection.
	invoke func(q *rpc.Request) ([]byte, *rpc.Fault)
	// alive is the answer to ServerAlive2.
	alive *oxid.ServerAlive2
	frag  uint16 // longest fragment; 0: as agreed
}

func (p rpcPeer) serve(conn net.Conn) {
	var contexts []rpc.Context
	for calls := 0; ; calls++ {
		m := readRPC(conn)
		switch m := m.(type) {
		case *rpc.Bind:
			if calls > 0 {
				return
			}
			contexts = m.Contexts
			if !p.say(conn, p.bindAnswer(m)) {
				return
			}
		case *rpc.Request:
			if int(m.ContextID) >= len(contexts) || !p.answer(conn, contexts[m.ContextID].Interface, m) {
				return
			}
		default:
			return
		}
	}
}

// readRPC reads a message; nil: the connection or the client is broken.
func readRPC(conn net.Conn) rpc.Message {
	pdu := make([]byte, rpc.HeaderLen)
	if _, err := io.ReadFull(conn, pdu); err != nil {
		return nil
	}
	h, err := rpc.DecodeHeader(pdu)
	if err != nil {
		return nil
	}
	rest := make([]byte, int(h.FragLen)-len(pdu))
	if _, err := io.ReadFull(conn, rest); err != nil {
		return nil
	}
	m, err := rpc.Decode(append(pdu, rest...))
	if err != nil {
		return nil
	}
	return m
}

func (p rpcPeer) say(conn net.Conn, m rpc.Message) bool {
	b, err := m.Encode()
	if err != nil {
		return false
	}
	_, err = conn.Write(b)
	return err == nil
}

func (p rpcPeer) bindAnswer(b *rpc.Bind) rpc.Message {
	if p.bind != nil {
		return p.bind(b)
	}
	result := rpc.ContextResult{Transfer: rpc.NDR}
	switch iface := b.Contexts[0].Interface; {
	case iface == rpc.EndpointMapper, iface == rpc.Management:
	case iface == rpc.ObjectExporter && p.alive != nil:
	default:
		result = rpc.ContextResult{Result: rpc.ProviderRejection, Reason: rpc.ReasonAbstractSyntax}
	}
	return p.ack(b, result)
}

func (p rpcPeer) ack(b *rpc.Bind, result rpc.ContextResult) rpc.Message {
	return &rpc.BindAck{
		Header: rpc.Header{CallID: b.CallID, BigEndian: p.big}, MaxXmit: b.MaxRecv, MaxRecv: b.MaxXmit,
		Group: 1, SecondaryAddr: "135", Results: []rpc.ContextResult{result},
	}
}

func (p rpcPeer) answer(conn net.Conn, bound rpc.Syntax, q *rpc.Request) bool {
	var stub []byte
	var fault *rpc.Fault
	if bound == rpc.ObjectExporter {
		stub, _ = p.alive.Encode()
	} else {
		stub, fault = p.invoke(q)
	}
	head := rpc.Header{CallID: q.CallID, BigEndian: p.big}
	switch {
	case fault != nil:
		fault.Header = head
		return p.say(conn, fault)
	case stub == nil:
		return false
	}
	frag := p.frag
	if frag == 0 {
		frag = rpcOffer
	}
	pdus, err := (&rpc.Response{Header: head, Stub: stub}).Fragments(frag)
	if err != nil {
		return false
	}
	for _, pdu := range pdus {
		if _, err := conn.Write(pdu); err != nil {
			return false
		}
	}
	return true
}

// rpcTowers gives the octets of towers on these ports.
func rpcTowers(ports ...uint16) [][]byte {
	var all [][]byte
	for _, p := range ports {
		at := netip.AddrPortFrom(netip.IPv4Unspecified(), p)
		all = append(all, epm.TCPTower(rpcWellKnown()[0].iface, rpcTransfer(), at).Encode())
	}
	return all
}

// rpcPage gives a last page with an entry for each tower.
func rpcPage(towers [][]byte) []byte {
	page := epm.LookupResponse{Max: rpcPageEntries, Status: epm.StatusNotRegistered}
	for _, tower := range towers {
		page.Entries = append(page.Entries, epm.Entry{Tower: tower, Annotation: "service"})
	}
	return page.Encode()
}

// rpcLookup answers every look-up with one page on these ports, and knows
// nothing else.
func rpcLookup(ports ...uint16) func(*rpc.Request) ([]byte, *rpc.Fault) {
	return func(q *rpc.Request) ([]byte, *rpc.Fault) {
		if q.Opnum == epm.OpLookup {
			return rpcPage(rpcTowers(ports...)), nil
		}
		return epm.MapResponse{Status: epm.StatusNotRegistered}.Encode(), nil
	}
}

// rpcMap denies look-ups and answers ept_map with the port.
func rpcMap(port uint16) func(*rpc.Request) ([]byte, *rpc.Fault) {
	return func(q *rpc.Request) ([]byte, *rpc.Fault) {
		if q.Opnum == epm.OpMap {
			return epm.MapResponse{Towers: rpcTowers(port)}.Encode(), nil
		}
		return rpcFault(rpc.StatusAccessDenied)(q)
	}
}

func rpcFault(status uint32) func(*rpc.Request) ([]byte, *rpc.Fault) {
	return func(*rpc.Request) ([]byte, *rpc.Fault) { return nil, &rpc.Fault{Status: status} }
}

// rpcReplay gives a peer that speaks a transcript: the first bind of each
// connection decides which. Only the call identifiers follow our client.
func rpcReplay(t testing.TB, byInterface map[rpc.Syntax]string) func(net.Conn) {
	t.Helper()
	scripts := make(map[rpc.Syntax][]rpctest.PDU)
	for iface, name := range byInterface {
		scripts[iface] = rpctest.Load(t, rpcTranscripts, name)
	}
	return func(conn net.Conn) {
		b, ok := readRPC(conn).(*rpc.Bind)
		if !ok {
			return
		}
		call := b.CallID
		for i, pdu := range scripts[b.Contexts[0].Interface] {
			if pdu.Client {
				if i == 0 {
					continue
				}
				m := readRPC(conn)
				if m == nil {
					return
				}
				call = m.Head().CallID // impacket gives all calls the same
				continue
			}
			answer := bytes.Clone(pdu.Bytes)
			binary.LittleEndian.PutUint32(answer[12:], call)
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

// rpcAlive is a Windows host with a name, a qualified name and two addresses.
func rpcAlive() *oxid.ServerAlive2 {
	s := &oxid.ServerAlive2{Major: 5, Minor: 7}
	for _, a := range []string{"PC0001", "pc0001.lab.example", "198.18.0.30", "fd00:198::30", "PC0001", "198.18.0.30[135]"} {
		s.Bindings.Strings = append(s.Bindings.Strings, oxid.StringBinding{Tower: oxid.TowerTCP, Address: a})
	}
	s.Bindings.Strings = append(s.Bindings.Strings, oxid.StringBinding{Tower: 0x0f, Address: `\\PIPE`})
	s.Bindings.Security = []oxid.SecurityBinding{{Service: 10, Reserved: 0xffff}}
	return s
}
