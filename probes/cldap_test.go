package probes

import (
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/probes/wire/ber"
	"cmreach/scanner"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exchange is the one request of a datagram transcript and its answer.
func exchange(t testing.TB, file string) (request, answer []byte) {
	t.Helper()
	m := probetest.Transcript(t, ldapTranscripts+file)
	if len(m) != 2 || !m[0].FromClient || m[1].FromClient {
		t.Fatalf("%s: want a request and an answer", file)
	}
	return m[0].Bytes, m[1].Bytes
}

// told writes down the result of a decoder.
func told(r scanner.Result) string {
	var b strings.Builder
	b.WriteString(r.Outcome.String() + " " + r.Proof.String())
	if r.Err != "" {
		b.WriteString(" (" + r.Err + ")")
	}
	for _, d := range r.Details {
		b.WriteString(" | " + d.Key + "=" + d.Value)
	}
	return b.String()
}

func TestCLDAPTranscripts(t *testing.T) {
	for _, file := range []string{"dc-cldap.hex", "dc-cldap-net-ads.hex"} {
		t.Run(file, func(t *testing.T) {
			got := CLDAP().Decode(exchange(t, file))
			const want = "spoke role | answer=an LDAP ping of a domain controller | domain-controller=dc1.lab.test | domain=lab.test | forest=lab.test | directory-site=Default-First-Site-Name" +
				" | does=primary domain controller, global catalog, LDAP server, key distribution center, time server, writable"
			if d := cmp.Diff(want, told(got)); d != "" {
				t.Error(d)
			}
			who := scanner.Identity{Computer: "DC1", Domain: "LAB", DNSName: "dc1.lab.test", DNSDomain: "lab.test"}
			if d := cmp.Diff(who, got.Identity); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestCLDAPRequest holds the request against the one to which Samba answered.
func TestCLDAPRequest(t *testing.T) {
	recorded, _ := exchange(t, "dc-cldap.hex")
	one, two := CLDAP().Request(scanner.Ask{}), CLDAP().Request(scanner.Ask{})
	if bytes.Equal(one, two) {
		t.Error("two requests have one id")
	}
	body := func(b []byte) []byte {
		message, _, err := ber.Want(b, ber.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		id, rest, err := ber.WantInt(message, ber.Integer)
		if err != nil || id < 1 || id > 1<<31-1 {
			t.Fatalf("id %d, %v", id, err)
		}
		return rest
	}
	if !bytes.Equal(body(one), body(recorded)) {
		t.Errorf("request % x, want % x", body(one), body(recorded))
	}
}

// netlogonValue is an answer with the flags of a writable global catalog.
func netlogonValue(opcode byte, names ...string) []byte {
	b := append([]byte{opcode, 0, 0, 0, 0x04, 0x01, 0, 0}, make([]byte, 16)...)
	for _, name := range names {
		for label := range strings.SplitSeq(name, ".") {
			b = append(append(b, byte(len(label))), label...)
		}
		if name != "" {
			b = append(b, 0)
		}
	}
	return b
}

func TestCLDAPAnswers(t *testing.T) {
	probe := CLDAP()
	request := probe.Request(scanner.Ask{})
	asked, err := readCLDAP(request)
	if err != nil {
		t.Fatal(err)
	}
	id := uint32(asked.id)
	end := func(code uint32) []byte { return ldapEnd(id, ldapOpDone, code, "") }
	netlogon := func(value []byte) []byte { return append(ldapEntry(id, "netlogon="+string(value)), end(0)...) }
	paused := netlogonValue(netlogonPaused, "lab.test", "lab.test", "dc1.lab.test", "LAB", "DC1", "", "Site")
	for _, tt := range []struct {
		name   string
		answer []byte
		want   string
	}{
		{"paused", netlogon(paused), "spoke role | answer=an LDAP ping of a domain controller | domain-controller=dc1.lab.test | domain=lab.test | forest=lab.test | directory-site=Site | does=global catalog, writable | net-logon=paused: this domain controller logs nobody on now"},
		{"a directory that does not say", end(32), "spoke protocol | answer=a directory, which does not say who it is (result 32)"},
		{"another directory", append(ldapEntry(id, "objectClass=top"), end(0)...), "foreign none (LDAP, but not Active Directory (it has no NetLogon))"},
		{"another id", ldapEnd(id^1, ldapOpDone, 0, ""), "foreign none (an answer to a request that was not made)"},
		{"two ids", append(end(0), ldapEnd(id^1, ldapOpDone, 0, "")...), "garbled none (messages of different ids in one datagram)"},
		{"echo", request, "foreign none (sent the request back)"},
		{"another operation", ldapEnd(id, ber.Application+1, 0, ""), "foreign none (LDAP, but no answer to a search)"},
		{"empty", nil, "foreign none (no LDAP: the answer begins bytes )"},
		{"text", []byte("hello\x1b"), "foreign none (no LDAP: the answer begins hello.)"},
		{"truncated", end(0)[:1], "garbled none (malformed BER: an element ends after 1 bytes)"},
		{"NetLogon of nothing", netlogon(nil), "garbled none (malformed NetLogon: 0 bytes, want at least 24)"},
		{"NetLogon of another kind", netlogon(netlogonValue(19)), "garbled none (malformed NetLogon: opcode 19)"},
		{"NetLogon ends early", netlogon(netlogonValue(23, "lab.test")), "garbled none (malformed NetLogon: a name ends early)"},
		{"a pointer to itself", netlogon(append(netlogonValue(23), 0xc0, 24)), "garbled none (malformed NetLogon: a pointer that points forward)"},
		{"half a pointer", netlogon(append(netlogonValue(23), 0xc0)), "garbled none (malformed NetLogon: a pointer ends early)"},
		{"a label ends early", netlogon(append(netlogonValue(23), 9, 'a')), "garbled none (malformed NetLogon: a label ends early)"},
		{"an unknown label", netlogon(append(netlogonValue(23), 0x41, 'a')), "garbled none (malformed NetLogon: a label of an unknown kind)"},
		{"a name is too long", netlogon(netlogonValue(23, strings.Repeat("abcdefg.", 40))), "garbled none (malformed NetLogon: a name is too long)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := told(probe.Decode(request, tt.answer)); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

// FuzzCLDAP: no answer makes the decoder panic, and none with another id counts.
func FuzzCLDAP(f *testing.F) {
	for _, file := range []string{"dc-cldap.hex", "dc-cldap-net-ads.hex"} {
		request, answer := exchange(f, file)
		f.Add(request, answer)
		f.Add(request, request)
	}
	fresh := CLDAP().Request(scanner.Ask{})
	asked, err := readCLDAP(fresh)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, request, answer []byte) {
		if r := CLDAP().Decode(request, answer); r.Outcome == scanner.OutcomeUnknown {
			t.Errorf("%x: no outcome", answer)
		}
		got, err := readCLDAP(answer)
		if r := CLDAP().Decode(fresh, answer); r.Outcome == scanner.Spoke && (err != nil || got.id != asked.id) {
			t.Errorf("%x is taken for an answer: %+v", answer, r)
		}
	})
}
