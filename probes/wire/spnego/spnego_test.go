package spnego

import (
	"bytes"
	"cmreach/probes/probetest"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// transcript returns the SPNEGO tokens of an exchange over SMB: those of the
// negotiate response, of the session setup request, and of its response. Where
// they begin follows from the fixed parts of [MS-SMB2] 2.2.4, 2.2.5 and 2.2.6.
func transcript(t testing.TB, file string) (offer, begin, answer []byte) {
	t.Helper()
	const frame, header = 4, 64
	messages := probetest.Transcript(t, "../../../testdata/wire/smb/"+file)
	if len(messages) < 4 {
		t.Fatalf("%s holds %d messages, want 4", file, len(messages))
	}
	return messages[1].Bytes[frame+header+64:], messages[2].Bytes[frame+header+24:], messages[3].Bytes[frame+header+8:]
}

func pieces(t testing.TB, labelled ...string) []byte {
	t.Helper()
	var msg []byte
	for i := 0; i < len(labelled); i += 2 {
		b, err := hex.DecodeString(strings.ReplaceAll(labelled[i+1], " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", labelled[i], err)
		}
		msg = append(msg, b...)
	}
	return msg
}

func TestTranscripts(t *testing.T) {
	for file, mechs := range map[string][]OID{
		"samba-client.hex": {OIDNTLM},
		"samba-dc.hex":     {OIDMSKerberos, OIDKerberos, OIDNTLM},
	} {
		t.Run(file, func(t *testing.T) {
			offer, begin, answer := transcript(t, file)
			server, err := ParseInit(offer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(mechs, server.Mechs); diff != "" || !server.Offers(OIDNTLM) || server.Token != nil {
				t.Errorf("offer %+v, -want +got:\n%s", server, diff)
			}
			client, err := ParseInit(begin)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(client.Token, []byte("NTLMSSP\x00\x01")) || client.Offers(OIDKerberos) {
				t.Errorf("client %+v", client)
			}
			if got := client.Marshal(); !bytes.Equal(got, begin) {
				t.Errorf("marshal:\n%x\nwant what smbclient sent:\n%x", got, begin)
			}
			resp, err := ParseResp(answer)
			if err != nil {
				t.Fatal(err)
			}
			if resp.State != AcceptIncomplete || resp.Mech != OIDNTLM || !bytes.HasPrefix(resp.Token, []byte("NTLMSSP\x00\x02")) {
				t.Errorf("response %+v", resp)
			}
			if got := resp.Marshal(); !bytes.Equal(got, answer) {
				t.Errorf("marshal:\n%x\nwant what Samba sent:\n%x", got, answer)
			}
			for i := range len(answer) {
				if _, err := ParseResp(answer[:i]); err == nil {
					t.Errorf("%d of %d bytes are read as a whole answer", i, len(answer))
				}
			}
		})
	}
}

func TestInit(t *testing.T) {
	msg := pieces(
		t,
		"GSS-API token", "60 24", "SPNEGO", "06 06 2b0601050502",
		"NegTokenInit", "a0 1a 30 18",
		"mechTypes", "a0 0e 30 0c", "NTLM", "06 0a 2b06010401823702020a",
		"mechToken", "a2 06 04 04 01020304",
	)
	want := Init{Mechs: []OID{OIDNTLM}, Token: []byte{1, 2, 3, 4}}
	if got := want.Marshal(); !bytes.Equal(got, msg) {
		t.Errorf("marshal:\n%x\nwant:\n%x", got, msg)
	}
	got, err := ParseInit(msg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLongTokens(t *testing.T) {
	for _, n := range []int{0x70, 0x80, 0x100, 0xffff, 0x10000} {
		want := Resp{State: StateNone, Token: bytes.Repeat([]byte{7}, n)}
		got, err := ParseResp(want.Marshal())
		if err != nil || !bytes.Equal(got.Token, want.Token) || got.State != StateNone {
			t.Errorf("a token of %d bytes comes back as %d, %v", n, len(got.Token), err)
		}
	}
}

func TestBroken(t *testing.T) {
	const spnego = "06 06 2b0601050502"
	cases := []struct {
		name, field string
		b           []byte
	}{
		{"empty", "GSS-API token", nil},
		{"text", "GSS-API token", []byte("HTTP/1.1")},
		{"raw NTLM", "GSS-API token", []byte("NTLMSSP\x00")},
		{"indefinite length", "GSS-API token", pieces(t, "", "60 80 0000")},
		{"a length of five bytes", "GSS-API token", pieces(t, "", "60 85 0000000001 00")},
		{"ends in its length", "GSS-API token", pieces(t, "", "60 84 0000")},
		{"4 GiB", "GSS-API token", pieces(t, "", "60 84 ffffffff 00")},
		{"another mechanism", "mechanism of the GSS-API token", pieces(t, "", "60 05 06 03 2a0304")},
		{"nothing in it", "NegTokenInit", pieces(t, "", "60 08"+spnego)},
		{"a tag of two bytes", "field of NegTokenInit", pieces(t, "", "60 0f"+spnego+"a0 05 30 03 bf 8101")},
		{"mechTypes is no list", "mechTypes", pieces(t, "", "60 10"+spnego+"a0 06 30 04 a0 02 04 00")},
		{"mechType is no OID", "mechType", pieces(t, "", "60 12"+spnego+"a0 08 30 06 a0 04 30 02 04 00")},
		{"mechToken is no string", "mechToken", pieces(t, "", "60 10"+spnego+"a0 06 30 04 a2 02 30 00")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseInit(c.b)
			var e *Error
			if !errors.As(err, &e) || e.Field != c.field {
				t.Errorf("error %v, want one about the %s", err, c.field)
			}
		})
	}
	if _, err := ParseResp(pieces(t, "", "a1 07 30 05 a0 03 0a 01 09")); err == nil {
		t.Error("a state that RFC 4178 does not have was read")
	}
}

func TestOIDNames(t *testing.T) {
	for oid, want := range map[OID]string{
		OIDNTLM:                               "NTLM",
		OIDKerberos:                           "Kerberos",
		"\x2b\x06\x01\x04\x01\x82\x37":        "1.3.6.1.4.1.311",
		"\x2a\x86\x48\x86\xf7\x0d":            "1.2.840.113549",
		"\x88\x37\x03":                        "2.999.3",
		"":                                    "",
		"\x2b\x86":                            "1.3",
		OID(strings.Repeat("\xff", 12)):       "...",
		OID("\x2b" + strings.Repeat("a", 40)): "1.3" + strings.Repeat(".97", 14) + "...",
	} {
		if got := oid.String(); got != want {
			t.Errorf("% x is %q, want %q", string(oid), got, want)
		}
	}
}

func seeds(f *testing.F) {
	f.Helper()
	for _, file := range []string{"samba-client.hex", "samba-dc.hex"} {
		offer, begin, answer := transcript(f, file)
		f.Add(offer)
		f.Add(begin)
		f.Add(answer)
	}
	f.Add(Resp{State: Reject}.Marshal())
}

func FuzzInit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := ParseInit(b)
		if err != nil {
			return
		}
		for _, m := range first.Mechs {
			if s := m.String(); len(s) > 512 {
				t.Errorf("a name of %d bytes", len(s))
			}
		}
		again, err := ParseInit(first.Marshal())
		if err != nil {
			t.Fatalf("what was read is written so that it cannot be read: %v", err)
		}
		if diff := cmp.Diff(first, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-first +again:\n%s", diff)
		}
	})
}

func FuzzResp(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := ParseResp(b)
		if err != nil {
			return
		}
		again, err := ParseResp(first.Marshal())
		if err != nil {
			t.Fatalf("what was read is written so that it cannot be read: %v", err)
		}
		if diff := cmp.Diff(first, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-first +again:\n%s", diff)
		}
	})
}
