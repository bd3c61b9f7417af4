package socket

import (
	"cmreach/scanner"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serveUDP calls answer for every datagram until the test ends.
func serveUDP(t *testing.T, host string, answer func(own net.PacketConn, from net.Addr, b []byte)) netip.AddrPort {
	t.Helper()
	u := udpSocket(t, host)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			answer(u, from, slices.Clone(buf[:n]))
		}
	}()
	t.Cleanup(func() { u.Close(); <-done })
	return port(t, u.LocalAddr())
}

func udpSocket(t *testing.T, host string) net.PacketConn {
	t.Helper()
	u, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

func TestUDPLocalPort(t *testing.T) {
	for _, host := range loopbacks {
		t.Run(host, func(t *testing.T) {
			whence := func(own net.PacketConn, from net.Addr, _ []byte) { _, _ = own.WriteTo([]byte(from.String()), from) }
			servers := []netip.AddrPort{serveUDP(t, host, whence)}
			if runtime.GOOS == "linux" { // there our sockets share the port
				servers = append(servers, serveUDP(t, host, whence), serveUDP(t, host, whence))
			}
			want := closedPort(t, "udp", host)
			c := open(t, Options{InFlight: 16})
			var shots []scanner.Shot
			for i, s := range servers {
				shots = append(shots, scanner.Shot{
					Key: uint64(i), Addr: s.Addr(), Port: s.Port(), Protocol: scanner.UDP, Payload: []byte("x"),
					UDP: scanner.UDPSocket{LocalPort: want.Port()}, Wait: time.Minute,
				})
			}
			sendAll(t, c, shots)
			for key, r := range receive(t, c, len(shots)) {
				if r.Outcome != scanner.Answered || string(r.Payload) != want.String() {
					t.Errorf("shot %d: got %+v from %q, want it from %s", key, r, r.Payload, want)
				}
			}
		})
	}
}

func TestUDPLocalPortInUse(t *testing.T) {
	for _, host := range loopbacks {
		t.Run(host, func(t *testing.T) {
			taken := port(t, udpSocket(t, host).LocalAddr())
			to := serveUDP(t, host, func(net.PacketConn, net.Addr, []byte) {})
			c := open(t, Options{InFlight: 16})
			for key, need := range []scanner.UDPSocket{{LocalPort: taken.Port()}, {LocalPort: taken.Port(), AnyPort: true}} {
				sendAll(t, c, []scanner.Shot{{Key: uint64(key), Addr: to.Addr(), Port: to.Port(), Protocol: scanner.UDP, UDP: need, Wait: time.Minute}})
			}
			for key, r := range receive(t, c, 2) {
				if r.Outcome != scanner.LocalError || !r.Temporary || !strings.Contains(r.Err, "is in use by another program") {
					t.Errorf("shot %d: got %+v", key, r)
				}
			}
		})
	}
}

func TestPortError(t *testing.T) {
	for _, tt := range []struct {
		err       error
		want      string
		temporary bool
	}{
		{syscall.EADDRINUSE, "UDP port 68 of this machine, where the answer goes, is in use by another program: ", true},
		{syscall.EACCES, "no right to use UDP port 68 of this machine", false},
		{errors.New("odd"), "UDP port 68 of this machine, where the answer goes, cannot be used: odd", false},
	} {
		e := &portError{port: 68, err: tt.err}
		if !strings.HasPrefix(e.Error(), tt.want) || e.temporary() != tt.temporary || !errors.Is(e, tt.err) {
			t.Errorf("%v: %q, temporary %t", tt.err, e, e.temporary())
		}
	}
}

// TestUDPAnyPort: the answer comes from another port; what others send does not
// count, and without AnyPort it does not count either.
func TestUDPAnyPort(t *testing.T) {
	for _, host := range loopbacks {
		t.Run(host, func(t *testing.T) {
			other := udpSocket(t, host)
			server := serveUDP(t, host, func(own net.PacketConn, from net.Addr, _ []byte) {
				if host == "127.0.0.1" && namesSender {
					stranger, err := net.ListenPacket("udp", "127.0.0.2:0")
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = stranger.WriteTo([]byte("stranger"), from)
					stranger.Close()
				}
				_, _ = other.WriteTo([]byte("other port"), from)
				_, _ = own.WriteTo([]byte("own port"), from)
			})
			closed := closedPort(t, "udp", host)
			c := open(t, Options{InFlight: 16})
			shot := func(key uint64, to netip.AddrPort, any bool) scanner.Shot {
				return scanner.Shot{Key: key, Addr: to.Addr(), Port: to.Port(), Protocol: scanner.UDP, UDP: scanner.UDPSocket{AnyPort: any}, Wait: time.Minute}
			}
			sendAll(t, c, []scanner.Shot{shot(1, server, true), shot(2, server, false)})
			got := receive(t, c, 2)
			for key, want := range map[uint64]string{1: "other port", 2: "own port"} {
				if r := got[key]; r.Outcome != scanner.Answered || string(r.Payload) != want || r.From != server.Addr() {
					t.Errorf("shot %d: got %+v with %q, want %q", key, r, r.Payload, want)
				}
			}
			if !namesSender {
				return // an error finds a socket that is connected only
			}
			sendAll(t, c, []scanner.Shot{shot(3, closed, true)})
			if r := receive(t, c, 1)[3]; r.Outcome != scanner.Rejected || r.ICMP != noSocket(host) || r.From != closed.Addr() {
				t.Errorf("closed port: got %+v", r)
			}
		})
	}
}

// noSocket is what a host of that address says of a datagram for which it has no
// socket (RFC 792, RFC 4443 3.1).
func noSocket(host string) scanner.ICMPError {
	if host == "::1" {
		return scanner.ICMPError{Type: 1, Code: 4}
	}
	return scanner.ICMPError{Type: 3, Code: 3}
}

func TestUDPAnyPortNoRoute(t *testing.T) {
	c := open(t, Options{InFlight: 16})
	to := netip.MustParseAddr("255.255.255.255") // needs SO_BROADCAST, which we do not ask for
	sendAll(t, c, []scanner.Shot{{Key: 1, Addr: to, Port: 9, Protocol: scanner.UDP, UDP: scanner.UDPSocket{AnyPort: true}, Wait: time.Minute}})
	if r := receive(t, c, 1)[1]; r.Outcome != scanner.LocalError || r.Err == "" || r.Temporary {
		t.Errorf("got %+v", r)
	}
}

// TestUDPAlso: both datagrams leave from one socket, and the answer to either counts.
func TestUDPAlso(t *testing.T) {
	for _, host := range loopbacks {
		for _, known := range []string{"first", "second"} {
			t.Run(host+" "+known, func(t *testing.T) {
				server := serveUDP(t, host, func(own net.PacketConn, from net.Addr, b []byte) {
					if string(b) == known {
						_, _ = own.WriteTo(b, from)
					}
				})
				c := open(t, Options{InFlight: 16})
				shot := scanner.Shot{
					Addr: server.Addr(), Port: server.Port(), Protocol: scanner.UDP, Wait: time.Minute,
					Payload: []byte("first"), Also: []byte("second"),
				}
				closed := shot
				closed.Key, closed.Port = 1, closedPort(t, "udp", host).Port()
				sendAll(t, c, []scanner.Shot{shot, closed})
				got := receive(t, c, 2)
				if r := got[0]; r.Outcome != scanner.Answered || string(r.Payload) != known {
					t.Errorf("got %+v with %q, want %q", r, r.Payload, known)
				}
				if r := got[1]; r.Outcome != scanner.Rejected {
					t.Errorf("closed port: got %+v", r)
				}
			})
		}
	}
}

func TestSource(t *testing.T) {
	c := open(t, Options{})
	for _, host := range loopbacks {
		a := netip.MustParseAddr(host)
		if got := c.Source(a); got != a {
			t.Errorf("to %s from %s", a, got)
		}
	}
	if got := c.Source(netip.MustParseAddr("::ffff:127.0.0.1")); got != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("from %s", got)
	}
	if got := c.Source(netip.Addr{}); got.IsValid() {
		t.Errorf("to nowhere from %s", got)
	}
	own := netip.MustParseAddr("127.0.0.9")
	if got := open(t, Options{Source4: own}).Source(netip.MustParseAddr("127.0.0.1")); got != own {
		t.Errorf("from %s, want %s", got, own)
	}
}
