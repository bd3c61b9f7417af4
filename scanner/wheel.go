package scanner

import (
	"math/bits"
	"time"
)

const (
	wheelStep = 4 * time.Millisecond
	wheelSize = 1 << 10
)

// wheel holds the keys of tries until their time comes. Times are rounded up to
// a step; what is further away than the wheel is big comes up too early and is
// put back by the caller. A try that is over stays until its time: its key is
// stale then.
type wheel struct {
	buckets [wheelSize][]uint32
	some    [wheelSize / 64]uint64 // which buckets have keys
	at      int64                  // steps that are over
	spare   [][]uint32             // slices of buckets that were emptied
}

// add puts a key in for the time due.
func (w *wheel) add(key uint32, due time.Duration) {
	step := int64((due + wheelStep - 1) / wheelStep)
	step = min(max(step, w.at+1), w.at+wheelSize-1)
	i := step % wheelSize
	if n := len(w.spare); w.buckets[i] == nil && n > 0 {
		w.buckets[i], w.spare = w.spare[n-1], w.spare[:n-1]
	}
	w.buckets[i] = append(w.buckets[i], key)
	w.some[i/64] |= 1 << (i % 64)
}

// next returns when the earliest keys come up.
func (w *wheel) next() (time.Duration, bool) {
	step := w.nextStep()
	return time.Duration(step) * wheelStep, step >= 0
}

// nextStep returns the first step after w.at that has keys, or -1.
func (w *wheel) nextStep() int64 {
	for step := w.at + 1; step < w.at+wheelSize; {
		i := step % wheelSize
		if word := w.some[i/64] >> (i % 64); word != 0 {
			return step + int64(bits.TrailingZeros64(word))
		}
		step += 64 - i%64
	}
	return -1
}

// pop returns keys whose time has come, or nil when there are none. The slice
// is given back with done.
func (w *wheel) pop(now time.Duration) []uint32 {
	end := int64(now / wheelStep)
	step := w.nextStep()
	if step < 0 || step > end {
		w.at = max(w.at, end)
		return nil
	}
	w.at = step
	i := step % wheelSize
	keys := w.buckets[i]
	w.buckets[i] = nil
	w.some[i/64] &^= 1 << (i % 64)
	return keys
}

func (w *wheel) done(keys []uint32) { w.spare = append(w.spare, keys[:0]) }
