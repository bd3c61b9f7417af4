package probetest

import (
	"cmreach/scanner"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// guard ends a test that hangs. It is no measure: nothing right comes near it.
const guard = 60 * time.Second

// closing is how long a connection may take to be closed in the background.
const closing = 10 * time.Second

// watch keeps account of the connections that a probe opens.
type watch struct {
	read atomic.Int64 // bytes that the probe took from its peers

	mu    sync.Mutex
	conns []*watchedConn
}

// dialer wraps the dial function of a call.
func (w *watch) dialer(dial func(context.Context) (net.Conn, scanner.Reply)) func(context.Context) (net.Conn, scanner.Reply) {
	return func(ctx context.Context) (net.Conn, scanner.Reply) {
		conn, reply := dial(ctx)
		if conn == nil {
			return nil, reply
		}
		watched := &watchedConn{Conn: conn, watch: w, closed: make(chan struct{})}
		w.mu.Lock()
		w.conns = append(w.conns, watched)
		w.mu.Unlock()
		return watched, reply
	}
}

// opened is the number of connections that came about.
func (w *watch) opened() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// check fails the test unless every connection was closed and the probe read
// within its bounds. A probe may close in the background (net/http does),
// therefore it waits.
func (w *watch) check(t reporter) {
	t.Helper()
	if n := w.read.Load(); n > maxRead {
		t.Errorf("the probe took %d bytes from its peer, want at most %d", n, maxRead)
	}
	w.mu.Lock()
	conns := w.conns
	w.mu.Unlock()
	for i, conn := range conns {
		select {
		case <-conn.closed:
		case <-time.After(closing):
			t.Errorf("connection %d of %d was not closed", i+1, len(conns))
			_ = conn.Close()
		}
	}
}

type watchedConn struct {
	net.Conn
	watch  *watch
	once   sync.Once
	closed chan struct{}
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.watch.read.Add(int64(n))
	return n, err
}

func (c *watchedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}
