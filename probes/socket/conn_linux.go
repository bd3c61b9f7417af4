package socket

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a connection that was dialed: a line, for as long as it is not closed.
// [net.FileConn] would make one too, but duplicates the descriptor and has it
// watched twice: a run holds very many conversations.
type conn struct {
	owner *Connect
	peer  netip.AddrPort
	begun atomic.Bool // something was sent, or the peer is to send first

	mu    sync.Mutex
	line  *line // nil: closed
	busy  int   // calls that use it
	timed bool  // it has deadlines
}

var _ net.Conn = (*conn)(nil)

// holdACK has the kernel send its ACK with the next data, or not at all when the
// connection is closed before there is any (TCP_QUICKACK, tcp(7)): those who
// take turns need no other, and each would be a packet and work for both sides.
// After connect() that is the ACK of the first answer; then the kernel finds by
// itself that turns are taken. The last ACK of the handshake is held back by an
// option that lasts: see [Connect.setUpFlow].
func holdACK(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
}

// sendACK has it sent at once: a peer that is to speak first may not know of the
// connection yet.
func (l *line) sendACK() {
	_ = l.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
}

// use returns the line for a call, which ends with done.
func (c *conn) use() (*line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == nil {
		return nil, os.ErrClosed
	}
	c.busy++
	return c.line, nil
}

func (c *conn) done() {
	c.mu.Lock()
	c.busy--
	c.mu.Unlock()
}

// Read and Write say what went wrong as the connections of package net do.

func (c *conn) Read(b []byte) (int, error) {
	l, err := c.use()
	if err != nil {
		return 0, c.failed("read", err)
	}
	defer c.done()
	if !c.begun.Load() && !c.begun.Swap(true) {
		l.sendACK()
	}
	n, err := l.file.Read(b)
	return n, c.failed("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	l, err := c.use()
	if err != nil {
		return 0, c.failed("write", err)
	}
	defer c.done()
	c.begun.Store(true)
	n, err := l.file.Write(b)
	return n, c.failed("write", err)
}

// Close ends the connection. Its line waits for the next, unless somebody still
// waits on it: they must learn of the end.
func (c *conn) Close() error {
	c.mu.Lock()
	l, busy, timed := c.line, c.busy > 0, c.timed
	c.line = nil
	c.mu.Unlock()
	switch {
	case l == nil:
		return c.failed("close", os.ErrClosed)
	case busy, timed && l.file.SetDeadline(time.Time{}) != nil:
		l.close()
	default:
		c.owner.keepLine(l)
	}
	return nil
}

// SetDeadline, SetReadDeadline and SetWriteDeadline set when waiting ends.
// Nothing that is late sets one for the line's next connection.

func (c *conn) SetDeadline(t time.Time) error { return c.setDeadline((*os.File).SetDeadline, t) }

func (c *conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline((*os.File).SetReadDeadline, t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline((*os.File).SetWriteDeadline, t)
}

func (c *conn) setDeadline(set func(*os.File, time.Time) error, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == nil {
		return c.failed("set", os.ErrClosed)
	}
	c.timed = true
	return c.failed("set", set(c.line.file, t))
}

// giveUp ends what waits for the peer.
func (c *conn) giveUp() { _ = c.SetDeadline(time.Unix(1, 0)) }

func (c *conn) failed(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if p, ok := errors.AsType[*os.PathError](err); ok {
		err = p.Err
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	if e, ok := errors.AsType[unix.Errno](err); ok {
		err = os.NewSyscallError(op, e)
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: net.TCPAddrFromAddrPort(c.peer), Err: err}
}

// LocalAddr is the address and port that this machine sends from.
func (c *conn) LocalAddr() net.Addr {
	var at netip.AddrPort
	if l, err := c.use(); err == nil {
		_ = l.raw.Control(func(fd uintptr) {
			if sa, err := unix.Getsockname(int(fd)); err == nil {
				at = addrPort(sa)
			}
		})
		c.done()
	}
	return net.TCPAddrFromAddrPort(at)
}

// RemoteAddr is the address and port of the peer.
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }
