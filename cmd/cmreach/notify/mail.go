package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"
)

// mailbox is who sends a mail to whom.
type mailbox struct {
	from     *mail.Address
	to       []*mail.Address
	user     string
	password string
	implicit bool // TLS from the beginning, RFC 8314
	id       string
}

// readMailbox reads smtp://USER:PASSWORD@HOST:PORT/?from=A&to=B.
func readMailbox(u *url.URL) (mailbox, error) {
	b := mailbox{implicit: u.Scheme == "smtps", user: u.User.Username()}
	b.password, _ = u.User.Password()
	if u.Hostname() == "" {
		return b, errors.New("names no host: write smtp://HOST/?from=ADDRESS&to=ADDRESS")
	}
	if b.user != "" && b.password == "" {
		return b, errors.New("names a user and no password: write USER:${NAME}@HOST, with the password in the environment variable NAME")
	}
	q := u.Query()
	for k := range q {
		if k != "from" && k != "to" {
			return b, errors.New("has a parameter that is neither from nor to")
		}
	}
	var err error
	if b.from, err = mail.ParseAddress(q.Get("from")); err != nil {
		return b, errors.New("from is no mail address: write ?from=cmreach@example.com&to=admins@example.com")
	}
	if b.to, err = mail.ParseAddressList(strings.Join(q["to"], ", ")); err != nil {
		return b, errors.New("to is no list of mail addresses: write ?from=cmreach@example.com&to=admins@example.com")
	}
	id := make([]byte, 12)
	_, _ = rand.Read(id) // it does not fail
	b.id = hex.EncodeToString(id)
	return b, nil
}

// sendMail holds one conversation, RFC 5321. The connection is encrypted where
// the server can, RFC 3207; a password is told over nothing else.
func (r Receiver) sendMail(ctx context.Context, m *Message, secure *tls.Config) error {
	port := r.url.Port()
	switch {
	case port != "":
	case r.mail.implicit:
		port = "465"
	default:
		port = "25"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(r.url.Hostname(), port))
	if err != nil {
		return err //nolint:wrapcheck // see why
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if r.mail.implicit {
		conn = tls.Client(conn, secure)
	}
	return smtpError(r.converse(conn, m, secure))
}

// converse is the conversation itself.
func (r Receiver) converse(conn net.Conn, m *Message, secure *tls.Config) error {
	c, err := smtp.NewClient(conn, r.url.Hostname())
	if err != nil {
		return err
	}
	if err := c.Hello(helo()); err != nil {
		return err
	}
	if offered, _ := c.Extension("STARTTLS"); offered && !r.mail.implicit {
		if err := c.StartTLS(secure); err != nil {
			return err
		}
	}
	if r.mail.password != "" {
		if _, encrypted := c.TLSConnectionState(); !encrypted {
			return finalError{errors.New("it offers no STARTTLS, and a password is not sent in the clear: use smtps://, or leave the user away")}
		}
		if err := c.Auth(login{r.mail.user, r.mail.password}); err != nil {
			return fmt.Errorf("it refuses the user or the password: %w", err)
		}
	}
	if err := c.Mail(r.mail.from.Address); err != nil {
		return err
	}
	for _, to := range r.mail.to {
		if err := c.Rcpt(to.Address); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(r.letter(m)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // it has the mail
	return nil
}

// smtpError tells a refusal for good (5yz) from others, RFC 5321 4.2.1.
func smtpError(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code >= 500 {
		return finalError{err}
	}
	return err
}

// helo is this machine's name, if a server can take it.
func helo() string {
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "localhost"
	}
	return name
}

// letter is the mail, RFC 5322: of the text nothing but clean lines.
func (r Receiver) letter(m *Message) []byte {
	var b bytes.Buffer
	head := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	head("Date", m.Now.Format(time.RFC1123Z))
	head("From", r.mail.from.String())
	var to []string
	for _, a := range r.mail.to {
		to = append(to, a.String())
	}
	head("To", strings.Join(to, ",\r\n "))
	_, domain, _ := strings.Cut(r.mail.from.Address, "@")
	head("Message-ID", "<"+r.mail.id+"@"+domain+">") // the same in each try
	head("Subject", mime.QEncoding.Encode("utf-8", m.Subject()))
	head("Auto-Submitted", "auto-generated") // RFC 3834: nobody is to answer
	head("MIME-Version", "1.0")
	head("Content-Type", "text/plain; charset=utf-8")
	head("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = q.Write([]byte(strings.ReplaceAll(m.text(), "\n", "\r\n"))) // into memory
	_ = q.Close()
	return b.Bytes()
}

// login proves the user by PLAIN, RFC 4616, or by LOGIN where that is all the
// server has, as some Exchange servers.
type login struct{ user, password string }

// Start chooses the mechanism.
func (l login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, errors.New("the connection is not encrypted")
	}
	for _, a := range server.Auth {
		if strings.EqualFold(a, "PLAIN") {
			return "PLAIN", []byte("\x00" + l.user + "\x00" + l.password), nil
		}
	}
	for _, a := range server.Auth {
		if strings.EqualFold(a, "LOGIN") {
			return "LOGIN", nil, nil
		}
	}
	return "", nil, finalError{errors.New("it takes neither AUTH PLAIN nor AUTH LOGIN")}
}

// Next answers the two questions of LOGIN.
func (l login) Next(question []byte, more bool) ([]byte, error) {
	switch q := strings.ToLower(string(question)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(q, "user"):
		return []byte(l.user), nil
	case strings.HasPrefix(q, "pass"):
		return []byte(l.password), nil
	default:
		return nil, errors.New("it asks for something else")
	}
}
