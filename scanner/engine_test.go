package scanner

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestSlotsKnowAnOldKey(t *testing.T) {
	var s slots
	a, b := &task{}, &task{}
	old := s.take(a)
	keys := []uint32{old, s.take(a), s.take(b), s.take(a)}
	for i, want := range []*task{a, a, b, a} {
		if sl := s.find(keys[i]); sl == nil || sl.task != want || keys[i] == 0 {
			t.Errorf("key %d: %+v", i, sl)
		}
	}
	s.drop(a)
	if s.find(old) != nil || s.find(keys[2]) == nil || s.used != 1 || a.slot != 0 {
		t.Errorf("after the task is done: %+v", s.used)
	}
	seen := map[uint32]bool{old: true}
	for range 3 * chunkSize { // each slot is used several times, never with a key of before
		k := s.take(a)
		if seen[k] || k == 0 {
			t.Fatalf("key %#x twice", k)
		}
		seen[k] = true
		s.drop(a)
	}
	if s.find(old) != nil || s.find(0) != nil || s.find(1<<32-1) != nil {
		t.Error("a key of nobody is found")
	}
	if len(s.chunks) != 1 {
		t.Errorf("%d chunks for two slots in use", len(s.chunks))
	}
}

func TestSlotsShedTheOldestTry(t *testing.T) {
	var s slots
	a := &task{}
	keys := []uint32{s.take(a), s.take(a), s.take(a)}
	s.shed(a)
	if s.find(keys[0]) != nil || s.find(keys[1]) == nil || s.find(keys[2]) == nil {
		t.Error("not the oldest")
	}
	s.shed(a)
	s.shed(a) // the last one stays
	if s.find(keys[1]) != nil || s.find(keys[2]) == nil || s.used != 1 {
		t.Error("not the second")
	}
}

func TestTriesOfATaskHaveDifferentLowBits(t *testing.T) {
	var s slots
	others := &task{}
	for round := range 200 {
		a := &task{}
		seen := map[uint32]bool{}
		for try := range 20 {
			k := s.take(a)
			if k == 0 || seen[k%variety] {
				t.Fatalf("round %d, try %d: key %#x", round, try, k)
			}
			seen[k%variety] = true
			for range (variety - 1) % (round + 1) { // so that the next slot is one like the last
				s.take(others)
			}
		}
		if s.drop(a); round%7 == 0 {
			s.drop(others)
		}
	}
	a := &task{}
	for range 10 * variety {
		if s.take(a) == 0 {
			t.Fatal("there is no end of tries")
		}
	}
}

func TestSlotsAreLimited(t *testing.T) {
	s := slots{made: slotMask, chunks: make([][]slot, 1<<(slotBits-chunkBits))}
	s.chunks[len(s.chunks)-1] = make([]slot, chunkSize)
	a := &task{}
	for s.take(a) != 0 {
		if s.used > chunkSize {
			t.Fatal("no end")
		}
	}
}

// Whatever is put into the wheel comes out at its time or at most a step later,
// or earlier when it is far away; and only once.
func TestWheelKeepsTime(t *testing.T) {
	var w wheel
	rnd := rand.New(rand.NewPCG(1, 2))
	due := map[uint32]time.Duration{}
	now := time.Duration(0)
	for key := uint32(1); key <= 20_000 || len(due) > 0; {
		if key <= 20_000 {
			due[key] = now + time.Duration(rnd.Int64N(int64(6*time.Second)))
			w.add(key, due[key])
			key++
		}
		if at, ok := w.next(); ok && rnd.IntN(4) == 0 {
			now = max(now, at)
		} else {
			now += time.Duration(rnd.Int64N(int64(3 * time.Millisecond)))
		}
		for keys := w.pop(now); keys != nil; keys = w.pop(now) {
			for _, k := range keys {
				at, ok := due[k]
				switch {
				case !ok:
					t.Fatalf("key %d twice", k)
				case at > now:
					w.add(k, at)
					continue
				case now-at > 2*wheelStep:
					if at, _ := w.next(); at > now { // it was not the clock that jumped
						t.Fatalf("key %d is %s late", k, now-at)
					}
				}
				delete(due, k)
			}
			w.done(keys)
		}
	}
	if at, ok := w.next(); ok {
		t.Errorf("something is left for %s", at)
	}
}

func TestWaveTakesEachTaskOnce(t *testing.T) {
	var w wave
	rnd := rand.New(rand.NewPCG(3, 4))
	want, got := 0, map[*task]bool{}
	for i := range 3000 {
		h := &hostRun{fresh: 1 + rnd.IntN(5)}
		for range h.fresh {
			h.tasks = append(h.tasks, &task{host: h})
		}
		want += h.fresh
		w.push(h)
		for range rnd.IntN(6) {
			if x := w.pop(); x != nil {
				if got[x] {
					t.Fatalf("host %d: a task twice", i)
				}
				got[x] = true
				if x == x.host.tasks[x.host.fresh-1] { // the host may be used again now
					x.host.tasks, x.host.fresh = nil, 0
				}
			}
		}
	}
	for x := w.pop(); x != nil; x = w.pop() {
		got[x] = true
	}
	if len(got) != want || !w.empty() {
		t.Errorf("%d tasks of %d, empty %v", len(got), want, w.empty())
	}
}

func TestRing(t *testing.T) {
	var r ring[int]
	var ref []int
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range 10_000 {
		if rnd.IntN(5) < 3-i/5000 {
			r.push(i)
			ref = append(ref, i)
			continue
		}
		v, ok := r.pop()
		if ok != (len(ref) > 0) || ok && v != ref[0] {
			t.Fatalf("popped %d, %v; want of %v", v, ok, ref)
		}
		ref = slices.Delete(ref, 0, min(1, len(ref)))
	}
}

func TestRoundTrip(t *testing.T) {
	var r roundTrip
	r.add(100 * time.Millisecond)
	if r.limit != 300*time.Millisecond { // RFC 6298 2.2
		t.Errorf("first: %s", r.limit)
	}
	for range 100 {
		r.add(100 * time.Millisecond)
	}
	if r.limit < 100*time.Millisecond || r.limit > 101*time.Millisecond {
		t.Errorf("steady: %s", r.limit)
	}
	r.add(10 * time.Second) // one outlier
	if r.limit > time.Second {
		t.Errorf("after an outlier: %s", r.limit)
	}
	for range 20 {
		r.add(2 * time.Second) // it has become slow
	}
	if r.limit < 2*time.Second {
		t.Errorf("after it became slow: %s", r.limit)
	}
}

// Memory does not grow with the subnets of a plan.
func TestSubnetsAreForgotten(t *testing.T) {
	s := subnets{known: map[netip.Prefix]*neighbourhood{}}
	kept := s.enter(netip.MustParseAddr("198.18.7.1"))
	if s.enter(netip.MustParseAddr("198.18.7.200")) != kept || s.enter(netip.MustParseAddr("198.18.8.1")) == kept {
		t.Error("what is one subnet?")
	}
	for i := range 3 * maxIdle {
		a := netip.AddrFrom16([16]byte{0xfd, 0, 1, 0x98, byte(i >> 16), byte(i >> 8), byte(i), 0})
		s.leave(s.enter(a))
	}
	if len(s.known) > maxIdle+2 || s.known[kept.subnet] != kept {
		t.Errorf("%d subnets are known", len(s.known))
	}
}

// still is a sweeper that takes everything; the test makes the replies.
type still struct{ *fakeNet }

func (still) Send(shots []Shot) (int, error) { return len(shots), nil }

// A packet makes no garbage: to send it, to match its answer and to finish its
// path. What a host costs does not depend on how many packets it takes.
func TestPacketsMakeNoGarbage(t *testing.T) {
	times := fewer(t, "times", 2000, 100)
	garbage := func(rows int) float64 {
		f := newFakeNet(nil)
		cfg := f.config()
		cfg.Sweeper, cfg.Depth = still{f}, AssurancePortOpen
		cfg, err := cfg.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		e := newEngine(t.Context(), cfg)
		e.caps = caps{} // one host gets more here than it ever should
		list := make([]*Requirement, rows)
		for i := range list {
			list[i] = &Requirement{Protocol: TCP, Port: uint16(1000 + i), Probe: "smb"}
		}
		host := &Host{Name: "pc1", Addr: addr(1), Rows: list}
		check := func() {
			host.Observations = nil
			e.admit(host)
			for e.running > 0 {
				if e.transmit(); len(e.shots) > 0 {
					t.Fatal("not sent")
				}
				e.answerAll(t)
				e.expire()
			}
			if len(host.Observations) != rows || host.Observations[rows-1].Outcome != Answered {
				t.Fatalf("%+v", host.Observations)
			}
			e.outbox = e.outbox[:0]
		}
		for range times { // until the buckets and buffers are as big as they get
			check()
		}
		return testing.AllocsPerRun(times, check)
	}
	few, many := garbage(1), garbage(200)
	if (few > 2 || many > few) && !underRace { // which has garbage of its own
		t.Errorf("a host of 1 packet allocates %v times, one of 200 packets %v times", few, many)
	}
}

// answerAll answers every packet that is under way.
func (e *engine) answerAll(t *testing.T) {
	buf := <-e.buffers
	buf = buf[:0]
	at := time.Now()
	for i := range e.slots.made {
		sl := e.slots.at(i)
		if sl.state == slotSent {
			buf = append(buf, Reply{
				Key: uint64(sl.uses)<<slotBits | uint64(i), Outcome: Answered, At: at, From: sl.task.host.Addr,
				To: netip.AddrPortFrom(sl.task.host.Addr, sl.task.port), Over: sl.task.proto,
			})
		}
	}
	if len(buf) > replyBatch {
		t.Fatalf("%d replies", len(buf))
	}
	e.receive(buf)
}

// An answer that does not come from where the packet went to is none.
func TestForgedReplies(t *testing.T) {
	f := newFakeNet(nil)
	cfg, err := f.config().withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sweeper = still{f}
	e := newEngine(t.Context(), cfg)
	e.admit(&Host{Name: "pc1", Addr: addr(1), Rows: []*Requirement{rowSMB}})
	for e.slots.made == 0 { // until the pace allows the first packet
		e.tick()
		e.transmit()
	}
	key := uint64(e.slots.at(0).uses) << slotBits
	good := Reply{Key: key, Outcome: Answered, To: netip.AddrPortFrom(addr(1), 445), Over: TCP}
	for _, change := range []func(*Reply){
		func(r *Reply) { r.Key++ },
		func(r *Reply) { r.Key += 1 << slotBits },
		func(r *Reply) { r.Key += 1 << 32 },
		func(r *Reply) { r.To = netip.AddrPortFrom(addr(2), 445) },
		func(r *Reply) { r.To = netip.AddrPortFrom(addr(1), 135) },
		func(r *Reply) { r.Over = UDP },
	} {
		r := good
		change(&r)
		e.match(&r)
		if e.stats.Answered != 0 {
			t.Fatalf("%+v was taken for an answer", r)
		}
	}
	if e.match(&good); e.stats.Answered != 1 {
		t.Error("the answer was not taken")
	}
}

// Many goroutines find hosts; the engine takes them in batches; nothing is lost
// when it is slow or when there are few.
func TestIntake(t *testing.T) {
	in := newIntake()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const makers, each = 8, 2000
	done := make(chan struct{}, makers)
	for range makers {
		go func() {
			for range each {
				in.put(ctx, &Host{})
			}
			done <- struct{}{}
		}()
	}
	go func() {
		for range makers {
			<-done
		}
		in.close()
	}()
	got := 0
	var list []*Host
	for more := true; more; {
		select {
		case <-in.ready:
		case <-ctx.Done():
			t.Fatalf("%d hosts of %d", got, makers*each)
		}
		for {
			list, more = in.take(list[:0])
			if got += len(list); len(list) == 0 {
				break
			}
		}
	}
	if got != makers*each {
		t.Errorf("%d hosts", got)
	}
}
