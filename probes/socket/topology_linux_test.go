package socket

import (
	"bufio"
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is one shot into the lab for each family, and what must come of it.
type row struct {
	name         string
	proto        scanner.Protocol
	port         uint16
	hops         uint8
	to4, to6     string
	want         scanner.Outcome
	from4, from6 string
	icmp4, icmp6 scanner.ICMPError
	ttl          uint8  // of the answer
	err          string // part of a LocalError's words
}

// labRows is the expected table. Answers of the host arrive with TTL 62, of r2
// with 63, of r1 with 64.
func labRows() []row {
	const ok, no = scanner.Answered, scanner.Rejected
	tcp, udp, ping := scanner.TCP, scanner.UDP, scanner.ICMP
	prohibited4, prohibited6 := code(3, 13), code(1, 1)
	host := func(r row) row { r.to4, r.to6 = host4, host6; return r }
	byHost := func(r row) row { r.from4, r.from6, r.ttl = host4, host6, 62; return host(r) }
	byR1 := func(r row) row { r.from4, r.from6, r.ttl = r1at4, r1at6, 64; return r }
	byR2 := func(r row) row { r.from4, r.from6, r.ttl = r2at4, r2at6, 63; return r }
	expired := func(r row) row {
		r.want, r.icmp4, r.icmp6 = scanner.Expired, code(11, 0), code(3, 0)
		return r
	}
	rows := []row{
		byHost(row{name: "open", proto: tcp, port: 445, want: ok}),
		byHost(row{name: "closed", proto: tcp, port: 81, want: scanner.Refused}),
		byHost(row{name: "echo", proto: udp, port: 5000, want: ok}),
		byHost(row{name: "udp closed", proto: udp, port: 5001, want: no, icmp4: code(3, 3), icmp6: code(1, 4)}),
		byHost(row{name: "ping", proto: ping, want: ok}),
		byHost(row{name: "ping just far enough", proto: ping, hops: 3, want: ok}),
		byHost(row{name: "tcp just far enough", proto: tcp, port: 445, hops: 3, want: ok}),
		host(row{name: "reset by router", proto: tcp, port: 2701, want: scanner.Refused, from4: host4, from6: host6, ttl: 63}),
		host(byR2(row{name: "admin-prohibited", proto: tcp, port: 10123, want: no, icmp4: prohibited4, icmp6: prohibited6})),
		host(byR2(row{name: "port-unreachable", proto: tcp, port: 8530, want: no, icmp4: code(3, 3), icmp6: code(1, 4)})),
		host(byR2(row{name: "host-unreachable", proto: tcp, port: 8531, want: no, icmp4: code(3, 1), icmp6: code(1, 3)})),
		host(byR2(row{name: "no-route", proto: tcp, port: 636, want: no, icmp4: code(3, 0), icmp6: code(1, 0)})),
		host(byR2(row{name: "udp admin-prohibited", proto: udp, port: 25536, want: no, icmp4: prohibited4, icmp6: prohibited6})),
		host(row{name: "drop", proto: tcp, port: 3389, want: scanner.Silent}),
		host(row{name: "udp drop", proto: udp, port: 9, want: scanner.Silent}),
		host(row{name: "own firewall rejects", proto: tcp, port: 9999, want: scanner.LocalError, err: "own firewall"}),
		host(row{name: "own firewall drops a SYN", proto: tcp, port: 9996, want: scanner.LocalError, err: "own firewall"}),
		host(row{name: "own firewall drops", proto: udp, port: 9998, want: scanner.LocalError, err: "own firewall"}),
		host(row{name: "own firewall rejects udp", proto: udp, port: 9997, want: scanner.LocalError, err: "own firewall"}),
	}
	for _, p := range []scanner.Protocol{tcp, udp, ping} {
		far := []row{
			byR2(row{name: "unreachable route", to4: "198.18.201.1", to6: "fd00:198:201::1", want: no, icmp4: code(3, 1), icmp6: code(1, 0)}),
			byR2(row{name: "prohibit route", to4: "198.18.202.1", to6: "fd00:198:202::1", want: no, icmp4: prohibited4, icmp6: prohibited6}),
			{name: "blackhole route", to4: "198.18.203.1", to6: "fd00:198:203::1", want: scanner.Silent},
			byR2(expired(row{name: "routing loop", to4: "198.18.200.1", to6: "fd00:198:200::1"})),
			byR2(row{name: "no such host", to4: "198.18.102.77", to6: "fd00:198:102::77", want: no, icmp4: code(3, 1), icmp6: code(1, 3)}),
			{
				name: "no such neighbour", to4: "198.18.100.77", to6: "fd00:198:100::77", want: no,
				from4: self4, from6: self6, icmp4: code(3, 1), icmp6: code(1, 3), ttl: 64,
			},
			host(byR1(expired(row{name: "expires at r1", hops: 1}))),
			host(byR2(expired(row{name: "expires at r2", hops: 2}))),
			{name: "no own route", to4: "198.19.0.1", to6: "fd00:198:f0::1", want: scanner.LocalError, err: "no route"},
			{name: "own prohibit route", to4: "198.19.1.1", to6: "fd00:198:f1::1", want: scanner.LocalError, err: "prohibits"},
			{name: "own blackhole route", to4: "198.19.2.1", to6: "fd00:198:f2::1", want: scanner.LocalError, err: "blackhole"},
			{name: "own unreachable route", to4: "198.19.3.1", to6: "fd00:198:f3::1", want: scanner.LocalError, err: "unreachable"},
		}
		for _, r := range far {
			// A router sends five errors for its own routes at once and then one a
			// second (net.ipv4.route.error_burst), which no namespace can change.
			if p == udp && (strings.HasPrefix(r.name, "unreachable") || strings.HasPrefix(r.name, "prohibit")) {
				continue
			}
			r.proto, r.name = p, p.String()+" "+r.name
			if p != ping {
				r.port = 445
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func TestTopology(t *testing.T) {
	switch stage() {
	case stageOuter:
		enterLab(t, "nft")
	case stageProbe:
	case stageLab:
		scan, _ := buildLab(t)
		checkConnect(t, true, true)
		checkDial(t, open(t, Options{Source4: netip.MustParseAddr(self4), Source6: netip.MustParseAddr(self6)}))
		r := openRaw(t)
		checkLab(t, r, true, true)
		checkDial(t, r)
		withoutRaw(t, stageBare) // nobody may ping in a new namespace
		scan.set("ipv4/ping_group_range", "0 0")
		withoutRaw(t, stagePing)
	case stagePing:
		checkConnect(t, false, true)
		checkDial(t, open(t, Options{}))
	case stageBare:
		checkConnect(t, false, false)
		if r, err := NewRaw(Options{}); !errors.Is(err, ErrNoRaw) {
			t.Errorf("the raw engine without the right: %v, %v", r, err)
		}
	}
}

// checkConnect checks what the portable engine sees, and what it says it cannot.
func checkConnect(t *testing.T, raw, ping bool) {
	t.Helper()
	c := open(t, Options{})
	notes := strings.Join(c.Notes(), "\n")
	if got := strings.Contains(notes, "TTL of TCP answers not visible"); got == raw {
		t.Errorf("notes with raw=%t: %q", raw, notes)
	}
	if got := strings.Contains(notes, "no ICMP echo"); got == ping {
		t.Errorf("notes with ping=%t: %q", ping, notes)
	}
	checkLab(t, c, raw, ping)
	settled(t, c)
	if raw {
		return
	}
	// Once more, by the sockets that have been used: each for another row.
	rows := labRows()
	rows = slices.DeleteFunc(rows, func(r row) bool { return strings.HasSuffix(r.name, " route") || r.proto != scanner.TCP })
	checkRows(t, c, rows, raw, ping)
	settled(t, c)
}

// openRaw opens the raw engine.
func openRaw(t *testing.T) *Raw {
	t.Helper()
	r, err := NewRaw(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// checkLab sends all rows at once and compares what comes with the table.
// raw: TTLs of TCP answers must be visible; ping: echo must be possible.
func checkLab(t *testing.T, c scanner.Sweeper, raw, ping bool) {
	t.Helper()
	checkRows(t, c, labRows(), raw, ping)
}

func checkRows(t *testing.T, c scanner.Sweeper, rows []row, raw, ping bool) {
	t.Helper()
	var shots []scanner.Shot
	silent := 0
	for i, r := range rows {
		for v, to := range []string{r.to4, r.to6} {
			// Longer than ARP takes to fail; a second is enough where nothing comes.
			wait := 20 * time.Second
			if r.want == scanner.Silent {
				wait = time.Second
				if ping || r.proto != scanner.ICMP {
					silent++
				}
			}
			shots = append(shots, scanner.Shot{
				Key: uint64(2*i + v + 1), Addr: netip.MustParseAddr(to), Protocol: r.proto, Port: r.port,
				HopLimit: r.hops, Payload: []byte("who is there?"), Wait: wait,
			})
		}
	}
	sendAll(t, c, shots)
	got := receive(t, c, len(shots)-silent)
	for i, r := range rows {
		if r.proto == scanner.ICMP && !ping {
			r.want, r.err, r.hops = scanner.LocalError, "no ICMP echo", 0
		}
		for v, from := range []string{r.from4, r.from6} {
			t.Run(fmt.Sprintf("%s/v%d", r.name, 4+2*v), func(t *testing.T) {
				reply, ok := got[uint64(2*i+v+1)]
				checkRow(t, r, v == 1, from, raw, reply, ok)
			})
		}
	}
}

func checkRow(t *testing.T, r row, v6 bool, from string, raw bool, reply scanner.Reply, ok bool) {
	t.Helper()
	if r.want == scanner.Silent {
		if ok {
			t.Errorf("got %+v, want silence", reply)
		}
		return
	}
	if !ok || reply.Outcome != r.want {
		t.Fatalf("got %v (there: %t) %+v, want %s", reply.Outcome, ok, reply, r.want)
	}
	if r.want == scanner.LocalError {
		if !strings.Contains(reply.Err, r.err) || reply.Temporary {
			t.Errorf("got error %q, temporary %t, want %q", reply.Err, reply.Temporary, r.err)
		}
		return
	}
	want := r.icmp4
	if v6 {
		want = r.icmp6
	}
	if reply.From != netip.MustParseAddr(from) || reply.ICMP != want {
		t.Errorf("got %+v from %s, want %+v from %s", reply.ICMP, reply.From, want, from)
	}
	ttl := r.ttl
	if r.proto == scanner.TCP && !raw && (r.want == scanner.Answered || r.want == scanner.Refused) {
		ttl = 0
	}
	if reply.TTL != ttl {
		t.Errorf("got TTL %d, want %d", reply.TTL, ttl)
	}
	if r.proto == scanner.UDP && r.want == scanner.Answered && string(reply.Payload) != "who is there?" {
		t.Errorf("got payload %q", reply.Payload)
	}
	if reply.At.IsZero() || reply.At.Before(reply.Sent) {
		t.Errorf("sent %s, answered %s", reply.Sent, reply.At)
	}
}

// checkDial holds the dialer against the same network.
func checkDial(t *testing.T, c scanner.Dialer) {
	t.Helper()
	for _, host := range []string{host4, host6} {
		addr := netip.MustParseAddr(host)
		router := netip.MustParseAddr(r2at4)
		if addr.Is6() {
			router = netip.MustParseAddr(r2at6)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, r := c.DialTCP(ctx, netip.AddrPortFrom(addr, 445))
		if conn == nil {
			t.Fatalf("dial %s: %+v", addr, r)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if line != "hello\n" || r.Outcome != scanner.Answered {
			t.Errorf("dial %s: read %q, %v; %+v", addr, line, err, r)
		}
		conn.Close()
		conn, r = c.DialTCP(ctx, netip.AddrPortFrom(addr, 10123))
		if conn != nil || r.Outcome != scanner.Rejected || r.From != router {
			t.Errorf("dial a prohibited port of %s: %+v", addr, r)
		}
		conn, r = c.DialTCP(ctx, netip.AddrPortFrom(addr, 2701))
		if conn != nil || r.Outcome != scanner.Refused || r.From != addr {
			t.Errorf("dial a reset port of %s: %+v", addr, r)
		}
		short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		conn, r = c.DialTCP(short, netip.AddrPortFrom(addr, 3389))
		if conn != nil || r.Outcome != scanner.Silent {
			t.Errorf("dial a dropped port of %s: %+v", addr, r)
		}
		stop()
		cancel()
	}
}

// settled waits until nothing is in flight any more, and checks that no
// further reply came and that the books are empty.
func settled(t *testing.T, c *Connect) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		c.mu.Lock()
		left := c.flying + c.tiring + len(c.flights) + len(c.byEcho) + len(c.byPorts) + len(c.due) + len(c.over)
		c.mu.Unlock()
		if left == 0 {
			break
		}
		short, stop := context.WithTimeout(ctx, 20*time.Millisecond)
		n, err := c.Receive(short, make([]scanner.Reply, 1))
		stop()
		if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one more reply: %d, %v", n, err)
		}
	}
	if n := c.replies.len(); n != 0 {
		t.Errorf("%d more replies", n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flying != 0 || len(c.flights) != 0 || len(c.byEcho) != 0 || len(c.byPorts) != 0 || len(c.due)+len(c.over) != 0 {
		t.Errorf("left over: %d flying, %d flights, %d echoes, %d ports, %d deadlines",
			c.flying, len(c.flights), len(c.byEcho), len(c.byPorts), len(c.due)+len(c.over))
	}
}
