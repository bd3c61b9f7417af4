package notify

import (
	"context"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
)

const addresses = "/?from=cmreach@example.com&to=admins@example.com&to=Night%20Shift%20%3Cnight@example.com%3E"

func TestMail(t *testing.T) {
	cert, pool := authority(t)
	secure := tlsFor("", nil)
	secure.Certificates = append(secure.Certificates, cert)
	const password = "pA55word%40"
	for name, c := range map[string]struct {
		server *mailServer
		url    string // %s: the address
		user   string
		secure bool
		err    string
		mails  int
	}{
		"in the clear":             {server: &mailServer{}, url: "smtp://%s", mails: 1},
		"STARTTLS":                 {server: &mailServer{tls: secure}, url: "smtp://%s", secure: true, mails: 1},
		"PLAIN":                    {server: &mailServer{tls: secure, auth: "LOGIN PLAIN"}, url: "smtp://u:" + password + "@%s", secure: true, user: "u:pA55word@", mails: 1},
		"LOGIN":                    {server: &mailServer{tls: secure, auth: "NTLM LOGIN"}, url: "smtp://u:" + password + "@%s", secure: true, user: "u:pA55word@", mails: 1},
		"TLS from the start":       {server: &mailServer{tls: secure, implicit: true, auth: "PLAIN"}, url: "smtps://u:" + password + "@%s", secure: true, user: "u:pA55word@", mails: 1},
		"no password in the clear": {server: &mailServer{auth: "PLAIN"}, url: "smtp://u:" + password + "@%s", err: "a password is not sent in the clear"},
		"no known mechanism":       {server: &mailServer{tls: secure, auth: "NTLM"}, url: "smtp://u:" + password + "@%s", err: "neither AUTH PLAIN nor AUTH LOGIN"},
		"wrong password":           {server: &mailServer{tls: secure, auth: "PLAIN", refuse: map[string]string{"AUTH": "535 not pA55word@"}}, url: "smtp://u:" + password + "@%s", err: "after 1 try: it refuses the user or the password: 535 \"not ...\""},
		"no such mailbox":          {server: &mailServer{refuse: map[string]string{"RCPT": "550 no such user"}}, url: "smtp://%s", err: `after 1 try: 550 "no such user"`},
		"busy twice":               {server: &mailServer{busy: 2}, url: "smtp://%s", mails: 1},
		"busy always":              {server: &mailServer{busy: 9}, url: "smtp://%s", err: `after 3 tries: 421 "busy"`},
	} {
		addr := c.server.start(t)
		var pauses []time.Duration
		o := noPause(&pauses)
		o.Roots = pool
		err := tell(t.Context(), []Receiver{receiver(t, strings.Replace(c.url, "%s", addr, 1)+addresses)}, message(2), o)
		s := c.server
		s.mu.Lock()
		switch {
		case (err == nil) != (c.err == ""), err != nil && !strings.Contains(err.Error(), c.err):
			t.Errorf("%s: %v", name, err)
		case err != nil && strings.Contains(err.Error(), "pA55"):
			t.Errorf("%s: the password is shown: %v", name, err)
		case len(s.mails) != c.mails, c.mails > 0 && s.secure[0] != c.secure, c.user != "" && !slices.Equal(s.users, []string{c.user}):
			t.Errorf("%s: %d mails, secure %v, users %q", name, len(s.mails), s.secure, s.users)
		case c.err != "" && slices.ContainsFunc(s.lines, func(l string) bool {
			return s.tls == nil && strings.HasPrefix(l, "AUTH")
		}):
			t.Errorf("%s: %q", name, s.lines)
		}
		if c.mails > 0 && !slices.Equal(s.rcpt[len(s.rcpt)-2:], []string{"TO:<admins@example.com>", "TO:<night@example.com>"}) {
			t.Errorf("%s: to %q", name, s.rcpt)
		}
		s.mu.Unlock()
	}
}

// A server that proves to be nobody gets nothing.
func TestMailCertificate(t *testing.T) {
	cert, _ := authority(t)
	_, other := authority(t)
	secure := tlsFor("", nil)
	secure.Certificates = append(secure.Certificates, cert)
	s := mailServer{tls: secure, auth: "PLAIN"}
	addr := s.start(t)
	var pauses []time.Duration
	o := noPause(&pauses)
	o.Roots = other
	err := tell(t.Context(), []Receiver{receiver(t, "smtp://u:pA55word@"+addr+addresses)}, message(2), o)
	if err == nil || !strings.Contains(err.Error(), "after 1 try: ") || !strings.Contains(err.Error(), "certificate") || len(s.mails) > 0 || len(s.users) > 0 {
		t.Errorf("%v, %q", err, s.lines)
	}
}

// The mail has no more headers than it should, whatever the hosts are named.
func TestLetter(t *testing.T) {
	m := message(3)
	m.Run.Header.Site = "PS1\r\nBcc: evil@example.com"
	m.Run.Header.Profiles = []string{"push\u202e", "ümlaut"}
	r := receiver(t, "smtp://mx.example.com"+addresses)
	got, err := mail.ReadMessage(strings.NewReader(string(r.letter(m))))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
	var have []string
	for k := range got.Header {
		have = append(have, k)
	}
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("headers %q", have)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if wanted := `cmreach: 3 new blocked, 3 recovered at PS1\x0d\x0aBcc: evil@example.com (push\u202e, ümlaut) from CM1`; err != nil || subject != wanted {
		t.Errorf("%v, subject %q, want %q", err, subject, wanted)
	}
	if to, err := got.Header.AddressList("To"); err != nil || len(to) != 2 || to[1].Name != "Night Shift" {
		t.Errorf("%v, %v", to, err)
	}
	if at, err := got.Header.Date(); err != nil || !at.Equal(m.Now) {
		t.Errorf("%v, %v", at, err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	for _, part := range []string{"New failures (3)\n", "push/smb to pc<!channel>&\\x0d\\x0aBcc:", ": blocked: 10.20.0.1 rejects TCP 445\n", "\nRecovered (3)\n", "   do: On 10.20.0.1: permit TCP 445.\n", "\nTo see more\n  cmreach report -v run.jsonl\n", "\nHow all of it stands now\n  NOT DECIDED\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("%v: no %q in\n%s", err, part, text)
		}
	}
	for line := range strings.Lines(string(r.letter(m))) {
		if len(line) > 998 || !strings.HasSuffix(line, "\r\n") && line != "" && !strings.HasSuffix(string(r.letter(m)), line) {
			t.Errorf("line of %d bytes: %q", len(line), line)
		}
	}
}

// A server that greets and says nothing more does not hold the run.
func TestMailHangs(t *testing.T) {
	l := listen(t)
	got := readAll(l)
	o := Options{Timeout: 300 * time.Millisecond, Pause: func(context.Context, time.Duration) error { return context.Canceled }}
	err := tell(t.Context(), []Receiver{receiver(t, "smtp://"+l.Addr().String()+addresses)}, message(2), o)
	if err == nil || !strings.HasSuffix(err.Error(), "no answer in time") {
		t.Error(err)
	}
	if text := <-got; text != "" {
		t.Errorf("it was sent %q before it greeted", text)
	}
}
