package notify

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Receiver is somebody to tell.
type Receiver struct {
	name    string   // scheme and host, which may be shown
	secrets []string // what must never be shown
	kind    string
	url     *url.URL // without the prefix of the kind
	mail    mailbox  // of mail
}

// The kinds of receivers: the scheme, or what stands before its plus sign.
const (
	kindWebhook = "webhook"
	kindSlack   = "slack"
	kindTeams   = "teams"
	kindMail    = "mail"
	kindSyslog  = "syslog"
)

// schemes are the kinds of receivers that a URL can name.
var schemes = map[string]string{
	"https": kindWebhook, "http": kindWebhook, "slack+https": kindSlack, "teams+https": kindTeams,
	"smtp": kindMail, "smtps": kindMail, "syslog": kindSyslog, "syslog+tcp": kindSyslog,
}

// Known are the schemes, for messages.
const Known = "https, http, slack+https, teams+https, smtp, smtps, syslog, syslog+tcp"

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// Parse reads the URL of a receiver. ${NAME} in it is the value that lookup
// gives. No error shows more of it than scheme and host.
func Parse(text string, lookup func(string) (string, bool)) (Receiver, error) {
	var missing []string
	var secrets []string
	text = variable.ReplaceAllStringFunc(strings.TrimSpace(text), func(v string) string {
		name := v[2 : len(v)-1]
		value, ok := lookup(name)
		if !ok || value == "" {
			missing = append(missing, name)
		}
		secrets = append(secrets, value)
		return value
	})
	if len(missing) > 0 {
		return Receiver{}, fmt.Errorf("%s is not in the environment: set it, or write the URL into a file for --notify-file", strings.Join(missing, ", "))
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" { // the error would show the URL
		return Receiver{}, fmt.Errorf("that is no URL: write SCHEME://HOST/..., with one of the schemes %s, and %%40 for an @ in a name or password", Known)
	}
	r := Receiver{kind: schemes[u.Scheme], url: u, secrets: append(secrets, hidden(u)...)}
	if r.kind == "" {
		return Receiver{}, fmt.Errorf("unknown scheme %.20q: known are %s", u.Scheme, Known)
	}
	r.name = u.Scheme + "://" + u.Host
	if u.Host == "" {
		r.name += "/"
	}
	switch r.kind {
	case kindMail:
		r.mail, err = readMailbox(u)
	case kindSyslog:
		err = checkSyslog(u)
	default:
		err = checkWeb(u)
		_, web, plus := strings.Cut(u.Scheme, "+")
		if plus {
			u.Scheme = web
		}
	}
	if err != nil {
		return Receiver{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return r, nil
}

// hidden are the parts of a URL that may be secrets: the path of a webhook is
// as good as a password.
func hidden(u *url.URL) []string {
	out := []string{u.RawQuery, u.Fragment, u.User.Username()}
	if pw, ok := u.User.Password(); ok {
		out = append(out, pw, u.User.String())
	}
	if u.Host != "" {
		out = append(out, u.Path, u.EscapedPath())
		out = append(out, strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })...)
		for _, v := range u.Query() {
			out = append(out, v...)
		}
	}
	return out
}

// ID tells this receiver from others in a file that others may read. The part
// before the dash is of what may be shown; of the rest, which may be a secret, there
// are 12 bits of a hash: enough to tell two of one server apart, and too little
// to find a key by. No password is in it, so that a new one does not change it.
func (r Receiver) ID() string {
	u := *r.url
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	where, whole := sha256.Sum256([]byte("cmreach receiver "+r.name)), sha256.Sum256([]byte("cmreach receiver "+u.String()))
	return hex.EncodeToString(where[:8]) + "-" + hex.EncodeToString(whole[:2])[:3]
}

// String is what may be shown of a receiver.
func (r Receiver) String() string { return r.name }

// Plain reports whether there is nothing in the URL that others should not
// read: a receiver of mail or syslog without a password.
func (r Receiver) Plain() bool {
	return r.kind == kindSyslog || r.kind == kindMail && r.mail.password == ""
}

// redact takes the secrets out of a text that others wrote, such as the answer
// of a server. Words of three letters are none.
func (r Receiver) redact(s string) string {
	all := slices.Clone(r.secrets)
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // the whole before its parts
	for _, secret := range all {
		if len(secret) > 3 {
			s = strings.ReplaceAll(s, secret, "...")
		}
	}
	return s
}

// try sends the message once.
func (r Receiver) try(ctx context.Context, m *Message, roots *x509.CertPool) error {
	var err error
	switch r.kind {
	case kindMail:
		err = r.sendMail(ctx, m, tlsFor(r.url.Hostname(), roots))
	case kindSyslog:
		err = r.sendSyslog(ctx, m)
	case kindSlack:
		err = r.post(ctx, slackBody(m), roots)
	case kindTeams:
		err = r.post(ctx, teamsBody(m), roots)
	case kindWebhook:
		err = r.post(ctx, webhookBody(m), roots)
	default:
		err = errors.New("no receiver")
	}
	return err
}

// tlsFor is how the name of a server is proven. Nil for the roots: this
// machine's.
func tlsFor(host string, roots *x509.CertPool) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
}
