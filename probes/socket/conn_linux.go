package socket

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// conn is a connection that was dialed. [net.FileConn] would make one too, but
// duplicates the descriptor and has it watched twice: a run holds very many
// conversations.
type conn struct {
	*os.File // of a socket that does not block: the runtime waits for it
	peer     netip.AddrPort
	begun    atomic.Bool // something was sent, or the peer is to send first
}

var _ net.Conn = (*conn)(nil)

// newConn takes over a connected descriptor.
func newConn(fd int, peer netip.AddrPort) *conn {
	// What a conversation leaves behind when it closes is of no use to either side:
	// a RST in place of the closing handshake spares both a TIME_WAIT.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // as package net does
	holdACK(fd)
	return &conn{File: os.NewFile(uintptr(fd), "tcp"), peer: peer}
}

// holdACK has the kernel send its ACK with the next data, or not at all when the
// connection is closed before there is any (TCP_QUICKACK, tcp(7)): those who
// take turns need no other, and each would be a packet and work for both sides.
// Before connect() that is the last ACK of the handshake, after it that of the
// first answer; then the kernel finds by itself that turns are taken.
func holdACK(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
}

// sendACK has it sent at once: a peer that is to speak first may not know of the
// connection yet.
func (c *conn) sendACK() {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
}

// Read and Write say what went wrong as the connections of package net do.

func (c *conn) Read(b []byte) (int, error) {
	if !c.begun.Load() && !c.begun.Swap(true) {
		c.sendACK()
	}
	n, err := c.File.Read(b)
	return n, c.failed("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	c.begun.Store(true)
	n, err := c.File.Write(b)
	return n, c.failed("write", err)
}

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
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if sa, err := unix.Getsockname(int(fd)); err == nil {
				at = addrPort(sa)
			}
		})
	}
	return net.TCPAddrFromAddrPort(at)
}

// RemoteAddr is the address and port of the peer.
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }
