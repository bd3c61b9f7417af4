package socket

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A line is a socket that conversations are held on, one after the other: connect()
// to AF_UNSPEC ends one (see the volley), and the options, the descriptor and
// its place in the runtime's poller stay for the next. That spares half of the
// system calls of a conversation.
//
// An ICMP error that comes while one is held is kept by the kernel until the
// peer acknowledges something (sk_err_soft), beyond the end of the connection. It
// would name the end of an attempt that the kernel gives up; see [Connect.DialTCP].
type line struct {
	file *os.File // of a socket that does not block: the runtime waits for it
	raw  syscall.RawConn
	fd   int
	fam  int  // see family
	used bool // has held a conversation
	once bool // may not hold another
}

// maxIdle is how many lines of a family are kept for the next conversation.
const maxIdle = 256

// takeLine returns a line for the flight: one that has been used, unless a fresh
// one is asked for.
func (c *Connect) takeLine(f *flight, fresh bool) (*line, error) {
	if !f.shot.Addr.IsValid() {
		return nil, errBadAddr
	}
	i, zoned := family(f.shot.Addr), f.shot.Addr.Zone() != "" // which a socket does not forget
	c.mu.Lock()
	if err := c.closedError(); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	if c.opt.window != nil {
		// Only now: the kernel copies every TCP packet for a tap before its filter
		// drops the raw engine's. Without it the TTL of a RST is not seen.
		_ = c.openTap(f.shot.Addr.Is6())
	}
	var l *line
	if n := len(c.lines[i]); n > 0 && !fresh && !zoned {
		l = c.lines[i][n-1]
		c.lines[i][n-1], c.lines[i] = nil, c.lines[i][:n-1]
	}
	c.mu.Unlock()
	if l != nil {
		l.hearErrors(1)
		return l, nil
	}
	l, err := c.openLine(f)
	if err == nil {
		l.fam, l.once = i, zoned
	}
	return l, err
}

// openLine makes a line.
func (c *Connect) openLine(f *flight) (*line, error) {
	fd, err := c.openTCP(f)
	if err != nil {
		return nil, err
	}
	// What a conversation leaves behind when it closes is of no use to either side:
	// a RST in place of the closing handshake spares both a TIME_WAIT.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // as package net does
	l := &line{fd: fd, file: os.NewFile(uintptr(fd), "tcp")}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.close()
		return nil, fmt.Errorf("wait for a socket: %w", err)
	}
	return l, nil
}

// keepLine takes back a line that nobody uses any more.
func (c *Connect) keepLine(l *line) {
	if l.once || !l.hangUp() {
		l.close()
		return
	}
	l.used = true
	c.mu.Lock()
	keep := !c.closed && len(c.lines[l.fam]) < min(maxIdle, c.most/8)
	if keep {
		c.lines[l.fam] = append(c.lines[l.fam], l)
	}
	c.mu.Unlock()
	if !keep {
		l.close()
	}
}

// closeLines closes those that wait. The lock is held.
func (c *Connect) closeLines() {
	for i := range c.lines {
		for _, l := range c.lines[i] {
			l.close()
		}
		c.lines[i] = nil
	}
}

// hangUp ends the connection by a RST, and reports whether there can be another.
// The error that this leaves is taken away at once: while the next attempt begins
// it would be all that the runtime sees of the socket, which then holds the file
// to be of no use (runtime.netpoll).
func (l *line) hangUp() bool {
	var none unix.RawSockaddrInet4                                         // AF_UNSPEC
	if connectRaw(l.fd, unsafe.Pointer(&none), unsafe.Sizeof(none)) != 0 { //nolint:gosec // the call lasts no longer than the variable
		return false
	}
	_, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	return err == nil
}

func (l *line) close() { _ = l.file.Close() }

// hearErrors says whether ICMP errors are queued. That is for the handshake
// only: from then on one must not tear the connection down at once (RFC 1122
// 4.2.3.9).
func (l *line) hearErrors(on int) {
	level, name := unix.IPPROTO_IP, unix.IP_RECVERR
	if l.fam != 0 {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	_ = unix.SetsockoptInt(l.fd, level, name, on)
}
