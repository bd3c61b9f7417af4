package probes

import "cmreach/scanner"

// HTTPFallbackStatusPoint returns the probe for a fallback status point. It
// speaks HTTP only, never HTTPS.
func HTTPFallbackStatusPoint() scanner.Probe {
	return webProbe("http-fsp", `The directory of the fallback status point

Sends: GET /SMS_FSP/ and, on a second connection, GET of a path that cannot
exist. Nothing is posted: that would create a state message.
Proves: that a web server answers which has the directory and does not answer
everything alike, as proxies and portals do.
Cannot prove: the role. The role's answers are not published.
Needs: TCP to the port, no rights.`, false, nil, webRole{
		name:   "a fallback status point",
		places: []webPlace{{path: "/SMS_FSP/"}},
		most:   scanner.AssuranceProtocol,
		plain:  true,
	})
}
