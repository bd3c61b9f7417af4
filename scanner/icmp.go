package scanner

import "fmt"

// ICMPKind is what an ICMP error speaks of, whatever the address family. The
// zero value is what decides nothing.
type ICMPKind uint8

// The kinds of errors.
const (
	ICMPOther      ICMPKind = iota
	ICMPProhibited          // a filter says so
	ICMPPort                // port unreachable
	ICMPHost                // host unreachable or unknown
	ICMPNet                 // no route
	ICMPSize                // packet too big
)

// Kind reads the type and code of an error: RFC 792 and RFC 1812 5.2.7.1 for
// IPv4, RFC 4443 3.1 for IPv6.
func (e ICMPError) Kind(v6 bool) ICMPKind { return e.meaning(v6).kind }

// Unreachable reports whether an error speaks of routing or of the host, and
// not of a filter.
func (e ICMPError) Unreachable(v6 bool) bool {
	k := e.Kind(v6)
	return k == ICMPHost || k == ICMPNet
}

// Text is the error in words.
func (e ICMPError) Text(v6 bool) string {
	if m := e.meaning(v6); m.text != "" {
		return m.text
	}
	return fmt.Sprintf("ICMP type %d code %d", e.Type, e.Code)
}

type icmpMeaning struct {
	kind ICMPKind
	text string
}

// meaning finds what an error means; of one that is not known, nothing.
func (e ICMPError) meaning(v6 bool) icmpMeaning {
	list := &icmp4
	if v6 {
		list = &icmp6
	}
	if int(e.Type) < len(list) && int(e.Code) < len(list[e.Type]) {
		return list[e.Type][e.Code]
	}
	return icmpMeaning{}
}

// The errors by type and code.
var (
	icmp4 = [12][]icmpMeaning{
		3: {
			0:  {ICMPNet, "network unreachable"},
			1:  {ICMPHost, "host unreachable"},
			2:  {ICMPOther, "protocol unreachable"},
			3:  {ICMPPort, "port unreachable"},
			4:  {ICMPSize, "fragmentation needed"},
			5:  {ICMPOther, "source route failed"},
			6:  {ICMPNet, "network unknown"},
			7:  {ICMPHost, "host unknown"},
			9:  {ICMPProhibited, "network administratively prohibited"},
			10: {ICMPProhibited, "host administratively prohibited"},
			11: {ICMPNet, "network unreachable for this service"},
			12: {ICMPHost, "host unreachable for this service"},
			13: {ICMPProhibited, "administratively prohibited"},
		},
		11: {{ICMPOther, "hop limit exceeded"}},
	}
	icmp6 = [12][]icmpMeaning{
		1: {
			0: {ICMPNet, "no route"},
			1: {ICMPProhibited, "administratively prohibited"},
			2: {ICMPNet, "beyond the scope of the source address"},
			3: {ICMPHost, "address unreachable"},
			4: {ICMPPort, "port unreachable"},
			5: {ICMPProhibited, "source address refused by policy"},
			6: {ICMPProhibited, "route rejected"},
		},
		2: {{ICMPSize, "packet too big"}},
		3: {{ICMPOther, "hop limit exceeded"}},
	}
)
