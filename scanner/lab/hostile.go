package lab

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"time"
)

// Mute accepts and says nothing, as a connection-terminating middlebox does
// for a host that is not there.
func Mute() Service {
	return Service{Conn: func(_ context.Context, c net.Conn, _ Host) {
		_, _ = io.Copy(io.Discard, c)
	}}
}

// Tarpit answers one byte at a time, one each interval, without an end.
func Tarpit(interval time.Duration) Service {
	return Service{Conn: func(ctx context.Context, c net.Conn, _ Host) {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
			}
		}
	}}
}

// Banner is another program on the port: it greets, and listens no further.
func Banner(text string) Service {
	return Service{Conn: func(_ context.Context, c net.Conn, _ Host) {
		if _, err := io.WriteString(c, text); err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}}
}

// Garbage answers whatever it is sent with noise.
func Garbage() Service {
	return Service{Conn: func(_ context.Context, c net.Conn, _ Host) {
		b := make([]byte, 512)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if _, err := rand.Read(b[:n]); err != nil {
				return
			}
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
		}
	}}
}

// Endless sends noise as fast as it is taken.
func Endless() Service {
	return Service{Conn: func(_ context.Context, c net.Conn, _ Host) {
		_, _ = io.Copy(c, rand.Reader)
	}}
}

// Hangup closes every connection at once.
func Hangup() Service {
	return Service{Conn: func(context.Context, net.Conn, Host) {}}
}

// Reset resets every connection at once.
func Reset() Service {
	return Service{Conn: func(_ context.Context, c net.Conn, _ Host) {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // a close now sends RST; if it fails the peer sees FIN
		}
	}}
}
