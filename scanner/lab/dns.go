package lab

import (
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const dnsPort = 53

// Records are the names of a DNS server, in lower case and without a final
// dot, and their addresses.
type Records map[string][]netip.Addr

// DNS answers questions for A and AAAA records (RFC 1035, RFC 3596). Every
// other name does not exist, and other types have no data.
func DNS(records Records) Service {
	return Service{Packet: func(request []byte, _ Host) []byte { return records.answer(request) }}
}

// answer makes the answer to a query; nil when it is none.
func (r Records) answer(request []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(request)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	addrs, known := r[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	code := dnsmessage.RCodeSuccess
	if !known {
		code = dnsmessage.RCodeNameError
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: h.ID, Response: true, Authoritative: true,
			RecursionDesired: h.RecursionDesired, RecursionAvailable: true, RCode: code,
		},
		Questions: []dnsmessage.Question{q},
	}
	for _, a := range addrs {
		if body := record(q.Type, a); body != nil {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   body,
			})
		}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// record is the resource for an address; nil when the type asks for the other family.
func record(t dnsmessage.Type, a netip.Addr) dnsmessage.ResourceBody {
	switch {
	case t == dnsmessage.TypeA && a.Is4():
		return &dnsmessage.AResource{A: a.As4()}
	case t == dnsmessage.TypeAAAA && a.Is6():
		return &dnsmessage.AAAAResource{AAAA: a.As16()}
	default:
		return nil
	}
}
