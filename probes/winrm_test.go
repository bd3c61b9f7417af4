package probes

import (
	"bufio"
	"cmreach/probes/probetest"
	"cmreach/scanner"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	soapType  = "Content-Type: application/soap+xml;charset=UTF-8\r\n"
	httpSys   = "Server: Microsoft-HTTPAPI/2.0\r\n"
	winrmBody = `<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>` +
		`<wsmid:IdentifyResponse xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">` +
		`<wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion>` +
		`<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>` +
		`<wsmid:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>` +
		`</wsmid:IdentifyResponse></s:Body></s:Envelope>`
)

func TestWinRM(t *testing.T) {
	asks := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true}
	for _, tt := range []struct {
		name, text, keys string
		want             brief
	}{
		{"identifies", answer("200 OK", soapType+httpSys, winrmBody), "product version", detailed(roleProven, "product=Microsoft Corporation | version=OS: 0.0.0 SP: 0.0 Stack: 3.0")},
		{"identifies with nothing", answer("200 OK", soapType, `<IdentifyResponse xmlns="`+wsmanIdentity+`"/>`), "product version", roleProven},
		{"identifies in another namespace", answer("200 OK", soapType, `<IdentifyResponse xmlns="urn:other"/>`), "answer", detailed(isForeign, "answer=not the answer of WS-Management")},
		{"identifies in part", answer("200 OK", soapType, winrmBody[:len(winrmBody)-60]), "", brief{Outcome: scanner.Garbled}},
		{"an escape in the vendor", answer("200 OK", soapType, strings.ReplaceAll(winrmBody, "Microsoft", "\u202eM")), "product", detailed(roleProven, "product=.M Corporation")},
		{"the request sent back", answer("200 OK", soapType, wsmanIdentify), "answer", detailed(isForeign, "answer=not the answer of WS-Management")},
		{"wants credentials by HTTP.sys", answer("401 Unauthorized", httpSys+"WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Kerberos\r\n", ""), "answer", detailed(asks, "answer=it asks for credentials before it says what it is")},
		{"wants credentials for WSMAN", answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"WSMAN\"\r\n", ""), "", asks},
		{"wants other credentials", answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"router\"\r\n", ""), "answer", detailed(isForeign, "answer=not the answer of WS-Management")},
		{"does not run", answer("503 Service Unavailable", httpSys, ""), "answer", detailed(reached, "answer=HTTP.sys answers, but Windows Remote Management does not run")},
		{"HTTP.sys without it", kernel404, "answer", detailed(isForeign, "answer=a web server without WS-Management")},
		{"a web server", answer("405 Not Allowed", nginx, ""), "answer", detailed(isForeign, "answer=not the answer of WS-Management")},
		{"a page", page, "answer title", detailed(isForeign, "answer=a page, not the answer of WS-Management | title=Welcome")},
		{"a proxy", answer("407 Proxy Authentication Required", "Proxy-Authenticate: NTLM\r\n", ""), "answer", detailed(isForeign, "answer=a proxy asks for credentials")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, httpPeer(map[string]string{"/wsman": tt.text}))
			if d := cmp.Diff(tt.want, talk(t, WinRM(), call, strings.Fields(tt.keys)...)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestWinRMRequest holds what is sent ([MS-WSMV] 3.1.4.1).
func TestWinRMRequest(t *testing.T) {
	got := make(chan [2]string, 2) // the question, and who it is
	call := probetest.Serve(t, func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		got <- [2]string{
			strings.Join([]string{req.Method, req.RequestURI, req.Header.Get("Content-Type"), req.Header.Get("WSMANIDENTIFY")}, " "),
			string(body),
		}
		_, _ = conn.Write([]byte(answer("200 OK", soapType, winrmBody)))
	})
	talk(t, WinRM(), call)
	want := [2]string{
		"POST /wsman application/soap+xml;charset=UTF-8 unauthenticated",
		`<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:id="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><e:Header/><e:Body><id:Identify/></e:Body></e:Envelope>`,
	}
	if d := cmp.Diff(want, <-got); d != "" {
		t.Error(d)
	}
	want[0] = "POST /wsman application/soap+xml;charset=UTF-8 " // not as a stranger
	if d := cmp.Diff(want, <-got); d != "" {
		t.Error(d)
	}
}

// TestWinRMOverTLS has servers that do not take plain HTTP: HTTP.sys hangs up,
// others send an alert.
func TestWinRMOverTLS(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}}
	speak := httpPeer(map[string]string{"/wsman": answer("200 OK", soapType, winrmBody)})
	for name, refuse := range map[string]string{
		"hangs up":             "",
		"an alert":             "\x15\x03\x01\x00\x02\x02\x0a",
		"a bad request, nginx": answer("400 Bad Request", nginx, "<center>The plain HTTP request was sent to HTTPS port</center>"),
	} {
		t.Run(name, func(t *testing.T) {
			call := probetest.Serve(t, func(conn net.Conn) {
				first := bufio.NewReader(conn)
				if b, err := first.Peek(1); err != nil || b[0] != 22 {
					_, _ = http.ReadRequest(first)
					_, _ = conn.Write([]byte(refuse))
					return
				}
				tlsPeer(config, speak)(peeked{conn, first})
			})
			call.Host = "mp1.lab.test"
			want := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "[mp1.lab.test mp1]", Details: "tls=TLS 1.3"}
			if d := cmp.Diff(want, talk(t, WinRM(), call, "tls")); d != "" {
				t.Error(d)
			}
		})
	}
}

// peeked is a connection of which something was looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

func TestWinRMAdversity(t *testing.T) {
	probetest.Adversity(t, WinRM(), []byte(answer("200 OK", soapType, winrmBody)))
}

func FuzzWinRMIdentity(f *testing.F) {
	f.Add([]byte(winrmBody))
	f.Add([]byte(wsmanIdentify))
	f.Add([]byte(`<a xmlns="x"><IdentifyResponse/>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httpAnswer{status: http.StatusOK, body: body}.readIdentity()
		switch {
		case r.Outcome == scanner.Spoke && strings.Contains(string(body), "IdentifyResponse"):
		case r.Outcome == scanner.Foreign, r.Outcome == scanner.Garbled:
		default:
			t.Errorf("outcome %s", r.Outcome)
		}
		for _, d := range r.Details {
			if len(d.Value) > 1024 || printable(d.Value, 1024) != d.Value {
				t.Errorf("detail %q", d)
			}
		}
	})
}
