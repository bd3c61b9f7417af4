package scanner

import "math"

// maxTried is the number of tries from which on more of them make no difference.
const maxTried = 16

// Tried counts silent paths by how many of their tries tell something.
type Tried [maxTried + 1]uint32

func (t *Tried) add(tries int) { t[min(max(tries, 1), maxTried)]++ }

func (t *Tried) paths() (n int) {
	for _, have := range t {
		n += int(have)
	}
	return n
}

// expected is how many of the paths are expected to be falsely silent, and how
// many tries these have lost, where for each truly silent path so many would
// answer. The loss of a try is known only by so many that were lost and so many
// that were answered; see missed.
func (t *Tried) expected(odds, lost, kept float64) (paths, tries float64) {
	all := 1.0
	for i, n := range t {
		if i > 0 {
			all *= (lost + float64(i-1)) / (lost + kept + float64(i-1))
		}
		if n > 0 {
			p := float64(n) * odds * all / (1 + odds*all)
			paths += p
			tries += p * float64(i)
		}
	}
	return paths, tries
}

// Judged is what became of the paths of the hosts that are done. A path that is
// silent beside others that answer is another thing than the silence of a whole
// host: that is false only where all paths that would answer lost all their
// tries, for which there is a chance worth the name where it is only one.
type Judged struct {
	Alone, Beside int   // paths that answered: the only ones of their hosts, and others
	Dead, Alive   Tried // paths that stayed silent: of hosts that no path answered of, and of others
}

// Host adds a host of which so many paths answered.
func (j *Judged) Host(answered int) {
	if answered == 1 {
		j.Alone++
	} else {
		j.Beside += answered
	}
}

// Silent adds a silent path of such a host, after so many tries that tell
// something.
func (j *Judged) Silent(answered, tries int) {
	if answered == 0 {
		j.Dead.add(tries)
	} else {
		j.Alive.add(tries)
	}
}

// odds are how many paths would answer for each one that would not.
type odds struct{ dead, alive float64 }

// given are the odds if so many silent paths are falsely silent. That no path
// answered does not prove that none would: one more is added.
func (j *Judged) given(dead, alive float64) odds {
	if j.Alone+j.Beside == 0 { // nothing is known
		return odds{}
	}
	return odds{
		dead:  (float64(j.Alone) + dead + 1) / max(float64(j.Dead.paths())-dead, 0.5),
		alive: (float64(j.Beside) + alive + 1) / max(float64(j.Alive.paths())-alive, 0.5),
	}
}

// settled is how many steps the doubt takes to agree with what it adds to the
// losses and to the odds.
const settled = 6

// whole is the doubt if all of a run is alike, how many tries the falsely silent
// paths lost, and the odds. The silent paths show how often the paths of a
// network are asked before they are given up; those that would answer are, so
// long as they do not, asked as often. What they lost belongs to the losses, and
// is no small part of them where the tries are few.
func (j *Judged) whole(lost, kept float64) (doubt, more float64, o odds) {
	o = j.given(0, 0)
	for range settled {
		dead, a := j.Dead.expected(o.dead, lost+more, kept)
		alive, b := j.Alive.expected(o.alive, lost+more, kept)
		doubt, more, o = dead+alive, a+b, j.given(dead, alive)
	}
	return doubt, more, o
}

// part is the same of a part of the run, whose odds are those of all of it.
func (j *Judged) part(o odds, lost, kept float64) (doubt float64) {
	more := 0.0
	for range settled {
		dead, a := j.Dead.expected(o.dead, lost+more, kept)
		alive, b := j.Alive.expected(o.alive, lost+more, kept)
		doubt, more = dead+alive, a+b
	}
	return doubt
}

// sample is how many tries of a subnet's paths that answered are known of, and
// how many of these were lost.
type sample struct{ tries, lost int }

// unlikeness tells how far the losses of the subnets differ by more than chance.
type unlikeness struct{ n, nn, xn, xx float64 } // sums over samples, of tries n and losses x

func (u *unlikeness) add(s sample, times float64) {
	n, x := float64(s.tries), float64(s.lost)
	u.n += times * n
	u.nn += times * n * n
	u.xn += times * x * n
	u.xx += times * x * x
}

const (
	// weight is how many tries of its own a subnet needs to count as much as what
	// the rest of the run lets expect of it, where nothing shows how far the
	// subnets are alike; with maxWeight, they are found to be.
	weight    = 32
	maxWeight = 1e6
	// minWeight is that where some subnets lose nothing and others nearly all.
	minWeight = 1
)

// weight is that, where the run on the whole loses the share p. The losses of a
// subnet have the beta-binomial distribution, whose correlation within a subnet
// is 1/(1+weight). It is estimated by its second moment, and drawn towards what
// is believed without evidence by what the estimate's own variance lets it weigh.
func (u *unlikeness) weight(p float64) float64 {
	const believed = 1.0 / (1 + weight)
	pairs := u.nn - u.n
	if pairs <= 0 || p <= 0 || p >= 1 {
		return weight
	}
	v := p * (1 - p)
	found := (u.xx-2*p*u.xn+p*p*u.nn)/v - u.n
	variance := (2*u.nn + u.n/v) / (pairs * pairs)
	share := believed * believed / (believed*believed + variance)
	r := (1-share)*believed + share*found/pairs
	return min(max(1/math.Max(r, 1/maxWeight)-1, minWeight), maxWeight)
}

// judge counts the paths of a host that is done.
func (e *engine) judge(h *hostRun) {
	answered := 0
	for _, t := range h.tasks {
		if t.seen.outcome.asHost() {
			answered++
		}
	}
	e.stats.Judged.Host(answered)
	for _, t := range h.tasks {
		if t.silent {
			tries := int(t.tries) - int(t.void)
			e.stats.Judged.Silent(answered, tries)
			h.net.judged.Silent(answered, tries)
		}
	}
}

// depart lets a subnet go of a host, and assesses it when that was the last.
func (e *engine) depart(n *neighbourhood) {
	if e.subnets.leave(n); n.hosts == 0 {
		e.assess(n)
	}
}

// assess brings up to date what is doubtful of a subnet.
func (e *engine) assess(n *neighbourhood) {
	gone := n.lost.count(&e.moments)
	now := sample{tries: n.answered + gone, lost: gone}
	if now != n.sample {
		e.unlike.add(n.sample, -1)
		e.unlike.add(now, 1)
		n.sample = now
	}
	if n.silent == 0 {
		return
	}
	lost, kept := n.chance(e.stats, &e.moments)
	doubt := n.judged.part(e.odds, lost, kept)
	e.local = max(0, e.local+doubt-n.doubt)
	n.doubt = doubt
}

// assessAll does so at the end of the run, with all that it has shown.
func (e *engine) assessAll() {
	for _, n := range e.subnets.known {
		e.assess(n)
	}
	e.stats.Local = e.local
}
