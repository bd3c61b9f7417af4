package verdict

import (
	"cmreach/scanner"
	"net/netip"
	"strings"
)

// netbiosLen is the length of a NetBIOS computer name; longer host names are
// cut ([MS-NBTE] 2.2.1).
const netbiosLen = 15

// identify compares what a peer calls itself with the name that was asked for.
func (v *view) identify(id scanner.Identity) {
	if isAddress(v.host.Name) {
		return
	}
	other := ""
	for _, n := range append([]string{id.DNSName, id.Computer}, id.Names...) {
		switch {
		case n == "" || isAddress(n):
		case sameName(v.host.Name, n) && !sameLabelElsewhere(v.host.Name, id.DNSName):
			v.known, v.stranger = true, ""
			return
		case other == "" && !sameLabelElsewhere(v.host.Name, n) && !sameName(v.host.Name, n):
			other = n
		}
	}
	if other != "" && !v.known && v.hasClientRow() && !sameLabelElsewhere(v.host.Name, id.DNSName) {
		v.stranger = better(v.stranger, other)
	}
}

// better chooses between two names of one machine, whatever their order: the
// full one, then the first of the alphabet.
func better(a, b string) string {
	full := func(n string) bool { return strings.Contains(n, ".") }
	switch {
	case a == "" || full(b) && !full(a):
		return b
	case full(a) && !full(b):
		return a
	default:
		return min(a, b)
	}
}

// hasClientRow reports whether the host is judged as a client. Only then is
// another name a fault: servers are often asked for by an alias.
func (v *view) hasClientRow() bool {
	for _, r := range v.host.Rows {
		if r.To == scanner.RoleClient {
			return true
		}
	}
	return false
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// sameName reports whether two names can be of one computer: equal, or one of
// them is short (a NetBIOS name, cut to 15 characters) and the first labels agree.
func sameName(asked, given string) bool {
	asked = strings.ToLower(strings.TrimSuffix(asked, "."))
	given = strings.ToLower(strings.TrimSuffix(given, "."))
	if asked == given {
		return true
	}
	a, restA, _ := strings.Cut(asked, ".")
	g, restG, _ := strings.Cut(given, ".")
	if restA != "" && restG != "" {
		return false
	}
	return a == g || cut(a) == g || a == cut(g)
}

// sameLabelElsewhere reports whether two full names agree in the computer but
// not in the domain. That is a machine with two suffixes as often as it is a
// namesake: it proves nothing either way.
func sameLabelElsewhere(asked, given string) bool {
	a, restA, _ := strings.Cut(strings.ToLower(strings.TrimSuffix(asked, ".")), ".")
	g, restG, _ := strings.Cut(strings.ToLower(strings.TrimSuffix(given, ".")), ".")
	return a == g && restA != "" && restG != "" && restA != restG
}

func cut(label string) string {
	if len(label) > netbiosLen {
		return label[:netbiosLen]
	}
	return label
}
