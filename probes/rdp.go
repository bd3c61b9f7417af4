package probes

import (
	"bytes"
	"cmreach/probes/wire/rdp"
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"
)

// RDP returns the probe for Remote Desktop on TCP 3389.
func RDP() scanner.Probe {
	return scanner.Probe{
		Name: "rdp",
		Doc: `X.224 connection request, and the certificate of the computer

Sends: an X.224 Connection Request that asks for TLS or CredSSP ([MS-RDPBCGR]
2.2.1.1); when one is chosen, a TLS handshake. Nobody is logged on.
Proves: that Remote Desktop answers, and what security it wants. Every refusal
that the protocol has is an answer (network level authentication required, no
TLS allowed ...). By the certificate, which computer it says it is.
Cannot prove: that a user may log on.
Needs: TCP to the port, no rights.`,
		Protocol: scanner.TCP,
		Talk:     talkRDP,
	}
}

func talkRDP(ctx context.Context, c scanner.Call) scanner.Result {
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// A peer that has hung up may have said what it is: read in any case.
	_, _ = conn.Write(rdp.Request{Protocols: rdp.ProtocolTLS | rdp.ProtocolCredSSP}.Marshal())
	msg, failed := readRDP(ctx, conn)
	if failed != nil {
		return *failed
	}
	answer, err := rdp.ParseAnswer(msg)
	if err != nil {
		return scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
	}
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	secure := false
	switch {
	case answer.Disconnected:
		result.Detail("rdp", fmt.Sprintf("refuses the connection, reason %d", answer.Reason))
	case !answer.Negotiated:
		result.Detail("rdp", "confirms without negotiation: "+rdp.Protocols(0).String())
	case answer.Failure != 0:
		result.Detail("rdp", "refuses TLS and CredSSP: "+answer.Failure.String())
	default:
		result.Detail("rdp", "chooses "+answer.Selected.String())
		secure = answer.Selected != 0
	}
	if secure && c.Depth >= scanner.AssuranceRole {
		identifyRDP(ctx, c, conn, &result)
	}
	return result
}

// readRDP reads one framed message. Nothing may follow it: the server waits for
// our next word. It judges each byte when it comes.
func readRDP(ctx context.Context, conn net.Conn) ([]byte, *scanner.Result) {
	var buf []byte
	chunk := make([]byte, rdp.MaxMessage)
	for {
		n, err := conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		switch {
		case n == 0 && err != nil && ctx.Err() != nil:
			text := ""
			if len(buf) > 0 {
				text = fmt.Sprintf("silent after %d bytes of an answer", len(buf))
			}
			return nil, &scanner.Result{Outcome: scanner.Mute, Err: text}
		case n == 0 && err != nil:
			return nil, &scanner.Result{Outcome: scanner.Cut, Err: fmt.Sprintf("%s after %d bytes of an answer", howCut(err), len(buf))}
		case len(buf) > 0 && buf[0] != rdp.FrameVersion:
			return nil, foreignRDP(conn, buf)
		case len(buf) < rdp.FrameHeaderLen:
			continue
		}
		want, err := rdp.FrameLength([rdp.FrameHeaderLen]byte(buf))
		switch {
		case err != nil:
			return nil, &scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
		case len(buf) > want:
			return nil, &scanner.Result{Outcome: scanner.Garbled, Err: fmt.Sprintf("goes on after an X.224 message of %d bytes", want)}
		case len(buf) == want:
			return buf, nil
		}
	}
}

// foreignRDP says what a foreign answer looks like. Of text it waits for the
// first line.
func foreignRDP(conn net.Conn, buf []byte) *scanner.Result {
	chunk := make([]byte, prefixLen)
	for isText(buf) && len(buf) < prefixLen && !bytes.ContainsRune(buf, '\n') {
		n, err := conn.Read(chunk[:prefixLen-len(buf)])
		buf = append(buf, chunk[:n]...)
		if n == 0 && err != nil {
			break
		}
	}
	looks := lookedLike(buf)
	r := scanner.Result{Outcome: scanner.Foreign, Err: "no RDP: the answer begins " + looks}
	r.Detail("answer", looks)
	return &r
}

// identifyRDP takes the names out of the certificate. Windows makes it for the
// computer's name and signs it itself: nobody is to trust it.
func identifyRDP(ctx context.Context, c scanner.Call, conn net.Conn, result *scanner.Result) {
	a := httpAnswer{}
	h := httpClient{call: c, secure: true}
	t := tls.Client(&httpWire{Conn: conn, left: httpMaxWire}, h.tlsConfig(&a))
	err := t.HandshakeContext(ctx)
	if a.tls == nil || len(a.tls.PeerCertificates) == 0 {
		why := "the server shows no certificate"
		if err != nil {
			why = printable(err.Error(), httpMaxText)
		}
		result.Detail("identity", "not available: "+why)
		return
	}
	leaf := a.tls.PeerCertificates[0]
	result.Proof = scanner.AssuranceRole
	result.Identity.Names = certificateNames(leaf)
	result.Detail("tls", tls.VersionName(a.tls.Version))
	result.Detail("certificate-names", printable(strings.Join(result.Identity.Names, ", "), httpMaxText))
	result.Detail("certificate-issuer", printable(leaf.Issuer.String(), httpMaxText))
}
