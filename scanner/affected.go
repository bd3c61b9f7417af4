package scanner

import "time"

const (
	affectedWindows = 64
	// affectedLead is how long before a report of lost packets the loss may
	// have begun: the sweeper reads the counters of the kernel between two
	// batches.
	affectedLead = 50 * time.Millisecond
	// affectedMerge is the distance at which two windows are one: what comes
	// between two such troubles is not worth to be told apart.
	affectedMerge = 100 * time.Millisecond
)

// affected is the account of the times in which this machine or its link lost
// packets, so that silence says nothing: an overflow of the receive buffer, a
// full connection table, a link that was down, canaries that were quiet. Its
// memory is bounded: when there are too many windows the two that are nearest
// to each other become one, which can only make the account more careful.
type affected struct {
	windows [affectedWindows]window // in order, apart from each other
	count   int
}

// window is a time in which packets were lost.
type window struct{ since, until time.Time }

// report notes that packets were found to have been lost at a time.
func (a *affected) report(at time.Time) { a.add(at.Add(-affectedLead), at) }

// add notes a window. The order in which windows are told does not matter.
func (a *affected) add(since, until time.Time) {
	if until.Before(since) {
		since, until = until, since
	}
	first := 0
	for first < a.count && a.windows[first].until.Add(affectedMerge).Before(since) {
		first++
	}
	last := first // windows from first up to last are part of the new one
	for last < a.count && !a.windows[last].since.After(until.Add(affectedMerge)) {
		since = earlier(since, a.windows[last].since)
		until = later(until, a.windows[last].until)
		last++
	}
	if last == first && a.count == affectedWindows {
		a.closeGap()
		a.add(since, until)
		return
	}
	copy(a.windows[first+1:], a.windows[last:a.count])
	a.windows[first] = window{since, until}
	a.count += 1 - (last - first)
}

// closeGap joins the two windows that are nearest to each other.
func (a *affected) closeGap() {
	best := 1
	for i := 2; i < a.count; i++ {
		if a.gap(i) < a.gap(best) {
			best = i
		}
	}
	a.windows[best-1].until = a.windows[best].until
	copy(a.windows[best:], a.windows[best+1:a.count])
	a.count--
}

// gap is the time between a window and the one before it.
func (a *affected) gap(i int) time.Duration {
	return a.windows[i].since.Sub(a.windows[i-1].until)
}

// touched reports whether a try that was under way from sent to until, its
// answer or its deadline, met a window. The silence of such a try counts for
// nothing.
func (a *affected) touched(sent, until time.Time) bool {
	for i := a.count - 1; i >= 0; i-- { // the latest windows are asked for most
		if a.windows[i].until.Before(sent) {
			return false
		}
		if !a.windows[i].since.After(until) {
			return true
		}
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
