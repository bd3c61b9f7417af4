package probes

import (
	"cmreach/scanner"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The kinds of extended answers to an LDAP ping ([MS-ADTS] 6.3.1.3).
const (
	netlogonHere        = 23 // LOGON_SAM_LOGON_RESPONSE_EX
	netlogonPaused      = 24 // LOGON_SAM_PAUSE_RESPONSE_EX
	netlogonUserUnknown = 25 // LOGON_SAM_USER_UNKNOWN_EX
)

// netlogonAnswer is NETLOGON_SAM_LOGON_RESPONSE_EX as far as it is of use
// ([MS-ADTS] 6.3.1.9).
type netlogonAnswer struct {
	opcode   uint16
	flags    uint32
	forest   string
	domain   string
	host     string
	nbDomain string
	computer string
	site     string
}

var errNetlogon = errors.New("malformed NetLogon")

// readNetlogon reads the value of the attribute.
func readNetlogon(b []byte) (netlogonAnswer, error) {
	const head = 24 // opcode, padding, flags, GUID of the domain
	if len(b) < head {
		return netlogonAnswer{}, fmt.Errorf("%w: %d bytes, want at least %d", errNetlogon, len(b), head)
	}
	a := netlogonAnswer{opcode: binary.LittleEndian.Uint16(b), flags: binary.LittleEndian.Uint32(b[4:])}
	if a.opcode < netlogonHere || a.opcode > netlogonUserUnknown {
		return a, fmt.Errorf("%w: opcode %d", errNetlogon, a.opcode)
	}
	var user string
	at := head
	for _, field := range []*string{&a.forest, &a.domain, &a.host, &a.nbDomain, &a.computer, &user, &a.site} {
		name, next, err := netlogonName(b, at)
		if err != nil {
			return a, err
		}
		*field, at = name, next
	}
	return a, nil
}

// netlogonName reads a name that is compressed as in DNS (RFC 1035 4.1.4), and
// returns where the next begins. Each pointer must point before the last, so
// that there is an end.
func netlogonName(b []byte, at int) (name string, next int, err error) {
	var labels []string
	next, before, length := -1, at, 0
	for {
		if at >= len(b) {
			return "", 0, fmt.Errorf("%w: a name ends early", errNetlogon)
		}
		n := int(b[at])
		switch {
		case n == 0:
			if next < 0 {
				next = at + 1
			}
			return strings.Join(labels, "."), next, nil
		case n >= 0xc0:
			if at+1 >= len(b) {
				return "", 0, fmt.Errorf("%w: a pointer ends early", errNetlogon)
			}
			to := n&0x3f<<8 | int(b[at+1])
			if next < 0 {
				next = at + 2
			}
			if to >= before {
				return "", 0, fmt.Errorf("%w: a pointer that points forward", errNetlogon)
			}
			at, before = to, to
		case n >= 0x40:
			return "", 0, fmt.Errorf("%w: a label of an unknown kind", errNetlogon)
		default:
			if at+1+n > len(b) {
				return "", 0, fmt.Errorf("%w: a label ends early", errNetlogon)
			}
			length += n + 1
			if length > 255 {
				return "", 0, fmt.Errorf("%w: a name is too long", errNetlogon)
			}
			labels = append(labels, string(b[at+1:at+1+n]))
			at += 1 + n
		}
	}
}

// netlogonFlag is a bit of the flags and what it says ([MS-ADTS] 6.3.1.2).
type netlogonFlag struct {
	bit  uint32
	text string
}

func netlogonFlags() []netlogonFlag {
	return []netlogonFlag{
		{0x1, "primary domain controller"},
		{0x4, "global catalog"},
		{0x8, "LDAP server"},
		{0x20, "key distribution center"},
		{0x40, "time server"},
		{0x100, "writable"},
	}
}

// netlogonResult says who answered.
func netlogonResult(value []byte) scanner.Result {
	a, err := readNetlogon(value)
	if err != nil {
		return scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceRole}
	r.Identity = scanner.Identity{
		Computer: cleanName(a.computer), Domain: cleanName(a.nbDomain),
		DNSName: cleanName(a.host), DNSDomain: cleanName(a.domain),
	}
	var does []string
	for _, f := range netlogonFlags() {
		if a.flags&f.bit != 0 {
			does = append(does, f.text)
		}
	}
	r.Detail("answer", "an LDAP ping of a domain controller")
	for _, fact := range []scanner.Detail{
		{Key: "domain-controller", Value: cleanName(a.host)},
		{Key: "domain", Value: cleanName(a.domain)},
		{Key: "forest", Value: cleanName(a.forest)},
		{Key: "directory-site", Value: printable(a.site, httpMaxText)},
		{Key: "does", Value: strings.Join(does, ", ")},
	} {
		if fact.Value != "" {
			r.Detail(fact.Key, fact.Value)
		}
	}
	if a.opcode == netlogonPaused {
		r.Detail("net-logon", "paused: this domain controller logs nobody on now")
	}
	return r
}
