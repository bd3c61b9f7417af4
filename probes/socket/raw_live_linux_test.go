package socket

import (
	"cmreach/probes/wire/packet"
	"cmreach/scanner"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

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
