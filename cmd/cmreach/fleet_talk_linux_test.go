package main

import (
	"cmreach/scanner/lab"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// talker holds the conversations of a port of every address, all on one thread
// with one epoll: the fleet's own share of the machine must be small.
type talker struct {
	listener, poll, end int
	service             lab.Service
	conns               map[int]*conversation
	buf                 []byte
}

// conversation is a connection to the fleet.
type conversation struct {
	host lab.Host
	in   []byte // all that was received
	sent int    // bytes that were answered
}

// replay is a [net.Conn] that holds what was received of a conversation. The
// service talks to it from the start each time that something comes; what it
// answered before is left out. Conversations are short.
type replay struct {
	net.Conn
	in, out []byte
	skip    int
	starved bool // the service waits for more
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.in) == 0 {
		r.starved = true
		return 0, io.EOF
	}
	n := copy(b, r.in)
	r.in = r.in[n:]
	return n, nil
}

func (r *replay) Write(b []byte) (int, error) {
	old := min(r.skip, len(b))
	r.skip -= old
	r.out = append(r.out, b[old:]...)
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
	ended := make(chan error, 1)
	go func() { ended <- s.run(t.Context()) }()
	t.Cleanup(func() {
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
				for fd := range s.conns {
					unix.Close(fd)
				}
				return nil
			case s.listener:
				err = s.accept()
			default:
				s.hear(ctx, fd)
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}
}

// accept takes the connections that are there.
func (s *talker) accept() error {
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
		s.conns[fd] = &conversation{host: host}
		if err := s.watch(fd); err != nil {
			return err
		}
	}
}

// hear takes what came on a connection and answers it.
func (s *talker) hear(ctx context.Context, fd int) {
	c := s.conns[fd]
	n, err := unix.Read(fd, s.buf)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	good := n > 0
	if good {
		c.in = append(c.in, s.buf[:n]...)
		r := replay{in: c.in, skip: c.sent}
		s.service.Conn(ctx, &r, c.host)
		if len(r.out) > 0 {
			n, err = unix.Write(fd, r.out) // a few hundred bytes: they fit
			c.sent += len(r.out)
			good = err == nil && n == len(r.out)
		}
		good = good && r.starved
	}
	if !good {
		delete(s.conns, fd)
		unix.Close(fd)
	}
}
