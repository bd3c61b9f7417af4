package scanner

import (
	"context"
	"iter"
	"net/netip"
	"sync"
	"time"
)

const (
	backlog      = 512                    // finished hosts that a slow consumer may leave before sending stops
	progressStep = 250 * time.Millisecond // between two Progress events
	replyBatch   = 256                    // replies that are read at once
	replyBuffers = 8                      // batches of them that may wait
	// Where more than one of lossyShare packets is lost, the window is
	// lossyWindow times as big.
	lossyShare, lossyWindow = 200, 4
)

// Run checks the targets and yields each host when it is done, and Progress
// now and then. It ends when all are done, when ctx is done (hosts that are
// under way are dropped: a partial host proves nothing), when the consumer
// breaks, or on an error of the sweeper, which is the last event. A consumer
// that is slow slows the sending.
func Run(ctx context.Context, cfg Config, targets iter.Seq[Target]) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		cfg, err := cfg.withDefaults()
		if err != nil {
			yield(Event{Err: err})
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		e := newEngine(ctx, cfg)
		e.start(targets)
		e.helpers.Go(func() {
			defer close(e.events)
			e.loop()
		})
		defer e.helpers.Wait()
		defer cancel()
		defer close(e.gone)
		for list := range e.events {
			for _, ev := range list {
				if !yield(ev) {
					return
				}
			}
			select {
			case e.spare <- list:
			default:
			}
		}
	}
}

// engine is one run. Its loop owns all state; the other goroutines only hand
// it hosts, replies and results. Its hot path makes no garbage: what a packet
// needs is used again.
type engine struct {
	cfg     Config
	ctx     context.Context
	started time.Time
	wall    time.Time     // when the clock was read last
	now     time.Duration // the same, since the start
	pace    *pacer
	control *congestion

	stats   Stats
	moments moments
	rtt     roundTrip
	subnets subnets
	losses  int // tries that were lost, all of them
	sight   sight
	aviary  aviary
	rations rations
	unlike  unlikeness
	odds    odds
	local   float64       // the doubt of the subnets without hosts in flight
	trouble time.Duration // when this machine last failed to send or receive; negative: never
	grace   time.Duration // before this nothing counts as silent: this machine was late itself

	intake  *intake
	waiting []*Host // taken from the intake, not admitted yet
	taken   int     // of those, the ones that were
	more    bool    // there may be further hosts
	replies chan []Reply
	buffers chan []Reply // to be filled
	results chan talked
	failed  chan error
	events  chan []Event
	spare   chan []Event    // lists that the consumer has read
	rooms   [][]Observation // to be used again
	gone    chan struct{}   // closed when the consumer is

	caps  caps
	wave  wave
	held  ring[uint32] // keys of first tries to send that are not in the wave
	retry ring[uint32] // of later tries
	later ring[uint32] // of those that come after all others
	slots slots
	wheel wheel
	shots []Shot        // of the batch
	hold  time.Duration // before this the sweeper is not offered shots

	// exchanges are the tasks that take turns, the one under way first.
	exchanges map[exchange][]*task

	jobs     ring[*hostRun] // hosts with conversations to hold, in order
	talking  int
	talkers  int        // goroutines that hold them
	calls    chan job   // for the talkers
	idle     []*hostRun // to be used again
	running  int        // hosts in flight
	finished int
	outbox   []Event
	reported time.Duration
	helpers  sync.WaitGroup
}

func newEngine(ctx context.Context, cfg Config) *engine {
	e := &engine{
		cfg: cfg, ctx: ctx, pace: newPacer(cfg.Rate), control: newCongestion(cfg.Rate), caps: newCaps(cfg.Rate), trouble: -1, sight: sight{canaries: canaries{key: spreadKey, good: -1}}, more: true,
		intake: newIntake(), results: make(chan talked), calls: make(chan job, cfg.Talks), failed: make(chan error, 1),
		replies: make(chan []Reply, replyBuffers), buffers: make(chan []Reply, replyBuffers+1),
		events: make(chan []Event), spare: make(chan []Event, 1), gone: make(chan struct{}),
		subnets: subnets{known: map[netip.Prefix]*neighbourhood{}}, exchanges: map[exchange][]*task{},
	}
	for range cap(e.buffers) {
		e.buffers <- make([]Reply, replyBatch)
	}
	e.started = time.Now()
	e.wall = e.started
	return e
}

// start begins to resolve targets and to receive replies.
func (e *engine) start(targets iter.Seq[Target]) {
	e.helpers.Go(func() { resolve(e.ctx, e.cfg, targets, e.intake) })
	e.helpers.Go(func() {
		for {
			var buf []Reply
			select {
			case buf = <-e.buffers:
			case <-e.ctx.Done():
				return
			}
			n, err := e.cfg.Sweeper.Receive(e.ctx, buf[:cap(buf)])
			if !send(e.ctx, e.replies, buf[:n]) {
				return
			}
			if err != nil {
				if e.ctx.Err() == nil {
					e.fail(err)
				}
				return
			}
		}
	})
}

func (e *engine) fail(err error) {
	select {
	case e.failed <- err:
	default:
	}
}

// tick reads the clock.
func (e *engine) tick() {
	e.wall = time.Now()
	e.now = e.wall.Sub(e.started)
}

// loop is the run. It ends when there is nothing left to do.
func (e *engine) loop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !e.over() {
		e.tick()
		e.admitMore()
		if !e.poll() {
			e.deliver()
			return
		}
		e.startTalks()
		if e.now-e.reported >= progressStep {
			e.report()
		}
		wait := e.transmit()
		if wait <= 0 || e.over() {
			continue
		}
		timer.Reset(wait)
		before := e.now
		if !e.wait(timer.C) {
			e.deliver()
			return
		}
		e.tick()
		e.stalled(e.now - before - wait)
	}
	e.weigh()
	e.assessAll()
	e.report()
	e.deliver()
}

// over reports whether there is nothing left to do.
func (e *engine) over() bool {
	return !e.more && e.taken == len(e.waiting) && e.running == 0
}

// wait waits for something to happen. It reports false when the run is over.
func (e *engine) wait(timer <-chan time.Time) bool {
	ready := e.intake.ready
	if e.full() {
		ready = nil
	}
	out := e.events
	if len(e.outbox) == 0 {
		out = nil
	}
	select {
	case <-e.ctx.Done():
		return false
	case <-ready:
	case rs := <-e.replies:
		e.receive(rs)
	case r := <-e.results:
		e.heard(r)
	case out <- e.outbox:
		e.refill()
	case err := <-e.failed:
		e.outbox = append(e.outbox, Event{Err: err})
		return false
	case <-timer:
	}
	return true
}

// poll takes what is there already, so that no path is called silent while its
// answer waits in a queue; then it looks for the tries whose time is over. It
// reports false when the run is over.
func (e *engine) poll() bool {
	for range 2 * replyBuffers {
		out := e.events
		if len(e.outbox) == 0 {
			out = nil
		}
		select {
		case <-e.ctx.Done():
			return false
		case rs := <-e.replies:
			e.receive(rs)
			continue
		case r := <-e.results:
			e.heard(r)
			continue
		case out <- e.outbox:
			e.refill()
			continue
		case err := <-e.failed:
			e.outbox = append(e.outbox, Event{Err: err})
			return false
		default:
		}
		break
	}
	e.expire()
	return true
}

// refill begins a new list of events.
func (e *engine) refill() {
	select {
	case list := <-e.spare:
		e.recycle(list)
		clear(list)
		e.outbox = list[:0]
	default:
		e.outbox = nil
	}
}

// recycle takes the observations of hosts whose consumer is done with them.
func (e *engine) recycle(list []Event) {
	for _, ev := range list {
		if e.cfg.Recycle && ev.Host != nil && len(e.rooms) < backlog {
			e.rooms = append(e.rooms, ev.Host.Observations)
		}
	}
}

// room returns an empty list of observations, with room for some.
func (e *engine) room(most int) []Observation {
	for n := len(e.rooms); n > 0; n-- {
		list := e.rooms[n-1]
		e.rooms[n-1], e.rooms = nil, e.rooms[:n-1]
		if cap(list) >= most {
			clear(list[:cap(list)])
			return list[:0]
		}
	}
	return make([]Observation, 0, most)
}

// deliver hands over the last events, unless the consumer has left.
func (e *engine) deliver() {
	if len(e.outbox) == 0 {
		return
	}
	select {
	case e.events <- e.outbox:
	case <-e.gone:
	}
}

// report adds a Progress event, or brings the one up to date that is waiting.
func (e *engine) report() {
	e.reported = e.now
	e.weigh()
	p := &Progress{Hosts: e.finished, Flight: e.running, Packets: e.stats.Packets, Stats: e.stats}
	for i := range e.outbox {
		if e.outbox[i].Progress != nil {
			e.outbox[i].Progress = p
			return
		}
	}
	e.outbox = append(e.outbox, Event{Progress: p})
}

// full reports whether no further host is admitted: as many are under way as may
// be, or enough wait for their first packet.
func (e *engine) full() bool {
	return e.running >= e.window() || e.wave.arrivals.n >= waveSize || len(e.outbox) >= backlog || e.slots.used > slotMask/4
}

// window is how many hosts may be under way. Where packets are lost, most of them
// wait for the late tries of their silent paths; these keep no other from being
// asked.
func (e *engine) window() int {
	if e.losses*lossyShare > e.stats.Answered {
		return lossyWindow * e.cfg.Window
	}
	return e.cfg.Window
}

// admitMore takes the hosts that are ready, so that there are many to choose
// the next packets from.
func (e *engine) admitMore() {
	for !e.full() {
		if e.taken == len(e.waiting) {
			clear(e.waiting)
			e.taken = 0
			if e.waiting, e.more = e.intake.take(e.waiting); len(e.waiting) == 0 {
				return
			}
		}
		e.admit(e.waiting[e.taken])
		e.taken++
	}
}

// admit begins the check of a host.
func (e *engine) admit(h *Host) {
	var r *hostRun
	if n := len(e.idle); n > 0 {
		r, e.idle = e.idle[n-1], e.idle[:n-1]
	} else {
		r = &hostRun{}
	}
	r.begin(h)
	r.net = e.subnets.enter(h.Addr)
	e.running++
	if r.fresh > 0 {
		e.wave.push(r)
	}
	e.settle(r)
}
