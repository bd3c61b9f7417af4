package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// maxSyslog is what every receiver should take, RFC 5424 6.1.
const maxSyslog = 2048

// The priority is the facility daemon and a severity, RFC 5424 6.2.1.
const (
	daemon         = 3 << 3
	severityWarn   = 4
	severityNotice = 5
)

func checkSyslog(u *url.URL) error {
	switch {
	case u.User != nil || u.RawQuery != "":
		return errors.New("takes neither a user nor parameters: write syslog://HOST:514 or syslog:///dev/log")
	case u.Scheme == "syslog+tcp" && u.Hostname() == "":
		return errors.New("names no host: write syslog+tcp://HOST:514")
	case u.Hostname() == "" && len(u.Path) < 2:
		return errors.New("names neither a host nor a socket: write syslog://HOST:514 or syslog:///dev/log")
	case u.Host != "" && u.Path != "" && u.Path != "/":
		return errors.New("has a path after the host: write syslog://HOST:514, or syslog:///dev/log for the socket of this machine")
	}
	return nil
}

// sendSyslog sends one message: as a datagram, RFC 5426, over TCP with its
// length before it, RFC 6587 3.4.1, or to the socket of this machine.
func (r Receiver) sendSyslog(ctx context.Context, m *Message) error {
	if r.url.Hostname() == "" {
		return sendLocal(ctx, r.url.Path, localMessage(m))
	}
	network, text := "udp", syslogMessage(m)
	if r.url.Scheme == "syslog+tcp" {
		network, text = "tcp", fmt.Sprintf("%d %s", len(text), text)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(r.url.Hostname(), cmp.Or(r.url.Port(), "514")))
	if err != nil {
		return err //nolint:wrapcheck // see why
	}
	return put(ctx, conn, text)
}

// put writes the text. Of a stream it waits for the end, as a receiver that is
// about to refuse it does so after it was written.
func put(ctx context.Context, conn net.Conn, text string) error {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(conn, text); err != nil {
		return err //nolint:wrapcheck // see why
	}
	stream, ok := conn.(interface{ CloseWrite() error })
	if _, datagrams := conn.(*net.UDPConn); !ok || datagrams || conn.RemoteAddr().Network() == "unixgram" {
		return nil
	}
	if err := stream.CloseWrite(); err != nil {
		return err //nolint:wrapcheck // see why
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	var none [1]byte
	_, err := conn.Read(none[:])
	var late net.Error
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &late) && late.Timeout() && ctx.Err() == nil {
		return nil
	}
	return err //nolint:wrapcheck // see why
}

// sendLocal tries both kinds of socket that a system may have.
func sendLocal(ctx context.Context, path, text string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unixgram", path)
	if err == nil {
		return put(ctx, conn, text)
	}
	if conn, errStream := d.DialContext(ctx, "unix", path); errStream == nil {
		return put(ctx, conn, text+"\n")
	}
	return err //nolint:wrapcheck // see why
}

// summary is the news in one line.
func (m *Message) summary() string {
	parts := []string{m.Subject()}
	for _, s := range m.sections() {
		text := s.title + ":"
		for i, l := range s.lines {
			l = strings.TrimSpace(l)
			switch {
			case strings.HasPrefix(l, "do: "):
				text += " (" + l + ")"
			case i > 0:
				text += "; " + l
			default:
				text += " " + l
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " | ")
}

func (m *Message) priority() int {
	if m.bad() {
		return daemon | severityWarn
	}
	return daemon | severityNotice
}

// syslogMessage is RFC 5424. What is not ASCII is marked by a BOM, 6.4.
func syslogMessage(m *Message) string {
	id := "result"
	if m.Changes != nil || m.Diff != nil {
		id = "changes"
	}
	text := m.summary()
	if strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		text = "\ufeff" + text
	}
	return within(fmt.Sprintf("<%d>1 %s %s cmreach %d %s - %s", m.priority(), m.Now.UTC().Format("2006-01-02T15:04:05.000Z"),
		syslogName(), os.Getpid(), id, text), maxSyslog)
}

// localMessage is what syslog(3) writes to the socket of a machine, and what
// its readers know: RFC 3164 4.1 without the host.
func localMessage(m *Message) string {
	return within(fmt.Sprintf("<%d>%s cmreach[%d]: %s", m.priority(), m.Now.Local().Format(time.Stamp), os.Getpid(), m.summary()), maxSyslog)
}

// syslogName is this machine's name in what a header may hold, RFC 5424 6.
func syslogName() string {
	if name := helo(); name != "localhost" && len(name) <= 255 {
		return name
	}
	return "-"
}

// within bounds a text in bytes, between two characters.
func within(s string, most int) string {
	if len(s) <= most {
		return s
	}
	at := most - 3
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + "..."
}
