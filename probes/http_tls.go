package probes

import (
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// tlsConfig is for looking, not for secrets: it takes any certificate, so that
// a wrong one can be described, and old versions and weak ciphers, so that a
// server that has nothing better can be told from one that is not there.
// What the server shows, and whether it asks for a client certificate, of which
// there is none to give, is noted in the answer even when the handshake fails.
func (h httpClient) tlsConfig(a *httpAnswer) *tls.Config {
	var suites []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		suites = append(suites, s.ID)
	}
	return &tls.Config{
		ServerName:         strings.TrimSuffix(h.call.Host, "."),
		InsecureSkipVerify: true, //nolint:gosec // G402: describeTLS checks the certificate; nothing secret is sent
		MinVersion:         tls.VersionTLS10,
		MaxVersion:         h.maxTLS,
		CipherSuites:       suites,
		VerifyConnection: func(state tls.ConnectionState) error {
			a.tls = &state
			return nil
		},
		// IIS asks for a client certificate after it has seen the path, by
		// renegotiation in TLS 1.2 (RFC 5246 7.4.1.1).
		Renegotiation: tls.RenegotiateOnceAsClient,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			a.wanted = true
			return &tls.Certificate{}, nil
		},
	}
}

// httpHandshakeFailed says how a TLS handshake ended that did not succeed.
func httpHandshakeFailed(ctx context.Context, wire *httpWire, err error) scanner.Result {
	r := scanner.Result{Err: printable(err.Error(), httpMaxText)}
	late := ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case len(wire.first) == 0 && late:
		r.Outcome, r.Err = scanner.Mute, "no answer to the TLS handshake in time"
	case len(wire.first) == 0:
		r.Outcome, r.Err = scanner.Cut, "the connection ended without an answer to the TLS handshake"
	case looksHTTP(wire.first):
		r.Outcome, r.Err = scanner.Foreign, "no TLS: the port speaks plain HTTP"
		r.Detail("answer", "plain HTTP, not TLS: "+lookedLike(wire.first))
	case !looksTLS(wire.first):
		r.Outcome, r.Err = scanner.Foreign, "no TLS: "+lookedLike(wire.first)
		r.Detail("answer", lookedLike(wire.first))
	case isAlert(err):
		r.Outcome = scanner.Garbled
		r.Detail("tls", "the server ended the handshake: "+r.Err)
	case late:
		r.Outcome, r.Err = scanner.Mute, "the TLS handshake did not end in time"
	case errors.Is(err, errTooMuch):
		r.Outcome = scanner.Garbled
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.Outcome, r.Err = scanner.Cut, "the connection ended in the middle of the TLS handshake"
	default:
		r.Outcome = scanner.Garbled
	}
	return r
}

// isAlert reports whether the peer ended TLS by an alert (RFC 8446 6).
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// certificateWanted is the result for a server that was reached and tells nobody
// without a client certificate what it is.
func (a httpAnswer) certificateWanted() scanner.Result {
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, NeedsCredentials: true}
	r.Detail("answer", "a client certificate is wanted")
	if a.status != 0 {
		a.describeHTTP(&r)
	}
	return r
}

// refusedWithoutCertificate reports whether the server asked for a client
// certificate and, when it got none, ended the connection by an alert.
func (a httpAnswer) refusedWithoutCertificate() bool {
	ended := a.failed.Outcome == scanner.Cut || a.failed.Outcome == scanner.Garbled
	return a.wanted && ended && strings.HasPrefix(a.failed.Err, "remote error")
}

// certificateOrElse tells a server that ends the connection for want of a
// client certificate from one that just fails.
func certificateOrElse(a httpAnswer) scanner.Result {
	r := a.failed
	if a.refusedWithoutCertificate() {
		r = a.certificateWanted()
		r.Detail("tls", "the server ended the connection: "+a.failed.Err)
		return r
	}
	if a.wanted {
		r.Detail("tls", "the server asked for a client certificate")
	}
	return r
}

// describeConnection adds what is to be said of the TLS connection of an answer.
// The names in the certificate are part of the identity of a right peer.
func (h httpClient) describeConnection(r *scanner.Result, a httpAnswer) {
	if a.tls == nil {
		return
	}
	names := describeTLS(r, a.tls, h.call.Host, h.roots, h.now())
	if r.Outcome == scanner.Spoke && h.call.Depth >= scanner.AssuranceRole {
		r.Identity.Names = appendNew(r.Identity.Names, names...)
	}
}

// describeTLS adds what is to be said of a TLS connection and its certificate:
// facts under "tls", "certificate-names", "certificate-dates" and
// "certificate-issuer", and each fault under "certificate". A fault for which every
// client refuses it, whatever it trusts, stands under "clients-refuse" too. It
// returns the names in the certificate.
func describeTLS(r *scanner.Result, state *tls.ConnectionState, host string, roots *x509.CertPool, now time.Time) []string {
	r.Detail("tls", tls.VersionName(state.Version))
	if state.Version < tls.VersionTLS12 {
		r.Detail("certificate", fmt.Sprintf("%s is too old: current Windows refuses it", tls.VersionName(state.Version)))
	}
	if len(state.PeerCertificates) == 0 {
		r.Detail("certificate", "the server has none")
		return nil
	}
	leaf := state.PeerCertificates[0]
	names := certificateNames(leaf)
	const date = "2006-01-02"
	r.Detail("certificate-names", printable(strings.Join(names, ", "), httpMaxText))
	r.Detail("certificate-dates", leaf.NotBefore.UTC().Format(date)+" to "+leaf.NotAfter.UTC().Format(date))
	r.Detail("certificate-issuer", printable(leaf.Issuer.String(), httpMaxText))
	refused, others := certificateFaults(state.PeerCertificates, host, roots, now)
	for _, fault := range slices.Concat(refused, others) {
		r.Detail("certificate", printable(fault, httpMaxText))
	}
	if len(refused) > 0 {
		r.Detail("clients-refuse", printable("its certificate is "+strings.Join(refused, ", and "), httpMaxText))
	}
	return names
}

// certificateNames lists the names that a certificate is for (RFC 9525 6.3;
// the common name is what is left when there is no other).
func certificateNames(c *x509.Certificate) []string {
	const most = 16
	var names []string
	add := func(name string) {
		if clean := printable(name, 253); clean == name && name != "" && len(names) < most && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range c.DNSNames {
		add(name)
	}
	if len(names) == 0 {
		add(c.Subject.CommonName)
	}
	for _, ip := range c.IPAddresses {
		add(ip.String())
	}
	return names
}

// certificateFaults checks what a client would, each thing on its own, so that
// one fault does not hide another. For the first kind every client refuses the
// certificate; the others depend on whom a client trusts, and on the name that
// it was told.
func certificateFaults(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) (refused, others []string) {
	leaf := chain[0]
	const date = "2006-01-02"
	switch {
	case now.After(leaf.NotAfter):
		refused = append(refused, "expired on "+leaf.NotAfter.UTC().Format(date))
	case now.Before(leaf.NotBefore):
		refused = append(refused, "not valid before "+leaf.NotBefore.UTC().Format(date))
	}
	host = strings.TrimSuffix(host, ".")
	named := *leaf
	bare := len(leaf.DNSNames)+len(leaf.IPAddresses) == 0
	if bare { // Windows reads the common name then, as RFC 6125 6.4.4 allows
		named.DNSNames = []string{leaf.Subject.CommonName}
	}
	switch err := named.VerifyHostname(host); {
	case err != nil && fullName(host):
		refused = append(refused, fmt.Sprintf("not for the name %s", host))
	case err != nil:
		others = append(others, fmt.Sprintf("not for the name %s", host))
	case bare:
		others = append(others, "without a subject alternative name: Windows takes the common name, others may not")
	}
	if leaf.Issuer.String() == leaf.Subject.String() && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil {
		return refused, append(others, "self-signed")
	}
	if fault := chainFault(chain, roots, now); fault != "" {
		others = append(others, fault)
	}
	return refused, others
}

// fullName reports whether a host was asked for by its full DNS name, which is
// what clients are told. An address or a short name may be the user's shortcut.
func fullName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && strings.Contains(host, ".")
}

// chainFault verifies the chain as it is now, but for the dates of the first
// certificate, which are checked elsewhere.
func chainFault(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) string {
	leaf := *chain[0] // the signature is over the raw bytes, which stay
	leaf.NotBefore, leaf.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		return "this machine does not trust its issuer (clients may)"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if invalid.Cert != nil && invalid.Cert.Equal(chain[0]) {
			return "" // where the system verifies, it reads the raw dates
		}
		return "a certificate above it has expired"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "not for server authentication"
	}
	return "the chain is not valid: " + strings.TrimPrefix(err.Error(), "x509: ")
}
