package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// measure is one run of a scanner over a fleet.
type measure struct {
	outlay
	said  string // how far what it said is right
	wrong int    // how much of it is not so
	flaw  int    // how much of it is wrong or missing, to find the worst run
	fail  bool   // it did not end, or left no result
}

// toolLimit bounds a run of another scanner.
const toolLimit = 2 * time.Minute

// runTool measures another scanner.
func (f *fleet) runTool(b *testing.B, x tool) (m measure, err error) {
	dir := b.TempDir()
	if x.bare {
		restore, err := f.bare(b)
		if err != nil {
			return m, err
		}
		defer restore()
	}
	ctx, cancel := context.WithTimeout(b.Context(), toolLimit)
	defer cancel()
	for _, args := range x.commands(f, dir) {
		j := &job{cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
		j.cmd.Stderr = &j.errs
		j.cmd.Stdin = nil
		o, err := f.spend(b, j, nil, nil)
		if err != nil || ctx.Err() != nil {
			return m, fmt.Errorf("%s: %w\n%.500s", x.name, errors.Join(err, ctx.Err()), j.errs.String())
		}
		m.wall, m.cpu, m.packets, m.peak = m.wall+o.wall, m.cpu+o.cpu, m.packets+o.packets, max(m.peak, o.peak)
	}
	const unsaid = answers
	said := make([]answer, f.hosts*len(fleetChecks))
	for i := range said {
		said[i] = unsaid
	}
	stray := 0
	err = x.read(dir, func(a netip.Addr, port uint16, what answer) {
		for c, check := range fleetChecks {
			if h := f.index(a); h >= 0 && check.port == port {
				said[h*len(fleetChecks)+c] = what
				return
			}
		}
		stray++
	})
	var paths, missed, open, reset, prohibited, silent int
	for h := range f.hosts {
		for _, c := range x.checks {
			paths++
			switch got, truth := said[h*len(fleetChecks)+c], f.truth(h, c); {
			case got == truth:
			case truth == answersOpen:
				missed++
			case got == answersOpen:
				open++
			case truth == answersReset:
				reset++
			case truth == answersProhibited:
				prohibited++
			default:
				silent++
			}
		}
	}
	m.flaw = missed + open + stray
	m.said = fmt.Sprintf("of %d: missed open %d, false open %d; not told: closed %d, prohibited %d, silent %d", paths, missed, open, reset, prohibited, silent)
	return m, err
}

// bare turns the offloads of the scanner's device off, and lets the fleet send
// a packet now and then.
func (f *fleet) bare(b *testing.B) (restore func(), err error) {
	set := func(to string) error {
		return f.scan.shell(b.Context(), fmt.Sprintf("ethtool -K %s tso %[2]s gso %[2]s gro %[2]s", fleetDevice, to))
	}
	ping := exec.CommandContext(b.Context(), "ping", "-q", "-i", "0.2", "198.18.0.1")
	if err := errors.Join(set("off"), f.far.do(ping.Start)); err != nil {
		return nil, err
	}
	return func() {
		_ = ping.Process.Kill()
		_ = ping.Wait() // killed
		if err := set("on"); err != nil {
			b.Error(err)
		}
	}, nil
}

// work is one line of the comparison: a fleet, and who is measured on it.
type work struct {
	name  string
	plan  fleetPlan
	lose  int
	sweep sweep
	tools []string // by name
}

// medians are the medians of what was measured, by the name of the tool.
type medians map[string]measure

// share is the program's time divided by that of others together; not a number
// when one of them failed.
func (m medians) share(of ...string) float64 {
	var sum time.Duration
	for _, name := range of {
		if m[name].fail {
			return math.NaN()
		}
		sum += m[name].wall
	}
	return m[ours].wall.Seconds() / sum.Seconds()
}

// ours is the program's name in the tables.
const ours = "cmreach"

// compare measures the program and the others, in turns, and prints a table.
func (w *work) compare(b *testing.B, prog cmreach, runs int, out *tabwriter.Writer) medians {
	f := startFleet(b, w.plan)
	if w.lose > 0 {
		f.lose(b, w.lose)
	}
	fmt.Fprintf(os.Stderr, "%s: %d runs\n", w.name, runs)
	all := map[string][]measure{}
	names := append([]string{ours}, w.tools...)
	for range runs {
		sc, cost := f.check(b, prog, w.sweep)
		all[ours] = append(all[ours], measure{outlay: cost, said: sc.String(), wrong: sc.wrong(), flaw: sc.wrong() + sc.missing + sc.undecided})
		if sc.wrong() > 0 {
			b.Logf("%s: %s\n\t%s", w.name, sc, strings.Join(sc.samples, "\n\t"))
		}
		for _, x := range tools() {
			if !slices.Contains(w.tools, x.name) {
				continue
			}
			m, err := f.runTool(b, x)
			if err != nil {
				b.Logf("%s: %v", w.name, err)
				m.said, m.flaw, m.fail = "did not end: "+strings.SplitN(err.Error(), "\n", 2)[0], w.plan.hosts, true
			}
			all[x.name] = append(all[x.name], m)
		}
	}
	mid := medians{}
	for _, name := range names {
		m := median(all[name])
		mid[name] = m
		fmt.Fprintf(out, "%s\t%s\t%d\t%.2f\t%.2f\t%.0f\t%dk\t%s\n", w.name, name, runs, m.wall.Seconds(), m.cpu.Seconds(), float64(m.peak)/(1<<20), m.packets/1000, m.said)
	}
	return mid
}

// median takes the median of each figure, and the words of the worst run.
func median(all []measure) (m measure) {
	if len(all) == 0 {
		return m
	}
	mid := func(figure func(measure) int64) int64 {
		var list []int64
		for _, x := range all {
			list = append(list, figure(x))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	worst := slices.MaxFunc(all, func(a, b measure) int { return a.flaw - b.flaw })
	m.said, m.wrong, m.flaw, m.fail = worst.said, worst.wrong, worst.flaw, worst.fail
	m.wall = time.Duration(mid(func(x measure) int64 { return int64(x.wall) }))
	m.cpu = time.Duration(mid(func(x measure) int64 { return int64(x.cpu) }))
	m.peak = mid(func(x measure) int64 { return x.peak })
	m.packets = int(mid(func(x measure) int64 { return int64(x.packets) }))
	return m
}

// demands collects what was asked for and whether it was met.
type demands []string

func (d *demands) atMost(what string, is, limit float64, unit string) {
	word := "met"
	switch {
	case math.IsNaN(is):
		word = "not measured"
	case is > limit:
		word = "missed"
	}
	*d = append(*d, fmt.Sprintf("%s\t%s: %.2f%s, at most %.2f%s", word, what, is, unit, limit, unit))
}

// BenchmarkPeers runs the comparison of testdata/bench-peers.sh and prints it.
// RUNS is how often each is measured (5), QUICK=1 makes everything small, and
// WORK is a prefix of the names of the works that are done.
func BenchmarkPeers(b *testing.B) {
	needRoot(b)
	for _, x := range tools() {
		for _, p := range x.programs {
			if _, err := exec.LookPath(p); err != nil {
				leaveOut(b, fmt.Sprintf("%v: use testdata/bench-peers.sh", err))
			}
		}
	}
	hosts, runs := 1<<16, 5
	if os.Getenv("QUICK") != "" {
		hosts, runs = 1<<12, 1
	}
	if n, err := number(os.Getenv("RUNS")); err == nil && n > 0 {
		runs = n
	}
	var table strings.Builder
	out := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "work\ttool\tn\twall s\tCPU s\tMB\tpackets\tworst run\n")
	c := comparison{b: b, prog: buildProgram(b), hosts: hosts, runs: runs, only: os.Getenv("WORK"), out: out}
	c.all()
	if !slices.ContainsFunc(c.names, c.picked) {
		b.Fatalf("WORK=%q is the name of nothing; there are:\n\t%s", c.only, strings.Join(c.names, "\n\t"))
	}
	for b.Loop() { // measured above, each on its own
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("\n%s\n", table.String())
	if c.only != "" {
		fmt.Printf("Only the works of WORK=%q were done; the other demands were not measured.\n", c.only)
	}
	if hosts < 1<<16 {
		fmt.Println("The demands are for 65,536 hosts and 5 runs; this was a small run.")
	}
	check := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range c.demands {
		fmt.Fprintln(check, line)
	}
	if err := check.Flush(); err != nil {
		b.Fatal(err)
	}
}

// comparison is what the works of the comparison have in common.
type comparison struct {
	b     *testing.B
	prog  cmreach
	hosts int
	runs  int
	only  string // prefix of the names of the works that are done; empty: of all
	out   *tabwriter.Writer
	names []string // of all works
	demands
}

// picked says whether a work is to be done: its name, or what follows a comma
// in it, begins with what was asked for.
func (c *comparison) picked(name string) bool {
	return strings.HasPrefix(name, c.only) || strings.Contains(name, ", "+c.only)
}

// run does a work. Of one that is not to be done there are no medians, and so
// no demands.
func (c *comparison) run(w work) medians {
	c.names = append(c.names, w.name)
	if !c.picked(w.name) {
		return nil
	}
	return w.compare(c.b, c.prog, c.runs, c.out)
}

// all does the works.
func (c *comparison) all() {
	max := []string{"--rate", "max"}
	raw := sweep{engine: "raw", args: max}
	all := work{
		name: fmt.Sprintf("%d hosts, 4 paths", c.hosts), plan: fleetPlan{hosts: c.hosts}, sweep: raw,
		tools: []string{"nmap -sS", "nmap -sn -PE", "masscan 300k", "zmap 100k, 4 runs", "fping"},
	}
	lossless := math.NaN()
	if m := c.run(all); m != nil {
		lossless = m[ours].wall.Seconds()
		c.atMost("all paths: verdicts not right", float64(m[ours].flaw), 0, "")
		c.atMost("all paths: wall, of nmap -sS and -sn together", m.share("nmap -sS", "nmap -sn -PE"), 1.0/7, "")
		c.atMost("all paths: wall, of masscan", m.share("masscan 300k"), 0.55, "")
		c.atMost("all paths: CPU", m[ours].cpu.Seconds(), 4, " s")
		c.atMost("all paths: memory", float64(m[ours].peak)/(1<<20), 48, " MB")
	}
	for _, percent := range []int{2, 5} {
		lossy := all
		lossy.name, lossy.lose, lossy.tools = fmt.Sprintf("%s, %d %% lost", all.name, percent), percent, nil
		if m := c.run(lossy); m != nil {
			c.atMost(fmt.Sprintf("%d %% lost: wrong verdicts", percent), float64(m[ours].wrong), 0, "")
			c.atMost(fmt.Sprintf("%d %% lost: wall, of the run without loss", percent), m[ours].wall.Seconds()/lossless, 1.5, "")
		}
	}
	c.others(max, raw)
}

// others does the works on fleets of another kind.
func (c *comparison) others(max []string, raw sweep) {
	silent := work{
		name: "1024 hosts, all silent", plan: fleetPlan{hosts: 1024, silent: true}, sweep: sweep{engine: "raw", args: append(max, "--rounds", "5")},
		tools: []string{"nmap -sS", "nmap -sn -PE", "fping"},
	}
	if m := c.run(silent); m != nil {
		c.atMost("silent: wall", m[ours].wall.Seconds(), 1.6, " s")
		c.atMost("silent: verdicts not right", float64(m[ours].flaw), 0, "")
	}
	portable := work{
		name: fmt.Sprintf("%d hosts, 3 ports, ordinary user", c.hosts), plan: fleetPlan{hosts: c.hosts, asked: tcpChecks},
		sweep: sweep{engine: "connect", user: true, args: append(max, "--only", "epm,smb,rc")},
		tools: []string{"nmap -sT"},
	}
	if m := c.run(portable); m != nil {
		c.atMost("portable engine: verdicts not right", float64(m[ours].flaw), 0, "")
		c.atMost("portable engine: wall, of nmap -sT", m.share("nmap -sT"), 0.5, "")
	}
	talking := work{
		name: fmt.Sprintf("%d hosts, push with SMB and EPM", c.hosts), plan: fleetPlan{hosts: c.hosts, talks: true, asked: []int{0, 1, 2}},
		sweep: raw, tools: []string{"nmap -sS"},
	}
	if m := c.run(talking); m != nil {
		c.atMost("conversations: verdicts not right", float64(m[ours].flaw), 0, "")
		c.atMost("conversations: wall, of nmap -sS", m.share("nmap -sS"), 1, "")
	}
}
