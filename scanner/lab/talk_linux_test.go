package lab_test

import (
	"cmreach/scanner/lab"
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// nameTeller says the host's name and hangs up.
func nameTeller() lab.Service {
	return lab.Service{Conn: func(_ context.Context, c net.Conn, h lab.Host) { _, _ = io.WriteString(c, h.Computer) }}
}

// readAll connects and reads until the peer hangs up.
func readAll(ctx context.Context, to netip.AddrPort) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return string(b), err
}

// burst sends datagrams and counts the answers.
func burst(t *testing.T, to netip.AddrPort, n int) (answers int) {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range n {
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 100)
	for {
		if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(b); err != nil {
			return answers
		}
		answers++
	}
}
