package scanner

// moments is what became of the tries of the latest seconds, by the time at
// which they were sent: losses that come all at once are told from those that
// are spread. What is older is summed up.
type moments struct {
	list     [momentCount]moment
	at       int64 // the latest
	answered int   // of older ones
	lost     int
	outage   int
}

type moment struct {
	answered, lost int
	asked, firsts  int // first tries, and how many of those were answered
}

const (
	momentCount = 1 << 9
	momentSteps = 5   // of the wheel: 20 ms
	momentTries = 16  // fewer, in a moment and those beside it, do not make an outage
	dullBase    = 100 // moments that some are compared with
	dullLong    = 10  // moments that are
	dullShare   = 3   // how many times fewer answers are far fewer
)

// reach makes room for the tries that were sent at a step of the wheel, and
// returns the number of their moment.
func (m *moments) reach(step int64) int64 {
	i := step / momentSteps
	for m.at < i {
		m.fold(m.at - momentCount + 2) // while it has both its neighbours
		m.at++
		m.list[m.at%momentCount] = moment{}
	}
	return i
}

// get returns a moment, or nil when it is gone or to come.
func (m *moments) get(i int64) *moment {
	if i <= m.at-momentCount || i > m.at || i < 0 {
		return nil
	}
	return &m.list[i%momentCount]
}

// count adds to a moment.
func (m *moments) count(i int64, answered, lost int) {
	if at := m.get(i); at != nil && i > m.at-momentCount+1 { // else it is summed up
		at.answered += answered
		at.lost += lost
		return
	}
	m.answered += answered
	m.lost += lost
}

// asked counts a first try that was sent at a step of the wheel.
func (m *moments) asked(step int64) {
	if at := m.get(m.reach(step)); at != nil {
		at.asked++
	}
}

// first counts the answer to one.
func (m *moments) first(step int64) {
	if at := m.get(m.reach(step)); at != nil {
		at.firsts++
	}
}

// dull reports whether far fewer first tries of some moments were answered than
// of those before. It may be that what was asked then is off, and may be an
// outage that lets a few packets through, before any loss is known.
func (m *moments) dull(from, to int64) bool {
	var now, was moment
	for i := max(from-dullBase, 0); i <= to; i++ {
		at, sum := m.get(i), &was
		if i >= from {
			sum = &now
		}
		if at != nil {
			sum.asked += at.asked
			sum.firsts += at.firsts
		}
	}
	return now.asked >= momentTries && was.asked >= momentTries && dullShare*now.firsts*was.asked < was.firsts*now.asked
}

// dead reports whether most of the tries of a moment were lost.
func (m *moments) dead(i int64) bool {
	at := m.get(i)
	if at == nil || at.lost <= at.answered {
		return false
	}
	all := *at
	for _, beside := range []*moment{m.get(i - 1), m.get(i + 1)} {
		if beside != nil {
			all.answered += beside.answered
			all.lost += beside.lost
		}
	}
	return all.answered+all.lost >= momentTries && 2*all.lost >= all.answered
}

// fold sums a moment up.
func (m *moments) fold(i int64) {
	at := m.get(i)
	switch {
	case at == nil:
	case m.dead(i):
		m.outage += at.lost
	default:
		m.answered += at.answered
		m.lost += at.lost
	}
}

// sum adds up what is known: tries that were answered or lost, without outages.
func (m *moments) sum() (answered, lost, outage int) {
	answered, lost, outage = m.answered, m.lost, m.outage
	for i := max(0, m.at-momentCount+2); i <= m.at; i++ {
		at := m.get(i)
		switch {
		case at.answered+at.lost == 0:
		case m.dead(i):
			outage += at.lost
		default:
			answered += at.answered
			lost += at.lost
		}
	}
	return answered, lost, outage
}

// losses are the tries that a subnet lost. Whether they are those of an outage
// turns out a little later; so long they are kept by their moments.
type losses struct {
	sure  int
	fresh [8]struct {
		moment int64
		lost   int
	}
}

func (l *losses) add(m *moments, i int64) {
	f := &l.fresh[i%int64(len(l.fresh))]
	if f.moment != i {
		if !m.dead(f.moment) {
			l.sure += f.lost
		}
		f.moment, f.lost = i, 0
	}
	f.lost++
}

// count is how many there are, without those in outages.
func (l *losses) count(m *moments) int {
	n := l.sure
	for _, f := range l.fresh {
		if f.lost > 0 && !m.dead(f.moment) {
			n += f.lost
		}
	}
	return n
}
