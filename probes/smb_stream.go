package probes

import (
	"bytes"
	"cmreach/probes/wire/smb"
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// smbMaxMessage bounds the answers. The longest that a NEGOTIATE or a
// SESSION_SETUP needs is far below: their security buffers have 16-bit lengths.
const smbMaxMessage = 64 << 10

// smbMaxConversation bounds all that one connection may bring, so that a server
// that is "busy" with long messages is given up too.
const smbMaxConversation = 2 * smbMaxMessage

// smbError is how a conversation ended that did not come to an answer.
type smbError struct {
	outcome scanner.Outcome
	text    string
	looks   string // of a foreign answer: what it looked like
}

func (e *smbError) Error() string {
	if e.text == "" {
		return e.outcome.String()
	}
	return e.text
}

// smbStream exchanges framed messages. Once its context is done, every
// operation fails.
type smbStream struct {
	ctx  context.Context // the connection was dialed for
	conn net.Conn
	buf  []byte // what was received and not yet used
	read int    // all that was received
}

func openSMB(ctx context.Context, conn net.Conn) *smbStream {
	return &smbStream{ctx: ctx, conn: conn}
}

func (s *smbStream) close() { _ = s.conn.Close() }

// ask sends a message and returns the answer.
func (s *smbStream) ask(msg []byte) ([]byte, error) {
	// When sending fails there may still be something to read: a peer that
	// greets and hangs up has said what it is.
	_, _ = s.conn.Write(smb.Frame(msg))
	return s.message()
}

// message reads one framed message ([MS-SMB2] 2.1). It judges each byte when it
// comes: a peer that speaks something else, or wants more room than an answer
// needs, is not listened to any longer.
func (s *smbStream) message() ([]byte, error) {
	for {
		if len(s.buf) > 0 && s.buf[0] != 0 {
			return nil, s.foreign()
		}
		if len(s.buf) >= smb.FrameHeaderLen {
			n, err := smb.FrameLength([smb.FrameHeaderLen]byte(s.buf))
			if err != nil {
				return nil, s.foreign()
			}
			msg := s.buf[smb.FrameHeaderLen:]
			const magic = 4
			switch {
			case n < magic, len(msg) >= magic && smb.Recognize(msg) == smb.KindUnknown:
				return nil, s.foreign()
			case n > smbMaxMessage:
				return nil, &smbError{outcome: scanner.Garbled, text: fmt.Sprintf("announced a message of %d bytes, want at most %d", n, smbMaxMessage)}
			case len(msg) >= n:
				s.buf = msg[n:]
				return msg[:n:n], nil
			}
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads what is there.
func (s *smbStream) fill() error {
	if s.read >= smbMaxConversation {
		return &smbError{outcome: scanner.Garbled, text: fmt.Sprintf("sent more than %d bytes", smbMaxConversation)}
	}
	s.buf = withRoom(s.buf)
	have := len(s.buf)
	n, err := s.conn.Read(s.buf[have:cap(s.buf)])
	s.read += n
	s.buf = s.buf[:have+n]
	if n > 0 || err == nil {
		return nil
	}
	if s.ctx.Err() != nil {
		e := &smbError{outcome: scanner.Mute}
		if len(s.buf) > 0 {
			e.text = fmt.Sprintf("silent after %d bytes of an answer", len(s.buf))
		}
		return e
	}
	return &smbError{outcome: scanner.Cut, text: fmt.Sprintf("%s after %d bytes of an answer", howCut(err), len(s.buf))}
}

// foreign says what a foreign answer looks like. Of text it waits for the first
// line, as the banner may come in pieces.
func (s *smbStream) foreign() error {
	for isText(s.buf) && len(s.buf) < prefixLen && !bytes.ContainsRune(s.buf, '\n') {
		if s.fill() != nil {
			break
		}
	}
	looks := lookedLike(s.buf)
	return &smbError{outcome: scanner.Foreign, text: "no SMB: the answer begins " + looks, looks: looks}
}

// howCut says in which way a connection ended, without the addresses that the
// net package puts before it.
func howCut(err error) string {
	if errors.Is(err, io.EOF) {
		return "closed by the peer"
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return err.Error()
}
