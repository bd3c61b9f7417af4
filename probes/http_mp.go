package probes

import (
	"bytes"
	"cmreach/probes/wire/mplist"
	"cmreach/scanner"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const mpDoc = `
Sends: GET /SMS_MP/.sms_aut?MPLIST, the question by which a client finds its
management points.
Proves: by a list of management points, that one answered; the names and the
site code in it.
Cannot prove: that the management point's database is well, or that a client
may register. An answer of 500 means that it was reached and is broken.
Needs: TCP to the port, no rights.`

// HTTPManagementPoint returns the probe for a management point over HTTP.
func HTTPManagementPoint() scanner.Probe {
	return scanner.Probe{
		Name:     "http-mp",
		Doc:      "The list of management points over HTTP\n" + mpDoc,
		Protocol: scanner.TCP,
		Talk: func(ctx context.Context, c scanner.Call) scanner.Result {
			return talkMP(ctx, httpClient{call: c, now: time.Now})
		},
	}
}

// HTTPSManagementPoint returns the probe for a management point over HTTPS.
func HTTPSManagementPoint() scanner.Probe { return httpsManagementPoint(nil) }

// httpsManagementPoint trusts the given roots; nil stands for this machine's.
func httpsManagementPoint(roots *x509.CertPool) scanner.Probe {
	return scanner.Probe{
		Name: "https-mp",
		Doc: "The list of management points over HTTPS, and the certificate\n" + mpDoc + `
The certificate's faults are reported and do not end the conversation. A
management point that wants a client certificate answers 403: reached, and its
role is not proven.`,
		Protocol: scanner.TCP,
		Talk: func(ctx context.Context, c scanner.Call) scanner.Result {
			return talkMP(ctx, httpClient{call: c, secure: true, roots: roots, now: time.Now})
		},
	}
}

// talkMP asks for the list.
func talkMP(ctx context.Context, h httpClient) scanner.Result {
	a := h.ask(ctx, httpQuestion{path: "/SMS_MP/.sms_aut", query: "MPLIST"})
	if a.status == http.StatusNotFound {
		// IIS takes the word in either case; what stands in front of it may not.
		if again := h.ask(ctx, httpQuestion{path: "/SMS_MP/.sms_aut", query: "mplist"}); again.status == http.StatusOK {
			a = again
		}
	}
	r := h.judgeMP(a)
	h.describeConnection(&r, a)
	return r
}

// judgeMP says what an answer to MPLIST is.
func (h httpClient) judgeMP(a httpAnswer) scanner.Result {
	switch {
	case a.failed.Outcome != scanner.OutcomeUnknown:
		return certificateOrElse(a)
	case a.status == http.StatusOK:
		return h.readList(a)
	case a.wantsCertificate():
		return a.certificateWanted()
	case a.strange() != "":
		return a.foreign(a.strange())
	case a.status >= 500 && len(a.proxySigns()) == 0 && (a.fromIIS() || a.header.Get("Server") == "" && a.status == http.StatusInternalServerError):
		r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
		r.Detail("answer", "the management point was reached, but is broken: see mpcontrol.log there")
		a.describeHTTP(&r)
		return r
	case a.status == http.StatusNotFound:
		return a.foreign("a web server without a management point")
	case a.status == http.StatusForbidden && a.tls == nil && a.fromIIS():
		return a.foreign("IIS forbids it over plain HTTP: the management point may want HTTPS")
	case a.status == http.StatusForbidden:
		return a.foreign("access is forbidden, by whom is not said")
	case a.status == http.StatusUnauthorized:
		return a.foreign("a web server asks for credentials; a management point does not")
	}
	return a.foreign("not the answer of a management point")
}

// readList judges the body of an answer of 200.
func (h httpClient) readList(a httpAnswer) scanner.Result {
	list, err := mplist.Parse(a.body)
	switch {
	case errors.Is(err, mplist.ErrNotList) && a.isHTML():
		return a.foreign("a page, not a list of management points")
	case len(bytes.TrimSpace(a.body)) == 0:
		return a.foreign("an empty page, not a list of management points")
	case errors.Is(err, mplist.ErrNotList):
		r := a.foreign("not a list of management points")
		r.Detail("looks-like", lookedLike(a.body))
		return r
	case err != nil || a.truncated:
		what := "the list of management points is larger than any right one"
		if err != nil {
			what = err.Error()
		}
		r := scanner.Result{Outcome: scanner.Garbled, Err: printable(what, httpMaxText)}
		a.describeHTTP(&r)
		return r
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole}
	a.describeHTTP(&r)
	h.readMPs(&r, list)
	return r
}

// readMPs takes names, site code and version out of the list. It lists every
// management point of the site, so that only a list of one says which of them
// answered.
func (h httpClient) readMPs(r *scanner.Result, list []mplist.MP) {
	if len(list) == 0 {
		r.Detail("management-points", "none")
		return
	}
	var names, codes []string
	for _, mp := range list {
		name := mp.FQDN
		if name == "" {
			name = mp.Name
		}
		names = appendNew(names, name)
		if mp.SiteCode != "" {
			codes = appendNew(codes, mp.SiteCode)
		}
	}
	r.Detail("management-points", printable(strings.Join(names, ", "), httpMaxText))
	own := findMP(list, h.call.Host)
	if own != nil {
		if own.Version != "" {
			r.Detail("version", printable(own.Version, httpMaxText))
		}
		if own.SiteCode != "" {
			codes = []string{own.SiteCode}
		}
	}
	if len(codes) > 0 {
		r.Detail("site-code", printable(strings.Join(codes, ", "), httpMaxText))
		if h.call.Site != "" && !slices.ContainsFunc(codes, func(c string) bool { return strings.EqualFold(c, h.call.Site) }) {
			r.Detail("site-code-mismatch", printable(strings.Join(codes, ", "), httpMaxText)+", not "+h.call.Site)
		}
	}
	if len(list) == 1 && h.call.Depth >= scanner.AssuranceRole {
		r.Identity.Computer, r.Identity.DNSName = list[0].Name, list[0].FQDN
	}
}

// findMP finds the entry for the host that was asked. A short name matches the
// first part of a full one.
func findMP(list []mplist.MP, host string) *mplist.MP {
	if _, err := netip.ParseAddr(host); err != nil {
		host = strings.TrimSuffix(host, ".")
		for i := range list {
			if strings.EqualFold(list[i].FQDN, host) || strings.EqualFold(list[i].Name, host) {
				return &list[i]
			}
		}
		label, _, full := strings.Cut(host, ".")
		for i := range list {
			name, _, _ := strings.Cut(list[i].FQDN, ".")
			if full { // two full names that differ are two computers
				name = ""
				if list[i].FQDN == "" {
					name = list[i].Name
				}
			}
			if name != "" && strings.EqualFold(name, label) {
				return &list[i]
			}
		}
	}
	if len(list) == 1 {
		return &list[0]
	}
	return nil
}

// appendNew appends what is not there yet.
func appendNew(list []string, more ...string) []string {
	for _, s := range more {
		if !slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, s) }) {
			list = append(list, s)
		}
	}
	return list
}
