//go:build !linux

package socket

import (
	"cmreach/scanner"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Connect is the portable engine: it implements [scanner.Sweeper] and
// [scanner.Dialer]. On this system the dialers of package net do the work, one
// goroutine for each shot in flight, and only error numbers tell how it ended.
type Connect struct {
	opt     Options
	most    int
	notes   []string
	replies *replyQueue
	echo    [2]*echoConn

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	flying int
}

// Interfaces that Connect is made for.
var (
	_ scanner.Sweeper = (*Connect)(nil)
	_ scanner.Dialer  = (*Connect)(nil)
)

// assumedFiles stands for the limit of open files: Windows has none that
// matters, and package os raises it elsewhere at the start of the program.
const assumedFiles = 2048

// NewConnect opens the engine. What it may not do on this machine is no
// error: see Notes.
func NewConnect(opt Options) (*Connect, error) {
	opt, err := opt.checked()
	if err != nil {
		return nil, err
	}
	if err := checkSources(opt); err != nil {
		return nil, err
	}
	c := &Connect{opt: opt, replies: newReplyQueue()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	var note string
	if c.most, note = roomFor(opt.InFlight, assumedFiles); note != "" {
		c.notes = append(c.notes, note)
	}
	c.notes = append(
		c.notes,
		"sender, type and code of ICMP errors to TCP and UDP not visible on this system: who rejects is not named",
		"TCP port unreachable is not told from a reset, network unreachable not from a missing route, and a TTL that expires not from host unreachable on this system",
		"TTL of TCP answers not visible on this system",
		"hop limits for TCP and UDP are not possible on this system",
	)
	c.openEchoes()
	return c, nil
}

// Notes says in plain words what this machine, or this user's rights, do not allow.
func (c *Connect) Notes() []string { return append([]string(nil), c.notes...) }

// InFlight is the highest number of shots that wait for an answer at one time.
func (c *Connect) InFlight() int { return c.most }

// Hindsight is 0: that this machine drops what is sent is known at once, or never.
func (c *Connect) Hindsight() time.Duration { return 0 }

// Send starts shots; see [scanner.Sweeper]. A shot that cannot be sent gets a
// LocalError reply, so one bad address does not end the run.
func (c *Connect) Send(shots []scanner.Shot) (int, error) {
	for i, s := range shots {
		s.Addr = s.Addr.Unmap()
		if s.Wait <= 0 {
			s.Wait = defaultWait
		}
		ok, err := c.enter()
		if err != nil || !ok {
			return i, err
		}
		go c.fly(s)
	}
	return len(shots), nil
}

// enter takes a place for a shot, if there is one.
func (c *Connect) enter() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, net.ErrClosed
	}
	if c.flying+c.replies.len() >= c.most {
		return false, nil
	}
	c.flying++
	c.wg.Add(1)
	return true, nil
}

// fly sends one shot and waits for what comes.
func (c *Connect) fly(s scanner.Shot) {
	defer c.wg.Done()
	ctx, cancel := context.WithTimeout(c.ctx, s.Wait)
	defer cancel()
	sent := time.Now()
	var r scanner.Reply
	switch {
	case !s.Addr.IsValid():
		r = scanner.Reply{Outcome: scanner.LocalError, Err: errBadAddr.Error()}
	case s.Protocol == scanner.ICMP:
		r = c.ping(ctx, s)
	case s.HopLimit != 0:
		r = scanner.Reply{Outcome: scanner.LocalError, Err: "hop limits for TCP and UDP are not possible on this system"}
	case s.Protocol == scanner.TCP:
		var conn net.Conn
		if conn, r = c.DialTCP(ctx, netip.AddrPortFrom(s.Addr, s.Port)); conn != nil {
			if t, ok := conn.(*net.TCPConn); ok {
				_ = t.SetLinger(0) // RST: leaves no TIME_WAIT
			}
			_ = conn.Close()
		}
		if r.Outcome == scanner.Cut { // for a single packet the acceptance counts
			r.Outcome, r.Err = scanner.Answered, ""
		}
	case s.Protocol == scanner.UDP:
		r = c.ask(ctx, s)
	default:
		r = scanner.Reply{Outcome: scanner.LocalError, Err: "protocol " + s.Protocol.String() + " cannot be sent"}
	}
	r.Key, r.Sent, r.At = s.Key, sent, time.Now()
	c.mu.Lock()
	c.flying--
	if r.Outcome != scanner.Silent && !c.closed {
		c.replies.put(r)
	}
	c.mu.Unlock()
}

// Receive waits for replies; see [scanner.Sweeper].
func (c *Connect) Receive(ctx context.Context, replies []scanner.Reply) (int, error) {
	return c.replies.take(ctx, replies)
}

// DialTCP connects; see [scanner.Dialer].
func (c *Connect) DialTCP(ctx context.Context, to netip.AddrPort) (net.Conn, scanner.Reply) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	var d net.Dialer
	if src := c.opt.source(to.Addr()); src.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(src, 0))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	sent := time.Now()
	conn, err := d.DialContext(ctx, "tcp", to.String())
	r := scanner.Reply{Outcome: scanner.Answered, From: to.Addr()}
	if err != nil {
		r = c.failed(ctx, to.Addr(), scanner.TCP, err)
	}
	r.Sent, r.At = sent, time.Now()
	return conn, r
}

// ask sends a datagram and waits for the first answer.
func (c *Connect) ask(ctx context.Context, s scanner.Shot) scanner.Reply {
	conn, err := c.openUDP(ctx, s)
	if err != nil {
		return c.failed(ctx, s.Addr, scanner.UDP, err)
	}
	defer conn.Close() //nolint:errcheck // nothing was buffered
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	reportUnreachable(conn)
	datagrams := [][]byte{s.Payload}
	if s.Also != nil {
		datagrams = append(datagrams, s.Also)
	}
	for _, b := range datagrams {
		if err := send(conn, s, b); err != nil {
			return c.failed(ctx, s.Addr, scanner.UDP, err)
		}
	}
	buf := make([]byte, maxAnswer)
	n, err := hear(conn, s, buf)
	// A datagram that is longer than the buffer is an error on Windows.
	if err != nil && n < len(buf) {
		return c.failed(ctx, s.Addr, scanner.UDP, err)
	}
	return scanner.Reply{Outcome: scanner.Answered, From: s.Addr, Payload: buf[:n]}
}

// failed says what an error means.
func (c *Connect) failed(ctx context.Context, to netip.Addr, p scanner.Protocol, err error) scanner.Reply {
	if c.ctx.Err() != nil {
		return scanner.Reply{Outcome: scanner.LocalError, Err: net.ErrClosed.Error()}
	}
	if p, ok := errors.AsType[*portError](err); ok {
		return scanner.Reply{Outcome: scanner.LocalError, Err: p.Error(), Temporary: p.temporary()}
	}
	var timeout net.Error
	if ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout() {
		return scanner.Reply{Outcome: scanner.Silent}
	}
	var e syscall.Errno
	if !errors.As(err, &e) {
		return scanner.Reply{Outcome: scanner.LocalError, Err: err.Error()}
	}
	r := classify(e, p)
	switch {
	case r.Outcome == scanner.LocalError:
		r.Err = err.Error()
	case r.Outcome == scanner.Rejected && p == scanner.UDP && r.ICMP != (scanner.ICMPError{}):
		r.ICMP = portUnreachable(to.Is6())
	case r.Outcome == scanner.Refused, r.Outcome == scanner.Cut:
		r.From = to
	}
	return r
}

// Close ends everything: shots in flight get no reply, connections that are
// being dialed end with a LocalError, Send and Receive return [net.ErrClosed].
// Connections that were handed out live on.
func (c *Connect) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.replies.close()
	for _, e := range c.echo {
		if e != nil {
			_ = e.conn.Close()
		}
	}
	c.wg.Wait()
	return nil
}

// portUnreachable is what a machine says that has no socket for a datagram.
func portUnreachable(v6 bool) scanner.ICMPError {
	if v6 {
		return scanner.ICMPError{Type: icmp6Unreachable, Code: icmp6PortCode}
	}
	return scanner.ICMPError{Type: icmp4Unreachable, Code: icmp4PortCode}
}
