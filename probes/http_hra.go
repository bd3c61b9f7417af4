package probes

import (
	"cmreach/scanner"
	"crypto/x509"
)

const hraDoc = `
Sends: GET /DomainHRA/hcsrvext.dll, and /NonDomainHRA/hcsrvext.dll when that does
not prove the role, each with a comparison. No health certificate is asked for:
that is a POST ([MS-HCEP] 2.1).
Proves: by 200, by 401 for the credentials of Windows, or by 403, while a path
that cannot exist is not found, that a Health Registration Authority answered.
Where it offers NTLM, the challenge tells which computer it is; nobody logs on.
Cannot prove: that it would issue a certificate.
Needs: TCP to the port, no rights.`

// HTTPHealthRegistrationAuthority returns the probe for a Health Registration
// Authority over HTTP.
func HTTPHealthRegistrationAuthority() scanner.Probe {
	return webProbe("http-hra", "The directories of a Health Registration Authority over HTTP\n"+hraDoc, false, nil, healthRegistrationAuthority())
}

// HTTPSHealthRegistrationAuthority returns the probe for a Health Registration
// Authority over HTTPS.
func HTTPSHealthRegistrationAuthority() scanner.Probe { return httpsHealthRegistrationAuthority(nil) }

func httpsHealthRegistrationAuthority(roots *x509.CertPool) scanner.Probe {
	return webProbe("https-hra", "The directories of a Health Registration Authority over HTTPS, and the certificate\n"+hraDoc, true, roots, healthRegistrationAuthority())
}

func healthRegistrationAuthority() webRole {
	return webRole{name: "a Health Registration Authority", places: []webPlace{
		{path: "/DomainHRA/hcsrvext.dll", own: notPage},
		{path: "/NonDomainHRA/hcsrvext.dll", own: notPage},
	}}
}
