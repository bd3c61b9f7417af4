package probes

import (
	"cmreach/probes/wire/ntlm"
	"cmreach/scanner"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// askName asks a server that takes the credentials of Windows who it is, and
// does not go on to log on: the first message of NTLM is answered by a challenge
// with the computer's names ([MS-NTHT] 2.2, RFC 4559 4, [MS-NLMP] 3.1.5.1). That
// none comes takes nothing away from what is proven.
func (h httpClient) askName(ctx context.Context, r *scanner.Result, q httpQuestion, scheme string) {
	token := beginNTLM(scheme == "Negotiate")
	q.header = q.header.Clone()
	if q.header == nil {
		q.header = http.Header{}
	}
	q.header.Set("Authorization", scheme+" "+base64.StdEncoding.EncodeToString(token))
	q.keep = true // NTLM is for connections that stay; who is asked to close may not begin
	a := h.send(ctx, q)
	challenge, err := a.challenge(scheme)
	if err != nil {
		r.Detail("identity", "not available: "+printable(err.Error(), httpMaxText))
		return
	}
	identifyNTLM(&r.Identity, challenge)
}

// windowsScheme is the scheme by which an answer would let NTLM begin, empty
// when there is none, or when it may be that of a proxy.
func (a httpAnswer) windowsScheme() string {
	if a.status != http.StatusUnauthorized || len(a.proxySigns()) > 0 {
		return ""
	}
	for _, scheme := range []string{"NTLM", "Negotiate"} {
		if a.offers(scheme) {
			return scheme
		}
	}
	return ""
}

// challenge finds the challenge of NTLM in an answer, as it is ([MS-NTHT]) or
// within SPNEGO (RFC 4559).
func (a httpAnswer) challenge(scheme string) (ntlm.Challenge, error) {
	if a.failed.Outcome != scanner.OutcomeUnknown {
		return ntlm.Challenge{}, fmt.Errorf("the request for it was not answered: %s", a.failed.Outcome)
	}
	for _, value := range a.header.Values("WWW-Authenticate") {
		name, text, _ := strings.Cut(strings.TrimSpace(value), " ")
		if !strings.EqualFold(name, scheme) || text == "" {
			continue
		}
		token, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return ntlm.Challenge{}, fmt.Errorf("the challenge of %s: %w", scheme, err)
		}
		return readNTLM(token)
	}
	return ntlm.Challenge{}, errors.New("the server offers NTLM and sends no challenge")
}
