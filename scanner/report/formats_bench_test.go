package report_test

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// formatHosts is how many clients the run has that every format is made of.
const formatHosts = 20_000

// BenchmarkFormats measures, for a run of 20,000 clients by the profile push,
// what it takes to load its record and to write each format, and prints a table.
// What lists the hosts reads and judges the record once more; "walk" is that
// alone.
func BenchmarkFormats(b *testing.B) {
	source := pushCrowd(b, formatHosts, 0)
	run, err := report.Load(source, report.Options{Judge: judge})
	if err != nil {
		b.Fatal(err)
	}
	t := costTable{source: source, run: run}
	t.reading(b)
	for _, format := range report.Formats {
		t.measure(b, format, func(w io.Writer) error { return report.Write(w, format, run, report.TextOptions{}) })
	}
	t.variants(b)
	t.rules(b)
	t.diff(b)
	for b.Loop() { // measured above, each on its own
	}
	t.print(b)
}

// costTable is what the formats cost, in the order of measuring.
type costTable struct {
	source report.Source
	run    *report.Run
	lines  []cost
}

// cost is what one format takes.
type cost struct {
	name  string
	took  time.Duration // the mean
	bytes int
	peak  uint64 // memory of this process
}

// measure benchmarks what writes a format. A later and longer measurement of
// the same name takes the place of the one before.
func (t *costTable) measure(b *testing.B, name string, write func(io.Writer) error) {
	b.Run(name, func(b *testing.B) {
		c := cost{name: name}
		debug.FreeOSMemory() // what another format has left
		stop := watchMemory(&c.peak)
		for b.Loop() {
			w := &watched{each: func() {}}
			if err := write(w); err != nil {
				b.Fatal(err)
			}
			c.bytes = w.n
		}
		stop()
		c.took = b.Elapsed() / time.Duration(b.N)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(c.took.Microseconds())/1e3, "ms")
		b.ReportMetric(float64(c.bytes)/1e6, "MB-written")
		b.ReportMetric(float64(c.peak)/1e6, "MB-memory")
		if n := len(t.lines); n > 0 && t.lines[n-1].name == name {
			t.lines = t.lines[:n-1]
		}
		t.lines = append(t.lines, c)
	})
}

// watchMemory keeps the largest amount of memory that this process has of the
// system, until stop is called.
func watchMemory(peak *uint64) (stop func()) {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	look := func() {
		metrics.Read(samples)
		*peak = max(*peak, samples[0].Value.Uint64()-samples[1].Value.Uint64())
	}
	look()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				look()
			case <-end:
				look()
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// reading is what comes before every format.
func (t *costTable) reading(b *testing.B) {
	brief := func(h record.Header, host scanner.Host) []verdict.Finding {
		return verdict.Judge(host, verdict.Context{Vantage: h.Vantage, Brief: true})
	}
	load := func(name string, opinion report.Judge) {
		t.measure(b, name, func(io.Writer) error {
			_, err := report.Load(t.source, report.Options{Judge: opinion})
			return err
		})
	}
	load("load", judge)
	load("load, for text and md", brief)
	t.measure(b, "walk", func(io.Writer) error {
		for _, err := range t.run.Hosts() {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// variants are formats with options, and the lists of the advice.
func (t *costTable) variants(b *testing.B) {
	t.measure(b, "text -v", func(w io.Writer) error { return report.Text(w, t.run, report.TextOptions{Verbose: true}) })
	t.measure(b, "prom --prom-hosts", func(w io.Writer) error { return report.Prom(w, t.run, true) })
	checks := report.JUnitOptions{Granularity: report.GranularityCheck}
	t.measure(b, "junit, a case a check", func(w io.Writer) error {
		_, err := report.JUnitFile(w, t.run, checks)
		return err
	})
	t.measure(b, "junit, the same, split", func(w io.Writer) error {
		_, err := report.JUnitParts(t.run, checks, func(_ string, write func(io.Writer) error) error { return write(w) })
		return err
	})
	t.measure(b, "advice", func(w io.Writer) error {
		files := make([]io.Writer, len(report.AdviceFiles(t.run)))
		for i := range files {
			files[i] = w
		}
		return report.Advice(files, t.run)
	})
}

// rules are the firewall changes: found once, and written in each format.
func (t *costTable) rules(b *testing.B) {
	sources := map[scanner.Role][]netip.Prefix{siteServer: {netip.MustParsePrefix("198.18.0.10/32")}}
	var found *report.Rules
	t.measure(b, "rules: find", func(io.Writer) (err error) {
		found, err = report.FindRules(t.run, report.RuleOptions{Sources: sources})
		return err
	})
	if found == nil || found.Len() == 0 {
		b.Fatal("the run has no rule")
	}
	for _, format := range report.RuleFormats {
		t.measure(b, "rules: "+format, func(w io.Writer) error { return found.Write(w, format) })
	}
}

// diff compares with a run in which other subnets are blocked.
func (t *costTable) diff(b *testing.B) {
	older, err := report.Load(pushCrowd(b, formatHosts, 5), report.Options{Judge: judge})
	if err != nil {
		b.Fatal(err)
	}
	r := &report.DiffReport{Old: report.DiffRun{File: "old.jsonl", Complete: true}, New: report.DiffRun{File: "new.jsonl", Complete: true}}
	t.measure(b, "diff: compare", func(io.Writer) error {
		d := history.NewDiffer(verdict.DefaultFail)
		for _, of := range []struct {
			run  *report.Run
			take func([]verdict.Finding)
		}{{older, d.Old}, {t.run, d.New}} {
			for h, err := range of.run.Hosts() {
				if err != nil {
					return err
				}
				of.take(h.Findings)
			}
		}
		r.Diff = d.Diff(true, true)
		return nil
	})
	if r.Counts.Worse == 0 || r.Counts.Better == 0 {
		b.Fatalf("the runs do not differ: %+v", r.Counts)
	}
	for _, format := range report.DiffFormats {
		t.measure(b, "diff: "+format, func(w io.Writer) error { return report.WriteDiff(w, format, r, report.TextOptions{}) })
	}
}

func (t *costTable) print(b *testing.B) {
	var text strings.Builder
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "ms\tMB written\tMB of memory\t\n")
	for _, c := range t.lines {
		fmt.Fprintf(out, "%.0f\t%.3f\t%.0f\t  %s\n", float64(c.took.Microseconds())/1e3, float64(c.bytes)/1e6, float64(c.peak)/1e6, c.name)
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("\nA run of %d clients by the profile push: %d paths, %d of them open\n%s",
		formatHosts, t.run.Tally.All.Total(), t.run.Tally.All.States[verdict.Open], text.String())
}

// pushCrowd is the record of so many clients and a management point by the
// profile push, in subnets of 256. Shift moves the faults to other clients.
func pushCrowd(t testing.TB, hosts, shift int) report.Source {
	t.Helper()
	rows := profileRows(t)
	file := filepath.Join(t.TempDir(), fmt.Sprint("push", shift, ".jsonl"))
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	h := record.Header{
		Version: "0.1.0", Started: runStart, Scanner: "SRV01", Vantage: siteServer, Site: "P01", Profiles: []string{"push"}, Rows: rows, Targets: hosts,
		Engine: "raw", Depth: "identity", Rate: "5000", Rounds: 6, Timeout: time.Second, Boundaries: []string{"Office", "Branch"},
	}
	w := record.NewWriter(f)
	err = w.WriteHeader(h)
	add := func(host scanner.Host, to func(scanner.Role) bool) {
		for _, r := range rows {
			if to(r.To) {
				host.Rows = append(host.Rows, r)
			}
		}
		err = errors.Join(err, record.WriteHost(w, host, judge(h, host)))
	}
	for n := 0; n < hosts && err == nil; n++ {
		add(pushClient(n, shift), func(r scanner.Role) bool { return r == scanner.RoleClient })
	}
	mp := managementPoint()
	add(scanner.Host{Name: mp.name, Addr: netip.MustParseAddr(mp.addr), Observations: mp.obs}, func(r scanner.Role) bool { return r != scanner.RoleClient })
	err = errors.Join(err, w.WriteEnd(record.End{Finished: runStart.Add(time.Minute), Hosts: hosts + 1, Planned: hosts + 1, Packets: uint64(hosts) * 12, Loss: 0.001}), f.Close())
	if err != nil {
		t.Fatal(err)
	}
	return func() (io.ReadCloser, error) { return os.Open(file) }
}

// profileRows are the rows of the built-in profile, for a site with a
// management point.
func profileRows(t testing.TB) []*scanner.Requirement {
	t.Helper()
	push, err := profiles.Load([]string{"push"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := profiles.ReadTargets(profiles.TargetOptions{Args: []string{"198.18.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := profiles.NewPlan(profiles.Options{Profiles: push, Targets: targets, Roles: []string{"management-point=mp1.corp.example"}})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Rows
}

// pushClient is one of many clients: some subnets are behind firewalls that
// reject or swallow a protocol, and some computers are off, lack a service, or
// have got the address of another one.
func pushClient(n, shift int) scanner.Host {
	m := client(n)
	name := fmt.Sprintf("pc-%05d.corp.example", n)
	gateway := netip.AddrFrom4([4]byte{198, 18, 255, byte(1 + n>>8%4)})
	reject := func(port, via uint16) scanner.Observation {
		o := rejected(port, 13)
		o.Via = via
		return o
	}
	dark := swept(scanner.TCP, 49667, scanner.Silent)
	dark.Via = 135
	switch ((n + shift) >> 8) % 8 {
	case 2:
		m = m.on(445, reject(445, 0))
	case 4:
		m = m.on(49667, reject(49667, 135))
	case 6:
		m = m.on(49667, dark)
	}
	switch odd := (n + shift) * 2654435761 >> 7; {
	case odd%12 == 0:
		m = off(n)
	case odd%41 == 0:
		m = m.on(135, swept(scanner.TCP, 135, scanner.Refused)).on(49667)
	case odd%67 == 0:
		m = stale(n, n+1)
	case odd%71 == 0:
		m = m.on(445, swept(scanner.TCP, 445, scanner.Silent))
	}
	h := scanner.Host{
		Name: name, Addr: netip.AddrFrom4([4]byte{198, 19, byte(n >> 8), byte(n)}), Boundary: []string{"Office", "Branch", ""}[n/1024%3],
		Tags: []scanner.Detail{{Key: "Collection", Value: fmt.Sprint("Wave ", n/500)}}, Observations: m.obs,
	}
	for i := range h.Observations {
		o := &h.Observations[i]
		o.Took += o.Took * time.Duration(n*2654435761>>9*(i+1)%1000) / 500
		switch {
		case o.Outcome == scanner.Rejected:
			o.From = gateway
		case o.Took > 0:
			o.From = h.Addr
		}
		if o.Identity.Computer != "" && o.Identity.Computer == strings.ToUpper(client(n).name) {
			o.Identity.Computer, o.Identity.DNSName = strings.ToUpper(name[:8]), name
		}
	}
	return h
}
