package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// live gives the hosts of a recorded run to the account as the program does
// while the run goes on. What comes from the network is as odd as it may be: a
// clock with a monotonic reading, and bytes that are no UTF-8.
func live(t testing.TB, rec []byte, brief bool, src report.Source) *report.Run {
	t.Helper()
	p, err := record.Open(bytes.NewReader(rec))
	if err != nil {
		t.Fatal(err)
	}
	r := report.New(p.Header, src, report.Options{Judge: judge})
	for e, err := range p.Hosts() {
		if err != nil {
			t.Fatal(err)
		}
		if err := record.AsRead(&e.Host); err != nil {
			t.Fatal(err)
		}
		r.Add(&report.Host{Host: e.Host, Findings: verdict.Judge(e.Host, verdict.Context{Vantage: p.Header.Vantage, Brief: brief})})
	}
	var end record.End
	if e := p.End(); e != nil {
		end = *e
	}
	r.Close(end, p.Truncated())
	return r
}

// A report of a run that goes on is the report of its record, byte for byte.
func TestLiveIsReplay(t *testing.T) {
	for _, run := range runs() {
		rec := run.record(t)
		for cut, b := range map[string][]byte{"whole": rec, "cut": rec[:len(rec)*2/3]} {
			loaded := load(t, b, report.Options{Judge: judge})
			for name, f := range map[string]func(io.Writer, *report.Run) error{
				"text": plainText, "verbose": verboseText, "json": report.JSON, "jsonl": report.JSONL, "junit": report.JUnit, "html": report.HTML, "prom": promHosts,
				"csv": report.CSV, "md": report.Markdown,
			} {
				if d := cmp.Diff(render(t, f, loaded), render(t, f, live(t, b, false, source(b)))); d != "" {
					t.Errorf("%s of %s, %s (-replay +live):\n%s", name, run.name, cut, d)
				}
			}
			if d := cmp.Diff(render(t, plainText, loaded), render(t, plainText, live(t, b, true, nil))); d != "" {
				t.Errorf("text of %s, %s, without a record (-replay +live):\n%s", run.name, cut, d)
			}
			if d := cmp.Diff(render(t, report.Markdown, loaded), render(t, report.Markdown, live(t, b, true, nil))); d != "" {
				t.Errorf("md of %s, %s, without a record (-replay +live):\n%s", run.name, cut, d)
			}
		}
	}
}

// Whatever lists every host says so when there is no record of them.
func TestNoRecordIsTold(t *testing.T) {
	rec := runs()[1].record(t)
	for name, f := range map[string]func(io.Writer, *report.Run) error{
		"verbose": verboseText, "json": report.JSON, "jsonl": report.JSONL, "junit": report.JUnit, "html": report.HTML, "prom": promHosts, "csv": report.CSV,
	} {
		if err := f(io.Discard, live(t, rec, true, nil)); err == nil {
			t.Errorf("%s of a run without a record: no error", name)
		}
	}
}

// AsRead makes a host what the record gives back of it.
func TestAsReadIsWhatIsRead(t *testing.T) {
	row := pushRows()[1]
	odd := func(text string, details int) scanner.Host {
		o := talked(445, "smb", text)
		o.Sent, o.Err, o.Identity.Clock = time.Now(), text, time.Now()
		for i := range details {
			o.Details = append(o.Details, scanner.Detail{Key: fmt.Sprint(i), Value: text})
		}
		return scanner.Host{
			Name: text, Addr: netip.MustParseAddr("198.18.1.10"), Boundary: text, Tags: []scanner.Detail{{Key: text, Value: text}},
			Rows: []*scanner.Requirement{row}, Observations: []scanner.Observation{o, swept(scanner.TCP, 445, scanner.Answered)},
		}
	}
	far := odd("pc", 1)
	far.Observations[0].FarEnd = &scanner.FarEnd{Since: time.Now(), Until: time.Now(), TCP: []uint16{445}}
	for name, h := range map[string]scanner.Host{
		"plain": odd("pc-1", 1), "no UTF-8": odd("pc\xff\xfe", 1), "escapes": odd("\x00\u2028\"", 2), "flood": odd("pc-1 says this again and again", 40000),
		"much": odd("\x01\x02\x03\x04\x05\x06\x07\x08", 20000), "far end": far,
		"bare": {Name: "gone", Rows: []*scanner.Requirement{row}, Observations: []scanner.Observation{{Outcome: scanner.Unresolved, Sent: time.Now()}}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := record.NewWriter(&b)
			written := h
			written.Observations = slices.Clone(h.Observations)
			err := w.WriteHeader(record.Header{Rows: written.Rows})
			if err == nil {
				err = record.WriteHost[struct{}](w, written, nil)
			}
			if err == nil {
				err = w.WriteEnd(record.End{})
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := record.Open(&b)
			if err != nil {
				t.Fatal(err)
			}
			for e, err := range p.Hosts() {
				if err != nil {
					t.Fatal(err)
				}
				if err := record.AsRead(&h); err != nil {
					t.Fatal(err)
				}
				if h.Rows[0] != row {
					t.Error("the row is another value")
				}
				if d := cmp.Diff(e.Host, h, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
					t.Errorf("(-read +as read):\n%.2000s", d)
				}
			}
		})
	}
}

// One operation is one host of four rows, from what was observed of it to the
// account that the reports are made of.
func BenchmarkAdd(b *testing.B) {
	p, err := record.Open(bytes.NewReader(runs()[0].record(b)))
	if err != nil {
		b.Fatal(err)
	}
	var hosts []report.Host
	for e, err := range p.Hosts() {
		if err != nil {
			b.Fatal(err)
		}
		hosts = append(hosts, report.Host{Host: e.Host, Findings: judge(p.Header, e.Host)})
	}
	r := report.New(p.Header, nil, report.Options{})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r.Add(&hosts[n%len(hosts)])
		n++
	}
}
