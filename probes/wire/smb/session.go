package smb

import "encoding/binary"

// SessionSetupRequest is the SMB2 SESSION_SETUP request ([MS-SMB2] 2.2.5).
type SessionSetupRequest struct {
	Header          Header
	Binding         bool // joins a session of another connection
	SecurityMode    SecurityMode
	Capabilities    Capabilities
	PreviousSession uint64
	Security        []byte // the client's token, see package spnego
}

const (
	sessionSetupRequestSize  = 25 // with one byte of the buffer
	sessionSetupRequestLen   = 24
	sessionSetupResponseSize = 9 // with one byte of the buffer
	sessionSetupResponseLen  = 8
)

// Marshal writes the message.
func (r SessionSetupRequest) Marshal() []byte {
	b := r.Header.marshal(CommandSessionSetup, false, sessionSetupRequestLen)
	body := b[headerLen:]
	binary.LittleEndian.PutUint16(body[0:], sessionSetupRequestSize)
	if r.Binding {
		body[2] = 1
	}
	body[3] = byte(r.SecurityMode & 0xff) // one byte here, two in NEGOTIATE
	binary.LittleEndian.PutUint32(body[4:], uint32(r.Capabilities))
	binary.LittleEndian.PutUint16(body[12:], headerLen+sessionSetupRequestLen)
	security := short(r.Security)
	binary.LittleEndian.PutUint16(body[14:], count(len(security)))
	binary.LittleEndian.PutUint64(body[16:], r.PreviousSession)
	return append(b, security...)
}

// ParseSessionSetupRequest reads the message.
func ParseSessionSetupRequest(msg []byte) (SessionSetupRequest, error) {
	h, err := expect(msg, CommandSessionSetup, false, sessionSetupRequestSize, sessionSetupRequestLen)
	r := SessionSetupRequest{Header: h}
	if err != nil {
		return r, err
	}
	body := msg[headerLen:]
	r.Binding = body[2]&1 != 0
	r.SecurityMode = SecurityMode(body[3])
	r.Capabilities = Capabilities(binary.LittleEndian.Uint32(body[4:]))
	r.PreviousSession = binary.LittleEndian.Uint64(body[16:])
	r.Security, err = buffer(msg, "security buffer", int(binary.LittleEndian.Uint16(body[12:])),
		int(binary.LittleEndian.Uint16(body[14:])), headerLen+sessionSetupRequestLen)
	return r, err
}

// SessionFlags say what kind of session was granted ([MS-SMB2] 2.2.6).
type SessionFlags uint16

// The bits of SessionFlags.
const (
	SessionGuest   SessionFlags = 1
	SessionNull    SessionFlags = 2
	SessionEncrypt SessionFlags = 4
)

// SessionSetupResponse is the SMB2 SESSION_SETUP response ([MS-SMB2] 2.2.6).
// For a challenge, Header.Status is StatusMoreProcessingRequired.
type SessionSetupResponse struct {
	Header   Header
	Flags    SessionFlags
	Security []byte // the server's token, see package spnego
}

// Marshal writes the message.
func (r SessionSetupResponse) Marshal() []byte {
	b := r.Header.marshal(CommandSessionSetup, true, sessionSetupResponseLen)
	body := b[headerLen:]
	binary.LittleEndian.PutUint16(body[0:], sessionSetupResponseSize)
	binary.LittleEndian.PutUint16(body[2:], uint16(r.Flags))
	binary.LittleEndian.PutUint16(body[4:], headerLen+sessionSetupResponseLen)
	security := short(r.Security)
	binary.LittleEndian.PutUint16(body[6:], count(len(security)))
	return append(b, security...)
}

// ParseSessionSetupResponse reads the message. When the server refused, the
// error is its [Status].
func ParseSessionSetupResponse(msg []byte) (SessionSetupResponse, error) {
	h, err := expect(msg, CommandSessionSetup, true, sessionSetupResponseSize, sessionSetupResponseLen)
	r := SessionSetupResponse{Header: h}
	if err != nil {
		return r, err
	}
	body := msg[headerLen:]
	r.Flags = SessionFlags(binary.LittleEndian.Uint16(body[2:]))
	r.Security, err = buffer(msg, "security buffer", int(binary.LittleEndian.Uint16(body[4:])),
		int(binary.LittleEndian.Uint16(body[6:])), headerLen+sessionSetupResponseLen)
	return r, err
}
