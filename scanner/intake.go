package scanner

import (
	"context"
	"sync"
)

// intake hands hosts from the goroutines that find them to the engine, as many
// at once as there are: a channel operation for each would cost more than the
// rest of the work.
type intake struct {
	mu     sync.Mutex
	list   []*Host
	closed bool
	ready  chan struct{} // there is something to take
	room   chan struct{} // there is room for more
}

const intakeSize = 256

func newIntake() *intake {
	return &intake{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds a host; it waits while there is no room. It reports false when ctx
// is done first.
func (in *intake) put(ctx context.Context, h *Host) bool {
	for {
		in.mu.Lock()
		n := len(in.list)
		if n < intakeSize {
			in.list = append(in.list, h)
		}
		in.mu.Unlock()
		if n == 0 {
			signal(in.ready)
		}
		if n < intakeSize {
			if n < intakeSize-1 {
				signal(in.room) // for others that wait
			}
			return ctx.Err() == nil
		}
		select {
		case <-in.room:
		case <-ctx.Done():
			return false
		}
	}
}

// close says that no more hosts will come.
func (in *intake) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	signal(in.ready)
}

// take returns all hosts that are there; list is an empty slice to fill later.
// It reports false when no more will come.
func (in *intake) take(list []*Host) ([]*Host, bool) {
	in.mu.Lock()
	out := in.list
	in.list = list[:0]
	more := !in.closed
	in.mu.Unlock()
	if len(out) > 0 {
		signal(in.room)
	}
	return out, more || len(out) > 0
}
