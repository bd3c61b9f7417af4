package smb

import (
	"bytes"
	"cmreach/probes/probetest"
	"encoding/hex"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const transcripts = "../../../testdata/wire/smb/"

// transcript returns the messages of an exchange without their framing, which
// it checks.
func transcript(t testing.TB, name string) [][]byte {
	t.Helper()
	var messages [][]byte
	for _, m := range probetest.Transcript(t, transcripts+name) {
		n, err := FrameLength([FrameHeaderLen]byte(m.Bytes))
		if err != nil || n != len(m.Bytes)-FrameHeaderLen {
			t.Fatalf("%s: frame of %d bytes, header says %d (%v)", name, len(m.Bytes), n, err)
		}
		msg := m.Bytes[FrameHeaderLen:]
		if !bytes.Equal(Frame(msg), m.Bytes) {
			t.Errorf("%s: Frame does not give back what was framed", name)
		}
		messages = append(messages, msg)
	}
	return messages
}

// pieces puts a message together from labels and hexadecimal bytes.
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

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

var when = time.Date(2026, 11, 21, 2, 17, 40, 0, time.UTC)

// header is the SMB2 header of a message in pieces.
func header(status, command, flags, messageID string) []string {
	return []string{
		"protocol id", "fe534d42", "structure size", "4000", "credit charge", "0000", "status", status,
		"command", command, "credits", "0100", "flags", flags, "next command", "00000000",
		"message id", messageID + "00000000000000", "reserved", "00000000", "tree id", "00000000",
		"session id", "0000000000000000", "signature", strings.Repeat("00", 16),
	}
}

func negotiateResponsePieces(t testing.TB) []byte {
	return pieces(t, append(
		header("00000000", "0000", "01000000", "00"),
		"structure size", "4100",
		"security mode: enabled, required", "0300",
		"dialect 3.1.1", "1103",
		"context count", "0100",
		"server GUID", "00112233445566778899aabbccddeeff",
		"capabilities: DFS, encryption", "41000000",
		"max transact", "00001000",
		"max read", "00002000",
		"max write", "00003000",
		"system time 2026-11-21 02:17:40", "00faaf7b5e79dd01",
		"start time", "0000000000000000",
		"security buffer offset 128", "8000",
		"security buffer length 3", "0300",
		"context offset 136", "88000000",
		"security buffer", "aabbcc",
		"padding to 8", "0000000000",
		"context: encryption", "0200",
		"context length", "0400",
		"reserved", "00000000",
		"one cipher", "0100",
		"AES-128-GCM", "0200",
	)...)
}

func TestNegotiateResponse(t *testing.T) {
	want := NegotiateResponse{
		Header:       Header{Credits: 1, Response: true},
		SecurityMode: SigningEnabled | SigningRequired,
		Dialect:      Dialect311,
		ServerGUID:   GUID{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
		Capabilities: CapDFS | CapEncryption,
		MaxTransact:  1 << 20, MaxRead: 2 << 20, MaxWrite: 3 << 20,
		SystemTime: when,
		Security:   []byte{0xaa, 0xbb, 0xcc},
		Contexts:   []Context{EncryptionContext(CipherAES128GCM)},
	}
	msg := negotiateResponsePieces(t)
	if got := want.Marshal(); !bytes.Equal(got, msg) {
		t.Errorf("marshal:\n%x\nwant:\n%x", got, msg)
	}
	got, err := ParseNegotiateResponse(msg)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, want)
	if g, w := got.ServerGUID.String(), "33221100-5544-7766-8899-aabbccddeeff"; g != w {
		t.Errorf("GUID %s, want %s", g, w)
	}
}

func TestNegotiateRequest(t *testing.T) {
	salt := []byte{1, 2, 3, 4}
	request := NegotiateRequest{
		Header:       Header{Credits: 1},
		SecurityMode: SigningEnabled,
		Capabilities: CapLargeMTU,
		ClientGUID:   GUID{15: 9},
		Dialects:     []Dialect{Dialect202, Dialect311},
		Contexts:     []Context{PreauthContext(salt), EncryptionContext(CipherAES128CCM)},
	}
	want := pieces(t, append(
		header("00000000", "0000", "00000000", "00"),
		"structure size", "2400", "dialect count", "0200", "security mode", "0100", "reserved", "0000",
		"capabilities", "04000000", "client GUID", "00000000000000000000000000000009",
		"context offset 104", "68000000", "context count", "0200", "reserved", "0000",
		"dialects", "0202 1103",
		"preauth integrity", "0100", "length", "0a00", "reserved", "00000000",
		"one hash", "0100", "salt length", "0400", "SHA-512", "0100", "salt", "01020304", "padding", "000000000000",
		"encryption", "0200", "length", "0400", "reserved", "00000000", "one cipher", "0100", "AES-128-CCM", "0100",
	)...)
	if got := request.Marshal(); !bytes.Equal(got, want) {
		t.Errorf("marshal:\n%x\nwant:\n%x", got, want)
	}
	got, err := ParseNegotiateRequest(want)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, request)
}

func TestSMB1NamesWithoutExtendedSecurity(t *testing.T) {
	want := NegotiateResponseV1{
		SecurityMode: SigningEnabledV1 | 3, SystemTime: when, Domain: "WORKGROUP", Server: "OLDPC",
	}
	msg := want.Marshal()
	tail := pieces(t,
		"byte count 40", "2800", "challenge", "0000000000000000",
		"domain", "57004f0052004b00470052004f00550050000000", "server", "4f004c004400500043000000")
	if !bytes.HasSuffix(msg, tail) {
		t.Errorf("message %x, want it to end in %x", msg, tail)
	}
	got, err := ParseNegotiateResponseV1(msg)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, want)
}

func TestNegotiateRequestV1(t *testing.T) {
	want := pieces(t,
		"protocol id", "ff534d42", "command", "72", "status", "00000000", "flags", "18", "flags2", "01c0",
		"process id high", "0000", "signature", "0000000000000000", "reserved", "0000", "tree id", "0000",
		"process id", "0000", "user id", "0000", "multiplex id", "0100", "no words", "00", "byte count 34", "2200",
		"NT LM 0.12", "02 4e54204c4d20302e3132 00", "SMB 2.002", "02 534d4220322e303032 00", "SMB 2.???", "02 534d4220322e3f3f3f 00")
	request := NegotiateRequestV1{Dialects: DialectsV1()}
	if got := request.Marshal(); !bytes.Equal(got, want) {
		t.Errorf("marshal:\n%x\nwant:\n%x", got, want)
	}
	got, err := ParseNegotiateRequestV1(want)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, request)
}

func TestNoDialectV1(t *testing.T) {
	msg := append(headerV1(flagResponseV1, 0), 1, 0xff, 0xff, 0, 0)
	got, err := ParseNegotiateResponseV1(msg)
	if err != nil || !got.None() {
		t.Errorf("response %+v, error %v; want none of the dialects", got, err)
	}
}

func TestRefusalIsAStatus(t *testing.T) {
	negotiate := ErrorResponse{Header{Command: CommandNegotiate, Status: StatusNotSupported}}.Marshal()
	if _, err := ParseNegotiateResponse(negotiate); !errors.Is(err, StatusNotSupported) {
		t.Errorf("error %v, want %v", err, StatusNotSupported)
	}
	setup := ErrorResponse{Header{Command: CommandSessionSetup, Status: StatusNTLMBlocked}}.Marshal()
	_, err := ParseSessionSetupResponse(setup)
	if !errors.Is(err, StatusNTLMBlocked) || err.Error() != "STATUS_NTLM_BLOCKED" {
		t.Errorf("error %v, want %v", err, StatusNTLMBlocked)
	}
	if got := Status(0xc0ffee00).String(); got != "NTSTATUS 0xc0ffee00" {
		t.Errorf("unknown status is %q", got)
	}
}

func TestBrokenMessages(t *testing.T) {
	whole := negotiateResponsePieces(t)
	broken := func(at int, b ...byte) []byte {
		msg := bytes.Clone(whole)
		copy(msg[at:], b)
		return msg
	}
	cases := []struct {
		name  string
		msg   []byte
		field string
	}{
		{"empty", nil, "protocol id"},
		{"another protocol", []byte("HTTP/1.1 200 OK"), "protocol id"},
		{"header cut", whole[:63], "header"},
		{"header size", broken(4, 65), "header structure size"},
		{"another command", broken(12, 1), "command"},
		{"a request", broken(16, 0), "flags"},
		{"body cut", whole[:headerLen+63], "body"},
		{"structure size", broken(headerLen, 64), "structure size"},
		{"security buffer in the header", broken(headerLen+56, 8, 0), "security buffer"},
		{"security buffer beyond the end", broken(headerLen+56, 0xff, 0xff), "security buffer"},
		{"security buffer too long", broken(headerLen+58, 0xff, 0xff), "security buffer"},
		{"contexts in the header", broken(headerLen+60, 8, 0, 0, 0), "negotiate context offset"},
		{"contexts beyond the end", broken(headerLen+60, 0xff, 0xff, 0xff, 0xff), "negotiate context offset"},
		{"more contexts than there are", broken(headerLen+6, 0xff, 0xff), "negotiate context"},
		{"context too long", broken(138, 0xff, 0xff), "negotiate context data"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseNegotiateResponse(c.msg)
			var e *Error
			if !errors.As(err, &e) || e.Field != c.field {
				t.Errorf("error %v, want one about the %s", err, c.field)
			}
		})
	}
	if _, err := ParseNegotiateResponse(whole); err != nil {
		t.Errorf("the whole message: %v", err)
	}
}

func TestEveryPrefixIsAnError(t *testing.T) {
	for _, file := range []string{"samba-client.hex", "samba-dc.hex", "samba-smb1.hex", "samba-smb1-only.hex"} {
		for i, msg := range transcript(t, file) {
			for n := range len(msg) {
				if parseAny(msg[:n]) == nil {
					t.Errorf("%s: %d of the %d bytes of message %d are read as a whole message", file, n, len(msg), i+1)
				}
			}
			if err := parseAny(msg); err != nil {
				t.Errorf("%s: message %d: %v", file, i+1, err)
			}
		}
	}
}

// parseAny reads a message with the parser that is made for it.
func parseAny(msg []byte) error {
	if Recognize(msg) == KindSMB1 {
		_, request := ParseNegotiateRequestV1(msg)
		_, response := ParseNegotiateResponseV1(msg)
		return either(request, response)
	}
	h, err := ParseHeader(msg)
	if err != nil {
		return err
	}
	switch {
	case h.Command == CommandNegotiate && h.Response:
		_, err = ParseNegotiateResponse(msg)
	case h.Command == CommandNegotiate:
		_, err = ParseNegotiateRequest(msg)
	case h.Response:
		_, err = ParseSessionSetupResponse(msg)
	default:
		_, err = ParseSessionSetupRequest(msg)
	}
	return err
}

func either(a, b error) error {
	if a == nil || b == nil {
		return nil
	}
	return a
}

func TestTimes(t *testing.T) {
	cases := []struct {
		name string
		wire uint64
		want time.Time
	}{
		{"none", 0, time.Time{}},
		{"first", 1, time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC)},
		{"Unix epoch", 116444736000000000, time.Unix(0, 0).UTC()},
		{"never", 0x7fffffffffffffff, time.Time{}},
		{"all ones", 0xffffffffffffffff, time.Time{}},
		{"year 9999", 2650467743999999999, time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC)},
		{"year 10000", 2650467744000000000, time.Time{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := parseFileTime(c.wire)
			if !got.Equal(c.want) {
				t.Errorf("time %v, want %v", got, c.want)
			}
			if back := fileTime(got); !got.IsZero() && back != c.wire {
				t.Errorf("back on the wire %d, want %d", back, c.wire)
			}
		})
	}
	if got := fileTime(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)); got != 0 {
		t.Errorf("a time before 1601 is %d, want 0", got)
	}
}

func TestFrame(t *testing.T) {
	if Frame(make([]byte, MaxMessage+1)) != nil {
		t.Error("a message that does not fit was framed")
	}
	if n, err := FrameLength([4]byte{0, 1, 2, 3}); err != nil || n != 0x010203 {
		t.Errorf("length %#x, %v", n, err)
	}
	if _, err := FrameLength([4]byte{0x83, 0, 0, 1}); err == nil {
		t.Error("a NetBIOS refusal was taken for a message")
	}
}

// TestLiarsGetNoMemory holds the decoders to allocate by what is there and not
// by what is announced.
func TestLiarsGetNoMemory(t *testing.T) {
	response := negotiateResponsePieces(t)
	copy(response[headerLen+6:], "\xff\xff")
	request := NegotiateRequest{Dialects: []Dialect{Dialect311}, Contexts: []Context{{}}}.Marshal()
	copy(request[headerLen+2:], "\xff\xff")
	legacy := NegotiateRequestV1{Dialects: DialectsV1()}.Marshal()
	copy(legacy[headerLenV1+1:], "\xff\xff")
	for name, parse := range map[string]func() error{
		"contexts": func() error { _, err := ParseNegotiateResponse(response); return err },
		"dialects": func() error { _, err := ParseNegotiateRequest(request); return err },
		"SMB1":     func() error { _, err := ParseNegotiateRequestV1(legacy); return err },
	} {
		const limit = 16 << 10
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := parse()
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: the lie was believed", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > limit {
			t.Errorf("%s: %d bytes allocated, want at most %d", name, n, limit)
		}
	}
}
