package probes

import "cmreach/scanner"

// HTTPPeerCache returns the probe for a client that shares its cache.
func HTTPPeerCache() scanner.Probe {
	return webProbe("http-peer", `The content directory of a peer cache source

Sends: GET /SCCM_BranchCache$/ with a comparison. The port speaks plain HTTP or
TLS, as the site is set up: TLS is tried when plain HTTP is not taken.
Proves: by an answer of its own for the directory, while a path that cannot
exist is not found, that a peer cache source answered.
Cannot prove: the role, when HTTP.sys says that nothing is there: it listens,
and for whom is not known. Nor that the source has any content.
Needs: TCP to the port, no rights.`, false, nil, webRole{
		name:   "a peer cache source",
		places: []webPlace{{path: "/SCCM_BranchCache$/", own: notPage}},
		either: true,
		// Windows listens on a port through HTTP.sys only while an application wants
		// it, and an application's own 404 has the header of HTTP.sys too. So the
		// protocol was spoken; that it is another role's would be a guess.
		kernel: "HTTP.sys listens on the port; a peer cache source was not recognized",
	})
}
