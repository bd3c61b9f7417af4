package probes

import (
	"cmreach/probes/wire/ntlm"
	"cmreach/probes/wire/spnego"
	"cmreach/scanner"
	"fmt"
)

// beginNTLM is the first message of NTLM ([MS-NLMP] 2.2.1.1), as it is or
// offered within SPNEGO (RFC 4178 4.2.1).
func beginNTLM(wrapped bool) []byte {
	token := ntlm.Negotiate{Flags: ntlm.DefaultFlags, Version: ntlm.Version{Major: 10, Revision: 15}}.Marshal()
	if wrapped {
		token = spnego.Init{Mechs: []spnego.OID{spnego.OIDNTLM}, Token: token}.Marshal()
	}
	return token
}

// readNTLM reads the challenge that answers it ([MS-NLMP] 2.2.1.2), as it is or
// within SPNEGO (RFC 4178 4.2.2), whichever was asked for.
func readNTLM(token []byte) (ntlm.Challenge, error) {
	if !ntlm.Is(token) {
		resp, err := spnego.ParseResp(token)
		if err != nil {
			return ntlm.Challenge{}, err
		}
		if resp.Mech != "" && resp.Mech != spnego.OIDNTLM {
			return ntlm.Challenge{}, fmt.Errorf("the server wants %s", printable(resp.Mech.String(), prefixLen))
		}
		token = resp.Token
	}
	return ntlm.ParseChallenge(token)
}

// identifyNTLM takes the names, the system and the clock out of a challenge.
func identifyNTLM(id *scanner.Identity, c ntlm.Challenge) {
	id.Computer = peerName(c.Info.Computer)
	id.Domain = peerName(c.Info.Domain)
	id.DNSName = peerName(c.Info.DNSComputer)
	id.DNSDomain = peerName(c.Info.DNSDomain)
	if id.Computer == "" && c.Flags&ntlm.FlagTargetServer != 0 {
		id.Computer = peerName(c.Target)
	}
	if id.Domain == "" && c.Flags&ntlm.FlagTargetDomain != 0 {
		id.Domain = peerName(c.Target)
	}
	if !c.Version.IsZero() {
		id.OS = c.Version.String()
	}
	if !c.Info.Timestamp.IsZero() {
		id.Clock = c.Info.Timestamp
	}
}
