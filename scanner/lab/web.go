package lab

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

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

// ManagementPoint is the web server of a management point as far as anybody is
// answered: the list of management points, and IIS's start page.
func ManagementPoint(site string) Service {
	return Service{HTTP: func(w http.ResponseWriter, r *http.Request, h Host) {
		w.Header().Set("Server", "Microsoft-IIS/10.0")
		switch {
		case strings.EqualFold(r.URL.Path, "/SMS_MP/.sms_aut") && strings.EqualFold(r.URL.RawQuery, "MPLIST"):
			list := mpList{MP: []mp{{Name: h.Computer, FQDN: h.DNSName, SiteCode: site, Version: "9128"}}}
			list.MP[0].Capabilities.SchemaVersion = "1.0"
			b, err := xml.Marshal(list)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write(b)
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><head><title>IIS Windows Server</title></head></html>\n")
		default:
			http.NotFound(w, r)
		}
	}}
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
