package profiles

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestAssembleAgainstSets compares lists of names, addresses and ranges, with
// doubles and exclusions, with plain sets.
func TestAssembleAgainstSets(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 15))
	v4 := func(n int) string { return fmt.Sprintf("198.18.255.%d", n) }
	v6 := func(n int) string { return fmt.Sprintf("fd00:198::ffff:ffff:ffff:ff%02x", n) }
	for range 2000 {
		entry := func() (string, []string) {
			at, from := v4, r.IntN(64)
			if r.IntN(2) == 0 {
				at = v6
			}
			switch r.IntN(4) {
			case 0:
				name := fmt.Sprintf("pc%d.Lab.test", r.IntN(12))
				return name, []string{strings.ToLower(name)}
			case 1:
				to := from + r.IntN(12)
				var all []string
				for i := from; i <= to; i++ {
					all = append(all, at(i))
				}
				return at(from) + "-" + at(to), all
			default:
				return at(from), []string{at(from)}
			}
		}
		list := func(n int) (words, hosts []string) {
			for range n {
				w, h := entry()
				words, hosts = append(words, w), append(hosts, h...)
			}
			return words, hosts
		}
		words, hosts := list(1 + r.IntN(12))
		not, out := list(r.IntN(4))
		want := []string{}
		doubled, excluded := 0, 0
		seen := map[string]bool{}
		for _, h := range hosts {
			switch {
			case seen[h]:
				doubled++
			case slices.Contains(out, h):
				excluded++
			default:
				want = append(want, h)
			}
			seen[h] = true
		}
		got, err := ReadTargets(TargetOptions{Sources: []Source{{Name: "f", Text: strings.NewReader(strings.Join(words, "\n"))}}, Exclude: not})
		if err != nil {
			t.Fatal(err)
		}
		have := hostNames(got)
		for i, n := range have {
			have[i] = strings.ToLower(n)
		}
		slices.Sort(have) // the pieces of a range that was cut stand together
		slices.Sort(want)
		if !slices.Equal(have, want) || got.Duplicates() != doubled || got.ExcludedCount() != excluded {
			t.Fatalf("%v without %v: %v, %d doubled, %d excluded; want %v, %d, %d", words, not, have, got.Duplicates(), got.ExcludedCount(), want, doubled, excluded)
		}
		for h := range got.all() {
			if !found(got, h) {
				t.Fatalf("%v without %v: %s is not found", words, not, h.name)
			}
		}
		for _, h := range slices.Concat(out, []string{v4(200), v6(200), "pc99.lab.test"}) {
			it, _, _ := parseItem(h)
			if _, ok := got.number(it.host()); ok {
				t.Fatalf("%v without %v: %s has a number", words, not, h)
			}
		}
	}
}

// TestLongLists holds what a host of a long list costs: 32 bytes and 12 to find
// it by, and its text.
func TestLongLists(t *testing.T) {
	const hosts = 50_000
	address := func(i int) string {
		return netip.AddrFrom16([16]byte{0xfd, 0, 1, 0x98, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}).String()
	}
	for _, tt := range []struct {
		name string
		head string
		line func(i int) string
		most int // bytes a host
	}{
		{"addresses", "", address, 44},
		{"names", "", func(i int) string { return fmt.Sprintf("pc%06d.example.com", i) }, 44 + 20},
		{"rows", "Name,IPAddress\n", func(i int) string { return fmt.Sprintf("pc%06d.example.com,%s", i, address(i)) }, 44 + 20 + 22},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString(tt.head)
			for i := range hosts {
				b.WriteString(tt.line(i*7919%hosts) + "\n")
			}
			text := b.String()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			targets, err := ReadTargets(TargetOptions{Max: hosts, Sources: []Source{{Name: "f", Text: strings.NewReader(text)}}})
			if err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
			if targets.Len() != hosts || grown > int64(hosts*tt.most+1<<20) {
				t.Errorf("%d hosts hold %d bytes, %d each", targets.Len(), grown, grown/hosts)
			}
			runtime.KeepAlive(targets)
			runtime.KeepAlive(text)
		})
	}
}

// TestTextReader: whatever the pieces, the text is that of readText.
func TestTextReader(t *testing.T) {
	for _, text := range []string{
		"", "a", "\xef\xbb\xbfpc1\npc2", "\xff\xfep\x00c\x001\x00\n\x00", "\xfe\xff\x00p\xd8\x3d\xde\x00\xd8\x3d\x00x", "\xff\xfe\x3d\xd8", "\xff\xfep\x00c", "\xef\xbb", "\xff",
	} {
		want, wantErr := readText(strings.NewReader(text), targetBytes)
		in := newTextReader(strings.NewReader(text), targetBytes)
		head, _ := in.line()
		var rest strings.Builder
		for {
			var b [3]byte
			n, err := in.Read(b[:])
			rest.Write(b[:n])
			if err != nil {
				break
			}
		}
		if wantErr != nil {
			if in.err == nil || in.err.Error() != wantErr.Error() {
				t.Errorf("%q: %v, want %v", text, in.err, wantErr)
			}
			continue
		}
		if got := head + rest.String(); got != want || in.err != nil {
			t.Errorf("%q: %q, %v; want %q", text, got, in.err, want)
		}
	}
	in := newTextReader(strings.NewReader("\xef\xbb\xbfabc"), 5)
	if _, err := in.line(); err == nil || in.err == nil {
		t.Error("a text that is too large was read")
	}
}
