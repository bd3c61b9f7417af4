package scanner

import "time"

const (
	// hush is how long nothing may have been answered before a canary is asked
	// out of turn, while others are silent.
	hush = 150 * time.Millisecond
	// darkness is how long nothing must have been answered for the tries of
	// that time to count for nothing, where the canaries have not noticed it. In
	// less, not all tries of a path are made.
	darkness = 500 * time.Millisecond
	// dusk is how much later than a silent try a canary may leave.
	dusk = canaryProbe
)

// sight is what is known of whether anything comes through at all: silence
// shows nothing of a path when everything is silent. Times are those at which
// packets left, on the run's clock.
type sight struct {
	canaries
	dark   [16]span // the latest times in which nothing was answered
	darks  int
	crowd  [8]span // the latest times in which the run's own rate lost very much
	crowds int
}

type span struct{ from, to time.Duration }

// saw notes that a packet which left at a time was answered. It reports whether
// that ended a time in which nothing was.
func (s *sight) saw(sent time.Duration) (dawn bool) {
	switch {
	case s.used > 0 && (sent-s.good > darkness || s.quiet && sent > s.good):
		s.dark[s.darks%len(s.dark)] = span{s.good, sent - dusk}
		s.darks++
		dawn = true
	case sent < s.good-darkness: // it was not dark then
		for i, d := range s.dark {
			if d.from < sent && sent < d.to {
				s.dark[i] = span{}
			}
		}
	}
	s.heard(sent)
	return dawn
}

// blind reports whether nothing was answered for a while, though something was
// before.
func (s *sight) blind(now time.Duration) bool {
	return s.quiet || s.used > 0 && now-s.good > darkness
}

// crowded notes a time in which the run was so fast that it lost very much
// itself.
func (s *sight) crowded(d span) {
	if s.crowds > 0 {
		last := &s.crowd[(s.crowds-1)%len(s.crowd)]
		if d.from <= last.to+dusk && last.from <= d.to+dusk {
			*last = span{min(d.from, last.from), max(d.to, last.to)}
			return
		}
	}
	s.crowd[s.crowds%len(s.crowd)] = d
	s.crowds++
}

// inDark reports whether nothing is known to have come through about a time, or
// so little that silence tells nothing.
func (s *sight) inDark(at, now time.Duration) bool {
	if at > s.good && s.blind(now) {
		return true
	}
	for _, d := range s.dark {
		if d.from < at && at < d.to {
			return true
		}
	}
	for _, d := range s.crowd[:min(s.crowds, len(s.crowd))] {
		if d.from < at && at < d.to {
			return true
		}
	}
	return false
}
