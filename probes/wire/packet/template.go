package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Kind is what a template asks.
type Kind uint8

// The kinds of packets.
const (
	SYN  Kind = iota // TCP connection request (RFC 9293 3.1)
	Echo             // ICMP or ICMPv6 echo request (RFC 792, RFC 4443 4.1)
	UDP              // datagram (RFC 768)
)

// IP protocol numbers.
const (
	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58
)

// Sizes of the fixed headers.
const (
	headIPv4 = 20
	headIPv6 = 40
	headTCP  = 20
	headUDP  = 8
	headICMP = 8
)

// echoData is what echo requests carry: that of Windows' ping, which no filter
// takes exception to.
const echoData = "abcdefghijklmnopqrstuvwabcdefghi"

// maxHead is the longest template: IPv6, echo and its data.
const maxHead = headIPv6 + headICMP + len(echoData)

// Template is a packet but for what differs from one to the next. It is not
// changed by use.
type Template struct {
	kind Kind
	v6   bool
	n    int
	buf  [maxHead]byte
	sum  uint32 // of the transport header and pseudo header, of what does not differ
}

// NewTemplate builds the packet of a kind.
func NewTemplate(kind Kind, v6 bool) (*Template, error) {
	t := &Template{kind: kind, v6: v6}
	b, err := serialize(kind, v6)
	if err != nil {
		return nil, fmt.Errorf("packet: build a template: %w", err)
	}
	if len(b) > len(t.buf) {
		return nil, errors.New("packet: the template is too long")
	}
	t.n = copy(t.buf[:], b)
	at := t.checksumAt()
	t.buf[at], t.buf[at+1] = 0, 0
	// Addresses and ports are zero here; the length of a datagram differs and is
	// added when it is known.
	t.sum = add(0, t.buf[t.head():t.n])
	if kind != Echo || v6 {
		t.sum += uint32(t.proto())
	}
	if kind != UDP && (kind != Echo || v6) {
		t.sum += uint32(t.n - t.head()) //nolint:gosec // a few dozen
	}
	return t, nil
}

// serialize lets gopacket build the packet, with addresses and ports of zero.
func serialize(kind Kind, v6 bool) ([]byte, error) {
	zero4, zero6 := net.IPv4zero.To4(), net.IPv6zero
	proto := map[Kind]layers.IPProtocol{SYN: layers.IPProtocolTCP, UDP: layers.IPProtocolUDP, Echo: layers.IPProtocolICMPv4}[kind]
	var ip gopacket.SerializableLayer
	var pseudo gopacket.NetworkLayer
	if v6 {
		if kind == Echo {
			proto = layers.IPProtocolICMPv6
		}
		l := &layers.IPv6{Version: 6, NextHeader: proto, SrcIP: zero6, DstIP: zero6}
		ip, pseudo = l, l
	} else {
		l := &layers.IPv4{Version: 4, Protocol: proto, SrcIP: zero4, DstIP: zero4}
		ip, pseudo = l, l
	}
	parts := []gopacket.SerializableLayer{ip}
	switch {
	case kind == SYN:
		tcp := &layers.TCP{SYN: true, Window: 64240, Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{1460 >> 8, 1460 & 0xff}},
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{8}},
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
		}}
		if err := tcp.SetNetworkLayerForChecksum(pseudo); err != nil {
			return nil, fmt.Errorf("TCP checksum: %w", err)
		}
		parts = append(parts, tcp)
	case kind == UDP:
		udp := &layers.UDP{}
		if err := udp.SetNetworkLayerForChecksum(pseudo); err != nil {
			return nil, fmt.Errorf("UDP checksum: %w", err)
		}
		parts = append(parts, udp)
	case v6:
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
		if err := icmp.SetNetworkLayerForChecksum(pseudo); err != nil {
			return nil, fmt.Errorf("ICMPv6 checksum: %w", err)
		}
		parts = append(parts, icmp, &layers.ICMPv6Echo{}, gopacket.Payload(echoData))
	default:
		parts = append(parts, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0)}, gopacket.Payload(echoData))
	}
	out := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(out, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...)
	return out.Bytes(), err
}

// head is the length of the network header.
func (t *Template) head() int {
	if t.v6 {
		return headIPv6
	}
	return headIPv4
}

func (t *Template) proto() uint8 {
	switch {
	case t.kind == SYN:
		return protoTCP
	case t.kind == UDP:
		return protoUDP
	case t.v6:
		return protoICMP6
	default:
		return protoICMP
	}
}

// checksumAt is where the transport's checksum stands.
func (t *Template) checksumAt() int {
	return t.head() + map[Kind]int{SYN: 16, Echo: 2, UDP: 6}[t.kind]
}

// Fields are what differs from packet to packet.
type Fields struct {
	Src, Dst         netip.Addr // of the template's family
	SrcPort, DstPort uint16     // not for echo
	// Cookie is the sequence number of a SYN, identifier and sequence number of
	// an echo request, and for a datagram the IPv4 identification (16 bits) or
	// IPv6 flow label (20 bits), which an ICMP error quotes.
	Cookie   uint32
	HopLimit uint8
	Payload  []byte // of a datagram
}

// Append adds the packet to buf, which it may reallocate.
func (t *Template) Append(buf []byte, f *Fields) []byte {
	at := len(buf)
	buf = append(buf, t.buf[:t.n]...)
	b := buf[at:]
	sum := t.sum
	if t.v6 {
		src, dst := f.Src.As16(), f.Dst.As16()
		copy(b[8:24], src[:])
		copy(b[24:40], dst[:])
		b[7] = f.HopLimit
		if t.kind == UDP {
			binary.BigEndian.PutUint16(b[4:], uint16(headUDP+len(f.Payload))) //nolint:gosec // the caller's datagrams are short
			binary.BigEndian.PutUint32(b, 6<<28|f.Cookie&0xfffff)
		}
	} else {
		src, dst := f.Src.As4(), f.Dst.As4()
		copy(b[12:16], src[:])
		copy(b[16:20], dst[:])
		b[8] = f.HopLimit
		binary.BigEndian.PutUint16(b[4:], uint16(f.Cookie)) //nolint:gosec // the low half
		if t.kind == UDP {
			binary.BigEndian.PutUint16(b[2:], uint16(headIPv4+headUDP+len(f.Payload))) //nolint:gosec // the caller's datagrams are short
		}
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], fold(add(0, b[:headIPv4])))
	}
	if t.kind != Echo || t.v6 {
		sum = add(sum, b[t.addrAt():t.head()])
	}
	return t.finish(buf, at, sum, f)
}

// addrAt is where the addresses stand.
func (t *Template) addrAt() int {
	if t.v6 {
		return 8
	}
	return 12
}

// finish fills the transport header in and the datagram's payload.
func (t *Template) finish(buf []byte, at int, sum uint32, f *Fields) []byte {
	h := buf[at+t.head():]
	sum += f.Cookie>>16 + f.Cookie&0xffff
	switch t.kind {
	case SYN:
		binary.BigEndian.PutUint16(h, f.SrcPort)
		binary.BigEndian.PutUint16(h[2:], f.DstPort)
		binary.BigEndian.PutUint32(h[4:], f.Cookie)
		binary.BigEndian.PutUint16(h[16:], fold(sum+uint32(f.SrcPort)+uint32(f.DstPort)))
	case Echo:
		binary.BigEndian.PutUint32(h[4:], f.Cookie)
		binary.BigEndian.PutUint16(h[2:], fold(sum))
	case UDP:
		sum -= f.Cookie>>16 + f.Cookie&0xffff    // it is not in the transport header
		size := uint32(headUDP + len(f.Payload)) //nolint:gosec // the caller's datagrams are short
		binary.BigEndian.PutUint16(h, f.SrcPort)
		binary.BigEndian.PutUint16(h[2:], f.DstPort)
		binary.BigEndian.PutUint16(h[4:], uint16(size)) //nolint:gosec // as above
		// The template holds the length of an empty datagram.
		sum += uint32(f.SrcPort) + uint32(f.DstPort) + 2*size - headUDP
		c := fold(add(sum, f.Payload))
		if c == 0 {
			c = 0xffff // zero stands for "none" (RFC 768)
		}
		binary.BigEndian.PutUint16(h[6:], c)
		buf = append(buf, f.Payload...)
	}
	return buf
}

// add adds the 16-bit words of b to a sum in ones' complement (RFC 1071). The
// carries are kept in the upper half: 64 KiB do not fill it.
func add(sum uint32, b []byte) uint32 {
	for len(b) >= 2 {
		sum += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// fold turns a sum into a checksum.
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	return ^uint16(sum) //nolint:gosec // the carries are folded in
}
