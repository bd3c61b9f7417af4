package scanner

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeNet is a Sweeper, Dialer and Resolver whose behaviour is a function.
type fakeNet struct {
	// answer says what comes back for a shot, and when; false: nothing.
	answer func(s Shot, try int) (Reply, time.Duration, bool)
	room   int // shots that Send takes at once; 0: all
	names  map[string][]netip.Addr
	lookup error

	mu      sync.Mutex
	shots   []sentShot
	tries   map[string]int
	replies chan Reply
	dialled []netip.AddrPort
	dials   int // open connections
	maxDial int
}

type sentShot struct {
	Shot
	at time.Time
}

func newFakeNet(answer func(s Shot, try int) (Reply, time.Duration, bool)) *fakeNet {
	return &fakeNet{answer: answer, tries: map[string]int{}}
}

// queue is the replies' channel, made where it is used first: inside the
// bubble of fake time.
func (f *fakeNet) queue() chan Reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.replies == nil {
		f.replies = make(chan Reply, 1<<16)
	}
	return f.replies
}

func (f *fakeNet) Send(shots []Shot) (int, error) {
	queue := f.queue()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.room > 0 && len(shots) > f.room {
		shots = shots[:f.room]
	}
	for _, s := range shots {
		k := fmt.Sprint(s.Addr, s.Protocol, s.Port, s.HopLimit)
		f.tries[k]++
		f.shots = append(f.shots, sentShot{s, time.Now()})
		r, after, ok := f.answer(s, f.tries[k])
		if !ok {
			continue
		}
		r.Key = s.Key
		if r.Outcome == Answered && !r.From.IsValid() {
			r.From = s.Addr
		}
		time.AfterFunc(after, func() { r.At = time.Now(); queue <- r })
	}
	return len(shots), nil
}

func (f *fakeNet) Receive(ctx context.Context, rs []Reply) (int, error) {
	select {
	case rs[0] = <-f.queue():
		return 1, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (f *fakeNet) DialTCP(_ context.Context, to netip.AddrPort) (net.Conn, Reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialled = append(f.dialled, to)
	a, b := net.Pipe()
	f.dials++
	f.maxDial = max(f.maxDial, f.dials)
	return &countedConn{Conn: a, other: b, f: f}, Reply{Outcome: Answered, From: to.Addr()}
}

type countedConn struct {
	net.Conn
	other net.Conn
	f     *fakeNet
	once  sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.f.mu.Lock()
		c.f.dials--
		c.f.mu.Unlock()
		_ = c.other.Close()
	})
	return c.Conn.Close()
}

func (f *fakeNet) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if f.lookup != nil {
		return nil, f.lookup
	}
	if a, ok := f.names[host]; ok {
		return slices.Clone(a), nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func answers(after time.Duration) func(Shot, int) (Reply, time.Duration, bool) {
	return func(Shot, int) (Reply, time.Duration, bool) { return Reply{Outcome: Answered}, after, true }
}

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}) }

// targets are n hosts given by address, in subnets of 256.
func targets(n int, rows ...*Requirement) func(func(Target) bool) {
	return func(yield func(Target) bool) {
		for i := range n {
			if !yield(Target{Name: addr(i).String(), Addr: addr(i), Rows: rows}) {
				return
			}
		}
	}
}

var (
	rowICMP = &Requirement{ID: "push/icmp", Protocol: ICMP, FromHere: true}
	rowSMB  = &Requirement{ID: "push/smb", Protocol: TCP, Port: 445, Probe: "smb", FromHere: true}
	rowEPM  = &Requirement{ID: "push/epm-tcp", Protocol: TCP, Port: 135, Probe: "rpc", FromHere: true}
	rowDyn  = &Requirement{
		ID: "push/rpc-dynamic", Protocol: TCP, Via: 135, ViaProbe: "rpc", Probe: "rpc-bind",
		Extra: []uint16{24158}, FromHere: true,
	}
)

func (f *fakeNet) config() Config { return Config{Sweeper: f, Dialer: f, Resolver: f} }

// collect runs a check to its end inside a bubble of fake time.
func collect(t *testing.T, cfg Config, ts func(func(Target) bool)) (hosts []*Host, last Progress, took time.Duration) {
	t.Helper()
	if f, ok := cfg.Sweeper.(*fakeNet); ok {
		f.replies = nil
	}
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		for ev := range Run(t.Context(), cfg, ts) {
			switch {
			case ev.Err != nil:
				t.Errorf("run ended: %v", ev.Err)
			case ev.Host != nil:
				hosts = append(hosts, ev.Host)
			default:
				last = *ev.Progress
			}
		}
		took = time.Since(started)
	})
	return hosts, last, took
}

// only returns the single ordinary observation of an endpoint.
func only(t *testing.T, h *Host, p Protocol, port uint16, probe string) Observation {
	t.Helper()
	var found []Observation
	for _, o := range h.Observations {
		if o.Protocol == p && o.Port == port && o.Probe == probe && o.HopLimit == 0 {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: %d observations of %s %d %q in %+v", h.Name, len(found), p, port, probe, h.Observations)
	}
	return found[0]
}

// seeds is how many of the simulated networks are run.
func seeds(t testing.TB, all int) int { return fewer(t, "seeds", all, 1) }

// fewer is how many of something a test takes: all, or some under the race
// detector, which looks at what goroutines do to one another and finds nothing
// new in the tenth network. The test says so.
func fewer(t testing.TB, what string, all, some int) int {
	t.Helper()
	if !underRace {
		return all
	}
	t.Logf("under the race detector %d %s, else %d", some, what, all)
	return some
}
