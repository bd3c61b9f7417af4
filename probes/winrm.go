package probes

import (
	"bytes"
	"cmreach/scanner"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// WinRM returns the probe for Windows Remote Management.
func WinRM() scanner.Probe {
	return scanner.Probe{
		Name: "winrm",
		Doc: `Windows Remote Management says what it is

Sends: POST /wsman with the Identify request of WS-Management (DSP0226 11) and
the header that lets it pass without credentials ([MS-WSMV] 2.2.1, 3.1.4.1).
The port speaks plain HTTP or TLS: TLS is tried when plain HTTP is not taken.
Then the first message of NTLM within Negotiate, which is not followed by a
logon.
Proves: by an IdentifyResponse, that WS-Management answered and who made it; by
the challenge of NTLM, which computer it is.
Cannot prove: that anyone may sign in. To strangers Windows gives no version of
its own here.
Needs: TCP 5985 or 5986, no rights.`,
		Protocol: scanner.TCP,
		Talk: func(ctx context.Context, c scanner.Call) scanner.Result {
			return talkWinRM(ctx, httpClient{call: c, now: time.Now})
		},
	}
}

// The Identify request and the names in its answer (DSP0226 11).
const (
	wsmanIdentity = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
	wsmanIdentify = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:id="` + wsmanIdentity + `">` +
		`<e:Header/><e:Body><id:Identify/></e:Body></e:Envelope>`
)

func talkWinRM(ctx context.Context, h httpClient) scanner.Result {
	soap := http.Header{"Content-Type": {"application/soap+xml;charset=UTF-8"}}
	open := http.Header{"Content-Type": soap["Content-Type"], "WSMANIDENTIFY": {"unauthenticated"}}
	a := h.askEither(ctx, httpQuestion{path: "/wsman", body: wsmanIdentify, header: open})
	r := judgeWinRM(a)
	h.describeConnection(&r, a)
	speaks := r.Proof >= scanner.AssuranceRole || a.status == http.StatusUnauthorized && r.Outcome == scanner.Spoke
	if speaks && h.call.Depth >= scanner.AssuranceRole && len(a.proxySigns()) == 0 {
		h.askName(ctx, &r, httpQuestion{path: "/wsman", body: wsmanIdentify, header: soap}, "Negotiate")
	}
	return r
}

// judgeWinRM says what an answer to Identify is.
func judgeWinRM(a httpAnswer) scanner.Result {
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	switch {
	case a.failed.Outcome != scanner.OutcomeUnknown:
		return certificateOrElse(a)
	case a.status == http.StatusOK:
		return a.readIdentity()
	case a.wantsCertificate():
		return a.certificateWanted()
	case a.strange() != "":
		return a.foreign(a.strange())
	case a.status == http.StatusUnauthorized && a.fromWSMan():
		r.NeedsCredentials = true
		r.Detail("answer", "it asks for credentials before it says what it is")
	case a.brokenIIS():
		r.Detail("answer", "HTTP.sys answers, but Windows Remote Management does not run")
	case a.status == http.StatusNotFound:
		return a.foreign("a web server without WS-Management")
	default:
		return a.foreign("not the answer of WS-Management")
	}
	a.describeHTTP(&r)
	return r
}

// fromWSMan reports whether the 401 is that of WinRM, which HTTP.sys sends with
// the realm WSMAN when Basic is allowed.
func (a httpAnswer) fromWSMan() bool {
	for _, v := range a.header.Values("WWW-Authenticate") {
		if strings.Contains(strings.ToUpper(v), `"WSMAN"`) {
			return true
		}
	}
	return a.fromKernel() && a.offers("Negotiate", "Kerberos", "NTLM")
}

// wsmanProduct is what an IdentifyResponse tells.
type wsmanProduct struct {
	Protocol string `xml:"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd ProtocolVersion"`
	Vendor   string `xml:"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd ProductVendor"`
	Version  string `xml:"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd ProductVersion"`
}

var errNoIdentity = errors.New("no IdentifyResponse")

// parseIdentity finds the IdentifyResponse in a SOAP message (DSP0226 11).
func parseIdentity(body []byte) (wsmanProduct, error) {
	var p wsmanProduct
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p, errNoIdentity
		}
		if err != nil {
			return p, err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name == (xml.Name{Space: wsmanIdentity, Local: "IdentifyResponse"}) {
			return p, d.DecodeElement(&p, &start)
		}
	}
}

// readIdentity judges the body of an answer of 200.
func (a httpAnswer) readIdentity() scanner.Result {
	p, err := parseIdentity(a.body)
	begun := bytes.Contains(a.body, []byte(wsmanIdentity)) && !a.isHTML()
	switch {
	case err != nil && begun && !errors.Is(err, errNoIdentity):
		r := scanner.Result{Outcome: scanner.Garbled, Err: printable("identify response: "+err.Error(), httpMaxText)}
		a.describeHTTP(&r)
		return r
	case err != nil && a.isHTML():
		return a.foreign("a page, not the answer of WS-Management")
	case err != nil:
		return a.foreign("not the answer of WS-Management")
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole}
	for _, d := range []scanner.Detail{{Key: "product", Value: p.Vendor}, {Key: "version", Value: p.Version}} {
		if v := strings.TrimSpace(d.Value); v != "" {
			r.Detail(d.Key, printable(v, httpMaxText))
		}
	}
	a.describeHTTP(&r)
	return r
}
