package scanner

import "math/bits"

// Order is a keyed permutation of the indices from 0 to N-1. A plan is walked
// in it so that neighbours in time are in different subnets, and so that a
// resumed run and every shard of a run meet the same order without any memory
// of it: the position alone says which index comes there.
//
// It is a Feistel network (Luby and Rackoff, 1988) over the smallest power of
// two that holds N, with halves of unequal width where the number of bits is
// odd; a value outside the range is permuted again until it falls inside (cycle
// walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002,
// section 3), less than twice on average. The key makes orders differ; it
// keeps nothing secret.
type Order struct {
	Key uint64
	N   uint64
}

// orderRounds is even and above the four of Luby and Rackoff, because small
// ranges have narrow halves.
const orderRounds = 6

// At returns the index at a position from 0 to N-1. A position outside of the
// range is its own index, so that the function stays one to one.
func (o Order) At(i uint64) uint64 {
	if i >= o.N || o.N < 2 {
		return i
	}
	width := max(2, bits.Len64(o.N-1))
	low := width / 2
	lowMask := uint64(1)<<low - 1
	highMask := uint64(1)<<(width-low) - 1
	for {
		high, rest := i>>low, i&lowMask
		for r := uint64(0); r < orderRounds; r += 2 {
			high ^= orderMix(o.Key, r, rest) & highMask
			rest ^= orderMix(o.Key, r+1, high) & lowMask
		}
		if i = high<<low | rest; i < o.N {
			return i
		}
	}
}

// orderMix is the round function: the rounds of SipHash (Aumasson and
// Bernstein, 2012) on one word, one before and two after it.
func orderMix(key, round, half uint64) uint64 {
	v0 := key ^ 0x736f6d6570736575
	v1 := round ^ 0x646f72616e646f6d
	v2 := key ^ 0x6c7967656e657261
	v3 := round ^ 0x7465646279746573 ^ half
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= half
	v2 ^= 0xff
	for range 2 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v1
	v0 += v3
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}
