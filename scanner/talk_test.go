package scanner

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// probeThat makes a TCP probe of a function.
func probeThat(name string, talk func(ctx context.Context, c Call) Result) Probe {
	return Probe{Name: name, Protocol: TCP, Talk: talk}
}

func spoke(context.Context, Call) Result { return Result{Outcome: Spoke, Proof: AssuranceProtocol} }

func TestRevealedPortsAreFollowedAfterTheMapper(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	var mapped, bound time.Time
	cfg.Probes = map[string]Probe{
		"rpc": probeThat("rpc", func(ctx context.Context, c Call) Result {
			conn, _ := c.Dial(ctx)
			defer conn.Close()
			time.Sleep(50 * time.Millisecond)
			f.mu.Lock()
			mapped = time.Now()
			f.mu.Unlock()
			r := Result{Outcome: Spoke}
			for p := range uint16(40) {
				r.Reveals = append(r.Reveals, Endpoint{Protocol: TCP, Port: 49664 + p, Probe: "rpc-bind"})
			}
			return r
		}),
		"rpc-bind": probeThat("rpc-bind", func(ctx context.Context, c Call) Result {
			f.mu.Lock()
			defer f.mu.Unlock()
			if bound.IsZero() {
				bound = time.Now()
			}
			return spoke(ctx, c)
		}),
	}
	hosts, _, _ := collect(t, cfg, targets(1, rowEPM, rowDyn))
	h := hosts[0]
	only(t, h, TCP, 135, "rpc") // two rows, one conversation
	named := 0
	for _, o := range h.Observations {
		if o.Via == 135 && o.Sweep() && o.Port != 24158 {
			named++
		}
	}
	if named != 16 {
		t.Errorf("%d ports followed, the limit is 16", named)
	}
	if o := only(t, h, TCP, 24158, "rpc-bind"); o.Via != 135 {
		t.Errorf("the fixed port: %+v", o)
	}
	if !bound.After(mapped) {
		t.Errorf("bound at %s, before the mapper was asked at %s", bound, mapped)
	}
}

func TestFixedPortIsTriedWithoutAMapper(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered}, time.Millisecond, s.Port != 135
	})
	cfg := f.config()
	cfg.Probes = map[string]Probe{"rpc": probeThat("rpc", spoke), "rpc-bind": probeThat("rpc-bind", spoke)}
	hosts, _, _ := collect(t, cfg, targets(1, rowDyn))
	if o := only(t, hosts[0], TCP, 24158, "rpc-bind"); o.Outcome != Spoke {
		t.Errorf("%+v", o)
	}
}

func TestConversationLimits(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Talks, cfg.HostTalk = 5, 1
	perHost, most := map[string]int{}, 0
	slow := func(ctx context.Context, c Call) Result {
		f.mu.Lock()
		perHost[c.Host]++
		most = max(most, perHost[c.Host])
		f.mu.Unlock()
		conn, _ := c.Dial(ctx)
		time.Sleep(100 * time.Millisecond)
		conn.Close()
		f.mu.Lock()
		perHost[c.Host]--
		f.mu.Unlock()
		return Result{Outcome: Spoke}
	}
	cfg.Probes = map[string]Probe{"smb": probeThat("smb", slow), "rpc": probeThat("rpc", slow)}
	hosts, _, took := collect(t, cfg, targets(20, rowSMB, rowEPM))
	if len(hosts) != 20 || f.maxDial != 5 || most != 1 {
		t.Errorf("%d hosts, %d conversations at once (limit 5), %d with one host (limit 1)", len(hosts), f.maxDial, most)
	}
	if took < 800*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

func TestSilentConversationIsBegunAgain(t *testing.T) {
	for _, c := range []struct {
		first Outcome
		tries int
	}{{Mute, 2}, {Silent, 2}, {Cut, 1}, {Foreign, 1}, {Garbled, 1}} {
		f := newFakeNet(answers(time.Millisecond))
		cfg := f.config()
		calls := 0
		cfg.Probes = map[string]Probe{"smb": probeThat("smb", func(context.Context, Call) Result {
			calls++
			return Result{Outcome: c.first}
		})}
		hosts, _, _ := collect(t, cfg, targets(1, rowSMB))
		if o := only(t, hosts[0], TCP, 445, "smb"); o.Tries != c.tries || calls != c.tries || o.Outcome != c.first {
			t.Errorf("%s: %d calls, %+v", c.first, calls, o)
		}
	}
}

func TestConversationEndsWithItsTime(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Talk = 2 * time.Second
	cfg.Probes = map[string]Probe{"smb": probeThat("smb", func(ctx context.Context, c Call) Result {
		conn, _ := c.Dial(ctx)
		defer conn.Close()
		_, err := conn.Read(make([]byte, 1)) // knows nothing of ctx; the engine ends it
		return Result{Outcome: Mute, Err: err.Error()}
	})}
	hosts, _, took := collect(t, cfg, targets(1, rowSMB))
	if o := only(t, hosts[0], TCP, 445, "smb"); o.Outcome != Mute || took > 5*time.Second {
		t.Errorf("%+v after %s", o, took)
	}
}

func TestCancelReachesAConversation(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Talk = time.Hour
	cfg.Probes = map[string]Probe{"smb": probeThat("smb", func(ctx context.Context, c Call) Result {
		conn, _ := c.Dial(ctx)
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1))
		return Result{Outcome: Mute}
	})}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		for range Run(ctx, cfg, targets(1, rowSMB)) {
		}
		if took := time.Since(started); took != time.Second {
			t.Errorf("ended after %s", took)
		}
	})
}

func TestProbeThatPanicsIsALocalError(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Probes = map[string]Probe{"smb": probeThat("smb", func(context.Context, Call) Result { panic("index out of range") })}
	hosts, _, _ := collect(t, cfg, targets(2, rowSMB))
	for _, h := range hosts {
		if o := only(t, h, TCP, 445, "smb"); o.Outcome != LocalError || !strings.Contains(o.Err, "index out of range") {
			t.Errorf("%+v", o)
		}
	}
}

func TestDepthPortHoldsNoConversation(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Depth = AssurancePortOpen
	cfg.Probes = map[string]Probe{"smb": probeThat("smb", spoke)}
	hosts, _, _ := collect(t, cfg, targets(1, rowSMB))
	if len(hosts[0].Observations) != 1 || len(f.dialled) != 0 {
		t.Errorf("%+v, dialled %v", hosts[0].Observations, f.dialled)
	}
}

func TestUDPAnswerIsDecoded(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered, Payload: append([]byte("re:"), s.Payload...)}, time.Millisecond, true
	})
	cfg := f.config()
	cfg.Probes = map[string]Probe{"rpc-udp": {
		Name: "rpc-udp", Protocol: UDP,
		Request: func(a Ask) []byte { return []byte(a.To.String()) },
		Decode:  func(q, b []byte) Result { return Result{Outcome: Spoke, Err: string(q) + " " + string(b)} },
	}}
	hosts, _, _ := collect(t, cfg, targets(1, &Requirement{ID: "push/epm-udp", Protocol: UDP, Port: 135, Probe: "rpc-udp"}))
	only(t, hosts[0], UDP, 135, "")
	if o := only(t, hosts[0], UDP, 135, "rpc-udp"); o.Outcome != Spoke || o.Err != "198.18.0.0:135 re:198.18.0.0:135" {
		t.Errorf("%+v", o)
	}
}

// TestUDPAlso: the second datagram leaves with every try, made once for what
// the first was made for; each is a packet.
func TestUDPAlso(t *testing.T) {
	asked := 0
	f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered, Payload: append([]byte("re:"), s.Also...)}, time.Millisecond, try > 1
	})
	cfg := f.config()
	cfg.Probes = map[string]Probe{"ike": {
		Name: "ike", Protocol: UDP,
		Request: func(Ask) []byte { return []byte("v2") },
		Also:    func(a Ask) []byte { asked++; return []byte("v1 " + a.To.String()) },
		Decode:  func(q, b []byte) Result { return Result{Outcome: Spoke, Err: string(q) + " " + string(b)} },
	}}
	hosts, last, _ := collect(t, cfg, targets(1, &Requirement{ID: "nap/ike", Protocol: UDP, Port: 500, Probe: "ike"}))
	if o := only(t, hosts[0], UDP, 500, "ike"); o.Err != "v2 re:v1 198.18.0.0:500" || o.Tries < 2 || asked != 1 {
		t.Errorf("%+v, made %d times", o, asked)
	} else if last.Packets != uint64(2*o.Tries) {
		t.Errorf("%d packets in %d tries", last.Packets, o.Tries)
	}
}

// A question that cannot be made is this machine's limit, and nothing is sent.
func TestNoQuestionIsNoVerdict(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Probes = map[string]Probe{"dhcp": {
		Name: "dhcp", Protocol: UDP,
		Request: func(Ask) []byte { return nil },
		Decode:  func(_, _ []byte) Result { return Result{Outcome: Spoke} },
	}}
	hosts, last, _ := collect(t, cfg, targets(3, rowICMP, &Requirement{ID: "nap/dhcp", Protocol: UDP, Port: 67, Probe: "dhcp"}))
	for _, h := range hosts {
		if o := only(t, h, UDP, 67, ""); o.Outcome != LocalError {
			t.Errorf("%+v", o)
		}
	}
	if len(hosts) != 3 || last.Packets != 3 {
		t.Errorf("%d hosts, %d packets", len(hosts), last.Packets)
	}
}

// Two services of one UDP port are asked each in its own language.
func TestTwoQuestionsToOnePort(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered, Payload: s.Payload}, time.Millisecond, string(s.Payload) == "dhcp"
	})
	cfg := f.config()
	cfg.Probes = map[string]Probe{}
	for _, name := range []string{"dhcp", "pxe"} {
		cfg.Probes[name] = Probe{
			Name: name, Protocol: UDP, Request: func(Ask) []byte { return []byte(name) },
			Decode: func(_, b []byte) Result { return Result{Outcome: Spoke, Err: string(b)} },
		}
	}
	hosts, _, _ := collect(t, cfg, targets(1,
		&Requirement{ID: "nap/dhcp", Protocol: UDP, Port: 67, Probe: "dhcp"},
		&Requirement{ID: "pxe/dhcp-udp", Protocol: UDP, Port: 67, Probe: "pxe"}))
	seen := map[string]Outcome{}
	for _, o := range hosts[0].Observations {
		seen[o.Asked+"/"+o.Probe] = o.Outcome
	}
	want := map[string]Outcome{"dhcp/": Answered, "/dhcp": Spoke, "pxe/": Silent}
	if !maps.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

// What answers two questions from one port of ours cannot be told apart: the
// second is asked when the first has its answer, of two names of one address too.
func TestOnePortOfOursHasOneQuestionAtATime(t *testing.T) {
	var answered time.Time // in the bubble's time: nothing here waits for real
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		if time.Now().Before(answered) {
			t.Errorf("%s is asked while another waits for its answer", s.Payload)
		}
		answered = time.Now().Add(time.Millisecond)
		return Reply{Outcome: Answered, Payload: s.Payload}, time.Millisecond, true
	})
	cfg := f.config()
	cfg.Probes = map[string]Probe{}
	for _, name := range []string{"dhcp", "pxe", "third"} {
		cfg.Probes[name] = Probe{
			Name: name, Protocol: UDP, UDP: UDPSocket{LocalPort: 68}, Request: func(Ask) []byte { return []byte(name) },
			Decode: func(_, b []byte) Result { return Result{Outcome: Spoke, Err: string(b)} },
		}
	}
	row := func(probe string) *Requirement {
		return &Requirement{ID: "x/" + probe, Protocol: UDP, Port: 67, Probe: probe}
	}
	hosts, _, _ := collect(t, cfg, slices.Values([]Target{
		{Name: "one", Addr: addr(1), Rows: []*Requirement{row("dhcp"), row("pxe")}},
		{Name: "another", Addr: addr(1), Rows: []*Requirement{row("third")}},
	}))
	spoken := 0
	for _, h := range hosts {
		for _, r := range h.Rows {
			if o := only(t, h, UDP, 67, r.Probe); o.Outcome == Spoke && o.Err == r.Probe {
				spoken++
			}
		}
	}
	if len(hosts) != 2 || spoken != 3 {
		t.Errorf("%d hosts, %d of 3 questions answered", len(hosts), spoken)
	}
}
