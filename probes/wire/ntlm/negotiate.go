package ntlm

import "encoding/binary"

// Negotiate is the NEGOTIATE_MESSAGE ([MS-NLMP] 2.2.1.1). The names of the
// client's domain and workstation, which it may carry, are neither sent nor
// read: who asks is no business of the host that is checked.
type Negotiate struct {
	Flags   Flags
	Version Version // written when Flags has FlagVersion
}

// negotiateLen is the message with a version and without payload. Old clients
// end before the version, at 32 bytes, or before the fields, at 16.
const (
	negotiateLen    = 32 + versionLen
	negotiateMinLen = 16
)

// Marshal writes the message.
func (m Negotiate) Marshal() []byte {
	b := make([]byte, negotiateLen)
	copy(b, signature)
	binary.LittleEndian.PutUint32(b[8:], typeNegotiate)
	binary.LittleEndian.PutUint32(b[12:], uint32(m.Flags))
	putField(b, 16, 0, negotiateLen) // domain
	putField(b, 24, 0, negotiateLen) // workstation
	if m.Flags&FlagVersion != 0 {
		m.Version.put(b[32:])
	}
	return b
}

// ParseNegotiate reads the message.
func ParseNegotiate(msg []byte) (Negotiate, error) {
	var m Negotiate
	if err := open(msg, typeNegotiate, negotiateMinLen); err != nil {
		return m, err
	}
	m.Flags = Flags(binary.LittleEndian.Uint32(msg[12:]))
	if m.Flags&FlagVersion != 0 && len(msg) >= negotiateLen {
		m.Version = parseVersion(msg[32:])
	}
	return m, nil
}
