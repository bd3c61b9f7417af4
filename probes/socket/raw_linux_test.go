package socket

import (
	"cmreach/probes/wire/packet"
	"cmreach/scanner"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
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

// TestRaw runs the engine in a lab of its own.
func TestRaw(t *testing.T) {
	switch stage() {
	case stageOuter:
		enterLab(t, "nft")
		return
	case stageProbe:
		return
	}
	s := newSpace(t, true)
	s.nft(`table inet filter { chain input { type filter hook input priority 0; tcp dport 7777 drop; }
	}`)
	listenTCP(t, "0.0.0.0:7778", func(c net.Conn) { c.Close() })
	t.Run("many", rawMany)
	t.Run("garbage", rawGarbage)
	t.Run("allocations", rawAllocations)
	t.Run("overflow", func(t *testing.T) { rawOverflow(t, s) })
	t.Run("sources", func(t *testing.T) { rawSources(t, s) })
	t.Run("link down", func(t *testing.T) { rawLinkDown(t, s) })
	t.Run("closed", rawClosed)
}

// rawMany asks many addresses at once; none is lost and each key comes back.
func rawMany(t *testing.T) {
	r := openRaw(t)
	list := make([]scanner.Shot, 4000)
	a := netip.MustParseAddr("127.1.0.1")
	for i := range list {
		list[i] = scanner.Shot{Key: uint64(i + 1), Addr: a, Port: 7778, Protocol: scanner.TCP, Wait: time.Hour}
		a = a.Next()
	}
	sendAll(t, r, list)
	for key, reply := range receive(t, r, len(list)) {
		if reply.Outcome != scanner.Answered || reply.TTL != 64 || reply.From != list[key-1].Addr || reply.To != netip.AddrPortFrom(list[key-1].Addr, 7778) {
			t.Errorf("key %d: %+v", key, reply)
		}
	}
}

// rawGarbage sends noise to the window's ports; none of it is an answer with a
// key that could be in flight more often than by chance.
func rawGarbage(t *testing.T) {
	r := openRaw(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	tm, err := packet.NewTemplate(packet.SYN, false)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	lo := netip.MustParseAddr("127.0.0.1")
	const sent = 2000
	for range sent {
		b := tm.Append(nil, &packet.Fields{Src: lo, Dst: lo, SrcPort: 7778, DstPort: r.window.first, HopLimit: 64})
		b[20+13] = packet.FlagSYN | packet.FlagACK
		binary.BigEndian.PutUint32(b[20+8:], rnd.Uint32())
		if err := unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: lo.As4()}); err != nil {
			t.Fatal(err)
		}
	}
	sendAll(t, r, []scanner.Shot{{Key: 5, Addr: lo, Port: 7778, Protocol: scanner.TCP, Wait: time.Hour}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	small := 0
	for buf, found := make([]scanner.Reply, 64), false; !found; {
		n, err := r.Receive(ctx, buf)
		if err != nil {
			t.Fatal(err)
		}
		for _, reply := range buf[:n] {
			found = found || reply.Key == 5
			if reply.Key != 5 && reply.Key < 1<<16 { // as many as may be in flight
				small++
			}
		}
	}
	if small > 3 { // 2000 of 2^32 keys hit one of 2^16 with a probability of 3 %
		t.Errorf("%d of %d forged answers have a key that could be in flight", small, sent)
	}
}

// rawAllocations holds that a packet costs no memory, sent or received.
func rawAllocations(t *testing.T) {
	w, err := holdPorts(false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.release()
	books := newUDPBook()
	in, err := newRawReceiver(w, [16]byte{1}, books, false)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	out, err := newRawSender(w, [16]byte{1}, books, Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	out.start(newReplyQueue())
	defer out.close()
	list := make([]scanner.Shot, 64)
	for i := range list {
		list[i] = scanner.Shot{Key: uint64(i + 1), Addr: netip.MustParseAddr("127.0.0.1"), Port: 7778, Protocol: scanner.TCP}
		if i%2 == 1 {
			list[i].Protocol, list[i].Port = scanner.ICMP, 0
		}
	}
	replies := make([]scanner.Reply, 256)
	got := 0
	out.source.begin()
	n := testing.AllocsPerRun(50, func() {
		for i := range list {
			if err := out.add(&list[i]); err != nil {
				t.Fatal(err)
			}
		}
		out.flush()
		got += in.readFamily(0, replies) // of this batch or the one before
	})
	if n != 0 || got < 64*25 {
		t.Errorf("%v allocations for %d packets there and %d back", n, len(list), got)
	}
}

// trouble waits for a report of this machine's own trouble.
func trouble(t *testing.T, r *Raw, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	buf := make([]scanner.Reply, 64)
	for {
		n, err := r.Receive(ctx, buf)
		if err != nil {
			t.Fatalf("no report of %q: %v", words, err)
		}
		for _, reply := range buf[:n] {
			if reply.Key == 0 {
				if reply.Outcome != scanner.LocalError || !reply.Temporary || !strings.Contains(reply.Err, words) {
					t.Errorf("%+v", reply)
				}
				return
			}
		}
	}
}

// rawOverflow has more answers come than the buffer holds, with nobody reading.
func rawOverflow(t *testing.T, s *space) {
	r := openRaw(t)
	if err := unix.SetsockoptInt(r.in.fds[0], unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	sendAll(t, r, shots(2000, 7778, time.Hour))
	trouble(t, r, "receive buffer overflowed")
}

// rawSources holds that the address to send from is asked for once a subnet
// where the subnet has one route, else for each address.
func rawSources(t *testing.T, s *space) {
	other := newSpace(t, false)
	wire(s, "x0", []string{"198.18.8.1/24", "fd00:198:8::1/64"}, other, "x1", []string{"198.18.8.2/24"})
	wire(s, "y0", []string{"198.18.9.1/24"}, other, "y1", []string{"198.18.9.2/24"})
	s.via("198.18.8.2", "fd00:198:8::2", "198.19.128.0/17", "fd00:198:80::/48")
	s.via("198.18.9.2", "", "198.19.130.128/25")
	asked := 0
	c := newSourceCache(Options{})
	defer c.close()
	c.asked = func(_, _ netip.Addr) { asked++ }
	check := func(name string, first string, n int, wantAsked int, want ...string) {
		t.Helper()
		asked = 0
		c.begin()
		a := netip.MustParseAddr(first)
		for i := range n {
			got, err := c.to(a)
			if w := want[i*len(want)/n]; err != nil || got.String() != w {
				t.Errorf("%s: to %s from %s, %v, want %s", name, a, got, err, w)
			}
			a = a.Next()
		}
		if asked != wantAsked {
			t.Errorf("%s: asked %d times, want %d", name, asked, wantAsked)
		}
	}
	check("one route", "198.19.129.0", 256, 1, "198.18.8.1")
	check("two routes", "198.19.130.0", 256, 256, "198.18.8.1", "198.18.9.1")
	check("IPv6", "fd00:198:80:1::", 256, 1, "fd00:198:8::1")
	check("on the link", "198.18.8.2", 8, 8, "198.18.8.1") // this machine's own address is among them
	s.do(func() error {
		r := netlink.NewRule()
		r.Dst, r.Table, r.Priority = &net.IPNet{IP: net.IP{198, 19, 200, 0}, Mask: net.CIDRMask(25, 32)}, 100, 100
		return netlink.RuleAdd(r)
	})
	c.whole.read = time.Time{}
	check("a rule", "198.19.131.0", 16, 16, "198.18.8.1")
	check("no rule for IPv6", "fd00:198:80:2::", 16, 1, "fd00:198:8::1")
}

// rawLinkDown takes an interface down that packets leave by.
func rawLinkDown(t *testing.T, s *space) {
	wire(s, "d0", []string{"198.18.7.1/24"}, newSpace(t, false), "d1", []string{"198.18.7.2/24"})
	r := openRaw(t)
	to := netip.MustParseAddr("198.18.7.2")
	sendAll(t, r, []scanner.Shot{{Key: 1, Addr: to, Protocol: scanner.ICMP, Wait: time.Hour}})
	if got := receive(t, r, 1); got[1].Outcome != scanner.Answered {
		t.Fatalf("got %+v", got)
	}
	s.do(func() error { return down("d0") })
	trouble(t, r, "198.18.7.1 is down")
}

func rawClosed(t *testing.T) {
	r, err := NewRaw(Options{})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir("/proc/self/fd")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	after, _ := os.ReadDir("/proc/self/fd")
	if len(before)-len(after) < 2*windowSize {
		t.Errorf("%d descriptors before, %d after", len(before), len(after))
	}
	if _, err := r.Send([]scanner.Shot{{Key: 1}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("send: %v", err)
	}
	if _, err := r.Receive(t.Context(), make([]scanner.Reply, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}
