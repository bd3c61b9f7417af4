package socket

import (
	"cmreach/scanner"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// untap makes an engine as it is for a user without CAP_NET_RAW, who sees no TTLs.
func untap(c *Connect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.tap {
		if t != nil {
			closeFD(t.fd)
			c.tap[i] = nil
		}
	}
}

// rested waits until no socket is being dissolved, and returns the flight whose
// socket is used next, if there is one.
func rested(t *testing.T, c *Connect) *flight {
	t.Helper()
	settled(t, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle[0]); n > 0 {
		return c.idle[0][n-1]
	}
	return nil
}

// TestSocketUsedAgain: each attempt to connect says how it ended itself, and
// nothing of what its socket did before.
func TestSocketUsedAgain(t *testing.T) {
	switch stage() {
	case stageOuter:
		enterLab(t, "nft")
		return
	case stageProbe:
		return
	}
	s := newSpace(t, true)
	s.nft(`table inet filter {
		chain input {
			type filter hook input priority 0
			tcp dport 7777 drop
			tcp dport 7776 reject with icmpx admin-prohibited
			tcp dport 7775 reject with icmpx no-route
		}
	}`)
	s.set("ipv4/icmp_ratelimit", "0")
	listenTCP(t, "0.0.0.0:7778", func(c net.Conn) { c.Close() })
	t.Run("outcomes", everyOutcomeAfterEvery)
	t.Run("late error", lateError)
	t.Run("late look", lateLook)
	t.Run("given up", givenUp)
}

// to makes a shot to a port of a machine of the namespace that is not the sender itself.
func to(port uint16) scanner.Shot {
	s := scanner.Shot{Key: 1, Addr: netip.MustParseAddr("127.0.1.1"), Port: port, Protocol: scanner.TCP, Wait: time.Minute}
	if port == 7777 {
		s.Wait = 20 * time.Millisecond
	}
	return s
}

var outcomes = map[uint16]scanner.Outcome{
	7778: scanner.Answered, 7779: scanner.Refused, 7777: scanner.Silent, 7776: scanner.Rejected, 7775: scanner.Rejected,
}

// try sends one shot and compares what comes of it.
func try(t *testing.T, c *Connect, port uint16) {
	t.Helper()
	want := outcomes[port]
	sendAll(t, c, []scanner.Shot{to(port)})
	if want == scanner.Silent {
		settled(t, c)
		return
	}
	r := receive(t, c, 1)[1]
	icmp := map[uint16]scanner.ICMPError{7776: code(3, 13), 7775: code(3, 0)}[port]
	if r.Outcome != want || r.ICMP != icmp {
		t.Fatalf("port %d: got %+v, want %s", port, r, want)
	}
	settled(t, c)
}

func everyOutcomeAfterEvery(t *testing.T) {
	c := open(t, Options{})
	untap(c)
	for first := range outcomes {
		for second := range outcomes {
			try(t, c, 7778)
			rested(t, c)
			ages := c.age // nobody else is at work
			try(t, c, first)
			rested(t, c)
			try(t, c, second)
			rested(t, c)
			c.mu.Lock()
			more := c.age - ages
			c.mu.Unlock()
			if want := outcomes[first] == scanner.Rejected; (more > 0) != want {
				t.Errorf("%s after %s: a new socket: %t", outcomes[second], outcomes[first], more > 0)
			}
		}
	}
}

// lateError: an ICMP error comes when the attempt is over and before its socket is
// dissolved, so that it is in the error queue of the socket.
func lateError(t *testing.T) {
	c := open(t, Options{})
	untap(c)
	for port := range outcomes {
		try(t, c, 7778)
		f := rested(t, c)
		c.mu.Lock() // so that the loop does not read it
		c.idle[0] = nil
		if errno := connectFD(f.fd, to(7776).Addr, 7776); errno != unix.EINPROGRESS {
			t.Error(errno)
		}
		ready := []unix.PollFd{{Fd: int32(f.fd)}}
		if n, err := unix.Poll(ready, 10_000); n != 1 || err != nil || ready[0].Revents&unix.POLLERR == 0 {
			t.Errorf("no error came: %+v, %v", ready, err)
		}
		c.resting = []*flight{f}
		c.unlock()
		try(t, c, port)
	}
}

// lateLook: the time of an answer is when it came, not when this process saw it.
func lateLook(t *testing.T) {
	c := open(t, Options{})
	untap(c)
	const late = 100 * time.Millisecond
	list, err := c.reserve([]scanner.Shot{to(7778)})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := c.attempt(list[0]); err != nil {
		t.Fatal(err)
	}
	<-time.After(late)
	c.mu.Lock()
	c.fired(list[0], nil)
	c.unlock()
	r := receive(t, c, 1)[1]
	if took := r.At.Sub(r.Sent); r.Outcome != scanner.Answered || took <= 0 || took >= late {
		t.Errorf("took %s: %+v", took, r)
	}
}

// givenUp: the sockets of shots that are given up serve those that need the room.
func givenUp(t *testing.T) {
	const most = 3
	c := open(t, Options{InFlight: most})
	untap(c)
	var silent, answered []scanner.Shot
	for key := range uint64(most) {
		one := to(7777)
		one.Key, one.Hold, one.Wait = key, 1, time.Hour
		silent = append(silent, one)
		one = to(7778)
		one.Key = most + key
		answered = append(answered, one)
	}
	sendAll(t, c, silent)
	for over := 0; over < most; runtime.Gosched() {
		c.mu.Lock()
		over = len(c.over)
		c.mu.Unlock()
	}
	sendAll(t, c, answered)
	for key, r := range receive(t, c, most) {
		if key < most || r.Outcome != scanner.Answered {
			t.Errorf("got %+v", r)
		}
	}
	rested(t, c)
	if n := len(c.idle[0]); c.age != most || n != most { // nobody else is at work
		t.Errorf("%d sockets were made, and %d rest", c.age, n)
	}
}
