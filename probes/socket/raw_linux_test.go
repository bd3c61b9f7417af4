package socket

import (
	"cmreach/probes/wire/packet"
	"cmreach/scanner"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// rawFixture is a receiver without sockets, and what it takes to answer it.
func rawFixture(t testing.TB) (*rawReceiver, *packet.Secret) {
	t.Helper()
	key := [16]byte{1, 2, 3}
	mine, err := packet.NewSecret(key)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := packet.NewSecret(key)
	if err != nil {
		t.Fatal(err)
	}
	own := map[netip.Addr]bool{netip.MustParseAddr(self4): true}
	return &rawReceiver{secret: mine, window: &portWindow{first: 61000}, books: newUDPBook(), own: own}, theirs
}

// TestRawReply reads answers, and takes nothing for one that lacks the mark of
// its path.
func TestRawReply(t *testing.T) {
	r, secret := rawFixture(t)
	host, other, self, router := netip.MustParseAddr(host4), netip.MustParseAddr("198.18.102.51"), netip.MustParseAddr(self4), netip.MustParseAddr(r2at4)
	const key, local = 77, 61003
	cookie := uint32(key) ^ secret.Mark(packet.SYN, host, 445, local)
	echo := uint32(key) ^ secret.Mark(packet.Echo, host, 0, 0)
	r.books.add(flowID{host, 500, local}, &scanner.Shot{Key: key}, 0x12345678)
	synAck := packet.Packet{Src: host, Dst: self, Hops: 62, Kind: packet.SYN, SrcPort: 445, DstPort: local, Ack: cookie + 1, Flags: packet.FlagSYN | packet.FlagACK}
	refusal := packet.Packet{
		Src: router, Dst: self, Hops: 63, Error: true, Kind: packet.SYN, Type: 3, Code: 13,
		Quote: packet.Quote{Src: self, Dst: host, SrcPort: local, DstPort: 445, Cookie: cookie},
	}
	with := func(p packet.Packet, f func(p *packet.Packet)) packet.Packet { f(&p); return p }
	for name, c := range map[string]struct {
		p    packet.Packet
		want scanner.Outcome // unknown: nothing of ours
		from netip.Addr
	}{
		"syn-ack":           {synAck, scanner.Answered, host},
		"rst":               {with(synAck, func(p *packet.Packet) { p.Flags = packet.FlagRST | packet.FlagACK }), scanner.Refused, host},
		"rst without ack":   {with(synAck, func(p *packet.Packet) { p.Flags = packet.FlagRST }), scanner.OutcomeUnknown, host},
		"ack":               {with(synAck, func(p *packet.Packet) { p.Flags = packet.FlagACK }), scanner.OutcomeUnknown, host},
		"wrong ack":         {with(synAck, func(p *packet.Packet) { p.Ack++ }), scanner.OutcomeUnknown, host},
		"from another host": {with(synAck, func(p *packet.Packet) { p.Src = other }), scanner.OutcomeUnknown, host},
		"another port":      {with(synAck, func(p *packet.Packet) { p.SrcPort = 446 }), scanner.OutcomeUnknown, host},
		"to another port":   {with(synAck, func(p *packet.Packet) { p.DstPort = local + 1 }), scanner.OutcomeUnknown, host},
		"to a stranger's":   {with(synAck, func(p *packet.Packet) { p.DstPort = 60999 }), scanner.OutcomeUnknown, host},

		"echo":                       {packet.Packet{Src: host, Hops: 62, Kind: packet.Echo, Cookie: echo}, scanner.Answered, host},
		"echo of another host":       {packet.Packet{Src: other, Hops: 62, Kind: packet.Echo, Cookie: echo}, scanner.OutcomeUnknown, host},
		"datagram":                   {packet.Packet{Src: host, Hops: 62, Kind: packet.UDP, SrcPort: 500, DstPort: local}, scanner.Answered, host},
		"datagram from another port": {packet.Packet{Src: host, Hops: 62, Kind: packet.UDP, SrcPort: 501, DstPort: local}, scanner.OutcomeUnknown, host},

		"prohibited":       {refusal, scanner.Rejected, router},
		"expired":          {with(refusal, func(p *packet.Packet) { p.Type, p.Code = 11, 0 }), scanner.Expired, router},
		"fragment needed":  {with(refusal, func(p *packet.Packet) { p.Code = 4 }), scanner.OutcomeUnknown, router},
		"forged quote":     {with(refusal, func(p *packet.Packet) { p.Quote.Cookie++ }), scanner.OutcomeUnknown, router},
		"quote of another": {with(refusal, func(p *packet.Packet) { p.Quote.Dst = other }), scanner.OutcomeUnknown, router},
		"own firewall":     {with(refusal, func(p *packet.Packet) { p.Src = self }), scanner.LocalError, self},
		"datagram quoted": {with(refusal, func(p *packet.Packet) {
			p.Kind, p.Quote.DstPort, p.Quote.Cookie = packet.UDP, 500, 0x5678
		}), scanner.Rejected, router},
		"datagram quoted with another mark": {with(refusal, func(p *packet.Packet) {
			p.Kind, p.Quote.DstPort, p.Quote.Cookie = packet.UDP, 500, 0x5679
		}), scanner.OutcomeUnknown, router},
	} {
		t.Run(name, func(t *testing.T) {
			var got scanner.Reply
			ok := r.reply(&c.p, &got)
			if c.want == scanner.OutcomeUnknown {
				if ok && got.Key == key {
					t.Errorf("taken for an answer: %+v", got)
				}
				return
			}
			if !ok || got.Key != key || got.Outcome != c.want || got.From != c.from || got.To.Addr() != host {
				t.Errorf("%t %+v", ok, got)
			}
		})
	}
}

// TestRawFilter runs the filter on packets. The first two instructions ask the
// kernel whether the packet is for this machine, which the virtual machine
// cannot.
func TestRawFilter(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		vm, err := bpf.NewVM(rawFilter(v6, 61000)[2:])
		if err != nil {
			// Jumps to the end of the program lie where they did.
			t.Fatal(err)
		}
		src, dst := netip.MustParseAddr(host4), netip.MustParseAddr(self4)
		if v6 {
			src, dst = netip.MustParseAddr(host6), netip.MustParseAddr(self6)
		}
		build := func(kind packet.Kind, port uint16, change func(transport []byte)) []byte {
			tm, err := packet.NewTemplate(kind, v6)
			if err != nil {
				t.Fatal(err)
			}
			b := tm.Append(nil, &packet.Fields{Src: src, Dst: dst, SrcPort: 445, DstPort: port, HopLimit: 64})
			head := 20
			if v6 {
				head = 40
			}
			change(b[head:])
			return b
		}
		flags := func(f byte) func([]byte) { return func(b []byte) { b[13] = f } }
		kind := func(v4, v6type byte) func([]byte) {
			return func(b []byte) {
				b[0] = v4
				if v6 {
					b[0] = v6type
				}
			}
		}
		later := build(packet.SYN, 61000, flags(0x12))
		if v6 {
			later[6] = protoFragment // left to the reader
		} else {
			later[7] = 1
		}
		for name, c := range map[string]struct {
			b    []byte
			pass bool
		}{
			"syn-ack":          {build(packet.SYN, 61000, flags(0x12)), true},
			"last port":        {build(packet.SYN, 61000+windowSize-1, flags(0x12)), true},
			"below":            {build(packet.SYN, 60999, flags(0x12)), false},
			"above":            {build(packet.SYN, 61000+windowSize, flags(0x12)), false},
			"rst":              {build(packet.SYN, 61000, flags(0x14)), true},
			"syn":              {build(packet.SYN, 61000, flags(0x02)), false},
			"ack":              {build(packet.SYN, 61000, flags(0x10)), false},
			"datagram":         {build(packet.UDP, 61000, func([]byte) {}), true},
			"strange datagram": {build(packet.UDP, 53, func([]byte) {}), false},
			"echo request":     {build(packet.Echo, 0, func([]byte) {}), false},
			"echo reply":       {build(packet.Echo, 0, kind(0, 129)), true},
			"unreachable":      {build(packet.Echo, 0, kind(3, 1)), true},
			"time exceeded":    {build(packet.Echo, 0, kind(11, 3)), true},
			"redirect":         {build(packet.Echo, 0, kind(5, 137)), false},
			"later fragment":   {later, v6},
			"cut":              {build(packet.SYN, 61000, flags(0x12))[:20], false},
		} {
			n, err := vm.Run(c.b)
			if err != nil || (n > 0) != c.pass {
				t.Errorf("v6=%t %s: %d, %v", v6, name, n, err)
			}
		}
	}
}

func TestWindowAt(t *testing.T) {
	for _, c := range []struct{ low, high uint16 }{{32768, 60999}, {1024, 65535}, {10000, 65535}, {1024, 20000}, {65000, 65535}} {
		for try := range 64 {
			first := windowAt(try, c.low, c.high)
			if first < 10000 || int(first)+windowSize > 65536 {
				t.Errorf("%d-%d, try %d: a window from %d", c.low, c.high, try, first)
			}
			if c.low == 32768 && try < 32 && int(first)+windowSize > 32768 && first <= 60999 {
				t.Errorf("try %d: the window from %d is in the range of local ports", try, first)
			}
		}
	}
}

// TestLinkStates reads what the kernel says of interfaces.
func TestLinkStates(t *testing.T) {
	message := func(kind uint16, index, flags uint32) []byte {
		b := make([]byte, sizeofNlmsg+sizeofIfInfo)
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], kind)
		binary.NativeEndian.PutUint32(b[sizeofNlmsg+4:], index)
		binary.NativeEndian.PutUint32(b[sizeofNlmsg+8:], flags)
		return b
	}
	b := append(message(unix.RTM_NEWLINK, 1, unix.IFF_UP|unix.IFF_RUNNING), message(unix.RTM_NEWLINK, 2, unix.IFF_UP)...)
	b = append(b, message(unix.RTM_DELLINK, 3, unix.IFF_UP|unix.IFF_RUNNING)...)
	b = append(b, message(unix.RTM_NEWADDR, 4, 0)...)
	if got := linkStates(b); fmt.Sprint(got) != fmt.Sprint(map[int32]bool{1: true, 2: false, 3: false}) {
		t.Errorf("got %v", got)
	}
	for i := range b {
		linkStates(b[:i]) // whatever is cut does no harm
	}
}

func FuzzLinkStates(f *testing.F) {
	f.Add([]byte{32, 0, 0, 0, 16, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) { linkStates(b) })
}
