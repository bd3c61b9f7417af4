package report_test

import (
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"io"
	"net/netip"
	"runtime"
	"testing"
)

// crowd is host n of a large run at --depth port.
func crowd(n int, rows []*scanner.Requirement) scanner.Host {
	h := scanner.Host{Addr: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Rows: rows}
	h.Name = h.Addr.String()
	for i, r := range rows {
		o := swept(r.Protocol, r.Port, scanner.Answered)
		switch (n*2654435761 + i*40503) >> 7 % 20 {
		case 0:
			o = rejected(r.Port, 13)
			o.Protocol = r.Protocol
		case 1, 2:
			o = swept(r.Protocol, r.Port, scanner.Refused)
		case 3, 4, 5:
			o = swept(r.Protocol, r.Port, scanner.Silent)
		}
		if o.Outcome == scanner.Answered || o.Outcome == scanner.Refused {
			o.From = h.Addr
		}
		h.Observations = append(h.Observations, o)
	}
	return h
}

func sweepRows() []*scanner.Requirement {
	return []*scanner.Requirement{
		row("icmp", scanner.ICMP, 0, "", "fix"), row("epm", scanner.TCP, 135, "", "fix"),
		row("smb", scanner.TCP, 445, "", "fix"), row("rc", scanner.TCP, 2701, "", "fix"),
	}
}

// The account of a run does not grow with its hosts.
func TestAccountIsBounded(t *testing.T) {
	large := fewer(t, "hosts", 100_000, 2000)
	small, most := large/5, int64(4<<20)
	rows := sweepRows()
	r := report.New(record.Header{Rows: rows}, nil, report.Options{})
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	add := func(from, to int) {
		for n := from; n < to; n++ {
			h := crowd(n, rows)
			r.Add(&report.Host{Host: h, Findings: verdict.Judge(h, verdict.Context{Brief: true})})
		}
	}
	add(0, small)
	first := heap()
	add(small, large)
	if grown := heap() - first; grown > most && !underRace {
		t.Errorf("%d more bytes after %d more hosts", grown, large-small)
	}
	r.Close(record.End{Hosts: large}, nil)
	if r.Tally.Hosts != large || r.Tally.All.Total() != large*len(rows) {
		t.Errorf("%d hosts, %d paths", r.Tally.Hosts, r.Tally.All.Total())
	}
}

// One operation is one host of four rows: all that happens to it after the
// engine, for the short text, and with a record.
func BenchmarkHost(b *testing.B) {
	for name, recorded := range map[string]bool{"text": false, "record": true} {
		b.Run(name, func(b *testing.B) {
			rows := sweepRows()
			var hosts []scanner.Host
			for n := range 4096 {
				hosts = append(hosts, crowd(n*16, rows))
			}
			w := record.NewWriter(io.Discard)
			r := report.New(record.Header{Rows: rows}, nil, report.Options{})
			var j verdict.Judger
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				h := report.Host{Host: hosts[n%len(hosts)]}
				n++
				if err := record.AsRead(&h.Host); err != nil {
					b.Fatal(err)
				}
				h.Findings = j.Judge(&h.Host, verdict.Context{Vantage: siteServer, Brief: !recorded})
				r.Add(&h)
				if !recorded {
					continue
				}
				if err := record.WriteHost(w, h.Host, h.Findings); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
