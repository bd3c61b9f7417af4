package lab

import (
	"cmreach/probes/wire/ntlm"
	"cmreach/probes/wire/spnego"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// App is an application of a web server: it answers the requests that are for
// it, and says whether one was.
type App func(w http.ResponseWriter, r *http.Request, h Host) bool

// IIS is a web server of Windows with the given applications and its start
// page. Every other path is not found.
func IIS(apps ...App) Service {
	return Service{HTTP: func(w http.ResponseWriter, r *http.Request, h Host) {
		w.Header().Set("Server", "Microsoft-IIS/10.0")
		for _, app := range apps {
			if app(w, r, h) {
				return
			}
		}
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><head><title>IIS Windows Server</title></head></html>\n")
	}}
}

// mpList is the answer of a management point to MPLIST.
type mpList struct {
	XMLName xml.Name `xml:"MPList"`
	MP      []mp
}

type mp struct {
	Name         string `xml:",attr"`
	FQDN         string `xml:",attr"`
	SiteCode     string `xml:",attr"`
	Version      string
	Capabilities struct {
		SchemaVersion string `xml:",attr"`
	}
}

// ManagementPoint is a management point as far as anybody is answered: the list
// of management points.
func ManagementPoint(site string) App {
	return func(w http.ResponseWriter, r *http.Request, h Host) bool {
		if !strings.EqualFold(r.URL.Path, "/SMS_MP/.sms_aut") || !strings.EqualFold(r.URL.RawQuery, "MPLIST") {
			return false
		}
		list := mpList{MP: []mp{{Name: h.Computer, FQDN: h.DNSName, SiteCode: site, Version: "9128"}}}
		list.MP[0].Capabilities.SchemaVersion = "1.0"
		answerXML(w, list)
		return true
	}
}

func answerXML[T any](w http.ResponseWriter, doc T) {
	b, err := xml.Marshal(doc)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(b)
}

// DistributionPoint has the directory of content, for who logs on to Windows:
// anonymous access is an option that is off.
func DistributionPoint() App { return below("/SMS_DP_SMSPKG$/", logOn) }

// FallbackStatusPoint has the directory of the role, which may not be listed.
// What the role itself answers is not published.
func FallbackStatusPoint() App {
	return below("/SMS_FSP/", func(w http.ResponseWriter, _ *http.Request, _ Host) {
		http.Error(w, "403 - Forbidden: Access is denied.", http.StatusForbidden)
	})
}

// HealthRegistrationAuthority has the directory for members of the domain, who
// log on ([MS-HCEP] 2.1).
func HealthRegistrationAuthority() App { return below("/DomainHRA/", logOn) }

// wsusVersion is the document by which clients learn the version of the server.
type wsusVersion struct {
	XMLName       xml.Name `xml:"WSUSVersion"`
	ServerVersion string   `xml:"ServerVersion"`
}

// UpdatePoint is Windows Server Update Services: the version document, which
// administrators fetch to test a server.
func UpdatePoint() App {
	return func(w http.ResponseWriter, r *http.Request, _ Host) bool {
		if !strings.EqualFold(r.URL.Path, "/ClientWebService/wusserverversion.xml") {
			return false
		}
		answerXML(w, wsusVersion{ServerVersion: "10.0.20348.1"})
		return true
	}
}

// below answers every path of a directory alike. IIS does not tell capitals
// from small letters.
func below(dir string, answer func(http.ResponseWriter, *http.Request, Host)) App {
	return func(w http.ResponseWriter, r *http.Request, h Host) bool {
		if len(r.URL.Path) < len(dir) || !strings.EqualFold(r.URL.Path[:len(dir)], dir) {
			return false
		}
		answer(w, r, h)
		return true
	}
}

// logOn asks for the credentials of Windows (RFC 4559 4, [MS-NTHT] 2.2). The
// first message of NTLM is answered by the challenge with the host's names, and
// no other message lets anybody in.
func logOn(w http.ResponseWriter, r *http.Request, h Host) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token, err := base64.StdEncoding.DecodeString(text)
	wrapped := false
	if init, initErr := spnego.ParseInit(token); err == nil && initErr == nil {
		token, wrapped = init.Token, true
	}
	_, notNTLM := ntlm.ParseNegotiate(token)
	switch {
	case err != nil || notNTLM != nil:
		w.Header().Add("WWW-Authenticate", "Negotiate")
		w.Header().Add("WWW-Authenticate", "NTLM")
	case wrapped:
		answer := spnego.Resp{State: spnego.AcceptIncomplete, Mech: spnego.OIDNTLM, Token: challenge(h)}.Marshal()
		w.Header().Set("WWW-Authenticate", scheme+" "+base64.StdEncoding.EncodeToString(answer))
	default:
		w.Header().Set("WWW-Authenticate", scheme+" "+base64.StdEncoding.EncodeToString(challenge(h)))
	}
	http.Error(w, "401 - Unauthorized: Access is denied due to invalid credentials.", http.StatusUnauthorized)
}

// Proxy is a web proxy that answers in the place of whoever was asked, and
// finds nobody there.
func Proxy() Service {
	return Service{HTTP: func(w http.ResponseWriter, _ *http.Request, h Host) {
		head := w.Header()
		head.Set("Server", "squid/5.7")
		head.Set("Via", fmt.Sprintf("1.1 %s (squid/5.7)", h.DNSName))
		head.Set("X-Cache", "MISS from "+h.DNSName)
		head.Set("Content-Type", "text/html;charset=utf-8")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><head><title>ERROR: The requested URL could not be retrieved</title></head>"+
			"<body><h1>Bad Gateway</h1></body></html>\n")
	}}
}
