package socket

import (
	"cmreach/scanner"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dialed dials, or ends the test.
func dialed(t *testing.T, c *Connect, to netip.AddrPort) *conn {
	t.Helper()
	got, r := c.DialTCP(t.Context(), to)
	if got == nil {
		t.Fatalf("dial: %+v", r)
	}
	return got.(*conn)
}

// echoes reports what is wrong with a connection to an echo service.
func echoes(c net.Conn, word string) error {
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	buf := make([]byte, len(word))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	if string(buf) != word {
		return errors.New("read " + string(buf))
	}
	return nil
}

// echoServer gives back what it is told. It has no descriptors but its connections,
// unlike [io.Copy], which keeps pipes.
func echoServer(t *testing.T) netip.AddrPort {
	return listenTCP(t, "127.0.0.1:0", func(c net.Conn) {
		defer c.Close()
		buf := make([]byte, 64)
		for {
			n, err := c.Read(buf)
			if err == nil {
				_, err = c.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	})
}

// TestLineIsUsedAgain: the next connection is held on the same socket, and
// nothing of the last one is left on it.
func TestLineIsUsedAgain(t *testing.T) {
	ends := make(chan error, 1)
	at := listenTCP(t, "127.0.0.1:0", func(c net.Conn) {
		buf := make([]byte, 16)
		n, _ := c.Read(buf)
		_, _ = c.Write(buf[:n])
		_, err := c.Read(buf)
		ends <- err
		c.Close()
	})
	c := open(t, Options{})
	first := dialed(t, c, at)
	l := first.line
	if err := echoes(first, "one"); err != nil {
		t.Fatal(err)
	}
	if err := first.SetDeadline(time.Unix(1, 0)); err != nil { // of this conversation only
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ends; !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the peer saw the end as %v, want a RST", err)
	}
	second := dialed(t, c, at)
	if second.line != l {
		t.Error("the second connection has a socket of its own")
	}
	// Whoever still holds the first one cannot reach the second.
	if err := first.SetDeadline(time.Unix(1, 0)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("deadline of a closed connection: %v", err)
	}
	if _, err := first.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to a closed connection: %v", err)
	}
	if _, err := first.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed connection: %v", err)
	}
	if err := first.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if err := echoes(second, "two"); err != nil {
		t.Error(err)
	}
	second.Close()
	<-ends
	for range 2 { // a refusal is told as by a new socket, and the line is not kept
		if conn, r := c.DialTCP(t.Context(), closedPort(t, "tcp", "127.0.0.1")); conn != nil || r.Outcome != scanner.Refused {
			t.Errorf("closed port: %+v", r)
		}
	}
}

// TestLineInUseIsClosed: whoever reads learns of the end, and the socket is not
// given to another.
func TestLineInUseIsClosed(t *testing.T) {
	at := echoServer(t)
	c := open(t, Options{})
	first := dialed(t, c, at)
	l := first.line
	ended := make(chan error)
	go func() {
		_, err := first.Read(make([]byte, 1))
		ended <- err
	}()
	for reading := false; !reading; {
		first.mu.Lock()
		reading = first.busy > 0
		first.mu.Unlock()
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the reader saw %v", err)
	}
	second := dialed(t, c, at)
	defer second.Close()
	if second.line == l {
		t.Error("a socket that was in use is used again")
	}
	if err := echoes(second, "two"); err != nil {
		t.Error(err)
	}
}

// TestLinesGoWithTheEngine: those that wait are closed, one that is in use lives on.
func TestLinesGoWithTheEngine(t *testing.T) {
	at := echoServer(t)
	before := descriptors(t)
	c, err := NewConnect(Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept, idle := dialed(t, c, at), dialed(t, c, at)
	idle.Close()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := echoes(kept, "still here"); err != nil {
		t.Error(err)
	}
	line := kept.line
	kept.Close()
	if _, err := line.file.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a line came back to an engine that is closed: %v", err)
	}
	sameDescriptors(t, before)
}

// TestManyOnFewLines: conversations that follow each other at once do not see
// each other.
func TestManyOnFewLines(t *testing.T) {
	at := echoServer(t)
	c := open(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 200 {
				conn, r := c.DialTCP(ctx, at)
				if conn == nil {
					t.Errorf("dial: %+v", r)
					return
				}
				if err := echoes(conn, "hello"); err != nil {
					t.Error(err)
				}
				conn.Close()
			}
		})
	}
	all.Wait()
}
