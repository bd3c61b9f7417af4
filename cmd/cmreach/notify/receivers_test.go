package notify

import (
	"bufio"
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostile is a name that means something to every receiver.
const hostile = "pc<!channel>&\r\nBcc: evil@example.com\r\n.\r\n[click](http://evil)\x1b[2J ü"

// message is news of a run with n broken paths.
func message(n int) *Message {
	h := record.Header{Version: "1", Scanner: "CM1", Site: "PS1", Vantage: scanner.RoleSiteServer, Profiles: []string{"push"}, Started: time.Unix(1e9, 0).UTC()}
	run := report.New(h, nil, report.Options{})
	run.Close(record.End{Finished: time.Unix(1e9+60, 0).UTC()}, nil)
	run.Causes = []cause.Cause{{
		ID: "c1", State: verdict.Blocked, Reason: "blocked.rejected", Requirements: []string{"push/smb"}, Paths: n, Hosts: n,
		Message: "10.20.0.1 rejects TCP 445 to 10.3.0.0/16", Advice: []string{"On 10.20.0.1: permit TCP 445.", "b", "c", "d"},
	}}
	c := &history.Changes{Complete: true, Counts: history.Counts{Broken: n, Recovered: 3}}
	for i := range min(n, history.Samples) {
		c.Broken = append(c.Broken, history.Item{
			Requirement: "push/smb", Host: hostile, Addr: netip.AddrFrom4([4]byte{10, 3, byte(i >> 8), byte(i)}), Required: true,
			State: verdict.Blocked, Was: verdict.Open, Message: "10.20.0.1 rejects TCP 445",
		})
	}
	for range 3 {
		c.Recovered = append(c.Recovered, history.Item{Requirement: "push/smb", Host: "pc9", State: verdict.Open, Was: verdict.Blocked})
	}
	return &Message{Run: run, Changes: c, Exit: verdict.ExitFailed, More: "cmreach report -v run.jsonl", Now: time.Unix(1e9+61, 0)}
}

// nowhere is an environment without variables.
func nowhere(string) (string, bool) { return "", false }

func receiver(t *testing.T, url string) Receiver {
	t.Helper()
	r, err := Parse(url, nowhere)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tell sends one message to all.
func tell(ctx context.Context, list []Receiver, m *Message, o Options) error {
	var all []Delivery
	for _, r := range list {
		all = append(all, Delivery{r, m})
	}
	return errors.Join(Send(ctx, all, o)...)
}

// noPause takes the pauses down, and does not wait.
func noPause(to *[]time.Duration) Options {
	return Options{Pause: func(_ context.Context, d time.Duration) error {
		*to = append(*to, d)
		return nil
	}}
}

// authority is a certificate of this test for 127.0.0.1, which is its own
// authority.
func authority(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// listen is a port of this machine's, for the time of the test.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// mailServer speaks RFC 5321 with one client after the other.
type mailServer struct {
	tls      *tls.Config // nil: no STARTTLS
	implicit bool
	auth     string // mechanisms; empty: no AUTH
	refuse   map[string]string
	busy     int // greet so many clients with 421

	mu     sync.Mutex
	mails  []string
	rcpt   []string
	users  []string // "user:password"
	secure []bool   // of each mail
	lines  []string // all that came
}

func (s *mailServer) start(t *testing.T) string {
	t.Helper()
	l := listen(t)
	var done sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if s.implicit {
				conn = tls.Server(conn, s.tls)
			}
			s.serve(conn)
			_ = conn.Close()
		}
	})
	return l.Addr().String()
}

func (s *mailServer) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	encrypted := s.implicit
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	read := func() string {
		l, _ := in.ReadString('\n')
		s.mu.Lock()
		s.lines = append(s.lines, l)
		s.mu.Unlock()
		return strings.TrimRight(l, "\r\n")
	}
	if s.busy > 0 {
		s.busy--
		say("421 busy")
		return
	}
	say("220 test ESMTP")
	for {
		l := read()
		verb, arg, _ := strings.Cut(l, " ")
		if answer, ok := s.refuse[strings.ToUpper(verb)]; ok {
			say("%s", answer)
			continue
		}
		switch strings.ToUpper(verb) {
		case "":
			return
		case "EHLO":
			say("250-test")
			if s.tls != nil && !encrypted {
				say("250-STARTTLS")
			}
			if s.auth != "" {
				say("250-AUTH %s", s.auth)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.tls)
			in, encrypted = bufio.NewReader(conn), true
		case "AUTH":
			s.login(arg, read, say)
		case "MAIL":
			say("250 ok")
		case "RCPT":
			s.mu.Lock()
			s.rcpt = append(s.rcpt, arg)
			s.mu.Unlock()
			say("250 ok")
		case "DATA":
			say("354 go on")
			s.data(read, encrypted)
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

func (s *mailServer) data(read func() string, encrypted bool) {
	var b strings.Builder
	for l := read(); l != "."; l = read() {
		b.WriteString(strings.TrimPrefix(l, ".") + "\n")
	}
	s.mu.Lock()
	s.mails, s.secure = append(s.mails, b.String()), append(s.secure, encrypted)
	s.mu.Unlock()
}

func (s *mailServer) login(arg string, read func() string, say func(string, ...any)) {
	plain := func(b64 string) string { b, _ := base64.StdEncoding.DecodeString(b64); return string(b) }
	mechanism, first, _ := strings.Cut(arg, " ")
	var user string
	switch mechanism {
	case "PLAIN":
		user = strings.ReplaceAll(strings.TrimPrefix(plain(first), "\x00"), "\x00", ":")
	case "LOGIN":
		say("334 %s", base64.StdEncoding.EncodeToString([]byte("Username:")))
		user = plain(read())
		say("334 %s", base64.StdEncoding.EncodeToString([]byte("Password:")))
		user += ":" + plain(read())
	}
	s.mu.Lock()
	s.users = append(s.users, user)
	s.mu.Unlock()
	say("235 ok")
}

// readAll gives what comes over the next connection, to its end.
func readAll(l net.Listener) <-chan string {
	out := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			out <- err.Error()
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		var b bytes.Buffer
		_, _ = io.Copy(&b, conn)
		out <- b.String()
	}()
	return out
}
