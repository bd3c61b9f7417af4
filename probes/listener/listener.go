package listener

import (
	"cmp"
	"cmreach/probes/wire/beacon"
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of a listener.
const (
	maxConns    = 64              // TCP connections at once
	connTime    = 3 * time.Second // for one connection, from the first byte to the last
	perSecond   = 500             // answers, of all ports together
	atOnce      = 1000            // answers that may be saved up
	sameNonce   = 16              // answers to one question
	knownNonces = 4096            // questions that are remembered
	acceptPause = 50 * time.Millisecond
)

// Config is what a listener holds, and for how long.
type Config struct {
	Key   beacon.Key
	Addrs []netip.Addr
	Ports []beacon.Port // at most beacon.MaxPorts
	For   time.Duration
}

// Listener holds ports and answers questions.
type Listener struct {
	cfg       Config
	endpoints []*endpoint
	started   time.Time
	ration    *ration
	conns     chan struct{} // one for each connection that is held
	patience  time.Duration // with one connection
}

func newListener(c Config) *Listener {
	return &Listener{cfg: c, ration: newRation(), conns: make(chan struct{}, maxConns), patience: connTime}
}

func (l *Listener) add(e *endpoint) {
	e.tally = &tally{}
	l.endpoints = append(l.endpoints, e)
}

// tally counts what came to an endpoint.
type tally struct{ answered, ignored, withheld atomic.Uint64 }

// Count is what came to a port, at all its addresses.
type Count struct {
	Port     beacon.Port
	Addrs    []netip.Addr // at which it was held
	Answered uint64       // questions with the key
	Ignored  uint64       // datagrams and connections that were no such question
	Withheld uint64       // questions with the key that came too often, and got no answer
}

// Counts says what came, by protocol and port.
func (l *Listener) Counts() []Count {
	var out []Count
	for _, e := range l.endpoints {
		i := slices.IndexFunc(out, func(c Count) bool { return c.Port == e.port })
		if i < 0 {
			i = len(out)
			out = append(out, Count{Port: e.port})
		}
		out[i].Addrs = append(out[i].Addrs, e.addr)
		out[i].Answered += e.answered.Load()
		out[i].Ignored += e.ignored.Load()
		out[i].Withheld += e.withheld.Load()
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(-cmp.Compare(a.Port.Protocol, b.Port.Protocol), cmp.Compare(a.Port.Number, b.Port.Number))
	})
	return out
}

// Run answers until its time is over or ctx is done, and lets all ports go. It
// returns when everything is closed, and can be called once.
func (l *Listener) Run(ctx context.Context) {
	l.started = time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.cfg.For)
	defer cancel()
	var running sync.WaitGroup
	for _, e := range l.endpoints {
		running.Go(func() {
			if e.udp != nil {
				l.datagrams(ctx, e)
			} else {
				l.connections(ctx, e)
			}
		})
	}
	<-ctx.Done()
	l.Close()
	running.Wait()
}

// Close lets all ports go.
func (l *Listener) Close() {
	for _, e := range l.endpoints {
		e.close()
	}
}

// datagrams answers what comes to a UDP port. A longer datagram than a question
// is cut by the socket to more than a question, and is none.
func (l *Listener) datagrams(ctx context.Context, e *endpoint) {
	b := make([]byte, beacon.Size+1)
	for {
		n, from, err := e.udp.ReadFromUDPAddrPort(b)
		switch {
		case ctx.Err() != nil:
			return
		case n > beacon.Size:
			e.ignored.Add(1) // Windows calls it an error that it cut the datagram
			continue
		case err != nil:
			// An ICMP error for an answer (Windows), or want of memory: it passes.
			if !pause(ctx) {
				return
			}
			continue
		}
		if answer := l.answer(e, b[:n]); answer != nil {
			_, _ = e.udp.WriteToUDPAddrPort(answer, from) // a lost answer is asked for again
		}
	}
}

// connections accepts the connections to a TCP port.
func (l *Listener) connections(ctx context.Context, e *endpoint) {
	var held sync.WaitGroup
	defer held.Wait()
	for {
		conn, err := e.tcp.Accept()
		switch {
		case ctx.Err() != nil:
			if conn != nil {
				_ = conn.Close()
			}
			return
		case err != nil:
			if !pause(ctx) {
				return
			}
			continue
		}
		select {
		case l.conns <- struct{}{}:
			held.Go(func() {
				defer func() { <-l.conns }()
				l.connection(ctx, e, conn)
			})
		default:
			e.withheld.Add(1)
			_ = conn.Close()
		}
	}
}

// connection reads one question, answers it and closes.
func (l *Listener) connection(ctx context.Context, e *endpoint, conn net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	b := make([]byte, beacon.Size)
	n, err := io.ReadFull(conn, b[:len(beacon.Magic)])
	if err == nil && string(b[:n]) == beacon.Magic {
		var more int
		more, err = io.ReadFull(conn, b[n:])
		n += more
	}
	if err != nil {
		e.ignored.Add(1)
		return
	}
	if answer := l.answer(e, b[:n]); answer != nil {
		_, _ = conn.Write(answer)
	}
}

// answer is what is sent back; nil is nothing.
func (l *Listener) answer(e *endpoint, asked []byte) []byte {
	nonce, err := l.cfg.Key.ReadQuestion(asked, e.port)
	if err != nil {
		e.ignored.Add(1)
		return nil
	}
	now := time.Now()
	left := l.started.Add(l.cfg.For).Sub(now)
	if left <= 0 || !l.ration.allow(nonce, now) {
		e.withheld.Add(1)
		return nil
	}
	status := beacon.Status{Since: milliseconds(now.Sub(l.started)), Until: milliseconds(left)}
	for _, other := range l.endpoints {
		if other.addr == e.addr {
			status.Ports = append(status.Ports, other.port)
		}
	}
	e.answered.Add(1)
	return l.cfg.Key.Answer(asked, status)
}

// milliseconds rounds down: a span that is said is never longer than the true one.
func milliseconds(d time.Duration) uint32 {
	return uint32(max(0, min(d/time.Millisecond, 1<<31)))
}

// pause waits before the next try, and reports whether there is to be one.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(acceptPause):
		return true
	}
}
