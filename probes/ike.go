package probes

import (
	"bytes"
	"cmreach/probes/wire/ike"
	"cmreach/scanner"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

const ikeDoc = `asks for an IKE security association, in IKEv2 and in IKEv1

Sends: two datagrams, IKE_SA_INIT of IKEv2 (RFC 7296 1.2) and the first message
of IKEv1 main mode (RFC 2409 5), each with the usual proposals and an SPI that
only this run can make.%s
Proves: that IKE is answered. Every legitimate refusal is an answer too: NO_PROPOSAL_CHOSEN,
INVALID_KE_PAYLOAD, COOKIE, another version.
Cannot prove: that a policy fits and that ESP passes. Silence decides nothing:
Windows without a matching IPsec policy does not answer.
Needs: no rights, no credentials; nothing is negotiated to its end.`

// IKE asks on UDP 500.
func IKE() scanner.Probe { return ikeProbe("ike", "", nil) }

// IKENATTraversal asks on UDP 4500, where ESP is told from IKE by a marker.
func IKENATTraversal() scanner.Probe {
	return ikeProbe("ike-natt", "\nEach begins with the non-ESP marker (RFC 3948 2.2).", ike.NonESP())
}

func ikeProbe(name, more string, marker []byte) scanner.Probe {
	p := ikeAsker{marker: marker}
	_, _ = rand.Read(p.key[:]) // never fails (crypto/rand)
	return scanner.Probe{
		Name: name, Doc: fmt.Sprintf(ikeDoc, more), Protocol: scanner.UDP,
		Request: p.init, Also: p.mainMode, Decode: p.decode,
	}
}

// ikeAsker makes requests whose SPI proves that it made them: half is random,
// the other half signs the first and the version.
type ikeAsker struct {
	key    [32]byte
	marker []byte
}

func (p ikeAsker) spi(v ike.Version) ike.SPI {
	var s ike.SPI
	_, _ = rand.Read(s[:4])
	s[0] |= 1 // no SPI is zero (RFC 7296 3.1)
	p.sign(&s, v)
	return s
}

func (p ikeAsker) sign(s *ike.SPI, v ike.Version) {
	mac := hmac.New(sha256.New, p.key[:])
	_, _ = mac.Write(append([]byte{byte(v)}, s[:4]...)) // never fails (hash.Hash)
	copy(s[4:], mac.Sum(nil))
}

func (p ikeAsker) made(s ike.SPI, v ike.Version) bool {
	want := s
	p.sign(&want, v)
	return hmac.Equal(s[:], want[:])
}

func (p ikeAsker) init(scanner.Ask) []byte {
	var public [256]byte
	var nonce [32]byte
	_, _ = rand.Read(public[:]) // any value will do: the shared secret is never made
	_, _ = rand.Read(nonce[:])
	return append(bytes.Clone(p.marker), ike.Init(p.spi(ike.Version2), public, nonce).Marshal()...)
}

func (p ikeAsker) mainMode(scanner.Ask) []byte {
	return append(bytes.Clone(p.marker), ike.MainMode(p.spi(ike.Version1)).Marshal()...)
}

func (p ikeAsker) decode(_, answer []byte) scanner.Result {
	msg, ok := bytes.CutPrefix(answer, p.marker)
	if !ok {
		return scanner.Result{Outcome: scanner.Foreign, Err: "no IKE: without the non-ESP marker the answer begins " + lookedLike(answer)}
	}
	m, err := ike.Parse(msg)
	switch {
	case errors.Is(err, ike.ErrNotIKE):
		return scanner.Result{Outcome: scanner.Foreign, Err: "no IKE: the answer begins " + lookedLike(answer)}
	case err != nil:
		return scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
	}
	two := p.made(m.Initiator, ike.Version2)
	switch {
	case !two && !p.made(m.Initiator, ike.Version1):
		return scanner.Result{Outcome: scanner.Foreign, Err: "an IKE message of an exchange that was not begun"}
	case m.Responder == ike.SPI{} && (m.Exchange == ike.ExchangeMainMode || m.Exchange == ike.ExchangeInit && !m.Response()):
		return scanner.Result{Outcome: scanner.Foreign, Err: "sent the request back"}
	case m.Version.Major() == 2 && !m.Response():
		return scanner.Result{Outcome: scanner.Garbled, Err: "an IKEv2 request in place of an answer"}
	}
	text, err := ikeAnswer(m)
	if err != nil {
		return scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
	}
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	asked := ike.Version1
	if two {
		asked = ike.Version2
	}
	result.Detail("ike", fmt.Sprintf("%s in answer to %s: %s", m.Version, asked, text))
	return result
}

// ikeAnswer says what the answer was, or that it is none.
func ikeAnswer(m ike.Message) (string, error) {
	list, err := m.Notifies()
	if err != nil {
		return "", err
	}
	refusal, refused := ike.Refusal(list, m.Version)
	switch {
	case refused:
		return refusal.Text(m.Version), nil
	case m.Encrypted():
		return "an encrypted message", nil
	case m.Has(ike.PayloadSA), m.Has(ike.PayloadSAV1):
		return "a proposal is accepted", nil
	}
	return "", errors.New("an IKE message with neither proposal nor refusal")
}
