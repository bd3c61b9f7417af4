package probes

import (
	"bytes"
	"cmreach/scanner"
	"net/http"
	"strings"
)

// describeHTTP adds what is always worth knowing of an answer.
func (a httpAnswer) describeHTTP(r *scanner.Result) {
	r.Detail("http-status", httpStatus(a.status))
	if banner := a.header.Get("Server"); banner != "" {
		r.Detail("server", printable(banner, httpMaxText))
	}
	for _, sign := range a.proxySigns() {
		r.Detail("proxy", sign)
	}
}

// proxySigns lists the marks that a proxy left on an answer. One of them does
// not say that the answer is the proxy's own: a forwarded one has them too.
func (a httpAnswer) proxySigns() []string {
	var out []string
	for _, name := range []string{"Via", "X-Cache", "X-Cache-Lookup", "X-Squid-Error", "Proxy-Agent", "Proxy-Authenticate", "Proxy-Connection", "X-Bluecoat-Via"} {
		if v := a.header.Get(name); v != "" {
			out = append(out, printable(name+": "+v, httpMaxText))
		}
	}
	return out
}

// fromIIS reports whether the answer says that IIS, or the kernel part of it
// that answers when a site's process cannot, gave it.
func (a httpAnswer) fromIIS() bool {
	banner := a.header.Get("Server")
	return strings.HasPrefix(banner, "Microsoft-IIS/") || strings.HasPrefix(banner, "Microsoft-HTTPAPI/")
}

// strange says what an answer is that no site system role gives; empty when
// nothing is strange about its kind.
func (a httpAnswer) strange() string {
	switch {
	case a.status == http.StatusProxyAuthRequired:
		return "a proxy asks for credentials"
	case a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout:
		return "a gateway or proxy could not reach the server behind it"
	case a.status == http.StatusNetworkAuthenticationRequired: // RFC 6585 6
		return "a portal wants a sign-in"
	case a.status >= 300 && a.status < 400:
		to := printable(a.header.Get("Location"), httpMaxText)
		if to == "" {
			return "a redirect"
		}
		return "a redirect to " + to
	case a.status == http.StatusBadRequest && bytes.Contains(a.body, []byte("plain HTTP request was sent to HTTPS port")):
		return "the port speaks TLS, not plain HTTP"
	}
	return ""
}

// foreign is the result for an answer that is not the role's.
func (a httpAnswer) foreign(what string) scanner.Result {
	r := scanner.Result{Outcome: scanner.Foreign, Err: what}
	r.Detail("answer", what)
	if title := a.title(); title != "" {
		r.Detail("title", title)
	}
	a.describeHTTP(&r)
	return r
}

// isHTML reports whether the body is a page.
func (a httpAnswer) isHTML() bool {
	if strings.HasPrefix(strings.ToLower(a.header.Get("Content-Type")), "text/html") {
		return true
	}
	start := bytes.ToLower(bytes.TrimSpace(a.body[:min(len(a.body), 512)]))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// title is the title of a page: "Sign in to Wi-Fi" says more than a status.
func (a httpAnswer) title() string {
	lower := bytes.ToLower(a.body)
	if len(lower) != len(a.body) { // letters whose lower case is longer: positions would not fit
		return ""
	}
	_, after, ok := bytes.Cut(lower, []byte("<title"))
	if !ok {
		return ""
	}
	open := bytes.IndexByte(after, '>')
	end := bytes.Index(after, []byte("</title"))
	if open < 0 || end <= open {
		return ""
	}
	start := len(lower) - len(after)
	text := strings.Join(strings.Fields(string(a.body[start+open+1:start+end])), " ")
	return printable(text, 80)
}

// wantsCertificate reports whether the answer, over TLS, asks for a client
// certificate: 403 (IIS 403.7), or the 400 of nginx.
func (a httpAnswer) wantsCertificate() bool {
	if a.tls == nil || len(a.proxySigns()) > 0 {
		return false
	}
	return a.status == http.StatusForbidden ||
		a.status == http.StatusBadRequest && bytes.Contains(a.body, []byte("No required SSL certificate was sent"))
}
