package scanner

import "time"

// retryLane holds the shots that are asked again; it comes after the others.
const retryLane = 1 << 10

// lanes orders the shots: the first endpoint of up to 256 hosts, then their
// second and so on, so that neighbours in time go to different hosts.
type lanes struct {
	order []int // lanes with tasks, in turn
	tasks map[int][]*task
	taken int // of the lane whose turn it is
	count int
}

func (l *lanes) empty() bool { return l.count == 0 }

func (l *lanes) push(lane int, t *task) {
	if l.tasks == nil {
		l.tasks = map[int][]*task{}
	}
	if len(l.tasks[lane]) == 0 {
		l.order = append(l.order, lane)
	}
	l.tasks[lane] = append(l.tasks[lane], t)
	l.count++
}

// pop takes up to n tasks; finished ones are dropped.
func (l *lanes) pop(n int) []*task {
	out := make([]*task, 0, n)
	for len(out) < n && l.count > 0 {
		lane := l.order[0]
		q := l.tasks[lane]
		t := q[0]
		q[0] = nil
		l.tasks[lane] = q[1:]
		l.count--
		l.taken++
		if !t.done {
			out = append(out, t)
		}
		if len(q) == 1 || l.taken >= burst {
			l.turn()
		}
	}
	return out
}

// turn gives the next lane its turn.
func (l *lanes) turn() {
	lane := l.order[0]
	l.order = l.order[1:]
	if len(l.tasks[lane]) > 0 {
		l.order = append(l.order, lane)
	} else {
		delete(l.tasks, lane)
	}
	l.taken = 0
}

// unpop puts tasks back that the sweeper had no room for.
func (l *lanes) unpop(ts []*task) {
	for _, t := range ts {
		l.push(retryLane+1, t)
	}
}

// deadline is when a shot counts as silent, or when a task is to be sent again
// after a temporary failure of this machine.
type deadline struct {
	at     time.Time
	task   *task
	key    uint64
	resend bool
}

// deadlines is a heap, earliest first.
type deadlines []deadline

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push adds x; it is for container/heap.
func (d *deadlines) Push(x any) { *d = append(*d, x.(deadline)) }

// Pop removes the last; it is for container/heap.
func (d *deadlines) Pop() any {
	old := *d
	last := old[len(old)-1]
	old[len(old)-1] = deadline{}
	*d = old[:len(old)-1]
	return last
}
