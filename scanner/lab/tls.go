package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// Authority is a certification authority that exists for one lab. It makes its
// key when the first certificate is asked for, and forgets it with the process.
// No machine trusts it, as a client outside of the domain trusts no enterprise
// authority: whether a certificate is for the right name, and in time, can be
// seen all the same.
type Authority struct {
	issuer func() (*issuer, error)

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

// issuer is the authority's own certificate and key.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority.
func NewAuthority() *Authority {
	return &Authority{issuer: sync.OnceValues(newIssuer), issued: map[string]*tls.Certificate{}}
}

func newIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cmreach lab CA"},
		NotBefore: now.AddDate(-5, 0, 0), NotAfter: now.AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &issuer{cert, key}, nil
}

// Valid is a certificate for the host's name, good for a year.
func (a *Authority) Valid(h Host) (*tls.Certificate, error) {
	now := time.Now()
	return a.issue(h.DNSName, now.AddDate(0, -1, 0), now.AddDate(1, 0, 0))
}

// Expired is a certificate for the host's name that nobody renewed: it ended
// thirty days ago.
func (a *Authority) Expired(h Host) (*tls.Certificate, error) {
	now := time.Now()
	return a.issue(h.DNSName, now.AddDate(-2, 0, 0), now.AddDate(0, 0, -30))
}

// issue makes a certificate for a server (RFC 5280 4.2.1.6, 4.2.1.12), once for
// each name and time.
func (a *Authority) issue(name string, from, to time.Time) (*tls.Certificate, error) {
	in, err := a.issuer()
	if err != nil {
		return nil, fmt.Errorf("certification authority: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	id := name + to.Format(" 2006-01-02")
	if c := a.issued[id]; c != nil {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(int64(2 + len(a.issued))), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, in.cert, key.Public(), in.key)
	if err != nil {
		return nil, fmt.Errorf("certificate for %s: %w", name, err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der, in.cert.Raw}, PrivateKey: key}
	a.issued[id] = c
	return c, nil
}

// Certify finds the certificate of a host.
type Certify func(Host) (*tls.Certificate, error)

// Over is the service behind TLS, with the certificates that c gives.
func (s Service) Over(c Certify) Service {
	s.Certify = c
	return s
}

// tlsConfig is for a listener whose hosts are told apart by address: not every
// client sends the name.
func (c Certify) tlsConfig(who func(net.Addr) Host) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c(who(hello.Conn.LocalAddr()))
		},
	}
}
