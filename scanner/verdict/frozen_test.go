package verdict

import (
	"bytes"
	"cmp"
	"cmreach/scanner"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What Judge does often was written for speed. Here it stands as it was written
// first, to be read: the two must agree.

// frozenDescribe puts an observation in words.
func frozenDescribe(v *view, o *scanner.Observation) string {
	var b strings.Builder
	b.WriteString(frozenWhere(o))
	b.WriteString(": ")
	b.WriteString(frozenSeen(v, o))
	if o.Took > 0 {
		fmt.Fprintf(&b, " after %s", round(o.Took))
	}
	if o.Tries > 1 {
		fmt.Fprintf(&b, ", %d tries", o.Tries)
	}
	if o.TTL != 0 {
		fmt.Fprintf(&b, ", TTL %d", o.TTL)
	}
	if o.Err != "" {
		fmt.Fprintf(&b, " (%s)", o.Err)
	}
	if id := describeIdentity(&o.Identity); id != "" {
		b.WriteString("; " + id)
	}
	for _, d := range o.Details {
		fmt.Fprintf(&b, "; %s %s", d.Key, d.Value)
	}
	if o.FarEnd != nil {
		b.WriteString("; " + held(o.FarEnd))
	}
	return b.String()
}

func frozenWhere(o *scanner.Observation) string {
	at := strings.TrimPrefix(strings.ToUpper(o.Protocol.String()), "UNKNOWN")
	if o.Port != 0 {
		at = fmt.Sprintf("%s %d", at, o.Port)
	}
	if at == "" {
		at = "name"
	}
	if o.Probe != "" {
		at += " " + o.Probe
	}
	if o.HopLimit != 0 {
		at += fmt.Sprintf(" with hop limit %d", o.HopLimit)
	}
	return at
}

// frozenSeen is what came back.
func frozenSeen(v *view, o *scanner.Observation) string {
	switch o.Outcome {
	case scanner.Answered:
		switch o.Protocol {
		case scanner.TCP:
			return "SYN-ACK"
		case scanner.ICMP:
			return "echo reply from " + o.From.String()
		default:
			return "answered"
		}
	case scanner.Refused:
		return "RST"
	case scanner.Rejected, scanner.Expired:
		from := "an unknown sender"
		if o.From.IsValid() {
			from = o.From.String()
		}
		return fmt.Sprintf("%s from %s", icmpText(v.host.Addr, o.ICMP), from)
	case scanner.Silent:
		if o.Rationed.IsValid() {
			return "no answer, " + o.Rationed.String() + " rations its rejections"
		}
		return "no answer"
	case scanner.Unresolved:
		return "no address"
	case scanner.LocalError:
		return "not tested"
	case scanner.Spoke:
		if o.NeedsCredentials {
			return "spoken, asks for credentials"
		}
		return "spoken"
	case scanner.Foreign:
		return "something else answered"
	case scanner.Mute:
		return "accepted, then silent"
	case scanner.Cut:
		return "accepted, then cut"
	case scanner.Garbled:
		return "answer broken"
	default:
		return o.Outcome.String()
	}
}

// frozenCompare orders observations, so that nothing depends on the order in which
// they were made.
func frozenCompare(a, b scanner.Observation) int {
	return cmp.Or(
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Probe, b.Probe), cmp.Compare(a.Asked, b.Asked),
		cmp.Compare(a.HopLimit, b.HopLimit), cmp.Compare(a.Outcome, b.Outcome), a.From.Compare(b.From),
		cmp.Compare(a.ICMP.Type, b.ICMP.Type), cmp.Compare(a.ICMP.Code, b.ICMP.Code), cmp.Compare(a.TTL, b.TTL),
		cmp.Compare(a.Tries, b.Tries), cmp.Compare(a.Err, b.Err), a.Sent.Compare(b.Sent), a.Rationed.Compare(b.Rationed),
	)
}

// frozenSwept returns what single packets to a row's own port showed.
func frozenSwept(v *view, row *scanner.Requirement) *scanner.Observation {
	asked := v.first(func(o *scanner.Observation) bool {
		return o.Sweep() && o.Protocol == row.Protocol && o.Port == row.Port && o.Asked != "" && o.Asked == row.Probe
	})
	if asked != nil {
		return asked
	}
	return v.first(func(o *scanner.Observation) bool {
		return o.Sweep() && o.Protocol == row.Protocol && o.Port == row.Port && (o.Asked == "" || row.Probe == "")
	})
}

func randomObservation() *rapid.Generator[scanner.Observation] {
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	text := rapid.SampledFrom([]string{"", "", "smb", "rpc-udp", "<&>"})
	return rapid.Custom(func(t *rapid.T) scanner.Observation {
		o := scanner.Observation{
			Protocol: scanner.Protocol(rapid.Uint8Range(0, 3).Draw(t, "protocol")), Port: rapid.SampledFrom([]uint16{0, 135, 445}).Draw(t, "port"),
			Probe: text.Draw(t, "probe"), Asked: text.Draw(t, "asked"), HopLimit: rapid.SampledFrom([]uint8{0, 0, 0, 2}).Draw(t, "hops"),
			Outcome: scanner.Outcome(rapid.Uint8Range(0, 13).Draw(t, "outcome")), Sent: at.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "sent"))),
			Took:  time.Duration(rapid.OneOf(rapid.Int64Range(-5, 5e6), rapid.Int64Range(0, 2e9), rapid.Int64Range(0, 1<<62)).Draw(t, "took")),
			Tries: rapid.IntRange(0, 3).Draw(t, "tries"), TTL: rapid.SampledFrom([]uint8{0, 64}).Draw(t, "ttl"),
			ICMP: scanner.ICMPError{Type: rapid.Uint8Range(0, 12).Draw(t, "type"), Code: rapid.Uint8Range(0, 14).Draw(t, "code")},
			Err:  text.Draw(t, "err"), NeedsCredentials: rapid.Bool().Draw(t, "credentials"),
			Identity: scanner.Identity{Computer: text.Draw(t, "computer"), Domain: text.Draw(t, "domain"), OS: text.Draw(t, "os")},
		}
		o.From, _ = netip.AddrFromSlice(rapid.SampledFrom([][]byte{nil, {198, 18, 1, 10}, {198, 18, 0, 1}}).Draw(t, "from"))
		o.Rationed, _ = netip.AddrFromSlice(rapid.SampledFrom([][]byte{nil, nil, {198, 18, 0, 1}}).Draw(t, "rationed"))
		for range rapid.IntRange(0, 2).Draw(t, "details") {
			o.Details = append(o.Details, scanner.Detail{Key: text.Draw(t, "key"), Value: text.Draw(t, "value")})
		}
		if rapid.IntRange(0, 3).Draw(t, "listener") == 0 {
			o.FarEnd = &scanner.FarEnd{UDP: []uint16{9}, TCP: []uint16{445}, Again: o.NeedsCredentials}
		}
		return o
	})
}

func TestAsFirstWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := scanner.Host{Name: "pc-1", Addr: netip.MustParseAddr(rapid.SampledFrom([]string{"198.18.1.10", "fd00:198::1"}).Draw(t, "addr"))}
		h.Observations = rapid.SliceOfN(randomObservation(), 0, 16).Draw(t, "observations")
		v := &view{}
		v.read(&h)
		want := slices.SortedFunc(slices.Values(h.Observations), frozenCompare)
		for i, o := range v.obs {
			if frozenCompare(*o, want[i]) != 0 {
				t.Fatalf("observation %d is %+v, want %+v", i, *o, want[i])
			}
			if got, want := string(v.describe(nil, o)), frozenDescribe(v, o); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		row := &scanner.Requirement{
			Protocol: scanner.Protocol(rapid.Uint8Range(1, 3).Draw(t, "row")), Port: rapid.SampledFrom([]uint16{0, 135}).Draw(t, "row's port"),
			Probe: rapid.SampledFrom([]string{"", "smb", "rpc-udp"}).Draw(t, "row's probe"),
		}
		if got, want := v.swept(row), frozenSwept(v, row); got != want {
			t.Errorf("swept %+v, want %+v", got, want)
		}
	})
}

// A finding writes itself as encoding/json would write it.
func TestFindingAsEncodingJSON(t *testing.T) {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "", "push/smb", "<&>\u2028", "\xff\x00\n\""}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		some := func(what string) string { return text.Draw(t, what) }
		addr := rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("198.18.1.1"), netip.MustParseAddr("fe80::1%eth\"0")})
		f := Finding{
			Profile: some("profile"), Requirement: some("row"), From: scanner.Role(some("from")), To: scanner.Role(some("to")), Host: some("host"),
			Addr: addr.Draw(t, "addr"), Protocol: scanner.Protocol(rapid.Uint8Range(0, 6).Draw(t, "protocol")), Port: rapid.Uint16().Draw(t, "port"),
			Required: rapid.Bool().Draw(t, "required"), AnyOf: some("group"), SatisfiedBy: some("by row"),
			State: State(rapid.Uint8Range(0, 12).Draw(t, "state")), Seen: State(rapid.Uint8Range(0, 12).Draw(t, "seen")), Reason: some("reason"),
			Assurance: scanner.Assurance(rapid.Uint8Range(0, 6).Draw(t, "assurance")), By: addr.Draw(t, "by"),
			Between: rapid.SliceOfN(addr, 0, 2).Draw(t, "between"), Message: some("message"),
			Evidence: rapid.SliceOfN(text, 0, 2).Draw(t, "evidence"), Fix: some("fix"), Conflict: rapid.Bool().Draw(t, "conflict"),
			Boundary: some("boundary"),
		}
		if rapid.Bool().Draw(t, "none") {
			f.Evidence = nil
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "ports") {
			f.Ports = append(f.Ports, PortFinding{uint16(i), State(i), some("port's reason")})
			f.Tags = append(f.Tags, scanner.Detail{Key: some("key"), Value: some("value")})
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
		got, err := f.AppendJSON(nil)
		if err != nil || string(got)+"\n" != want.String() {
			t.Fatalf("%v\n%s\nwant\n%s", err, got, want.String())
		}
	})
}

func TestTimesAreWrittenAsEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := round(time.Duration(rapid.OneOf(rapid.Int64Range(0, 2e6), rapid.Int64Range(0, 2e9), rapid.Int64()).Draw(t, "time")))
		if got := string(appendDuration(nil, d)); got != d.String() {
			t.Errorf("%s, want %s", got, d)
		}
	})
}

// A host that answers is judged with little garbage.
func TestJudgeAllocatesLittle(t *testing.T) {
	h := scanner.Host{Name: "198.18.1.10", Addr: netip.MustParseAddr("198.18.1.10")}
	for _, port := range []uint16{135, 445, 2701} {
		h.Rows = append(h.Rows, &scanner.Requirement{ID: "push/row", Protocol: scanner.TCP, Port: port, Need: scanner.Required, FromHere: true})
		h.Observations = append(h.Observations, scanner.Observation{Protocol: scanner.TCP, Port: port, Outcome: scanner.Answered, Tries: 1, Took: 1e6})
	}
	for brief, most := range map[bool]float64{true: 4, false: 16} {
		got := testing.AllocsPerRun(100, func() { Judge(h, Context{Brief: brief}) })
		if got > most {
			t.Errorf("brief %v: %.0f allocations, want at most %.0f", brief, got, most)
		}
	}
}
