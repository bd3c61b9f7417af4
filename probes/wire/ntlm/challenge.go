package ntlm

import (
	"encoding/binary"
	"fmt"
	"time"
	"unicode"
)

// Challenge is the CHALLENGE_MESSAGE ([MS-NLMP] 2.2.1.2).
type Challenge struct {
	Flags     Flags  // Marshal adds FlagTargetInfo and FlagVersion where they belong
	Target    string // the domain, or of a computer without a domain its name
	Challenge [8]byte
	Info      TargetInfo
	Version   Version // zero: not given
}

// TargetInfo is what the server says of itself, as AV_PAIRs ([MS-NLMP]
// 2.2.2.1). Empty fields are not there.
type TargetInfo struct {
	Computer    string    // NetBIOS name of the computer
	Domain      string    // NetBIOS name of its domain
	DNSComputer string    // fully qualified name of the computer
	DNSDomain   string    //
	DNSTree     string    // the forest
	Timestamp   time.Time // the server's clock
}

// The AV_PAIR ids ([MS-NLMP] 2.2.2.1).
const (
	avEOL         = 0
	avComputer    = 1
	avDomain      = 2
	avDNSComputer = 3
	avDNSDomain   = 4
	avDNSTree     = 5
	avTimestamp   = 7
)

// challengeLen is the message with a version and without payload. A server
// that gives no version may end at 48 bytes, one without target info at 32.
const (
	challengeLen     = 48 + versionLen
	challengeInfoLen = 48
	challengeMinLen  = 32
)

// Marshal writes the message.
func (m Challenge) Marshal() []byte {
	target := short(appendUTF16(nil, m.Target))
	info := short(m.Info.marshal())
	flags := m.Flags | FlagTargetInfo | FlagUnicode
	if !m.Version.IsZero() {
		flags |= FlagVersion
	}
	b := make([]byte, challengeLen, challengeLen+len(target)+len(info))
	copy(b, signature)
	binary.LittleEndian.PutUint32(b[8:], typeChallenge)
	putField(b, 12, len(target), challengeLen)
	binary.LittleEndian.PutUint32(b[20:], uint32(flags))
	copy(b[24:], m.Challenge[:])
	putField(b, 40, len(info), challengeLen+len(target))
	if flags&FlagVersion != 0 {
		m.Version.put(b[48:])
	}
	b = append(b, target...)
	return append(b, info...)
}

// ParseChallenge reads the message.
func ParseChallenge(msg []byte) (Challenge, error) {
	var m Challenge
	if err := open(msg, typeChallenge, challengeMinLen); err != nil {
		return m, err
	}
	m.Flags = Flags(binary.LittleEndian.Uint32(msg[20:]))
	copy(m.Challenge[:], msg[24:])
	target, err := field(msg, "target name", 12, challengeMinLen)
	if err != nil {
		return m, err
	}
	if m.Flags&FlagUnicode != 0 {
		m.Target = parseUTF16(target)
	} else {
		m.Target = parseOEM(target)
	}
	if m.Flags&FlagTargetInfo != 0 && len(msg) >= challengeInfoLen {
		info, err := field(msg, "target info", 40, challengeInfoLen)
		if err != nil {
			return m, err
		}
		if m.Info, err = parseTargetInfo(info); err != nil {
			return m, err
		}
	}
	if m.Flags&FlagVersion != 0 && len(msg) >= challengeLen {
		m.Version = parseVersion(msg[48:])
	}
	return m, nil
}

// parseOEM reads a name in the server's code page, which nobody names. Beyond
// ASCII it cannot be known.
func parseOEM(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
		if c > unicode.MaxASCII {
			runes[i] = unicode.ReplacementChar
		}
	}
	return string(runes)
}

// marshal writes the pairs in the order that Windows uses.
func (i TargetInfo) marshal() []byte {
	var b []byte
	for _, pair := range []struct {
		id   uint16
		text string
	}{
		{avDomain, i.Domain},
		{avComputer, i.Computer},
		{avDNSDomain, i.DNSDomain},
		{avDNSComputer, i.DNSComputer},
		{avDNSTree, i.DNSTree},
	} {
		if pair.text != "" {
			b = appendPair(b, pair.id, appendUTF16(nil, pair.text))
		}
	}
	if ft := fileTime(i.Timestamp); ft != 0 {
		b = appendPair(b, avTimestamp, binary.LittleEndian.AppendUint64(nil, ft))
	}
	return appendPair(b, avEOL, nil)
}

func appendPair(b []byte, id uint16, value []byte) []byte {
	value = short(value)
	b = binary.LittleEndian.AppendUint16(b, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value))) //nolint:gosec // short has cut it
	return append(b, value...)
}

// parseTargetInfo reads pairs up to the closing one. Offsets in its errors
// count from the first pair.
func parseTargetInfo(b []byte) (TargetInfo, error) {
	var info TargetInfo
	for at := 0; at < len(b); {
		if len(b)-at < 4 {
			return info, &Error{Field: "AV pair", Offset: at, Reason: "ends early"}
		}
		id, n := binary.LittleEndian.Uint16(b[at:]), int(binary.LittleEndian.Uint16(b[at+2:]))
		at += 4
		if n > len(b)-at {
			return info, &Error{Field: "AV pair", Offset: at, Reason: fmt.Sprintf("%d bytes do not fit in %d", n, len(b)-at)}
		}
		value := b[at : at+n]
		at += n
		switch id {
		case avEOL:
			return info, nil
		case avComputer:
			info.Computer = parseUTF16(value)
		case avDomain:
			info.Domain = parseUTF16(value)
		case avDNSComputer:
			info.DNSComputer = parseUTF16(value)
		case avDNSDomain:
			info.DNSDomain = parseUTF16(value)
		case avDNSTree:
			info.DNSTree = parseUTF16(value)
		case avTimestamp:
			if n != 8 {
				return info, &Error{Field: "timestamp", Offset: at - n, Reason: fmt.Sprintf("%d bytes, want 8", n)}
			}
			info.Timestamp = parseFileTime(binary.LittleEndian.Uint64(value))
		}
	}
	if len(b) == 0 {
		return info, nil
	}
	return info, &Error{Field: "AV pairs", Offset: len(b), Reason: "no closing pair"}
}
