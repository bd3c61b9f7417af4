package scanner

import "time"

// pacer spaces packets evenly in time. It holds no clock: the caller says what
// time it is.
type pacer struct {
	gap  time.Duration // between two packets; 0: no limit
	next time.Time     // when the next packet is due
}

// catchUp is how far the pacer may lag behind before time is given up for
// lost. It must exceed the granularity of timers, or high rates fall short.
const catchUp = 20 * time.Millisecond

func newPacer(rate float64) *pacer {
	if rate <= 0 {
		return &pacer{}
	}
	return &pacer{gap: time.Duration(float64(time.Second) / rate)}
}

// allow returns how many of want packets may be sent now and, when it is none,
// how long to wait for the first.
func (p *pacer) allow(now time.Time, want int) (int, time.Duration) {
	if p.gap == 0 {
		return want, 0
	}
	if p.next.Before(now.Add(-catchUp)) {
		p.next = now.Add(-catchUp)
		if p.gap > catchUp {
			p.next = now
		}
	}
	due := now.Sub(p.next)
	if due < 0 {
		return 0, -due
	}
	return min(want, int(due/p.gap)+1), 0
}

// sent tells how many packets left.
func (p *pacer) sent(n int) { p.next = p.next.Add(time.Duration(n) * p.gap) }
