package socket

import (
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// TestFlood has thousands of shots in flight in a namespace where TCP 7777 is
// swallowed and every address of 127.0.0.0/8 answers.
func TestFlood(t *testing.T) {
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
	t.Run("close", closing) // first: no connection of another test is being closed
	for _, tapped := range []bool{true, false} {
		t.Run(fmt.Sprintf("many, tapped %t", tapped), func(t *testing.T) { many(t, tapped) })
		t.Run(fmt.Sprintf("full, tapped %t", tapped), func(t *testing.T) { full(t, tapped) })
		t.Run(fmt.Sprintf("room, tapped %t", tapped), func(t *testing.T) { room(t, tapped) })
	}
	wire(s, "n0", []string{"198.19.0.1/16"}, newSpace(t, false), "n1", []string{"198.19.0.2/16"})
	t.Run("neighbours", noNeighbours)
	s.set("ipv4/ip_local_port_range", "40000 40001")
	t.Run("ports", portsUsedUp)
}

func shots(n int, port uint16, wait time.Duration) []scanner.Shot {
	list := make([]scanner.Shot, n)
	a := netip.MustParseAddr("127.1.0.1")
	for i := range list {
		list[i] = scanner.Shot{Key: uint64(port)<<32 | uint64(i), Addr: a, Port: port, Protocol: scanner.TCP, Wait: wait}
		a = a.Next()
	}
	return list
}

func many(t *testing.T, tapped bool) {
	before := descriptors(t)
	c, err := NewConnect(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ttl := uint8(64)
	if !tapped {
		ttl = 0
		untap(c)
	}
	n := (c.InFlight() - 100) / 2
	if n < 100 {
		unable(t, "the limit of open files is too low")
	}
	sendAll(t, c, shots(n, 7777, time.Hour)) // silent for longer than the test
	for range 3 {
		sendAll(t, c, shots(n, 7778, time.Hour))
		for key, r := range receive(t, c, n) {
			if r.Outcome != scanner.Answered || r.TTL != ttl || key>>32 != 7778 {
				t.Fatalf("got %+v", r)
			}
		}
		sendAll(t, c, shots(n, 7779, time.Hour))
		for _, r := range receive(t, c, n) {
			if r.Outcome != scanner.Refused || r.TTL != ttl {
				t.Fatalf("got %+v", r)
			}
		}
	}
	c.mu.Lock()
	flying := c.flying
	c.mu.Unlock()
	if flying != n {
		t.Errorf("%d in flight, want %d", flying, n)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	sameDescriptors(t, before)
}

// full: no more shots are taken than the limit allows, counting replies that
// were not fetched, and silence frees places.
func full(t *testing.T, tapped bool) {
	c := open(t, Options{InFlight: 10})
	if !tapped {
		untap(c)
	}
	if n, err := c.Send(shots(20, 7777, 200*time.Millisecond)); n != 10 || err != nil {
		t.Fatalf("took %d of 20 shots, %v", n, err)
	}
	if n, err := c.Send(shots(1, 7778, time.Hour)); n != 0 || err != nil {
		t.Fatalf("took %d shots when full, %v", n, err)
	}
	settled(t, c) // the ten have ended without a reply
	answered := shots(20, 7778, time.Hour)
	for sent, got := 0, 0; got < len(answered); {
		n, err := c.Send(answered[sent:])
		if err != nil || n > 10 {
			t.Fatalf("took %d shots, %v", n, err)
		}
		sent += n
		more := len(receive(t, c, 1))
		if more == 0 {
			t.Fatalf("no more replies after %d", got)
		}
		got += more
	}
}

// room: a shot that has had the time that it must have makes room for another,
// and none before.
func room(t *testing.T, tapped bool) {
	c := open(t, Options{InFlight: 10})
	if !tapped {
		untap(c)
	}
	silent := shots(10, 7777, time.Hour)
	for i := range silent {
		silent[i].Hold = 100 * time.Millisecond
	}
	began := time.Now()
	sendAll(t, c, silent)
	answered := shots(10, 7778, time.Hour)
	for sent := 0; sent < len(answered); {
		n, err := c.Send(answered[sent:])
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && time.Since(began) < 100*time.Millisecond {
			t.Fatal("room was made too early")
		}
		sent += n
		runtime.Gosched()
	}
	if got := receive(t, c, len(answered)); len(got) != len(answered) {
		t.Errorf("%d answers, want %d", len(got), len(answered))
	}
}

// TestServiceUntroubled: a service does not see the connections of the sweep.
func TestServiceUntroubled(t *testing.T) {
	accepted := make(chan string, 4)
	at := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		accepted <- conn.RemoteAddr().String()
		conn.Close()
	})
	c := open(t, Options{})
	for key := range uint64(6) {
		if key == 3 {
			untap(c)
		}
		sendAll(t, c, []scanner.Shot{{Key: key, Addr: at.Addr(), Port: at.Port(), Protocol: scanner.TCP, Wait: time.Hour}})
		if r := receive(t, c, 1)[key]; r.Outcome != scanner.Answered {
			t.Fatalf("got %+v", r)
		}
		settled(t, c)
	}
	conn, r := c.DialTCP(t.Context(), at)
	if conn == nil {
		t.Fatalf("got %+v", r)
	}
	defer conn.Close()
	if first := <-accepted; first != conn.LocalAddr().String() {
		t.Errorf("the service saw a connection from %s, which was the sweep's", first)
	}
}

// closing ends whoever waits.
func closing(t *testing.T) {
	before := descriptors(t)
	c, err := NewConnect(Options{})
	if err != nil {
		t.Fatal(err)
	}
	sendAll(t, c, shots(50, 7777, time.Hour))
	dialed, received := make(chan scanner.Reply), make(chan error)
	go func() {
		_, r := c.DialTCP(context.Background(), netip.MustParseAddrPort("127.0.0.1:7777"))
		dialed <- r
	}()
	go func() {
		_, err := c.Receive(context.Background(), make([]scanner.Reply, 1))
		received <- err
	}()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if r := <-dialed; r.Outcome != scanner.LocalError {
		t.Errorf("dial ended with %+v", r)
	}
	if err := <-received; !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive ended with %v", err)
	}
	if n, err := c.Send(shots(1, 7778, 0)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("send after the end: %d, %v", n, err)
	}
	sameDescriptors(t, before)
}

// portsUsedUp: there are two local ports for one peer; the third shot cannot
// leave this machine, and may later.
func portsUsedUp(t *testing.T) {
	c := open(t, Options{})
	one := shots(1, 7777, time.Hour)[0]
	list := []scanner.Shot{one, one, one}
	for i := range list {
		list[i].Key = uint64(i)
	}
	sendAll(t, c, list)
	r, ok := receive(t, c, 1)[2]
	if !ok || r.Outcome != scanner.LocalError || !r.Temporary {
		t.Errorf("got %+v", r)
	}
}

// noNeighbours: packets that wait for ARP fill buffers and tables of this
// machine. That must neither block nor be taken for an answer.
func noNeighbours(t *testing.T) {
	c := open(t, Options{})
	self, peer := netip.MustParseAddr("198.19.0.1"), netip.MustParseAddr("198.19.0.2")
	list := make([]scanner.Shot, 3000)
	a := netip.MustParseAddr("198.19.1.0")
	for i := range list {
		p := []scanner.Protocol{scanner.ICMP, scanner.UDP, scanner.ICMP}[i%3]
		list[i] = scanner.Shot{Key: uint64(i), Addr: a, Port: 9, Protocol: p, Wait: 5 * time.Second}
		a = a.Next()
	}
	seen := make(map[scanner.Outcome]int)
	buf := make([]scanner.Reply, 256)
	fetch := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		n, err := c.Receive(ctx, buf)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		for _, r := range buf[:n] {
			seen[r.Outcome]++
			rejected := r.Outcome == scanner.Rejected && r.From == self && r.ICMP == code(3, 1)
			if !rejected && (r.Outcome != scanner.LocalError || !r.Temporary) {
				t.Fatalf("got %+v", r)
			}
		}
	}
	for sent := 0; sent < len(list); {
		n, err := c.Send(list[sent:])
		if err != nil {
			t.Fatal(err)
		}
		sent += n
		fetch()
	}
	for busy := true; busy; {
		fetch()
		c.mu.Lock()
		busy = c.flying+c.replies.len() > 0
		c.mu.Unlock()
	}
	t.Logf("of %d: %v", len(list), seen)
	if seen[scanner.Rejected] == 0 {
		t.Error("no neighbour was found missing")
	}
	// The table of neighbours is full; when it has room again, others are found.
	r := scanner.Reply{Temporary: true}
	for tries := 0; r.Temporary && tries < 200; tries++ {
		sendAll(t, c, []scanner.Shot{{Key: 1, Addr: peer, Protocol: scanner.ICMP, Wait: time.Minute}})
		r = receive(t, c, 1)[1]
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		<-ctx.Done()
		cancel()
	}
	if r.Outcome != scanner.Answered {
		t.Errorf("the neighbour that is there: %+v", r)
	}
}
