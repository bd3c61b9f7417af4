package probes

import (
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/probes/wire/ber"
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ldapTranscripts = "../testdata/wire/ldap/"

// serverBytes is all that the server says in a transcript.
func serverBytes(t testing.TB, file string) []byte {
	t.Helper()
	var all []byte
	for _, m := range probetest.Transcript(t, ldapTranscripts+file) {
		if !m.FromClient {
			all = append(all, m.Bytes...)
		}
	}
	return all
}

// ldapEntry is a search result entry; each attribute is "name=value|value".
func ldapEntry(id uint32, attributes ...string) []byte {
	var list [][]byte
	for _, a := range attributes {
		name, text, _ := strings.Cut(a, "=")
		var values [][]byte
		for v := range strings.SplitSeq(text, "|") {
			values = append(values, ber.EncodeText(ber.OctetString, v))
		}
		list = append(list, ber.Encode(ber.Sequence, ber.EncodeText(ber.OctetString, name), ber.Encode(ber.Set, values...)))
	}
	op := ber.Encode(ldapOpEntry, ber.EncodeText(ber.OctetString, ""), ber.Encode(ber.Sequence, list...))
	return ber.Encode(ber.Sequence, ber.EncodeInt(ber.Integer, id), op)
}

// ldapEnd is an LDAPResult under the tag of an operation.
func ldapEnd(id uint32, op byte, code uint32, said string) []byte {
	return ber.Encode(ber.Sequence, ber.EncodeInt(ber.Integer, id), ber.Encode(
		op, ber.EncodeInt(ber.Enumerated, code), ber.EncodeText(ber.OctetString, ""), ber.EncodeText(ber.OctetString, said),
	))
}

// found is the whole answer to a search with one entry.
func found(attributes ...string) []byte {
	return append(ldapEntry(1, attributes...), ldapEnd(1, ldapOpDone, 0, "")...)
}

const (
	adCapabilities = "supportedCapabilities=1.2.840.113556.1.4.800|1.2.840.113556.1.4.1670"
	adHost         = "dnsHostName=dc1.lab.test"
	adDomain       = "defaultNamingContext=DC=lab,DC=test"
)

func TestLDAP(t *testing.T) {
	role := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "dc1.lab.test []"}
	not := func(kind string) brief {
		return brief{Outcome: scanner.Foreign, Details: "answer=LDAP, but not Active Directory (" + kind + ")"}
	}
	refused := func(code string) brief {
		return brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Details: "answer=the directory answered " + code}
	}
	const all = "answer domain-controller domain forest global-catalog functional-level vendor synchronized said"
	for _, tt := range []struct {
		name   string
		probe  scanner.Probe
		answer []byte
		keys   string
		want   brief
	}{
		{"Samba", LDAP(), serverBytes(t, "dc-ldap.hex"), all, brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "dc1.lab.test []",
			Details: "answer=the root of Active Directory | domain-controller=dc1.lab.test | domain=lab.test | forest=lab.test | global-catalog=TRUE | functional-level=4 | vendor=Samba Team (https://www.samba.org)",
		}},
		{"Samba as a global catalog", GlobalCatalog(), serverBytes(t, "dc-gc.hex"), "", role},
		{"OpenLDAP", LDAP(), serverBytes(t, "slapd-ldap.hex"), "answer", not("OpenLDAP")},
		{"OpenLDAP for a global catalog", GlobalCatalog(), serverBytes(t, "slapd-ldap.hex"), "answer", not("OpenLDAP")},
		{"names in other case", LDAP(), found("SUPPORTEDCAPABILITIES=1.2.840.113556.1.4.800", "DNSHOSTNAME=dc1.lab.test"), "", role},
		{"not caught up", LDAP(), found(adCapabilities, adHost, "isSynchronized=FALSE"), "synchronized", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "dc1.lab.test []", Details: "synchronized=not yet: this domain controller has not caught up since it was made",
		}},
		{"a name with escapes", LDAP(), found(adCapabilities, "dnsHostName=dc1\x1b[2J"), "domain-controller", brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole}},
		{"no global catalog", GlobalCatalog(), found(adCapabilities, adHost, "isGlobalCatalogReady=FALSE"), "answer domain-controller", brief{
			Outcome: scanner.Foreign, Details: "answer=Active Directory, but not a global catalog | domain-controller=dc1.lab.test",
		}},
		{"a global catalog that does not say so", GlobalCatalog(), found(adCapabilities, adHost), "answer", brief{
			Outcome: scanner.Foreign, Details: "answer=Active Directory, but not a global catalog",
		}},
		{"no global catalog, asked as a directory", LDAP(), found(adCapabilities, adHost, "isGlobalCatalogReady=FALSE"), "global-catalog", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "dc1.lab.test []", Details: "global-catalog=FALSE",
		}},
		{"AD LDS", LDAP(), found("supportedCapabilities=1.2.840.113556.1.4.1851"), "answer", not("Active Directory Lightweight Directory Services")},
		{"a vendor", LDAP(), found("vendorName=389 Project\x1b"), "answer", not("389 Project.")},
		{"no vendor", LDAP(), found("namingContexts=dc=open,dc=test"), "answer", not("it holds dc=open,dc=test")},
		{"an empty root", LDAP(), found(), "answer", not("it does not say what it is")},
		{"no root", LDAP(), ldapEnd(1, ldapOpDone, 0, ""), "answer", not("the root of the directory is not shown")},
		{"no such object", LDAP(), ldapEnd(1, ldapOpDone, 32, ""), "answer", brief{Outcome: scanner.Foreign, Details: "answer=the directory answered No Such Object (32)"}},
		{"operations error", LDAP(), ldapEnd(1, ldapOpDone, 1, "00002020: Operation unavailable without authentication\x07"), "answer", refused("Operations Error (1)")},
		{"operations error, and what was said", LDAP(), ldapEnd(1, ldapOpDone, 1, "00002020\x07"), "said", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Details: "said=00002020.",
		}},
		{"strong authentication", GlobalCatalog(), ldapEnd(1, ldapOpDone, 8, ""), "answer", refused("Strong Auth Required (8)")},
		{"busy", LDAP(), ldapEnd(1, ldapOpDone, 51, ""), "answer", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Details: "answer=the directory answered Busy (51)",
		}},
		{"after messages of others", LDAP(), append(ldapEnd(9, ldapOpDone, 0, ""), found(adCapabilities, adHost)...), "", role},
		{"an entry without attributes", LDAP(), ber.Encode(ber.Sequence, ber.EncodeInt(ber.Integer, 1), ber.Encode(ldapOpEntry)), "", brief{Outcome: scanner.Garbled}},
		{"a result of nothing", LDAP(), ber.Encode(ber.Sequence, ber.EncodeInt(ber.Integer, 1), ber.Encode(ldapOpDone)), "", brief{Outcome: scanner.Garbled}},
		{"TLS", LDAP(), []byte{21, 3, 1, 0, 2, 2, 40}, "answer", brief{Outcome: scanner.Foreign, Details: "answer=a TLS message: the port speaks TLS, not plain LDAP"}},
		{"SSH", LDAP(), []byte("SSH-2.0-x\r\n"), "answer", brief{Outcome: scanner.Foreign, Details: "answer=SSH-2.0-x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, probetest.Say(tt.answer))
			call.Host, call.Depth = "dc1.lab.test", scanner.AssuranceRole
			if d := cmp.Diff(tt.want, talk(t, tt.probe, call, strings.Fields(tt.keys)...)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLDAPIdentity(t *testing.T) {
	call := probetest.Serve(t, probetest.Say(found(adCapabilities, adHost, adDomain, "currentTime=20261121044732.0Z")))
	call.Depth = scanner.AssuranceRole
	want := scanner.Identity{DNSName: "dc1.lab.test", DNSDomain: "lab.test", Clock: time.Date(2026, 11, 21, 4, 47, 32, 0, time.UTC)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if d := cmp.Diff(want, LDAP().Talk(ctx, call).Identity); d != "" {
		t.Error(d)
	}
	for dn, want := range map[string]string{
		"DC=lab,DC=test": "lab.test", "dc=a, dc=b": "a.b", "CN=x,DC=lab": "", "": "", "DC=": "", "DC=\x1b": "", "lab": "",
	} {
		if got := domainOfDN(dn); got != want {
			t.Errorf("%q is the domain %q, want %q", dn, got, want)
		}
	}
}

// startTLSPeer answers a search with the root, and StartTLS as told.
func startTLSPeer(root []byte, start func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		if bytes.Contains(b[:n], []byte("1.3.6.1.4.1.1466.20037")) {
			start(conn)
			return
		}
		_, _ = conn.Write(root)
		_, _ = io.Copy(io.Discard, conn)
	}
}

func TestLDAPStartTLS(t *testing.T) {
	ca := newAuthority(t)
	const extended = ber.Application + 24 // RFC 4511 4.12
	root := found(adCapabilities, adHost)
	say := func(b []byte) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = conn.Write(b)
			_, _ = io.Copy(io.Discard, conn)
		}
	}
	config := &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}, MaxVersion: tls.VersionTLS12}
	for _, tt := range []struct {
		name  string
		start func(net.Conn)
		want  string
	}{
		{"works", func(conn net.Conn) {
			_, _ = conn.Write(ldapEnd(1, extended, 0, ""))
			tlsPeer(config, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })(conn)
		}, "works, TLS 1.2, certificate for mp1.lab.test, mp1"},
		{"not offered", say(ldapEnd(1, extended, 2, "")), "not offered: Protocol Error (2)"},
		{"no certificate", say(ldapEnd(1, extended, 52, "")), "not offered: Unavailable (52)"},
		{"closed", func(net.Conn) {}, "does not work: the connection ended before the end of an answer: closed by the peer"},
		{"foreign", say([]byte("220 hello\r\n")), "does not work: no LDAP: the answer begins 220 hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, startTLSPeer(root, tt.start))
			want := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "dc1.lab.test []", Details: "start-tls=" + tt.want}
			if d := cmp.Diff(want, talk(t, LDAP(), call, "start-tls")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLDAPS(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}}
	secure := func(answer []byte) func(net.Conn) { return tlsPeer(config, probetest.Say(answer)) }
	for _, tt := range []struct {
		name  string
		probe scanner.Probe
		peer  func(net.Conn)
		keys  string
		want  brief
	}{
		{"right", ldapsProbe(ca.pool), secure(found(adCapabilities, adHost)), "tls certificate", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "dc1.lab.test [mp1.lab.test mp1]", Details: "tls=TLS 1.3 | certificate=not for the name dc1.lab.test",
		}},
		{"issuer not trusted", GlobalCatalogTLS(), secure(found(adCapabilities, adHost, "isGlobalCatalogReady=TRUE")), "clients-refuse", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "dc1.lab.test [mp1.lab.test mp1]", Details: "clients-refuse=its certificate is not for the name dc1.lab.test",
		}},
		{"no global catalog", GlobalCatalogTLS(), secure(found(adCapabilities, adHost)), "answer", brief{
			Outcome: scanner.Foreign, Details: "answer=Active Directory, but not a global catalog",
		}},
		{"OpenLDAP", LDAPS(), secure(serverBytes(t, "slapd-ldap.hex")), "answer", brief{
			Outcome: scanner.Foreign, Details: "answer=LDAP, but not Active Directory (OpenLDAP)",
		}},
		{"HTTPS", LDAPS(), secure([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), "answer", brief{
			Outcome: scanner.Foreign, Details: "answer=HTTP/1.1 400 Bad Request",
		}},
		{"refused", LDAPS(), secure(ldapEnd(1, ldapOpDone, 8, "")), "tls", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Details: "tls=TLS 1.3",
		}},
		{"plain LDAP", LDAPS(), probetest.Say(ldapEnd(0, ber.Application+24, 2, "")), "", brief{Outcome: scanner.Foreign}},
		{"mute in TLS", LDAPS(), tlsPeer(config, func(net.Conn) {}), "", brief{Outcome: scanner.Cut}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, tt.peer)
			call.Host = "dc1.lab.test"
			if d := cmp.Diff(tt.want, talk(t, tt.probe, call, strings.Fields(tt.keys)...)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLDAPAdversity(t *testing.T) {
	answers := [][]byte{serverBytes(t, "dc-ldap.hex"), serverBytes(t, "slapd-ldap.hex")}
	for _, p := range []scanner.Probe{LDAP(), GlobalCatalog()} {
		probetest.Adversity(t, p, answers...)
	}
	for _, p := range []scanner.Probe{LDAPS(), GlobalCatalogTLS()} {
		probetest.Adversity(t, p)
	}
}

// TestLDAPEndless holds the probe against answers of the right kind without end.
func TestLDAPEndless(t *testing.T) {
	nested := bytes.Repeat([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, 1<<12)
	for name, unit := range map[string][]byte{
		"entries":             ldapEntry(1, adHost),
		"messages of others":  ldapEnd(7, ldapOpDone, 0, ""),
		"no messages":         {0x30, 0},
		"nested without end":  nested,
		"one string of 2 GiB": append([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x04, 0x84, 0x7f, 0xff, 0xff, 0xf0}, make([]byte, 1<<12)...),
	} {
		t.Run(name, func(t *testing.T) {
			call := probetest.Serve(t, probetest.Endless(nil, unit))
			if got := talk(t, LDAP(), call); got.Outcome != scanner.Garbled {
				t.Errorf("%+v, want garbled", got)
			}
		})
	}
}

// FuzzLDAP: no answer makes the conversation panic or hang, and only one that
// names Active Directory proves it.
func FuzzLDAP(f *testing.F) {
	f.Add(serverBytes(f, "dc-ldap.hex"))
	f.Add(serverBytes(f, "slapd-ldap.hex"))
	f.Add(ldapEnd(1, ldapOpDone, 1, "x"))
	f.Add(found(adCapabilities, adHost))
	f.Fuzz(func(t *testing.T, answer []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		call := scanner.Call{Host: "dc1.lab.test", Depth: scanner.AssuranceRole, Dial: func(context.Context) (net.Conn, scanner.Reply) {
			ours, theirs := net.Pipe()
			go func() {
				_, _ = theirs.Read(make([]byte, 4096))
				_, _ = theirs.Write(answer)
				_ = theirs.Close()
			}()
			return ours, scanner.Reply{Outcome: scanner.Answered}
		}}
		r := LDAP().Talk(ctx, call)
		switch {
		case r.Outcome == scanner.OutcomeUnknown, ctx.Err() != nil:
			t.Errorf("%x: %+v", answer, r)
		case r.Proof == scanner.AssuranceRole && !bytes.Contains(answer, []byte(oidActiveDirectory)):
			t.Errorf("%x is taken for Active Directory", answer)
		}
	})
}
