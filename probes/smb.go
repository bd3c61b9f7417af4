package probes

import (
	"cmreach/probes/wire/ntlm"
	"cmreach/probes/wire/smb"
	"cmreach/probes/wire/spnego"
	"cmreach/scanner"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SMB returns the probe for file sharing on TCP 445.
func SMB() scanner.Probe {
	return scanner.Probe{
		Name: "smb",
		Doc: `SMB2 NEGOTIATE, and the server's NTLM CHALLENGE

Sends: NEGOTIATE with the dialects 2.0.2 to 3.1.1; then SESSION_SETUP with NTLM
NEGOTIATE, which asks the server who it is. When SMB2 is refused, on a second
connection NEGOTIATE of SMB1. It never sends AUTHENTICATE: nobody is logged on,
and no account is locked out.
Proves: that an SMB server answers; its dialect and signing; by the CHALLENGE,
that it takes Windows log-ons, and which computer it says it is.
Cannot prove: that the ADMIN$ share is there and may be used. That needs
credentials.
Needs: TCP to the port, no rights.`,
		Protocol: scanner.TCP,
		Talk:     talkSMB,
	}
}

// talkSMB holds the conversation in SMB2, and in SMB1 when the peer would not.
func talkSMB(ctx context.Context, c scanner.Call) scanner.Result {
	result, old := talkSMB2(ctx, c)
	if !old || ctx.Err() != nil {
		return result
	}
	legacy := talkSMB1(ctx, c)
	if legacy.Outcome == scanner.Spoke {
		return legacy
	}
	result.Detail("SMB1 on a second connection", legacy.Outcome.String())
	return result
}

// talkSMB2 also reports whether the peer may be one that knows only SMB1: it
// ends the connection when it is asked in SMB2 ([MS-SMB2] 3.2.4.2.2 leaves it
// no way to answer), or answers in SMB1.
func talkSMB2(ctx context.Context, c scanner.Call) (result scanner.Result, old bool) {
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}, false
	}
	s := openSMB(ctx, conn)
	defer s.close()
	msg, err := s.ask(negotiateSMB2().Marshal())
	if err != nil {
		result = failedSMB(err)
		return result, result.Outcome == scanner.Cut
	}
	if smb.Recognize(msg) == smb.KindSMB1 {
		return garbledSMB("answered an SMB2 request in SMB1"), true
	}
	response, result := readNegotiate(msg)
	if result.Outcome != scanner.Spoke || response.Header.Status != smb.StatusSuccess || c.Depth < scanner.AssuranceRole {
		return result, false
	}
	challenge, err := s.challenge(response)
	if err != nil {
		result.Detail("identity", "not available: "+printable(err.Error(), 200))
		return result, false
	}
	result.Proof = scanner.AssuranceRole
	identifyNTLM(&result.Identity, challenge)
	return result, false
}

// negotiateSMB2 is the first message of an ordinary client ([MS-SMB2] 3.2.4.2.2.2).
func negotiateSMB2() smb.NegotiateRequest {
	r := smb.NegotiateRequest{
		Header:       smb.Header{Credits: 1},
		SecurityMode: smb.SigningEnabled,
		Capabilities: smb.CapDFS | smb.CapLeasing | smb.CapLargeMTU | smb.CapEncryption,
		Dialects:     smb.Dialects(),
	}
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // never fails
	_, _ = rand.Read(r.ClientGUID[:])
	r.Contexts = []smb.Context{
		smb.PreauthContext(salt),
		smb.EncryptionContext(smb.CipherAES128GCM, smb.CipherAES128CCM, smb.CipherAES256GCM, smb.CipherAES256CCM),
	}
	return r
}

// readNegotiate judges the answer to negotiateSMB2. An error status is an
// answer too: only an SMB server gives one.
func readNegotiate(msg []byte) (smb.NegotiateResponse, scanner.Result) {
	response, err := smb.ParseNegotiateResponse(msg)
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	var status smb.Status
	switch {
	case errors.As(err, &status):
		result.Detail("negotiate", status.String())
		return response, result
	case response.Header.Command == smb.CommandNegotiate && response.Header.MessageID == 0 &&
		!response.Header.Response && smb.Recognize(msg) == smb.KindSMB2:
		looks := "an echo of the request"
		return response, scanner.Result{
			Outcome: scanner.Foreign, Err: "no SMB: " + looks,
			Details: []scanner.Detail{{Key: "answer", Value: looks}},
		}
	case err != nil:
		return response, garbledSMB(err.Error())
	case response.Dialect != smb.DialectWildcard && !slices.Contains(smb.Dialects(), response.Dialect):
		return response, garbledSMB(fmt.Sprintf("chose dialect %s, which was not offered", response.Dialect))
	}
	describeNegotiate(&result, response)
	return response, result
}

// describeNegotiate notes what the server said of itself.
func describeNegotiate(result *scanner.Result, r smb.NegotiateResponse) {
	result.Detail("dialect", r.Dialect.String())
	result.Detail("signing", signing(r.SecurityMode&smb.SigningEnabled != 0, r.SecurityMode&smb.SigningRequired != 0))
	if init, err := spnego.ParseInit(r.Security); err == nil && len(init.Mechs) > 0 {
		result.Detail("mechanisms", mechanisms(init))
	}
	if !r.ServerGUID.IsZero() {
		result.Identity.ServerID = r.ServerGUID.String()
	}
	describeTimes(result, r.SystemTime, r.StartTime)
}

func describeTimes(result *scanner.Result, now, start time.Time) {
	if !now.IsZero() {
		result.Identity.Clock = now
		result.Detail("server time", now.Format(time.RFC3339))
	}
	if !start.IsZero() {
		result.Detail("started", start.Format(time.RFC3339))
	}
}

func signing(enabled, required bool) string {
	switch {
	case required:
		return "required"
	case enabled:
		return "enabled"
	}
	return "not offered"
}

// mechanisms lists at most eight: nobody has more, and they come from the peer.
func mechanisms(init spnego.Init) string {
	const most = 8
	var names []string
	for _, m := range init.Mechs[:min(len(init.Mechs), most)] {
		names = append(names, printable(m.String(), prefixLen))
	}
	return strings.Join(names, ", ")
}

// challenge asks the server who it is and does not go on to log on ([MS-SMB2]
// 3.2.4.2.3, [MS-NLMP] 3.1.5.1).
func (s *smbStream) challenge(r smb.NegotiateResponse) (ntlm.Challenge, error) {
	if r.Dialect == smb.DialectWildcard {
		return ntlm.Challenge{}, errors.New("the server named no dialect")
	}
	if init, err := spnego.ParseInit(r.Security); err == nil && len(init.Mechs) > 0 && !init.Offers(spnego.OIDNTLM) {
		return ntlm.Challenge{}, errors.New("the server does not offer NTLM")
	}
	request := smb.SessionSetupRequest{
		Header:       smb.Header{Credits: 1, MessageID: 1},
		SecurityMode: smb.SigningEnabled,
		Security:     beginNTLM(true),
	}
	if r.Dialect != smb.Dialect202 {
		request.Header.CreditCharge = 1 // [MS-SMB2] 3.2.4.1.5
	}
	msg, err := s.ask(request.Marshal())
	// A server that is busy says so first ([MS-SMB2] 3.3.4.2).
	for range 4 {
		if h, bad := smb.ParseHeader(msg); err != nil || bad != nil || h.Status != smb.StatusPending {
			break
		}
		msg, err = s.message()
	}
	if err != nil {
		return ntlm.Challenge{}, err
	}
	return readChallenge(msg)
}

func readChallenge(msg []byte) (ntlm.Challenge, error) {
	response, err := smb.ParseSessionSetupResponse(msg)
	if err != nil {
		return ntlm.Challenge{}, err
	}
	if response.Header.Status != smb.StatusMoreProcessingRequired {
		return ntlm.Challenge{}, fmt.Errorf("%w in place of a challenge", response.Header.Status)
	}
	return readNTLM(response.Security)
}

// peerName makes a name from the network fit for a report. No name is longer
// (RFC 1035 2.3.4).
func peerName(s string) string { return printable(s, 255) }

// talkSMB1 asks in SMB1, offering SMB2 beside it ([MS-SMB2] 3.2.4.2.2.1).
func talkSMB1(ctx context.Context, c scanner.Call) scanner.Result {
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}
	}
	s := openSMB(ctx, conn)
	defer s.close()
	msg, err := s.ask(smb.NegotiateRequestV1{Dialects: smb.DialectsV1()}.Marshal())
	if err != nil {
		return failedSMB(err)
	}
	if smb.Recognize(msg) == smb.KindSMB2 {
		_, result := readNegotiate(msg)
		result.Detail("negotiate", "answered the multi-protocol request only")
		return result
	}
	return readNegotiateV1(msg)
}

// readNegotiateV1 judges an answer in SMB1.
func readNegotiateV1(msg []byte) scanner.Result {
	response, err := smb.ParseNegotiateResponseV1(msg)
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	result.Detail("SMB version", "SMB1 only, the host does not speak SMB2")
	var status smb.Status
	switch {
	case errors.As(err, &status):
		result.Detail("negotiate", status.String())
		return result
	case err != nil:
		return garbledSMB(err.Error())
	case response.None():
		result.Detail("negotiate", "none of the offered dialects")
		return result
	case response.DialectIndex != 0:
		return garbledSMB(fmt.Sprintf("chose dialect %d of the request in SMB1, want 0", response.DialectIndex))
	}
	result.Detail("dialect", "SMB1 "+smb.DialectsV1()[0])
	result.Detail("signing", signing(response.SecurityMode&smb.SigningEnabledV1 != 0, response.SecurityMode&smb.SigningRequiredV1 != 0))
	if result.Identity.Computer = peerName(response.Server); result.Identity.Computer != "" {
		result.Proof = scanner.AssuranceRole // it says which computer it is, as in an NTLM challenge
	}
	result.Identity.Domain = peerName(response.Domain)
	if !response.ServerGUID.IsZero() {
		result.Identity.ServerID = response.ServerGUID.String()
	}
	describeTimes(&result, response.SystemTime, time.Time{})
	return result
}

// failedSMB is the result of a conversation that came to no answer.
func failedSMB(err error) scanner.Result {
	var e *smbError
	if !errors.As(err, &e) {
		return garbledSMB(err.Error())
	}
	result := scanner.Result{Outcome: e.outcome, Err: e.text}
	if e.looks != "" {
		result.Detail("answer", e.looks)
	}
	return result
}

func garbledSMB(text string) scanner.Result {
	return scanner.Result{Outcome: scanner.Garbled, Err: printable(text, 200)}
}
