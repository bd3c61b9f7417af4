package scanner

import (
	"net/netip"
	"time"
)

const (
	// witnessAfter is how long nothing may have been answered before an
	// endpoint that did answer is asked again, while others are silent.
	witnessAfter = 150 * time.Millisecond
	// darkness is how long nothing must have been answered for the tries of
	// that time to count for nothing. In less, not all tries of a path are made.
	darkness = 500 * time.Millisecond
	// dusk is how much later than a silent try its witness may leave.
	dusk = 100 * time.Millisecond
)

// sight is what is known of whether anything comes through at all: silence
// shows nothing of a path when everything is silent. Times are those at which
// packets left, on the run's clock.
type sight struct {
	alive   time.Duration // the latest packet that was answered; negative: none
	dark    [16]span      // the latest times in which none was
	darks   int
	called  *task // a witness that is asked
	known   [8]witness
	knowing int
}

type span struct{ from, to time.Duration }

// witness is an endpoint that answered.
type witness struct {
	addr  netip.Addr
	proto Protocol
	port  uint16
}

// saw notes that a packet which left at a time was answered.
func (s *sight) saw(sent time.Duration) {
	switch {
	case s.knowing > 0 && sent-s.alive > darkness:
		s.dark[s.darks%len(s.dark)] = span{s.alive, sent - dusk}
		s.darks++
	case sent < s.alive-darkness: // it was not dark then
		for i, d := range s.dark {
			if d.from < sent && sent < d.to {
				s.dark[i] = span{}
			}
		}
	}
	s.alive = max(s.alive, sent)
}

// blind reports whether nothing was answered for a while, though something was
// before.
func (s *sight) blind(now time.Duration) bool { return s.knowing > 0 && now-s.alive > darkness }

// inDark reports whether nothing is known to have come through about a time.
func (s *sight) inDark(at, now time.Duration) bool {
	if s.blind(now) && at > s.alive {
		return true
	}
	for _, d := range s.dark {
		if d.from < at && at < d.to {
			return true
		}
	}
	return false
}

// remember makes a witness of an endpoint that answered.
func (s *sight) remember(t *task) {
	s.known[s.knowing%len(s.known)] = witness{t.host.Addr, t.proto, t.port}
	s.knowing++
}

// callWitness asks an endpoint again that answered before, when nothing was
// answered for a while and none is asked already.
func (e *engine) callWitness() {
	s := &e.sight
	if s.knowing == 0 || s.called != nil || e.judged()-s.alive <= witnessAfter {
		return
	}
	s.knowing++ // another one each time
	w := s.known[s.knowing%min(s.knowing-1, len(s.known))]
	if !w.addr.IsValid() {
		return
	}
	host := &hostRun{Host: &Host{Addr: w.addr}, net: &neighbourhood{}}
	s.called = &task{host: host, proto: w.proto, port: w.port, witness: true}
	e.ask(s.called, e.now)
}

// heardWitness ends the asking of a witness.
func (e *engine) heardWitness(t *task) {
	e.slots.drop(t)
	t.done = true
	e.sight.called = nil
}
