package socket

import (
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// firstResend is when the kernel sends the SYN again (RFC 6298 2.1), less a little.
// Before that it gives no attempt up.
const firstResend = synTimeout - 100*time.Millisecond

// DialTCP connects by an own socket, so that the reply can name who rejected
// it; see [scanner.Dialer].
func (c *Connect) DialTCP(ctx context.Context, to netip.AddrPort) (net.Conn, scanner.Reply) {
	f := &flight{
		shot: scanner.Shot{Addr: to.Addr().Unmap(), Port: to.Port(), Protocol: scanner.TCP},
		sent: time.Now(),
	}
	if ctx.Err() != nil {
		return nil, f.reply(scanner.Silent, netip.Addr{})
	}
	for fresh := false; ; fresh = true {
		l, err := c.takeLine(f, fresh)
		if err != nil {
			return nil, localError(0, f.shot.Addr, f.sent, err)
		}
		conn, r := c.dial(ctx, l, f)
		if conn != nil {
			return conn, r
		}
		l.close()
		// The kernel may have given up, and told the error of an earlier conversation.
		stale := l.used && r.Outcome != scanner.Silent && r.ICMP == (scanner.ICMPError{}) && time.Since(f.sent) > firstResend
		if !stale || ctx.Err() != nil {
			return nil, r
		}
	}
}

// dial connects a line.
func (c *Connect) dial(ctx context.Context, l *line, f *flight) (net.Conn, scanner.Reply) {
	conn := &conn{owner: c, line: l, peer: netip.AddrPortFrom(f.shot.Addr.WithZone(""), f.shot.Port)}
	r := c.connect(ctx, conn, f)
	if r.Outcome != scanner.Answered {
		return nil, r
	}
	l.hearErrors(0)
	holdACK(l.fd)
	return conn, r
}

// connect sends the SYN and waits until the attempt has ended: by an answer, an
// ICMP error, or because nobody waits any longer.
func (c *Connect) connect(ctx context.Context, conn *conn, f *flight) scanner.Reply {
	l := conn.line
	f.fd, f.pooled = l.fd, l.used
	var r scanner.Reply
	begun, forget := false, func() {}
	defer func() { forget() }()
	err := l.raw.Write(func(uintptr) (ended bool) {
		if begun {
			r, ended = c.look(f, true)
			return ended
		}
		begun = true // here, so that the runtime misses nothing that follows
		f.sent = time.Now()
		if err := l.begin(f.shot); err != nil {
			r = localError(0, f.shot.Addr, f.sent, fmt.Errorf("connect: %w", err))
			return true
		}
		if r, ended = c.look(f, false); !ended { // a near peer has answered already
			forget = c.await(ctx, conn)
		}
		return ended
	})
	if err == nil {
		return r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.closedError(); err != nil {
		return localError(0, f.shot.Addr, f.sent, err)
	}
	return c.unheard(f)
}

// await sees to it that the wait for the peer ends with ctx, or with the engine,
// until forget is called.
func (c *Connect) await(ctx context.Context, conn *conn) (forget func()) {
	stop := context.AfterFunc(ctx, conn.giveUp)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialing[conn] = struct{}{}; c.closed {
		conn.giveUp()
	}
	return func() {
		stop()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.dialing, conn)
	}
}

// begin is connect(2).
func (l *line) begin(s scanner.Shot) error {
	if l.once {
		to, err := sockaddr(s.Addr, s.Port)
		if err == nil {
			err = unix.Connect(l.fd, to)
		}
		if errors.Is(err, unix.EINPROGRESS) {
			err = nil
		}
		return err
	}
	if errno := connectFD(l.fd, s.Addr, s.Port); errno != 0 && !errors.Is(errno, unix.EINPROGRESS) {
		return errno
	}
	return nil
}

// look sees whether the attempt has ended. It reads the error queue when that
// may hold something: when it has ended, or the kernel said that something
// happened.
func (c *Connect) look(f *flight, stirred bool) (scanner.Reply, bool) {
	s, err := readAttempt(f.fd)
	switch {
	case err != nil:
		return localError(0, f.shot.Addr, f.sent, fmt.Errorf("read the socket's state: %w", err)), true
	case s.connected():
		return f.answered(s.took), true
	case !stirred && !s.ended():
		return scanner.Reply{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.byICMP(f); ok || !s.ended() {
		return r, ok
	}
	if t := c.tap[family(f.shot.Addr)]; t != nil && f.readLocal() == nil {
		t.drain(c.scratch, c.noteTTL)
		f.ttlReset = c.resets.ttl(f.ports())
	}
	return c.failure(f), true
}

// resets remembers the TTL of RST packets that the tap saw, and that belong to no
// shot.
type resets struct {
	seen [64]struct {
		ports
		ttl uint8
	}
	next int
}

func (r *resets) note(p ports, ttl uint8) {
	at := &r.seen[r.next%len(r.seen)]
	at.ports, at.ttl = p, ttl
	r.next++
}

// ttl is that of the latest; 0: there is none.
func (r *resets) ttl(p ports) uint8 {
	for i := 1; i <= min(r.next, len(r.seen)); i++ {
		if at := &r.seen[(r.next-i)%len(r.seen)]; at.ports == p {
			return at.ttl
		}
	}
	return 0
}
