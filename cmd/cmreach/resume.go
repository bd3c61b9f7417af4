package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// prior is the record of a run that is gone on with, and what it holds already.
type prior struct {
	name   string
	file   *os.File // locked
	header record.Header
	record.Survey

	stats   scanner.Stats // of what is recorded
	packets uint64
	doubt   float64
	done    places // the targets that are recorded
	// partial are the names of which some addresses are recorded, and not all.
	partial map[string][]netip.Addr
}

// errStopped says that the run was told to end before it had begun.
var errStopped = errors.New("interrupted")

// openPrior opens a record that is to be gone on with. Nothing in it is changed.
func openPrior(name string) (*prior, error) {
	f, err := record.Append(name)
	switch {
	case errors.Is(err, record.ErrLocked):
		return nil, fmt.Errorf("--resume: %s: %w: wait for its end, or stop it", name, err)
	case err != nil:
		return nil, fmt.Errorf("--resume: cannot go on with %s: %w: name the file that cmreach check -o jsonl=FILE wrote", name, reason(err))
	}
	p := &prior{name: name, file: f, partial: map[string][]netip.Addr{}}
	if err := p.read(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *prior) close() {
	if p != nil {
		_ = p.file.Close()
	}
}

// names are those of which some addresses are recorded, and not all.
func (p *prior) names() map[string][]netip.Addr {
	if p == nil {
		return nil
	}
	return p.partial
}

// has reports whether some addresses of the name are recorded.
func (p *prior) has(name string) bool { return len(p.names()[name]) > 0 }

// read finds out what the record is of, and whether its run came to its end.
func (p *prior) read() (err error) {
	in, err := record.Open(p.all())
	if err == nil {
		p.header = in.Header
		p.End, err = record.LastEnd(p.file)
	}
	if err != nil {
		return fmt.Errorf("--resume: %w", badRecord(p.name, err))
	}
	switch {
	case len(p.header.Merged) > 0:
		return fmt.Errorf("--resume: %s was merged of several records: go on with the one that is not complete, and merge again", p.name)
	case p.header.Plan == "" || p.header.Order == "":
		return fmt.Errorf("--resume: %s does not say of which plan it is: it was written by cmreach %s: check again", p.name, p.header.Version)
	}
	return nil
}

// all is the record as it was found: the lock keeps other writers away.
func (p *prior) all() io.Reader { return io.NewSectionReader(p.file, 0, math.MaxInt64) }

// complete reports whether the run came to its end.
func (p *prior) complete() bool { return p.End != nil && !p.End.Interrupted && p.End.Err == "" }

// command is the command line that the record is of.
func (p *prior) command() string {
	words := []string{"cmreach", "check", "--resume", p.name}
	for _, a := range p.header.Args {
		if strings.ContainsAny(a, " \"'$\\*?;&|<>()") {
			a = strconv.Quote(a)
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// fits refuses a plan that the record is not of, and puts that which it is of
// into the same order.
func (p *prior) fits(plan *profiles.Plan, f *checkFlags) error {
	h := p.header
	given := ""
	if number, of := plan.Shard(); of > 1 {
		given = fmt.Sprintf("%d/%d", number, of)
	}
	was := ""
	if h.Shard != nil {
		was = fmt.Sprintf("%d/%d", h.Shard.Number, h.Shard.Of)
	}
	alone := fmt.Sprintf("cmreach check --resume %s takes the plan from the record", p.name)
	key, err := strconv.ParseUint(h.Order, 16, 64)
	switch {
	case err != nil:
		return fmt.Errorf("--resume: %s: the order %q is no key: the file was changed: take the original", p.name, h.Order)
	case h.Depth != f.depth:
		return fmt.Errorf("--resume: %s was begun with --depth %s, not %s: %s", p.name, h.Depth, f.depth, alone)
	case was != given:
		return fmt.Errorf("--resume: %s was begun %s, not %s: %s", p.name, withShard(was), withShard(given), alone)
	case h.Plan != plan.Digest() && h.Targets != plan.Hosts():
		return fmt.Errorf("--resume: %s is of another plan, with %s, not %d: a list of targets has changed since, or the flags are others; it was begun by %s",
			p.name, count(h.Targets, "host"), plan.Hosts(), p.command())
	case h.Plan != plan.Digest():
		return fmt.Errorf("--resume: %s is of another plan: a list of targets, a profile or the site file has changed since, or the flags are others; it was begun by %s",
			p.name, p.command())
	}
	number, of := plan.Shard()
	plan.Take(key, number, of)
	return nil
}

func withShard(s string) string {
	if s == "" {
		return "without --shard"
	}
	return "with --shard " + s
}

// replay takes up what is recorded: it goes into the account, and its targets
// are not asked again. Then what is not whole is cut off.
func (c *checkRun) replay() error {
	p := c.prior
	in, err := record.Open(p.all())
	if err != nil {
		return usage(fmt.Errorf("--resume: %w", badRecord(p.name, err)))
	}
	c.seen = newPlaces(c.plan.All())
	for e, err := range in.Hosts() {
		if err != nil {
			return usage(fmt.Errorf("--resume: %w", badRecord(p.name, err)))
		}
		if c.ctx.Err() != nil {
			return fmt.Errorf("--resume: %w while %s was read: it is as it was", errStopped, p.name)
		}
		c.run.Add(&report.Host{Host: e.Host, Findings: c.judger.Judge(&e.Host, verdict.Context{Vantage: in.Header.Vantage, Brief: true})})
		p.recorded(e.Host)
		c.count(&e.Host)
	}
	p.Survey = in.Survey()
	p.done = slices.Clone(c.seen)
	p.sum()
	c.progress.before = c.targets()
	if p.End != nil {
		c.from.list = slices.Clone(p.End.Sources)
	}
	return p.Cut(p.file)
}

// remaining walks the targets that are not recorded with all their addresses.
func (c *checkRun) remaining(probes map[string]scanner.Probe) iter.Seq[scanner.Target] {
	p := c.prior
	if p == nil {
		return c.plan.Targets()
	}
	return func(yield func(scanner.Target) bool) {
		for i := range c.plan.Places() {
			if !p.done.has(i) {
				if !yield(c.plan.At(i)) {
					return
				}
				continue
			}
			if len(p.partial) == 0 {
				continue
			}
			t := c.plan.At(i)
			have := p.partial[t.Name]
			if slices.ContainsFunc(have, netip.Addr.Is4) { // as the engine does it for addresses that it finds together
				t.Rows = slices.DeleteFunc(slices.Clone(t.Rows), func(r *scanner.Requirement) bool { return probes[r.Probe].IPv4Only })
			}
			if len(have) > 0 && len(t.Rows) > 0 && !yield(t) {
				return
			}
		}
	}
}

// recorded takes up one host of the record.
func (p *prior) recorded(h scanner.Host) {
	s, answered := &p.stats, answering(h)
	s.Judged.Host(answered)
	for _, o := range h.Observations {
		if o.Probe == "" {
			s.Packets += uint64(max(o.Tries, 0))
		}
		switch {
		case !o.Sweep() || !h.Addr.IsValid():
		case o.Outcome == scanner.Silent:
			if s.Silent == 0 || o.Tries < s.MinTries {
				s.MinTries = o.Tries
			}
			s.Silent++
			s.Judged.Silent(answered, o.Tries)
		case o.Outcome == scanner.Answered || o.Outcome == scanner.Refused: // what routers answer has limits of its own
			s.Answered++
			s.Tries += o.Tries
		}
	}
	if h.Addresses < 2 {
		return
	}
	if have := append(p.partial[h.Name], h.Addr); len(have) < h.Addresses {
		p.partial[h.Name] = have
	} else {
		delete(p.partial, h.Name)
	}
}

// answering counts the paths of a host that answered.
func answering(h scanner.Host) (n int) {
	for _, o := range h.Observations {
		if o.Sweep() && (o.Outcome == scanner.Answered || o.Outcome == scanner.Refused) {
			n++
		}
	}
	return n
}

// sum makes the totals of what is recorded. What the run counted itself at its
// last notice has the packets to hosts that never came to be recorded.
func (p *prior) sum() {
	p.packets, p.doubt = p.stats.Packets, p.stats.Doubt()
	if n := p.Progress; n != nil {
		p.packets, p.doubt = max(p.packets, n.Packets), max(p.doubt, n.Doubt)
	}
	if e := p.End; e != nil {
		p.packets, p.doubt = max(p.packets, e.Packets), max(p.doubt, e.Doubt)
	}
}

// totals are the packets, the loss and the doubt of all parts of the run.
func (c *checkRun) totals() (packets uint64, loss, doubt float64) {
	now := c.last.Stats
	if c.prior == nil {
		return c.last.Packets, now.Loss(), now.Doubt()
	}
	was := c.prior.stats
	all := scanner.Stats{Answered: was.Answered + now.Answered, Tries: was.Tries + now.Tries}
	return c.prior.packets + c.last.Packets, all.Loss(), c.prior.doubt + now.Doubt()
}

// hurdles are what all parts of the run have met.
func (c *checkRun) hurdles() record.Hurdles {
	s := c.last.Stats
	now := record.Hurdles{
		Retried: s.Retried, Outage: s.Outage, Trouble: s.Trouble, TroubleCause: s.Cause,
		Cuts: s.Cuts, Fastest: finite(s.Fastest), Carried: finite(s.Carried), LocalDoubt: finite(s.Local),
	}
	if c.prior == nil || c.prior.End == nil { // whoever was killed has told nobody
		return now
	}
	return c.prior.End.Plus(now)
}

// finite is a number that JSON can write.
func finite(f float64) float64 {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return 0
	}
	return f
}

// addresses is a resolver that remembers how many addresses a name has, where
// these are several, and gives away those only that are not recorded yet.
type addresses struct {
	scanner.Resolver
	recorded map[string][]netip.Addr

	mu   sync.Mutex
	many map[string]*several
}

// several is how many addresses a name has, and how many of them are to come.
type several struct{ all, left int }

// LookupNetIP returns the addresses of a name.
func (a *addresses) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := a.Resolver.LookupNetIP(ctx, network, host)
	if err != nil || len(addrs) < 2 && len(a.recorded[host]) == 0 {
		return addrs, err
	}
	addrs = plainAddrs(addrs)
	all := len(addrs)
	have := a.recorded[host]
	addrs = slices.DeleteFunc(addrs, func(x netip.Addr) bool { return slices.Contains(have, x) })
	if len(addrs) == 0 && all > 0 {
		return nil, errors.New("all its addresses are recorded already")
	}
	if all > 1 {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.many[host] = &several{all: all, left: len(addrs)}
	}
	return addrs, nil
}

// of is how many addresses the name has of a host that is done; 0: one or none.
func (a *addresses) of(h *scanner.Host) int {
	if a == nil || !h.Addr.IsValid() {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.many[h.Name]
	if n == nil {
		return 0
	}
	if n.left--; n.left <= 0 {
		delete(a.many, h.Name)
	}
	return n.all
}

// places is a set of numbers of targets: a bit for each.
type places []uint64

func newPlaces(n uint64) places { return make(places, (n+63)/64) }

func (p places) has(i uint64) bool { return p[i/64]>>(i%64)&1 != 0 }

// set puts a number into the set and reports whether it is new there.
func (p places) set(i uint64) bool {
	if p.has(i) {
		return false
	}
	p[i/64] |= 1 << (i % 64)
	return true
}
