package probes

import (
	"cmreach/scanner"
	"crypto/x509"
)

const dpDoc = `
Sends: GET /SMS_DP_SMSPKG$/, the directory that clients take content from, and,
on another connection, GET of a path that cannot exist. No content is asked for.
Proves: by an answer of its own for the directory (the list, 401 for the
credentials of Windows, or 403), that a distribution point answered.
Where it offers NTLM, the challenge tells which computer it is; nobody logs on.
Cannot prove: that it has the content, or that a client may take it.
Needs: TCP to the port, no rights.`

// HTTPDistributionPoint returns the probe for a distribution point over HTTP.
func HTTPDistributionPoint() scanner.Probe {
	return webProbe("http-dp", "The content directory of a distribution point over HTTP\n"+dpDoc, false, nil, distributionPoint(false))
}

// HTTPSDistributionPoint returns the probe for a distribution point over HTTPS.
func HTTPSDistributionPoint() scanner.Probe { return httpsDistributionPoint(nil) }

func httpsDistributionPoint(roots *x509.CertPool) scanner.Probe {
	return webProbe("https-dp", "The content directory of a distribution point over HTTPS, and the certificate\n"+dpDoc+`
When that directory is not there or does not say enough, it asks for
/NOCERT_SMS_DP_SMSPKG$/ too, where clients without a certificate go.`, true, roots, distributionPoint(true))
}

func distributionPoint(secure bool) webRole {
	role := webRole{name: "a distribution point", places: []webPlace{{path: "/SMS_DP_SMSPKG$/"}}}
	if secure {
		role.places = append(role.places, webPlace{path: "/NOCERT_SMS_DP_SMSPKG$/"})
	}
	return role
}
