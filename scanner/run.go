package scanner

import (
	"container/heap"
	"context"
	"iter"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	batch        = 64                     // shots offered to the sweeper at once
	burst        = 256                    // shots of one lane before the next lane has its turn
	backlog      = 256                    // finished hosts that a slow consumer may leave before sending stops
	progressStep = 250 * time.Millisecond // between two Progress events
	shortPause   = 2 * time.Millisecond   // before a full sweeper is offered shots again
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
		events := make(chan Event)
		e.start(targets)
		e.helpers.Go(func() {
			defer close(events)
			e.loop(events)
		})
		defer e.helpers.Wait()
		defer cancel()
		for ev := range events {
			if !yield(ev) {
				return
			}
		}
	}
}

// engine is one run. Its loop owns all state; the other goroutines only hand
// it hosts, replies and results.
type engine struct {
	cfg   Config
	ctx   context.Context
	pace  *pacer
	stats Stats

	hosts   chan *Host
	replies chan []Reply
	results chan talked
	failed  chan error

	lanes   lanes
	flight  map[uint64]*task // by the key of each shot that may still be answered
	due     deadlines
	jobs    []*hostRun // hosts with conversations to hold, in order
	talking int
	trouble time.Time // when this machine last failed to send for want of something
	hold    time.Time // before this the sweeper is not offered shots
	key     uint64
	traces  map[traceKey]int
	// exchanges are the tasks that take turns, the one under way first.
	exchanges map[exchange][]*task
	running   int // hosts in flight
	finished  int
	outbox    []Event
	helpers   sync.WaitGroup
}

func newEngine(ctx context.Context, cfg Config) *engine {
	return &engine{
		cfg: cfg, ctx: ctx, pace: newPacer(cfg.Rate),
		hosts: make(chan *Host, burst), replies: make(chan []Reply, 64), results: make(chan talked),
		failed: make(chan error, 1),
		flight: map[uint64]*task{}, traces: map[traceKey]int{}, exchanges: map[exchange][]*task{},
	}
}

// start begins to resolve targets and to receive replies.
func (e *engine) start(targets iter.Seq[Target]) {
	e.helpers.Go(func() { resolve(e.ctx, e.cfg, targets, e.hosts) })
	e.helpers.Go(func() {
		for {
			buf := make([]Reply, batch)
			n, err := e.cfg.Sweeper.Receive(e.ctx, buf)
			if n > 0 && !send(e.ctx, e.replies, buf[:n]) {
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

// loop is the run. It ends when there is nothing left to do.
func (e *engine) loop(events chan<- Event) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	progress := time.NewTicker(progressStep)
	defer progress.Stop()
	hosts := e.hosts
	for hosts != nil || e.running > 0 || len(e.outbox) > 0 {
		wait := e.transmit(time.Now())
		timer.Reset(wait)
		admit := hosts
		if e.running >= e.cfg.Window || len(e.outbox) >= backlog {
			admit = nil
		}
		out, next := e.outgoing(events)
		select {
		case <-e.ctx.Done():
			return
		case h, ok := <-admit:
			if !ok {
				hosts = nil
				continue
			}
			e.admit(h)
			e.admitMore()
		case rs := <-e.replies:
			e.receive(rs)
		case r := <-e.results:
			e.heard(r)
		case out <- next:
			e.outbox = e.outbox[1:]
		case <-progress.C:
			e.report()
		case err := <-e.failed:
			send(e.ctx, events, Event{Err: err})
			return
		case <-timer.C:
		}
		e.drain()
		e.expire(time.Now())
		e.startTalks()
	}
	e.outbox = nil
	e.report()
	out, last := e.outgoing(events)
	if out != nil {
		send(e.ctx, out, last)
	}
}

// outgoing returns the next event and where to; a nil channel when there is none.
func (e *engine) outgoing(events chan<- Event) (chan<- Event, Event) {
	if len(e.outbox) == 0 {
		return nil, Event{}
	}
	return events, e.outbox[0]
}

// report adds a Progress event unless one is waiting already.
func (e *engine) report() {
	for _, ev := range e.outbox {
		if ev.Progress != nil {
			return
		}
	}
	e.outbox = append(e.outbox, Event{Progress: &Progress{
		Hosts: e.finished, Flight: e.running, Packets: e.stats.Packets, Stats: e.stats,
	}})
}

// drain takes the replies that are there already, so that no path is called
// silent while its answer waits in the queue.
func (e *engine) drain() {
	for {
		select {
		case rs := <-e.replies:
			e.receive(rs)
		default:
			return
		}
	}
}

// admitMore takes the hosts that are ready, so that there are many to choose
// the next packets from.
func (e *engine) admitMore() {
	for e.running < e.cfg.Window {
		select {
		case h, ok := <-e.hosts:
			if !ok {
				return
			}
			e.admit(h)
		default:
			return
		}
	}
}

// admit begins the check of a host.
func (e *engine) admit(h *Host) {
	r := newHostRun(h)
	e.running++
	for lane, t := range r.tasks {
		e.lanes.push(lane, t)
	}
	e.settle(r)
}

// transmit sends what the pace allows and returns how long to wait for the
// next packet or deadline.
func (e *engine) transmit(now time.Time) time.Duration {
	wait := progressStep
	if len(e.due) > 0 {
		wait = min(wait, max(0, e.due[0].at.Sub(now)))
	}
	if e.lanes.empty() || len(e.outbox) >= backlog {
		return wait
	}
	if now.Before(e.hold) {
		return min(wait, e.hold.Sub(now))
	}
	n, pause := e.pace.allow(now, batch)
	if n == 0 {
		return min(wait, pause)
	}
	tasks := e.lanes.pop(n)
	shots := make([]Shot, 0, len(tasks))
	tasks = slices.DeleteFunc(tasks, func(t *task) bool {
		if !e.fillDatagram(t) {
			e.finish(t, Observation{Outcome: LocalError, Err: "there is no question of this protocol to such an address"})
			return true
		}
		if e.mustWait(t) {
			return true
		}
		shots = append(shots, e.shot(t))
		return false
	})
	took, err := e.cfg.Sweeper.Send(shots)
	if err != nil {
		e.fail(err)
	}
	for i, t := range tasks[:took] {
		e.flying(t, shots[i], now)
		e.stats.Packets++
		if shots[i].Also != nil {
			e.stats.Packets++
		}
	}
	e.lanes.unpop(tasks[took:])
	e.pace.sent(took)
	if took < len(tasks) {
		e.hold = now.Add(shortPause)
		return min(wait, shortPause)
	}
	return 0
}

// shot makes the next packet of a task.
func (e *engine) shot(t *task) Shot {
	e.key = e.key%math.MaxUint32 + 1
	s := Shot{
		Key: e.key, Addr: t.host.Addr, Protocol: t.proto, Port: t.port,
		HopLimit: t.hop, Wait: e.cfg.Timeout,
	}
	if t.proto == UDP && t.trace == nil {
		s.Payload, s.Also, s.UDP = t.payload, t.also, t.udp
	}
	return s
}

// flying notes that a shot has left.
func (e *engine) flying(t *task, s Shot, now time.Time) {
	if t.tries == 0 {
		t.first = now
	}
	t.tries++
	t.last = now
	t.keys = append(t.keys, s.Key)
	e.flight[s.Key] = t
	heap.Push(&e.due, deadline{at: now.Add(s.Wait), task: t, key: s.Key})
}

// expire deals with the shots whose time is over.
func (e *engine) expire(now time.Time) {
	for len(e.due) > 0 && !e.due[0].at.After(now) {
		d := heap.Pop(&e.due).(deadline)
		switch {
		case d.task.done:
		case d.resend:
			e.lanes.push(retryLane, d.task)
		case d.key == d.task.keys[len(d.task.keys)-1]:
			e.silent(d.task)
		}
	}
}

// silent decides whether a task whose latest shot got no answer is asked again.
func (e *engine) silent(t *task) {
	if t.trace == nil && e.troubled(t) {
		e.postpone(t, t.keys[len(t.keys)-1])
		return
	}
	if t.trace == nil && !t.late && again(e.stats, t.tries, e.cfg.Rounds) {
		e.lanes.push(retryLane, t)
		return
	}
	if t.trace == nil && !t.again {
		if e.stats.Silent == 0 || t.tries < e.stats.MinTries {
			e.stats.MinTries = t.tries
		}
		e.stats.Silent++
	}
	e.finish(t, Observation{Outcome: Silent})
}
