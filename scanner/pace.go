package scanner

import "time"

// pacer spaces packets evenly in time: a token bucket that fills at the rate
// and holds what is due in catchUp. Time that was lost beyond that stays lost:
// after a stall there is no burst to make up for it. It holds no clock: the
// caller says what time it is.
type pacer struct {
	rate   float64   // packets a second; 0: no limit
	tokens float64   // packets that are due
	last   time.Time // when tokens was computed
}

const (
	// catchUp is how far the pacer may lag behind before time is given up for
	// lost. It must exceed the lateness of timers (some milliseconds on a busy
	// machine), or high rates fall short; and it bounds the burst after a stall.
	catchUp = 10 * time.Millisecond
	// handful is how long packets are gathered, up to a batch, so that fast
	// sweeps send batches and not single packets.
	handful = time.Millisecond / 2
)

func newPacer(rate float64) *pacer { return &pacer{rate: max(rate, 0), tokens: 1} }

// setRate changes the rate from now on. What is due by now is still due, but
// never more than the new rate allows after a stall.
func (p *pacer) setRate(now time.Time, rate float64) {
	if rate == p.rate {
		return
	}
	p.fill(now)
	if p.rate == 0 {
		p.tokens, p.last = 1, now
	}
	p.rate = max(rate, 0)
	p.tokens = min(p.tokens, p.depth())
}

// depth is the most that may be due: what is due in catchUp, and one.
func (p *pacer) depth() float64 { return 1 + p.rate*catchUp.Seconds() }

func (p *pacer) fill(now time.Time) {
	if p.rate == 0 {
		return
	}
	if dt := now.Sub(p.last); p.last.IsZero() {
		p.last = now
	} else if dt > 0 {
		p.tokens = min(p.tokens+p.rate*dt.Seconds(), p.depth())
		p.last = now
	}
}

// allow returns how many of want packets may be sent now and, when it is none,
// how long to wait for the first.
func (p *pacer) allow(now time.Time, want int) (int, time.Duration) {
	if p.rate == 0 || want <= 0 {
		return want, 0
	}
	p.fill(now)
	few := max(1, min(float64(want), float64(batch), p.rate*handful.Seconds()))
	if p.tokens < few {
		return 0, time.Duration((few-p.tokens)/p.rate*float64(time.Second)) + 1
	}
	return min(want, int(p.tokens)), 0
}

// sent tells how many packets left, also those that were not asked for: these
// are made up for by waiting.
func (p *pacer) sent(n int) { p.tokens -= float64(n) }
