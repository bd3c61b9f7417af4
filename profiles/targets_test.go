package profiles

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func hostNames(t *Targets) []string {
	var out []string
	for h := range t.all() {
		out = append(out, h.name)
	}
	return out
}

// goodTargets are lists and what they come to.
var goodTargets = []struct {
	name      string
	args      []string
	file      string
	exclude   []string
	want      []string
	dup, excl int
}{
	{
		name: "names, addresses and order",
		args: []string{"pc2.lab.test", "198.18.1.9", "PC1", "fd00:198::1", "fe80::1%eth0"},
		want: []string{"pc2.lab.test", "198.18.1.9", "PC1", "fd00:198::1", "fe80::1%eth0"},
	},
	{name: "prefix without its two ends", args: []string{"198.18.1.0/30"}, want: []string{"198.18.1.1", "198.18.1.2"}},
	{name: "prefix written with host bits", args: []string{"198.18.1.2/30"}, want: []string{"198.18.1.1", "198.18.1.2"}},
	{name: "/31 and /32 whole", args: []string{"198.18.1.0/31", "198.18.2.0/32"}, want: []string{"198.18.1.0", "198.18.1.1", "198.18.2.0"}},
	{
		name: "ranges, long and short", args: []string{"198.18.1.10-198.18.1.12", "198.18.1.254-255", "fd00:198::9-fd00:198::a"},
		want: []string{"198.18.1.10", "198.18.1.11", "198.18.1.12", "198.18.1.254", "198.18.1.255", "fd00:198::9", "fd00:198::a"},
	},
	{name: "IPv6 prefix whole", args: []string{"fd00:198::/127"}, want: []string{"fd00:198::", "fd00:198::1"}},
	{name: "a name with hyphens is no range", args: []string{"pc-01", "a-b.c-d"}, want: []string{"pc-01", "a-b.c-d"}},
	{
		name: "file: comments, blank lines, mark, CRLF, several on a line",
		file: "\xef\xbb\xbf# clients\r\npc1 # first\r\n\r\n  pc2,pc3;pc4\tpc5\r\n198.18.1.1#no space\r\n",
		want: []string{"pc1", "pc2", "pc3", "pc4", "pc5", "198.18.1.1"},
	},
	{name: "file in UTF-16", file: "\xff\xfep\x00c\x001\x00\r\x00\n\x00p\x00c\x002\x00", want: []string{"pc1", "pc2"}},
	{
		name: "duplicates", args: []string{"pc1", "PC1.", "pc2", "198.18.1.2", "198.18.1.0/29", "198.18.1.5-6", "::ffff:198.18.1.1"},
		want: []string{"pc1", "pc2", "198.18.1.2", "198.18.1.1", "198.18.1.3", "198.18.1.4", "198.18.1.5", "198.18.1.6"}, dup: 5,
	},
	{
		name: "exclusions", args: []string{"pc1,pc2", "198.18.1.0/29", "198.18.2.1"}, exclude: []string{"PC1", "198.18.1.3-4,198.18.2.0/24"},
		want: []string{"pc2", "198.18.1.1", "198.18.1.2", "198.18.1.5", "198.18.1.6"}, excl: 4,
	},
	{name: "all excluded", args: []string{"198.18.1.0/24"}, exclude: []string{"198.18.0.0/15"}, excl: 254},
	{name: "high addresses", args: []string{"223.255.255.254-223.255.255.255", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, want: []string{
		"223.255.255.254", "223.255.255.255", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	}},
}

func TestReadTargets(t *testing.T) {
	for _, tt := range goodTargets {
		t.Run(tt.name, func(t *testing.T) {
			o := TargetOptions{Args: tt.args, Exclude: tt.exclude}
			if tt.file != "" {
				o.Sources = []Source{{Name: "clients.txt", Text: strings.NewReader(tt.file)}}
			}
			got, err := ReadTargets(o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, hostNames(got)); d != "" {
				t.Error(d)
			}
			if got.Len() != len(tt.want) || got.Duplicates() != tt.dup || got.ExcludedCount() != tt.excl {
				t.Errorf("%d targets, %d duplicates, %d excluded; want %d, %d, %d",
					got.Len(), got.Duplicates(), got.ExcludedCount(), len(tt.want), tt.dup, tt.excl)
			}
		})
	}
}

func TestBadTargets(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    TargetOptions
		file string
		want string
	}{
		{name: "prefix length", o: TargetOptions{Args: []string{"198.18.1.0/33"}}, want: `argument 1: "198.18.1.0/33" is not a prefix; the length is a number from 0 to 32`},
		{name: "mask", o: TargetOptions{Args: []string{"198.18.1.0/255.255.255.0"}}, want: `argument 1: "198.18.1.0/255.255.255.0" is not a prefix; write the length instead of the mask, such as /24`},
		{name: "prefix of a name", o: TargetOptions{Args: []string{"pc1/24"}}, want: `argument 1: "pc1/24" is not a prefix; "pc1" is not an address`},
		{name: "number out of bounds", o: TargetOptions{Args: []string{"pc1", "198.18.300.1"}}, want: `argument 2: "198.18.300.1" is not a host name or an address; an IPv4 address has four numbers from 0 to 255 without leading zeros`},
		{name: "range backwards", o: TargetOptions{Args: []string{"198.18.1.9-3"}}, want: `argument 1: the range "198.18.1.9-3" ends before it begins; exchange the two ends`},
		{name: "range of two families", o: TargetOptions{Args: []string{"198.18.1.9-fd00::1"}}, want: `argument 1: the range "198.18.1.9-fd00::1" mixes IPv4 and IPv6`},
		{name: "range to nowhere", o: TargetOptions{Args: []string{"198.18.1.9-pc7"}}, want: `argument 1: "198.18.1.9-pc7" is not a range; write FIRST-LAST, such as 198.18.1.10-198.18.1.50 or 198.18.1.10-50`},
		{name: "URL", o: TargetOptions{Args: []string{"http://mp1/"}}, want: `argument 1: "http://mp1/" is a URL; give the host name alone`},
		{name: "port", o: TargetOptions{Args: []string{"pc1:445"}}, want: `argument 1: "pc1:445" is not a host name or an address; leave the port away: the profile says which ports are checked`},
		{name: "share", o: TargetOptions{Args: []string{`\\pc1`}}, want: `argument 1: "\\\\pc1" is not a host name or an address; give the host name alone`},
		{name: "brackets", o: TargetOptions{Args: []string{"[fd00::1]"}}, want: `argument 1: "[fd00::1]" is not a host name or an address; write an IPv6 address without brackets and without a port`},
		{name: "broken IPv6", o: TargetOptions{Args: []string{"fd00::1::2"}}, want: `argument 1: "fd00::1::2" is not a host name or an address; it is not a valid IPv6 address`},
		{name: "multicast", o: TargetOptions{Args: []string{"224.0.0.1"}}, want: `argument 1: "224.0.0.1" is not the address of one computer; multicast and broadcast addresses cannot be checked`},
		{name: "nowhere", o: TargetOptions{Args: []string{"0.0.0.0"}}, want: `argument 1: "0.0.0.0" is not the address of a computer`},
		{name: "empty part", o: TargetOptions{Args: []string{"pc1..lab"}}, want: `argument 1: "pc1..lab" is not a host name or an address; there is an empty part between two dots`},
		{name: "-4 with IPv6", o: TargetOptions{Args: []string{"fd00:198::1"}, Family: IPv4Only}, want: `argument 1: fd00:198::1 is IPv6, and -4 asks for IPv4 only; leave -4 or the address away`},
		{name: "-6 with IPv4", o: TargetOptions{Args: []string{"198.18.0.0/24"}, Family: IPv6Only}, want: `argument 1: 198.18.0.0/24 is IPv4, and -6 asks for IPv6 only; leave -6 or the address away`},
		{name: "a /8", o: TargetOptions{Args: []string{"pc1", "10.0.0.0/8"}}, want: `argument 2: 10.0.0.0/8 names 16,777,214 addresses, the limit is 70,000; raise the limit with --max-targets if that is meant`},
		{name: "a /64", o: TargetOptions{Args: []string{"fd00::/64"}}, want: `argument 1: fd00::/64 names more than 18 quintillion addresses, the limit is 70,000; raise the limit with --max-targets if that is meant`},
		{name: "everything", o: TargetOptions{Args: []string{"::/0", "0.0.0.0/0"}}, want: `argument 1: ::/0 names more than 18 quintillion addresses, the limit is 70,000; raise the limit with --max-targets if that is meant`},
		{name: "many small ones", o: TargetOptions{Args: []string{"198.18.0.0/28", "pc1"}, Max: 14}, want: `targets: there are 15 targets, the limit is 14; raise the limit with --max-targets if that is meant`},
		{name: "exclusion", o: TargetOptions{Args: []string{"pc1"}, Exclude: []string{"198.18.0.0/99"}}, want: `--exclude: "198.18.0.0/99" is not a prefix; the length is a number from 0 to 32`},
		{name: "empty file", file: "# nobody\n\n", want: `clients.txt: the list names no target; write one name, address, prefix or range a line`},
		{name: "places in a file", file: "pc1\n  pc2, pc*  # bad\n\nü\n", want: `clients.txt:2:8: "pc*" is not a host name or an address; write a prefix such as 198.18.1.0/24 instead of the asterisk
clients.txt:4:1: "ü" is not a host name or an address; write names beyond ASCII in their DNS form (xn--…)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.file != "" {
				tt.o.Sources = []Source{{Name: "clients.txt", Text: strings.NewReader(tt.file)}}
			}
			_, err := ReadTargets(tt.o)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
		})
	}
}

func TestBadTargetsAreCapped(t *testing.T) {
	_, err := ReadTargets(TargetOptions{Sources: []Source{{Name: "f", Text: strings.NewReader(strings.Repeat("a*\n", 100))}}})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[20] != "and 80 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	var e *Error
	if !errors.As(err, &e) || e.File != "f" || e.Line != 1 || e.Column != 1 || e.Hint == "" {
		t.Errorf("typed error %+v", e)
	}
}

func TestUnreadableTargets(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("pc1\n"), errReader{})
	_, err := ReadTargets(TargetOptions{Sources: []Source{{Name: "standard input", Text: broken}}})
	if err == nil || err.Error() != "standard input: the list of targets cannot be read: disk on fire" {
		t.Error(err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

// TestRangesStayRanges checks that 16 million addresses cost nothing.
func TestRangesStayRanges(t *testing.T) {
	got, err := ReadTargets(TargetOptions{Args: []string{"10.0.0.0/8"}, Exclude: []string{"10.1.0.0/16"}, Max: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if got.Len() != 1<<24-2-1<<16 || got.list.len() != 2 {
		t.Errorf("%d targets in %d ranges", got.Len(), got.list.len())
	}
}

// TestSweepAgainstSets compares the arithmetic with plain sets.
func TestSweepAgainstSets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, byte(n)}) }
	for range 2000 {
		var list []interval
		owner := map[netip.Addr]int{}
		for o := range 1 + r.IntN(8) {
			from := r.IntN(256)
			to := from + r.IntN(256-from)
			list = append(list, interval{at(from), at(to), o - 1})
			for i := from; i <= to; i++ {
				if _, taken := owner[at(i)]; !taken {
					owner[at(i)] = o - 1
				}
			}
		}
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		got := map[netip.Addr]int{}
		n := uint64(0)
		for _, s := range sweep(list) {
			n += sizeOf([]interval{s})
			for a := s.from; ; a = a.Next() {
				got[a] = s.owner
				if a == s.to {
					break
				}
			}
		}
		if !maps.Equal(owner, got) || n != uint64(len(owner)) {
			t.Fatalf("%v: %d addresses, want %d: %v, want %v", list, n, len(owner), got, owner)
		}
	}
}

func TestExcludedAddresses(t *testing.T) {
	got, err := ReadTargets(TargetOptions{Args: []string{"pc1"}, Exclude: []string{"198.18.1.0/24", "fd00::1"}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"198.18.1.0": true, "198.18.1.255": true, "::ffff:198.18.1.7": true, "198.18.2.0": false, "fd00::1": true, "fd00::2": false,
	} {
		if got.Excluded(netip.MustParseAddr(text)) != want {
			t.Errorf("Excluded(%s) is not %v", text, want)
		}
	}
}

// TestManyLines holds the work for a long list, in the worst order, to be
// little more than linear: it fails by the test's own time limit.
func TestManyLines(t *testing.T) {
	var b strings.Builder
	for i := range 60_000 {
		j := (i * 7919) % 60_000
		fmt.Fprintf(&b, "10.%d.%d.1-10.%d.%d.200\n", j>>8, j&255, j>>8, j&255)
	}
	got, err := ReadTargets(TargetOptions{Sources: []Source{{Name: "f", Text: strings.NewReader(b.String())}}, Max: 1 << 30})
	if err != nil || got.Len() != 60_000*200 {
		t.Fatal(got, err)
	}
}

func FuzzTargets(f *testing.F) {
	for _, s := range []string{"pc1, 198.18.0.0/24 # x\nfd00::/120", "198.18.1.1-9\n198.18.1.4", "::/0 0.0.0.0/0", "fe80::1%a-fe80::2", "\xff\xfea\x00", "255.255.255.0-255.255.255.255"} {
		f.Add(s, "198.18.1.0/25")
	}
	f.Fuzz(func(t *testing.T, list, exclude string) {
		began := time.Now()
		got, err := ReadTargets(TargetOptions{
			Sources: []Source{{Name: "f", Text: strings.NewReader(list)}}, Exclude: []string{exclude}, Max: 5000,
		})
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		if err != nil {
			return
		}
		names := hostNames(got)
		if len(names) != got.Len() {
			t.Errorf("%d targets walked, %d counted", len(names), got.Len())
		}
		for h := range got.all() {
			if got.excludes(h) || !found(got, h) {
				t.Errorf("%v is excluded or not among the targets", h)
			}
		}
		slices.Sort(names)
		if n := len(slices.Compact(names)); n != got.Len() {
			t.Errorf("%d targets, %d different", got.Len(), n)
		}
	})
}

func found(t *Targets, h hostItem) bool {
	n, ok := t.number(h)
	return ok && t.at(n) == h
}
