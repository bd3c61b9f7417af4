package scanner

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestEverythingAnswers(t *testing.T) {
	f := newFakeNet(answers(5 * time.Millisecond))
	hosts, last, took := collect(t, f.config(), targets(300, rowICMP, rowSMB))
	if len(hosts) != 300 || last.Hosts != 300 || last.Packets != 600 {
		t.Fatalf("%d hosts, progress %+v", len(hosts), last)
	}
	if took > time.Second {
		t.Errorf("took %s although every answer comes after 5 ms", took)
	}
	for _, h := range hosts {
		if o := only(t, h, TCP, 445, ""); o.Outcome != Answered || o.Tries != 1 || o.Took != 5*time.Millisecond || o.From != h.Addr {
			t.Fatalf("%+v", o)
		}
	}
}

// Where nothing answers, nothing is known of the loss, and every round is used.
// Where enough answers and nothing is lost, three tries do.
func TestSilenceIsAskedAsOftenAsTheEvidenceWants(t *testing.T) {
	for _, alive := range []bool{false, true} {
		f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
			return Reply{Outcome: Answered}, time.Millisecond, alive && s.Protocol == ICMP
		})
		cfg := f.config()
		cfg.Traces = -1
		hosts, last, _ := collect(t, cfg, targets(40, rowICMP, rowSMB))
		want, silent := 6, 80
		if alive {
			want, silent = minTries, 40
		}
		for _, h := range hosts {
			if o := only(t, h, TCP, 445, ""); o.Outcome != Silent || o.Tries != want {
				t.Fatalf("alive %v: %+v", alive, o)
			}
		}
		if last.Stats.Silent != silent || last.Stats.Doubt() > maxDoubt {
			t.Errorf("alive %v: stats %+v, doubt %f", alive, last.Stats, last.Stats.Doubt())
		}
	}
}

// What silenced an endpoint may pass while the host is still being talked to.
func TestLateAnswerOfAnEndpointThatWasSilent(t *testing.T) {
	for _, rounds := range []int{6, 3} { // with 3 it is the trace that finds out
		f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
			silent := s.Port == 135 && s.HopLimit == 0 && try <= 3
			return Reply{Outcome: Answered}, time.Millisecond, !silent
		})
		cfg := f.config()
		cfg.Rounds = rounds
		cfg.Probes = map[string]Probe{
			"rpc": probeThat("rpc", func(context.Context, Call) Result {
				return Result{Outcome: Spoke, Reveals: []Endpoint{{Protocol: TCP, Port: 49664, Probe: "rpc-bind"}}}
			}),
			"rpc-bind": probeThat("rpc-bind", spoke),
		}
		hosts, last, _ := collect(t, cfg, targets(1, rowICMP, rowEPM, rowDyn))
		if o := only(t, hosts[0], TCP, 135, ""); o.Outcome != Answered || o.Tries != 4 {
			t.Errorf("rounds %d: %+v", rounds, o)
		}
		only(t, hosts[0], TCP, 49664, "rpc-bind")
		if last.Stats.Silent != 0 {
			t.Errorf("rounds %d: %+v", rounds, last.Stats)
		}
	}
}

// While this machine fails to send, silence of others is no evidence.
func TestOwnTroubleExcusesSilence(t *testing.T) {
	trouble := 30
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		if trouble > 0 && s.Protocol == ICMP {
			trouble--
			return Reply{Outcome: LocalError, Err: "no buffer", Temporary: true}, 0, true
		}
		return Reply{Outcome: Answered}, time.Millisecond, trouble == 0
	})
	hosts, _, _ := collect(t, f.config(), targets(4, rowICMP, rowSMB))
	for _, h := range hosts {
		if o := only(t, h, TCP, 445, ""); o.Outcome != Answered {
			t.Errorf("%+v", o)
		}
	}
}

// With losses, the silent are asked until the doubt is small, or up to Rounds.
func TestLossRaisesTheTries(t *testing.T) {
	lossy := func(s Shot, try int) (Reply, time.Duration, bool) {
		if s.Port == 445 {
			return Reply{}, 0, false
		}
		return Reply{Outcome: Answered}, time.Millisecond, try > 1 || s.Addr.As4()[3]%4 != 0 // a quarter loses its first packet
	}
	f := newFakeNet(lossy)
	cfg := f.config()
	cfg.Rounds = 9
	hosts, last, _ := collect(t, cfg, targets(400, rowICMP, rowSMB))
	if loss := last.Stats.Loss(); loss < 0.15 || loss > 0.25 {
		t.Errorf("loss %f, want about 0.2", loss)
	}
	if last.Stats.Doubt() > maxDoubt {
		t.Errorf("doubt %f", last.Stats.Doubt())
	}
	for _, h := range hosts {
		if o := only(t, h, TCP, 445, ""); o.Tries < 6 || o.Tries > 9 {
			t.Fatalf("tries %d", o.Tries)
		}
	}
	cfg = newFakeNet(lossy).config()
	cfg.Rounds = 4
	_, last, _ = collect(t, cfg, targets(400, rowICMP, rowEPM, rowSMB))
	if last.Stats.Doubt() < maxDoubt || last.Stats.MinTries != 4 {
		t.Errorf("with 4 rounds: %+v, doubt %f", last.Stats, last.Stats.Doubt())
	}
}

func TestEarlyAnswersAreNotDelayedBySilentNeighbours(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered}, time.Millisecond, s.Addr.As4()[3] >= 8
	})
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		done := map[string]time.Duration{}
		for ev := range Run(t.Context(), f.config(), targets(16, rowSMB)) {
			if ev.Host != nil {
				done[ev.Host.Name] = time.Since(started)
			}
		}
		for name, after := range done {
			silent := netip.MustParseAddr(name).As4()[3] < 8
			if silent != (after >= 3*minDeadline) || (!silent && after > 100*time.Millisecond) {
				t.Errorf("%s: done after %s", name, after)
			}
		}
	})
}

func TestLateAnswerCounts(t *testing.T) {
	f := newFakeNet(func(_ Shot, try int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered}, 400 * time.Millisecond, try == 1
	})
	hosts, _, _ := collect(t, f.config(), targets(1, rowSMB))
	if o := only(t, hosts[0], TCP, 445, ""); o.Outcome != Answered || o.Tries != 2 || o.Took != 400*time.Millisecond {
		t.Fatalf("%+v", o)
	}
}

func TestRateIsKept(t *testing.T) {
	for _, rate := range []float64{10, 1000, 20000}[:fewer(t, "rates", 3, 2)] {
		f := newFakeNet(answers(time.Millisecond))
		cfg := f.config()
		cfg.Rate = rate
		n := int(rate * 5)
		_, _, took := collect(t, cfg, targets(n, rowICMP))
		if want := 5 * time.Second; took < want*97/100 || took > want*103/100 {
			t.Errorf("rate %v: %d packets took %s, want about %s", rate, n, took, want)
		}
		step := 100 * time.Millisecond
		for i, s := range f.shots { // no window of 100 ms carries much more than its share
			most := int(rate*0.1*1.25) + 2
			if j := i + most; j < len(f.shots) && f.shots[j].at.Sub(s.at) < step {
				t.Fatalf("rate %v: more than %d packets within %s", rate, most, step)
			}
		}
	}
}

func TestWindowBoundsTheHostsInFlight(t *testing.T) {
	f := newFakeNet(func(Shot, int) (Reply, time.Duration, bool) { return Reply{}, 0, false })
	cfg := f.config()
	cfg.Window = 7
	highest := 0
	synctest.Test(t, func(t *testing.T) {
		n := 0
		for ev := range Run(t.Context(), cfg, targets(40, rowSMB)) {
			if ev.Progress != nil {
				highest = max(highest, ev.Progress.Flight)
			}
			if ev.Host != nil {
				n++
			}
		}
		if n != 40 {
			t.Errorf("%d hosts", n)
		}
	})
	if highest != 7 {
		t.Errorf("%d hosts in flight, window 7", highest)
	}
}

func TestNeighboursInTimeGoToDifferentHosts(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Rate = 5000
	collect(t, cfg, targets(512, rowICMP, rowSMB, rowEPM))
	same := 0
	for i := 1; i < len(f.shots); i++ {
		if f.shots[i].Addr == f.shots[i-1].Addr {
			same++
		}
	}
	if same > 8 {
		t.Errorf("%d of %d packets follow one to the same host", same, len(f.shots))
	}
}

func TestCancelEndsAtOnce(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered}, time.Millisecond, s.Addr == addr(0)
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		started := time.Now()
		time.AfterFunc(500*time.Millisecond, cancel)
		var got []string
		for ev := range Run(ctx, f.config(), targets(100, rowSMB)) {
			if ev.Host != nil {
				got = append(got, ev.Host.Name)
			}
			if ev.Err != nil {
				t.Errorf("error %v", ev.Err)
			}
		}
		if took := time.Since(started); took != 500*time.Millisecond {
			t.Errorf("ended after %s", took)
		}
		if len(got) != 1 {
			t.Errorf("hosts %v, want the one that was complete", got)
		}
	})
}

func TestBreakLeavesNothingBehind(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	synctest.Test(t, func(t *testing.T) { // the bubble fails if a goroutine stays
		for ev := range Run(t.Context(), f.config(), targets(1000, rowSMB)) {
			if ev.Host != nil {
				break
			}
		}
	})
}

func TestSweeperWithLittleRoom(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	f.room = 3
	hosts, _, _ := collect(t, f.config(), targets(100, rowICMP, rowSMB))
	if len(hosts) != 100 || len(f.shots) != 200 {
		t.Errorf("%d hosts, %d shots", len(hosts), len(f.shots))
	}
}

func TestLocalTroubleIsNoVerdict(t *testing.T) {
	f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
		switch {
		case s.Protocol == ICMP:
			return Reply{Outcome: LocalError, Err: "no right"}, 0, true
		case try <= 4:
			return Reply{Outcome: LocalError, Err: "no buffer", Temporary: true}, 0, true
		default:
			return Reply{Outcome: Answered}, time.Millisecond, true
		}
	})
	hosts, last, _ := collect(t, f.config(), targets(5, rowICMP, rowSMB))
	for _, h := range hosts {
		if o := only(t, h, ICMP, 0, ""); o.Outcome != LocalError || o.Err != "no right" {
			t.Errorf("%+v", o)
		}
		if o := only(t, h, TCP, 445, ""); o.Outcome != Answered || o.Tries != 1 {
			t.Errorf("a passing trouble counted as a try: %+v", o)
		}
	}
	if last.Stats.Loss() != 0 {
		t.Errorf("own trouble counted as loss: %+v", last.Stats)
	}
}

func TestLastingLocalTroubleEnds(t *testing.T) {
	f := newFakeNet(func(Shot, int) (Reply, time.Duration, bool) {
		return Reply{Outcome: LocalError, Err: "no buffer", Temporary: true}, 0, true
	})
	hosts, _, _ := collect(t, f.config(), targets(3, rowSMB))
	for _, h := range hosts {
		if o := only(t, h, TCP, 445, ""); o.Outcome != LocalError {
			t.Errorf("%+v", o)
		}
	}
}

type brokenSweeper struct{ *fakeNet }

func (brokenSweeper) Send([]Shot) (int, error) { return 0, errors.New("socket gone") }

func TestSweeperErrorIsTheLastEvent(t *testing.T) {
	f := newFakeNet(answers(0))
	cfg := f.config()
	cfg.Sweeper = brokenSweeper{f}
	synctest.Test(t, func(t *testing.T) {
		var last Event
		for ev := range Run(t.Context(), cfg, targets(3, rowSMB)) {
			last = ev
		}
		if last.Err == nil || last.Err.Error() != "socket gone" {
			t.Errorf("last event %+v", last)
		}
	})
}

func TestNames(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	six := netip.MustParseAddr("fd00:198::1")
	f.names = map[string][]netip.Addr{"pc1": {six, addr(1), netip.AddrFrom16(addr(1).As16())}}
	byName := func(name string) func(func(Target) bool) {
		return func(yield func(Target) bool) { yield(Target{Name: name, Rows: []*Requirement{rowSMB}}) }
	}
	hosts, _, _ := collect(t, f.config(), byName("pc1"))
	if len(hosts) != 2 {
		t.Fatalf("%d hosts for two addresses", len(hosts))
	}
	hosts, _, _ = collect(t, f.config(), byName("nobody"))
	if len(hosts) != 1 || hosts[0].Addr.IsValid() || hosts[0].Observations[0].Outcome != Unresolved {
		t.Fatalf("%+v", hosts[0])
	}
	f.lookup = &net.DNSError{Err: "i/o timeout", Name: "pc1", IsTimeout: true}
	hosts, _, _ = collect(t, f.config(), byName("pc1"))
	if len(hosts) != 1 || hosts[0].Observations[0].Outcome != LocalError {
		t.Fatalf("a name service that fails proves nothing: %+v", hosts[0].Observations)
	}
}

// What exists in IPv4 only is asked for at the IPv4 address of a host that has
// one; where there is none, it is said that it cannot be asked for.
func TestIPv4Only(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	six := netip.MustParseAddr("fd00:198::1")
	f.names = map[string][]netip.Addr{"dhcp1": {six, addr(1)}, "dhcp6": {six}}
	cfg := f.config()
	cfg.Probes = map[string]Probe{"dhcp": {Name: "dhcp", Protocol: UDP, IPv4Only: true, Request: func(a Ask) []byte {
		if a.To.Addr().Is4() {
			return []byte("?")
		}
		return nil
	}}}
	dhcp := &Requirement{ID: "nap/dhcp", Protocol: UDP, Port: 67, Probe: "dhcp"}
	for _, c := range []struct {
		name string
		rows []*Requirement
		want map[netip.Addr]int // rows that are judged
	}{
		{"dhcp1", []*Requirement{rowICMP, dhcp}, map[netip.Addr]int{addr(1): 2, six: 1}},
		{"dhcp1", []*Requirement{dhcp}, map[netip.Addr]int{addr(1): 1}},
		{"dhcp6", []*Requirement{dhcp}, map[netip.Addr]int{six: 1}},
	} {
		hosts, _, _ := collect(t, cfg, slices.Values([]Target{{Name: c.name, Rows: c.rows}}))
		got := map[netip.Addr]int{}
		for _, h := range hosts {
			got[h.Addr] = len(h.Rows)
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestMissingParts(t *testing.T) {
	for ev := range Run(t.Context(), Config{}, targets(1, rowSMB)) {
		if ev.Err == nil {
			t.Errorf("event %+v", ev)
		}
	}
}
