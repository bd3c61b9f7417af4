package probes

import (
	"cmreach/scanner"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"time"
)

// HTTPFallbackStatusPoint returns the probe for a fallback status point. It
// speaks HTTP only, never HTTPS.
func HTTPFallbackStatusPoint() scanner.Probe {
	return scanner.Probe{
		Name: "http-fsp",
		Doc: `The directory of the fallback status point

Sends: GET /SMS_FSP/ and, on a second connection, GET of a path that cannot
exist. Nothing is posted: that would create a state message.
Proves: that a web server answers which has the directory and does not answer
everything alike, as proxies and portals do.
Cannot prove: the role. The role's answers are not published.
Needs: TCP to the port, no rights.`,
		Protocol: scanner.TCP,
		Talk: func(ctx context.Context, c scanner.Call) scanner.Result {
			return talkFSP(ctx, httpClient{call: c, now: time.Now})
		},
	}
}

func talkFSP(ctx context.Context, h httpClient) scanner.Result {
	a := h.get(ctx, "/SMS_FSP/", "")
	switch {
	case a.failed.Outcome != scanner.OutcomeUnknown:
		return a.failed
	case a.strange() != "":
		return a.foreign(a.strange())
	case a.status == http.StatusNotFound:
		return a.foreign("a web server without a fallback status point")
	case a.status == http.StatusBadRequest, a.status == http.StatusSwitchingProtocols:
		return a.foreign("not the answer of a fallback status point")
	}
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails
	other := h.get(ctx, "/"+hex.EncodeToString(name)+"/", "")
	if other.failed.Outcome != scanner.OutcomeUnknown {
		r := other.failed
		r.Detail("answer", httpStatus(a.status)+" for /SMS_FSP/; the second request, for comparison, was not answered")
		return r
	}
	if other.status != http.StatusNotFound {
		r := a.foreign("it answers every path: a proxy, a portal, or another server")
		r.Detail("for-comparison", httpStatus(other.status)+" for a path that cannot exist")
		return r
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	r.Detail("answer", "the directory /SMS_FSP/ is there, a path that cannot exist is not")
	a.describeHTTP(&r)
	return r
}
