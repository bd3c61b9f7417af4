package main

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
)

// million is a plan of a million hosts of which one in a hundred answers. Only
// IPv6 has room for it among the addresses of the lab.
var million = fleetPlan{hosts: 1_000_000, v6: true, living: 1}

// BenchmarkSweep prints what the sweep of a fleet costs the program, and how
// that grows with the fleet: hosts and packets a second, processor time a host,
// and memory. The fleet's own work is in the times: both share the machine.
func BenchmarkSweep(b *testing.B) {
	needRoot(b)
	prog := buildProgram(b)
	for _, hosts := range []int{1 << 10, 1 << 12, 1 << 14, 1 << 16} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			f := startFleet(b, fleetPlan{hosts: hosts})
			for b.Loop() {
				sc, cost := f.check(b, prog, sweep{engine: "raw", args: []string{"--rate", "max"}})
				cost.report(b, hosts)
				b.ReportMetric(float64(sc.wrong()+sc.missing+sc.undecided), "not-right")
			}
		})
	}
}

// BenchmarkGrowth prints how the cost of a sweep grows with the plan, from a
// thousand hosts to a million, of which one in a hundred answers: the silent
// ones are the work. Each run comes to its end, and has its record.
func BenchmarkGrowth(b *testing.B) {
	needRoot(b)
	prog := buildProgram(b)
	var g growth
	for _, hosts := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			p := million
			p.hosts = hosts
			f := startFleet(b, p)
			for b.Loop() {
				sc, cost := f.check(b, prog, sweep{engine: "raw", args: []string{"--rate", "max"}})
				cost.report(b, hosts)
				b.ReportMetric(float64(sc.wrong()+sc.missing+sc.undecided), "not-right")
				if cost.peak > mostMemory {
					b.Errorf("%d MB were held", cost.peak>>20)
				}
				g = append(g, grown{hosts, cost})
			}
		})
	}
	fmt.Print("\n" + g.String() + "\n") // what a benchmark of others logs is not shown
}

// growth are the costs of plans, each larger than the one before.
type growth []grown

type grown struct {
	hosts int
	outlay
}

// perHost is the processor time of a host, in microseconds.
func (g grown) perHost() float64 { return float64(g.cpu.Microseconds()) / float64(g.hosts) }

// each is how many packets a host took, with its answers.
func (g grown) each() float64 { return float64(g.packets) / float64(g.hosts) }

// String is a table with a word on how the costs grow.
func (g growth) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "hosts\twall s\thosts/s\tpackets/s\tpackets/host\tCPU s\tCPU µs/host\tmax RSS MB\t")
	for _, r := range g {
		fmt.Fprintf(w, "%d\t%.1f\t%.0f\t%.0f\t%.1f\t%.2f\t%.1f\t%d\t\n", r.hosts, r.wall.Seconds(), float64(r.hosts)/r.wall.Seconds(),
			float64(r.packets)/r.wall.Seconds(), r.each(), r.cpu.Seconds(), r.perHost(), r.peak>>20)
	}
	_ = w.Flush() // a builder takes everything
	for i := 1; i < len(g); i++ {
		was, is := g[i-1], g[i]
		fmt.Fprintf(&b, "%d to %d hosts: x %d, CPU x %.1f, wall x %.1f, memory x %.1f: %s\n", was.hosts, is.hosts, is.hosts/was.hosts,
			is.cpu.Seconds()/was.cpu.Seconds(), is.wall.Seconds()/was.wall.Seconds(), float64(is.peak)/float64(was.peak), kindOfGrowth(was, is))
	}
	return b.String()
}

// kindOfGrowth says how processor time grows between two sizes. On a machine
// that others use as well it is not the same twice, by a quarter or so.
func kindOfGrowth(was, is grown) string {
	switch ratio := is.perHost() / was.perHost(); {
	case ratio > 1.25:
		return fmt.Sprintf("more than linear: a host costs %.0f %% more; it took %.1f packets, before %.1f", 100*(ratio-1), is.each(), was.each())
	case ratio < 0.8:
		return fmt.Sprintf("less than linear: a host costs %.0f %% less, since what a run costs by itself is shared by more, and it took %.1f packets, before %.1f",
			100*(1-ratio), is.each(), was.each())
	default:
		return "linear"
	}
}

// report says what so many hosts cost.
func (o *outlay) report(b *testing.B, hosts int) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(o.wall.Seconds(), "wall-s")
	b.ReportMetric(float64(hosts)/o.wall.Seconds(), "hosts/s")
	b.ReportMetric(float64(o.packets)/o.wall.Seconds(), "packets/s")
	b.ReportMetric(float64(o.cpu.Microseconds())/float64(max(hosts, 1)), "cpu-us/host")
	b.ReportMetric(float64(o.peak)/(1<<20), "MB")
}
