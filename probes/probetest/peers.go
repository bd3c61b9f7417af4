package probetest

import (
	"bytes"
	"io"
	"net"
	"time"
)

// request waits until the probe has sent something. Peers that answer use it,
// so that an answer does not overtake its request.
func request(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 64<<10))
}

// drain reads until the probe closes. A peer that closes a connection with
// unread data resets it, which is another test.
func drain(conn net.Conn) {
	_, _ = io.Copy(io.Discard, conn)
}

// Mute accepts, reads and says nothing until the probe gives up.
func Mute(conn net.Conn) { drain(conn) }

// Reset resets the connection. It is what a firewall does that lets the
// handshake pass.
func Reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Say returns a peer that waits for a request, answers b, and leaves the
// connection open until the probe closes it.
func Say(b []byte) func(net.Conn) {
	return func(conn net.Conn) {
		request(conn)
		_, _ = conn.Write(b)
		drain(conn)
	}
}

// SayAndClose returns a peer that waits for a request, answers b, and ends its
// half of the connection.
func SayAndClose(b []byte) func(net.Conn) {
	return func(conn net.Conn) {
		request(conn)
		_, _ = conn.Write(b)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		drain(conn)
	}
}

// Greet returns a peer that speaks first, as SSH and SMTP do.
func Greet(b []byte) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Write(b)
		drain(conn)
	}
}

// Endless returns a peer that answers head and then unit again and again, until
// the probe closes.
func Endless(head, unit []byte) func(net.Conn) {
	chunk := bytes.Repeat(unit, 1+16<<10/len(unit))
	return func(conn net.Conn) {
		request(conn)
		_, err := conn.Write(head)
		for err == nil {
			_, err = conn.Write(chunk)
		}
	}
}

// tarpitPause is the trade of a tarpit; no test waits for it.
const tarpitPause = 20 * time.Millisecond

// Tarpit returns a peer that sends unit again and again, one byte at a time,
// for as long as the probe stays.
func Tarpit(unit []byte) func(net.Conn) {
	return func(conn net.Conn) {
		for dripped(conn, unit) {
		}
	}
}

// Drip returns a peer that sends b slowly, one byte at a time, and keeps the
// last byte for itself.
func Drip(b []byte) func(net.Conn) {
	return func(conn net.Conn) {
		if dripped(conn, b[:len(b)-1]) {
			drain(conn)
		}
	}
}

// dripped sends b slowly and reports whether the probe took all of it.
func dripped(conn net.Conn, b []byte) bool {
	tick := time.NewTicker(tarpitPause)
	defer tick.Stop()
	for i := range b {
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return false
		}
		<-tick.C
	}
	return true
}

// Split writes b one byte at a time and without a pause. A right answer in
// small pieces is still a right answer.
func Split(conn net.Conn, b []byte) {
	for i := range b {
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return
		}
	}
}

// noise returns n bytes that begin no protocol. They are the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(0xa7a7a7a7)
	for i := range b {
		b[i] = byte(x >> 24)
		x = x*1664525 + 1013904223
	}
	return b
}
