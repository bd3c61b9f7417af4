package history

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// MostResults is how many of the last results of a path are remembered.
const MostResults = 16

// Confirm says what it takes to believe a change: Need of the Last results of a
// path. The zero value believes each result.
type Confirm struct{ Need, Last int }

// ParseConfirm reads "3/5".
func ParseConfirm(s string) (Confirm, error) {
	need, last, both := strings.Cut(s, "/")
	n, errN := strconv.Atoi(need)
	m, errM := strconv.Atoi(last)
	if !both || errN != nil || errM != nil || n < 1 || m < n || m > MostResults {
		return Confirm{}, fmt.Errorf("%q is not N/M, such as 3/5: N of the last M results, N from 1 to M, M at most %d", s, MostResults)
	}
	return Confirm{n, m}, nil
}

func (c Confirm) String() string {
	c = c.orDefault()
	return fmt.Sprintf("%d/%d", c.Need, c.Last)
}

func (c Confirm) orDefault() Confirm {
	if c.Need < 1 || c.Last < c.Need {
		return Confirm{1, 1}
	}
	return Confirm{c.Need, min(c.Last, MostResults)}
}

// What makes a path a flapping one, and what a steady one again. Four turns in
// eight results are two failures and two recoveries that were believed, or would
// have been.
const (
	flapWindow = 8 // of so many results, or Confirm's Last if that is more
	flapTurns  = 4 // turns between good and bad, at the least
	flapSteady = 4 // so many equal results end it, or Confirm's Need if that is more
)

// results are the last results of a path that were verdicts, the newest in the
// lowest bit. A result that decides nothing is none of them.
type results struct {
	trouble uint16 // it did not work
	bad     uint16 // and it was proven that the path is the reason
	n       uint8
}

func (r results) with(k kind) results {
	r.trouble <<= 1
	r.bad <<= 1
	if k != kindGood {
		r.trouble |= 1
	}
	if k == kindBad {
		r.bad |= 1
	}
	r.n = min(r.n+1, MostResults)
	return r
}

// newest masks the last n results, of those that there are.
func (r results) newest(n int) uint16 { return uint16(1<<min(n, int(r.n))) - 1 }

func count(x uint16) int { return bits.OnesCount16(x) }

func (r results) good(of int) int     { return count(^r.trouble & r.newest(of)) }
func (r results) troubles(of int) int { return count(r.trouble & r.newest(of)) }
func (r results) bads(of int) int     { return count(r.bad & r.newest(of)) }

// flaps reports whether good and bad alternate.
func (r results) flaps(c Confirm) bool {
	window := min(max(flapWindow, c.Last), int(r.n))
	return count((r.trouble^r.trouble>>1)&r.newest(window-1)) >= flapTurns
}

// steady reports whether the last results are all the same, good or not.
func (r results) steady(c Confirm) bool {
	n := max(flapSteady, c.Need)
	return int(r.n) >= n && (r.good(n) == n || r.troubles(n) == n)
}
