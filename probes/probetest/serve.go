package probetest

import (
	"cmreach/scanner"
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Serve starts a peer on a free port of 127.0.0.1 and returns a Call whose Dial
// connects to it. The peer's function runs once for each connection, each in
// its own goroutine; the connection is closed when it returns. When the test
// ends the listener and all connections are closed, and every goroutine is
// waited for.
//
// The Call asks for AssuranceIdentity of the host "peer.example"; change the
// fields as the case wants them.
func Serve(t testing.TB, peer func(conn net.Conn)) scanner.Call {
	t.Helper()
	s := newServer(t, peer)
	return scanner.Call{
		Host:  "peer.example",
		To:    s.addr,
		Depth: scanner.AssuranceIdentity,
		Dial:  s.dial,
	}
}

// server accepts connections and hands each to the peer.
type server struct {
	addr     netip.AddrPort
	listener net.Listener
	peer     func(conn net.Conn)
	running  sync.WaitGroup
	// connected has a token for each Dial that succeeded. A peer waits for its
	// token: a reset must not reach a connect that has not returned.
	connected chan struct{}
	done      chan struct{}

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func newServer(t testing.TB, peer func(conn net.Conn)) *server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("starting a scripted peer: %v", err)
	}
	s := &server{
		addr:     listener.Addr().(*net.TCPAddr).AddrPort(),
		listener: listener,
		peer:     peer,
		conns:    make(map[net.Conn]bool),

		connected: make(chan struct{}, 64),
		done:      make(chan struct{}),
	}
	s.running.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed by the end of the test
		}
		if !s.register(conn) {
			_ = conn.Close()
			return
		}
		s.running.Go(func() {
			defer s.forget(conn)
			select {
			case <-s.connected:
				s.peer(conn)
			case <-s.done:
			}
		})
	}
}

func (s *server) register(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *server) forget(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// close ends the listener and the connections and waits for the peers. It may
// be called twice.
func (s *server) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	_ = s.listener.Close()
	s.running.Wait()
}

// dial connects to the server and lets its peer begin.
func (s *server) dial(ctx context.Context) (net.Conn, scanner.Reply) {
	conn, reply := dial(ctx, s.addr)
	if conn == nil {
		return nil, reply
	}
	select {
	case s.connected <- struct{}{}:
	case <-s.done:
	}
	return conn, reply
}

// dial connects as an engine's Dialer does.
func dial(ctx context.Context, to netip.AddrPort) (net.Conn, scanner.Reply) {
	sent := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", to.String())
	reply := scanner.Reply{Outcome: scanner.Answered, From: to.Addr(), Sent: sent, At: time.Now()}
	switch {
	case err == nil:
		return scanner.Leash(ctx, conn), reply
	case ctx.Err() != nil:
		return nil, scanner.Reply{Outcome: scanner.Silent, Sent: sent}
	default: // loopback refuses nothing that listens: this machine is in trouble
		return nil, scanner.Reply{Outcome: scanner.LocalError, Sent: sent, Err: err.Error()}
	}
}
