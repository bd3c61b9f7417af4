package rdp

import (
	"bytes"
	"cmreach/probes/probetest"
	"testing"
)

const transcripts = "../../../testdata/wire/rdp/"

func files() []string {
	return []string{"tls.hex", "credssp.hex", "standard.hex", "no-negotiation.hex"}
}

func TestTranscripts(t *testing.T) {
	wants := map[string]Answer{
		"tls.hex":            {Source: 0x1234, Negotiated: true, Flags: 1, Selected: ProtocolTLS},
		"credssp.hex":        {Source: 0x1234, Negotiated: true, Flags: 1, Selected: ProtocolTLS},
		"standard.hex":       {Source: 0x1234, Negotiated: true, Flags: 1},
		"no-negotiation.hex": {Source: 0x1234},
	}
	for _, file := range files() {
		messages := probetest.Transcript(t, transcripts+file)
		if len(messages) != 2 {
			t.Fatalf("%s: %d messages", file, len(messages))
		}
		got, err := ParseAnswer(messages[1].Bytes)
		if err != nil || got != wants[file] {
			t.Errorf("%s: %+v, %v; want %+v", file, got, err, wants[file])
		}
		if !bytes.Equal(got.Marshal(), messages[1].Bytes) {
			t.Errorf("%s: marshal %x, want what xrdp sent: %x", file, got.Marshal(), messages[1].Bytes)
		}
	}
}

// TestRequest: the bytes are those of [MS-RDPBCGR] 4.1.1 without the cookie,
// and for TLS or CredSSP.
func TestRequest(t *testing.T) {
	want := []byte{3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0}
	if got := (Request{ProtocolTLS | ProtocolCredSSP}).Marshal(); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
}

func TestAnswers(t *testing.T) {
	for _, want := range []Answer{
		{Disconnected: true, Reason: 1},
		{},
		{Negotiated: true, Failure: 5},
		{Negotiated: true, Flags: 0x1f, Selected: ProtocolHybridEx, Source: 7},
	} {
		if got, err := ParseAnswer(want.Marshal()); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}

func TestParseAnswerRefuses(t *testing.T) {
	good := Answer{Negotiated: true, Selected: ProtocolTLS}.Marshal()
	for name, change := range map[string]func([]byte) []byte{
		"empty":               func([]byte) []byte { return nil },
		"cut":                 func(b []byte) []byte { return b[:15] },
		"no frame":            func(b []byte) []byte { b[0] = 4; return b },
		"frame too short":     func(b []byte) []byte { b[3] = 10; return b },
		"frame too long":      func(b []byte) []byte { b[2] = 3; return b },
		"length indicator":    func(b []byte) []byte { b[4]--; return b },
		"a request":           func(b []byte) []byte { b[5] = 0xe0; return b },
		"kind of negotiation": func(b []byte) []byte { b[11] = 1; return b },
		"its length":          func(b []byte) []byte { b[13] = 9; return b },
		"failure 0":           func(b []byte) []byte { b[11], b[15] = 3, 0; return b },
	} {
		if got, err := ParseAnswer(change(bytes.Clone(good))); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		Protocols(0).String():            "standard RDP security",
		(ProtocolTLS | 0x100).String():   "TLS, 0x100",
		ProtocolCredSSP.String():         "CredSSP",
		Failure(5).String():              "HYBRID_REQUIRED_BY_SERVER",
		Failure(0xffffffff).String():     "failure 4294967295",
		Failure(7).String():              "failure 7",
		(ProtocolAAD + 1 + 4).String():   "TLS, RDSTLS, RDS AAD",
		Protocols(0xffffffe0).String():   "0xffffffe0",
		ProtocolHybridEx.String():        "CredSSP with early authorization",
		(ProtocolRDSTLS | 1<<9).String(): "RDSTLS, 0x200",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, file := range files() {
		for _, m := range probetest.Transcript(f, transcripts+file) {
			f.Add(m.Bytes)
		}
	}
	f.Add(Answer{Negotiated: true, Failure: 5}.Marshal())
	f.Add(Answer{Disconnected: true}.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAnswer(b)
		if err != nil {
			return
		}
		_, _ = a.Selected.String(), a.Failure.String()
		if again, err := ParseAnswer(a.Marshal()); err != nil || again != a {
			t.Errorf("%+v, %v; want %+v", again, err, a)
		}
	})
}
