package probes

import (
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// What the four directory probes send and need is one text.
const (
	ldapSends = `Sends: an anonymous search for the root of the directory (the rootDSE, RFC 4512
5.1), which Active Directory shows to everybody ([MS-ADTS] 3.1.1.3.2).`
	ldapProves = `Proves: that Active Directory answers there, which it says in
supportedCapabilities ([MS-ADTS] 3.1.1.3.4.3), and which computer it is. A
directory of another kind is the wrong service.
Cannot prove: that an account may read what is below the root.`
	ldapNeeds = `Needs: TCP to the port, no rights.`
)

// LDAP returns the probe for a domain controller on TCP 389.
func LDAP() scanner.Probe {
	return ldapProbe("ldap", `The root of Active Directory over LDAP

`+ldapSends+` To prove the identity it also tries StartTLS (RFC 4511
4.14) on a second connection; the result does not depend on it.
`+ldapProves+`
`+ldapNeeds, ldapClient{now: time.Now})
}

// LDAPS returns the probe for a domain controller on TCP 636.
func LDAPS() scanner.Probe {
	return ldapsProbe(nil)
}

func ldapsProbe(roots *x509.CertPool) scanner.Probe {
	return ldapProbe("ldaps", `The root of Active Directory over LDAP in TLS

`+ldapSends+`
`+ldapProves+` The faults of the certificate are
said, and do not end the conversation.
`+ldapNeeds, ldapClient{secure: true, roots: roots, now: time.Now})
}

// GlobalCatalog returns the probe for a global catalog on TCP 3268.
func GlobalCatalog() scanner.Probe {
	return ldapProbe("gc", `The root of a global catalog over LDAP

`+ldapSends+`
`+ldapProves+` It must also say that its global
catalog is ready: isGlobalCatalogReady.
`+ldapNeeds, ldapClient{catalog: true, now: time.Now})
}

// GlobalCatalogTLS returns the probe for a global catalog on TCP 3269.
func GlobalCatalogTLS() scanner.Probe {
	return ldapProbe("gcs", `The root of a global catalog over LDAP in TLS

`+ldapSends+`
`+ldapProves+` It must also say that its global
catalog is ready: isGlobalCatalogReady. The faults of the certificate are said.
`+ldapNeeds, ldapClient{secure: true, catalog: true, now: time.Now})
}

func ldapProbe(name, doc string, l ldapClient) scanner.Probe {
	return scanner.Probe{
		Name: name, Doc: doc, Protocol: scanner.TCP,
		Talk: func(ctx context.Context, c scanner.Call) scanner.Result {
			l := l
			l.call = c
			return l.talk(ctx)
		},
	}
}

// ldapClient asks one directory.
type ldapClient struct {
	call    scanner.Call
	secure  bool           // TLS from the first byte
	catalog bool           // the answer must be a global catalog's
	roots   *x509.CertPool // who is trusted; nil: whom this machine trusts
	now     func() time.Time
}

// What the connections of a conversation take in at most.
const (
	ldapMaxRoot     = 96 << 10 // a rootDSE has some 3 KiB
	ldapMaxStartTLS = 32 << 10 // an answer, and a handshake
)

func (l ldapClient) talk(ctx context.Context) scanner.Result {
	conn, reply := l.call.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}
	}
	defer func() { _ = conn.Close() }() // what was read is what counts
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	stream, seen := conn, httpAnswer{}
	if l.secure {
		wire := &httpWire{Conn: conn, left: httpMaxWire}
		t := tls.Client(wire, l.tlsConfig(&seen))
		if err := t.HandshakeContext(ctx); err != nil {
			return httpHandshakeFailed(ctx, wire, err)
		}
		stream = t
	}
	result := l.askRoot(ctx, stream)
	if seen.tls != nil && result.Outcome == scanner.Spoke {
		names := describeTLS(&result, seen.tls, l.call.Host, l.roots, l.now())
		if !result.Identity.IsZero() {
			result.Identity.Names = names
		}
	}
	if !l.secure && !l.catalog && result.Proof == scanner.AssuranceRole && l.call.Depth >= scanner.AssuranceIdentity {
		l.describeStartTLS(ctx, &result)
	}
	return result
}

func (l ldapClient) tlsConfig(seen *httpAnswer) *tls.Config {
	return httpClient{call: l.call, roots: l.roots, now: l.now}.tlsConfig(seen)
}

// askRoot asks for the rootDSE and judges the answer.
func (l ldapClient) askRoot(ctx context.Context, stream net.Conn) scanner.Result {
	wire := &ldapWire{Conn: stream, left: ldapMaxRoot}
	found, err := ldapSearch(wire, &ldap.SearchRequest{
		Scope: ldap.ScopeBaseObject, DerefAliases: ldap.NeverDerefAliases,
		Filter: "(objectClass=*)", Attributes: ldapRootAttributes(),
	})
	if _, ok := ldapAnswered(err); ok {
		return ldapRefused(err)
	}
	if err != nil {
		return ldapFailed(ctx, wire, err)
	}
	return readLDAPRoot(found).judge(l.catalog)
}

// describeStartTLS adds whether StartTLS works, as a fact and no more: what
// talks to a domain controller on 389 seals its messages in another way. It is
// tried even if the root does not list it, as Samba's does not.
func (l ldapClient) describeStartTLS(ctx context.Context, r *scanner.Result) {
	const key = "start-tls"
	conn, reply := l.call.Dial(ctx)
	if conn == nil {
		r.Detail(key, "not tried: a second connection ended "+reply.Outcome.String())
		return
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var seen httpAnswer
	wire := &ldapWire{Conn: conn, left: ldapMaxStartTLS}
	err := ldapStartTLS(wire, l.tlsConfig(&seen))
	if code, ok := ldapAnswered(err); ok {
		r.Detail(key, "not offered: "+code)
		return
	}
	if err != nil {
		r.Detail(key, "does not work: "+ldapFailed(ctx, wire, err).Err)
		return
	}
	text := "works"
	if seen.tls != nil {
		text += ", " + tls.VersionName(seen.tls.Version)
		if certs := seen.tls.PeerCertificates; len(certs) > 0 {
			text += ", certificate for " + strings.Join(certificateNames(certs[0]), ", ")
		}
	}
	r.Detail(key, printable(text, httpMaxText))
}
