package probes

import (
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/scanner"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// authority issues certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lab CA"},
		NotBefore: time.Now().Add(-100 * 24 * time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = issue(t, template, nil, nil)
	a.pool.AddCert(a.cert)
	return a
}

// issue signs a template; without a parent by its own key.
func issue(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// leaf issues a certificate for a server, changed as the case wants it.
func (a authority) leaf(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mp1"}, DNSNames: []string{"mp1.lab.test", "mp1"},
		NotBefore: time.Now().Add(-10 * 24 * time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	cert, key := issue(t, template, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// tlsPeer wraps a peer in TLS.
func tlsPeer(config *tls.Config, peer func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		t := tls.Server(conn, config)
		if t.Handshake() == nil {
			peer(t)
			_ = t.CloseWrite()
		}
	}
}

func TestHTTPSCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	day := func(d int) time.Time { return time.Now().AddDate(0, 0, d) }
	const date = "2006-01-02"
	role := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "MP1 mp1.lab.test [mp1.lab.test mp1]"}
	selfSigned := func() tls.Certificate {
		cert, key := issue(t, &x509.Certificate{
			SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "mp1"}, DNSNames: []string{"mp1.lab.test", "mp1"}, NotBefore: day(-1), NotAfter: day(1),
		}, nil, nil)
		return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	}
	for _, tt := range []struct {
		name   string
		cert   tls.Certificate
		config *tls.Config
		keys   string
		names  string // in Identity, when they differ
		want   string
	}{
		{name: "good", cert: ca.leaf(t, nil), keys: "tls certificate certificate-names certificate-dates certificate-issuer", want: "tls=TLS 1.3 | certificate-names=mp1.lab.test, mp1 | certificate-dates=" + day(-10).UTC().Format(date) + " to " + day(10).UTC().Format(date) + " | certificate-issuer=CN=Lab CA"},
		{name: "expired", cert: ca.leaf(t, func(c *x509.Certificate) { c.NotAfter = day(-3) }), keys: "certificate", want: "certificate=expired on " + day(-3).UTC().Format(date)},
		{name: "expired before its authority was made", cert: ca.leaf(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = day(-300), day(-200) }), keys: "certificate", want: "certificate=expired on " + day(-200).UTC().Format(date)},
		{name: "refused by every client", cert: ca.leaf(t, func(c *x509.Certificate) { c.NotAfter = day(-3) }), keys: "clients-refuse", want: "clients-refuse=its certificate is expired on " + day(-3).UTC().Format(date)},
		{name: "not refused for its authority", cert: other.leaf(t, nil), keys: "clients-refuse"},
		{name: "not yet valid", cert: ca.leaf(t, func(c *x509.Certificate) { c.NotBefore = day(3) }), keys: "certificate", want: "certificate=not valid before " + day(3).UTC().Format(date)},
		{name: "wrong name", cert: ca.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"www.example.com"} }), keys: "certificate", names: "[www.example.com]", want: "certificate=not for the name mp1.lab.test"},
		{name: "no alternative name", cert: ca.leaf(t, func(c *x509.Certificate) { c.DNSNames = nil }), keys: "certificate", names: "[mp1]", want: "certificate=not for the name mp1.lab.test"},
		{name: "the common name is the name", cert: ca.leaf(t, func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "mp1.LAB.test" }), keys: "certificate", names: "[mp1.LAB.test]", want: "certificate=without a subject alternative name: Windows takes the common name, others may not"},
		{name: "self-signed", cert: selfSigned(), keys: "certificate", want: "certificate=self-signed"},
		{name: "unknown authority", cert: other.leaf(t, nil), keys: "certificate", want: "certificate=this machine does not trust its issuer (clients may)"},
		{name: "for clients only", cert: ca.leaf(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), keys: "certificate", want: "certificate=not for server authentication"},
		{name: "two faults", cert: other.leaf(t, func(c *x509.Certificate) { c.NotAfter, c.DNSNames = day(-3), []string{"x.test"} }), names: "[x.test]", keys: "certificate", want: "certificate=expired on " + day(-3).UTC().Format(date) + " | certificate=not for the name mp1.lab.test | certificate=this machine does not trust its issuer (clients may)"},
		{name: "TLS 1.2", cert: ca.leaf(t, nil), config: &tls.Config{MaxVersion: tls.VersionTLS12}, keys: "tls certificate", want: "tls=TLS 1.2"},
		{name: "TLS 1.0 only", cert: ca.leaf(t, nil), config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, keys: "tls certificate", want: "tls=TLS 1.0 | certificate=TLS 1.0 is too old: current Windows refuses it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.config == nil {
				tt.config = &tls.Config{}
			}
			tt.config.Certificates = []tls.Certificate{tt.cert}
			call := probetest.Serve(t, tlsPeer(tt.config, httpPeer(map[string]string{"*": answer("200 OK", "", mpBody)})))
			call.Host = "mp1.lab.test"
			want := role
			want.Details = tt.want
			if tt.names != "" {
				want.Identity = "MP1 mp1.lab.test " + tt.names
			}
			got := talk(t, httpsManagementPoint(ca.pool), call, strings.Fields(tt.keys)...)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHTTPSClientCertificates(t *testing.T) {
	ca := newAuthority(t)
	wanted := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Identity: "[mp1.lab.test mp1]", Details: "answer=a client certificate is wanted"}
	for _, tt := range []struct {
		name   string
		config *tls.Config
		text   string
		want   brief
	}{
		{"IIS answers 403", &tls.Config{}, answer("403 Forbidden", "Server: Microsoft-IIS/10.0\r\n", "403.7"), wanted},
		{"nginx answers 400", &tls.Config{ClientAuth: tls.RequestClientCert}, answer("400 Bad Request", "Server: nginx\r\n", "<center>No required SSL certificate was sent</center>"), wanted},
		{"asked for, and not needed", &tls.Config{ClientAuth: tls.RequestClientCert}, answer("200 OK", "", mpBody), brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "MP1 mp1.lab.test [mp1.lab.test mp1]",
		}},
		{"the handshake wants it in TLS 1.3", &tls.Config{ClientAuth: tls.RequireAnyClientCert}, "", wanted},
		{"the handshake wants it in TLS 1.2", &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, "", wanted},
		{"a 403 of a proxy", &tls.Config{}, answer("403 Forbidden", "Via: 1.1 p\r\n", ""), brief{Outcome: scanner.Foreign, Details: "answer=access is forbidden, by whom is not said"}},
		{"another 400", &tls.Config{}, answer("400 Bad Request", "", ""), brief{Outcome: scanner.Foreign, Details: "answer=not the answer of a management point"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Certificates = []tls.Certificate{ca.leaf(t, nil)}
			call := probetest.Serve(t, tlsPeer(tt.config, httpPeer(map[string]string{"*": tt.text})))
			call.Host = "mp1.lab.test"
			if d := cmp.Diff(tt.want, talk(t, httpsManagementPoint(ca.pool), call, "answer")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestHTTPSFallsBackToTLS12 has a server that hangs up on TLS 1.3 after the
// request, as IIS does when it must ask for a client certificate by path.
func TestHTTPSFallsBackToTLS12(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}}
	call := probetest.Serve(t, func(conn net.Conn) {
		s := tls.Server(conn, config)
		if s.Handshake() != nil {
			return
		}
		if s.ConnectionState().Version == tls.VersionTLS13 {
			_, _ = s.Read(make([]byte, 4096))
			return
		}
		httpPeer(map[string]string{"*": answer("403 Forbidden", "", "")})(s)
	})
	call.Host = "mp1.lab.test"
	got := talk(t, httpsManagementPoint(ca.pool), call, "tls")
	want := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Identity: "[mp1.lab.test mp1]", Details: "tls=TLS 1.2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestHTTPSOnAPlainPort(t *testing.T) {
	plain := answer("400 Bad Request", "Server: nginx\r\n", "")
	call := probetest.Serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte(plain))
	})
	want := brief{Outcome: scanner.Foreign, Details: "answer=plain HTTP, not TLS: HTTP/1.1 400 Bad Request"}
	if d := cmp.Diff(want, talk(t, HTTPSManagementPoint(), call, "answer")); d != "" {
		t.Error(d)
	}
}

func TestHTTPSHandshakeRefused(t *testing.T) {
	call := probetest.Serve(t, func(conn net.Conn) { _ = tls.Server(conn, &tls.Config{}).Handshake() }) // no certificate to show
	got := talk(t, HTTPSManagementPoint(), call, "tls")
	if got.Outcome != scanner.Garbled || !strings.HasPrefix(got.Details, "tls=the server ended the handshake: remote error: tls: ") {
		t.Errorf("%+v", got)
	}
}

func TestHTTPSCut(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}}
	for name, peer := range map[string]func(net.Conn){
		"after the request":        func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) },
		"in the middle of a list":  func(conn net.Conn) { httpPeer(map[string]string{"*": answer("200 OK", "", mpBody)[:90]})(conn) },
		"in the middle of headers": func(conn net.Conn) { httpPeer(map[string]string{"*": "HTTP/1.1 200 OK\r\nServ"})(conn) },
	} {
		t.Run(name, func(t *testing.T) {
			call := probetest.Serve(t, tlsPeer(config, peer))
			if got := talk(t, HTTPSManagementPoint(), call); got.Outcome != scanner.Cut || got.Identity != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A short name or an address may be the user's shortcut: clients use another.
func TestShortNameIsNotRefused(t *testing.T) {
	ca := newAuthority(t)
	for host, refused := range map[string]bool{"mp7.lab.test": true, "mp7": false, "198.18.0.7": false} {
		call := probetest.Serve(t, tlsPeer(&tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}}, httpPeer(map[string]string{"*": answer("200 OK", "", mpBody)})))
		call.Host = host
		got := talk(t, httpsManagementPoint(ca.pool), call, "clients-refuse")
		if (got.Details != "") != refused {
			t.Errorf("%s: %q", host, got.Details)
		}
	}
}

// A certificate with a negative serial number is read, as Windows reads it:
// the authority that every Samba makes for itself issues such (see go.mod).
func TestNegativeSerialNumber(t *testing.T) {
	ca := newAuthority(t)
	leaf := ca.leaf(t, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(0x7fffffffffffff01) })
	was, negative := []byte{2, 8, 0x7f, 0xff, 0xff}, []byte{2, 8, 0x8f, 0xff, 0xff}
	if n := bytes.Count(leaf.Certificate[0], was); n != 1 {
		t.Fatalf("%d serial numbers", n)
	}
	c, err := x509.ParseCertificate(bytes.Replace(leaf.Certificate[0], was, negative, 1))
	if err != nil || c.SerialNumber.Sign() >= 0 {
		t.Errorf("%v, %v", c, err)
	}
}
