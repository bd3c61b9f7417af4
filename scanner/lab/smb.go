package lab

import (
	"cmreach/probes/wire/ntlm"
	"cmreach/probes/wire/smb"
	"cmreach/probes/wire/spnego"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

// maxSMB is the longest message that the fake takes: what comes before
// authentication is far shorter.
const maxSMB = 64 << 10

// SMB is the file service of a Windows 11 client up to the point where
// somebody logs on: NEGOTIATE and SESSION_SETUP with the host's own names in
// the NTLM CHALLENGE ([MS-SMB2] 3.3.5.3, 3.3.5.5). Every log-on is refused.
func SMB() Service {
	return Service{Conn: func(_ context.Context, c net.Conn, h Host) {
		for {
			msg, err := readSMB(c)
			if err != nil {
				return
			}
			answer := answerSMB(msg, h)
			if answer == nil {
				return // a server ends the connection of a peer that breaks the protocol
			}
			if _, err := c.Write(smb.Frame(answer)); err != nil {
				return
			}
		}
	}}
}

func readSMB(r io.Reader) ([]byte, error) {
	var header [smb.FrameHeaderLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n, err := smb.FrameLength(header)
	if err != nil {
		return nil, err
	}
	if n > maxSMB {
		return nil, errors.New("message too long")
	}
	msg := make([]byte, n)
	_, err = io.ReadFull(r, msg)
	return msg, err
}

// answerSMB answers one message; nil when there is nothing to be said to it.
func answerSMB(msg []byte, h Host) []byte {
	if smb.Recognize(msg) == smb.KindSMB1 {
		return upgradeSMB1(msg, h)
	}
	head, err := smb.ParseHeader(msg)
	if err != nil || head.Response {
		return nil
	}
	switch head.Command {
	case smb.CommandNegotiate:
		return negotiateSMB(msg, h)
	case smb.CommandSessionSetup:
		return setupSMB(msg, h)
	default:
		return refuseSMB(head, smb.StatusUserSessionDeleted)
	}
}

// upgradeSMB1 answers an SMB1 request that offers SMB2 ([MS-SMB2] 3.3.5.3.1).
// SMB1 itself is not there, as on every current Windows.
func upgradeSMB1(msg []byte, h Host) []byte {
	r, err := smb.ParseNegotiateRequestV1(msg)
	switch {
	case err != nil:
		return nil
	case slices.Contains(r.Dialects, "SMB 2.???"):
		return chosenSMB(smb.Header{Credits: 1}, smb.DialectWildcard, h)
	case slices.Contains(r.Dialects, "SMB 2.002"):
		return chosenSMB(smb.Header{Credits: 1}, smb.Dialect202, h)
	default:
		return nil
	}
}

func negotiateSMB(msg []byte, h Host) []byte {
	r, err := smb.ParseNegotiateRequest(msg)
	if err != nil {
		return nil
	}
	for _, d := range slices.Backward(smb.Dialects()) {
		if slices.Contains(r.Dialects, d) {
			return chosenSMB(answerTo(r.Header), d, h)
		}
	}
	return refuseSMB(r.Header, smb.StatusNotSupported)
}

// chosenSMB names the dialect, the mechanisms and the machine.
func chosenSMB(head smb.Header, d smb.Dialect, h Host) []byte {
	id := sha256.Sum256([]byte(h.machine()))
	r := smb.NegotiateResponse{
		Header: head, Dialect: d,
		SecurityMode: smb.SigningEnabled | smb.SigningRequired,
		ServerGUID:   smb.GUID(id[:16]),
		Capabilities: smb.CapDFS | smb.CapLeasing | smb.CapLargeMTU,
		MaxTransact:  8 << 20, MaxRead: 8 << 20, MaxWrite: 8 << 20,
		SystemTime: time.Now(),
		Security:   spnego.Init{Mechs: []spnego.OID{spnego.OIDNegoEx, spnego.OIDMSKerberos, spnego.OIDKerberos, spnego.OIDNTLM}}.Marshal(),
	}
	if d == smb.Dialect311 {
		r.Contexts = []smb.Context{smb.PreauthContext(id[:]), smb.EncryptionContext(smb.CipherAES128GCM)}
	}
	return r.Marshal()
}

// setupSMB challenges whoever says NTLM NEGOTIATE, wrapped or not.
func setupSMB(msg []byte, h Host) []byte {
	r, err := smb.ParseSessionSetupRequest(msg)
	if err != nil {
		return nil
	}
	token, wrapped := r.Security, false
	if init, err := spnego.ParseInit(r.Security); err == nil {
		token, wrapped = init.Token, true
	}
	if _, err := ntlm.ParseNegotiate(token); err != nil {
		return refuseSMB(r.Header, smb.StatusLogonFailure)
	}
	security := challenge(h)
	if wrapped {
		security = spnego.Resp{State: spnego.AcceptIncomplete, Mech: spnego.OIDNTLM, Token: security}.Marshal()
	}
	head := answerTo(r.Header)
	head.Status = smb.StatusMoreProcessingRequired
	head.SessionID = 0x0000_1000_0000_0001
	return smb.SessionSetupResponse{Header: head, Security: security}.Marshal()
}

// challenge is the NTLM CHALLENGE of a member of a domain ([MS-NLMP] 3.2.5.1.1).
func challenge(h Host) []byte {
	nonce := sha256.Sum256([]byte(h.Addr.String() + time.Now().String()))
	return ntlm.Challenge{
		Flags: ntlm.DefaultFlags, Target: h.Domain, Challenge: [8]byte(nonce[:8]),
		Info: ntlm.TargetInfo{
			Computer: h.Computer, Domain: h.Domain, DNSComputer: h.DNSName,
			DNSDomain: h.DNSDomain, DNSTree: h.DNSDomain, Timestamp: time.Now(),
		},
		Version: ntlm.Version{Major: 10, Build: 26100, Revision: 15},
	}.Marshal()
}

// answerTo is the header of the answer to a request.
func answerTo(h smb.Header) smb.Header {
	return smb.Header{Command: h.Command, Credits: max(h.Credits, 1), MessageID: h.MessageID, SessionID: h.SessionID}
}

func refuseSMB(request smb.Header, s smb.Status) []byte {
	h := answerTo(request)
	h.Status = s
	return smb.ErrorResponse{Header: h}.Marshal()
}
