package socket

import (
	"cmreach/scanner"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Connect is the portable engine: it implements [scanner.Sweeper] and
// [scanner.Dialer]. All sockets are its own; one goroutine waits for them all.
type Connect struct {
	opt   Options
	most  int // shots in flight
	notes []string

	poll int // epoll
	wake int // eventfd that ends an epoll_wait early
	echo [2]*echoSocket
	tap  [2]*ttlTap // nil without CAP_NET_RAW, and for as long as nothing is dialed beside the raw engine
	own  map[netip.Addr]bool

	replies *replyQueue
	done    chan struct{} // the loop has ended

	mu      sync.Mutex
	closed  bool
	sleep   time.Time // when the loop wakes by itself; zero: it is awake or sleeps for ever
	asleep  bool
	age     int32 // distinguishes flights that get the same descriptor one after the other
	flying  int   // sweep shots in flight
	flights map[int]*flight
	byPorts map[ports]*flight
	byEcho  map[*pendingEcho]*flight
	due     deadlines // of the flights that must be waited for
	over    deadlines // of those that may be given up for want of room
	looks   []look    // at flights, in order
	scratch []byte
	crowded *neighbourWatch
	dead    []grave
	idle    [2][]*flight    // whose sockets wait for the next shot of the family
	resting []*flight       // whose sockets are to be dissolved
	tiring  int             // how many are being dissolved
	out     []scanner.Reply // to be told when the lock is let go of
	ranks   []*flight       // of the volley; Send's

	lines   [2][]*line         // that wait for the next conversation of the family
	dialing map[*conn]struct{} // not connected yet
	resets  resets
}

// Interfaces that Connect is made for.
var (
	_ scanner.Sweeper = (*Connect)(nil)
	_ scanner.Dialer  = (*Connect)(nil)
)

// family indexes what exists once for IPv4 and once for IPv6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// NewConnect opens the engine. What it may not do on this machine is no
// error: see Notes.
func NewConnect(opt Options) (*Connect, error) {
	opt, err := opt.checked()
	if err != nil {
		return nil, err
	}
	c := &Connect{
		opt: opt, poll: -1, wake: -1,
		own:     ownAddrs(),
		replies: newReplyQueue(),
		done:    make(chan struct{}),
		flights: make(map[int]*flight),
		byPorts: make(map[ports]*flight),
		byEcho:  make(map[*pendingEcho]*flight),
		dialing: make(map[*conn]struct{}),
		scratch: make([]byte, 1<<16),
		crowded: newNeighbourWatch(time.Now(), onLink()),
	}
	if err := checkSources(opt); err != nil {
		return nil, err
	}
	c.limits()
	if err := c.openPoll(); err != nil {
		c.closeSockets()
		return nil, err
	}
	if err := c.openShared(); err != nil {
		c.closeSockets()
		return nil, err
	}
	go c.loop()
	return c, nil
}

// limits raises the limit of open files and derives how many shots may fly.
func (c *Connect) limits() {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		lim = unix.Rlimit{Cur: 256, Max: 256}
	}
	if lim.Cur < lim.Max {
		raised := unix.Rlimit{Cur: lim.Max, Max: lim.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err == nil {
			lim = raised
		}
	}
	var note string
	c.most, note = roomFor(c.opt.InFlight, lim.Cur)
	c.note(note)
}

func (c *Connect) note(s string) {
	if s != "" {
		c.notes = append(c.notes, s)
	}
}

// openPoll makes the descriptors that the loop waits on.
func (c *Connect) openPoll() error {
	var err error
	if c.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("socket: epoll: %w", err)
	}
	if c.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("socket: eventfd: %w", err)
	}
	return c.watch(c.wake, unix.EPOLLIN, 0)
}

// openShared makes the sockets that serve many shots, as far as this user may.
func (c *Connect) openShared() error {
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("socket: draw an echo id: %w", err)
	}
	var echoErrs, tapErrs [2]error
	for i, v6 := range []bool{false, true} {
		src := c.opt.Source4
		if v6 {
			src = c.opt.Source6
		}
		if c.opt.window == nil { // else the raw engine has all echo, and this one would read it too
			c.echo[i], echoErrs[i] = openEcho(v6, src, c.opt.Key, binary.BigEndian.Uint16(id[:]))
		}
		if c.echo[i] != nil {
			if err := c.watch(c.echo[i].fd, unix.EPOLLIN, 0); err != nil {
				return err
			}
		}
		if c.opt.window == nil { // else it has the right, and opens the tap with the first connection
			tapErrs[i] = c.openTap(v6)
		}
	}
	c.noteMissing("no ICMP echo%s: needs CAP_NET_RAW or net.ipv4.ping_group_range (%v)", echoErrs)
	c.noteMissing("TTL of TCP answers%s not visible: needs CAP_NET_RAW (%v)", tapErrs)
	return nil
}

// openTap opens the tap of a family, unless it is there already.
func (c *Connect) openTap(v6 bool) error {
	i := 0
	if v6 {
		i = 1
	}
	if c.tap[i] != nil {
		return nil
	}
	t, err := openTap(v6, c.opt.window)
	if err != nil {
		return err
	}
	if err := c.watch(t.fd, unix.EPOLLIN, 0); err != nil {
		closeFD(t.fd)
		return err
	}
	c.tap[i] = t
	return nil
}

// noteMissing notes what could not be opened, once if it is the same for both
// families.
func (c *Connect) noteMissing(format string, errs [2]error) {
	switch {
	case errs[0] == nil && errs[1] == nil:
	case errs[0] != nil && errs[1] != nil:
		c.note(fmt.Sprintf(format, "", errs[0]))
	case errs[0] != nil:
		c.note(fmt.Sprintf(format, " over IPv4", errs[0]))
	default:
		c.note(fmt.Sprintf(format, " over IPv6", errs[1]))
	}
}

func (c *Connect) watch(fd int, events uint32, age int32) error {
	//nolint:gosec // a descriptor fits
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: age}
	if err := unix.EpollCtl(c.poll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("wait for a socket: %w", err)
	}
	return nil
}

// Notes says in plain words what this machine, or this user's rights, do not allow.
func (c *Connect) Notes() []string { return append([]string(nil), c.notes...) }

// InFlight is the highest number of shots that wait for an answer at one time.
func (c *Connect) InFlight() int { return c.most }

// Send starts shots; see [scanner.Sweeper]. A shot that cannot be sent gets a
// LocalError reply, so one bad address does not end the run.
func (c *Connect) Send(shots []scanner.Shot) (int, error) {
	for taken := 0; taken < len(shots); {
		n, err := c.volley(shots[taken:])
		if taken += n; err != nil {
			return taken, err
		}
		if n > 0 || taken == len(shots) {
			continue
		}
		ok, err := c.launch(shots[taken])
		if err != nil || !ok {
			return taken, err
		}
		taken++
	}
	return len(shots), nil
}

// room reports whether there is room for one more shot, and makes it if it can.
// The lock is held.
func (c *Connect) room() bool {
	return c.flying+len(c.out)+c.replies.len() < c.most || c.makeRoom()
}

// launch starts one shot, or reports that there is no room for it now.
func (c *Connect) launch(s scanner.Shot) (bool, error) {
	s.Addr = s.Addr.Unmap()
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return false, net.ErrClosed
	}
	if !c.room() {
		return false, nil
	}
	f := &flight{shot: s, fd: -1, sent: time.Now()}
	if err := c.start(f); err != nil {
		if errors.Is(err, errNoRoom) {
			return false, nil
		}
		c.tell(localError(s.Key, s.Addr, f.sent, err))
	}
	return true, nil
}

// Receive waits for replies; see [scanner.Sweeper].
func (c *Connect) Receive(ctx context.Context, replies []scanner.Reply) (int, error) {
	return c.replies.take(ctx, replies)
}

// Close ends everything: shots in flight get no reply, connections that are
// being dialed end with a LocalError, Send and Receive return [net.ErrClosed].
// Connections that were handed out live on.
func (c *Connect) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-c.done
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.replies.close()
	c.wakeUp()
	<-c.done
	return nil
}

// closeSockets frees what the engine itself holds.
func (c *Connect) closeSockets() {
	for i := range c.echo {
		if c.echo[i] != nil {
			closeFD(c.echo[i].fd)
		}
		if c.tap[i] != nil {
			closeFD(c.tap[i].fd)
		}
	}
	closeFD(c.wake)
	closeFD(c.poll)
}

// closeFD closes a descriptor. Nothing can be done about an error: the
// descriptor is gone in any case (close(2)).
func closeFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// ownAddrs lists the addresses of this machine. They tell an ICMP error that
// the machine sent to itself from one that the network sent.
func ownAddrs() map[netip.Addr]bool {
	own := make(map[netip.Addr]bool)
	list, err := net.InterfaceAddrs()
	if err != nil {
		return own
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				own[ip.Unmap()] = true
			}
		}
	}
	return own
}
