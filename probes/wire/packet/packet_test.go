package packet

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func randomAddr(r *rand.Rand, v6 bool) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if v6 {
		b[0] = 0xfd // never an IPv4 address in IPv6 form
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

var kindWords = map[Kind]string{SYN: "syn", Echo: "echo", UDP: "udp"}

func eachTemplate(t *testing.T, f func(t *testing.T, tm *Template)) {
	t.Helper()
	for kind, word := range kindWords {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s v6=%v", word, v6), func(t *testing.T) {
				tm, err := NewTemplate(kind, v6)
				if err != nil {
					t.Fatal(err)
				}
				f(t, tm)
			})
		}
	}
}

// recompute takes a packet apart and builds it again, lengths and checksums anew.
func recompute(t *testing.T, b []byte, v6 bool) []byte {
	t.Helper()
	first := layers.LayerTypeIPv4
	if v6 {
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(b, first, gopacket.Default)
	if p.ErrorLayer() != nil {
		t.Fatalf("gopacket: %v", p.ErrorLayer().Error())
	}
	var parts []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			_ = l.SetNetworkLayerForChecksum(p.NetworkLayer())
		case *layers.UDP:
			_ = l.SetNetworkLayerForChecksum(p.NetworkLayer())
		case *layers.ICMPv6:
			_ = l.SetNetworkLayerForChecksum(p.NetworkLayer())
		}
		s, ok := l.(gopacket.SerializableLayer)
		if !ok {
			t.Fatalf("gopacket cannot write a %s", l.LayerType())
		}
		parts = append(parts, s)
		// What a datagram carries may look like DNS and is not taken apart; behind an
		// echo header gopacket reads nothing.
		if l.LayerType() == layers.LayerTypeUDP || l.LayerType() == layers.LayerTypeICMPv6Echo {
			parts = append(parts, gopacket.Payload(payload(l, b)))
			break
		}
	}
	out := gopacket.NewSerializeBuffer()
	opt := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(out, opt, parts...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func payload(l gopacket.Layer, b []byte) []byte {
	if l.LayerType() == layers.LayerTypeICMPv6Echo {
		return b[headIPv6+headICMP:]
	}
	return l.LayerPayload()
}

// TestAppend holds patched templates against gopacket, bit by bit, and reads
// them again as a quote.
func TestAppend(t *testing.T) {
	eachTemplate(t, func(t *testing.T, tm *Template) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			f := Fields{
				Src: randomAddr(r, tm.v6), Dst: randomAddr(r, tm.v6), HopLimit: byte(1 + r.IntN(255)),
				SrcPort: uint16(r.Uint32()), DstPort: uint16(1 + r.IntN(52)), Cookie: r.Uint32(),
			}
			if tm.kind == UDP {
				f.Payload = make([]byte, r.IntN(1300))
				for i := range f.Payload {
					f.Payload[i] = byte(r.Uint32())
				}
			}
			b := tm.Append([]byte("before"), &f)
			if !bytes.HasPrefix(b, []byte("before")) {
				t.Fatal("what stood before is gone")
			}
			b = b[len("before"):]
			if want := recompute(t, b, tm.v6); !bytes.Equal(b, want) {
				t.Fatalf("fields %+v:\ngot  %x\nwant %x", f, b, want)
			}
			kind, q, ok := readQuote(b[:tm.head()+8], tm.v6)
			want := Quote{Src: f.Src, Dst: f.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort, Cookie: f.Cookie}
			switch {
			case tm.kind == Echo:
				want.SrcPort, want.DstPort = 0, 0
			case tm.kind == UDP && tm.v6:
				want.Cookie &= 0xfffff
			case tm.kind == UDP:
				want.Cookie &= 0xffff
			}
			if !ok || kind != tm.kind || q != want {
				t.Fatalf("quote %v %v %+v, want %+v", ok, kind, q, want)
			}
		}
	})
}

func TestAppendBytes(t *testing.T) {
	f := Fields{
		Src: netip.MustParseAddr("198.18.0.1"), Dst: netip.MustParseAddr("198.18.0.2"), HopLimit: 64,
		SrcPort: 61000, DstPort: 445, Cookie: 0x01020304,
	}
	tm, err := NewTemplate(SYN, false)
	if err != nil {
		t.Fatal(err)
	}
	want := "45000034030400004006eb98c6120001c6120002" + // IPv4
		"ee4801bd0102030400000000" + "8002faf0" // TCP, without checksum
	if got := hex.EncodeToString(tm.Append(nil, &f)[:36]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAppendAllocates(t *testing.T) {
	eachTemplate(t, func(t *testing.T, tm *Template) {
		r := rand.New(rand.NewPCG(1, 2))
		f := Fields{Src: randomAddr(r, tm.v6), Dst: randomAddr(r, tm.v6), HopLimit: 64, SrcPort: 61000, DstPort: 445}
		buf, p := make([]byte, 0, 2048), Packet{}
		secret, err := NewSecret([16]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			f.Cookie = secret.Mark(tm.kind, f.Dst, f.DstPort, f.SrcPort)
			buf = tm.Append(buf[:0], &f)
			Read(buf, &p)
		}); n != 0 {
			t.Errorf("%v allocations a packet", n)
		}
	})
}

// TestRead reads answers that gopacket built.
func TestRead(t *testing.T) {
	src4, dst4 := netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("198.18.0.1")
	ip4 := func(proto layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 57, Protocol: proto, SrcIP: src4.AsSlice(), DstIP: dst4.AsSlice()}
	}
	build := func(ls ...gopacket.SerializableLayer) []byte {
		out := gopacket.NewSerializeBuffer()
		for _, l := range ls {
			if tcp, ok := l.(*layers.TCP); ok {
				_ = tcp.SetNetworkLayerForChecksum(ls[0].(gopacket.NetworkLayer))
			}
			if udp, ok := l.(*layers.UDP); ok {
				_ = udp.SetNetworkLayerForChecksum(ls[0].(gopacket.NetworkLayer))
			}
		}
		if err := gopacket.SerializeLayers(out, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(out.Bytes())
	}
	tm, err := NewTemplate(SYN, false)
	if err != nil {
		t.Fatal(err)
	}
	ours := tm.Append(nil, &Fields{Src: dst4, Dst: src4, SrcPort: 61000, DstPort: 445, Cookie: 7, HopLimit: 1})
	unreachable := func(quote []byte) []byte {
		return build(ip4(layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 13)}, gopacket.Payload(quote))
	}
	base := Packet{Src: src4, Dst: dst4, Hops: 57}
	with := func(f func(p *Packet)) *Packet { p := base; f(&p); return &p }
	quoted := with(func(p *Packet) {
		p.Error, p.Type, p.Code = true, 3, 13
		p.Quote = Quote{Src: dst4, Dst: src4, SrcPort: 61000, DstPort: 445, Cookie: 7}
	})
	synAck := build(ip4(layers.IPProtocolTCP), &layers.TCP{SrcPort: 445, DstPort: 61000, Seq: 9, Ack: 8, SYN: true, ACK: true, Window: 11})
	for name, c := range map[string]struct {
		b    []byte
		want *Packet
	}{
		"syn-ack": {synAck, with(func(p *Packet) {
			p.SrcPort, p.DstPort, p.Seq, p.Ack, p.Flags, p.Window = 445, 61000, 9, 8, FlagSYN|FlagACK, 11
		})},
		"with padding of the link": {append(bytes.Clone(synAck), 0, 0, 0, 0, 0, 0), with(func(p *Packet) {
			p.SrcPort, p.DstPort, p.Seq, p.Ack, p.Flags, p.Window = 445, 61000, 9, 8, FlagSYN|FlagACK, 11
		})},
		"datagram": {build(ip4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 500, DstPort: 61000}, gopacket.Payload("abc")), with(func(p *Packet) {
			p.Kind, p.SrcPort, p.DstPort, p.Payload = UDP, 500, 61000, []byte("abc")
		})},
		"echo reply": {build(ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{Id: 1, Seq: 2}, gopacket.Payload("abc")), with(func(p *Packet) {
			p.Kind, p.Cookie, p.Payload = Echo, 0x00010002, []byte("abc")
		})},
		"quote of 8 bytes":           {unreachable(ours[:28]), quoted},
		"quote of all":               {unreachable(ours), quoted},
		"quote of 7 bytes":           {unreachable(ours[:27]), nil},
		"quote of a later fragment":  {unreachable(append(append(bytes.Clone(ours[:6]), 0x00, 0x01), ours[8:]...)), nil},
		"cut":                        {synAck[:len(synAck)-1], nil},
		"no transport header":        {build(ip4(layers.IPProtocolTCP)), nil},
		"echo request":               {build(ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)}), nil},
		"echo reply with a code":     {build(ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(0, 1)}), nil},
		"redirect":                   {build(ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(5, 1)}, gopacket.Payload(ours)), nil},
		"another protocol":           {build(ip4(layers.IPProtocolSCTP), gopacket.Payload(make([]byte, 40))), nil},
		"ICMPv6 in IPv4":             {build(ip4(layers.IPProtocolICMPv6), gopacket.Payload(make([]byte, 40))), nil},
		"nothing":                    {nil, nil},
		"another version":            {append([]byte{0x55}, synAck[1:]...), nil},
		"length of UDP too long":     {build(ip4(layers.IPProtocolUDP), gopacket.Payload([]byte{1, 244, 2, 3, 0, 99, 0, 0})), nil},
		"TCP data offset too little": {build(ip4(layers.IPProtocolTCP), gopacket.Payload(make([]byte, 20))), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var p Packet
			ok := Read(c.b, &p)
			if ok != (c.want != nil) {
				t.Fatalf("read %v: %+v", ok, p)
			}
			if ok && fmt.Sprintf("%+v", p) != fmt.Sprintf("%+v", *c.want) {
				t.Errorf("got  %+v\nwant %+v", p, *c.want)
			}
		})
	}
}

// TestExtendedQuote reads an ICMP error with extensions of RFC 4884: 128 bytes
// of quote, counted in words, and what follows is no part of it.
func TestExtendedQuote(t *testing.T) {
	for v6, words := range map[bool]byte{false: 32, true: 16} {
		b := make([]byte, 8+128+20)
		b[0], b[5] = 3, words
		if v6 {
			b[0], b[4], b[5] = 1, words, 0
		}
		if n := len(Quoted(b, v6)); n != 128 {
			t.Errorf("v6=%v: a quote of %d bytes", v6, n)
		}
		if v6 {
			b[4] = 255
		} else {
			b[5] = 255
		}
		if n := len(Quoted(b, v6)); n != 148 {
			t.Errorf("v6=%v: a length beyond the message is believed: %d", v6, n)
		}
	}
}

// TestMark holds that a mark depends on everything that it is of.
func TestMark(t *testing.T) {
	a, err := NewSecret([16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewSecret([16]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	host := netip.MustParseAddr("198.18.0.1")
	seen := map[uint32]string{}
	for name, mark := range map[string]uint32{
		"":         a.Mark(SYN, host, 445, 61000),
		"kind":     a.Mark(UDP, host, 445, 61000),
		"address":  a.Mark(SYN, host.Next(), 445, 61000),
		"family":   a.Mark(SYN, netip.AddrFrom16(host.As16()), 445, 61000),
		"port":     a.Mark(SYN, host, 446, 61000),
		"our port": a.Mark(SYN, host, 445, 61001),
		"key":      b.Mark(SYN, host, 445, 61000),
	} {
		if other, twice := seen[mark]; twice {
			t.Errorf("%q has the mark of %q", name, other)
		}
		seen[mark] = name
	}
	again, err := NewSecret([16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if a.Mark(SYN, host, 445, 61000) != again.Mark(SYN, host, 445, 61000) {
		t.Error("the mark of one key is not always the same")
	}
}

func FuzzRead(f *testing.F) {
	for kind := range kindWords {
		for _, v6 := range []bool{false, true} {
			tm, err := NewTemplate(kind, v6)
			if err != nil {
				f.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			f.Add(tm.Append(nil, &Fields{Src: randomAddr(r, v6), Dst: randomAddr(r, v6), Cookie: 5}))
		}
	}
	f.Add([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 13, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		if !Read(b, &p) {
			return
		}
		if !p.Src.IsValid() || p.Src.Is4() != p.Dst.Is4() {
			t.Errorf("addresses %s and %s", p.Src, p.Dst)
		}
		if p.Error && (!p.Quote.Dst.IsValid() || p.Quote.Dst.Is4() != p.Src.Is4()) {
			t.Errorf("a quote of %s from %s", p.Quote.Dst, p.Src)
		}
		if len(p.Payload) > len(b) {
			t.Errorf("a payload of %d bytes in %d", len(p.Payload), len(b))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	tm, err := NewTemplate(SYN, false)
	if err != nil {
		b.Fatal(err)
	}
	f := Fields{Src: netip.MustParseAddr("198.18.0.1"), Dst: netip.MustParseAddr("198.18.0.2"), HopLimit: 64, SrcPort: 61000, DstPort: 445}
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		f.Cookie++
		buf = tm.Append(buf[:0], &f)
	}
}

func BenchmarkRead(b *testing.B) {
	tm, err := NewTemplate(SYN, false)
	if err != nil {
		b.Fatal(err)
	}
	buf := tm.Append(nil, &Fields{Src: netip.MustParseAddr("198.18.0.1"), Dst: netip.MustParseAddr("198.18.0.2")})
	var p Packet
	b.ReportAllocs()
	for b.Loop() {
		Read(buf, &p)
	}
}

func BenchmarkMark(b *testing.B) {
	s, err := NewSecret([16]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	dst := netip.MustParseAddr("198.18.0.2")
	b.ReportAllocs()
	for b.Loop() {
		s.Mark(SYN, dst, 445, 61000)
	}
}
