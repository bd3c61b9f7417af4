package epm

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Protocol identifiers of tower floors (C706 appendix I, [MS-RPCE] 2.2.1.2.4).
const (
	FloorTCP       byte = 0x07
	FloorUDP       byte = 0x08
	FloorIP        byte = 0x09
	FloorNcadg     byte = 0x0a // RPC, connectionless
	FloorNcacn     byte = 0x0b // RPC, connection-oriented
	FloorNcalrpc   byte = 0x0c // RPC, on the machine itself
	FloorUUID      byte = 0x0d
	FloorNamedPipe byte = 0x0f
	FloorLocalPipe byte = 0x10
	FloorNetBIOS   byte = 0x11
	FloorHTTP      byte = 0x1f
)

// Floor is one layer of a tower. All its numbers are little endian, except
// that ports and addresses are in network order.
type Floor struct {
	Protocol byte
	Left     []byte // the rest of the left-hand side: an interface and its major version
	Right    []byte // the right-hand side: minor version, port, address, pipe name
}

// Tower is a stack of protocols by which an interface is reached.
type Tower []Floor

// maxFloors bounds what is read; six floors are the most that is in use.
const maxFloors = 32

// Encode writes the octets.
func (t Tower) Encode() []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(t))) //nolint:gosec // a handful
	for _, f := range t {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(f.Left)+1)) //nolint:gosec // a handful
		b = append(b, f.Protocol)
		b = append(b, f.Left...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(f.Right))) //nolint:gosec // a handful
		b = append(b, f.Right...)
	}
	return b
}

// DecodeTower reads the octets. Floors are parts of them, not copies.
func DecodeTower(octets []byte) (Tower, error) {
	r := &reader{b: octets, order: binary.LittleEndian}
	n := int(r.u16("floor count"))
	if n > maxFloors {
		return nil, fmt.Errorf("epm: tower: %w: %d floors", ErrMalformed, n)
	}
	t := make(Tower, 0, n)
	for range n {
		left := r.take(uint32(r.u16("left length")), "left-hand side")
		right := r.take(uint32(r.u16("right length")), "right-hand side")
		if r.err == nil && len(left) == 0 {
			r.fail("floor without a protocol")
		}
		if r.err != nil {
			return nil, fmt.Errorf("epm: tower: %w", r.err)
		}
		t = append(t, Floor{Protocol: left[0], Left: left[1:], Right: right})
	}
	if r.err != nil {
		return nil, fmt.Errorf("epm: tower: %w", r.err)
	}
	return t, nil
}

// The number of the floor that holds each part.
const (
	floorInterface = iota
	floorTransfer
	floorRPC
	floorPort
	floorAddr
	floorsIP // of a tower over TCP or UDP
)

// uuidLeft is the length of an interface and its major version.
const uuidLeft = 16 + 2

// TCPTower gives the tower of an interface that is reached over ncacn_ip_tcp.
// A question has port 0 and the zero address.
func TCPTower(iface, transfer InterfaceID, addr netip.AddrPort) Tower {
	return ipTower(iface, transfer, FloorNcacn, FloorTCP, addr)
}

// UDPTower gives the tower of an interface that is reached over ncadg_ip_udp.
func UDPTower(iface, transfer InterfaceID, addr netip.AddrPort) Tower {
	return ipTower(iface, transfer, FloorNcadg, FloorUDP, addr)
}

func ipTower(iface, transfer InterfaceID, rpc, transport byte, addr netip.AddrPort) Tower {
	var ip [4]byte // towers have no room for IPv6 ([MS-RPCE] 2.2.1.2.4); 0.0.0.0 is "the one you asked"
	if a := addr.Addr().Unmap(); a.Is4() {
		ip = a.As4()
	}
	return Tower{
		floorInterface: uuidFloor(iface),
		floorTransfer:  uuidFloor(transfer),
		floorRPC:       {Protocol: rpc, Right: []byte{0, 0}},
		floorPort:      {Protocol: transport, Right: binary.BigEndian.AppendUint16(nil, addr.Port())},
		floorAddr:      {Protocol: FloorIP, Right: ip[:]},
	}
}

func uuidFloor(id InterfaceID) Floor {
	return Floor{
		Protocol: FloorUUID,
		Left:     binary.LittleEndian.AppendUint16(appendUUID(nil, id.UUID), id.Major),
		Right:    binary.LittleEndian.AppendUint16(nil, id.Minor),
	}
}

// Interface gives the interface of the tower.
func (t Tower) Interface() (InterfaceID, bool) {
	if len(t) == 0 {
		return InterfaceID{}, false
	}
	f := t[floorInterface]
	if f.Protocol != FloorUUID || len(f.Left) != uuidLeft || len(f.Right) != 2 {
		return InterfaceID{}, false
	}
	r := &reader{b: f.Left, order: binary.LittleEndian}
	id := InterfaceID{UUID: r.uuid("interface"), Major: r.u16("version")}
	id.Minor = binary.LittleEndian.Uint16(f.Right)
	return id, true
}

// TCP gives the address and port of a tower over ncacn_ip_tcp.
func (t Tower) TCP() (netip.AddrPort, bool) { return t.ip(FloorNcacn, FloorTCP) }

// UDP gives the address and port of a tower over ncadg_ip_udp.
func (t Tower) UDP() (netip.AddrPort, bool) { return t.ip(FloorNcadg, FloorUDP) }

func (t Tower) ip(rpc, transport byte) (netip.AddrPort, bool) {
	if len(t) < floorsIP || t[floorRPC].Protocol != rpc || t[floorPort].Protocol != transport ||
		len(t[floorPort].Right) != 2 || t[floorAddr].Protocol != FloorIP || len(t[floorAddr].Right) != 4 {
		return netip.AddrPort{}, false
	}
	addr := netip.AddrFrom4([4]byte(t[floorAddr].Right))
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(t[floorPort].Right)), true
}
