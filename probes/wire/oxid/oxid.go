package oxid

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf16"
)

// OpServerAlive2 is the operation's number. Its request has an empty stub.
const OpServerAlive2 uint16 = 5

// TowerTCP is the tower identifier of ncacn_ip_tcp in a string binding
// ([MS-DCOM] 2.2.19.3, C706 appendix I).
const TowerTCP uint16 = 0x07

// ErrMalformed says that the stub breaks its rules.
var ErrMalformed = errors.New("malformed ServerAlive2 data")

// ServerAlive2 is the answer.
type ServerAlive2 struct {
	Major, Minor uint16 // COMVERSION ([MS-DCOM] 2.2.11)
	Bindings     DualStrings
	Reserved     uint32
	Status       uint32 // error_status_t; 0 is success
}

// DualStrings is a DUALSTRINGARRAY.
type DualStrings struct {
	Strings  []StringBinding
	Security []SecurityBinding
}

// StringBinding is a name or an address by which the machine is reached
// ([MS-DCOM] 2.2.19.3). It is untrusted text.
type StringBinding struct {
	Tower   uint16
	Address string // host name or address, in some answers with "[port]" behind it
}

// SecurityBinding is a way in which the machine authenticates ([MS-DCOM] 2.2.19.4).
type SecurityBinding struct {
	Service   uint16 // authentication service, RPC_C_AUTHN_*
	Reserved  uint16 // 0xffff, or an authorization service
	Principal string
}

// stubHead is COMVERSION, the referent, and the maximum count, wNumEntries and
// wSecurityOffset of the DUALSTRINGARRAY.
const (
	stubHead = 4 + 4 + 4 + 4
	stubTail = 4 + 4 // pReserved and the status
)

// referent is the identifier of the only pointer. Any number but 0 will do.
const referent uint32 = 0x00020000

// Encode writes the stub in little-endian order.
func (s ServerAlive2) Encode() ([]byte, error) {
	units, security := s.Bindings.units()
	if len(units) > math.MaxUint16 {
		return nil, fmt.Errorf("oxid: encode ServerAlive2: %d characters do not fit", len(units))
	}
	le := binary.LittleEndian
	b := le.AppendUint16(nil, s.Major)
	b = le.AppendUint16(b, s.Minor)
	b = le.AppendUint32(b, referent)
	b = le.AppendUint32(b, uint32(len(units))) //nolint:gosec // checked above
	b = le.AppendUint16(b, uint16(len(units))) //nolint:gosec // checked above
	b = le.AppendUint16(b, uint16(security))   //nolint:gosec // an index into units
	for _, u := range units {
		b = le.AppendUint16(b, u)
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	b = le.AppendUint32(b, s.Reserved)
	return le.AppendUint32(b, s.Status), nil
}

// units writes both lists, each ended by a zero, and says where the second
// begins.
func (d DualStrings) units() (units []uint16, security int) {
	for _, s := range d.Strings {
		units = append(append(units, s.Tower), utf16.Encode([]rune(s.Address))...)
		units = append(units, 0)
	}
	units = append(units, 0)
	security = len(units)
	for _, s := range d.Security {
		units = append(append(units, s.Service, s.Reserved), utf16.Encode([]rune(s.Principal))...)
		units = append(units, 0)
	}
	return append(units, 0), security
}

// Decode reads the stub of the answer. A machine may answer with a null array.
func Decode(stub []byte, order binary.ByteOrder) (ServerAlive2, error) {
	if len(stub) < 8+stubTail {
		return ServerAlive2{}, fmt.Errorf("oxid: ServerAlive2: %w: %d bytes", ErrMalformed, len(stub))
	}
	s := ServerAlive2{Major: order.Uint16(stub), Minor: order.Uint16(stub[2:])}
	tail := 8
	if order.Uint32(stub[4:]) != 0 {
		if len(stub) < stubHead {
			return ServerAlive2{}, fmt.Errorf("oxid: ServerAlive2: %w: %d bytes", ErrMalformed, len(stub))
		}
		n, security := int(order.Uint16(stub[12:])), int(order.Uint16(stub[14:]))
		if order.Uint32(stub[8:]) != uint32(n) { //nolint:gosec // from 16 bits
			return ServerAlive2{}, fmt.Errorf("oxid: ServerAlive2: %w: two lengths, %d and %d", ErrMalformed, order.Uint32(stub[8:]), n)
		}
		end := stubHead + 2*n
		tail = (end + 3) &^ 3
		if tail+stubTail > len(stub) {
			return ServerAlive2{}, fmt.Errorf("oxid: ServerAlive2: %w: %d characters in %d bytes", ErrMalformed, n, len(stub))
		}
		units := make([]uint16, n)
		for i := range units {
			units[i] = order.Uint16(stub[stubHead+2*i:])
		}
		var err error
		if s.Bindings, err = decodeUnits(units, security); err != nil {
			return ServerAlive2{}, fmt.Errorf("oxid: ServerAlive2: %w", err)
		}
	}
	s.Reserved, s.Status = order.Uint32(stub[tail:]), order.Uint32(stub[tail+4:])
	return s, nil
}

// decodeUnits reads both lists.
func decodeUnits(units []uint16, security int) (DualStrings, error) {
	var d DualStrings
	if len(units) == 0 {
		return d, nil
	}
	if security > len(units) {
		return d, fmt.Errorf("%w: security bindings at %d of %d", ErrMalformed, security, len(units))
	}
	for rest := units[:security]; len(rest) > 0 && rest[0] != 0; {
		tower := rest[0]
		text, after, ok := cString(rest[1:])
		if !ok {
			return d, fmt.Errorf("%w: string binding without an end", ErrMalformed)
		}
		d.Strings = append(d.Strings, StringBinding{Tower: tower, Address: text})
		rest = after
	}
	for rest := units[security:]; len(rest) > 0 && rest[0] != 0; {
		if len(rest) < 2 {
			return d, fmt.Errorf("%w: security binding of one character", ErrMalformed)
		}
		service, reserved := rest[0], rest[1]
		text, after, ok := cString(rest[2:])
		if !ok {
			return d, fmt.Errorf("%w: security binding without an end", ErrMalformed)
		}
		d.Security = append(d.Security, SecurityBinding{Service: service, Reserved: reserved, Principal: text})
		rest = after
	}
	return d, nil
}

// cString reads characters up to a zero and gives what follows it.
func cString(units []uint16) (text string, rest []uint16, ok bool) {
	for i, u := range units {
		if u == 0 {
			return string(utf16.Decode(units[:i])), units[i+1:], true
		}
	}
	return "", nil, false
}
