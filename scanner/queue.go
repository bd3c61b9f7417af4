package scanner

// ring is a queue in a slice that grows to what was ever in it at once.
type ring[T any] struct {
	buf  []T // its length is a power of two
	head int
	n    int
}

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		bigger := make([]T, max(16, 2*r.n))
		for i := range r.n {
			bigger[i] = r.buf[(r.head+i)&(len(r.buf)-1)]
		}
		r.buf, r.head = bigger, 0
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

func (r *ring[T]) pop() (T, bool) {
	var zero T
	if r.n == 0 {
		return zero, false
	}
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v, true
}

// waveSize is how many hosts are asked in turn.
const waveSize = 256

// wave orders the first shots of hosts: the first endpoint of up to 256 hosts,
// then their second and so on, so that neighbours in time go to different hosts.
type wave struct {
	arrivals ring[*hostRun] // have not had their turn
	hosts    []*hostRun     // of this turn
	lane     int            // which endpoint of theirs
	pos      int            // the next host
	kept     int            // hosts before pos that have a further endpoint
}

func (w *wave) push(h *hostRun) { w.arrivals.push(h) }

func (w *wave) empty() bool {
	return w.arrivals.n == 0 && w.pos == len(w.hosts) && w.kept == 0
}

// pop returns the next task, or nil. A host is let go of with its last task: it
// may be finished soon after.
func (w *wave) pop() *task {
	for w.pos == len(w.hosts) {
		if w.lane == 0 && w.pos < waveSize && w.arrivals.n > 0 { // latecomers join
			h, _ := w.arrivals.pop()
			w.hosts = append(w.hosts, h)
			break
		}
		if w.kept == 0 && w.arrivals.n == 0 {
			w.start(0)
			return nil
		}
		w.start(w.kept)
	}
	h := w.hosts[w.pos]
	w.hosts[w.pos] = nil
	w.pos++
	t := h.tasks[w.lane]
	if w.lane+1 < h.fresh {
		w.hosts[w.kept] = h
		w.kept++
	}
	return t
}

// start begins the next lane of the hosts that are kept, or the next turn.
func (w *wave) start(kept int) {
	w.hosts = w.hosts[:kept]
	w.lane++
	if kept == 0 {
		w.lane = 0
	}
	w.pos, w.kept = 0, 0
}
