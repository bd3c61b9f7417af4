package main

import (
	"cmreach/scanner/lab"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"net"
	"net/netip"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"
)

// talker holds the conversations of a port of every address, all on one thread
// with one epoll: the fleet's own share of the machine must be small.
type talker struct {
	listener, poll, end int
	service             lab.Service
	conns               map[int]*conversation
	idle                []*conversation // to be used again
	buf                 []byte
}

// conversation is a connection to the fleet, and after its end another. The
// service that holds it sees it as a [net.Conn], and is asked to go on each time
// that something has come.
type conversation struct {
	net.Conn
	host    lab.Host
	in, out []byte
	ended   bool                // the peer is gone
	over    bool                // the service has no more to say
	await   func(struct{}) bool // waits for more; false: there will be none, for nobody
	goOn    func() (struct{}, bool)
	stop    func()
}

// converse begins a conversation with a host.
func (s *talker) converse(ctx context.Context, host lab.Host) *conversation {
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		c.host, c.in, c.ended, c.over = host, nil, false, false
		return c
	}
	c := &conversation{host: host}
	c.goOn, c.stop = iter.Pull(func(await func(struct{}) bool) {
		c.await = await
		for {
			s.service.Conn(ctx, c, c.host)
			if c.over = true; !await(struct{}{}) {
				return
			}
		}
	})
	return c
}

func (c *conversation) Read(b []byte) (int, error) {
	for len(c.in) == 0 {
		if c.ended || !c.await(struct{}{}) {
			return 0, io.EOF
		}
	}
	n := copy(b, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *conversation) Write(b []byte) (int, error) {
	c.out = append(c.out, b...)
	return len(b), nil
}

// serve holds conversations on a port of every address until the test ends.
func (f *fleet) serve(t testing.TB, port uint16, service lab.Service) {
	t.Helper()
	s := &talker{listener: f.open(t, port), service: service, conns: map[int]*conversation{}, buf: make([]byte, 64<<10)}
	var pollErr, endErr error
	s.poll, pollErr = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	s.end, endErr = unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err := errors.Join(pollErr, endErr, unix.SetNonblock(s.listener, true), s.watch(s.listener), s.watch(s.end)); err != nil {
		t.Fatal(err)
	}
	// Little lives here, and would be marked every few megabytes of garbage.
	percent := debug.SetGCPercent(1000)
	ended := make(chan error, 1)
	go func() { ended <- s.run(t.Context()) }()
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		_, err := unix.Write(s.end, binary.NativeEndian.AppendUint64(nil, 1))
		if err := errors.Join(err, <-ended, unix.Close(s.listener), unix.Close(s.poll), unix.Close(s.end)); err != nil {
			t.Error(err)
		}
	})
}

func (s *talker) watch(fd int) error {
	return unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (s *talker) run(ctx context.Context) error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(s.poll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			switch fd := int(ev.Fd); fd {
			case s.end:
				for fd, c := range s.conns {
					c.stop()
					unix.Close(fd)
				}
				for _, c := range s.idle {
					c.stop()
				}
				return nil
			case s.listener:
				err = s.accept(ctx)
			default:
				s.hear(fd)
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}
}

// accept takes the connections that are there.
func (s *talker) accept(ctx context.Context) error {
	for {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		}
		to, err := unix.Getsockname(fd)
		if err != nil {
			return err
		}
		var host lab.Host
		switch to := to.(type) {
		case *unix.SockaddrInet4:
			host.Addr = netip.AddrFrom4(to.Addr)
		case *unix.SockaddrInet6:
			host.Addr = netip.AddrFrom16(to.Addr).Unmap()
		}
		// The ACK of a request goes with its answer.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
		s.conns[fd] = s.converse(ctx, host)
		if err := s.watch(fd); err != nil {
			return err
		}
		s.hear(fd) // the first request may have come with the end of the handshake
	}
}

// hear takes what came on a connection and answers it.
func (s *talker) hear(fd int) {
	c := s.conns[fd]
	n, err := unix.Read(fd, s.buf)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	good := n > 0
	if c.ended = !good; good {
		c.in = s.buf[:n]
	}
	c.goOn()
	if len(c.out) > 0 {
		n, err = unix.Write(fd, c.out) // a few hundred bytes: they fit
		good = good && err == nil && n == len(c.out)
		c.out = c.out[:0]
	}
	if good && !c.over {
		return
	}
	if c.ended = true; !c.over {
		c.goOn()
	}
	delete(s.conns, fd)
	unix.Close(fd)
	s.idle = append(s.idle, c)
}
