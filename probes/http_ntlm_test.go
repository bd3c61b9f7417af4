package probes

import (
	"bufio"
	"cmreach/probes/probetest"
	"cmreach/probes/wire/ntlm"
	"cmreach/probes/wire/spnego"
	"cmreach/scanner"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// windowsPeer offers the schemes for the path, and answers the first message
// of a logon with what is given.
func windowsPeer(path, offer, second string) func(net.Conn) {
	return func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		text := answer("401 Unauthorized", iis+offer, "")
		switch scheme, token, begun := strings.Cut(req.Header.Get("Authorization"), " "); {
		case req.URL.Path != path:
			text = iis404
		case begun && !req.Close && beginsNTLM(scheme, token):
			text = second
		case req.Header.Get("WSMANIDENTIFY") != "":
			text = answer("200 OK", soapType, winrmBody)
		}
		_, _ = conn.Write([]byte(text))
	}
}

// beginsNTLM reports whether a token is the first message of NTLM, as it is or
// within SPNEGO.
func beginsNTLM(scheme, text string) bool {
	token, err := base64.StdEncoding.DecodeString(text)
	if err == nil && scheme == "Negotiate" {
		var init spnego.Init
		init, err = spnego.ParseInit(token)
		token = init.Token
	}
	if err == nil {
		_, err = ntlm.ParseNegotiate(token)
	}
	return err == nil
}

func challenged(scheme string, token []byte) string {
	return answer("401 Unauthorized", "WWW-Authenticate: "+scheme+" "+base64.StdEncoding.EncodeToString(token)+"\r\n", "")
}

func TestHTTPNames(t *testing.T) {
	plain := windowsChallenge().Marshal()
	wrapped := spnego.Resp{State: spnego.AcceptIncomplete, Mech: spnego.OIDNTLM, Token: plain}.Marshal()
	const (
		dir       = dpDir
		both      = "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n"
		negotiate = "WWW-Authenticate: Negotiate, Kerberos\r\n"
	)
	named := roleProven
	named.Identity = "PC42 pc42.contoso.example []"
	none := func(why string) brief { return detailed(roleProven, "identity=not available: "+why) }
	for _, tt := range []struct {
		name, path, offer, second string
		probe                     scanner.Probe
		want                      brief
	}{
		{"NTLM", dir, both, challenged("NTLM", plain), HTTPDistributionPoint(), named},
		{"Negotiate", dir, negotiate, challenged("Negotiate", wrapped), HTTPDistributionPoint(), named},
		{"Negotiate without a wrapper", hraDomain, negotiate, challenged("negotiate", plain), HTTPHealthRegistrationAuthority(), named},
		{"WinRM", "/wsman", negotiate, challenged("Negotiate", wrapped), WinRM(), named},
		{"Kerberos alone", dir, "WWW-Authenticate: Kerberos\r\n", "", HTTPDistributionPoint(), roleProven},
		{"no challenge", dir, both, windowsAuth, HTTPDistributionPoint(), none("the server offers NTLM and sends no challenge")},
		{"no answer", dir, both, "", HTTPDistributionPoint(), none("the request for it was not answered: cut")},
		{"no base64", dir, both, answer("401 Unauthorized", "WWW-Authenticate: NTLM \x80\x81!\r\n", ""), HTTPDistributionPoint(), none("the challenge of NTLM: illegal base64 data at input byte 0")},
		{"half a challenge", dir, both, challenged("NTLM", plain[:20]), HTTPDistributionPoint(), none("ntlm: message at byte 20: ends early, want 32 bytes")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, windowsPeer(tt.path, tt.offer, tt.second))
			if d := cmp.Diff(tt.want, talk(t, tt.probe, call, "identity")); d != "" {
				t.Error(d)
			}
		})
	}
	t.Run("WinRM, that wants credentials first", func(t *testing.T) {
		call := probetest.Serve(t, func(conn net.Conn) {
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return
			}
			text := answer("401 Unauthorized", httpSys+negotiate, "")
			if req.Header.Get("Authorization") != "" {
				text = challenged("Negotiate", wrapped)
			}
			_, _ = conn.Write([]byte(text))
		})
		want := brief{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol, Wants: true, Identity: named.Identity}
		if d := cmp.Diff(want, talk(t, WinRM(), call)); d != "" {
			t.Error(d)
		}
	})
	t.Run("not asked for", func(t *testing.T) {
		call := probetest.Serve(t, windowsPeer(dir, both, challenged("NTLM", plain)))
		call.Depth = scanner.AssuranceProtocol
		if d := cmp.Diff(roleProven, talk(t, HTTPDistributionPoint(), call, "identity")); d != "" {
			t.Error(d)
		}
	})
}

func FuzzHTTPChallenge(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(windowsChallenge().Marshal()))
	f.Add("!")
	f.Fuzz(func(t *testing.T, text string) {
		a := httpAnswer{status: http.StatusUnauthorized, header: http.Header{"Www-Authenticate": {"NTLM " + text}}}
		c, err := a.challenge("NTLM")
		if err != nil {
			return
		}
		var id scanner.Identity
		identifyNTLM(&id, c)
		for _, name := range []string{id.Computer, id.Domain, id.DNSName, id.DNSDomain, id.OS} {
			if printable(name, 255) != name {
				t.Errorf("name %q", name)
			}
		}
	})
}
