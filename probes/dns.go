package probes

import (
	"cmreach/scanner"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const dnsDoc = `Asks a DNS server for the start of a zone

Sends: one query (RFC 1035 4.1) for the SOA record of the domain that the host's
name is in, or of the root when it is in none, with a random id and without
wanting recursion, to UDP 53.
Proves: that a DNS server answers: the id and the question are those of the
query. Any result counts, a refusal too.
Cannot prove: that it resolves the names that clients need. Silence decides
nothing where datagrams are lost.
Needs: UDP to the port, no rights.`

// DNS returns the probe for a DNS server on UDP 53.
func DNS() scanner.Probe {
	return scanner.Probe{Name: "dns", Doc: dnsDoc, Protocol: scanner.UDP, Request: dnsRequest, Decode: dnsDecode}
}

// domainOf is the domain that a host's name is in: the name without its first
// label. It is empty for an address and for a single label.
func domainOf(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	_, domain, _ := strings.Cut(strings.TrimSuffix(host, "."), ".")
	return domain
}

func dnsRequest(ask scanner.Ask) []byte {
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	root := dnsmessage.MustNewName(".")
	zone := root
	if domain := domainOf(ask.Host); domain != "" {
		if name, err := dnsmessage.NewName(domain + "."); err == nil {
			zone = name
		}
	}
	build := func(zone dnsmessage.Name) ([]byte, error) {
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:])},
			Questions: []dnsmessage.Question{{Name: zone, Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET}},
		}
		return m.Pack()
	}
	b, err := build(zone)
	if err != nil { // a name that DNS does not know: empty or long labels
		b, err = build(root)
	}
	if err != nil {
		return nil // the root can always be asked for
	}
	return b
}

func dnsDecode(request, answer []byte) scanner.Result {
	_, asked, _, err := dnsStart(request)
	if err != nil || asked == nil {
		return scanner.Result{Outcome: scanner.LocalError, Err: "the request is no DNS query"}
	}
	head, question, parser, err := dnsStart(answer)
	switch {
	case err != nil:
		return scanner.Result{Outcome: scanner.Foreign, Err: "no DNS: the answer begins " + lookedLike(answer)}
	case head.ID != binary.BigEndian.Uint16(request): // dnsStart has read it
		return scanner.Result{Outcome: scanner.Foreign, Err: "an answer to a query that was not made"}
	case !head.Response:
		return scanner.Result{Outcome: scanner.Foreign, Err: "sent the query back"}
	case question != nil && !sameQuestion(*question, *asked):
		return scanner.Result{Outcome: scanner.Foreign, Err: "an answer to another question"}
	case question == nil && head.RCode == dnsmessage.RCodeSuccess:
		// Only a server that did not read the question may leave it out.
		return scanner.Result{Outcome: scanner.Foreign, Err: "an answer without a question"}
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	text := dnsCode(head.RCode)
	if head.Authoritative {
		text += ", authoritative"
	}
	zone := asked.Name.String()
	r.Detail("answer", printable(text+" for "+zone, httpMaxText))
	if primary := dnsPrimary(parser); primary != "" {
		r.Detail("primary-server", primary)
	}
	return r
}

// dnsStart reads the header and the question of a message with at most one.
func dnsStart(b []byte) (dnsmessage.Header, *dnsmessage.Question, *dnsmessage.Parser, error) {
	var p dnsmessage.Parser
	head, err := p.Start(b)
	if err != nil {
		return head, nil, nil, err
	}
	questions, err := p.AllQuestions()
	switch {
	case err != nil:
		return head, nil, nil, err
	case len(questions) > 1:
		return head, nil, nil, fmt.Errorf("%d questions", len(questions))
	case len(questions) == 0:
		return head, nil, &p, nil
	}
	return head, &questions[0], &p, nil
}

func sameQuestion(a, b dnsmessage.Question) bool {
	return a.Type == b.Type && a.Class == b.Class && strings.EqualFold(a.Name.String(), b.Name.String())
}

// dnsPrimary is the name of the zone's primary server, when the first record
// of the answer is its SOA.
func dnsPrimary(p *dnsmessage.Parser) string {
	head, err := p.AnswerHeader()
	if err != nil || head.Type != dnsmessage.TypeSOA {
		return ""
	}
	soa, err := p.SOAResource()
	if err != nil {
		return ""
	}
	return cleanName(strings.TrimSuffix(soa.NS.String(), "."))
}

// dnsCode is a result by the words of RFC 1035 4.1.1.
func dnsCode(code dnsmessage.RCode) string {
	switch code {
	case dnsmessage.RCodeSuccess:
		return "no error"
	case dnsmessage.RCodeFormatError:
		return "format error"
	case dnsmessage.RCodeServerFailure:
		return "server failure"
	case dnsmessage.RCodeNameError:
		return "no such name"
	case dnsmessage.RCodeNotImplemented:
		return "not implemented"
	case dnsmessage.RCodeRefused:
		return "refused"
	}
	return fmt.Sprintf("result %d", uint16(code))
}
