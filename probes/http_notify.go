package probes

import (
	"cmreach/scanner"
	"crypto/x509"
)

const notifyDoc = `
Sends: GET /bgb/handler.ashx?RequestType=LogIn, by which clients begin that cannot
use TCP 10123, with a comparison. It names no client, so none is signed in.
Proves: by an answer that is no page, while a path that cannot exist is not
found, that the notification service of a management point answered.
Cannot prove: that a notification would arrive. An answer of 500 means that the
directory is there, and the service behind it may not be installed.
Needs: TCP to the port, no rights.`

// HTTPClientNotification returns the probe for client notification over HTTP,
// the fall-back of TCP 10123.
func HTTPClientNotification() scanner.Probe {
	return webProbe("http-notify", "Client notification over HTTP\n"+notifyDoc, false, nil, clientNotification())
}

// HTTPSClientNotification returns the probe for client notification over HTTPS.
func HTTPSClientNotification() scanner.Probe { return httpsClientNotification(nil) }

func httpsClientNotification(roots *x509.CertPool) scanner.Probe {
	return webProbe("https-notify", "Client notification over HTTPS, and the certificate\n"+notifyDoc, true, roots, clientNotification())
}

func clientNotification() webRole {
	return webRole{name: "a management point with client notification", places: []webPlace{
		{path: "/bgb/handler.ashx", query: "RequestType=LogIn", own: notPage},
	}}
}
