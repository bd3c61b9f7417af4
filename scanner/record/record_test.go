package record_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// opinion stands for a finding: this package does not know what is in one.
type opinion struct {
	State string `json:"state"`
}

var (
	smb = &scanner.Requirement{
		ID: "push/smb", Profile: "push", From: scanner.RoleSiteServer, To: scanner.RoleClient,
		Protocol: scanner.TCP, Port: 445, Probe: "smb", Need: scanner.Required, Listener: scanner.ListenerNow, FromHere: true,
	}
	icmp    = &scanner.Requirement{ID: "push/icmp", Profile: "push", Protocol: scanner.ICMP, Need: scanner.Required, FromHere: true}
	started = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
)

func header() record.Header {
	return record.Header{
		Version: "0.1", Started: started, Scanner: "srv01", Vantage: scanner.RoleSiteServer, Site: "P01",
		Profiles: []string{"push"}, Rows: []*scanner.Requirement{smb, icmp}, Targets: 3, Engine: "connect",
		Depth: "identity", Rate: "1000", Timeout: time.Second, Rounds: 3, Notes: []string{"a note"},
	}
}

func hosts() []scanner.Host {
	a := netip.MustParseAddr("198.18.1.10")
	return []scanner.Host{
		{
			Name: "pc-1", Addr: a, Addresses: 2, Boundary: "Head office", Tags: []scanner.Detail{{Key: "SiteCode", Value: "PS1"}}, Rows: []*scanner.Requirement{smb, icmp},
			Observations: []scanner.Observation{
				{
					Protocol: scanner.TCP, Port: 445, Outcome: scanner.Rejected, Sent: started, Took: time.Millisecond, Tries: 1,
					From: netip.MustParseAddr("198.18.1.1"), TTL: 63, ICMP: scanner.ICMPError{Type: 3, Code: 13},
				},
				{
					Protocol: scanner.TCP, Port: 445, Probe: "smb", Outcome: scanner.Spoke, Sent: started, Proof: scanner.AssuranceRole,
					Identity: scanner.Identity{Computer: "PC-1", Names: []string{"x"}, Addrs: []netip.Addr{a}, Clock: started},
					Details:  []scanner.Detail{{Key: "dialect", Value: "3.1.1 \x1b[31m <&>\n"}},
				},
			},
		},
		{
			Name: "pc-1", Addr: netip.MustParseAddr("fd00:198::1"), Addresses: 2, Rows: []*scanner.Requirement{icmp},
			Observations: []scanner.Observation{{Protocol: scanner.ICMP, Outcome: scanner.Silent, Sent: started, Tries: 3}},
		},
		{
			Name: "gone", Rows: []*scanner.Requirement{smb},
			Observations: []scanner.Observation{{Outcome: scanner.Unresolved, Sent: started, Err: "no such host"}},
		},
	}
}

// write makes a record with the messages of a whole run.
func write(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := record.NewWriter(&b)
	err := w.WriteHeader(header())
	for i, h := range hosts() {
		var f []opinion
		for range h.Rows {
			f = append(f, opinion{State: "open <&>"})
		}
		err = errors.Join(err, record.WriteHost(w, h, f), w.WriteProgress(record.Progress{At: started, Hosts: i + 1, Planned: 3}))
	}
	err = errors.Join(err, record.WriteCause(w, opinion{State: "cause"}),
		w.WriteEnd(record.End{Finished: started.Add(time.Second), Hosts: 3, Planned: 3, Loss: 0.25, Exit: 1}))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// replayed is all that a record gave.
type replayed struct {
	hosts    []scanner.Host
	findings int
	end      *record.End
	cut      *record.Truncated
	err      error
}

func replay(b []byte) replayed {
	p, err := record.Open(bytes.NewReader(b))
	if err != nil {
		return replayed{err: err}
	}
	var r replayed
	for e, err := range p.Hosts() {
		if err != nil {
			r.err = err
			break
		}
		r.hosts = append(r.hosts, e.Host)
		r.findings += len(e.Findings)
	}
	r.end, r.cut = p.End(), p.Truncated()
	return r
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	r := replay(write(t))
	if r.err != nil || r.cut != nil {
		t.Fatal(r.err, r.cut)
	}
	if d := cmp.Diff(hosts(), r.hosts, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("hosts (-wrote +read):\n%s", d)
	}
	if r.hosts[0].Rows[0] != r.hosts[2].Rows[0] {
		t.Error("the hosts do not share the rows of the header")
	}
	if r.findings != 4 || r.end == nil || r.end.Exit != 1 || r.end.Loss != 0.25 {
		t.Errorf("findings %d, end %+v", r.findings, r.end)
	}
}

func TestProgressMayBeStripped(t *testing.T) {
	var keep []string
	for line := range strings.Lines(string(write(t))) {
		if !strings.HasPrefix(line, `{"progress":`) {
			keep = append(keep, line)
		}
	}
	r := replay([]byte(strings.Join(keep, "")))
	if d := cmp.Diff(hosts(), r.hosts, cmpopts.EquateComparable(netip.Addr{})); d != "" || r.end == nil {
		t.Errorf("end %v, hosts (-wrote +read):\n%s", r.end, d)
	}
}

// A run that is killed leaves any prefix of its record. Every prefix gives the
// hosts that are whole, in order, and never part of one.
func TestEveryPrefixIsReadable(t *testing.T) {
	all, want := write(t), hosts()
	headerLen := bytes.IndexByte(all, '\n')
	for n := range len(all) {
		if near := all[max(n-2, 0):min(n+2, len(all))]; n%7 != 0 && !bytes.ContainsRune(near, '\n') {
			continue // every seventh byte, and all around the ends of lines
		}
		r := replay(all[:n])
		if n < headerLen {
			var s *record.SyntaxError
			if !errors.As(r.err, &s) || s.Line != 1 {
				t.Fatalf("%d bytes: error %v, want one that names line 1", n, r.err)
			}
			continue
		}
		if n == len(all)-1 { // only the last newline is missing
			if r.end == nil || r.cut != nil || r.err != nil {
				t.Errorf("%d bytes: the end is not seen: %+v", n, r)
			}
			continue
		}
		if r.err != nil || r.cut == nil || r.end != nil {
			t.Fatalf("%d bytes: error %v, cut %v, end %v", n, r.err, r.cut, r.end)
		}
		if d := cmp.Diff(want[:len(r.hosts)], r.hosts, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Fatalf("%d bytes (-wrote +read):\n%s", n, d)
		}
		rest := all[:n]
		rest = rest[bytes.LastIndexByte(rest, '\n')+1:]
		if r.cut.Hosts != len(r.hosts) || r.cut.Planned != 3 || (r.cut.LostBytes != len(rest) && r.cut.LostBytes != 0) {
			t.Errorf("%d bytes: %+v for %d hosts, rest %d", n, r.cut, len(r.hosts), len(rest))
		}
	}
}

func TestTruncatedSaysWhatIsLost(t *testing.T) {
	all := write(t)
	at := bytes.LastIndex(all, []byte(`{"observation":{"host":"gone"`))
	r := replay(all[:at+20])
	want := &record.Truncated{Hosts: 2, Planned: 3, Lines: 13, LostBytes: 20, LostHost: "gone"}
	if d := cmp.Diff(want, r.cut); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	const msg = `the record has no end: 2 addresses of 3 planned hosts in 13 lines could be read; ` +
		`the last line is incomplete, 20 bytes are lost; host "gone" is incomplete and left out`
	if r.cut.Error() != msg {
		t.Errorf("message:\n%s\nwant:\n%s", r.cut.Error(), msg)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	head, _, _ := strings.Cut(string(write(t)), "\n")
	const path = `{"path":{"host":"a","addr":"198.18.0.1","requirement":"push/smb"}}`
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "line 1 of the record: the file is empty"},
		{"text", "hello\n", "line 1 of the record: not a record of cmreach"},
		{"report", `{"schema":"cmreach/1","run":{}}` + "\n", "a report in JSON, not a record"},
		{"no header", path + "\n", "line 1 of the record: not a record"},
		{"newer", `{"header":{"schema":"cmreach/2","version":"7.0","new":{}}}` + "\n", `of format "cmreach/2", written by cmreach "7.0"; this program reads "cmreach/1"`},
		{"unknown field", head + "\n" + path + "\n" + `{"path":{"host":"a","port":1}}` + "\n", `line 3 of the record: json: unknown field "port"`},
		{"unknown kind", head + "\n" + `{"host":{}}` + "\n", `line 2 of the record: json: unknown field "host"`},
		{"two in one", head + "\n" + `{"end":{},"progress":{}}` + "\n", "line 2 of the record: 2 messages in one line, want 1"},
		{"none", head + "\n{}\n", "line 2 of the record: 0 messages in one line"},
		{"empty line", head + "\n\n" + path + "\n", "line 2 of the record: empty line"},
		{"two values", head + "\n" + path + path + "\n", "line 2 of the record: more than one JSON value"},
		{"second header", head + "\n" + head + "\n", "line 2 of the record: a second header"},
		{"after the end", head + "\n" + `{"end":{}}` + "\n" + path + "\n", "line 3 of the record: something follows the end"},
		{"broken in the middle", head + "\n" + path[:20] + "\n" + path + "\n", "line 2 of the record: "},
		{"unknown row", head + "\n" + strings.ReplaceAll(path, "smb", "xyz") + "\n", `line 2 of the record: row "push/xyz" is not in the header`},
		{"lost path", head + "\n" + path + "\n" + `{"observation":{"host":"b","addr":"","outcome":"silent"}}` + "\n", `line 3 of the record: an observation of host "b"`},
		{"lost host", head + "\n" + `{"finding":{}}` + "\n", "line 2 of the record: a finding without a path"},
		{"unknown word", head + "\n" + path + "\n" + `{"observation":{"host":"a","addr":"198.18.0.1","outcome":"nice"}}` + "\n", `line 3 of the record: unknown outcome "nice"`},
		{"long line", head + "\n" + strings.Repeat(" ", record.MaxLine+1) + "\n", "line 2 of the record: longer than 1048576 bytes"},
		{"endless line", head + "\n" + strings.Repeat("x", record.MaxLine+1), "line 2 of the record: longer than 1048576 bytes"},
		{"rows named twice", strings.Replace(head, "push/icmp", "push/smb", 1) + "\n", "named twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := replay([]byte(tt.in))
			if r.err == nil || !strings.Contains(r.err.Error(), tt.want) {
				t.Errorf("error %v, want %q", r.err, tt.want)
			}
		})
	}
	var v *record.VersionError
	if r := replay([]byte(`{"header":{"schema":"cmreach/2","version":"7.0"}}`)); !errors.As(r.err, &v) || v.Found != "cmreach/2" {
		t.Errorf("a newer record is no VersionError: %v", r.err)
	}
}

func FuzzReplay(f *testing.F) {
	all := write(f)
	f.Add(all)
	f.Add(all[:len(all)/2])
	f.Add([]byte(`{"header":{"schema":"cmreach/1","rows":[null]}}`))
	f.Add([]byte("{\"header\":{\"schema\":\"cmreach/1\"}}\n{\"finding\":null}\n{\"end\":{}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := replay(b)
		if r.err == nil && (r.end == nil) == (r.cut == nil) {
			t.Errorf("neither or both of end %v and cut %v", r.end, r.cut)
		}
		for _, h := range r.hosts {
			if len(h.Rows) == 0 {
				t.Errorf("host %q without a row", h.Name)
			}
		}
		if r.cut != nil && r.cut.Hosts != len(r.hosts) {
			t.Errorf("cut says %d hosts, %d came", r.cut.Hosts, len(r.hosts))
		}
	})
}

// What a run met comes back from its record, and a record without it is as
// before.
func TestHurdlesAreKept(t *testing.T) {
	want := record.End{Hurdles: record.Hurdles{
		Retried: 1, Outage: 2, Trouble: 3, TroubleCause: "no buffer space", Cuts: 4, Fastest: 5000.5, Carried: 600, LocalDoubt: 0.7,
	}}
	got, err := record.EndAsRead(want)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	var b bytes.Buffer
	w := record.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(header()), w.WriteEnd(record.End{})); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"retried", "outage", "trouble", "cuts", "fastest", "carried", "local_doubt", "unchecked"} {
		if strings.Contains(b.String(), word) {
			t.Errorf("an empty record has %q: %s", word, &b)
		}
	}
	slower := want.Plus(record.Hurdles{Trouble: 1, Cuts: 1, Fastest: 900, Carried: 100, TroubleCause: "later"})
	if slower.Carried != 100 || slower.Fastest != 900 || slower.Cuts != 5 || slower.Trouble != 4 || slower.TroubleCause != "later" {
		t.Errorf("joined: %+v", slower)
	}
	if same := want.Plus(record.Hurdles{}); same != want.Hurdles {
		t.Errorf("joined with nothing: %+v", same)
	}
	if same := (record.Hurdles{}).Plus(want.Hurdles); same != want.Hurdles {
		t.Errorf("nothing joined: %+v", same)
	}
}
