package profiles

import (
	"cmreach/scanner"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
)

// all walks the targets by their numbers.
func (t *Targets) all() iter.Seq[hostItem] {
	return func(yield func(hostItem) bool) {
		for n := range t.Len() {
			if !yield(t.at(uint64(n))) {
				return
			}
		}
	}
}

// mixed has names, networks, doubles, exclusions, and servers of which some are
// targets as well.
func mixed(t testing.TB) *Plan {
	t.Helper()
	list, err := ReadTargets(TargetOptions{
		Args: []string{
			"pc-1", "198.19.4.0/22", "PC-2.lab.test", "198.19.5.0-198.19.5.9", "198.18.0.7", "fd00:198::fff0-fd00:198::1:20", "FD00:198:1::7",
			"fd00:198:0:0:ffff:ffff:ffff:fff0-fd00:198:0:1::f", "pc-1",
		},
		Exclude: []string{"198.19.4.16/28", "198.19.6.255", "pc-3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return planOf(t, Options{Targets: list, Roles: []string{
		"management-point=198.19.4.77,mp.lab.test,pc-2.lab.test", "fallback-status-point=198.19.7.254,198.18.9.9",
	}})
}

func planOf(t testing.TB, o Options) *Plan {
	t.Helper()
	list, err := Load([]string{"push"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Profiles = list
	p, err := NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNumbers(t *testing.T) {
	p := mixed(t)
	n := p.All()
	if got := uint64(p.Hosts()); got != n {
		t.Fatalf("%d hosts, %d numbers", got, n)
	}
	seen := map[string]bool{}
	for i := range n {
		target := p.At(i)
		if seen[strings.ToLower(target.Name)] {
			t.Errorf("%s comes twice", target.Name)
		}
		seen[strings.ToLower(target.Name)] = true
		if back, ok := p.Number(target.Name); !ok || back != i {
			t.Errorf("%s is number %d and was found as %d, %v", target.Name, i, back, ok)
		}
		if target.Addr.IsValid() && p.Excluded(target.Addr) {
			t.Errorf("%s is excluded", target.Name)
		}
	}
	for name, want := range map[string]string{
		"198.19.4.77": "mp-http", "pc-2.lab.test": "mp-http", "198.19.7.254": "fsp-http", "mp.lab.test": "mp-http", "pc-1": "smb", "198.18.0.7": "smb",
	} {
		i, ok := p.Number(name)
		if !ok || !slices.ContainsFunc(p.At(i).Rows, func(r *scanner.Requirement) bool { return r.ID == "push/"+want }) {
			t.Errorf("%s: number %d, %v, without the row %s", name, i, ok, want)
		}
	}
	for _, none := range []string{"pc-3", "198.19.4.16", "198.19.8.1", "198.19.3.255", "fd00:198:1::8", "nobody", "198.19.4.0/24", "", "::", "0.0.0.1"} {
		if i, ok := p.Number(none); ok {
			t.Errorf("%s has the number %d", none, i)
		}
	}
}

// A shard is a part of the plan: all of them together are the plan, no two have
// a target in common, and none is larger than another by more than one.
func TestShards(t *testing.T) {
	p := mixed(t)
	whole := map[string]int{}
	for target := range p.Targets() {
		whole[target.Name]++
	}
	paths := p.Paths()
	best := p.Estimate(0, 1, 0).PacketsBest
	for _, of := range []int{1, 2, 3, 8, 97, int(p.All())} {
		got, least, most, parts, packets := map[string]int{}, len(whole), 0, 0, 0
		for shard := 1; shard <= of; shard++ {
			p.Take(4711, shard, of)
			n := 0
			for target := range p.Targets() {
				got[target.Name]++
				n++
			}
			if n != p.Hosts() {
				t.Fatalf("shard %d of %d has %d targets and says %d", shard, of, n, p.Hosts())
			}
			least, most, parts = min(least, n), max(most, n), parts+p.Paths()
			packets += p.Estimate(0, 1, 0).PacketsBest
		}
		if !maps.Equal(got, whole) {
			t.Errorf("%d shards are not the plan", of)
		}
		if most-least > 1 || parts != paths || packets != best {
			t.Errorf("%d shards: %d to %d targets, %d paths of %d, %d packets of %d", of, least, most, parts, paths, packets, best)
		}
	}
}

func TestTakenOrder(t *testing.T) {
	names := func(key uint64) (out []string) {
		p := mixed(t)
		p.Take(key, 1, 1)
		for target := range p.Targets() {
			out = append(out, target.Name)
		}
		return out
	}
	if !slices.Equal(names(7), names(7)) {
		t.Error("the same key gives two orders")
	}
	if slices.Equal(names(7), names(8)) {
		t.Error("the key makes no difference")
	}
}

func TestDigest(t *testing.T) {
	digest := func(o Options, args ...string) string {
		o.Targets = targets(t, args...)
		return planOf(t, o).Digest()
	}
	same := digest(Options{}, "198.19.4.0/24", "pc-1")
	if again := digest(Options{}, "198.19.4.0-198.19.4.255", "pc-1"); again == same {
		t.Error("a range with two addresses more has the digest of the prefix")
	}
	if again := digest(Options{}, "198.19.4.1-198.19.4.254", "PC-1.", "pc-1"); again != same {
		t.Error("the same plan in other words has another digest")
	}
	different := map[string]string{"the plan": same}
	for what, d := range map[string]string{
		"another order":   digest(Options{}, "pc-1", "198.19.4.0/24"),
		"another name":    digest(Options{}, "198.19.4.0/24", "pc-2"),
		"one host less":   digest(Options{}, "198.19.4.1-198.19.4.253", "pc-1"),
		"another port":    digest(Options{Ports: []string{"smb=4445"}}, "198.19.4.0/24", "pc-1"),
		"a row only":      digest(Options{Only: []string{"smb"}}, "198.19.4.0/24", "pc-1"),
		"another vantage": digest(Options{Vantage: "client", Roles: []string{"management-point=mp1"}}, "198.19.4.0/24", "pc-1"),
		"a server":        digest(Options{Roles: []string{"management-point=mp1"}}, "198.19.4.0/24", "pc-1"),
		"another server":  digest(Options{Roles: []string{"management-point=mp2"}}, "198.19.4.0/24", "pc-1"),
		"one family":      digest(Options{Family: IPv4Only}, "198.19.4.0/24", "pc-1"),
	} {
		for other, have := range different {
			if have == d {
				t.Errorf("%s has the digest of %s", what, other)
			}
		}
		different[what] = d
	}
}

// The size of a range costs nothing: neither to plan, nor to find one of its targets.
func TestLargeRangesCostNothing(t *testing.T) {
	list, err := ReadTargets(TargetOptions{Args: []string{"fd00:198::/104", "10.0.0.0/12"}, Exclude: []string{"10.7.0.0/16"}, Max: 1 << 25})
	if err != nil {
		t.Fatal(err)
	}
	p := planOf(t, Options{Targets: list})
	p.Take(1, 3, 8)
	n := p.All()
	if n != 1<<24+1<<20-1<<16-2 {
		t.Fatalf("%d targets", n)
	}
	i := uint64(0)
	allocs := testing.AllocsPerRun(1000, func() { p.At(i % n); i += 1 << 14 })
	if allocs > 2 { // the text of the address
		t.Errorf("%v allocations for each target", allocs)
	}
	for _, i := range []uint64{0, 1, 1<<24 - 1, 1 << 24, 1<<24 + 7<<16 - 2, 1<<24 + 7<<16 - 1, n - 1} {
		if back, ok := p.Number(p.At(i).Name); !ok || back != i {
			t.Errorf("%d: %s is found as %d, %v", i, p.At(i).Name, back, ok)
		}
	}
	if got := fmt.Sprint(p.At(n-1).Addr, p.At(1<<24).Addr, p.At(1<<24+7<<16-1).Addr); got != "10.15.255.254 10.0.0.1 10.8.0.0" {
		t.Error(got)
	}
}

func BenchmarkAt(b *testing.B) {
	p := planOf(b, Options{Targets: targets(b, "198.18.0.0/16")})
	p.Take(1, 1, 1)
	var i uint64
	for b.Loop() {
		p.At(i % p.All())
		i++
	}
}

func BenchmarkNumber(b *testing.B) {
	p := planOf(b, Options{Targets: targets(b, "198.18.0.0/16")})
	for b.Loop() {
		p.Number("198.18.77.99")
	}
}
