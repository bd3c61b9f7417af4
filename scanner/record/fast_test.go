package record

import (
	"bytes"
	"cmreach/scanner"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// usual are lines as almost all of a record are.
var usual = []string{
	`{"path":{"host":"198.19.0.6","addr":"198.19.0.6","requirement":"sweep/icmp"}}`,
	`{"path":{"host":"pc-1","addr":"fd00:198::1","requirement":"push/smb","boundary":"Head office"}}`,
	`{"path":{"host":"pc-1","addr":"fd00:198::1","requirement":"push/smb","boundary":"Head office","tags":[{"key":"Site","value":"P01"}]}}`,
	`{"path":{"host":"gone","addr":"","requirement":"push/smb"}}`,
	`{"observation":{"host":"198.19.0.6","addr":"198.19.0.6","protocol":"tcp","port":445,"outcome":"refused","sent":"2026-11-21T06:21:55.447509131Z","took":85271,"tries":1,"by":"198.19.0.6","ttl":64}}`,
	`{"observation":{"host":"198.19.0.6","addr":"198.19.0.6","protocol":"tcp","port":445,"outcome":"rejected","sent":"2026-11-21T06:21:55+01:00","took":85271,"tries":1,"by":"198.18.0.2","ttl":64,"icmp":{"type":3,"code":13}}}`,
	`{"observation":{"host":"198.19.0.6","addr":"198.19.0.6","protocol":"icmp","outcome":"silent","sent":"2026-11-21T06:21:55Z","tries":6,"rationed":"198.18.0.2","err":"x"}}`,
	`{"observation":{"host":"gone","addr":"","outcome":"unresolved","sent":"2026-11-21T06:21:55Z","err":"no such host"}}`,
	`{"observation":{"host":"pc-1","addr":"198.19.0.6","protocol":"tcp","port":445,"probe":"smb","via":135,"hop_limit":3,"outcome":"spoke","sent":"2026-11-21T06:21:55Z","proof":"role","needs_credentials":true,"identity":{"computer":"PC-1","names":["a","b"],"addrs":["198.19.0.6"],"os":"10.0.26100","clock":"2026-11-21T06:21:55Z"},"details":[{"key":"dialect","value":"3.1.1"},{"key":"","value":""}]}}`,
	`{"finding":{"profile":"sweep","addr":"198.19.0.6","port":0,"required":true,"evidence":["ICMP: echo reply after 76µs","x"],"between":[],"ports":[{"port":1}],"x":null,"y":false,"z":{}}}`,
	`{"finding":{"fix":"the policy \"Allow remote administration\" opens C:\\","a":"\u00b5\uD83D\ude00\ud83d\/\b\f\n\r\t"}}`,
}

// unusual are lines that the strict decoder must see, which takes some of them.
var unusual = []string{
	`{"path":{"addr":"198.19.0.6","host":"198.19.0.6","requirement":"sweep/icmp"}}`,
	`{"path":{"host":"198.19.0.6","addr":"198.19.0.6","requirement":"sweep/icmp"} }`,
	`{"path":{"host":"198.19.0.6","addr":"198.19.0.6","requirement":"sweep/icmp"}}{}`,
	`{"path":{"host":"198.19.0.6","addr":"198.19.0.6","requirement":"sweep\u002ficmp"}}`,
	`{"path":{"host":"198.19.0.6","addr":"198.19.0.600","requirement":"sweep/icmp"}}`,
	`{"path":{"host":"Käse","addr":"198.19.0.6","requirement":"sweep/icmp","tags":[{"key":"a","value":"b"}]}}`,
	"{\"path\":{\"host\":\"a\x01\",\"addr\":\"\",\"requirement\":\"sweep/icmp\"}}",
	`{"observation":{"host":"a","addr":"","outcome":"nice","sent":"2026-11-21T06:21:55Z"}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"yesterday"}}`,
	`{"observation":{"host":"a","addr":"","port":65536,"outcome":"silent","sent":"2026-11-21T06:21:55Z"}}`,
	`{"observation":{"host":"a","addr":"","port":012,"outcome":"silent","sent":"2026-11-21T06:21:55Z"}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"2026-11-21T06:21:55Z","took":-5}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"2026-11-21T06:21:55Z","needs_credentials":false}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"2026-11-21T06:21:55Z","identity":{"names":[]},"details":[]}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"2026-11-21T06:21:55Z","took":18446744073709551616}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"2026-11-21T06:21:55Z","icmp":{,"code":3}}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"2026-11-21T06:21:55Z","icmp":{"type":,"code":3}}}`,
	`{"observation":{"host":"a","addr":"","outcome":"silent","sent":"2026-11-21T06:21:55Z","icmp":{"type":3}}}`,
	`{"finding":null}`, `{"finding":{"a":1.5}}`, `{"finding":{"a":01}}`, `{"finding":{"a":"\"}}`, `{"finding":{"a":"\x"}}`, `{"finding":{"a":"\u00g0"}}`, `{"finding":{"a":"\u00`,
	"{\"finding\":{\"a\":\"\\n\x01\"}}", `{"finding":{"a":1,}}`, `{"finding":{"a"}}`,
	`{"finding":{"a":[1,]}}`, `{"finding":{}},`, `{"finding":{}`, `{"finding":{"a":tru}}`, `{"finding":[{"a":1}]}`,
	`{"end":{}}`, `{}`, ``,
}

// agree holds what the fast reader says of a line against the strict decoder.
func agree(t interface {
	Helper()
	Errorf(format string, args ...any)
}, f *fast, line []byte,
) (taken bool) {
	t.Helper()
	got, ok := f.message(line)
	if !ok {
		return false
	}
	want, err := decode(line, 2)
	if err != nil {
		t.Errorf("%s was read, which is a fault: %v", line, err)
		return true
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(sameTime)); d != "" {
		t.Errorf("%s (-strict +fast):\n%s", line, d)
	}
	return true
}

func sameTime(a, b time.Time) bool {
	return a.Equal(b) && a.Format(time.RFC3339Nano) == b.Format(time.RFC3339Nano)
}

func TestUsualLines(t *testing.T) {
	var f fast
	for range 2 { // the second time with what is remembered of the first
		for _, line := range usual {
			if !agree(t, &f, []byte(line)) {
				t.Errorf("%s went to the strict decoder", line)
			}
		}
		for _, line := range unusual {
			if agree(t, &f, []byte(line)) {
				t.Errorf("%s was taken for a usual line", line)
			}
		}
	}
}

// A line that is cut or changed at one place is read as the strict decoder
// reads it, or left to it.
func TestDamagedLines(t *testing.T) {
	var f fast
	for _, line := range usual {
		for i := range line {
			agree(t, &f, []byte(line[:i]))
			for _, c := range []byte("\"\\{}[],:0 9-\x00\xff") {
				b := []byte(line)
				b[i] = c
				agree(t, &f, b)
			}
		}
	}
}

func FuzzUsualLine(f *testing.F) {
	for _, line := range append(append([]string(nil), usual...), unusual...) {
		f.Add([]byte(line))
	}
	var warm fast
	f.Fuzz(func(t *testing.T, b []byte) {
		agree(t, &warm, b)
		agree(t, &fast{}, b)
	})
}

// What the Writer writes is read as the strict decoder reads it; hosts of plain
// texts never need that one.
func TestWrittenLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := randomHost().Draw(t, "host")
		var b bytes.Buffer
		w := NewWriter(&b)
		if err := WriteHost[struct{}](w, h, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		var f fast
		for line := range bytes.Lines(b.Bytes()) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			known := !strings.ContainsAny(string(line), "\\") && !bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) &&
				!bytes.Contains(line, []byte(`"far_end":`)) && !bytes.Contains(line, []byte(`:-`))
			_, err := decode(line, 2)
			if taken := agree(t, &f, line); !taken && known && err == nil {
				t.Errorf("%s went to the strict decoder", line)
			}
		}
	})
}

func TestReadingAllocatesLittle(t *testing.T) {
	var f fast
	line := []byte(usual[4])
	f.message(line)
	if n := testing.AllocsPerRun(100, func() { f.message(line) }); n > 0 {
		t.Errorf("%.0f allocations for a line", n)
	}
	if f.seen.Outcome != scanner.Refused {
		t.Errorf("read %+v", f.seen)
	}
}
