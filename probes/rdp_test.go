package probes

import (
	"cmreach/probes/probetest"
	"cmreach/probes/wire/rdp"
	"cmreach/scanner"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rdpPeer answers the first message, byte by byte, and goes on.
func rdpPeer(t *testing.T, answer []byte, then func(net.Conn)) scanner.Call {
	return probetest.Serve(t, func(conn net.Conn) {
		got := make([]byte, 19)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Error(err)
			return
		}
		if want := (rdp.Request{Protocols: rdp.ProtocolTLS | rdp.ProtocolCredSSP}).Marshal(); string(got) != string(want) {
			t.Errorf("asks % x, want % x", got, want)
		}
		probetest.Split(conn, answer)
		then(conn)
	})
}

// rdpCertificate is like the one that Windows makes for itself.
func rdpCertificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestRDP(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{rdpCertificate(t, "pc1.corp.example")}}
	handshake := func(conn net.Conn) {
		s := tls.Server(conn, config)
		_ = s.Handshake()
		_, _ = io.Copy(io.Discard, s)
	}
	hold := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	negotiated := func(p rdp.Protocols) []byte { return rdp.Answer{Negotiated: true, Selected: p}.Marshal() }
	refused := func(f rdp.Failure) []byte { return rdp.Answer{Negotiated: true, Failure: f}.Marshal() }
	spoke := func(text string, more ...scanner.Detail) scanner.Result {
		r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
		r.Detail("rdp", text)
		r.Details = append(r.Details, more...)
		return r
	}
	known := func(text string) scanner.Result {
		r := spoke(text, scanner.Detail{Key: "tls", Value: "TLS 1.3"},
			scanner.Detail{Key: "certificate-names", Value: "pc1.corp.example"},
			scanner.Detail{Key: "certificate-issuer", Value: "CN=pc1.corp.example"})
		r.Proof, r.Identity.Names = scanner.AssuranceRole, []string{"pc1.corp.example"}
		return r
	}
	cases := []struct {
		name   string
		answer []byte
		then   func(net.Conn)
		depth  scanner.Assurance
		want   scanner.Result
	}{
		{"TLS", negotiated(rdp.ProtocolTLS), handshake, scanner.AssuranceIdentity, known("chooses TLS")},
		{"network level authentication", negotiated(rdp.ProtocolCredSSP), handshake, scanner.AssuranceIdentity, known("chooses CredSSP")},
		{"no identity asked", negotiated(rdp.ProtocolCredSSP), hold, scanner.AssuranceProtocol, spoke("chooses CredSSP")},
		{"standard security", negotiated(0), hold, scanner.AssuranceIdentity, spoke("chooses standard RDP security")},
		{"without negotiation", rdp.Answer{}.Marshal(), hold, scanner.AssuranceIdentity, spoke("confirms without negotiation: standard RDP security")},
		{"disconnected", rdp.Answer{Disconnected: true, Reason: 2}.Marshal(), hold, scanner.AssuranceIdentity, spoke("refuses the connection, reason 2")},
		{"TLS required", refused(1), hold, scanner.AssuranceIdentity, spoke("refuses TLS and CredSSP: SSL_REQUIRED_BY_SERVER")},
		{"TLS not allowed", refused(2), hold, scanner.AssuranceIdentity, spoke("refuses TLS and CredSSP: SSL_NOT_ALLOWED_BY_SERVER")},
		{"no certificate", refused(3), hold, scanner.AssuranceIdentity, spoke("refuses TLS and CredSSP: SSL_CERT_NOT_ON_SERVER")},
		{"inconsistent", refused(4), hold, scanner.AssuranceIdentity, spoke("refuses TLS and CredSSP: INCONSISTENT_FLAGS")},
		{"CredSSP required", refused(5), hold, scanner.AssuranceIdentity, spoke("refuses TLS and CredSSP: HYBRID_REQUIRED_BY_SERVER")},
		{"client certificate required", refused(6), hold, scanner.AssuranceIdentity, spoke("refuses TLS and CredSSP: SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER")},
		{"unknown failure", refused(99), hold, scanner.AssuranceIdentity, spoke("refuses TLS and CredSSP: failure 99")},
		{
			"chooses TLS and hangs up", negotiated(rdp.ProtocolTLS), func(net.Conn) {}, scanner.AssuranceIdentity,
			spoke("chooses TLS", scanner.Detail{Key: "identity", Value: "not available: "}),
		},
		{
			"chooses TLS and speaks text", negotiated(rdp.ProtocolTLS),
			func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 1))
				probetest.Split(conn, []byte("go away\r\n"))
				hold(conn)
			},
			scanner.AssuranceIdentity,
			spoke("chooses TLS", scanner.Detail{Key: "identity", Value: "not available: "}),
		},
		{
			"its own request", rdp.Request{Protocols: 3}.Marshal(), hold, scanner.AssuranceIdentity,
			scanner.Result{Outcome: scanner.Garbled, Err: "X.224 message 0xe0 in place of a Connection Confirm"},
		},
		{
			"another TPKT",
			[]byte{3, 0, 0xff, 0xff},
			hold, scanner.AssuranceIdentity,
			scanner.Result{Outcome: scanner.Garbled, Err: "a TPKT frame of 65535 bytes, want 11 to 512"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			call := rdpPeer(t, c.answer, c.then)
			call.Depth = c.depth
			got := RDP().Talk(t.Context(), call)
			if n := len(got.Details); n > 1 && strings.HasPrefix(got.Details[n-1].Value, "not available: ") {
				got.Details[n-1].Value = "not available: " // the rest is in crypto/tls's words
			}
			if diff := cmp.Diff(c.want, got, compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRDPAdversity(t *testing.T) {
	probetest.Adversity(t, RDP(),
		rdp.Answer{Negotiated: true, Selected: rdp.ProtocolTLS}.Marshal(),
		rdp.Answer{Negotiated: true, Failure: 5}.Marshal())
}
