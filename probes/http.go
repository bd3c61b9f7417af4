package probes

import (
	"bufio"
	"bytes"
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// Limits of one HTTP exchange. The header's include interim answers (RFC 9110
// 15.2), the body's include chunk sizes and trailers; httpMaxWire is for all of
// it with TLS around.
const (
	httpMaxHeader  = 64 << 10
	httpMaxBody    = 64 << 10
	httpMaxWire    = 192 << 10
	httpMaxInterim = 5
	httpMaxText    = 200 // bytes of a text from the network that is passed on
)

// httpClient asks one server, each request on a connection of its own: no
// proxy, no redirect, no cookie, no compression.
type httpClient struct {
	call   scanner.Call
	secure bool           // TLS
	maxTLS uint16         // newest version to offer; 0: any
	roots  *x509.CertPool // who is trusted; nil: whom this machine trusts
	now    func() time.Time
}

// httpAnswer is what came back. Exactly one of failed.Outcome and status is set.
type httpAnswer struct {
	failed scanner.Result // how it ended when no whole answer came

	status    int
	header    http.Header
	body      []byte
	truncated bool // the body is larger than httpMaxBody

	tls    *tls.ConnectionState // nil without TLS, and when the server showed no certificate
	wanted bool                 // the server asked for a client certificate
}

// httpQuestion is what is asked for. Without a body it is a GET, else a POST.
type httpQuestion struct {
	path, query string
	header      http.Header // beside the usual ones
	body        string
	keep        bool // the server may keep the connection; it is closed here all the same
}

// request makes the request of a question.
func (h httpClient) request(q httpQuestion) (*http.Request, []byte, error) {
	req := &http.Request{
		Method: http.MethodGet, Host: h.hostHeader(), URL: &url.URL{Path: q.path, RawQuery: q.query},
		Header: http.Header{"User-Agent": {"cmreach"}, "Accept": {"*/*"}}, Close: !q.keep,
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	if q.body != "" {
		req.Method, req.ContentLength = http.MethodPost, int64(len(q.body))
		req.Body = io.NopCloser(strings.NewReader(q.body))
	}
	var wire bytes.Buffer
	err := req.Write(&wire)
	return req, wire.Bytes(), err
}

// send sends a question and reads the answer.
func (h httpClient) send(ctx context.Context, q httpQuestion) httpAnswer {
	req, request, err := h.request(q)
	if err != nil {
		return httpAnswer{failed: scanner.Result{Outcome: scanner.LocalError, Err: printable(err.Error(), httpMaxText)}}
	}
	conn, reply := h.call.Dial(ctx)
	if conn == nil {
		return httpAnswer{failed: scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}}
	}
	defer func() { _ = conn.Close() }()                                              // what was read is what counts
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // a conn without deadlines is closed below
	defer stop()

	wire := &httpWire{Conn: conn, left: httpMaxWire}
	a := httpAnswer{}
	var stream io.ReadWriter = wire
	if h.secure {
		t := tls.Client(wire, h.tlsConfig(&a))
		if err := t.HandshakeContext(ctx); err != nil {
			a.failed = httpHandshakeFailed(ctx, wire, err)
			return a
		}
		stream = t
	}
	// A server that has hung up may have said why: read in any case.
	_, _ = stream.Write(request)
	h.read(ctx, stream, req, &a)
	return a
}

// ask sends a question, and once more in TLS 1.2 when the server hung up on TLS
// 1.3: IIS cannot ask for a client certificate after the request in 1.3 unless
// the client offers it, and hangs up. In 1.2 it can. What follows stays with 1.2.
func (h *httpClient) ask(ctx context.Context, q httpQuestion) httpAnswer {
	a := h.send(ctx, q)
	if a.failed.Outcome != scanner.Cut || a.refusedWithoutCertificate() || a.tls == nil || a.tls.Version != tls.VersionTLS13 {
		return a
	}
	older := *h
	older.maxTLS = tls.VersionTLS12
	if again := older.send(ctx, q); again.failed.Outcome == scanner.OutcomeUnknown || again.wanted {
		*h, a = older, again
	}
	return a
}

// askEither is ask for services that speak plain HTTP or TLS on the same port,
// as they are set up. What follows stays with what was found.
func (h *httpClient) askEither(ctx context.Context, q httpQuestion) httpAnswer {
	a := h.ask(ctx, q)
	// HTTP.sys just hangs up on plain HTTP where it wants TLS.
	if a.failed.Outcome != scanner.Cut && a.failed.Err != tlsInstead && a.strange() != tlsWanted {
		return a
	}
	secure := *h
	secure.secure = true
	if again := secure.ask(ctx, q); again.tls != nil {
		*h, a = secure, again
	}
	return a
}

// hostHeader is the name that the client would ask for (RFC 9110 7.2).
func (h httpClient) hostHeader() string {
	host := strings.TrimSuffix(h.call.Host, ".")
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + a.WithZone("").String() + "]"
	}
	usual := uint16(80)
	if h.secure {
		usual = 443
	}
	if port := h.call.To.Port(); port != usual {
		host = fmt.Sprintf("%s:%d", host, port)
	}
	return host
}

// read takes in the answer to a request.
func (h httpClient) read(ctx context.Context, stream io.Reader, req *http.Request, a *httpAnswer) {
	said := &httpEar{r: stream}
	limit := &io.LimitedReader{R: said, N: httpMaxHeader}
	reader := bufio.NewReader(limit)
	var response *http.Response
	for interim := 0; ; interim++ {
		var err error
		response, err = http.ReadResponse(reader, req)
		if err == nil && interim == httpMaxInterim {
			err = errors.New("no end of interim answers")
		}
		if err != nil {
			a.failed = httpReadFailed(ctx, said, limit.N == 0, err)
			return
		}
		if response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			break
		}
		_ = response.Body.Close() // an interim answer has none
	}
	defer func() { _ = response.Body.Close() }() // the connection is closed anyway
	limit.N = httpMaxBody
	body, err := io.ReadAll(response.Body)
	a.truncated = limit.N == 0
	if err != nil && !a.truncated {
		a.failed = httpReadFailed(ctx, said, false, err)
		a.failed.Detail("http-status", httpStatus(response.StatusCode))
		return
	}
	a.status, a.header, a.body = response.StatusCode, response.Header, body
}

// tlsInstead is the error when a plain request was answered by TLS.
const tlsInstead = "no HTTP: the port speaks TLS"

// httpReadFailed says how an answer ended that is not whole.
func httpReadFailed(ctx context.Context, said *httpEar, tooLong bool, err error) scanner.Result {
	r := scanner.Result{Err: printable(err.Error(), httpMaxText)}
	late := ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case len(said.first) == 0 && late:
		r.Outcome, r.Err = scanner.Mute, "no answer to the request in time"
	case len(said.first) == 0 && isAlert(err):
		r.Outcome = scanner.Cut
	case len(said.first) == 0:
		r.Outcome, r.Err = scanner.Cut, "the connection ended without an answer"
	case looksTLS(said.first):
		r.Outcome, r.Err = scanner.Foreign, tlsInstead
		r.Detail("answer", "a TLS message: the port speaks TLS, not plain HTTP")
	case !looksHTTP(said.first):
		r.Outcome, r.Err = scanner.Foreign, "no HTTP: "+lookedLike(said.first)
		r.Detail("answer", lookedLike(said.first))
	case tooLong, errors.Is(err, errTooMuch):
		r.Outcome, r.Err = scanner.Garbled, "the answer is larger than any right one"
	case late:
		r.Outcome, r.Err = scanner.Mute, "the answer did not end in time"
	case isEnd(err), said.ended != nil && isEnd(said.ended):
		r.Outcome, r.Err = scanner.Cut, "the connection ended in the middle of the answer"
	default:
		r.Outcome = scanner.Garbled
	}
	return r
}

// isEnd reports whether an error is the end of the connection, in whichever
// way it came.
func isEnd(err error) bool {
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// looksHTTP reports whether an answer begins as an HTTP/1 status line (RFC 9112 4).
func looksHTTP(b []byte) bool {
	const start = "HTTP/1."
	n := min(len(b), len(start))
	return n > 0 && string(b[:n]) == start[:n]
}

// looksTLS reports whether an answer begins as a TLS record with a handshake
// message or an alert (RFC 8446 5.1).
func looksTLS(b []byte) bool {
	return len(b) >= 2 && (b[0] == 21 || b[0] == 22) && b[1] == 3
}

// httpStatus is a status code with its name.
func httpStatus(code int) string {
	if name := http.StatusText(code); name != "" {
		return fmt.Sprintf("%d %s", code, name)
	}
	return fmt.Sprint(code)
}

// httpEar keeps the beginning of what is read through it.
type httpEar struct {
	r     io.Reader
	first []byte
	ended error // how the reading ended
}

func (e *httpEar) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.first = keepFirst(e.first, b[:n])
	if err != nil {
		e.ended = err
	}
	return n, err
}

// keepFirst appends as long as the beginning is short.
func keepFirst(first, b []byte) []byte {
	const enough = 512
	return append(first, b[:min(len(b), enough-len(first))]...)
}

var errTooMuch = errors.New("the peer sends without end")

// httpWire is a connection that reads no more than it has set aside.
type httpWire struct {
	net.Conn
	left  int
	first []byte
}

func (w *httpWire) Read(b []byte) (int, error) {
	if w.left == 0 {
		return 0, errTooMuch
	}
	n, err := w.Conn.Read(b[:min(len(b), w.left)])
	w.left -= n
	w.first = keepFirst(w.first, b[:n])
	return n, err
}
