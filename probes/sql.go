package probes

import (
	"bufio"
	"cmreach/probes/wire/tds"
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"
)

// SQL returns the probe for SQL Server.
func SQL() scanner.Probe { return sqlServer(nil) }

// sqlServer trusts the given roots; nil stands for this machine's.
func sqlServer(roots *x509.CertPool) scanner.Probe {
	return scanner.Probe{
		Name: "sql",
		Doc: `The first answer of SQL Server

Sends: PRELOGIN ([MS-TDS] 2.2.6.5), which comes before encryption and login. When
the server hangs up on that, the same within TLS (TDS 8.0), as servers want it
that are set to strict encryption.
Proves: by an answer with the server's version, that SQL Server answered.
Cannot prove: which instance or computer it is, or that a login would succeed.
Needs: TCP to the instance's port, no rights.`,
		Protocol: scanner.TCP,
		Talk: func(ctx context.Context, c scanner.Call) scanner.Result {
			return talkSQL(ctx, httpClient{call: c, roots: roots, now: time.Now})
		},
	}
}

// talkSQL asks in the open, and then within TLS.
func talkSQL(ctx context.Context, h httpClient) scanner.Result {
	r, _ := askSQL(ctx, h)
	if r.Outcome != scanner.Cut {
		return r
	}
	h.secure = true
	if strict, a := askSQL(ctx, h); strict.Outcome == scanner.Spoke {
		r = strict
		r.Detail("encryption", "strict: TLS before the first message (TDS 8.0)")
		h.describeConnection(&r, a)
	}
	return r
}

// askSQL sends PRELOGIN and reads the answer. Of an httpAnswer it fills what
// is known of TLS.
func askSQL(ctx context.Context, h httpClient) (scanner.Result, httpAnswer) {
	var a httpAnswer
	conn, reply := h.call.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}, a
	}
	defer func() { _ = conn.Close() }()                                              // what was read is what counts
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // Close, above, ends the rest
	defer stop()

	wire := &httpWire{Conn: conn, left: httpMaxWire}
	var stream io.ReadWriter = wire
	if h.secure {
		config := h.tlsConfig(&a)
		config.NextProtos = []string{"tds/8.0"}
		t := tls.Client(wire, config)
		if err := t.HandshakeContext(ctx); err != nil {
			return httpHandshakeFailed(ctx, wire, err), a
		}
		stream = t
	}
	request := tds.Prelogin{HasEncryption: true, Encryption: tds.EncryptOff}
	// A server that has hung up may have said why: read in any case.
	_, _ = stream.Write(tds.Packet(tds.TypePrelogin, request.Marshal()))
	return readSQL(ctx, bufio.NewReaderSize(stream, tds.MaxPacket)), a
}

// readSQL reads the answer to PRELOGIN.
func readSQL(ctx context.Context, from *bufio.Reader) scanner.Result {
	first, err := from.Peek(1)
	if err != nil {
		return sqlEnded(ctx, err, 0)
	}
	if tds.Type(first[0]) != tds.TypeResponse {
		return sqlForeign(from)
	}
	msg, n, err := readTDS(from)
	var bad *tds.Error
	if err != nil && !errors.As(err, &bad) {
		return sqlEnded(ctx, err, n)
	}
	var answer tds.Prelogin
	if err == nil {
		answer, err = tds.ParsePrelogin(msg)
	}
	if err != nil {
		return scanner.Result{Outcome: scanner.Garbled, Err: printable(err.Error(), httpMaxText)}
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole}
	r.Detail("version", answer.Version.String())
	if answer.HasEncryption {
		r.Detail("encryption", answer.Encryption.String())
	}
	return r
}

// readTDS reads the packets of one message, and says how many bytes it took
// ([MS-TDS] 2.2.3). The answer to PRELOGIN is short: one packet, of which more
// are allowed to be there.
func readTDS(from io.Reader) (msg []byte, taken int, err error) {
	const most = 4
	for range most {
		var head [tds.HeaderLen]byte
		n, err := io.ReadFull(from, head[:])
		taken += n
		if err != nil {
			return nil, taken, err
		}
		h, err := tds.ParseHeader(head)
		if err != nil {
			return nil, taken, err
		}
		if h.Type != tds.TypeResponse {
			return nil, taken, &tds.Error{Field: "packet type", Reason: fmt.Sprintf("0x%02x, want 0x%02x", uint8(h.Type), uint8(tds.TypeResponse))}
		}
		body := make([]byte, h.Length-tds.HeaderLen)
		n, err = io.ReadFull(from, body)
		taken += n
		if err != nil {
			return nil, taken, err
		}
		if msg = append(msg, body...); h.Last() {
			return msg, taken, nil
		}
	}
	return nil, taken, &tds.Error{Field: "packet status", Offset: 1, Reason: fmt.Sprintf("no end of the message in %d packets", most)}
}

// sqlEnded says how an answer ended that is not whole.
func sqlEnded(ctx context.Context, err error, taken int) scanner.Result {
	r := scanner.Result{Outcome: scanner.Cut, Err: fmt.Sprintf("%s after %d bytes of an answer", howCut(err), taken)}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		r.Err = fmt.Sprintf("%s after %d bytes of an answer", howCut(io.EOF), taken)
	}
	if ctx.Err() != nil {
		r.Outcome, r.Err = scanner.Mute, ""
		if taken > 0 {
			r.Err = fmt.Sprintf("silent after %d bytes of an answer", taken)
		}
	}
	r.Err = printable(r.Err, httpMaxText)
	return r
}

// sqlForeign says what a foreign answer looks like. Of text it waits for the
// first line, as the banner may come in pieces.
func sqlForeign(from *bufio.Reader) scanner.Result {
	answer, _ := from.Peek(from.Buffered())
	if isText(answer) {
		answer, _ = from.ReadSlice('\n') // or as much as there is room for
	}
	looks := lookedLike(answer)
	r := scanner.Result{Outcome: scanner.Foreign, Err: "no SQL Server: the answer begins " + looks}
	r.Detail("answer", looks)
	return r
}
