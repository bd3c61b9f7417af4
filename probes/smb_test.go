package probes

import (
	"cmreach/probes/probetest"
	"cmreach/probes/wire/ntlm"
	"cmreach/probes/wire/smb"
	"cmreach/probes/wire/spnego"
	"cmreach/scanner"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// smbPeer is a scripted server: it answers each message with the next answers,
// which it makes from the request, and then waits until the probe closes.
type smbPeer []func(request []byte) []byte

func (p smbPeer) serve(conn net.Conn) {
	for _, answer := range p {
		request, err := readSMBFrame(conn)
		if err != nil {
			return
		}
		b := answer(request)
		if b == nil {
			return
		}
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, conn)
}

func readSMBFrame(conn net.Conn) ([]byte, error) {
	var header [smb.FrameHeaderLen]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return nil, err
	}
	n, err := smb.FrameLength(header)
	if err != nil {
		return nil, err
	}
	msg := make([]byte, n)
	_, err = io.ReadFull(conn, msg)
	return msg, err
}

// always gives the same framed answer.
func always(msg []byte) func([]byte) []byte {
	return func([]byte) []byte { return smb.Frame(msg) }
}

func hangUp([]byte) []byte { return nil }

var (
	smbClock  = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)
	ntlmClock = smbClock.Add(time.Second)
	guid      = smb.GUID{0: 0x78, 1: 0x56, 2: 0x34, 3: 0x12, 15: 1}
)

func windowsNegotiate() smb.NegotiateResponse {
	return smb.NegotiateResponse{
		SecurityMode: smb.SigningEnabled | smb.SigningRequired,
		Dialect:      smb.Dialect311,
		ServerGUID:   guid,
		SystemTime:   smbClock,
		Security:     spnego.Init{Mechs: []spnego.OID{spnego.OIDNegoEx, spnego.OIDMSKerberos, spnego.OIDKerberos, spnego.OIDNTLM}}.Marshal(),
		Contexts:     []smb.Context{smb.PreauthContext(make([]byte, 32))},
	}
}

func windowsChallenge() ntlm.Challenge {
	return ntlm.Challenge{
		Flags: ntlm.DefaultFlags | ntlm.FlagTargetDomain, Target: "CONTOSO",
		Info: ntlm.TargetInfo{
			Computer: "PC42", Domain: "CONTOSO", DNSComputer: "pc42.contoso.example", DNSDomain: "contoso.example",
			DNSTree: "contoso.example", Timestamp: ntlmClock,
		},
		Version: ntlm.Version{Major: 10, Build: 26100, Revision: 15},
	}
}

func setupResponse(token []byte) []byte {
	return smb.SessionSetupResponse{
		Header:   smb.Header{Status: smb.StatusMoreProcessingRequired, MessageID: 1, SessionID: 7},
		Security: token,
	}.Marshal()
}

func challengeResponse(c ntlm.Challenge) []byte {
	return setupResponse(spnego.Resp{State: spnego.AcceptIncomplete, Mech: spnego.OIDNTLM, Token: c.Marshal()}.Marshal())
}

func setupError(status smb.Status) []byte {
	return smb.ErrorResponse{Header: smb.Header{Command: smb.CommandSessionSetup, Status: status, MessageID: 1}}.Marshal()
}

// oldPeer closes on SMB2 and answers SMB1.
func oldPeer(r smb.NegotiateResponseV1) smbPeer {
	return smbPeer{func(request []byte) []byte {
		if smb.Recognize(request) != smb.KindSMB1 {
			return nil
		}
		return smb.Frame(r.Marshal())
	}}
}

func details(list ...string) []scanner.Detail {
	var d []scanner.Detail
	for i := 0; i < len(list); i += 2 {
		d = append(d, scanner.Detail{Key: list[i], Value: list[i+1]})
	}
	return d
}

// negotiated are the details of windowsNegotiate, and what comes after them.
func negotiated(more ...string) []scanner.Detail {
	return details(append([]string{
		"dialect", "3.1.1", "signing", "required",
		"mechanisms", "NegoEx, Kerberos (Microsoft), Kerberos, NTLM", "server time", "2026-11-21T08:30:00Z",
	}, more...)...)
}

const guidText = "12345678-0000-0000-0000-000000000001"

var (
	onlyServer = scanner.Identity{ServerID: guidText, Clock: smbClock}
	windowsPC  = scanner.Identity{
		Computer: "PC42", Domain: "CONTOSO", DNSName: "pc42.contoso.example", DNSDomain: "contoso.example",
		OS: "10.0.26100", ServerID: guidText, Clock: ntlmClock,
	}
)

type smbCase struct {
	name  string
	peer  smbPeer
	depth scanner.Assurance // none: identity
	want  scanner.Result
}

// spokeWith is a result without a full identity.
func spokeWith(id scanner.Identity, d []scanner.Detail) scanner.Result {
	return scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Identity: id, Details: d}
}

// refusedIdentity is windowsNegotiate and then no challenge, for a reason.
func refusedIdentity(why string) scanner.Result {
	return spokeWith(onlyServer, negotiated("identity", "not available: "+why))
}

func smb2Cases() []smbCase {
	negotiate := always(windowsNegotiate().Marshal())
	full := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: windowsPC, Details: negotiated()}
	hostile := windowsChallenge()
	hostile.Info.Computer = "PC\x1b[2J\u202e" + strings.Repeat("x", 400)
	hostileID := windowsPC
	hostileID.Computer = "PC.[2J." + strings.Repeat("x", 248)
	return []smbCase{
		{name: "Windows", peer: smbPeer{negotiate, always(challengeResponse(windowsChallenge()))}, want: full},
		{
			name: "raw NTLM without SPNEGO",
			peer: smbPeer{negotiate, always(setupResponse(windowsChallenge().Marshal()))}, want: full,
		},
		{
			name: "pending first",
			peer: smbPeer{negotiate, func([]byte) []byte {
				pending := setupError(smb.StatusPending)
				return append(smb.Frame(pending), smb.Frame(challengeResponse(windowsChallenge()))...)
			}},
			want: full,
		},
		{
			name: "names that would write on the terminal",
			peer: smbPeer{negotiate, always(challengeResponse(hostile))},
			want: scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: hostileID, Details: negotiated()},
		},
		{name: "depth protocol", peer: smbPeer{negotiate, hangUp}, depth: scanner.AssuranceProtocol, want: spokeWith(onlyServer, negotiated())},
		{
			name: "NTLM blocked", peer: smbPeer{negotiate, always(setupError(smb.StatusNTLMBlocked))},
			want: refusedIdentity("STATUS_NTLM_BLOCKED"),
		},
		{
			name: "unknown status", peer: smbPeer{negotiate, always(setupError(0xc0ffee00))},
			want: refusedIdentity("NTSTATUS 0xc0ffee00"),
		},
		{
			name: "logged on without a challenge",
			peer: smbPeer{negotiate, always(smb.SessionSetupResponse{Header: smb.Header{MessageID: 1}}.Marshal())},
			want: refusedIdentity("STATUS_SUCCESS in place of a challenge"),
		},
		{name: "closed at the session setup", peer: smbPeer{negotiate, hangUp}, want: refusedIdentity("closed by the peer after 0 bytes of an answer")},
	}
}

// smb2Refusals are servers that speak SMB2 and give no challenge.
func smb2Refusals() []smbCase {
	negotiate := always(windowsNegotiate().Marshal())
	kerberosOnly := windowsNegotiate()
	kerberosOnly.Security = spnego.Init{Mechs: []spnego.OID{spnego.OIDKerberos}}.Marshal()
	return []smbCase{
		{
			name: "Kerberos only", peer: smbPeer{always(kerberosOnly.Marshal()), hangUp},
			want: spokeWith(onlyServer, details("dialect", "3.1.1", "signing", "required", "mechanisms", "Kerberos",
				"server time", "2026-11-21T08:30:00Z", "identity", "not available: the server does not offer NTLM")),
		},
		{
			name: "another mechanism is wanted",
			peer: smbPeer{negotiate, always(setupResponse(spnego.Resp{State: spnego.AcceptIncomplete, Mech: spnego.OIDKerberos}.Marshal()))},
			want: refusedIdentity("the server wants Kerberos"),
		},
		{
			name: "broken challenge", peer: smbPeer{negotiate, always(setupResponse([]byte("NTLMSSP\x00\x02")))},
			want: refusedIdentity("ntlm: message at byte 9: ends early, want 32 bytes"),
		},
		{
			name: "no dialect in common",
			peer: smbPeer{always(smb.ErrorResponse{Header: smb.Header{Status: smb.StatusNotSupported}}.Marshal())},
			want: spokeWith(scanner.Identity{}, details("negotiate", "STATUS_NOT_SUPPORTED")),
		},
	}
}

func oddCases() []smbCase {
	unoffered := windowsNegotiate()
	unoffered.Dialect = 0x0666
	wildcard := smb.NegotiateResponse{Dialect: smb.DialectWildcard, SecurityMode: smb.SigningEnabled}
	return []smbCase{
		{
			name: "dialect that was not offered", peer: smbPeer{always(unoffered.Marshal())},
			want: scanner.Result{Outcome: scanner.Garbled, Err: "chose dialect 0x0666, which was not offered"},
		},
		{
			name: "echo server", peer: smbPeer{smb.Frame},
			want: scanner.Result{Outcome: scanner.Foreign, Err: "no SMB: an echo of the request", Details: details("answer", "an echo of the request")},
		},
		{
			name: "encrypted answer", peer: smbPeer{always(append([]byte("\xfdSMB"), make([]byte, 60)...))},
			want: scanner.Result{Outcome: scanner.Garbled, Err: "smb: protocol id at byte 0: not SMB2"},
		},
		{
			name: "SMB1 only", peer: oldPeer(smb.NegotiateResponseV1{SecurityMode: smb.SigningEnabledV1, SystemTime: smbClock, Domain: "WORKGROUP", Server: "OLDPC"}),
			want: scanner.Result{
				Outcome: scanner.Spoke, Proof: scanner.AssuranceRole,
				Identity: scanner.Identity{Computer: "OLDPC", Domain: "WORKGROUP", Clock: smbClock},
				Details:  details("SMB version", "SMB1 only, the host does not speak SMB2", "dialect", "SMB1 NT LM 0.12", "signing", "enabled", "server time", "2026-11-21T08:30:00Z"),
			},
		},
		{
			name: "SMB1 older than NT LM 0.12", peer: oldPeer(smb.NegotiateResponseV1{DialectIndex: 0xffff}),
			want: spokeWith(scanner.Identity{}, details("SMB version", "SMB1 only, the host does not speak SMB2", "negotiate", "none of the offered dialects")),
		},
		{
			name: "SMB1 answers SMB2 requests too", peer: smbPeer{always(smb.NegotiateResponseV1{}.Marshal())},
			want: spokeWith(scanner.Identity{}, details("SMB version", "SMB1 only, the host does not speak SMB2", "dialect", "SMB1 NT LM 0.12", "signing", "not offered")),
		},
		{
			name: "SMB1 chooses an SMB2 dialect", peer: oldPeer(smb.NegotiateResponseV1{DialectIndex: 2}),
			want: scanner.Result{
				Outcome: scanner.Cut, Err: "closed by the peer after 0 bytes of an answer",
				Details: details("SMB1 on a second connection", "garbled"),
			},
		},
		{
			name: "only the multi-protocol request passes",
			peer: smbPeer{func(request []byte) []byte {
				if smb.Recognize(request) != smb.KindSMB1 {
					return nil
				}
				return smb.Frame(wildcard.Marshal())
			}},
			want: spokeWith(scanner.Identity{}, details("dialect", "2.???", "signing", "enabled", "negotiate", "answered the multi-protocol request only")),
		},
	}
}

func TestSMB(t *testing.T) {
	for _, c := range slices.Concat(smb2Cases(), smb2Refusals(), oddCases()) {
		t.Run(c.name, func(t *testing.T) {
			call := probetest.Serve(t, c.peer.serve)
			if c.depth != scanner.AssuranceNone {
				call.Depth = c.depth
			}
			got := SMB().Talk(t.Context(), call)
			if diff := cmp.Diff(c.want, got, compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// compareAddrs lets cmp look at addresses, which have unexported fields.
var compareAddrs = cmp.Comparer(func(a, b scanner.Reply) bool { return a.Outcome == b.Outcome && a.Err == b.Err })

// TestSMBTranscripts holds the conversation with what real servers answered.
func TestSMBTranscripts(t *testing.T) {
	const smb1Only = "samba-smb1-only.hex"
	cases := []struct {
		file  string
		proof scanner.Assurance
		id    scanner.Identity
		want  string // the first two details
	}{
		{"samba-client.hex", scanner.AssuranceRole, scanner.Identity{
			Computer: "PC0001", Domain: "PC0001", DNSName: "vm", OS: "6.1.0", ServerID: "30306370-3130-0000-0000-000000000000",
			Clock: time.Date(2026, 11, 21, 2, 17, 35, 73629000, time.UTC),
		}, "dialect 3.1.1, signing enabled"},
		{"samba-dc.hex", scanner.AssuranceRole, scanner.Identity{
			Computer: "DC1", Domain: "LAB", DNSName: "dc1.lab.test", DNSDomain: "lab.test", OS: "6.1.0",
			ServerID: "00316364-0000-0000-0000-000000000000", Clock: time.Date(2026, 11, 21, 2, 17, 31, 285770000, time.UTC),
		}, "dialect 3.1.1, signing required"},
		{smb1Only, scanner.AssuranceRole, scanner.Identity{
			Computer: "TRYPC", Domain: "WG", Clock: time.Date(2026, 11, 21, 3, 35, 10, 950120700, time.UTC),
		}, "SMB version SMB1 only, the host does not speak SMB2, dialect SMB1 NT LM 0.12"},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			var peer smbPeer
			for _, m := range probetest.Transcript(t, "../testdata/wire/smb/"+c.file) {
				if !m.FromClient {
					peer = append(peer, func(request []byte) []byte {
						if c.file == smb1Only && smb.Recognize(request) != smb.KindSMB1 {
							return nil // so does Samba
						}
						return m.Bytes
					})
				}
			}
			got := SMB().Talk(t.Context(), probetest.Serve(t, peer.serve))
			if got.Outcome != scanner.Spoke || got.Proof != c.proof || len(got.Details) < 2 {
				t.Fatalf("result %+v", got)
			}
			if diff := cmp.Diff(c.id, got.Identity); diff != "" {
				t.Errorf("identity -want +got:\n%s", diff)
			}
			first := got.Details[0].Key + " " + got.Details[0].Value + ", " + got.Details[1].Key + " " + got.Details[1].Value
			if first != c.want {
				t.Errorf("details begin %q, want %q", first, c.want)
			}
		})
	}
}

func TestSMBAnswerInPieces(t *testing.T) {
	call := probetest.Serve(t, func(conn net.Conn) {
		for _, answer := range [][]byte{windowsNegotiate().Marshal(), challengeResponse(windowsChallenge())} {
			if _, err := readSMBFrame(conn); err != nil {
				return
			}
			probetest.Split(conn, smb.Frame(answer))
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	if got := SMB().Talk(t.Context(), call); got.Outcome != scanner.Spoke || got.Identity.Computer != "PC42" {
		t.Errorf("result %+v, want PC42", got)
	}
}
