package jsontext_test

import (
	"bytes"
	"cmreach/scanner/jsontext"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// reference is what encoding/json writes.
func reference(t interface{ Fatal(args ...any) }, v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// odd are texts with all that may need an escape, at every place of a word.
func odd() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{"\x00", "\x1f", "\x7f", "\"", "\\", "\n\r\t\b\f", "<>&", "\u2028\u2029", "\ufffd", "\xff", "\xc3", "\xe2\x80", "é", "😀", " ", "!", "#", "]", "[", "a", "plain text that is longer than a word"}),
		rapid.String(),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
	})
}

func FuzzString(f *testing.F) {
	f.Add("")
	f.Add("TCP 445: SYN-ACK after 1.44ms, TTL 64")
	f.Add("1234567\x80\"\\\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(jsontext.String(nil, s)), reference(t, s); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestEachByteAtEachPlace(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := strings.Repeat("a", at) + string([]byte{byte(c)}) + strings.Repeat("b", 19-at)
			if got, want := string(jsontext.String(nil, s)), reference(t, s); got != want {
				t.Fatalf("byte %d at %d: %s, want %s", c, at, got, want)
			}
			if got, want := jsontext.Bare([]byte(s)), c >= ' ' && c != '"' && c != '\\'; got != want {
				t.Fatalf("byte %d at %d: bare %v", c, at, got)
			}
		}
	}
}

func TestAsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(odd()).Draw(t, "list")
		var addrs []netip.Addr
		for _, raw := range rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 16)).Draw(t, "addresses") {
			a, _ := netip.AddrFromSlice(raw) // or the zero address
			if a.Is6() && rapid.Bool().Draw(t, "zone") {
				a = a.WithZone(odd().Draw(t, "name"))
			}
			addrs = append(addrs, a)
		}
		at := time.Unix(rapid.Int64Range(-1<<35, 1<<37).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nanosecond")).
			In(time.FixedZone("", 60*rapid.IntRange(-1400, 1400).Draw(t, "zone")))
		timeText, err := jsontext.Time(nil, at)
		if _, wantErr := at.MarshalJSON(); (err == nil) != (wantErr == nil) {
			t.Fatalf("time %v: error %v, want %v", at, err, wantErr)
		} else if err == nil && string(timeText) != reference(t, at) {
			t.Errorf("%s, want %s", timeText, reference(t, at))
		}
		n := rapid.Int64().Draw(t, "number")
		for _, c := range []struct{ got, want string }{
			{string(jsontext.Strings(nil, list)), reference(t, list)},
			{string(jsontext.Addrs(nil, addrs)), reference(t, addrs)},
			{string(jsontext.Int(nil, n)), reference(t, n)},
			{string(jsontext.Word(nil, "closed")), reference(t, "closed")},
			{string(jsontext.Strings(nil, nil)), "null"},
			{string(jsontext.Addrs(nil, nil)), "null"},
		} {
			if c.got != c.want {
				t.Errorf("%s, want %s", c.got, c.want)
			}
		}
	})
}

func BenchmarkString(b *testing.B) {
	const s = "TCP 445 accepts connections; what answers was not asked"
	buf := make([]byte, 0, 128)
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		buf = jsontext.String(buf[:0], s)
	}
}
