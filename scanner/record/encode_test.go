package record

import (
	"bytes"
	"cmreach/scanner"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// randomText has all that JSON must escape.
func randomText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "", "pc-1", "<&>", "\u2028\u2029", "\xff\xfe", "a\x00\x1b[31m\n", `"\\`, "Käse 😀"}),
		rapid.String(),
	)
}

func randomAddr() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "address"))
		if a.Is6() && rapid.Bool().Draw(t, "zoned") {
			a = a.WithZone(randomText().Draw(t, "zone"))
		}
		return a
	})
}

func randomTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		return at.In(time.FixedZone("", 900*rapid.IntRange(-40, 40).Draw(t, "zone")))
	})
}

func randomDetails() *rapid.Generator[[]scanner.Detail] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) scanner.Detail {
		return scanner.Detail{Key: randomText().Draw(t, "key"), Value: randomText().Draw(t, "value")}
	}), 0, 3)
}

// randomObservation has each field set as often as not.
func randomObservation() *rapid.Generator[scanner.Observation] {
	return rapid.Custom(func(t *rapid.T) scanner.Observation {
		some := func(what string) bool { return rapid.Bool().Draw(t, what) }
		text := func(what string) string { return randomText().Draw(t, what) }
		o := scanner.Observation{
			Protocol: scanner.Protocol(rapid.Uint8Range(0, 6).Draw(t, "protocol")), Port: rapid.Uint16().Draw(t, "port"),
			Outcome: scanner.Outcome(rapid.Uint8Range(0, 14).Draw(t, "outcome")), Sent: randomTime().Draw(t, "sent"),
		}
		if some("answer") {
			o.Took, o.Tries = time.Duration(rapid.Int64().Draw(t, "took")), rapid.Int().Draw(t, "tries")
			o.From, o.TTL = randomAddr().Draw(t, "from"), rapid.Uint8().Draw(t, "ttl")
			o.ICMP = scanner.ICMPError{Type: rapid.Uint8Range(0, 3).Draw(t, "type"), Code: rapid.Uint8Range(0, 1).Draw(t, "code")}
		}
		if some("odd") {
			o.Probe, o.Asked, o.Err = text("probe"), text("asked"), text("err")
			o.Rationed = randomAddr().Draw(t, "rationed")
			o.Via, o.HopLimit = rapid.Uint16().Draw(t, "via"), rapid.Uint8().Draw(t, "hops")
			o.Proof, o.NeedsCredentials = scanner.Assurance(rapid.Uint8Range(0, 5).Draw(t, "proof")), some("credentials")
		}
		if some("details") {
			o.Details = randomDetails().Draw(t, "list")
		}
		if some("identity") {
			o.Identity = scanner.Identity{
				Computer: text("computer"), Domain: text("domain"), DNSName: text("name"), DNSDomain: text("suffix"),
				OS: text("os"), ServerID: text("id"), Names: rapid.SliceOfN(randomText(), 0, 2).Draw(t, "names"),
				Addrs: rapid.SliceOfN(randomAddr(), 0, 2).Draw(t, "addrs"), Clock: randomTime().Draw(t, "clock"),
			}
		}
		if some("far end") {
			o.FarEnd = &scanner.FarEnd{
				Since: randomTime().Draw(t, "since"), Until: randomTime().Draw(t, "until"), Again: some("again"),
				UDP: rapid.SliceOfN(rapid.Uint16(), 0, 3).Draw(t, "udp"), TCP: rapid.SliceOfN(rapid.Uint16(), 0, 3).Draw(t, "tcp"),
			}
		}
		return o
	})
}

func randomHost() *rapid.Generator[scanner.Host] {
	return rapid.Custom(func(t *rapid.T) scanner.Host {
		h := scanner.Host{Name: randomText().Draw(t, "host"), Addr: randomAddr().Draw(t, "addr")}
		if rapid.Bool().Draw(t, "listed") {
			h.Boundary, h.Tags = randomText().Draw(t, "boundary"), randomDetails().Draw(t, "tags")
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "rows") {
			h.Rows = append(h.Rows, &scanner.Requirement{ID: fmt.Sprint(i) + randomText().Draw(t, "row")})
		}
		h.Observations = rapid.SliceOfN(randomObservation(), 0, 3).Draw(t, "observations")
		return h
	})
}

// What is written by hand is what encoding/json writes, byte for byte.
func TestAsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := randomHost().Draw(t, "host")
		var want bytes.Buffer
		add := func(m Message) {
			b, err := encode(m)
			if err != nil {
				t.Fatal(err)
			}
			want.Write(append(b, '\n'))
		}
		for i, row := range h.Rows {
			p := Path{Host: h.Name, Addr: h.Addr, Requirement: row.ID}
			if i == 0 {
				p.Boundary, p.Tags = h.Boundary, h.Tags
			}
			add(Message{Path: &p})
		}
		for _, o := range h.Observations {
			add(Message{Observation: &Observation{Host: h.Name, Addr: h.Addr, Observation: o}})
		}
		var got bytes.Buffer
		w := NewWriter(&got)
		if err := WriteHost[struct{}](w, h, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(want.String()) {
			have, err := got.ReadString('\n')
			if have != line {
				t.Fatalf("line (%v)\n%swant\n%s", err, have, line)
			}
		}
		if got.Len() > 0 {
			t.Fatalf("%d bytes too many", got.Len())
		}
	})
}
