package verdict

import (
	"cmreach/scanner"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// No rule applies to a path that its chapter of the table passes over.
func TestChaptersPassOverNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := scanner.Host{Name: "pc-1", Addr: netip.MustParseAddr("198.18.1.10")}
		h.Observations = rapid.SliceOfN(randomObservation(), 0, 10).Draw(t, "observations")
		row := &scanner.Requirement{
			Protocol: scanner.Protocol(rapid.Uint8Range(1, 3).Draw(t, "protocol")), Port: rapid.SampledFrom([]uint16{0, 135, 445}).Draw(t, "port"),
			Probe: rapid.SampledFrom([]string{"", "smb", "rpc-udp"}).Draw(t, "probe"), Via: rapid.SampledFrom([]uint16{0, 0, 135}).Draw(t, "via"),
			ViaProbe: "smb", FarEnd: rapid.SampledFrom([]string{"", "rpc-udp"}).Draw(t, "far end"),
			Listener: scanner.Listener(rapid.Uint8Range(1, 2).Draw(t, "listener")),
		}
		v := &view{}
		v.read(&h)
		p := newPath(v, row)
		for _, c := range table {
			if c.of == nil || c.of(p) {
				continue
			}
			for _, r := range c.rules {
				if r.when(p) {
					t.Errorf("%s applies, and its chapter is passed over", r.Reason)
				}
			}
		}
	})
}

// A Judger that was used before finds what a new one finds.
func TestJudgerIsJudge(t *testing.T) {
	var j Judger
	rapid.Check(t, func(t *rapid.T) {
		h := scanner.Host{Name: rapid.SampledFrom([]string{"pc-1", "smb"}).Draw(t, "name"), Addr: netip.MustParseAddr("198.18.1.10")}
		h.Observations = rapid.SliceOfN(randomObservation(), 0, 20).Draw(t, "observations")
		for i := range rapid.IntRange(0, 6).Draw(t, "rows") {
			h.Rows = append(h.Rows, &scanner.Requirement{
				ID: "push/row", To: scanner.RoleClient, Protocol: scanner.Protocol(rapid.Uint8Range(1, 4).Draw(t, "protocol")),
				Port: uint16(i * 135), Probe: "smb", Via: rapid.SampledFrom([]uint16{0, 0, 135}).Draw(t, "via"), FromHere: rapid.Bool().Draw(t, "here"),
			})
		}
		c := Context{Vantage: scanner.RoleSiteServer, Brief: rapid.Bool().Draw(t, "brief")}
		want := Judge(h, c)
		got := j.Judge(&h, c)
		text := func(fs []Finding) []string {
			var out []string
			for i := range fs {
				b, err := fs[i].AppendJSON(nil)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, string(b))
			}
			return out
		}
		if !slices.Equal(text(got), text(want)) {
			t.Errorf("%s\nwant\n%s", text(got), text(want))
		}
	})
}
