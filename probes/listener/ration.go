package listener

import (
	"cmreach/probes/wire/beacon"
	"sync"
	"time"
)

// ration decides which questions are answered: so many a second of all, and so
// many of one, so that whoever recorded a question cannot have it answered for
// ever by sending it again under another's address.
type ration struct {
	mu    sync.Mutex
	saved float64 // answers that may be given now
	last  time.Time
	seen  map[beacon.Nonce]int
	order []beacon.Nonce // of seen, a ring
	next  int
}

func newRation() *ration {
	return &ration{saved: atOnce, seen: make(map[beacon.Nonce]int), order: make([]beacon.Nonce, 0, knownNonces)}
}

func (r *ration) allow(n beacon.Nonce, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() {
		r.saved = min(atOnce, r.saved+now.Sub(r.last).Seconds()*perSecond)
	}
	r.last = now
	if r.saved < 1 {
		return false
	}
	if r.seen[n] >= sameNonce {
		return false
	}
	r.saved--
	r.remember(n)
	return true
}

// remember counts a question; the oldest is forgotten when there are too many.
func (r *ration) remember(n beacon.Nonce) {
	if r.seen[n]++; r.seen[n] > 1 {
		return
	}
	if len(r.order) < knownNonces {
		r.order = append(r.order, n)
		return
	}
	delete(r.seen, r.order[r.next])
	r.order[r.next] = n
	r.next = (r.next + 1) % knownNonces
}
