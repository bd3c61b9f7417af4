package scanner

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// simNet is a network between the sweep and its paths: a bottleneck with a
// drop-tail queue, random loss in each direction, times in which everything is
// lost.
type simNet struct {
	rtt        time.Duration
	bottleneck float64 // packets a second; 0: none
	queue      float64 // packets
	loss       float64 // of each direction
	alive      float64 // share of the paths that answer
	deadFrom   int     // paths from this one on are all silent; 0: none
	canaries   bool    // windows of bursts are told to the control when they end
	bursts     []span
	machine    float64 // packets a second that this machine can send; 0: any
	buffer     float64 // packets a second above which this machine loses packets itself; 0: never
}

type simPath struct {
	sent  []time.Duration
	tries int
	done  bool
}

type simEvent struct {
	at     time.Duration
	path   int
	sent   time.Duration
	answer bool
}

type simEvents []simEvent

func (h simEvents) Len() int           { return len(h) }
func (h simEvents) Less(i, j int) bool { return h[i].at < h[j].at }
func (h simEvents) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *simEvents) Push(x any)        { *h = append(*h, x.(simEvent)) }
func (h *simEvents) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// simRun is what a simulated sweep came to.
type simRun struct {
	took  time.Duration
	sent  int
	lost  int       // by the bottleneck
	rates []float64 // of sending, for each 100 ms
	last  float64   // rate of the control at the end
	wrong int       // paths that answer and were found silent
}

// simSweep sweeps paths through the network under congestion control, with a
// timer of 1 ms, timeouts from the measured round trip (200 ms to 1 s) and up to
// 6 tries. Retransmissions go before first tries.
type simSweep struct {
	net    simNet
	r      *rand.Rand
	c      *congestion
	rtt    roundTrip
	p      *pacer
	paths  []simPath
	alive  []bool
	events simEvents
	again  []int
	picked []int
	now    time.Duration
	level  float64 // of the queue at the bottleneck
	next   int     // path that was not tried yet
	open   int     // paths that are not done
	voided int     // bursts that the control was told of
	slice  int     // packets of this tenth of a second
	out    simRun
}

func sim(net simNet, ceiling float64, paths int, seed uint64) simRun {
	s := &simSweep{
		net: net, r: rand.New(rand.NewPCG(seed, 99)), c: newCongestion(ceiling), p: newPacer(0),
		paths: make([]simPath, paths), alive: make([]bool, paths), now: at(0), open: paths,
	}
	for i := range s.alive {
		s.alive[i] = s.r.Float64() < net.alive && (net.deadFrom == 0 || i < net.deadFrom)
	}
	for ms := 1; s.open > 0 && ms < 300_000; ms++ {
		s.due()
		s.p.setRate(time.Unix(0, 0).Add(s.now), s.c.tick(s.now, s.rtt.limit))
		s.pick()
		for _, i := range s.picked {
			s.send(i)
		}
		if net.buffer > 0 && float64(len(s.picked)) > net.buffer/1000 {
			s.c.lost(s.now)
		}
		s.level = max(0, s.level-net.bottleneck/1000)
		s.now += time.Millisecond
		if ms%100 == 0 {
			s.out.rates = append(s.out.rates, float64(s.slice)*10)
			s.slice = 0
		}
	}
	s.out.took, s.out.last = s.now, s.c.rate
	return s.out
}

// due deals with the answers and deadlines that are due, and the end of
// bursts.
func (s *simSweep) due() {
	for len(s.events) > 0 && s.events[0].at <= s.now {
		ev := heap.Pop(&s.events).(simEvent)
		p := &s.paths[ev.path]
		switch {
		case p.done:
		case ev.answer:
			p.done = true
			s.open--
			s.c.answered(ev.sent, ev.sent == p.sent[0])
			for _, sent := range p.sent {
				if sent < ev.sent {
					s.c.recovered(sent, sent == p.sent[0])
				}
			}
			s.rtt.add(s.now - ev.sent)
		case p.tries < 6:
			s.again = append(s.again, ev.path)
		default:
			p.done = true
			s.open--
			s.c.retried(p.sent[p.tries-1], p.tries == 1)
			if s.alive[ev.path] {
				s.out.wrong++
			}
		}
	}
	for i, w := range s.net.bursts {
		if s.net.canaries && s.now >= w.to && s.voided == i {
			s.voided++
			s.c.void(w.from, w.to)
		}
	}
}

// pick chooses what to send in this millisecond, in no order.
func (s *simSweep) pick() {
	s.picked = s.picked[:0]
	for s.net.machine == 0 || float64(len(s.picked)) < s.net.machine/1000 {
		if n, _ := s.p.allow(time.Unix(0, 0).Add(s.now), 1); n == 0 {
			break
		}
		var i int
		switch {
		case len(s.again) > 0:
			i, s.again = s.again[0], s.again[1:]
			if s.paths[i].done {
				continue
			}
		case s.next < len(s.paths):
			i = s.next
			s.next++
		default:
			return
		}
		s.p.sent(1)
		s.picked = append(s.picked, i)
	}
	s.r.Shuffle(len(s.picked), func(i, j int) { s.picked[i], s.picked[j] = s.picked[j], s.picked[i] })
}

func (s *simSweep) send(i int) {
	p := &s.paths[i]
	if p.tries++; p.tries == 1 {
		s.c.sent(s.now, 1, 0)
	} else {
		s.c.retried(p.sent[p.tries-2], p.tries == 2)
		s.c.sent(s.now, 0, 1)
	}
	p.sent = append(p.sent, s.now)
	s.out.sent++
	s.slice++
	wait := min(max(s.rtt.limit, minDeadline), time.Second)
	wait += time.Duration(s.r.Int64N(int64(20 * time.Millisecond))) // or lost tries stay in step with a full queue
	heap.Push(&s.events, simEvent{at: s.now + wait, path: i})
	for _, w := range s.net.bursts {
		if s.now >= w.from && s.now < w.to {
			return
		}
	}
	delay := s.net.rtt
	if s.net.bottleneck > 0 {
		if s.level+1 > s.net.queue {
			s.out.lost++
			return
		}
		s.level++
		delay += time.Duration(s.level / s.net.bottleneck * float64(time.Second))
	}
	if s.alive[i] && s.r.Float64() >= s.net.loss && s.r.Float64() >= s.net.loss {
		heap.Push(&s.events, simEvent{at: s.now + delay, sent: s.now, path: i, answer: true})
	}
}

// mean is the rate between two times, in tenths of a second.
func (r simRun) mean(from, to int) float64 {
	to = min(to, len(r.rates))
	sum := 0.0
	for _, x := range r.rates[from:to] {
		sum += x
	}
	return sum / float64(max(to-from, 1))
}
