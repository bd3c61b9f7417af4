package socket

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// conn is a connection that was dialed. [net.FileConn] would make one too, but
// duplicates the descriptor and has it watched twice: a run holds very many
// conversations.
type conn struct {
	*os.File // of a socket that does not block: the runtime waits for it
	peer     netip.AddrPort
}

var _ net.Conn = (*conn)(nil)

// newConn takes over a connected descriptor.
func newConn(fd int, peer netip.AddrPort) *conn {
	// What a conversation leaves behind when it closes is of no use to either side:
	// a RST in place of the closing handshake spares both a TIME_WAIT.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // as package net does
	return &conn{File: os.NewFile(uintptr(fd), "tcp"), peer: peer}
}

// Read and Write say what went wrong as the connections of package net do.

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.File.Read(b)
	return n, c.failed("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
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
