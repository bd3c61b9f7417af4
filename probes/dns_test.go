package probes

import (
	"bytes"
	"cmreach/scanner"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestDNSTranscripts(t *testing.T) {
	for file, want := range map[string]string{
		"dc-dns.hex":       "spoke protocol | answer=no error, authoritative for lab.test. | primary-server=dc1.lab.test",
		"dc-dns-other.hex": "spoke protocol | answer=no such name for other.test.",
		"dc-dns-root.hex":  "spoke protocol | answer=format error for .",
	} {
		if got := told(DNS().Decode(exchange(t, file))); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

func TestDNSRequest(t *testing.T) {
	long := strings.Repeat("a", 64)
	for host, zone := range map[string]string{
		"dc1.lab.test": "lab.test.", "dc1.lab.test.": "lab.test.", "DC1": ".", "198.18.0.2": ".", "fd00:198::2": ".", "": ".",
		"dc1." + long + ".test": ".", "dc1..test": ".", "dc1." + strings.Repeat("a.", 150): ".",
	} {
		_, q, _, err := dnsStart(DNS().Request(scanner.Ask{Host: host}))
		if err != nil || q == nil || q.Name.String() != zone || q.Type != dnsmessage.TypeSOA || q.Class != dnsmessage.ClassINET {
			t.Errorf("%s: question %v, error %v, want the SOA of %s", host, q, err, zone)
		}
	}
	const tries = 8
	ids := map[uint16]bool{}
	for range tries {
		ids[binary.BigEndian.Uint16(DNS().Request(scanner.Ask{}))] = true
	}
	if len(ids) == 1 {
		t.Errorf("%d queries have one id", tries)
	}
}

func TestDNSAnswers(t *testing.T) {
	request := DNS().Request(scanner.Ask{Host: "dc1.lab.test"})
	pack := func(change func(*dnsmessage.Message)) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(request); err != nil {
			t.Fatal(err)
		}
		m.Response = true
		change(&m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	code := func(c dnsmessage.RCode) []byte { return pack(func(m *dnsmessage.Message) { m.RCode = c }) }
	name := func(n string) func(*dnsmessage.Message) {
		return func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName(n) }
	}
	for _, tt := range []struct {
		name   string
		answer []byte
		want   string
	}{
		{"refused", code(dnsmessage.RCodeRefused), "spoke protocol | answer=refused for lab.test."},
		{"server failure", code(dnsmessage.RCodeServerFailure), "spoke protocol | answer=server failure for lab.test."},
		{"not implemented", code(dnsmessage.RCodeNotImplemented), "spoke protocol | answer=not implemented for lab.test."},
		{"another result", code(9), "spoke protocol | answer=result 9 for lab.test."},
		{"question in other case", pack(name("LAB.test.")), "spoke protocol | answer=no error for lab.test."},
		{"format error without a question", pack(func(m *dnsmessage.Message) { m.RCode, m.Questions = 1, nil }), "spoke protocol | answer=format error for lab.test."},
		{"no question", pack(func(m *dnsmessage.Message) { m.Questions = nil }), "foreign none (an answer without a question)"},
		{"another question", pack(name("lab.example.")), "foreign none (an answer to another question)"},
		{"another type", pack(func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeA }), "foreign none (an answer to another question)"},
		{"another id", pack(func(m *dnsmessage.Message) { m.ID++ }), "foreign none (an answer to a query that was not made)"},
		{"echo", request, "foreign none (sent the query back)"},
		{"two questions", pack(func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }), "foreign none (no DNS: the answer begins bytes"},
		{"truncated", request[:13], "foreign none (no DNS: the answer begins bytes"},
		{"empty", nil, "foreign none (no DNS: the answer begins bytes"},
		{"text", []byte("hello, is it me?\x1b"), "foreign none ("}, // by chance it may have the id
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := told(DNS().Decode(request, tt.answer))
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzDNS: no answer makes the decoder panic, and none with another id counts.
func FuzzDNS(f *testing.F) {
	for _, file := range []string{"dc-dns.hex", "dc-dns-other.hex", "dc-dns-root.hex"} {
		request, answer := exchange(f, file)
		f.Add(request, answer)
		f.Add(answer, request)
	}
	f.Fuzz(func(t *testing.T, request, answer []byte) {
		r := DNS().Decode(request, answer)
		if r.Outcome == scanner.OutcomeUnknown {
			t.Errorf("%x: no outcome", answer)
		}
		if r.Outcome == scanner.Spoke && !bytes.Equal(request[:2], answer[:2]) {
			t.Errorf("%x is taken for an answer to %x", answer, request)
		}
		DNS().Request(scanner.Ask{Host: string(request)})
	})
}
