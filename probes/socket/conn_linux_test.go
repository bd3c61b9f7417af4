package socket

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// quickACK reports whether the kernel sends ACKs at once.
func quickACK(t *testing.T, c net.Conn) bool {
	t.Helper()
	var v int
	var optErr error
	if err := c.(*conn).line.raw.Control(func(fd uintptr) { v, optErr = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK) }); err != nil || optErr != nil {
		t.Fatal(err, optErr)
	}
	return v != 0
}

// TestACKOfTurns looks at who gets an ACK at once: a peer that speaks first,
// which may wait for it, and no other.
func TestACKOfTurns(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello") // first, whatever is asked
		}
	}()
	c, err := NewConnect(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for name, ask := range map[string]bool{"asked first": true, "speaks first": false} {
		conn, r := c.DialTCP(ctx, netip.MustParseAddrPort(listener.Addr().String()))
		if conn == nil {
			t.Fatalf("%+v", r)
		}
		if quickACK(t, conn) {
			t.Errorf("%s: an ACK was to be sent before anything was said", name)
		}
		if ask {
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Error(err)
			}
		}
		greeting := make([]byte, 5)
		if _, err := io.ReadFull(conn, greeting); err != nil || string(greeting) != "hello" {
			t.Errorf("%s: %q, %v", name, greeting, err)
		}
		if got := quickACK(t, conn); got == ask {
			t.Errorf("%s: ACKs are sent at once: %t", name, got)
		}
		conn.Close()
	}
}
