package scanner

import "time"

// A key names a try: the place of its slot in the low bits, and how often the
// slot was used in the high ones, so that an answer to a try that is over is
// known for what it is.
const (
	slotBits  = 22
	slotMask  = 1<<slotBits - 1
	slotUses  = 1 << (32 - slotBits)
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

type slotState uint8

const (
	slotFree    slotState = iota
	slotWaiting           // its packet is to be sent when its time comes
	slotQueued            // its packet is in a queue
	slotSent              // its packet is under way
	slotVoid              // its packet never left, and another took its place
)

// slot is one try of a task. Times are microseconds of the run's clock, of
// which the low 32 bits are enough: tries last for seconds.
type slot struct {
	task  *task
	sent  uint32
	due   uint32 // end of the deadline, or the time to send
	next  uint32 // the slot of the try before it, or the next that is free; 0: none, else its place and 1
	uses  uint16
	state slotState
}

// slots is the table of the tries that may still be answered. It grows with
// what is in flight, in chunks that never move.
type slots struct {
	chunks [][]slot
	made   uint32 // slots that were ever used
	free   int    // how many of those are free
	first  uint32 // of those that are free, oldest first; place and 1
	last   uint32
	used   int
}

func (s *slots) at(place uint32) *slot {
	return &s.chunks[place>>chunkBits][place&(chunkSize-1)]
}

// find returns the slot of a key, or nil when the try is over.
func (s *slots) find(key uint32) *slot {
	place := key & slotMask
	if place >= s.made {
		return nil
	}
	sl := s.at(place)
	if sl.state == slotFree || uint32(sl.uses) != key>>slotBits {
		return nil
	}
	return sl
}

// variety is how many tries of one task have keys that differ in their low bits,
// so that a sweeper may choose by these where a packet leaves from: a second
// SYN of one pair of ports, with another number, would be reset by a peer whose
// answer to the first was lost (RFC 9293 3.10.7.4).
const variety = 64

// take gives a task a slot for its next try and returns the key. It returns 0
// when all are taken. A free slot is used again as late as possible.
func (s *slots) take(t *task) uint32 {
	place, ok := s.unused()
	if !ok {
		return 0
	}
	for tried := 0; s.resembles(t, place) && tried < variety; tried++ {
		other, ok := s.unused()
		if !ok {
			break
		}
		s.release(place)
		place = other
	}
	s.used++
	sl := s.at(place)
	uses := sl.uses%(slotUses-1) + 1
	*sl = slot{task: t, next: t.slot, uses: uses, state: slotQueued}
	t.slot = place + 1
	return uint32(uses)<<slotBits | place
}

// unused returns the place of a slot that is free.
func (s *slots) unused() (uint32, bool) {
	switch {
	case s.made < uint32(len(s.chunks))<<chunkBits: //nolint:gosec // at most 2^10 chunks
	case s.first != 0 && (s.free >= variety || s.made == slotMask):
		s.free--
		place := s.first - 1
		if s.first = s.at(place).next; s.first == 0 {
			s.last = 0
		}
		return place, true
	case s.made < slotMask:
		s.chunks = append(s.chunks, make([]slot, chunkSize))
	default:
		return 0, false
	}
	s.made++
	return s.made - 1, true
}

// resembles reports whether an earlier try of the task has a key with the same
// low bits.
func (s *slots) resembles(t *task, place uint32) bool {
	at := t.slot
	for n := 0; at != 0 && n < variety/2; n++ { // of very many tries, the latest count
		if (at-1)%variety == place%variety {
			return true
		}
		at = s.at(at - 1).next
	}
	return false
}

// drop frees all slots of a task.
func (s *slots) drop(t *task) {
	for t.slot != 0 {
		t.slot = s.drop1(t.slot)
	}
}

// shed frees the oldest slot of a task that has more than one.
func (s *slots) shed(t *task) {
	if t.slot == 0 {
		return
	}
	sl := s.at(t.slot - 1)
	for sl.next != 0 {
		older := s.at(sl.next - 1)
		if older.next == 0 {
			s.drop1(sl.next)
			sl.next = 0
			return
		}
		sl = older
	}
}

// drop1 frees one slot and returns the one that it led to.
func (s *slots) drop1(at uint32) uint32 {
	sl := s.at(at - 1)
	next := sl.next
	sl.task, sl.next, sl.state = nil, 0, slotFree
	s.release(at - 1)
	s.used--
	return next
}

// release puts a slot behind the others that are free.
func (s *slots) release(place uint32) {
	at := place + 1
	s.free++
	s.at(place).next = 0
	if s.last != 0 {
		s.at(s.last - 1).next = at
	} else {
		s.first = at
	}
	s.last = at
}

// micros is a time of the run as slots keep it.
func micros(d time.Duration) uint32 { return uint32(d / time.Microsecond) } //nolint:gosec // the low bits are meant

// before returns how long before now a slot's time was; negative when it is to come.
func before(now time.Duration, at uint32) time.Duration {
	return time.Duration(int32(micros(now)-at)) * time.Microsecond //nolint:gosec // the difference is small
}
