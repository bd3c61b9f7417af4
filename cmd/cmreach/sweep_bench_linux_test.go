package main

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// million is a plan of a million hosts of which one in a hundred answers. Only
// IPv6 has room for it among the addresses of the lab.
var million = fleetPlan{hosts: 1 << 20, v6: true, living: 1}

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
	b.Run(fmt.Sprintf("hosts=%d,living=1%%,60s", million.hosts), func(b *testing.B) {
		f := startFleet(b, million)
		for b.Loop() {
			sc, cost := f.check(b, prog, sweep{
				engine: "raw", args: []string{"--rate", "max"}, cut: true,
				during: func(j *job) { // a million silent hosts take long: a minute of it is enough
					select {
					case <-j.ctx.Done():
					case <-time.After(time.Minute):
						if err := j.cmd.Process.Signal(os.Interrupt); err != nil {
							b.Error(err)
						}
					}
				},
			})
			cost.report(b, (sc.paths-sc.missing)/len(fleetChecks))
			b.ReportMetric(float64(sc.wrong()+sc.undecided), "not-right")
		}
	})
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
