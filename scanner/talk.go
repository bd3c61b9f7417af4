package scanner

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// talkTries is how often a conversation is begun when nothing comes back.
const talkTries = 2

// talked is a conversation that ended.
type talked struct {
	job
	started time.Time
	took    time.Duration
	res     Result
}

// enqueue adds a conversation; the host stays open until it is held.
func (e *engine) enqueue(j job) {
	h := j.host
	h.open++
	h.queue = append(h.queue, j)
	if len(h.queue) == 1 {
		e.jobs.push(h)
	}
}

// startTalks begins conversations while the limits allow. A host at its own
// limit goes to the end of the line.
func (e *engine) startTalks() {
	for range e.jobs.n {
		if e.talking >= e.cfg.Talks {
			return
		}
		h, _ := e.jobs.pop()
		for len(h.queue) > 0 && h.talking < e.cfg.HostTalk && e.talking < e.cfg.Talks {
			j := h.queue[0]
			h.queue = h.queue[1:]
			h.talking++
			e.talking++
			if e.talking > e.talkers {
				e.talkers++
				e.helpers.Go(e.talker)
			}
			e.calls <- j // has room: there are no more than talkers
		}
		if len(h.queue) > 0 {
			e.jobs.push(h)
		}
	}
}

// talker holds conversations, one after the other: its stack has grown to what
// they need by the first.
func (e *engine) talker() {
	for {
		select {
		case j := <-e.calls:
			e.talk(j)
		case <-e.ctx.Done():
			return
		}
	}
}

// talk holds one conversation.
func (e *engine) talk(j job) {
	ctx, cancel := context.WithTimeout(e.ctx, e.cfg.Talk)
	defer cancel()
	started := time.Now()
	to := netip.AddrPortFrom(j.host.Addr, j.port)
	res := converse(ctx, j.probe, Call{
		Host: j.host.Name, To: to, Depth: e.cfg.Depth, Site: e.cfg.Site,
		Dial: func(ctx context.Context) (net.Conn, Reply) {
			conn, reply := e.cfg.Dialer.DialTCP(ctx, to)
			if conn == nil {
				return nil, reply
			}
			return Leash(ctx, conn), reply
		},
	})
	send(e.ctx, e.results, talked{job: j, started: started, took: time.Since(started), res: res})
}

// converse runs a probe and keeps its failure to itself: one peer that finds a
// fault in a probe must not end the check of all the others.
func converse(ctx context.Context, p Probe, c Call) (res Result) {
	defer func() {
		if v := recover(); v != nil {
			res = Result{Outcome: LocalError, Err: fmt.Sprintf("probe %s failed, please report it: %v", p.Name, v)}
		}
	}()
	return p.Talk(ctx, c)
}

// Leash makes the reads and writes of a connection end when ctx does.
func Leash(ctx context.Context, conn net.Conn) net.Conn {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return &leashed{Conn: conn, stop: stop}
}

type leashed struct {
	net.Conn
	stop func() bool
}

// Close closes the connection and lets go of its context.
func (l *leashed) Close() error {
	l.stop()
	return l.Conn.Close()
}

// heard takes the result of a conversation.
func (e *engine) heard(t talked) {
	h := t.host
	h.talking--
	e.talking--
	t.tries++
	if t.sent.IsZero() {
		t.sent = t.started
	}
	if e.askAgain(t) {
		h.queue = append(h.queue, t.job)
		if len(h.queue) == 1 {
			e.jobs.push(h)
		}
		return
	}
	o := observe(t.res)
	o.Protocol, o.Port, o.Via, o.Probe = TCP, t.port, t.via, t.probe.Name
	o.Sent, o.Took, o.Tries = t.sent, t.took, t.tries
	if !o.From.IsValid() && o.Outcome >= Spoke {
		o.From = h.Addr
	}
	if t.again {
		if o.confirm() {
			h.Observations = append(h.Observations, o)
		}
		h.open--
		e.settle(h)
		return
	}
	h.Observations = append(h.Observations, o)
	e.follow(h, t.port, t.probe.Name, t.res.Reveals)
	h.open--
	e.settle(h)
}

// askAgain reports whether a conversation is begun once more: for silence
// only, and for passing troubles of this machine.
func (e *engine) askAgain(t talked) bool {
	switch t.res.Outcome {
	case Mute, Silent:
		return t.tries < talkTries
	case LocalError:
		return t.res.Reply.Temporary && t.tries < maxLocal
	default:
		return false
	}
}
