package ike

import (
	"bytes"
	"cmreach/probes/probetest"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const transcripts = "../../../testdata/wire/ike/"

func files() []string {
	return []string{"v1-main-mode.hex", "v1-natt.hex", "v1-no-proposal.hex", "v2-init.hex", "v2-natt-cookie.hex"}
}

func TestTranscripts(t *testing.T) {
	cases := map[string]struct {
		natt     bool
		version  Version
		exchange Exchange
		accepts  PayloadType // 0: none
		notifies []Notify
		refusal  string
	}{
		"v1-main-mode.hex":   {version: Version1, exchange: ExchangeMainMode, accepts: PayloadSAV1},
		"v1-natt.hex":        {natt: true, version: Version1, exchange: ExchangeMainMode, accepts: PayloadSAV1},
		"v1-no-proposal.hex": {version: Version1, exchange: ExchangeInformationV1, notifies: []Notify{14}, refusal: "NO-PROPOSAL-CHOSEN"},
		"v2-init.hex":        {version: Version2, exchange: ExchangeInit, accepts: PayloadSA, notifies: []Notify{16418, 16404}},
		"v2-natt-cookie.hex": {natt: true, version: Version2, exchange: ExchangeInit, notifies: []Notify{NotifyCookie}, refusal: "COOKIE"},
	}
	for _, file := range files() {
		t.Run(file, func(t *testing.T) {
			want := cases[file]
			messages := probetest.Transcript(t, transcripts+file)
			if len(messages) != 2 {
				t.Fatalf("%d messages", len(messages))
			}
			var parsed []Message
			for _, m := range messages {
				b, marked := bytes.CutPrefix(m.Bytes, NonESP())
				got, err := Parse(b)
				if err != nil || marked != want.natt {
					t.Fatalf("%v, marker %t", err, marked)
				}
				if !bytes.Equal(got.Marshal(), b) {
					t.Errorf("marshal:\n%x\nwant what was sent:\n%x", got.Marshal(), b)
				}
				parsed = append(parsed, got)
			}
			got := parsed[1]
			if got.Version != want.version || got.Exchange != want.exchange || got.Initiator != parsed[0].Initiator ||
				got.Responder == (SPI{}) != (want.refusal == "COOKIE") || got.Response() != (want.version == Version2) {
				t.Errorf("header %+v", got.Header)
			}
			if want.accepts != 0 && !got.Has(want.accepts) || want.accepts == 0 && (got.Has(PayloadSA) || got.Has(PayloadSAV1)) {
				t.Errorf("payloads %+v", got.Payloads)
			}
			list, err := got.Notifies()
			if err != nil || len(want.notifies) > 0 && !slices.Equal(list, want.notifies) {
				t.Errorf("notifies %v, %v; want %v", list, err, want.notifies)
			}
			if n, ok := Refusal(list, got.Version); ok != (want.refusal != "") || ok && n.Text(got.Version) != want.refusal {
				t.Errorf("refusal %s %t, want %q", n.Text(got.Version), ok, want.refusal)
			}
		})
	}
}

// TestRequests reads our own requests back, transform by transform, as a peer would.
func TestRequests(t *testing.T) {
	var public [group14Len]byte
	for i := range public {
		public[i] = 0xff
	}
	for _, m := range []Message{Init(SPI{1}, public, [32]byte{2}), MainMode(SPI{3})} {
		got, err := Parse(m.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		m.Next = m.Payloads[0].Type
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("-sent +read:\n%s", diff)
		}
		if got.Response() || got.Responder != (SPI{}) || len(m.Marshal()) > 1200 {
			t.Errorf("%+v, %d bytes", got.Header, len(m.Marshal()))
		}
		body, version2 := got.Payloads[0].Body, got.Version == Version2
		if !version2 {
			body = body[8:] // DOI and situation
		}
		readProposals(t, body, version2)
	}
	ke := Init(SPI{1}, public, [32]byte{2}).Payloads[1].Body
	if len(ke) != 4+group14Len || binary.BigEndian.Uint16(ke) != 14 || ke[4] != 0x7f {
		t.Errorf("key exchange % x…, %d bytes", ke[:8], len(ke))
	}
}

// readProposals checks the chain of substructures (RFC 7296 3.3, RFC 2408 4.2).
func readProposals(t *testing.T, b []byte, version2 bool) {
	t.Helper()
	for len(b) > 0 {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) || b[5] != 1 || b[6] != 0 || (b[0] == 0) != (n == len(b)) {
			t.Fatalf("proposal % x", b[:8])
		}
		transforms, count := b[8:n], int(b[7])
		b = b[n:]
		kinds := map[byte]int{}
		for ; len(transforms) > 0; count-- {
			n := int(binary.BigEndian.Uint16(transforms[2:]))
			if n < 8 || n > len(transforms) || (transforms[0] == 0) != (n == len(transforms)) {
				t.Fatalf("transform % x", transforms[:8])
			}
			if version2 {
				kinds[transforms[4]]++
			} else if kinds[1]++; transforms[5] != 1 || int(transforms[4]) != kinds[1] {
				t.Errorf("transform % x", transforms[:8])
			}
			transforms = transforms[n:]
		}
		if count != 0 {
			t.Errorf("the number of transforms is wrong by %d", count)
		}
		if version2 && (kinds[kindEncryption] == 0 || kinds[kindPRF] == 0 || kinds[kindGroup] == 0) {
			t.Errorf("transforms of the kinds %v", kinds)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := MainMode(SPI{1}).Marshal()
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	endless := Message{Header: Header{Version: Version2}}
	for range maxPayloads + 1 {
		endless.Payloads = append(endless.Payloads, Payload{Type: PayloadNotify})
	}
	for name, c := range map[string]struct {
		b   []byte
		not bool // no IKE at all
	}{
		"empty":              {nil, true},
		"short":              {good[:27], true},
		"cut":                {good[:60], true},
		"version 0":          {change(17, 0), true},
		"version 3":          {change(17, 0x30), true},
		"length of payload":  {change(30, 0xff), false},
		"payload too short":  {change(31, 3), false},
		"bytes after it":     {change(16, 0), false},
		"another is missing": {change(28, 5), false},
		"too many payloads":  {endless.Marshal(), false},
	} {
		if name == "payload too short" {
			c.b[30] = 0
		}
		if _, err := Parse(c.b); err == nil || errors.Is(err, ErrNotIKE) != c.not {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseEncrypted(t *testing.T) {
	one := Header{Next: 8, Version: Version1, Flags: flagEncrypted}.marshal([]byte("hidden"))
	two := Header{Next: payloadEncryptedV2, Version: Version2}.marshal([]byte("hidden"))
	for _, b := range [][]byte{one, two} {
		if m, err := Parse(b); err != nil || len(m.Payloads) != 0 {
			t.Errorf("%+v, %v", m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range files() {
		for _, m := range probetest.Transcript(f, transcripts+file) {
			b, _ := bytes.CutPrefix(m.Bytes, NonESP())
			f.Add(b)
		}
	}
	f.Add(Init(SPI{1}, [group14Len]byte{}, [32]byte{}).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		_, _ = m.Notifies()
		if m.Encrypted() || m.Next == payloadEncryptedV2 || m.Next == payloadEncryptedFrag {
			return // hidden payloads are not kept
		}
		again, err := Parse(m.Marshal())
		for _, p := range m.Payloads {
			if len(p.Body) > 60<<10 {
				return
			}
		}
		again.Next, m.Next = 0, 0 // an encrypted payload at the end is named by what precedes it
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v, -first +again:\n%s", err, diff)
		}
	})
}
