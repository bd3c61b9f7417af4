package probes

import (
	"bytes"
	"cmreach/scanner"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// webRole is a site system role that is known by places which other web servers
// do not have. A place counts only when the same path below a directory that
// cannot exist is not found: proxies, portals and many applications answer
// whatever they are asked.
type webRole struct {
	name   string            // with its article: "a distribution point"
	places []webPlace        // asked in this order until one proves the role
	most   scanner.Assurance // the most that an answer proves; zero: the role
	either bool              // plain HTTP or TLS, as the service is set up
	plain  bool              // never TLS
	kernel string            // what a 404 of HTTP.sys itself says; empty: nothing
}

// webPlace is a path on the servers of a role.
type webPlace struct {
	path, query string
	// own reports whether an answer of 200 is the role's own. Nil: each is.
	own func(httpAnswer) bool
}

// webProbe makes the probe for a role over HTTP, or over HTTPS with the given
// roots; nil stands for those that this machine trusts.
func webProbe(name, doc string, secure bool, roots *x509.CertPool, role webRole) scanner.Probe {
	if secure {
		doc += `
The certificate's faults are reported and do not end the conversation. A server
that wants a client certificate whatever the path was reached, and its role is
not proven.`
	}
	return scanner.Probe{
		Name: name, Doc: doc, Protocol: scanner.TCP,
		Talk: func(ctx context.Context, c scanner.Call) scanner.Result {
			return talkRole(ctx, httpClient{call: c, secure: secure, roots: roots, now: time.Now}, role)
		},
	}
}

// talkRole asks for the places of a role. The best of the answers counts.
func talkRole(ctx context.Context, h httpClient, role webRole) scanner.Result {
	var best scanner.Result
	for i, place := range role.places {
		r, a, last := role.try(ctx, &h, place)
		h.describeConnection(&r, a)
		if i == 0 || better(r, best) {
			best = r
		}
		if last {
			if scheme := a.windowsScheme(); r.Proof >= scanner.AssuranceRole && scheme != "" && h.call.Depth >= scanner.AssuranceRole {
				h.askName(ctx, &best, httpQuestion{path: place.path, query: place.query}, scheme)
			}
			break
		}
	}
	return best
}

// better reports whether a result says more of the role than another. A place
// that was not answered leaves the role open, one that is not there does not.
func better(r, than scanner.Result) bool {
	if r.Outcome == scanner.Spoke {
		return than.Outcome != scanner.Spoke || r.Proof > than.Proof
	}
	return r.Outcome != scanner.Foreign && than.Outcome == scanner.Foreign
}

// try asks for one place, and says whether the others can add nothing.
func (role webRole) try(ctx context.Context, h *httpClient, place webPlace) (r scanner.Result, a httpAnswer, last bool) {
	q := httpQuestion{path: place.path, query: place.query}
	if role.either {
		a = h.askEither(ctx, q)
	} else {
		a = h.ask(ctx, q)
	}
	switch {
	case a.failed.Outcome != scanner.OutcomeUnknown:
		return certificateOrElse(a), a, true
	case a.strange() != "":
		return a.foreign(a.strange()), a, true
	case a.status == http.StatusNotFound && role.kernel != "" && a.fromKernel():
		r = scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
		r.Detail("answer", role.kernel)
		a.describeHTTP(&r)
		return r, a, false
	case a.status == http.StatusNotFound, a.status == http.StatusGone:
		return a.foreign("a web server without " + role.name), a, false
	case a.status == http.StatusSwitchingProtocols:
		return a.foreign("not the answer of " + role.name), a, true
	}
	other := h.ask(ctx, httpQuestion{path: elsewhere(place.path), query: place.query})
	if other.failed.Outcome != scanner.OutcomeUnknown {
		r = other.failed
		r.Detail("answer", httpStatus(a.status)+" for "+place.path+"; the second request, for comparison, was not answered")
		return r, a, true
	}
	if other.status != http.StatusNotFound {
		return role.alike(a, other), a, true
	}
	r = role.judge(h, place, a)
	return r, a, r.Proof >= scanner.AssuranceRole
}

// elsewhere is the same path below a directory that cannot exist, so that a
// server which goes by the end of the path, or by a sign in it, shows itself too.
func elsewhere(path string) string {
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	mark := ""
	if strings.HasSuffix(first, "$") {
		mark = "$"
	}
	return "/" + hex.EncodeToString(name) + mark + "/" + rest
}

// alike judges a server that has an answer for a path that cannot exist.
func (role webRole) alike(a, other httpAnswer) scanner.Result {
	var r scanner.Result
	switch {
	case a.wantsCertificate() && other.wantsCertificate():
		return a.certificateWanted()
	case a.brokenIIS() && other.status == a.status:
		return role.broken(a)
	case a.status == http.StatusUnauthorized && other.status == a.status:
		r = a.foreign("a web server asks for credentials whatever the path; " + role.name + " does not")
	default:
		r = a.foreign("it answers every path: a proxy, a portal, or another server")
	}
	r.Detail("for-comparison", httpStatus(other.status)+" for a path that cannot exist")
	return r
}

// broken is the result for a place that is there and fails.
func (role webRole) broken(a httpAnswer) scanner.Result {
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	what := strings.TrimPrefix(strings.TrimPrefix(role.name, "an "), "a ")
	if a.status == http.StatusServiceUnavailable {
		r.Detail("answer", "the "+what+" was reached, but does not run: is its application pool stopped?")
	} else {
		r.Detail("answer", "the "+what+" was reached, but is broken")
	}
	a.describeHTTP(&r)
	return r
}

// judge says what an answer is worth whose place the server knows from others.
func (role webRole) judge(h *httpClient, place webPlace, a httpAnswer) scanner.Result {
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole}
	note := ""
	switch {
	case a.status >= 200 && a.status < 300:
		if place.own != nil && !place.own(a) {
			return a.foreign("not the answer of " + role.name)
		}
	case a.status == http.StatusUnauthorized:
		if !a.offers("Negotiate", "NTLM", "Kerberos") {
			r.Proof, note = scanner.AssuranceProtocol, "it asks for credentials, but not for those of Windows"
		}
	case a.status == http.StatusForbidden:
		switch {
		case a.wanted:
			note = "a client certificate is wanted"
		case !h.secure && !role.plain:
			note = "it is forbidden over plain HTTP: the server may want HTTPS"
		}
	case a.status >= 500:
		return role.broken(a)
	default:
		r.Proof, note = scanner.AssuranceProtocol, "its answer is not one that is known of "+role.name
	}
	r.NeedsCredentials = r.Proof < scanner.AssuranceRole && a.status == http.StatusUnauthorized
	if role.most != scanner.AssuranceNone {
		r.Proof = min(r.Proof, role.most)
	}
	kind := "the path "
	if strings.HasSuffix(place.path, "/") {
		kind = "the directory "
	}
	r.Detail("answer", kind+place.path+" is there, a path that cannot exist is not")
	if note != "" {
		r.Detail("note", note)
	}
	a.describeHTTP(&r)
	return r
}

// holds makes an own that looks for a word in the body.
func holds(word string) func(httpAnswer) bool {
	return func(a httpAnswer) bool { return bytes.Contains(a.body, []byte(word)) }
}

// notPage is an own for what is no HTML page, as portals have it.
func notPage(a httpAnswer) bool { return !a.isHTML() }

// fromKernel reports whether HTTP.sys itself answered, not an application.
func (a httpAnswer) fromKernel() bool {
	return strings.HasPrefix(a.header.Get("Server"), "Microsoft-HTTPAPI/") && len(a.proxySigns()) == 0
}
