package probes

import (
	"bufio"
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/probes/wire/tds"
	"cmreach/scanner"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const mpBody = `<MPList><MP Name="MP1" FQDN="mp1.lab.test" SiteCode="PS1"><Version>9128</Version></MP></MPList>`

// answer writes an HTTP answer with its length.
func answer(status, header, body string) string {
	return "HTTP/1.1 " + status + "\r\n" + header + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

// httpPeer gives each request the answer of its target, "*" to others. It
// closes the connection after one request.
func httpPeer(answers map[string]string) func(net.Conn) {
	return func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		text, ok := answers[req.URL.RequestURI()]
		if !ok {
			text = answers["*"]
		}
		_, _ = conn.Write([]byte(text))
	}
}

// brief is what the tables compare.
type brief struct {
	Outcome  scanner.Outcome
	Proof    scanner.Assurance
	Wants    bool
	Identity string
	Details  string // those that a row asks for, in order
}

// talk holds a conversation and writes down its result. keys are the details
// that matter.
func talk(t *testing.T, p scanner.Probe, call scanner.Call, keys ...string) brief {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := p.Talk(ctx, call)
	b := brief{Outcome: r.Outcome, Proof: r.Proof, Wants: r.NeedsCredentials}
	if !r.Identity.IsZero() {
		b.Identity = strings.TrimSpace(r.Identity.Computer + " " + r.Identity.DNSName + " " + fmt.Sprint(r.Identity.Names))
	}
	var details []string
	for _, d := range r.Details {
		for _, k := range keys {
			if d.Key == k {
				details = append(details, d.Key+"="+d.Value)
			}
		}
	}
	b.Details = strings.Join(details, " | ")
	return b
}

// What the answers in mpCases share, and what several of them come to.
const (
	iis     = "Server: Microsoft-IIS/10.0\r\n"
	xmlType = "Content-Type: text/xml\r\n"
)

type mpCase struct {
	name, text string
	host, site string
	keys       string
	want       brief
}

// mpCases are answers to MPLIST and what they come to.
func mpCases() []mpCase {
	role := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "MP1 mp1.lab.test []"}
	foreign := brief{Outcome: scanner.Foreign}
	broken := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Details: "answer=the management point was reached, but is broken: see mpcontrol.log there"}
	with := func(b brief, details string) brief { b.Details = details; return b }
	return []mpCase{
		{name: "list", text: answer("200 OK", xmlType+iis, mpBody), keys: "http-status server site-code version", want: with(role, "http-status=200 OK | server=Microsoft-IIS/10.0 | version=9128 | site-code=PS1")},
		{name: "list for the short name", text: answer("200 OK", xmlType, mpBody), host: "MP1", want: role},
		{name: "list for the address", text: answer("200 OK", xmlType, mpBody), host: "198.18.0.1", want: role},
		{name: "list of the right site", text: answer("200 OK", xmlType, mpBody), site: "ps1", keys: "site-code-mismatch", want: role},
		{name: "list of another site", text: answer("200 OK", xmlType, mpBody), site: "XYZ", keys: "site-code-mismatch", want: with(role, "site-code-mismatch=PS1, not XYZ")},
		{name: "list of another computer", text: answer("200 OK", xmlType, strings.ReplaceAll(strings.ReplaceAll(mpBody, "mp1", "mp9"), "MP1", "MP9")), want: brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "MP9 mp9.lab.test []",
		}},
		{name: "list of two others", text: answer("200 OK", xmlType, `<MPList><MP FQDN="a.lab.test"/><MP FQDN="b.lab.test"/></MPList>`), keys: "management-points", want: brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Details: "management-points=a.lab.test, b.lab.test",
		}},
		{name: "empty list", text: answer("200 OK", xmlType, "<MPList/>"), keys: "management-points", want: brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Details: "management-points=none"}},
		{name: "list in chunks after an interim answer", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n", len(mpBody), mpBody), want: role},
		{name: "list without a length", text: "HTTP/1.0 200 OK\r\n\r\n" + mpBody, want: role},
		{name: "list by way of a cache", text: answer("200 OK", "Via: 1.1 squid\r\n", mpBody), keys: "proxy", want: with(role, "proxy=Via: 1.1 squid")},
		{name: "broken list", text: answer("200 OK", xmlType, mpBody[:50]), want: brief{Outcome: scanner.Garbled}},
		{name: "oversized list", text: answer("200 OK", xmlType, mpBody[:len(mpBody)-9]+strings.Repeat(" ", 1<<17)), want: brief{Outcome: scanner.Garbled}},
		{name: "broken, by IIS", text: answer("500 Internal Server Error", iis, "<html>"), keys: "answer", want: broken},
		{name: "broken, by the kernel part of IIS", text: answer("503 Service Unavailable", "Server: Microsoft-HTTPAPI/2.0\r\n", "<html>"), keys: "answer", want: broken},
		{name: "broken, by nobody", text: answer("500 Internal Server Error", "", ""), keys: "answer", want: broken},
		{name: "500 of another server", text: answer("500 Internal Server Error", "Server: nginx\r\n", ""), keys: "answer", want: with(foreign, "answer=not the answer of a management point")},
		{name: "500 of a proxy", text: answer("500 Internal Server Error", iis+"Via: 1.1 p\r\n", ""), keys: "proxy", want: with(foreign, "proxy=Via: 1.1 p")},
		{name: "403 over plain HTTP", text: answer("403 Forbidden", "", ""), keys: "answer", want: with(foreign, "answer=access is forbidden, by whom is not said")},
		{name: "403 of IIS over plain HTTP", text: answer("403 Forbidden", iis, ""), keys: "answer", want: with(foreign, "answer=IIS forbids it over plain HTTP: the management point may want HTTPS")},
		{name: "404", text: answer("404 Not Found", "Server: nginx\r\n", ""), keys: "answer server", want: with(foreign, "answer=a web server without a management point | server=nginx")},
		{name: "portal by redirect", text: answer("302 Found", "Location: https://portal.example/\r\n", ""), keys: "answer", want: with(foreign, "answer=a redirect to https://portal.example/")},
		{name: "portal by 307", text: answer("307 Temporary Redirect", "Location: /x\x1b[2J\r\n", ""), want: brief{Outcome: scanner.Garbled}},
		{name: "portal by page", text: answer("200 OK", "Content-Type: text/html\r\n", "<html><head><TITLE>Sign\n in </title>"), keys: "answer title", want: with(foreign, "answer=a page, not a list of management points | title=Sign in")},
		{name: "portal by 511", text: answer("511 Network Authentication Required", "", ""), keys: "answer", want: with(foreign, "answer=a portal wants a sign-in")},
		{name: "proxy wants credentials", text: answer("407 Proxy Authentication Required", "Proxy-Authenticate: NTLM\r\n", ""), keys: "answer proxy", want: with(foreign, "answer=a proxy asks for credentials | proxy=Proxy-Authenticate: NTLM")},
		{name: "proxy without its server", text: answer("502 Bad Gateway", "Via: 1.1 squid\r\n", ""), keys: "answer proxy", want: with(foreign, "answer=a gateway or proxy could not reach the server behind it | proxy=Via: 1.1 squid")},
		{name: "empty page", text: answer("200 OK", "", ""), keys: "answer", want: with(foreign, "answer=an empty page, not a list of management points")},
		{name: "other XML", text: answer("200 OK", xmlType, "<feed/>"), keys: "answer looks-like", want: with(foreign, "answer=not a list of management points | looks-like=<feed/>")},
		{name: "gzip bomb", text: answer("200 OK", "Content-Encoding: gzip\r\n", "\x1f\x8b\x08"+strings.Repeat("\x00", 500)), keys: "answer", want: with(foreign, "answer=not a list of management points")},
		{name: "plain HTTP on the port of nginx for TLS", text: answer("400 Bad Request", "Server: nginx\r\n", "<center>The plain HTTP request was sent to HTTPS port</center>"), keys: "answer", want: with(foreign, "answer=the port speaks TLS, not plain HTTP")},
		{name: "plain HTTP on a port for TLS", text: "\x15\x03\x03\x00\x02\x02\x0a", keys: "answer", want: with(foreign, "answer=a TLS message: the port speaks TLS, not plain HTTP")},
		{name: "upgrade", text: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", want: foreign},
		{name: "endless interim answers", text: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50), want: brief{Outcome: scanner.Garbled}},
		{name: "no status", text: "HTTP/1.1 okay\r\n\r\n", want: brief{Outcome: scanner.Garbled}},
	}
}

func TestHTTPManagementPoint(t *testing.T) {
	for _, tt := range mpCases() {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, httpPeer(map[string]string{"/SMS_MP/.sms_aut?MPLIST": tt.text, "*": answer("404 Not Found", "Server: nginx\r\n", "")}))
			call.Host, call.Site = "mp1.lab.test", tt.site
			if tt.host != "" {
				call.Host = tt.host
			}
			got := talk(t, HTTPManagementPoint(), call, strings.Fields(tt.keys)...)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHTTPManagementPointAsksInLowerCaseToo(t *testing.T) {
	call := probetest.Serve(t, httpPeer(map[string]string{"/SMS_MP/.sms_aut?mplist": answer("200 OK", "", mpBody), "*": answer("404 Not Found", "", "")}))
	if got := talk(t, HTTPManagementPoint(), call); got.Proof != scanner.AssuranceRole {
		t.Errorf("%+v", got)
	}
}

func TestHTTPManagementPointDepth(t *testing.T) {
	call := probetest.Serve(t, httpPeer(map[string]string{"*": answer("200 OK", "", mpBody)}))
	call.Depth = scanner.AssuranceProtocol
	if got := talk(t, HTTPManagementPoint(), call); got.Identity != "" || got.Outcome != scanner.Spoke {
		t.Errorf("%+v", got)
	}
}

// TestHTTPRequest holds what is sent: one request, closed, under the right name.
func TestHTTPRequest(t *testing.T) {
	for _, tt := range []struct{ host, want string }{
		{"mp1.lab.test", "mp1.lab.test"}, {"mp1.lab.test.", "mp1.lab.test"}, {"fd00:198::1", "[fd00:198::1]"}, {"fe80::1%eth0", "[fe80::1]"},
	} {
		got := make(chan string, 1)
		call := probetest.Serve(t, func(conn net.Conn) {
			var b bytes.Buffer
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				fmt.Fprintf(&b, "%s %s %s close=%v %v", req.Method, req.RequestURI, req.Host, req.Close, req.Header)
			}
			got <- b.String()
			_, _ = conn.Write([]byte(answer("200 OK", "", mpBody)))
		})
		call.Host = tt.host
		talk(t, HTTPManagementPoint(), call)
		want := fmt.Sprintf("GET /SMS_MP/.sms_aut?MPLIST %s:%d close=true map[Accept:[*/*] Connection:[close] User-Agent:[cmreach]]", tt.want, call.To.Port())
		if text := <-got; text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	}
}

func TestHTTPFallbackStatusPoint(t *testing.T) {
	notFound := answer("404 Not Found", iis, "")
	for _, tt := range []struct {
		name, fsp, other, keys string
		want                   brief
	}{
		{"a directory that forbids its list", answer("403 Forbidden", iis, ""), notFound, "http-status server", brief{
			Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Details: "http-status=403 Forbidden | server=Microsoft-IIS/10.0",
		}},
		{"a page", answer("200 OK", "", "FSP\n"), notFound, "", brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}},
		{"no directory", notFound, notFound, "answer", brief{Outcome: scanner.Foreign, Details: "answer=a web server without a fallback status point"}},
		{"a portal for everything", answer("200 OK", "", "<html><title>Hotel"), answer("200 OK", "", "<html>"), "answer for-comparison", brief{
			Outcome: scanner.Foreign, Details: "answer=it answers every path: a proxy, a portal, or another server | for-comparison=200 OK for a path that cannot exist",
		}},
		{"a redirect", answer("301 Moved Permanently", "Location: https://x/\r\n", ""), notFound, "answer", brief{Outcome: scanner.Foreign, Details: "answer=a redirect to https://x/"}},
		{"the second request is not answered", answer("200 OK", "", ""), "", "", brief{Outcome: scanner.Cut}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, httpPeer(map[string]string{"/SMS_FSP/": tt.fsp, "*": tt.other}))
			if d := cmp.Diff(tt.want, talk(t, HTTPFallbackStatusPoint(), call, strings.Fields(tt.keys)...)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHTTPAdversity(t *testing.T) {
	list := []byte(answer("200 OK", "Content-Type: text/xml\r\n", mpBody))
	t.Run("http-mp", func(t *testing.T) { probetest.Adversity(t, HTTPManagementPoint(), list) })
	t.Run("https-mp", func(t *testing.T) { probetest.Adversity(t, HTTPSManagementPoint()) })
	t.Run("http-fsp", func(t *testing.T) {
		probetest.Adversity(t, HTTPFallbackStatusPoint(), []byte(answer("200 OK", "", "FSP\n")))
	})
}

func FuzzHTTPAnswer(f *testing.F) {
	f.Add([]byte(answer("200 OK", "", mpBody)))
	f.Add([]byte(answer("407 x", "Proxy-Authenticate: a\r\n", "<html><title>x</title>")))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<MPLi"))
	f.Add([]byte(answer("200 OK", soapType, winrmBody)))
	f.Add(sqlAnswer(tds.EncryptOn))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range []scanner.Probe{HTTPManagementPoint(), HTTPFallbackStatusPoint(), HTTPSoftwareUpdatePoint(), HTTPPeerCache(), WinRM(), SQL()} {
			r := p.Talk(t.Context(), scanner.Call{Host: "mp1", Depth: scanner.AssuranceIdentity, Dial: func(context.Context) (net.Conn, scanner.Reply) {
				return &scriptedConn{r: bytes.NewReader(b)}, scanner.Reply{Outcome: scanner.Answered}
			}})
			switch r.Outcome {
			case scanner.Spoke, scanner.Foreign, scanner.Cut, scanner.Garbled:
			default:
				t.Errorf("outcome %s", r.Outcome)
			}
			for _, d := range r.Details {
				if len(d.Value) > 1024 || printable(d.Value, 1024) != d.Value {
					t.Errorf("detail %q", d)
				}
			}
			if len(r.Err) > 1024 || printable(r.Err, 1024) != r.Err {
				t.Errorf("error %q", r.Err)
			}
		}
	})
}

// scriptedConn says what it has, whatever it is told.
type scriptedConn struct {
	net.Conn
	r *bytes.Reader
}

func (c *scriptedConn) Read(b []byte) (int, error)  { return c.r.Read(b) }
func (c *scriptedConn) Write(b []byte) (int, error) { return len(b), nil }
func (c *scriptedConn) Close() error                { return nil }
func (c *scriptedConn) SetDeadline(time.Time) error { return nil }
