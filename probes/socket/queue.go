package socket

import (
	"cmreach/scanner"
	"context"
	"net"
	"sync"
)

// replyQueue keeps replies until the engine fetches them. Its length is
// bounded by the senders: they count it as shots in flight.
type replyQueue struct {
	mu     sync.Mutex
	list   []scanner.Reply
	closed bool
	ready  chan struct{} // holds a token when the list may not be empty
	gone   chan struct{} // closed by close
	wake   func()        // called besides; nil: nobody waits elsewhere
}

func newReplyQueue() *replyQueue {
	return &replyQueue{ready: make(chan struct{}, 1), gone: make(chan struct{})}
}

func (q *replyQueue) put(rs ...scanner.Reply) {
	if len(rs) == 0 {
		return
	}
	q.mu.Lock()
	q.list = append(q.list, rs...)
	q.mu.Unlock()
	q.signal()
}

func (q *replyQueue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
	if q.wake != nil {
		q.wake()
	}
}

func (q *replyQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list)
}

// take waits for replies; it is [scanner.Sweeper]'s Receive.
func (q *replyQueue) take(ctx context.Context, into []scanner.Reply) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	for {
		n, closed := q.grab(into)
		if n > 0 {
			return n, nil
		}
		if closed {
			return 0, net.ErrClosed
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-q.ready:
		case <-q.gone:
		}
	}
}

func (q *replyQueue) grab(into []scanner.Reply) (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := copy(into, q.list)
	rest := copy(q.list, q.list[n:])
	clear(q.list[rest:]) // let go of the payloads
	q.list = q.list[:rest]
	if rest > 0 {
		q.signal()
	}
	return n, q.closed
}

func (q *replyQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.gone)
	}
}
