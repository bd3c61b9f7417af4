package ntlm

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf16"
)

// signature opens every message ([MS-NLMP] 2.2.1).
const signature = "NTLMSSP\x00"

// Message types ([MS-NLMP] 2.2.1).
const (
	typeNegotiate = 1
	typeChallenge = 2
)

// Flags are the options that the sides negotiate ([MS-NLMP] 2.2.2.5).
type Flags uint32

// The flags that this package sets or looks at.
const (
	FlagUnicode         Flags = 0x00000001
	FlagOEM             Flags = 0x00000002
	FlagRequestTarget   Flags = 0x00000004
	FlagSign            Flags = 0x00000010
	FlagNTLM            Flags = 0x00000200
	FlagAlwaysSign      Flags = 0x00008000
	FlagTargetDomain    Flags = 0x00010000
	FlagTargetServer    Flags = 0x00020000
	FlagExtendedSession Flags = 0x00080000
	FlagTargetInfo      Flags = 0x00800000
	FlagVersion         Flags = 0x02000000
	Flag128             Flags = 0x20000000
	FlagKeyExchange     Flags = 0x40000000
	Flag56              Flags = 0x80000000
)

// DefaultFlags are what a client asks for that wants to know who the server is.
const DefaultFlags = FlagUnicode | FlagRequestTarget | FlagSign | FlagNTLM | FlagAlwaysSign |
	FlagExtendedSession | FlagTargetInfo | FlagVersion | Flag128 | FlagKeyExchange | Flag56

// Version is the version of the operating system ([MS-NLMP] 2.2.2.10). Windows
// tells its true one; others put in what they like.
type Version struct {
	Major, Minor uint8
	Build        uint16
	Revision     uint8 // of NTLM: 15
}

// IsZero reports whether no version was given.
func (v Version) IsZero() bool { return v == Version{} }

// String is the version as Windows writes it: "10.0.26100".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Build) }

const versionLen = 8

func (v Version) put(b []byte) {
	b[0], b[1] = v.Major, v.Minor
	binary.LittleEndian.PutUint16(b[2:], v.Build)
	b[7] = v.Revision
}

func parseVersion(b []byte) Version {
	return Version{Major: b[0], Minor: b[1], Build: binary.LittleEndian.Uint16(b[2:]), Revision: b[7]}
}

// Is reports whether a token is an NTLM message rather than SPNEGO: some
// servers answer without the wrapping.
func Is(token []byte) bool {
	return len(token) >= len(signature) && string(token[:len(signature)]) == signature
}

// Error says where a message is broken.
type Error struct {
	Field  string
	Offset int
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("ntlm: %s at byte %d: %s", e.Field, e.Offset, e.Reason)
}

// open checks the signature, the type and the length of the fixed part.
func open(msg []byte, kind uint32, fixed int) error {
	if !Is(msg) {
		return &Error{Field: "signature", Offset: 0, Reason: "not NTLMSSP"}
	}
	if len(msg) < fixed {
		return &Error{Field: "message", Offset: len(msg), Reason: fmt.Sprintf("ends early, want %d bytes", fixed)}
	}
	if got := binary.LittleEndian.Uint32(msg[8:]); got != kind {
		return &Error{Field: "message type", Offset: 8, Reason: fmt.Sprintf("%d, want %d", got, kind)}
	}
	return nil
}

// field returns the bytes that a length and offset at position at point to
// ([MS-NLMP] 2.2.1.1). They must lie behind the fixed part.
func field(msg []byte, name string, at, fixed int) ([]byte, error) {
	n := uint64(binary.LittleEndian.Uint16(msg[at:]))
	offset := uint64(binary.LittleEndian.Uint32(msg[at+4:]))
	if n == 0 {
		return nil, nil
	}
	if offset < uint64(fixed) || offset+n > uint64(len(msg)) { //nolint:gosec // fixed is a constant
		return nil, &Error{Field: name, Offset: at, Reason: fmt.Sprintf("%d bytes at %d are not within bytes %d to %d", n, offset, fixed, len(msg))}
	}
	return msg[offset : offset+n : offset+n], nil
}

// putField writes a length, twice, and an offset.
func putField(b []byte, at, n, offset int) {
	binary.LittleEndian.PutUint16(b[at:], uint16(n))        //nolint:gosec // short has cut it
	binary.LittleEndian.PutUint16(b[at+2:], uint16(n))      //nolint:gosec // as above
	binary.LittleEndian.PutUint32(b[at+4:], uint32(offset)) //nolint:gosec // behind a few short fields
}

// short cuts a field to what a 16-bit length can say, in whole UTF-16 units.
func short(b []byte) []byte { return b[:min(len(b), 1<<16-2)] }

func appendUTF16(b []byte, s string) []byte {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// parseUTF16 reads a string without a NUL. A last odd byte is no character.
func parseUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// A FILETIME counts steps of 100 ns since 1601 ([MS-DTYP] 2.3.3).
const (
	fileTimeSecond = 10_000_000
	fileTimeEpoch  = 11_644_473_600 // seconds from 1601 to 1970
)

// parseFileTime reads a FILETIME. Zero, and times after the year 9999, which
// RFC 3339 cannot write, mean that no time is given.
func parseFileTime(v uint64) time.Time {
	if v == 0 || v > math.MaxInt64 {
		return time.Time{}
	}
	t := time.Unix(int64(v/fileTimeSecond)-fileTimeEpoch, int64(v%fileTimeSecond)*100).UTC()
	if t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// fileTime is the reverse of parseFileTime. Times before 1601 become zero.
func fileTime(t time.Time) uint64 {
	seconds := t.Unix() + fileTimeEpoch
	if t.IsZero() || seconds < 0 || t.Year() > 9999 {
		return 0
	}
	return uint64(seconds)*fileTimeSecond + uint64(t.Nanosecond()/100) //nolint:gosec // not negative
}
