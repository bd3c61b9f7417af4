package probes

import (
	"bufio"
	"cmreach/probes/probetest"
	"cmreach/scanner"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nginx = "Server: nginx\r\n"

// roleProbes are the probes that look for places, with the given roots.
func roleProbes(roots *x509.CertPool) map[string]scanner.Probe {
	m := make(map[string]scanner.Probe)
	for _, p := range []scanner.Probe{
		HTTPDistributionPoint(), HTTPSoftwareUpdatePoint(), HTTPHealthRegistrationAuthority(),
		HTTPClientNotification(), HTTPPeerCache(), HTTPFallbackStatusPoint(),
		httpsDistributionPoint(roots), httpsSoftwareUpdatePoint(roots), httpsHealthRegistrationAuthority(roots),
		httpsCloudManagementGateway(roots), httpsClientNotification(roots),
	} {
		m[p.Name] = p
	}
	return m
}

// What answers of the places come to.
var (
	roleProven = brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole}
	reached    = brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	isForeign  = brief{Outcome: scanner.Foreign}
)

func detailed(b brief, s string) brief { b.Details = s; return b }

// The directories and files of the roles.
const (
	dpDir     = "/SMS_DP_SMSPKG$/"
	dpNoCert  = "/NOCERT_SMS_DP_SMSPKG$/"
	supVer    = "/ClientWebService/wusserverversion.xml"
	supAuth   = "/SimpleAuthWebService/SimpleAuth.asmx"
	supClient = "/ClientWebService/client.asmx"
	supCab    = "/Selfupdate/wuident.cab"
	hraDomain = "/DomainHRA/hcsrvext.dll"
	hraOther  = "/NonDomainHRA/hcsrvext.dll"
	cmgMutual = "/CCM_Proxy_MutualAuth/"
	cmgServer = "/CCM_Proxy_ServerAuth/"
	bgb       = "/bgb/handler.ashx?RequestType=LogIn"
	peerDir   = "/SCCM_BranchCache$/"
)

type roleCase struct {
	probe, name string
	answers     map[string]string // by target; others: 404 of IIS
	keys        string
	want        brief
}

// Answers that several cases have.
var (
	windowsAuth = answer("401 Unauthorized", iis+"WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n", "")
	basicAuth   = answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x, NTLM\"\r\n", "")
	forbidden   = answer("403 Forbidden", iis, "403.14")
	page        = answer("200 OK", "Content-Type: text/html\r\n", "<html><title>Welcome</title>")
	page500     = answer("500 Internal Server Error", iis, "<html>")
	stopped     = answer("503 Service Unavailable", "Server: Microsoft-HTTPAPI/2.0\r\n", "<html>")
	cabinet     = answer("200 OK", "", "MSCF\x00\x00\x00\x00")
	kernel404   = answer("404 Not Found", "Server: Microsoft-HTTPAPI/2.0\r\n", "<h2>Not Found</h2>")
	iis404      = answer("404 Not Found", iis, "")
)

func plainRoleCases() []roleCase {
	const there = "answer=the directory /SMS_DP_SMSPKG$/ is there, a path that cannot exist is not"
	return []roleCase{
		{"http-dp", "wants the credentials of Windows", map[string]string{dpDir: windowsAuth}, "answer server http-status", detailed(roleProven, there+" | http-status=401 Unauthorized | server=Microsoft-IIS/10.0")},
		{"http-dp", "lists", map[string]string{dpDir: page}, "answer", detailed(roleProven, there)},
		{"http-dp", "forbids", map[string]string{dpDir: forbidden}, "answer note", detailed(roleProven, there+" | note=it is forbidden over plain HTTP: the server may want HTTPS")},
		{"http-dp", "wants other credentials", map[string]string{dpDir: basicAuth}, "note", brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Details: "note=it asks for credentials, but not for those of Windows"}},
		{"http-dp", "wants a method", map[string]string{dpDir: answer("405 Method Not Allowed", iis, "")}, "note", detailed(reached, "note=its answer is not one that is known of a distribution point")},
		{"http-dp", "is broken", map[string]string{dpDir: page500}, "answer", detailed(reached, "answer=the distribution point was reached, but is broken")},
		{"http-dp", "wants credentials for all", map[string]string{dpDir: windowsAuth, "*": windowsAuth}, "answer for-comparison", detailed(isForeign, "answer=a web server asks for credentials whatever the path; a distribution point does not | for-comparison=401 Unauthorized for a path that cannot exist")},
		{"http-dp", "is upgraded", map[string]string{dpDir: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"}, "answer", detailed(isForeign, "answer=not the answer of a distribution point")},
		{"http-dp", "the comparison is not answered", map[string]string{dpDir: windowsAuth, "*": ""}, "answer", brief{Outcome: scanner.Cut, Details: "answer=401 Unauthorized for /SMS_DP_SMSPKG$/; the second request, for comparison, was not answered"}},
		{"http-dp", "only the place of HTTPS", map[string]string{dpNoCert: forbidden}, "", isForeign},

		{"http-sup", "the version", map[string]string{supVer: answer("200 OK", xmlType, "\xef\xbb\xbf<?xml version=\"1.0\"?><Versions/>")}, "answer", detailed(roleProven, "answer=the path /ClientWebService/wusserverversion.xml is there, a path that cannot exist is not")},
		{"http-sup", "the version in UTF-16", map[string]string{supVer: answer("200 OK", xmlType, "\xff\xfe<\x00?\x00x\x00")}, "", roleProven},
		{"http-sup", "a page in place of the version", map[string]string{supVer: page}, "answer title", detailed(isForeign, "answer=not the answer of a software update point | title=Welcome")},
		{"http-sup", "the first service", map[string]string{supAuth: answer("200 OK", "Content-Type: text/html\r\n", "<html>SimpleAuth</html>")}, "answer", detailed(roleProven, "answer=the path /SimpleAuthWebService/SimpleAuth.asmx is there, a path that cannot exist is not")},
		{"http-sup", "the second service", map[string]string{supClient: answer("200 OK", "Content-Type: text/html\r\n", "<html>Client</html>")}, "", roleProven},
		{"http-sup", "another service", map[string]string{supAuth: page, supClient: page}, "", isForeign},
		{"http-sup", "the cabinet alone", map[string]string{supCab: cabinet}, "answer", detailed(roleProven, "answer=the path /Selfupdate/wuident.cab is there, a path that cannot exist is not")},
		{"http-sup", "no cabinet", map[string]string{supCab: answer("200 OK", "", "PK")}, "", isForeign},
		{"http-sup", "broken services, the cabinet whole", map[string]string{supVer: page500, supAuth: page500, supCab: cabinet}, "answer", detailed(roleProven, "answer=the path /Selfupdate/wuident.cab is there, a path that cannot exist is not")},
		{"http-sup", "a stopped pool", map[string]string{"*": stopped}, "answer server", detailed(reached, "answer=the software update point was reached, but does not run: is its application pool stopped? | server=Microsoft-HTTPAPI/2.0")},
		{"http-sup", "503 of another server", map[string]string{"*": answer("503 Service Unavailable", nginx, "")}, "answer", detailed(isForeign, "answer=it answers every path: a proxy, a portal, or another server")},
		{"http-sup", "the second place is not answered", map[string]string{supAuth: ""}, "", brief{Outcome: scanner.Cut}},
		{"http-sup", "broken, and the next place is not answered", map[string]string{supVer: page500, supAuth: ""}, "answer", detailed(reached, "answer=the software update point was reached, but is broken")},

		{"http-hra", "wants the credentials of Windows", map[string]string{hraDomain: windowsAuth}, "answer", detailed(roleProven, "answer=the path /DomainHRA/hcsrvext.dll is there, a path that cannot exist is not")},
		{"http-hra", "for computers without a domain", map[string]string{hraOther: forbidden}, "answer", detailed(roleProven, "answer=the path /NonDomainHRA/hcsrvext.dll is there, a path that cannot exist is not")},
		{"http-hra", "does not take GET", map[string]string{hraOther: answer("405 Method Not Allowed", iis, "")}, "", reached},

		{"http-notify", "signs in", map[string]string{bgb: answer("200 OK", iis, "x")}, "answer", detailed(roleProven, "answer=the path /bgb/handler.ashx is there, a path that cannot exist is not")},
		{"http-notify", "the service is missing", map[string]string{bgb: page500}, "answer", detailed(reached, "answer=the management point with client notification was reached, but is broken")},
		{"http-notify", "a page", map[string]string{bgb: page}, "", isForeign},

		{"http-peer", "wants credentials", map[string]string{peerDir: windowsAuth}, "", roleProven},
		{"http-peer", "HTTP.sys has nothing there", map[string]string{"*": kernel404}, "answer", detailed(reached, "answer=HTTP.sys listens on the port; a peer cache source was not recognized")},
		{"http-peer", "HTTP.sys by way of a proxy", map[string]string{"*": answer("404 Not Found", "Server: Microsoft-HTTPAPI/2.0\r\nVia: 1.1 p\r\n", "")}, "answer", detailed(isForeign, "answer=a web server without a peer cache source")},
		// It is never asked over HTTPS, so there is nothing to advise.
		{"http-fsp", "forbids", map[string]string{"/SMS_FSP/": forbidden}, "note", reached},
		{"http-fsp", "wants credentials", map[string]string{"/SMS_FSP/": windowsAuth}, "", brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: false}},
	}
}

// peer answers as a case says.
func (c roleCase) peer() func(net.Conn) {
	all := map[string]string{"*": iis404}
	for target, text := range c.answers {
		all[target] = text
	}
	return httpPeer(all)
}

func TestHTTPRoles(t *testing.T) {
	probes := roleProbes(nil)
	for _, tt := range plainRoleCases() {
		t.Run(tt.probe+"/"+tt.name, func(t *testing.T) {
			call := probetest.Serve(t, tt.peer())
			if d := cmp.Diff(tt.want, talk(t, probes[tt.probe], call, strings.Fields(tt.keys)...)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHTTPSRoles(t *testing.T) {
	ca := newAuthority(t)
	named := func(b brief) brief { b.Identity = "[mp1.lab.test mp1]"; return b }
	wanted := named(brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Details: "answer=a client certificate is wanted"})
	noCert := answer("400 Bad Request", nginx, "<center>No required SSL certificate was sent</center>")
	for _, tt := range []roleCase{
		{"https-dp", "wants the credentials of Windows", map[string]string{dpDir: windowsAuth}, "", named(roleProven)},
		{"https-dp", "wants a certificate for the directory", map[string]string{dpDir: forbidden}, "note", named(roleProven)},
		{"https-dp", "the place for clients without a certificate", map[string]string{dpNoCert: windowsAuth}, "answer", named(detailed(roleProven, "answer=the directory /NOCERT_SMS_DP_SMSPKG$/ is there, a path that cannot exist is not"))},
		{"https-dp", "wants a certificate for all", map[string]string{"*": forbidden}, "answer", wanted},
		{"https-dp", "nginx wants a certificate", map[string]string{"*": noCert}, "answer", wanted},
		{"https-sup", "the first service", map[string]string{supAuth: answer("200 OK", "", "<html>SimpleAuth</html>")}, "", named(roleProven)},
		{"https-sup", "the cabinet is not asked for", map[string]string{supCab: cabinet}, "", isForeign},
		{"https-hra", "wants the credentials of Windows", map[string]string{hraDomain: windowsAuth}, "", named(roleProven)},
		{"https-cmg", "the path for certificates", map[string]string{cmgMutual: forbidden}, "", named(roleProven)},
		{"https-cmg", "the path for tokens", map[string]string{cmgServer: windowsAuth}, "", named(roleProven)},
		{"https-cmg", "an answer that is not known", map[string]string{cmgServer: answer("400 Bad Request", "", "")}, "", named(reached)},
		{"https-cmg", "another site of the same provider", nil, "answer", detailed(isForeign, "answer=a web server without a cloud management gateway")},
		{"https-notify", "signs in", map[string]string{bgb: answer("200 OK", iis, "")}, "", named(roleProven)},
		{"http-peer", "over TLS", map[string]string{peerDir: windowsAuth}, "tls", named(detailed(roleProven, "tls=TLS 1.3"))},
	} {
		t.Run(tt.probe+"/"+tt.name, func(t *testing.T) {
			call := probetest.Serve(t, tlsPeer(&tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}}, tt.peer()))
			call.Host = "mp1.lab.test"
			if d := cmp.Diff(tt.want, talk(t, roleProbes(ca.pool)[tt.probe], call, strings.Fields(tt.keys)...)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestHTTPSRoleCertificate has a right role with a certificate that clients
// refuse, and one that asks for theirs within the handshake.
func TestHTTPSRoleCertificate(t *testing.T) {
	ca := newAuthority(t)
	expired := ca.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"other.lab.test"} })
	right := roleCase{answers: map[string]string{dpDir: windowsAuth, supAuth: answer("200 OK", "", "SimpleAuth"), hraDomain: windowsAuth, cmgMutual: forbidden, bgb: answer("200 OK", iis, "x")}}
	for name, p := range roleProbes(ca.pool) {
		if !strings.HasPrefix(name, "https-") {
			continue
		}
		call := probetest.Serve(t, tlsPeer(&tls.Config{Certificates: []tls.Certificate{expired}}, right.peer()))
		call.Host = "mp1.lab.test"
		want := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "[other.lab.test]", Details: "clients-refuse=its certificate is not for the name mp1.lab.test"}
		if d := cmp.Diff(want, talk(t, p, call, "clients-refuse")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		call = probetest.Serve(t, tlsPeer(&tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}, ClientAuth: tls.RequireAnyClientCert}, right.peer()))
		call.Host = "mp1.lab.test"
		want = brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Identity: "[mp1.lab.test mp1]", Details: "answer=a client certificate is wanted"}
		if d := cmp.Diff(want, talk(t, p, call, "answer")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestHTTPRolesWrongPeer holds every role against servers that have none.
func TestHTTPRolesWrongPeer(t *testing.T) {
	ca := newAuthority(t)
	for peer, text := range map[string]string{
		"nginx":             answer("404 Not Found", nginx, "<html>"),
		"IIS":               iis404,
		"a page for all":    page,
		"XML for all":       answer("200 OK", xmlType, "<a/>"),
		"everything":        answer("200 OK", "", "MSCF SimpleAuth Client"),
		"a portal":          answer("302 Found", "Location: https://portal.example/\r\n", ""),
		"a proxy":           answer("407 Proxy Authentication Required", "Proxy-Authenticate: NTLM\r\n", ""),
		"a gateway":         answer("502 Bad Gateway", "Via: 1.1 squid\r\n", ""),
		"a proxy's 503":     answer("503 Service Unavailable", iis+"Via: 1.1 squid\r\n", ""),
		"forbids, a proxy":  answer("403 Forbidden", "Via: 1.1 squid\r\n", ""),
		"Windows, for all":  windowsAuth,
		"a bad request":     answer("400 Bad Request", "", ""),
		"an error for all":  answer("500 Internal Server Error", nginx, ""),
		"sign in to access": answer("511 Network Authentication Required", "", ""),
	} {
		for name, p := range roleProbes(ca.pool) {
			t.Run(name+"/"+peer, func(t *testing.T) {
				serve := httpPeer(map[string]string{"*": text})
				if strings.HasPrefix(name, "https-") {
					serve = tlsPeer(&tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}}, serve)
				}
				call := probetest.Serve(t, serve)
				call.Host = "mp1.lab.test"
				if d := cmp.Diff(isForeign, talk(t, p, call)); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// TestHTTPRoleRequests holds what is sent: the place, and the same path below
// a directory that no server can have.
func TestHTTPRoleRequests(t *testing.T) {
	asked := make(chan string, 4)
	call := probetest.Serve(t, func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		asked <- req.Method + " " + req.RequestURI
		text := iis404
		if req.URL.Path == "/bgb/handler.ashx" {
			text = answer("200 OK", iis, "x")
		}
		_, _ = conn.Write([]byte(text))
	})
	if got := talk(t, HTTPClientNotification(), call); got != roleProven {
		t.Errorf("%+v", got)
	}
	if got := <-asked; got != "GET /bgb/handler.ashx?RequestType=LogIn" {
		t.Errorf("first request %q", got)
	}
	directory, found := strings.CutSuffix(strings.TrimPrefix(<-asked, "GET /"), "/handler.ashx?RequestType=LogIn")
	if !found || len(directory) != 16 || strings.Trim(directory, "0123456789abcdef") != "" {
		t.Errorf("directory of the comparison: %q", directory)
	}
	if len(asked) != 0 {
		t.Errorf("one request too many: %q", <-asked)
	}
}

func TestElsewhere(t *testing.T) {
	for path, end := range map[string]string{"/SMS_FSP/": "/", "/a/b.c": "/b.c", "/a/b/c": "/b/c"} {
		first, second := elsewhere(path), elsewhere(path)
		if first == second || !strings.HasSuffix(first, end) || len(first) != 17+len(end) {
			t.Errorf("%s: %s and %s", path, first, second)
		}
	}
}

func TestHTTPRolesAdversity(t *testing.T) {
	t.Run("http-dp", func(t *testing.T) { probetest.Adversity(t, HTTPDistributionPoint(), []byte(windowsAuth)) })
	t.Run("http-sup", func(t *testing.T) { probetest.Adversity(t, HTTPSoftwareUpdatePoint(), []byte(cabinet)) })
	t.Run("http-peer", func(t *testing.T) { probetest.Adversity(t, HTTPPeerCache(), []byte(kernel404)) })
	t.Run("https-sup", func(t *testing.T) { probetest.Adversity(t, HTTPSSoftwareUpdatePoint()) })
}
