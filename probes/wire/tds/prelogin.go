package tds

import (
	"encoding/binary"
	"fmt"
)

// The options of PRELOGIN that are known here ([MS-TDS] 2.2.6.5).
const (
	optionVersion    = 0x00
	optionEncryption = 0x01
	optionEnd        = 0xff
)

const (
	optionLen  = 5 // token, offset, length
	versionLen = 6 // UL_VERSION, US_SUBBUILD
	maxOptions = 32
)

// Encryption is what a side wants of encryption ([MS-TDS] 2.2.6.5).
type Encryption uint8

// What there is to want. A server answers with what will be done.
const (
	EncryptOff          Encryption = 0x00 // available, used for the login only
	EncryptOn           Encryption = 0x01
	EncryptNotSupported Encryption = 0x02
	EncryptRequired     Encryption = 0x03
)

func (e Encryption) String() string {
	switch e {
	case EncryptOff:
		return "for the login only"
	case EncryptOn:
		return "on"
	case EncryptNotSupported:
		return "not supported"
	case EncryptRequired:
		return "required"
	}
	return fmt.Sprintf("0x%02x", uint8(e))
}

// Version is the version of a side ([MS-TDS] 2.2.6.5, UL_VERSION and
// US_SUBBUILD). Of SQL Server it is the product's: 15.0.2000 is SQL Server 2019.
type Version struct {
	Major, Minor    uint8
	Build, SubBuild uint16
}

func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", v.Major, v.Minor, v.Build, v.SubBuild)
}

// Prelogin is the PRELOGIN message or its answer, as far as it is used here
// ([MS-TDS] 2.2.6.5).
type Prelogin struct {
	Version       Version
	Encryption    Encryption
	HasEncryption bool
}

// Marshal writes the message. A client's has the options that every server
// takes: the version must be the first.
func (p Prelogin) Marshal() []byte {
	version := []byte{p.Version.Major, p.Version.Minor}
	version = binary.BigEndian.AppendUint16(version, p.Version.Build)
	version = binary.BigEndian.AppendUint16(version, p.Version.SubBuild)
	options := []struct {
		token byte
		data  []byte
	}{{optionVersion, version}}
	if p.HasEncryption {
		options = append(options, struct {
			token byte
			data  []byte
		}{optionEncryption, []byte{byte(p.Encryption)}})
	}
	var table, data []byte
	start := optionLen*len(options) + 1
	for _, o := range options {
		table = append(table, o.token)
		table = binary.BigEndian.AppendUint16(table, uint16(start+len(data))) //nolint:gosec // a few bytes
		table = binary.BigEndian.AppendUint16(table, uint16(len(o.data)))     //nolint:gosec // a few bytes
		data = append(data, o.data...)
	}
	return append(append(table, optionEnd), data...)
}

// ParsePrelogin reads a PRELOGIN message or its answer. The version must be the
// first option. Options that are not known are passed over.
func ParsePrelogin(msg []byte) (Prelogin, error) {
	var p Prelogin
	for n := range maxOptions {
		at := n * optionLen
		if at >= len(msg) {
			return Prelogin{}, &Error{Field: "option", Offset: at, Reason: "the message ends before the last option"}
		}
		token := msg[at]
		if n == 0 && token != optionVersion {
			return Prelogin{}, &Error{Field: "option", Offset: at, Reason: fmt.Sprintf("0x%02x, want the version first", token)}
		}
		if token == optionEnd {
			return p, nil
		}
		data, err := optionData(msg, at)
		if err != nil {
			return Prelogin{}, err
		}
		if err := p.option(token, data, at); err != nil {
			return Prelogin{}, err
		}
	}
	return Prelogin{}, &Error{Field: "option", Offset: maxOptions * optionLen, Reason: fmt.Sprintf("more than %d options", maxOptions)}
}

// optionData finds the data of the option at an offset.
func optionData(msg []byte, at int) ([]byte, error) {
	if len(msg)-at < optionLen {
		return nil, &Error{Field: "option", Offset: at, Reason: "cut off"}
	}
	start, n := int(binary.BigEndian.Uint16(msg[at+1:])), int(binary.BigEndian.Uint16(msg[at+3:]))
	if start > len(msg) || n > len(msg)-start {
		return nil, &Error{Field: "option", Offset: at, Reason: fmt.Sprintf("%d bytes at %d do not fit in a message of %d", n, start, len(msg))}
	}
	return msg[start : start+n], nil
}

// option takes in one option.
func (p *Prelogin) option(token byte, data []byte, at int) error {
	switch token {
	case optionVersion:
		if len(data) != versionLen {
			return &Error{Field: "version", Offset: at, Reason: fmt.Sprintf("%d bytes, want %d", len(data), versionLen)}
		}
		p.Version = Version{Major: data[0], Minor: data[1], Build: binary.BigEndian.Uint16(data[2:]), SubBuild: binary.BigEndian.Uint16(data[4:])}
	case optionEncryption:
		if len(data) == 0 {
			return &Error{Field: "encryption", Offset: at, Reason: "empty"}
		}
		p.Encryption, p.HasEncryption = Encryption(data[0]), true
	}
	return nil
}
