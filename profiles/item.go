package profiles

import (
	"fmt"
	"net/netip"
	"strings"

	"go4.org/netipx"
)

// item is one entry of a list of targets: a name, or a range of addresses
// (a single address is a range of one).
type item struct {
	name     string // as written; empty for ranges of more than one
	key      string // what makes a name the same name; empty for ranges
	from, to netip.Addr
	prefix   netip.Prefix // valid when the item was written as a prefix
}

// parseItem reads an entry. The message is empty when it is good.
func parseItem(s string) (it item, msg, hint string) {
	switch {
	case len(s) > 255:
		return item{}, fmt.Sprintf("%q… is too long for a name or an address", s[:32]), ""
	case strings.Contains(s, "://"):
		return item{}, fmt.Sprintf("%q is a URL", s), "give the host name alone"
	case strings.Contains(s, "/"):
		return parsePrefix(s)
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap()
		if msg, hint := pointless(addr); msg != "" {
			return item{}, fmt.Sprintf("%q %s", s, msg), hint
		}
		if addr.Zone() != "" { // ranges have no zone: such an address stands for itself
			return item{name: s, key: addr.String(), from: addr, to: addr}, "", ""
		}
		return item{name: s, from: addr, to: addr}, "", ""
	}
	if from, to, ok := strings.Cut(s, "-"); ok {
		if first, err := netip.ParseAddr(from); err == nil {
			return parseRange(s, first, to)
		}
	}
	return parseName(s)
}

// pointless says why an address cannot be a computer.
func pointless(a netip.Addr) (msg, hint string) {
	switch {
	case a.IsUnspecified():
		return "is not the address of a computer", ""
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is not the address of one computer", "multicast and broadcast addresses cannot be checked"
	}
	return "", ""
}

func parsePrefix(s string) (item, string, string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		before, after, _ := strings.Cut(s, "/")
		switch addr, err := netip.ParseAddr(before); {
		case err != nil:
			return item{}, fmt.Sprintf("%q is not a prefix", s), fmt.Sprintf("%q is not an address", before)
		case strings.Contains(after, "."):
			return item{}, fmt.Sprintf("%q is not a prefix", s), "write the length instead of the mask, such as /24"
		default:
			return item{}, fmt.Sprintf("%q is not a prefix", s), fmt.Sprintf("the length is a number from 0 to %d", addr.BitLen())
		}
	}
	if p.Addr().Is4In6() {
		return item{}, fmt.Sprintf("%q is not a prefix", s), "write it in the form of IPv4"
	}
	p = p.Masked()
	r := netipx.RangeOfPrefix(p)
	it := item{from: r.From(), to: r.To(), prefix: p}
	if p.IsSingleIP() {
		it.name, it.prefix = p.Addr().String(), netip.Prefix{}
	}
	return it, "", ""
}

// hosts leaves out the network and broadcast address of an IPv4 prefix. (RFC
// 3021: a /31 has neither.)
func (it item) hosts() item {
	if it.prefix.IsValid() && it.from.Is4() && it.prefix.Bits() < 31 {
		it.from, it.to = it.from.Next(), it.to.Prev()
	}
	return it
}

// parseRange reads "198.18.1.10-198.18.1.50" and the short "198.18.1.10-50".
func parseRange(s string, from netip.Addr, end string) (item, string, string) {
	if from.Zone() != "" {
		return item{}, fmt.Sprintf("the range %q has a zone", s), "give addresses with a zone one by one"
	}
	from = from.Unmap()
	to, err := netip.ParseAddr(end)
	if err != nil && from.Is4() {
		if last, ok := parseOctet(end); ok {
			b := from.As4()
			b[3] = last
			to, err = netip.AddrFrom4(b), nil
		}
	}
	to = to.Unmap()
	switch {
	case err != nil || to.Zone() != "":
		return item{}, fmt.Sprintf("%q is not a range", s), "write FIRST-LAST, such as 198.18.1.10-198.18.1.50 or 198.18.1.10-50"
	case from.BitLen() != to.BitLen():
		return item{}, fmt.Sprintf("the range %q mixes IPv4 and IPv6", s), ""
	case to.Less(from):
		return item{}, fmt.Sprintf("the range %q ends before it begins", s), "exchange the two ends"
	}
	it := item{from: from, to: to}
	if from == to {
		it.name = from.String()
	}
	return it, "", ""
}

func parseOctet(s string) (byte, bool) {
	if len(s) == 0 || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for _, r := range s {
		if r < '0' || r > '9' {
			return 0, false
		}
		n = n*10 + int(r-'0')
	}
	return byte(n), n <= 255
}

// parseName checks a host name: what the name service could be asked for.
// (RFC 1123 2.1, with the underscore that Windows allows.)
func parseName(s string) (item, string, string) {
	bad := func(hint string) (item, string, string) {
		return item{}, fmt.Sprintf("%q is not a host name or an address", s), hint
	}
	if hint := nameHint(s); hint != "" {
		return bad(hint)
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		switch {
		case l == "":
			return bad("there is an empty part between two dots")
		case len(l) > 63:
			return bad("a part of a name has at most 63 characters")
		case strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-"):
			return bad("no part of a name begins or ends with a hyphen")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return bad("an IPv4 address has four numbers from 0 to 255 without leading zeros")
	}
	key := strings.ToLower(strings.TrimSuffix(s, "."))
	return item{name: s, key: key}, "", ""
}

// nameHint says what somebody most likely meant who wrote characters that no
// name has; empty when all characters are good.
func nameHint(s string) string {
	for _, r := range s {
		switch {
		case r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			continue
		case r == '*':
			return "write a prefix such as 198.18.1.0/24 instead of the asterisk"
		case r == '[' || r == ']':
			return "write an IPv6 address without brackets and without a port"
		case r == ':' && strings.Count(s, ":") == 1:
			return "leave the port away: the profile says which ports are checked"
		case r == ':':
			return "it is not a valid IPv6 address"
		case r == '\\':
			return "give the host name alone"
		case r == '"' || r == '\'':
			return "leave the quotation marks away"
		case r == '$':
			return "leave the $ of the computer account away"
		case r > 0x7f:
			return "write names beyond ASCII in their DNS form (xn--…)"
		}
		return fmt.Sprintf("%q cannot stand in a name", r)
	}
	return ""
}

// parseHost reads a single host: a name or an address.
func parseHost(s string) (item, string, string) {
	it, msg, hint := parseItem(s)
	if msg == "" && it.name == "" {
		return item{}, fmt.Sprintf("%q is more than one host", s), "name the hosts one by one"
	}
	return it, msg, hint
}
