package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// withoutAssets takes style, script and their digests out of a page: they are files of
// their own.
func withoutAssets(t fataler, page string) []byte {
	for _, part := range []struct{ cut, left string }{
		{`(?s)<style>\n.*?</style>`, "<style></style>"},
		{`(?s)<script>\n.*</script>`, "<script></script>"},
		{`'sha256-[A-Za-z0-9+/]{43}='`, "'sha256-'"},
	} {
		re := regexp.MustCompile(part.cut)
		if !re.MatchString(page) {
			t.Fatalf("the page has no %s", part.cut)
		}
		page = re.ReplaceAllString(page, part.left)
	}
	return []byte(page)
}

func TestGoldenHTML(t *testing.T) {
	for _, r := range runs() {
		golden(t, "golden/"+r.name+".html", withoutAssets(t, render(t, report.HTML, load(t, r.record(t), report.Options{}))))
	}
}

// hostsOf unpacks the data of a page, by itself: name, states and evidence.
func hostsOf(t fataler, page string) (hosts []pageHost, left int) {
	_, data, ok := strings.Cut(page, `<script type="application/json" id="data">`)
	data, _, ok2 := strings.Cut(data, "</script>")
	if !ok || !ok2 || strings.Contains(data, "<") {
		t.Fatalf("the page has no data, or a < in it")
	}
	var d struct {
		States []string
		Stream []json.RawMessage
		Left   int
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		t.Fatalf("%v", err)
	}
	var texts []string
	var paths, shapes [][]int
	for _, raw := range d.Stream {
		var text string
		var def struct{ P, S []int }
		var host []json.RawMessage
		switch raw[0] {
		case '"':
			mustUnmarshal(t, raw, &text)
			texts = append(texts, text)
		case '{':
			mustUnmarshal(t, raw, &def)
			if def.P != nil {
				paths = append(paths, def.P)
			} else {
				shapes = append(shapes, def.S)
			}
		default:
			mustUnmarshal(t, raw, &host)
			var h pageHost
			var shape int
			var evidence []json.RawMessage
			mustUnmarshal(t, host[0], &h.name)
			mustUnmarshal(t, host[1], &h.addr)
			mustUnmarshal(t, host[4], &h.class)
			mustUnmarshal(t, host[5], &shape)
			mustUnmarshal(t, host[7], &evidence)
			for i, n := range shapes[shape] {
				h.states = append(h.states, d.States[paths[n][2]])
				h.classes = append(h.classes, verdict.Class(paths[n][3]))
				h.evidence = append(h.evidence, evidenceIn(t, texts, h, evidence[i]))
			}
			hosts = append(hosts, h)
		}
	}
	return hosts, d.Left
}

type pageHost struct {
	name, addr string
	class      verdict.Class
	states     []string
	classes    []verdict.Class
	evidence   [][]string
}

func mustUnmarshal(t fataler, raw []byte, v any) {
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

// evidenceIn puts together the lines of a path; nil where they were left out.
func evidenceIn(t fataler, texts []string, h pageHost, raw json.RawMessage) []string {
	if string(raw) == "0" {
		return nil
	}
	out := []string{}
	var list []json.RawMessage
	mustUnmarshal(t, raw, &list)
	first, _, _ := strings.Cut(h.name, ".")
	for i := 0; i < len(list); i++ {
		var n int
		took := ""
		mustUnmarshal(t, list[i], &n)
		if strings.Contains(texts[n], "\x04") {
			i++
			mustUnmarshal(t, list[i], &took)
		}
		out = append(out, strings.NewReplacer("\x01", h.name, "\x02", h.addr, "\x03", strings.ToUpper(first), "\x04", took).Replace(texts[n]))
	}
	return out
}

// agreeHTML compares what a page has of each host with the run.
func agreeHTML(t fataler, run *report.Run) {
	var b strings.Builder
	if err := report.HTML(&b, run); err != nil {
		t.Fatalf("%v", err)
	}
	hosts, left := hostsOf(t, b.String())
	i := 0
	for h, err := range run.Hosts() {
		if err != nil {
			t.Fatalf("%v", err)
		}
		if i >= len(hosts) {
			t.Fatalf("the page has %d hosts", len(hosts))
		}
		got := hosts[i]
		i++
		if got.name != report.Clean(h.Name) || got.class != run.Tally.HostClass(h.Findings) || len(got.states) != len(h.Findings) {
			t.Fatalf("host %q is %+v", h.Name, got)
		}
		for j, f := range h.Findings {
			want := []string{}
			for _, e := range f.Evidence {
				want = append(want, report.Clean(e))
			}
			if got.states[j] != f.State.String() || got.classes[j] != run.Tally.Class(&f) || fmt.Sprintf("%q", got.evidence[j]) != fmt.Sprintf("%q", want) {
				t.Errorf("%s of %q is %s with %q, want %s with %q", f.Requirement, h.Name, got.states[j], got.evidence[j], f.State, want)
			}
		}
	}
	if i != len(hosts) || left != 0 {
		t.Errorf("%d hosts, want %d; %d left out", len(hosts), i, left)
	}
}

func TestPageDataIsTheRecords(t *testing.T) {
	for _, r := range runs() {
		agreeHTML(t, load(t, r.record(t), report.Options{}))
	}
}

// A page names no other place: nothing in it could be fetched.
func TestPageNamesNoOtherPlace(t *testing.T) {
	page := render(t, report.HTML, load(t, runs()[0].record(t), report.Options{}))
	for _, sign := range []string{"src=", "url(", "@import", "http://", "https://", "style=\"", "onclick="} {
		if strings.Contains(page, sign) {
			t.Errorf("the page has %s", sign)
		}
	}
}

// The style and the script are read by people: they stay small files, too.
func TestAssetsAreShort(t *testing.T) {
	for _, name := range []string{"report.css", "data.js", "page.js"} {
		b, err := os.ReadFile(filepath.Join("html", name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n >= 400 || bytes.Contains(b, []byte("</")) {
			t.Errorf("%s has %d lines, or closes its element", name, n)
		}
	}
}

// crowdRecord is the record of so many hosts with eight rows; the hosts of some
// subnets have troubles in common, others one each.
func crowdRecord(t testing.TB, hosts int) report.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "crowd.jsonl")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	rows := append(pushRows()[:5], row("remote", scanner.TCP, 2701, "", "Permit TCP 2701."), row("wake", scanner.UDP, 25536, "", ""), row("rdp", scanner.TCP, 3389, "", "Permit TCP 3389."))
	w := record.NewWriter(f)
	err = w.WriteHeader(record.Header{
		Version: "0.1.0", Started: runStart, Scanner: "SRV01", Vantage: siteServer, Profiles: []string{"push"}, Rows: rows, Targets: hosts,
		Engine: "raw", Depth: "identity", Rate: "5000", Rounds: 6, Boundaries: []string{"Office", "Branch"},
	})
	for n := 0; n < hosts && err == nil; n++ {
		err = record.WriteHost(w, crowdHost(n, rows), []verdict.Finding(nil))
	}
	if err == nil {
		err = w.WriteEnd(record.End{Finished: runStart, Hosts: hosts, Planned: hosts, Packets: uint64(hosts) * 12, Loss: 0.001})
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	return func() (io.ReadCloser, error) { return os.Open(file) }
}

// crowdHost answers as a client does, a little later or earlier than others.
func crowdHost(n int, rows []*scanner.Requirement) scanner.Host {
	m := client(n)
	odd := n * 2654435761 >> 7
	if n/256%9 == 4 {
		m = m.on(445, rejected(445, 13))
	} else if odd%97 == 0 {
		m = off(n)
	} else if odd%31 == 0 {
		m = m.on(135, swept(scanner.TCP, 135, scanner.Refused)).on(49667)
	}
	h := crowd(n, nil)
	h.Name, h.Rows, h.Boundary = m.name+".corp.example", rows, []string{"Office", "Branch", ""}[n/1024%3]
	h.Tags = []scanner.Detail{{Key: "Collection", Value: fmt.Sprint("Wave ", n/500)}, {Key: "LastLogon", Value: fmt.Sprint("user", n)}}
	h.Observations = append(m.obs, swept(scanner.TCP, 2701, scanner.Refused), swept(scanner.UDP, 25536, scanner.Silent), swept(scanner.TCP, 3389, scanner.Answered))
	for i := range h.Observations {
		o := &h.Observations[i]
		if o.Took > 0 {
			o.From = h.Addr
			o.Took += (o.Took * time.Duration(odd*(i+1)%1000)) / 500
		}
		if o.Outcome == scanner.Rejected {
			o.From = router
		}
	}
	return h
}

// The memory that a page takes is that of its dictionaries, whatever the hosts.
func TestPageOfManyHostsIsBounded(t *testing.T) {
	hosts, most := fewer(t, "hosts", 25_000, 1000), uint64(300<<20)
	run, err := report.Load(crowdRecord(t, hosts), report.Options{Judge: judge})
	if err != nil {
		t.Fatal(err)
	}
	var peak uint64
	w := &watched{each: func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}}
	if err := report.HTML(w, run); err != nil {
		t.Fatal(err)
	}
	if w.n > 15<<20 || peak > most || peak == 0 {
		t.Errorf("the page of %d hosts has %d bytes, and took %d bytes of heap", hosts, w.n, peak)
	}
	t.Logf("%d paths: %d kB of page, %d MB of heap", run.Tally.All.Total(), w.n>>10, peak>>20)
}

// watched counts what is written, and looks up every MB.
type watched struct {
	n, last int
	each    func()
}

func (w *watched) Write(p []byte) (int, error) {
	if w.n += len(p); w.n-w.last > 1<<18 {
		w.last = w.n
		w.each()
	}
	return len(p), nil
}

// Many subnets are joined to larger ones; no path gets lost on the way.
func TestMatrixIsBounded(t *testing.T) {
	tests := []struct {
		hosts, step, nets int
		first             string
	}{
		{200, 256, 200, "10.0.0.0/24"}, {300, 256, 19, "10.0.0.0/20"}, {0, 1, 0, ""}, {3000, 1 << 12, 0, ""},
	}
	for _, c := range tests[:fewer(t, "networks", len(tests), 3)] {
		var hosts [][]verdict.Finding
		for n := range c.hosts {
			f := oddFinding("x", verdict.States[n%len(verdict.States)])
			at := 10<<24 + n*c.step
			f.Addr = netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)})
			six := f
			six.Addr = netip.AddrFrom16([16]byte{0: 0xfd, 6: byte(n >> 8), 7: byte(n)})
			none := f
			none.Addr = netip.Addr{}
			hosts = append(hosts, []verdict.Finding{f})
			if n%50 == 0 {
				hosts = append(hosts, []verdict.Finding{six}, []verdict.Finding{none})
			}
		}
		run := load(t, oddRun(t, hosts, "x", &record.End{}), report.Options{})
		nets, n, states, err := report.GridOf(run)
		if err != nil || n != len(hosts) || states != run.Tally.All.States || len(nets) > 256 {
			t.Errorf("%d hosts: %d subnets, %d hosts, %v, want %v (%v)", c.hosts, len(nets), n, states, run.Tally.All.States, err)
		}
		four := slices.DeleteFunc(slices.Clone(nets), func(s string) bool { return !strings.Contains(s, ".") })
		if c.nets > 0 && (len(four) != c.nets || four[0] != c.first) {
			t.Errorf("%d hosts are in %d subnets from %s, want %d from %s", c.hosts, len(four), four[0], c.nets, c.first)
		}
		agreeHTML(t, run)
	}
}

// Where the evidence of open paths is too much the rest of it is left out, and
// that of all others stays.
func TestPageLeavesOutEvidenceOfOpenPaths(t *testing.T) {
	const each = 64 << 10
	var hosts [][]verdict.Finding
	for n := range fewer(t, "hosts", 150, 15) { // too many, or under the race detector few enough
		open, blocked := oddFinding("x", verdict.Open), oddFinding("x", verdict.Blocked)
		open.Evidence = []string{fmt.Sprint("open ", n) + strings.Repeat("a", each)}
		blocked.Requirement = "push/icmp"
		blocked.Evidence = []string{fmt.Sprint("blocked ", n%120) + strings.Repeat("b", each)}
		hosts = append(hosts, []verdict.Finding{open, blocked})
	}
	run := load(t, oddRun(t, hosts, "x", &record.End{}), report.Options{})
	got, left := hostsOf(t, render(t, report.HTML, run))
	missing := 0
	for n, h := range got {
		if h.evidence[0] == nil {
			missing++
		} else if h.evidence[0][0] != hosts[n][0].Evidence[0] {
			t.Errorf("evidence of the open path of host %d is not its own", n)
		}
		if h.evidence[1] == nil || h.evidence[1][0] != hosts[n][1].Evidence[0] {
			t.Errorf("evidence of the blocked path of host %d is not there", n)
		}
	}
	if left == 0 != underRace || left != missing || left > 60 {
		t.Errorf("%d are left out, %d missing", left, missing)
	}
}
