package smb

import (
	"encoding/binary"
	"fmt"
)

// ContextType is the type of a negotiate context ([MS-SMB2] 2.2.3.1).
type ContextType uint16

// The negotiate contexts that clients and servers send most.
const (
	ContextPreauthIntegrity ContextType = 1
	ContextEncryption       ContextType = 2
	ContextCompression      ContextType = 3
	ContextNetname          ContextType = 5
	ContextTransport        ContextType = 6
	ContextSigning          ContextType = 8
)

// Context is a negotiate context of dialect 3.1.1 ([MS-SMB2] 2.2.3.1, 2.2.4.1).
type Context struct {
	Type ContextType
	Data []byte
}

// Ciphers of an encryption context ([MS-SMB2] 2.2.3.1.2).
const (
	CipherAES128CCM uint16 = 1
	CipherAES128GCM uint16 = 2
	CipherAES256CCM uint16 = 3
	CipherAES256GCM uint16 = 4
)

// PreauthContext is the context that dialect 3.1.1 cannot do without: SHA-512
// is the only hash there is, the salt is random ([MS-SMB2] 2.2.3.1.1).
func PreauthContext(salt []byte) Context {
	const sha512 = 1
	salt = short(salt)
	data := binary.LittleEndian.AppendUint16(nil, 1)
	data = binary.LittleEndian.AppendUint16(data, count(len(salt)))
	data = binary.LittleEndian.AppendUint16(data, sha512)
	return Context{Type: ContextPreauthIntegrity, Data: append(data, salt...)}
}

// EncryptionContext offers ciphers, or in a response names the chosen one
// ([MS-SMB2] 2.2.3.1.2, 2.2.4.1.2).
func EncryptionContext(ciphers ...uint16) Context {
	data := binary.LittleEndian.AppendUint16(nil, count(len(ciphers)))
	for _, c := range ciphers {
		data = binary.LittleEndian.AppendUint16(data, c)
	}
	return Context{Type: ContextEncryption, Data: data}
}

const contextHeaderLen = 8

// appendContexts writes contexts behind a message, each at a multiple of 8
// bytes, and returns the offset of the first.
func appendContexts(b []byte, contexts []Context) ([]byte, uint32) {
	b = pad8(b)
	offset := uint32(len(b)) //nolint:gosec // behind a few short fields
	for i, c := range contexts {
		if i > 0 {
			b = pad8(b)
		}
		data := short(c.Data)
		b = binary.LittleEndian.AppendUint16(b, uint16(c.Type))
		b = binary.LittleEndian.AppendUint16(b, count(len(data)))
		b = append(b, 0, 0, 0, 0)
		b = append(b, data...)
	}
	return b, offset
}

// parseContexts reads n contexts from the offset.
func parseContexts(msg []byte, offset uint32, n, fixed int) ([]Context, error) {
	if n == 0 {
		return nil, nil
	}
	if uint64(offset) > uint64(len(msg)) || int(offset) < fixed {
		return nil, &Error{Field: "negotiate context offset", Offset: int(offset), Reason: fmt.Sprintf("not between %d and %d", fixed, len(msg))}
	}
	var contexts []Context
	at := int(offset)
	for i := range n {
		if i > 0 {
			at = (at + 7) &^ 7
		}
		if err := need(msg, "negotiate context", at, contextHeaderLen); err != nil {
			return contexts, err
		}
		length := int(binary.LittleEndian.Uint16(msg[at+2:]))
		start := at + contextHeaderLen
		if err := need(msg, "negotiate context data", start, length); err != nil {
			return contexts, err
		}
		contexts = append(contexts, Context{
			Type: ContextType(binary.LittleEndian.Uint16(msg[at:])),
			Data: msg[start : start+length : start+length],
		})
		at = start + length
	}
	return contexts, nil
}

func pad8(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}
