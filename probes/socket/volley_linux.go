package socket

import (
	"cmreach/scanner"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A volley is many attempts to connect that are begun at once, by as many
// goroutines as help: connect() does much of the kernel's work for the packet.
// Their sockets are used again: connect() to AF_UNSPEC dissolves what a socket has
// begun or established (connect(2), tcp(7)), and the next connect() begins anew,
// from another port, without a word of the old. That saves making, setting up,
// watching and closing a socket, which costs more than the attempt itself.
//
// A socket that met an ICMP error is not used again: dissolving it neither
// empties the error queue nor clears the error that the kernel keeps beside it
// (sk_err_soft), and reading the queue changes the error of the next attempt.

// volleyPart is how many attempts one goroutine begins before it notes them.
const volleyPart = 32

// volley begins the attempts that head the list, as far as there is room, and
// returns how many.
func (c *Connect) volley(shots []scanner.Shot) (int, error) {
	list, err := c.reserve(shots)
	parts := (len(list) + volleyPart - 1) / volleyPart
	var next atomic.Int32
	work := func() {
		for {
			first := (int(next.Add(1)) - 1) * volleyPart
			if first >= len(list) {
				return
			}
			c.fire(list[first:min(first+volleyPart, len(list))])
		}
	}
	var helpers sync.WaitGroup
	for range min(parts, runtime.GOMAXPROCS(0)) - 1 {
		helpers.Go(work)
	}
	work()
	helpers.Wait()
	return len(list), err
}

// inVolley reports whether a shot can be part of a volley. The lock is held.
func (c *Connect) inVolley(s *scanner.Shot) bool {
	if s.Protocol != scanner.TCP || !s.Addr.IsValid() || c.opt.window != nil {
		return false
	}
	to := s.Addr.Unmap()
	return to.Zone() == "" && // which a socket does not forget
		c.tap[family(to)] == nil // the tap must know each flight before its SYN leaves
}

// reserve takes the shots that there is room for into the books.
func (c *Connect) reserve(shots []scanner.Shot) ([]*flight, error) {
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	list := c.ranks[:0]
	for i := range shots {
		s := &shots[i]
		if !c.inVolley(s) || !c.room() {
			break
		}
		f := c.rested(s.Addr.Unmap())
		f.shot = *s
		f.shot.Addr = s.Addr.Unmap()
		f.opening = true
		if f.stirred = f.worn; f.fd >= 0 && !f.worn {
			c.flights[f.fd] = f
		}
		c.flying++
		list = append(list, f)
	}
	c.ranks = list
	return list, nil
}

// rested returns a flight with a socket that has been used, or a new one without.
func (c *Connect) rested(to netip.Addr) *flight {
	from, n := &c.idle[family(to)], len(c.idle[family(to)])
	worn := false
	if n == 0 { // that of a flight that was given up for this one
		from, n, worn = &c.resting, len(c.resting), true
	}
	if n == 0 || family((*from)[n-1].shot.Addr) != family(to) {
		c.makeSpare()
		return &flight{fd: -1, pooled: true}
	}
	f := (*from)[n-1]
	(*from)[n-1], *from = nil, (*from)[:n-1]
	*f = flight{fd: f.fd, age: f.age, hops: f.hops, pooled: true, worn: worn}
	return f
}

// makeSpare closes a socket that rests when there are so many sockets that a new one
// might be one too many. The lock is held.
func (c *Connect) makeSpare() {
	if c.flying+c.tiring+len(c.idle[0])+len(c.idle[1]) < c.most {
		return
	}
	for i := range c.idle {
		if n := len(c.idle[i]); n > 0 {
			c.dead = append(c.dead, grave{fd: c.idle[i][n-1].fd})
			c.idle[i][n-1], c.idle[i] = nil, c.idle[i][:n-1]
			return
		}
	}
}

// fire begins attempts and notes them.
func (c *Connect) fire(list []*flight) {
	var errs [volleyPart]error
	for i, f := range list {
		errs[i] = c.attempt(f)
	}
	c.mu.Lock()
	defer c.unlock()
	for i, f := range list {
		c.fired(f, errs[i])
	}
}

// attempt begins one.
func (c *Connect) attempt(f *flight) error {
	f.sent = time.Now()
	if f.worn && !f.dissolve() {
		closeFD(f.fd)
		f.fd = -1
	}
	if f.fd < 0 {
		fd, err := c.openTCP(f)
		if err != nil {
			return err
		}
		f.fd, f.hops, f.age = fd, f.shot.HopLimit, 0
	}
	if f.hops != f.shot.HopLimit {
		if err := f.setHops(); err != nil {
			return err
		}
	}
	f.sent = time.Now()
	if errno := connectFD(f.fd, f.shot.Addr, f.shot.Port); errno != 0 && !errors.Is(errno, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", errno)
	}
	return nil
}

// openTCP makes a socket for attempts to connect.
func (c *Connect) openTCP(f *flight) (int, error) {
	fam := unix.AF_INET6
	if f.shot.Addr.Is4() {
		fam = unix.AF_INET
	}
	fd, err := unix.Socket(fam, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	if err := c.setUpFlow(fd, f); err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}

// setHops sets the hop limit of a socket that had another.
func (f *flight) setHops() error {
	level, name, hops := unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, int(f.shot.HopLimit)
	if f.shot.Addr.Is4() {
		level, name = unix.IPPROTO_IP, unix.IP_TTL
	}
	if hops == 0 {
		hops = -1 // the system's default (ip(7), ipv6(7))
	}
	if err := unix.SetsockoptInt(f.fd, level, name, hops); err != nil {
		return fmt.Errorf("set the hop limit: %w", err)
	}
	f.hops = f.shot.HopLimit
	return nil
}

// fired notes how an attempt began. What the loop saw of it in the meantime is
// looked at now. The lock is held.
func (c *Connect) fired(f *flight, err error) {
	f.opening, f.worn = false, false
	if err == nil && !c.closed {
		c.flights[f.fd] = f
		if f.age == 0 {
			c.age++
			f.age = c.age
			err = c.watch(f.fd, unix.EPOLLOUT|unix.EPOLLET, f.age)
		}
	}
	if err != nil || c.closed {
		c.flying--
		if f.fd >= 0 {
			delete(c.flights, f.fd)
			c.dead = append(c.dead, grave{fd: f.fd, reset: true})
		}
		if err != nil {
			c.tell(localError(f.shot.Key, f.shot.Addr, f.sent, err))
		}
		return
	}
	c.arm(f)
	if f.stirred {
		f.stirred = false
		c.onTCP(f, unix.EPOLLERR)
	}
}

// dissolve readies the socket of a flight that is over for the next, and reports
// whether it can be used. An established connection is reset by it.
func (f *flight) dissolve() bool {
	var none unix.RawSockaddrInet4                                         // AF_UNSPEC
	if connectRaw(f.fd, unsafe.Pointer(&none), unsafe.Sizeof(none)) != 0 { //nolint:gosec // the call lasts no longer than the variable
		return false
	}
	// From here on no error of that attempt finds the socket. Did one come before?
	var head unix.Msghdr
	_, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(f.fd), uintptr(unsafe.Pointer(&head)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT) //nolint:gosec // descriptors are positive
	return errors.Is(errno, unix.EAGAIN)
}

// rest dissolves the sockets of flights that are over. The lock is not held: that
// takes the kernel long.
func (c *Connect) rest(list []*flight) {
	whole, tired := list[:0], len(list)
	for _, f := range list {
		if f.dissolve() {
			whole = append(whole, f)
		} else {
			closeFD(f.fd)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tiring -= tired
	for _, f := range whole {
		if c.closed {
			closeFD(f.fd)
			continue
		}
		i := family(f.shot.Addr)
		c.idle[i] = append(c.idle[i], f)
	}
}

// connectFD is connect(2) without garbage. The Go scheduler is not told of it:
// the socket does not block, and to give the processor away and get it back costs
// as much as the call.
func connectFD(fd int, to netip.Addr, port uint16) unix.Errno {
	if to.Is4() {
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkOrder(port), Addr: to.As4()}
		return connectRaw(fd, unsafe.Pointer(&sa), unsafe.Sizeof(sa)) //nolint:gosec // the call lasts no longer than the variable
	}
	sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkOrder(port), Addr: to.As16()}
	return connectRaw(fd, unsafe.Pointer(&sa), unsafe.Sizeof(sa)) //nolint:gosec // the call lasts no longer than the variable
}

func connectRaw(fd int, sa unsafe.Pointer, size uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(sa), size)
	return errno
}

// attemptState is what the kernel says of an attempt to connect.
type attemptState struct {
	state uint8
	took  time.Duration // from SYN to SYN-ACK; 0: not known, or more than one SYN was sent
	held  bool          // the SYN was to be sent again, and did not leave this machine
}

// connected reports whether the peer has accepted.
func (s attemptState) connected() bool {
	return s.state != unix.BPF_TCP_SYN_SENT && s.state != unix.BPF_TCP_SYN_RECV && !s.ended()
}

// ended reports whether the socket is closed: refused, reset or given up.
func (s attemptState) ended() bool { return s.state == unix.BPF_TCP_CLOSE }

// readAttempt asks for it (tcp(7), TCP_INFO).
func readAttempt(fd int) (attemptState, error) {
	var info unix.TCPInfo
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // the call lasts no longer than the variables
	if errno != 0 {
		return attemptState{}, errno
	}
	s := attemptState{state: info.State}
	if info.Total_retrans == 0 {
		s.took = time.Duration(info.Rtt) * time.Microsecond
	}
	// Linux counts each SYN that it makes anew (total_retrans), but holds it for
	// sent (retrans) only when the layers below took it: not when a rule of this
	// machine dropped it, nor when the queue of the interface did. While the first
	// one waits for the neighbour's address, none is made.
	s.held = info.State == unix.BPF_TCP_SYN_SENT && info.Total_retrans > 0 && info.Lost > 0 && info.Retrans == 0
	return s, nil
}
