package packet

import (
	"encoding/binary"
	"net/netip"
)

// TCP flags.
const (
	FlagSYN = 0x02
	FlagRST = 0x04
	FlagACK = 0x10
)

// Packet is what was received. Which fields are set follows from Kind.
type Packet struct {
	Src, Dst netip.Addr
	Hops     uint8 // TTL or hop limit on arrival
	Kind     Kind
	// Error says that this is an ICMP error; Kind is then that of the packet in
	// Quote.
	Error bool

	SrcPort, DstPort uint16 // TCP and UDP
	Seq, Ack         uint32 // TCP
	Flags            uint8  // TCP
	Window           uint16 // TCP

	Type, Code uint8  // ICMP and ICMPv6
	Cookie     uint32 // echo: identifier and sequence number
	Payload    []byte // of a datagram, or of an echo reply; part of what was read
	Quote      Quote
}

// Quote is the packet that an ICMP error is about, as far as it is quoted: RFC
// 792 promises the network header and 8 bytes.
type Quote struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	// Cookie is that of [Fields].
	Cookie uint32
}

// Read takes a packet apart that begins with its network header. It returns
// false for everything that is neither an answer to a packet of ours nor an
// error about one: p is then undefined.
func Read(b []byte, p *Packet) bool {
	if len(b) < headIPv4 {
		return false
	}
	var proto uint8
	var body []byte
	switch b[0] >> 4 {
	case 4:
		head, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
		if head < headIPv4 || total < head || total > len(b) || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return false
		}
		p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		p.Hops, proto, body = b[8], b[9], b[head:total]
	case 6:
		if len(b) < headIPv6 {
			return false
		}
		total := headIPv6 + int(binary.BigEndian.Uint16(b[4:]))
		if total > len(b) {
			return false
		}
		p.Src, p.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		p.Hops = b[7]
		var ok bool
		if proto, body, ok = Transport6(b[6], b[headIPv6:total]); !ok {
			return false
		}
	default:
		return false
	}
	p.Error = false
	switch proto {
	case protoTCP:
		return p.readTCP(body)
	case protoUDP:
		return p.readUDP(body)
	case protoICMP:
		return b[0]>>4 == 4 && p.readICMP(body, false)
	case protoICMP6:
		return b[0]>>4 == 6 && p.readICMP(body, true)
	}
	return false
}

func (p *Packet) readTCP(b []byte) bool {
	if len(b) < headTCP || int(b[12]>>4)*4 < headTCP {
		return false
	}
	p.Kind = SYN
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Seq, p.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.Flags, p.Window = b[13], binary.BigEndian.Uint16(b[14:])
	return true
}

func (p *Packet) readUDP(b []byte) bool {
	if len(b) < headUDP {
		return false
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < headUDP || size > len(b) {
		return false
	}
	p.Kind = UDP
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Payload = b[headUDP:size]
	return true
}

// ICMP and ICMPv6 types.
const (
	echoReply4    = 0
	unreachable4  = 3
	exceeded4     = 11
	parameter4    = 12
	unreachable6  = 1
	tooBig6       = 2
	exceeded6     = 3
	parameter6    = 4
	echoReply6    = 129
	extendedWords = 4 // RFC 4884 counts the quote in words of 4 bytes (ICMP) or 8 (ICMPv6)
)

func (p *Packet) readICMP(b []byte, v6 bool) bool {
	if len(b) < headICMP {
		return false
	}
	p.Type, p.Code = b[0], b[1]
	reply := uint8(echoReply4)
	if v6 {
		reply = echoReply6
	}
	if p.Type == reply {
		p.Kind, p.Cookie, p.Payload = Echo, binary.BigEndian.Uint32(b[4:]), b[headICMP:]
		return p.Code == 0
	}
	switch {
	case v6 && p.Type >= unreachable6 && p.Type <= parameter6:
	case !v6 && (p.Type == unreachable4 || p.Type == exceeded4 || p.Type == parameter4):
	default:
		return false
	}
	p.Error = true
	var ok bool
	p.Kind, p.Quote, ok = readQuote(Quoted(b, v6), v6)
	return ok
}

// Quoted returns the packet that an ICMP error quotes, without the extensions
// of RFC 4884. A length of zero means that there are none; one beyond the
// message is a lie or another use of the field, and is not believed.
func Quoted(b []byte, v6 bool) []byte {
	if len(b) < headICMP {
		return nil
	}
	body, n := b[headICMP:], 0
	switch {
	case v6 && (b[0] == unreachable6 || b[0] == exceeded6):
		n = int(b[4]) * 2 * extendedWords
	case !v6:
		n = int(b[5]) * extendedWords
	}
	if n > 0 && n <= len(body) {
		return body[:n]
	}
	return body
}

// Inner is the head of a packet that an ICMP error quotes.
type Inner struct {
	Src, Dst  netip.Addr
	Proto     uint8
	Transport []byte // from the transport header on, 8 bytes at least
}

// ParseInner reads the IP header of a quoted packet. RFC 792 promises no more
// than the header and 8 bytes. A later fragment has no transport header.
func ParseInner(b []byte, v6 bool) (Inner, bool) {
	if v6 {
		if len(b) < headIPv6 || b[0]>>4 != 6 {
			return Inner{}, false
		}
		q := Inner{Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40]))}
		var ok bool
		q.Proto, q.Transport, ok = Transport6(b[6], b[headIPv6:])
		return q, ok && len(q.Transport) >= 8
	}
	head := int(b0(b)&0x0f) * 4
	if len(b) < headIPv4 || b[0]>>4 != 4 || head < headIPv4 || len(b) < head+8 || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return Inner{}, false
	}
	return Inner{
		Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
		Proto: b[9], Transport: b[head:],
	}, true
}

// readQuote reads what a quoted packet of ours brings back.
func readQuote(b []byte, v6 bool) (Kind, Quote, bool) {
	in, ok := ParseInner(b, v6)
	if !ok {
		return 0, Quote{}, false
	}
	q := Quote{Src: in.Src, Dst: in.Dst}
	proto, body := in.Proto, in.Transport
	mark := uint32(binary.BigEndian.Uint16(b[4:]))
	if v6 {
		mark = binary.BigEndian.Uint32(b) & 0xfffff
	}
	switch {
	case proto == protoTCP:
		q.SrcPort, q.DstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		q.Cookie = binary.BigEndian.Uint32(body[4:])
		return SYN, q, true
	case proto == protoUDP:
		q.SrcPort, q.DstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		q.Cookie = mark
		return UDP, q, true
	case proto == protoICMP && !v6 && body[0] == 8, proto == protoICMP6 && v6 && body[0] == 128:
		q.Cookie = binary.BigEndian.Uint32(body[4:])
		return Echo, q, true
	}
	return 0, q, false
}

// b0 is the first byte, or 0.
func b0(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// Transport6 walks the IPv6 extension headers (RFC 8200 4) and returns the
// transport protocol and what follows. Every step consumes at least 8 bytes.
func Transport6(next uint8, b []byte) (uint8, []byte, bool) {
	const hopByHop, routing, fragment, auth, destination = 0, 43, 44, 51, 60
	for {
		size := 0
		switch next {
		case hopByHop, routing, destination:
			if len(b) < 8 {
				return 0, nil, false
			}
			size = int(b[1])*8 + 8
		case fragment:
			if len(b) < 8 || binary.BigEndian.Uint16(b[2:])&0xfff8 != 0 {
				return 0, nil, false
			}
			size = 8
		case auth:
			if len(b) < 8 {
				return 0, nil, false
			}
			size = max(int(b[1])*4+8, 8)
		default:
			return next, b, true
		}
		if len(b) < size {
			return 0, nil, false
		}
		next, b = b[0], b[size:]
	}
}
