package probes

import (
	"cmreach/scanner"
	"crypto/x509"
)

// HTTPSCloudManagementGateway returns the probe for a cloud management gateway.
func HTTPSCloudManagementGateway() scanner.Probe { return httpsCloudManagementGateway(nil) }

func httpsCloudManagementGateway(roots *x509.CertPool) scanner.Probe {
	return webProbe("https-cmg", `The paths of a cloud management gateway, and the certificate

Sends: GET /CCM_Proxy_MutualAuth/, and /CCM_Proxy_ServerAuth/ when that does not
prove the role, each with a comparison.
Proves: by 401 or 403 of its own for the path, while one that cannot exist is
not found, that a cloud management gateway answered; the names in its
certificate.
Cannot prove: the role by any other answer, as these are not published; that a
management point is connected to it; that a client may register.
Needs: TCP 443, no rights.`, true, roots, webRole{name: "a cloud management gateway", places: []webPlace{
		{path: "/CCM_Proxy_MutualAuth/", own: notPage},
		{path: "/CCM_Proxy_ServerAuth/", own: notPage},
	}})
}
