package probes

import (
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/scanner"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTFTP(t *testing.T) {
	probe := TFTP()
	asked := probe.Request(scanner.Ask{})
	if !bytes.HasPrefix(asked, []byte("\x00\x01cmreach-")) || !bytes.HasSuffix(asked, []byte("\x00octet\x00")) ||
		bytes.Count(asked, []byte{0}) != 3 || bytes.Equal(asked, probe.Request(scanner.Ask{})) || probe.UDP != (scanner.UDPSocket{AnyPort: true}) {
		t.Errorf("asks %q with %+v", asked, probe.UDP)
	}
	recorded := probetest.Transcript(t, dhcpTranscripts+"dnsmasq-tftp.hex")
	if len(recorded) != 2 || len(recorded[0].Bytes) != len(asked) {
		t.Fatalf("%+v", recorded)
	}
	spoke := func(text string) scanner.Result {
		r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
		r.Detail("tftp", text)
		return r
	}
	other := func(o scanner.Outcome, text string) scanner.Result { return scanner.Result{Outcome: o, Err: text} }
	for name, c := range map[string]struct {
		answer string
		want   scanner.Result
	}{
		"dnsmasq": {
			string(recorded[1].Bytes),
			spoke("error 1: file /srv/tftp/cmreach-b165c04aca3f113a not found for 198.18.0.10"),
		},
		"error":             {"\x00\x05\x00\x02Access \x1b[2Jviolation\x00", spoke("error 2: Access .[2Jviolation")},
		"error, no text":    {"\x00\x05\x00\x01\x00", spoke("error 1: ")},
		"error, cut":        {"\x00\x05\x00\x01", spoke("error 1: ")},
		"data":              {"\x00\x03\x00\x01hello", spoke("sends a file that was not to exist")},
		"error without end": {"\x00\x05\x00\x01File not", other(scanner.Garbled, "malformed TFTP error 1")},
		"error 9":           {"\x00\x05\x00\x09\x00", other(scanner.Garbled, "malformed TFTP error 9")},
		"block 2":           {"\x00\x03\x00\x02hello", other(scanner.Garbled, "TFTP data block 2 of 5 bytes, want block 1 of at most 512")},
		"block too long":    {"\x00\x03\x00\x01" + strings.Repeat("x", 513), other(scanner.Garbled, "TFTP data block 1 of 513 bytes, want block 1 of at most 512")},
		"options":           {"\x00\x06blksize\x00", other(scanner.Garbled, "TFTP options are acknowledged that were not asked for")},
		"acknowledgement":   {"\x00\x04\x00\x00", other(scanner.Foreign, "no TFTP: the answer begins bytes 00 04 00 00")},
		"echo":              {string(asked), other(scanner.Foreign, "sent the request back")},
		"text":              {"220 hello", other(scanner.Foreign, "no TFTP: the answer begins 220 hello")},
		"empty":             {"", other(scanner.Foreign, "no TFTP: the answer begins bytes ")},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, probe.Decode(asked, []byte(c.answer)), compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// FuzzTFTP: every answer has an outcome, and words that are fit to print.
func FuzzTFTP(f *testing.F) {
	f.Add([]byte("\x00\x05\x00\x01File not found\x00"))
	f.Add([]byte("\x00\x03\x00\x01data"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := tftpDecode([]byte{0, 1}, b)
		texts := []string{got.Err}
		for _, d := range got.Details {
			texts = append(texts, d.Value)
		}
		for _, text := range texts {
			if printable(text, 1<<10) != text {
				t.Errorf("text %q is not fit to print", text)
			}
		}
		if got.Outcome == scanner.OutcomeUnknown || got.Outcome == scanner.Spoke && b[0] != 0 {
			t.Errorf("%x: %+v", b, got)
		}
	})
}
