package socket

import (
	"cmreach/scanner"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Raw is the fast engine: it implements [scanner.Sweeper] with packets of its
// own making and [scanner.Dialer] through the [Connect] engine, which also sends
// the datagrams whose answer goes to a certain port. It needs CAP_NET_RAW.
//
// It keeps no account of what it sent, datagrams excepted: each packet carries
// the shot's key, masked by a secret mark of the path, and the answer brings it
// back. What does not bear the mark of the very path it comes from gives a key
// that the engine does not know.
type Raw struct {
	*Connect
	window *portWindow
	out    *rawSender
	in     *rawReceiver
	books  *udpBook
	// gate is held for reading by Send and Receive, and for writing when what they use is closed.
	gate sync.RWMutex
	shut sync.Once
}

// Interfaces that Raw is made for.
var (
	_ scanner.Sweeper = (*Raw)(nil)
	_ scanner.Dialer  = (*Raw)(nil)
)

// ErrNoRaw is why there is no raw engine: the right is missing.
var ErrNoRaw = errors.New("no right to send raw packets: CAP_NET_RAW is needed")

// NewRaw opens the engine. The error is [ErrNoRaw] when the right is missing.
func NewRaw(opt Options) (*Raw, error) {
	opt, err := opt.checked()
	if err != nil {
		return nil, err
	}
	v6 := haveIPv6()
	r := &Raw{books: newUDPBook()}
	if r.window, err = holdPorts(v6); err != nil {
		return nil, err
	}
	var key [16]byte
	if _, err := rand.Read(key[:]); err != nil {
		r.window.release()
		return nil, fmt.Errorf("socket: draw a key: %w", err)
	}
	opt.window = r.window
	if r.in, err = newRawReceiver(r.window, key, r.books, v6); err == nil {
		r.out, err = newRawSender(r.window, key, r.books, opt, v6)
	}
	if err == nil {
		r.Connect, err = NewConnect(opt)
	}
	if err != nil {
		r.closeRaw()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("%w (%w)", ErrNoRaw, err)
		}
		return nil, err
	}
	r.in.own, r.in.frames = r.own, opt.Frames
	r.replies.wake = r.in.wakeUp
	r.out.source.asked = r.in.sentTo
	r.out.start(r.replies)
	return r, nil
}

// haveIPv6 reports whether this machine has the family.
func haveIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	closeFD(fd)
	return true
}

func (r *Raw) closeRaw() {
	if r.in != nil {
		r.in.close()
	}
	if r.out != nil {
		r.out.close()
	}
	r.window.release()
}

// Send sends shots; see [scanner.Sweeper]. A shot that cannot be sent gets a
// LocalError reply.
func (r *Raw) Send(shots []scanner.Shot) (int, error) {
	r.gate.RLock()
	defer r.gate.RUnlock()
	if err := r.closedNow(); err != nil {
		return 0, err
	}
	r.out.source.begin()
	for i := range shots {
		s := &shots[i]
		if s.Protocol == scanner.UDP && s.UDP != (scanner.UDPSocket{}) {
			if n, err := r.Connect.Send(shots[i : i+1]); n == 0 || err != nil {
				r.out.flush()
				return i, err
			}
			continue
		}
		if err := r.out.add(s); err != nil {
			r.replies.put(localError(s.Key, s.Addr, time.Now(), err))
		}
		if r.out.full() {
			r.out.flush()
		}
	}
	r.out.flush()
	return len(shots), nil
}

// closedNow is closedError under the lock.
func (r *Raw) closedNow() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closedError()
}

// Receive waits for replies; see [scanner.Sweeper].
func (r *Raw) Receive(ctx context.Context, replies []scanner.Reply) (int, error) {
	r.gate.RLock()
	defer r.gate.RUnlock()
	for {
		n, closed := r.replies.grab(replies)
		n += r.in.read(replies[n:])
		switch {
		case n > 0:
			return n, nil
		case closed:
			return 0, net.ErrClosed
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
		if err := r.in.wait(ctx); err != nil {
			return 0, err
		}
	}
}

// Close ends everything; see [Connect.Close].
func (r *Raw) Close() error {
	err := r.Connect.Close()
	r.in.wakeUp() // Receive sees that it is closed
	r.gate.Lock()
	defer r.gate.Unlock()
	r.shut.Do(r.closeRaw)
	return err
}
