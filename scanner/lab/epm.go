package lab

import (
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/oxid"
	"cmreach/probes/wire/rpc"
	"encoding/binary"
	"net/netip"
)

// Endpoint is an interface and the TCP port on which it is found.
type Endpoint struct {
	Interface rpc.Syntax
	Port      uint16
	Name      string // annotation
}

// The interfaces that a Windows client has registered, of the many.
var (
	samr     = rpc.Syntax{UUID: rpc.UUID{0x12, 0x34, 0x57, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xac}, Major: 1}
	eventlog = rpc.Syntax{UUID: rpc.UUID{0xf6, 0xbe, 0xaf, 0xf7, 0x1e, 0x19, 0x4f, 0xbb, 0x9f, 0x8f, 0xb8, 0x9e, 0x20, 0x18, 0x33, 0x7c}, Major: 1}
	svcctl   = rpc.Syntax{UUID: rpc.UUID{0x36, 0x7a, 0xbb, 0x81, 0x98, 0x44, 0x35, 0xf1, 0xad, 0x32, 0x98, 0xf0, 0x38, 0x00, 0x10, 0x03}, Major: 2}
)

// Endpoints are three services of a Windows client on the ports from first up.
// The first port of the dynamic range that Windows uses is 49664.
func Endpoints(first uint16) []Endpoint {
	return []Endpoint{
		{samr, first, ""},
		{eventlog, first + 1, "Event log TCPIP"},
		{svcctl, first + 2, ""},
	}
}

// opServerAlive is the older question, without names in its answer ([MS-DCOM] 3.1.2.5.1.4).
const opServerAlive uint16 = 3

// EndpointMapper is the service on TCP 135: it tells the endpoints, in pages
// and one by one, and the machine's names and addresses by ServerAlive2.
func EndpointMapper(endpoints []Endpoint) Service {
	return serveRPC([]iface{mapperInterface(endpoints), {rpc.ObjectExporter, serverAlive}})
}

// EndpointMapperUDP is the endpoint mapper for connectionless calls.
func EndpointMapperUDP(endpoints []Endpoint) Service {
	return packetRPC([]iface{mapperInterface(endpoints)})
}

func mapperInterface(endpoints []Endpoint) iface {
	return iface{rpc.EndpointMapper, func(c call) ([]byte, uint32) {
		switch c.opnum {
		case epm.OpLookup:
			q, err := epm.DecodeLookupRequest(c.stub, c.head.Order())
			if err != nil {
				return nil, rpc.StatusBadStub
			}
			return lookup(endpoints, q, c.host).Encode(), 0
		case epm.OpMap:
			q, err := epm.DecodeMapRequest(c.stub, c.head.Order())
			if err != nil {
				return nil, rpc.StatusBadStub
			}
			return mapTower(endpoints, q, c.host).Encode(), 0
		default:
			return nil, rpc.StatusAccessDenied
		}
	}}
}

// lookup gives the page that begins where the handle says. The last page has
// entries together with the status that there are no more, as Samba's has: the
// harder case for whoever reads it.
func lookup(endpoints []Endpoint, q epm.LookupRequest, h Host) epm.LookupResponse {
	from := min(int(binary.BigEndian.Uint16(q.Handle.UUID[:])), len(endpoints))
	page := min(max(q.Max, 1), 500)
	to := min(from+int(page), len(endpoints))
	r := epm.LookupResponse{Max: page}
	for _, e := range endpoints[from:to] {
		if q.Inquiry == epm.InquireByInterface && (q.Interface == nil || q.Interface.UUID != e.Interface.UUID) {
			continue
		}
		r.Entries = append(r.Entries, epm.Entry{Tower: e.tower(h), Annotation: e.Name})
	}
	if to == len(endpoints) {
		r.Status = epm.StatusNotRegistered
		return r
	}
	r.Handle.Attributes = 1                                  // so that a handle for position 0 is not null
	binary.BigEndian.PutUint16(r.Handle.UUID[:], uint16(to)) //nolint:gosec // a handful of endpoints
	return r
}

func mapTower(endpoints []Endpoint, q epm.MapRequest, h Host) epm.MapResponse {
	none := epm.MapResponse{Max: q.Max, Status: epm.StatusNotRegistered}
	t, err := epm.DecodeTower(q.Tower)
	if err != nil {
		return none
	}
	id, ok := t.Interface()
	if _, overTCP := t.TCP(); !ok || !overTCP {
		return none
	}
	for _, e := range endpoints {
		if e.Interface.UUID == id.UUID && e.Interface.Major == id.Major {
			return epm.MapResponse{Max: q.Max, Towers: [][]byte{e.tower(h)}}
		}
	}
	return none
}

func (e Endpoint) tower(h Host) []byte {
	return epm.TCPTower(interfaceID(e.Interface), interfaceID(rpc.NDR), netip.AddrPortFrom(h.Addr, e.Port)).Encode()
}

func interfaceID(s rpc.Syntax) epm.InterfaceID {
	return epm.InterfaceID{UUID: s.UUID, Major: s.Major, Minor: s.Minor}
}

// serverAlive answers as IObjectExporter ([MS-DCOM] 3.1.2.5.1.6): the names and
// all addresses of the machine.
func serverAlive(c call) ([]byte, uint32) {
	switch c.opnum {
	case opServerAlive:
		return make([]byte, 4), 0 // success
	case oxid.OpServerAlive2:
	default:
		return nil, rpc.StatusAccessDenied
	}
	a := oxid.ServerAlive2{Major: 5, Minor: 7}
	bind := func(s string) {
		a.Bindings.Strings = append(a.Bindings.Strings, oxid.StringBinding{Tower: oxid.TowerTCP, Address: s})
	}
	bind(c.host.Computer)
	for _, addr := range append([]netip.Addr{c.host.Addr}, c.host.Others...) {
		bind(addr.String())
	}
	for _, service := range []uint16{9, 10, 16, 30} { // negotiate, NTLM, Kerberos, and what Windows lists
		a.Bindings.Security = append(a.Bindings.Security, oxid.SecurityBinding{Service: service, Reserved: 0xffff})
	}
	stub, err := a.Encode()
	if err != nil {
		return nil, rpc.StatusAccessDenied
	}
	return stub, 0
}
