package packet

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Secret marks packets. Whoever does not see a packet cannot guess the mark of
// its answer better than by chance (1 in 2^32); whoever does see one learns
// nothing of those to other addresses. It is not safe for use by several
// goroutines: each makes its own from the same key.
type Secret struct {
	block cipher.Block
	in    [aes.BlockSize]byte
	out   [aes.BlockSize]byte
}

// NewSecret returns the marks of a key.
func NewSecret(key [16]byte) (*Secret, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("packet: %w", err)
	}
	return &Secret{block: block}, nil
}

// Mark returns the mark of packets to a path, from a port of ours. It is a
// CBC-MAC under AES of a message of fixed length, cut to 32 bits.
func (s *Secret) Mark(kind Kind, dst netip.Addr, dstPort, srcPort uint16) uint32 {
	s.in = dst.As16()
	s.block.Encrypt(s.out[:], s.in[:])
	s.in = s.out
	s.in[0] ^= byte(kind) + 1
	if dst.Is4() {
		s.in[1] ^= 1 // else an IPv4 address would have the marks of its IPv6 form
	}
	binary.BigEndian.PutUint16(s.in[2:], binary.BigEndian.Uint16(s.in[2:])^dstPort)
	binary.BigEndian.PutUint16(s.in[4:], binary.BigEndian.Uint16(s.in[4:])^srcPort)
	s.block.Encrypt(s.out[:], s.in[:])
	return binary.BigEndian.Uint32(s.out[:])
}
