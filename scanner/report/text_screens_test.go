package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// screen is a run that somebody looks at.
type screen struct {
	name       string
	machines   []machine
	boundaries func(n int) string // of the machine of that number; nil: none
	profiles   []string           // push, where there are none
	merged     int
	end        record.End
	causes     int // that the short text must have, each with its number
}

// rejectedBy is TCP port that this router prohibits.
func rejectedBy(port uint16, by string) scanner.Observation {
	o := rejected(port, 13)
	o.From = netip.MustParseAddr(by)
	return o
}

// at gives a machine another name and address.
func (m machine) at(name, addr string) machine {
	m.name, m.addr = name, addr
	for i := range m.obs {
		if id := &m.obs[i].Identity; id.Computer != "" {
			id.Computer, id.DNSName = strings.ToUpper(name), name+".corp.example"
		}
	}
	return m
}

// fleet are n subnets of size clients each; fault says what is wrong in each.
func fleet(n, size int, fault func(net int, m machine) machine) []machine {
	var out []machine
	for net := range n {
		for i := range size {
			m := client(net*size+i).at(fmt.Sprintf("pc-%02d-%03d", net, i), fmt.Sprintf("198.18.%d.%d", 10+net, 10+i))
			out = append(out, fault(net, m))
		}
	}
	return out
}

func blockedBy(net int, m machine) machine {
	return m.on(445, rejectedBy(445, fmt.Sprintf("198.18.200.%d", 1+net)))
}

// silence is a machine that answers nothing.
func silence(m machine) machine {
	m.obs = off(0).obs
	return m
}

// mute answers, and nothing of what it answers decides.
func mute(m machine) machine {
	m = m.on(135, scanner.Observation{Protocol: scanner.TCP, Port: 135, Outcome: scanner.Answered, Sent: runStart, Tries: 1}).on(49667)
	m.obs = append(m.obs, scanner.Observation{Protocol: scanner.TCP, Port: 135, Probe: "rpc", Outcome: scanner.Cut, Sent: runStart, Tries: 1})
	return m
}

func screens() []screen {
	whole := record.End{Finished: runStart.Add(90 * time.Second), Loss: 0.004, Doubt: 0.003}
	good := func(_ int, m machine) machine { return m }
	long := strings.Repeat("very-long-name-of-a-part-", 4)
	named := func(n int) string { return fmt.Sprintf("Part %d", n/10) }
	forty := fleet(40, 10, func(net int, m machine) machine {
		if net%3 == 1 {
			return m.on(445, swept(scanner.TCP, 445, scanner.Refused))
		}
		return blockedBy(net, m)
	})
	return []screen{
		{name: "clean", machines: append(fleet(4, 60, good), managementPoint()), end: whole},
		{name: "one cause", machines: append(fleet(3, 60, good), fleet(1, 40, blockedBy)...), end: whole, causes: 1},
		{name: "40 causes", machines: forty, end: whole, causes: 8},
		{name: "40 causes, two profiles", machines: forty, profiles: []string{"push", "gpo"}, end: whole, causes: 8},
		{name: "20 boundaries", machines: fleet(20, 10, func(net int, m machine) machine {
			if net%2 == 0 {
				return blockedBy(net/8, m)
			}
			return m
		}), boundaries: named, end: whole, causes: 2},
		{name: "40 causes, long boundaries", machines: forty, boundaries: func(n int) string { return fmt.Sprint(long, n/10) }, end: whole, causes: 8},
		{name: "long names", machines: fleet(12, 1, func(net int, m machine) machine {
			return blockedBy(net, m.at(strings.Repeat("extraordinarily-", 3)+m.name+".department.of.a.large.company.example", m.addr))
		}), end: whole, causes: 8},
		{name: "one host", machines: fleet(1, 1, blockedBy), end: whole, causes: 1},
		{name: "one good host", machines: fleet(1, 1, good), end: whole},
		{name: "interrupted", machines: fleet(2, 30, blockedBy), end: record.End{Finished: runStart.Add(time.Second), Interrupted: true, Hosts: 60, Planned: 5000}, causes: 2},
		{name: "all silent", machines: fleet(4, 50, func(_ int, m machine) machine { return silence(m) }), end: whole, causes: 1},
		{name: "all inconclusive", machines: fleet(4, 50, func(_ int, m machine) machine { return mute(m) }), end: whole, causes: 1},
		{name: "merged", machines: append(forty, managementPoint()), merged: 5, end: whole, causes: 8},
		{name: "everything", machines: everything(), profiles: []string{"push", "gpo"}, end: whole, causes: 8},
		{name: "no host", end: whole},
	}
}

// record writes the run as the program does.
func (s screen) record(t testing.TB) []byte {
	t.Helper()
	rows := pushRows()
	if len(s.profiles) == 0 {
		s.profiles = []string{"push"}
	} else {
		smb := *rows[1]
		smb.ID, smb.Profile, smb.Fix = "gpo/client-smb", "gpo", "Permit TCP 445 for the GPO to be read."
		rows = append([]*scanner.Requirement{&smb}, rows...)
	}
	mine := len(rows) - 2
	h := record.Header{
		Version: "0.1.0", Started: runStart, Scanner: "SRV01", Vantage: siteServer, Site: "P01", Profiles: s.profiles, Rows: rows,
		Targets: len(s.machines), Engine: "raw", Depth: "identity", Rate: "1000", Timeout: time.Second, Rounds: 3,
	}
	for n := range s.merged {
		h.Merged = append(h.Merged, record.Origin{Run: fmt.Sprintf("site-server SRV%02d [run-%d.jsonl]", n, n), Started: runStart, Hosts: len(s.machines)})
	}
	if s.boundaries != nil {
		for n := range s.machines {
			if b := s.boundaries(n); len(h.Boundaries) == 0 || h.Boundaries[len(h.Boundaries)-1] != b {
				h.Boundaries = append(h.Boundaries, b)
			}
		}
	}
	var b bytes.Buffer
	w := record.NewWriter(&b)
	err := w.WriteHeader(h)
	for n, m := range s.machines {
		host := scanner.Host{Name: m.name, Rows: rows[:mine], Observations: m.obs}
		if m.server {
			host.Rows = rows[mine:]
		}
		if m.addr != "" {
			host.Addr = netip.MustParseAddr(m.addr)
		}
		if s.boundaries != nil {
			host.Boundary = s.boundaries(n)
		}
		for i := range host.Observations {
			if o := &host.Observations[i]; o.Outcome == scanner.Answered || o.Outcome == scanner.Refused || o.Probe != "" {
				o.From = host.Addr
			}
		}
		err = errors.Join(err, record.WriteHost(w, host, judge(h, host)))
	}
	if err = errors.Join(err, w.WriteEnd(s.end)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever the run, the short text has its causes first, in at most 20 lines of
// detail that fit the screen, and no sentence twice. With -v of go test they can
// be looked at.
func TestScreens(t *testing.T) {
	for _, s := range screens() {
		t.Run(s.name, func(t *testing.T) {
			run := load(t, s.record(t), report.Options{})
			out := render(t, plainText, run)
			t.Log("\n" + out)
			for i := range s.causes {
				if !strings.Contains(out, fmt.Sprintf("\n  %d. ", i+1)) {
					t.Errorf("cause %d is missing", i+1)
				}
			}
			seen := map[string]bool{}
			for line := range strings.Lines(out) {
				line = strings.TrimRight(line, "\n")
				if n := len([]rune(line)); n > 80 {
					t.Errorf("%d columns: %q", n, line)
				}
				_, sentence, _ := strings.Cut(line, ". ")
				if strings.HasPrefix(line, "  ") && len(sentence) > 30 && seen[sentence] {
					t.Errorf("twice: %q", sentence)
				}
				seen[sentence] = true
			}
			if len(s.machines) == 0 {
				return
			}
			detail := detailOf(t, out)
			if len(detail) > 20 {
				t.Errorf("%d lines of detail", len(detail))
			}
			if s.causes > 0 && !strings.HasPrefix(detail[0], "  1. ") {
				t.Errorf("the detail begins with %q", detail[0])
			}
		})
	}
}

// Equal causes of several profiles are one, with all rows, and its number is the
// same in the text, the page and the summary.
func TestCausesOfSeveralProfilesAreOne(t *testing.T) {
	s := screen{name: "two", machines: fleet(1, 3, blockedBy), profiles: []string{"push", "gpo"}, end: record.End{Finished: runStart}}
	run := load(t, s.record(t), report.Options{})
	if len(run.Causes) != 2 {
		t.Fatalf("%d causes, want one for each profile", len(run.Causes))
	}
	const sentence = "198.18.200.1 rejects TCP 445"
	for name, f := range map[string]func(io.Writer, *report.Run) error{"text": plainText, "verbose": verboseText, "md": report.Markdown} {
		out := render(t, f, run)
		if n := strings.Count(strings.Split(out, "\nHOSTS\n")[0], sentence); n != 1 {
			t.Errorf("%s says it %d times:\n%s", name, n, out)
		}
	}
	if out := render(t, plainText, run); !strings.Contains(out, sentence+" to 198.18.10.0/24, 3 clients (gpo, push)") {
		t.Errorf("got\n%s", out)
	}
	if out := render(t, verboseText, run); !strings.Contains(strings.Join(strings.Fields(out), " "), ": 6 paths") {
		t.Errorf("the paths are not summed up:\n%s", out)
	}
	// where the hosts differ, nothing is joined
	hosts := [][]verdict.Finding{}
	for i, row := range []string{"push/smb", "gpo/client-smb"} {
		f := oddFinding(fmt.Sprintf("pc-%d", i), verdict.Blocked)
		f.Requirement, f.Reason, f.By = row, "blocked.prohibited", router
		hosts = append(hosts, []verdict.Finding{f})
	}
	out := render(t, plainText, load(t, oddRun(t, hosts, "x", &record.End{Finished: runStart}), report.Options{}))
	if !strings.Contains(out, "\n  2. 198.18.1.2 rejects TCP 445") {
		t.Errorf("two hosts are one:\n%s", out)
	}
}

// The summary begins with the answer and the first causes, and folds the rest.
func TestSummaryBeginsWithTheCauses(t *testing.T) {
	i := slices.IndexFunc(screens(), func(s screen) bool { return s.name == "40 causes" })
	out := render(t, report.Markdown, load(t, screens()[i].record(t), report.Options{}))
	last := -1
	for _, want := range []string{"## cmreach: NOT READY", "**Next step:** ", "### Causes", "\n1. ", "\n10. ", "<details><summary>18 more causes", "\n11. ", "\n28. ", "</details>", "### By profile", "### Which"} {
		at := strings.Index(out, want)
		if at <= last {
			t.Fatalf("%q is at %d, want it after %d in\n%s", want, at, last, out)
		}
		last = at
	}
	if strings.Count(out, "<details>") != strings.Count(out, "</details>") {
		t.Errorf("a fold is open:\n%s", out)
	}
}
