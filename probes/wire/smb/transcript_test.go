package smb

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

func TestTranscriptNegotiate(t *testing.T) {
	cases := []struct {
		file       string
		dialect    Dialect
		mode       SecurityMode
		contexts   []ContextType
		guid       string
		systemTime string
	}{
		{
			"samba-client.hex", Dialect311, SigningEnabled,
			[]ContextType{ContextPreauthIntegrity, ContextEncryption, ContextSigning},
			"30306370-3130-0000-0000-000000000000", "2026-11-21T02:17:35.06887Z",
		},
		{
			"samba-dc.hex", Dialect311, SigningEnabled | SigningRequired,
			[]ContextType{ContextPreauthIntegrity, ContextEncryption, ContextSigning},
			"00316364-0000-0000-0000-000000000000", "2026-11-21T02:17:31.262022Z",
		},
		{"samba-dialect-2.0.2.hex", Dialect202, SigningEnabled, nil, "30306370-3130-0000-0000-000000000000", ""},
		{"samba-dialect-2.1.hex", Dialect210, SigningEnabled, nil, "30306370-3130-0000-0000-000000000000", ""},
		{"samba-dialect-3.0.hex", Dialect300, SigningEnabled, nil, "30306370-3130-0000-0000-000000000000", ""},
		{"samba-dialect-3.0.2.hex", Dialect302, SigningEnabled, nil, "30306370-3130-0000-0000-000000000000", ""},
		{"samba-dialect-3.1.1.hex", Dialect311, SigningEnabled, []ContextType{ContextPreauthIntegrity}, "30306370-3130-0000-0000-000000000000", ""},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			messages := transcript(t, c.file)
			checkNegotiateRequest(t, messages[0], c.dialect)
			response, err := ParseNegotiateResponse(messages[1])
			if err != nil {
				t.Fatal(err)
			}
			if response.Dialect != c.dialect || response.SecurityMode != c.mode || response.ServerGUID.String() != c.guid {
				t.Errorf("dialect %s, mode %d, GUID %s; want %s, %d, %s",
					response.Dialect, response.SecurityMode, response.ServerGUID, c.dialect, c.mode, c.guid)
			}
			if got := response.SystemTime.Format(time.RFC3339Nano); c.systemTime != "" && got != c.systemTime {
				t.Errorf("system time %s, want %s", got, c.systemTime)
			}
			var types []ContextType
			for _, x := range response.Contexts {
				types = append(types, x.Type)
			}
			same(t, types, c.contexts)
			if got, want := response.Marshal(), plain(messages[1]); !bytes.Equal(got, want) {
				t.Errorf("marshal:\n%x\nwant what Samba sent:\n%x", got, want)
			}
		})
	}
}

func checkNegotiateRequest(t *testing.T, msg []byte, dialect Dialect) {
	t.Helper()
	request, err := ParseNegotiateRequest(msg)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(request.Dialects, dialect) {
		t.Errorf("request offers %v, want %s among them", request.Dialects, dialect)
	}
	again, err := ParseNegotiateRequest(request.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	same(t, again, request)
}

// plain clears what a Header does not keep: the priority of a message and its
// signature, which nmap fills with digits and Samba gives back.
func plain(msg []byte) []byte {
	msg = bytes.Clone(msg)
	msg[16] &^= 0x70 // SMB2_FLAGS_PRIORITY_MASK ([MS-SMB2] 2.2.1.2)
	clear(msg[48:headerLen])
	return msg
}

func TestTranscriptSessionSetup(t *testing.T) {
	for _, file := range []string{"samba-client.hex", "samba-dc.hex"} {
		t.Run(file, func(t *testing.T) {
			messages := transcript(t, file)
			request, err := ParseSessionSetupRequest(messages[2])
			if err != nil {
				t.Fatal(err)
			}
			if request.Header.MessageID != 1 || request.Header.CreditCharge != 1 || len(request.Security) != 74 {
				t.Errorf("request %+v", request)
			}
			if got, want := request.Marshal(), plain(messages[2]); !bytes.Equal(got, want) {
				t.Errorf("marshal:\n%x\nwant what smbclient sent:\n%x", got, want)
			}
			response, err := ParseSessionSetupResponse(messages[3])
			if err != nil {
				t.Fatal(err)
			}
			if response.Header.Status != StatusMoreProcessingRequired || response.Header.SessionID == 0 {
				t.Errorf("header %+v", response.Header)
			}
			if got, want := response.Marshal(), plain(messages[3]); !bytes.Equal(got, want) {
				t.Errorf("marshal:\n%x\nwant what Samba sent:\n%x", got, want)
			}
		})
	}
}

func TestTranscriptSMB1(t *testing.T) {
	messages := transcript(t, "samba-smb1.hex")
	request, err := ParseNegotiateRequestV1(messages[0])
	if err != nil {
		t.Fatal(err)
	}
	same(t, request.Dialects, []string{"NT LM 0.12", ""}) // nmap sends an empty one too
	response, err := ParseNegotiateResponseV1(messages[1])
	if err != nil {
		t.Fatal(err)
	}
	if response.DialectIndex != 0 || response.SecurityMode != 3 || response.ServerGUID.String() != "30306370-3130-0000-0000-000000000000" {
		t.Errorf("response %+v", response)
	}
	if got, want := response.SystemTime.Format(time.RFC3339), "2026-11-21T02:17:40Z"; got != want {
		t.Errorf("system time %s, want %s", got, want)
	}
	if !bytes.HasPrefix(response.Security, []byte{0x60, 0x48}) {
		t.Errorf("security buffer % x, want a GSS-API token", response.Security)
	}
	again, err := ParseNegotiateResponseV1(response.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	same(t, again, response)
}

func TestTranscriptSMB1Only(t *testing.T) {
	messages := transcript(t, "samba-smb1-only.hex")
	if got := (NegotiateRequestV1{Dialects: DialectsV1()}).Marshal(); !bytes.Equal(got, messages[0]) {
		t.Errorf("marshal:\n%x\nwant what Samba accepted:\n%x", got, messages[0])
	}
	got, err := ParseNegotiateResponseV1(messages[1])
	if err != nil {
		t.Fatal(err)
	}
	if got.Domain != "WG" || got.Server != "TRYPC" || got.DialectIndex != 0 || got.SystemTime.Year() != 2026 {
		t.Errorf("response %+v, want the names WG and TRYPC", got)
	}
}
