package probes

import (
	"bytes"
	"cmreach/scanner"
	"crypto/x509"
	"fmt"
)

const supDoc = `
Sends: GET of the addresses by which Microsoft has a software update point
tested, each with a comparison, until one proves the role:
/ClientWebService/wusserverversion.xml, /SimpleAuthWebService/SimpleAuth.asmx,
/ClientWebService/client.asmx%s.
Proves: by one of these documents, or by 401 or 403 for one of them while a path
that cannot exist is not found, that Windows Server Update Services answered.
Cannot prove: that the update database is well, or that updates are there.
Needs: TCP to the port, no rights.`

// HTTPSoftwareUpdatePoint returns the probe for a software update point over
// HTTP. Clients need this port where they scan over HTTPS too: the files of
// updates do not come over HTTPS.
func HTTPSoftwareUpdatePoint() scanner.Probe {
	return webProbe("http-sup", "The web services of a software update point over HTTP\n"+
		fmt.Sprintf(supDoc, " and /Selfupdate/wuident.cab"), false, nil, softwareUpdatePoint(false))
}

// HTTPSSoftwareUpdatePoint returns the probe for a software update point over
// HTTPS.
func HTTPSSoftwareUpdatePoint() scanner.Probe { return httpsSoftwareUpdatePoint(nil) }

func httpsSoftwareUpdatePoint(roots *x509.CertPool) scanner.Probe {
	return webProbe("https-sup", "The web services of a software update point over HTTPS, and the certificate\n"+
		fmt.Sprintf(supDoc, ""), true, roots, softwareUpdatePoint(true))
}

// softwareUpdatePoint is known by its services. The directory Selfupdate is
// served over plain HTTP only, also where the services want TLS.
func softwareUpdatePoint(secure bool) webRole {
	role := webRole{name: "a software update point", places: []webPlace{
		{path: "/ClientWebService/wusserverversion.xml", own: isXML},
		{path: "/SimpleAuthWebService/SimpleAuth.asmx", own: holds("SimpleAuth")},
		{path: "/ClientWebService/client.asmx", own: holds("Client")},
	}}
	if !secure {
		role.places = append(role.places, webPlace{path: "/Selfupdate/wuident.cab", own: isCabinet})
	}
	return role
}

// isCabinet is an own for cabinet files ([MS-CAB] 2.1).
func isCabinet(a httpAnswer) bool { return bytes.HasPrefix(a.body, []byte("MSCF")) }

// isXML is an own for documents in XML that are no pages, in UTF-8 or UTF-16,
// with or without a byte order mark (XML 1.0, appendix F).
func isXML(a httpAnswer) bool {
	if a.isHTML() {
		return false
	}
	body := a.body
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		body = bytes.TrimPrefix(body, []byte(mark))
	}
	body = bytes.TrimLeft(body, " \t\r\n\x00")
	return bytes.HasPrefix(body, []byte("<"))
}
