package probes

import (
	"cmreach/probes/probetest"
	"cmreach/probes/wire/smb"
	"cmreach/scanner"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSMBNeverLogsOn looks at everything that the probe sends.
func TestSMBNeverLogsOn(t *testing.T) {
	const authenticate = "NTLMSSP\x00\x03"
	sent := make(chan []byte, 1)
	call := probetest.Serve(t, func(conn net.Conn) {
		negotiate, _ := readSMBFrame(conn)
		_, _ = conn.Write(smb.Frame(windowsNegotiate().Marshal()))
		setup, _ := readSMBFrame(conn)
		_, _ = conn.Write(smb.Frame(challengeResponse(windowsChallenge())))
		rest, err := io.ReadAll(conn)
		if err != nil || len(rest) > 0 {
			t.Errorf("after the challenge the probe sent % x (%v), want it to close", rest, err)
		}
		sent <- append(negotiate, setup...)
	})
	if got := SMB().Talk(t.Context(), call); got.Outcome != scanner.Spoke {
		t.Errorf("result %+v", got)
	}
	all := string(<-sent)
	if strings.Contains(all, authenticate) || !strings.Contains(all, "NTLMSSP\x00\x01") {
		t.Errorf("sent % x", all)
	}
}

// TestSMBRequests holds what the probe sends to be what servers accept.
func TestSMBRequests(t *testing.T) {
	r, err := smb.ParseNegotiateRequest(negotiateSMB2().Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(smb.Dialects(), r.Dialects); diff != "" || len(r.Contexts) != 2 || r.Contexts[0].Type != smb.ContextPreauthIntegrity {
		t.Errorf("request %+v", r)
	}
	if again := negotiateSMB2(); again.ClientGUID == r.ClientGUID || r.ClientGUID.IsZero() {
		t.Errorf("client GUID %s twice", again.ClientGUID)
	}
}

func TestSMBForeign(t *testing.T) {
	for name, c := range map[string]struct{ sent, looks string }{
		"SSH":                {"SSH-2.0-OpenSSH_9.9\r\n", "SSH-2.0-OpenSSH_9.9"},
		"banner of 80 bytes": {strings.Repeat("=", 200), strings.Repeat("=", 80)},
		"escapes":            {"220 \x1b[2Jhi\x07\u202e\xff\r\n", "220 .[2Jhi..."},
		"TLS alert":          {"\x15\x03\x01\x00\x02\x02\x28", "bytes 15 03 01 00 02 02 28"},
		"framed noise":       {"\x00\x00\x00\x08whatever", "bytes 00 00 00 08 77 68 61 74 65 76 65 72"},
		"empty frames":       {"\x00\x00\x00\x00", "bytes 00 00 00 00"},
	} {
		t.Run(name, func(t *testing.T) {
			got := SMB().Talk(t.Context(), probetest.Serve(t, probetest.SayAndClose([]byte(c.sent))))
			want := scanner.Result{Outcome: scanner.Foreign, Err: "no SMB: the answer begins " + c.looks, Details: details("answer", c.looks)}
			if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestSMBSecondConnection looks at when SMB1 is tried at all.
func TestSMBSecondConnection(t *testing.T) {
	for name, c := range map[string]struct {
		peer func(net.Conn)
		want int32
	}{
		"reset":   {probetest.Reset, 2},
		"closed":  {func(net.Conn) {}, 2},
		"foreign": {probetest.SayAndClose([]byte("SSH-2.0-x\r\n")), 1},
		"Windows": {smbPeer{always(windowsNegotiate().Marshal()), hangUp}.serve, 1},
	} {
		t.Run(name, func(t *testing.T) {
			call := probetest.Serve(t, c.peer)
			var dials atomic.Int32
			dial := call.Dial
			call.Dial = func(ctx context.Context) (net.Conn, scanner.Reply) {
				dials.Add(1)
				return dial(ctx)
			}
			if SMB().Talk(t.Context(), call); dials.Load() != c.want {
				t.Errorf("%d connections, want %d", dials.Load(), c.want)
			}
		})
	}
}

// TestSMBHostileAfterNegotiate has peers that turn hostile when SMB is proven:
// that stays proven, and the identity is not there.
func TestSMBHostileAfterNegotiate(t *testing.T) {
	pending := smb.Frame(setupError(smb.StatusPending))
	long := smb.Frame(append(setupError(smb.StatusPending), make([]byte, 60<<10)...))
	for name, c := range map[string]struct {
		turn func(conn net.Conn, cancel func())
		why  string
	}{
		"mute":                  {func(_ net.Conn, cancel func()) { cancel() }, "not available: mute"},
		"reset":                 {func(conn net.Conn, _ func()) { probetest.Reset(conn) }, "after 0 bytes of an answer"},
		"text":                  {func(conn net.Conn, _ func()) { _, _ = conn.Write([]byte("go away\r\n")) }, "no SMB: the answer begins go away"},
		"oversized":             {func(conn net.Conn, _ func()) { _, _ = conn.Write([]byte("\x00\xff\xff\xff\xfeSMB")) }, "announced a message of 16777215 bytes"},
		"pending for ever":      {func(conn net.Conn, _ func()) { forever(conn, pending) }, "STATUS_PENDING"},
		"long and for ever":     {func(conn net.Conn, _ func()) { forever(conn, long) }, "sent more than 131072 bytes"},
		"the same answer again": {func(conn net.Conn, _ func()) { _, _ = conn.Write(smb.Frame(windowsNegotiate().Marshal())) }, "command at byte 12"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			call := probetest.Serve(t, func(conn net.Conn) {
				if _, err := readSMBFrame(conn); err != nil {
					return
				}
				_, _ = conn.Write(smb.Frame(windowsNegotiate().Marshal()))
				if _, err := readSMBFrame(conn); err != nil {
					return
				}
				c.turn(conn, cancel)
				_, _ = io.Copy(io.Discard, conn)
			})
			got := SMB().Talk(ctx, call)
			last := got.Details[len(got.Details)-1]
			if got.Outcome != scanner.Spoke || got.Proof != scanner.AssuranceProtocol || got.Identity.Computer != "" ||
				last.Key != "identity" || !strings.Contains(last.Value, c.why) {
				t.Errorf("result %+v, want spoke and identity not available: %s", got, c.why)
			}
		})
	}
}

func forever(conn net.Conn, b []byte) {
	for {
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
}

func TestHowCutLeavesOutAddresses(t *testing.T) {
	err := &net.OpError{Op: "read", Net: "tcp", Addr: &net.TCPAddr{Port: 445}, Err: errors.New("connection reset by peer")}
	if got := howCut(err); got != "connection reset by peer" {
		t.Errorf("%q", got)
	}
}

// FuzzSMBAnswers holds what the probe makes of any answer to be fit to print.
func FuzzSMBAnswers(f *testing.F) {
	f.Add(windowsNegotiate().Marshal())
	f.Add(challengeResponse(windowsChallenge()))
	f.Add(smb.NegotiateResponseV1{Domain: "A", Server: "B"}.Marshal())
	f.Add([]byte("SSH-2.0-OpenSSH_9.9\r\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		_, modern := readNegotiate(msg)
		legacy := readNegotiateV1(msg)
		texts := []string{lookedLike(msg), modern.Err, legacy.Err}
		for _, d := range append(modern.Details, legacy.Details...) {
			texts = append(texts, d.Key, d.Value)
		}
		var id scanner.Identity
		if c, err := readChallenge(msg); err == nil {
			identifyNTLM(&id, c)
		}
		texts = append(texts, id.Computer, id.Domain, id.DNSName, id.DNSDomain, id.OS,
			legacy.Identity.Computer, legacy.Identity.Domain, legacy.Identity.ServerID, modern.Identity.ServerID)
		for _, text := range texts {
			if len(text) > 1<<10 || printable(text, len(text)) != text {
				t.Errorf("text %q is not fit to print", text)
			}
		}
	})
}

func TestSMBAdversity(t *testing.T) {
	probetest.Adversity(t, SMB(),
		smb.Frame(windowsNegotiate().Marshal()),
		smb.Frame(smb.NegotiateResponse{Dialect: smb.Dialect202}.Marshal()))
}
