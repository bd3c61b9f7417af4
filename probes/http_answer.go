package probes

import (
	"bytes"
	"cmreach/scanner"
	"net/http"
	"slices"
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

// tlsWanted is what is strange about the answer of nginx to plain HTTP on a port
// for TLS.
const tlsWanted = "the port speaks TLS, not plain HTTP"

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
		return tlsWanted
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

// offers reports whether the answer asks for one of the given authentication
// schemes (RFC 9110 11.6.1).
func (a httpAnswer) offers(schemes ...string) bool {
	return slices.ContainsFunc(a.header.Values("WWW-Authenticate"), func(value string) bool {
		for offer := range strings.SplitSeq(value, ",") { // parameters in between are no names of schemes
			name, _, _ := strings.Cut(strings.TrimSpace(offer), " ")
			if slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(s, name) }) {
				return true
			}
		}
		return false
	})
}

// brokenIIS reports whether IIS or HTTP.sys itself says that what should answer
// is broken: a stopped application pool is a 503 of HTTP.sys.
func (a httpAnswer) brokenIIS() bool {
	return a.status >= 500 && a.fromIIS() && len(a.proxySigns()) == 0 && a.strange() == ""
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
