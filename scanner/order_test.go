package scanner

import "testing"

func TestOrderIsAPermutation(t *testing.T) {
	sizes := []uint64{0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 97, 254, 255, 256, 257, 1000, 1021, 4099, 65535, 65536, 65537, 262144, 1<<20 - 1, 1 << 20, 1<<20 + 1}
	for _, n := range sizes[:fewer(t, "sizes", len(sizes), 20)] {
		for _, key := range []uint64{0, 1, 0xdeadbeef, ^uint64(0)} {
			if n > 1<<17 && key > 0 && key != 0xdeadbeef {
				continue
			}
			seen := make([]bool, n)
			o := Order{Key: key, N: n}
			for i := range n {
				at := o.At(i)
				if at >= n {
					t.Fatalf("n %d, key %x: At(%d) = %d is out of range", n, key, i, at)
				}
				if seen[at] {
					t.Fatalf("n %d, key %x: %d comes twice", n, key, at)
				}
				seen[at] = true
			}
		}
	}
}

func TestOrderOutsideOfTheRange(t *testing.T) {
	for _, o := range []Order{{Key: 5}, {Key: 5, N: 1}, {Key: 5, N: 10}} {
		for _, i := range []uint64{o.N, o.N + 1, 1<<63 + 7, ^uint64(0)} {
			if got := o.At(i); got != i {
				t.Errorf("%+v.At(%d) = %d", o, i, got)
			}
		}
	}
	huge := Order{Key: 9, N: ^uint64(0)}
	if a, b := huge.At(0), huge.At(1); a == b || a >= huge.N || b >= huge.N {
		t.Errorf("range of 2^64-1: %d, %d", a, b)
	}
}

// A run that is resumed by a later program must meet the same order, so the
// order itself is part of the record's format.
func TestOrderStaysTheSame(t *testing.T) {
	o := Order{Key: 42, N: 1000}
	want := []uint64{535, 921, 966, 524, 909, 991, 455, 634}
	for i, w := range want {
		if got := o.At(uint64(i)); got != w {
			t.Fatalf("At(%d) = %d, want %d: records of older runs can no longer be resumed", i, got, w)
		}
	}
	if (Order{Key: 43, N: 1000}).At(0) == want[0] && (Order{Key: 43, N: 1000}).At(1) == want[1] {
		t.Error("the key makes no difference")
	}
}

// With 256 subnets of 256 addresses, chance puts one pair of neighbours in 256
// into the same subnet; and every stretch of the run meets nearly all subnets.
func TestOrderMixesSubnets(t *testing.T) {
	const n = 65536
	for key := range uint64(5) {
		o := Order{Key: key, N: n}
		same := 0
		var met [256]bool
		for i := uint64(1); i < n; i++ {
			if o.At(i)/256 == o.At(i-1)/256 {
				same++
			}
			met[o.At(i)/256] = true
			if i%2048 == 0 {
				count := 0
				for s, ok := range met {
					if ok {
						count++
					}
					met[s] = false
				}
				if count < 250 {
					t.Errorf("key %d: only %d subnets in the 2,048 up to %d", key, count, i)
				}
			}
		}
		if same < 180 || same > 340 { // expected 256, deviation 16
			t.Errorf("key %d: %d of 65,535 neighbours are in the same subnet", key, same)
		}
	}
}

func TestOrderAllocatesNothing(t *testing.T) {
	o := Order{Key: 1, N: 1000003}
	var i, sum uint64
	if n := testing.AllocsPerRun(1000, func() { sum += o.At(i); i++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOrder(b *testing.B) {
	o := Order{Key: 1, N: 1000003}
	var i uint64
	for b.Loop() {
		o.At(i % o.N)
		i++
	}
}
