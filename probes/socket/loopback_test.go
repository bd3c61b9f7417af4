package socket

import (
	"cmreach/scanner"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// namesSender: on Linux the sender of an ICMP error is known.
const namesSender = runtime.GOOS == "linux"

var loopbacks = []string{"127.0.0.1", "::1"}

// port returns the address of something that listens.
func port(t *testing.T, a net.Addr) netip.AddrPort {
	t.Helper()
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return ap
}

// listenTCP serves on an address with a port until the test ends.
func listenTCP(t *testing.T, addr string, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return port(t, l.Addr())
}

// closedPort returns a port that was free a moment ago.
func closedPort(t *testing.T, network, host string) netip.AddrPort {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket(network, net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return port(t, c.LocalAddr())
	}
	l, err := net.Listen(network, net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return port(t, l.Addr())
}

// echoUDP returns every datagram to its sender until the test ends.
func echoUDP(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(buf[:n], from)
		}
	}()
	t.Cleanup(func() { u.Close(); <-done })
	return port(t, u.LocalAddr())
}

func TestLoopback(t *testing.T) {
	for _, host := range loopbacks {
		t.Run(host, func(t *testing.T) {
			accepting := listenTCP(t, net.JoinHostPort(host, "0"), func(c net.Conn) { c.Close() })
			resetting := listenTCP(t, net.JoinHostPort(host, "0"), func(c net.Conn) {
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			})
			c := open(t, Options{InFlight: 64})
			shot := func(key uint64, p scanner.Protocol, to netip.AddrPort, payload string) scanner.Shot {
				return scanner.Shot{Key: key, Addr: to.Addr(), Port: to.Port(), Protocol: p, Payload: []byte(payload), Wait: time.Minute}
			}
			udp := echoUDP(t, net.JoinHostPort(host, "0"))
			sendAll(t, c, []scanner.Shot{
				shot(1, scanner.TCP, accepting, ""),
				shot(2, scanner.TCP, resetting, ""),
				shot(3, scanner.TCP, closedPort(t, "tcp", host), ""),
				shot(4, scanner.UDP, udp, "hello"),
				shot(5, scanner.UDP, closedPort(t, "udp", host), "hello"),
				shot(6, scanner.UDP, udp, ""),
				shot(7, scanner.UDP, udp, strings.Repeat("x", maxAnswer+1000)),
				shot(8, scanner.ProtocolUnknown, udp, ""),
				{Key: 9, Protocol: scanner.TCP, Port: 1},
				shot(10, scanner.ICMP, udp, ""),
			})
			got := receive(t, c, 10)
			want := map[uint64]scanner.Outcome{
				1: scanner.Answered, 2: scanner.Answered, 3: scanner.Refused, 4: scanner.Answered, 5: scanner.Rejected,
				6: scanner.Answered, 7: scanner.Answered, 8: scanner.LocalError, 9: scanner.LocalError,
			}
			want[10] = scanner.Answered
			if strings.Contains(strings.Join(c.Notes(), "\n"), "no ICMP echo") {
				want[10] = scanner.LocalError
			}
			for key, o := range want {
				from := netip.MustParseAddr(host)
				if o == scanner.LocalError || o == scanner.Rejected && !namesSender {
					from = netip.Addr{}
				}
				if got[key].Outcome != o || got[key].From != from {
					t.Errorf("shot %d: got %+v, want %s", key, got[key], o)
				}
			}
			if got[5].ICMP != noSocket(host) {
				t.Errorf("closed UDP port: got ICMP %+v", got[5].ICMP)
			}
			if string(got[4].Payload) != "hello" || len(got[6].Payload) != 0 || len(got[7].Payload) != maxAnswer {
				t.Errorf("got answers of %d, %d and %d bytes", len(got[4].Payload), len(got[6].Payload), len(got[7].Payload))
			}
		})
	}
}

func TestDialTCP(t *testing.T) {
	echo := listenTCP(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = io.Copy(c, c)
		c.Close()
	})
	c := open(t, Options{Source4: netip.MustParseAddr("127.0.0.9")})
	conn, r := c.DialTCP(t.Context(), echo)
	if conn == nil || r.Outcome != scanner.Answered || r.From != echo.Addr() || r.At.Before(r.Sent) {
		t.Fatalf("got %+v", r)
	}
	if got := conn.LocalAddr().(*net.TCPAddr).IP.String(); got != "127.0.0.9" {
		t.Errorf("sent from %s", got)
	}
	if _, err := io.WriteString(conn, "ping"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "ping" {
		t.Errorf("read %q, %v", buf, err)
	}
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	var timeout net.Error
	if _, err := conn.Read(buf); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("deadlines do not work: %v", err)
	}
	conn.Close()
	if conn, r := c.DialTCP(t.Context(), closedPort(t, "tcp", "127.0.0.1")); conn != nil || r.Outcome != scanner.Refused {
		t.Errorf("closed port: %+v", r)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, r := c.DialTCP(ended, echo); conn != nil || r.Outcome != scanner.Silent {
		t.Errorf("with a context that has ended: %+v", r)
	}
}

func TestSourceNotOurs(t *testing.T) {
	_, err := NewConnect(Options{Source4: netip.MustParseAddr("198.18.255.1")})
	if err == nil || !strings.Contains(err.Error(), "198.18.255.1") {
		t.Errorf("got %v", err)
	}
	for _, o := range []Options{{Source4: netip.IPv6Loopback()}, {Source6: netip.MustParseAddr("127.0.0.1")}, {InFlight: -1}} {
		if _, err := NewConnect(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestRoomFor(t *testing.T) {
	for _, tt := range []struct {
		asked int
		limit uint64
		want  int
		note  bool
	}{
		{0, 1024, 704, false},
		{0, 1 << 30, 12288, false},
		{0, 20000, 12288, false},
		{0, 64, 8, false},
		{100, 1024, 100, false},
		{5000, 1024, 704, true},
	} {
		got, note := roomFor(tt.asked, tt.limit)
		if got != tt.want || (note != "") != tt.note {
			t.Errorf("%d of %d: got %d %q, want %d", tt.asked, tt.limit, got, note, tt.want)
		}
	}
}

// open makes an engine that ends with the test.
func open(t *testing.T, opt Options) *Connect {
	t.Helper()
	c, err := NewConnect(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// sendAll offers shots until all are taken. The caller sends no more than fit.
func sendAll(t *testing.T, c scanner.Sweeper, shots []scanner.Shot) {
	t.Helper()
	n, err := c.Send(shots)
	if err != nil || n != len(shots) {
		t.Fatalf("took %d of %d shots: %v", n, len(shots), err)
	}
}

// receive waits for that many replies; more than one for a key is an error.
func receive(t *testing.T, c scanner.Sweeper, want int) map[uint64]scanner.Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := make(map[uint64]scanner.Reply)
	buf := make([]scanner.Reply, 64)
	for len(got) < want {
		n, err := c.Receive(ctx, buf)
		if err != nil {
			t.Errorf("after %d of %d replies: %v", len(got), want, err)
			return got
		}
		for _, r := range buf[:n] {
			first, twice := got[r.Key]
			if (r.To.IsValid() || first.To.IsValid()) && first.Outcome == r.Outcome {
				continue // sendmmsg(2) tells of a packet that fails only when it is the first; it is then sent again
			}
			if twice {
				t.Errorf("second reply for key %d: %+v", r.Key, r)
			}
			got[r.Key] = r
		}
	}
	return got
}
