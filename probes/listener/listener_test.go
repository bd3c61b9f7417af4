package listener

import (
	"bytes"
	"cmreach/probes/wire/beacon"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(t interface{ Fatal(...any) }, secret string) beacon.Key {
	k, err := beacon.NewKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const secret = "the key of both ends"

func udp(n uint16) beacon.Port { return beacon.Port{Protocol: beacon.UDP, Number: n} }
func tcp(n uint16) beacon.Port { return beacon.Port{Protocol: beacon.TCP, Number: n} }

// pipe is a UDP socket without a network: what is written to in is received,
// what is sent is kept.
type pipe struct {
	in   chan []byte
	done chan struct{}
	once sync.Once
	mu   sync.Mutex
	sent [][]byte
}

func newPipe() *pipe { return &pipe{in: make(chan []byte), done: make(chan struct{})} }

func (p *pipe) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case m := <-p.in:
		return copy(b, m), netip.MustParseAddrPort("198.18.0.9:4711"), nil
	case <-p.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *pipe) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, bytes.Clone(b))
	return len(b), nil
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// The listener ends by itself, says how long it still has, and closes everything.
func TestEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := key(t, secret)
		l := newListener(Config{Key: k, For: 15 * time.Minute})
		p := newPipe()
		l.add(&endpoint{addr: netip.MustParseAddr("198.18.1.5"), port: udp(9), udp: p})
		started := time.Now()
		ended := make(chan time.Time, 1)
		go func() { l.Run(t.Context()); ended <- time.Now() }()
		time.Sleep(time.Minute)
		asked := k.Question(udp(9))
		p.in <- asked
		synctest.Wait()
		status, err := k.ReadAnswer(asked, p.sent[0])
		want := beacon.Status{Since: 60_000, Until: 14 * 60_000, Ports: []beacon.Port{udp(9)}}
		if diff := cmp.Diff(want, status); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if got := (<-ended).Sub(started); got != 15*time.Minute {
			t.Errorf("ended after %s", got)
		}
		if _, open := <-p.done; open {
			t.Error("a socket is left open")
		}
	})
}

func TestEndsWhenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newListener(Config{Key: key(t, secret), For: time.Hour})
		l.add(&endpoint{port: udp(9), udp: newPipe()})
		started := time.Now()
		cancel()
		l.Run(ctx)
		if d := time.Since(started); d != 0 {
			t.Errorf("took %s", d)
		}
	})
}

// Whatever comes, no more goes out than came in, and nothing without the key.
func TestNeverMoreOutThanIn(t *testing.T) {
	k, stranger := key(t, secret), key(t, "the key of somebody else")
	rapid.Check(t, func(t *rapid.T) {
		l := newListener(Config{Key: k, For: time.Hour})
		l.started = time.Now()
		e := &endpoint{port: udp(9)}
		l.add(e)
		for range rapid.IntRange(1, 40).Draw(t, "datagrams") {
			b := rapid.OneOf(
				rapid.SliceOfN(rapid.Byte(), 0, 2*beacon.Size),
				rapid.Just(k.Question(udp(9))), rapid.Just(k.Question(udp(10))), rapid.Just(stranger.Question(udp(9))),
				rapid.Map(rapid.IntRange(0, beacon.Size-1), func(i int) []byte {
					q := k.Question(udp(9))
					q[i] ^= 0x10
					return q
				}),
				rapid.Map(rapid.IntRange(0, beacon.Size), func(n int) []byte { return k.Question(udp(9))[:n] }),
			).Draw(t, "datagram")
			out := l.answer(e, b)
			_, err := k.ReadQuestion(b, udp(9))
			if len(out) > len(b) || err != nil && out != nil {
				t.Fatalf("%d bytes for %d (%v)", len(out), len(b), err)
			}
		}
	})
}

// One recorded question is answered a few times only, and all of them together
// no faster than the ration.
func TestRation(t *testing.T) {
	k := key(t, secret)
	now := time.Unix(0, 0)
	nonce := func() beacon.Nonce {
		n, err := k.ReadQuestion(k.Question(udp(9)), udp(9))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	count := func(r *ration, times int, next func() beacon.Nonce) (n int) {
		for range times {
			if r.allow(next(), now) {
				n++
			}
		}
		return n
	}
	r, one := newRation(), nonce()
	if got := count(r, 100, func() beacon.Nonce { return one }); got != sameNonce {
		t.Errorf("one question was answered %d times", got)
	}
	if got := count(r, 2*atOnce, nonce); got != atOnce-sameNonce {
		t.Errorf("%d answers at once", got)
	}
	now = now.Add(time.Second)
	if got := count(r, 2*atOnce, nonce); got != perSecond {
		t.Errorf("%d answers a second later", got)
	}
	for range 20 {
		now = now.Add(time.Second)
		count(r, perSecond, nonce)
	}
	if len(r.seen) != knownNonces || len(r.order) != knownNonces {
		t.Errorf("%d and %d questions are remembered", len(r.seen), len(r.order))
	}
}

var loopback = []netip.Addr{netip.MustParseAddr("127.0.0.1")}

// freePort is a port that nobody has now, by both protocols.
func freePort(t *testing.T) uint16 {
	t.Helper()
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).AddrPort().Port()
}

// running opens a listener and runs it until the test ends.
func running(t *testing.T, ports ...beacon.Port) *Listener {
	t.Helper()
	return patient(t, connTime, ports...)
}

func patient(t *testing.T, patience time.Duration, ports ...beacon.Port) *Listener {
	t.Helper()
	l, failed := Open(t.Context(), Config{Key: key(t, secret), Addrs: loopback, Ports: ports, For: time.Minute})
	if len(failed) > 0 {
		t.Fatalf("%+v", failed)
	}
	l.patience = patience
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

func dial(t *testing.T, network string, port uint16) net.Conn {
	t.Helper()
	c, err := net.Dial(network, netip.AddrPortFrom(loopback[0], port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestAnswersOnSockets(t *testing.T) {
	k, stranger, n := key(t, secret), key(t, "the key of somebody else"), freePort(t)
	l := running(t, udp(n), tcp(n))
	u := dial(t, "udp4", n)
	// Of these only the last is answered; it comes last, so the others got nothing.
	asked := k.Question(udp(n))
	for _, b := range [][]byte{{}, []byte("hello"), stranger.Question(udp(n)), append(bytes.Clone(asked), 0), bytes.Repeat(asked, 4), asked} {
		write(t, u, b)
	}
	b := make([]byte, 2*beacon.Size)
	got, err := u.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	status, err := k.ReadAnswer(asked, b[:got])
	if err != nil || !slices.Contains(status.Ports, udp(n)) || !slices.Contains(status.Ports, tcp(n)) {
		t.Errorf("%v: %+v", err, status)
	}

	for name, say := range map[string][]byte{"another key": stranger.Question(tcp(n)), "the question of another port": k.Question(udp(n)), "something else": []byte("GET / HTTP/1.0\r\n\r\n")} {
		c := dial(t, "tcp4", n)
		write(t, c, say)
		if got, err := io.ReadAll(c); len(got) > 0 {
			t.Errorf("%s: answered %x (%v)", name, got, err)
		}
	}
	asked = k.Question(tcp(n))
	c := dial(t, "tcp4", n)
	write(t, c, asked)
	answer, err := io.ReadAll(c)
	if _, bad := k.ReadAnswer(asked, answer); bad != nil || err != nil || len(answer) != len(asked) {
		t.Errorf("%v, %v, %d bytes", bad, err, len(answer))
	}
	want := []Count{
		{Port: udp(n), Addrs: loopback, Answered: 1, Ignored: 5}, {Port: tcp(n), Addrs: loopback, Answered: 1, Ignored: 3},
	}
	if diff := cmp.Diff(want, l.Counts(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
}

// More connections than the bound are closed at once, and those within it are
// not disturbed.
func TestConnectionsAreBounded(t *testing.T) {
	n := freePort(t)
	l := patient(t, time.Hour, tcp(n))
	for range maxConns {
		dial(t, "tcp4", n)
	}
	over := dial(t, "tcp4", n)
	if _, err := over.Read(make([]byte, 1)); err == nil {
		t.Error("a connection over the bound got something")
	}
	if c := l.Counts()[0]; c.Withheld != 1 || len(l.conns) != maxConns {
		t.Errorf("%+v, %d connections", c, len(l.conns))
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	n := freePort(t)
	patient(t, time.Millisecond, tcp(n))
	c := dial(t, "tcp4", n)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("something came on an idle connection")
	}
}

func TestTakenPortIsTold(t *testing.T) {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	taken, free := ln.Addr().(*net.TCPAddr).AddrPort().Port(), freePort(t)
	l, failed := Open(t.Context(), Config{Key: key(t, secret), Addrs: loopback, Ports: []beacon.Port{tcp(taken), udp(free)}, For: time.Minute})
	defer l.Close()
	if len(failed) != 1 || failed[0].Port != tcp(taken) || !errors.Is(failed[0].Err, ErrInUse) {
		t.Errorf("%+v", failed)
	}
	if c := l.Counts(); len(c) != 1 || c[0].Port != udp(free) {
		t.Errorf("%+v", c)
	}
}
