package spnego

import (
	"strconv"
	"strings"
)

// OID is an object identifier as its DER content bytes (X.690 8.19), so that it
// can be compared.
type OID string

// The mechanisms.
const (
	OIDSPNEGO     OID = "\x2b\x06\x01\x05\x05\x02"                 // 1.3.6.1.5.5.2
	OIDKerberos   OID = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"     // 1.2.840.113554.1.2.2
	OIDMSKerberos OID = "\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"     // 1.2.840.48018.1.2.2, Windows 2000's slip
	OIDNTLM       OID = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" // 1.3.6.1.4.1.311.2.2.10
	OIDNegoEx     OID = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e" // 1.3.6.1.4.1.311.2.2.30
)

// String is the name of a mechanism, or the identifier in dotted form.
func (o OID) String() string {
	switch o {
	case OIDSPNEGO:
		return "SPNEGO"
	case OIDKerberos:
		return "Kerberos"
	case OIDMSKerberos:
		return "Kerberos (Microsoft)"
	case OIDNTLM:
		return "NTLM"
	case OIDNegoEx:
		return "NegoEx"
	}
	return o.dotted()
}

// dotted writes the numbers. Those that need more than 63 bits, and all beyond
// the sixteenth, end it with an ellipsis: no mechanism has them.
func (o OID) dotted() string {
	var parts []string
	var v uint64
	for i := range len(o) {
		if v > 1<<56 || len(parts) >= 16 {
			return strings.Join(parts, ".") + "..."
		}
		v = v<<7 | uint64(o[i]&0x7f)
		if o[i]&0x80 != 0 {
			continue
		}
		if len(parts) == 0 { // the first two numbers share one
			first := min(v/40, 2)
			parts = append(parts, strconv.FormatUint(first, 10))
			v -= first * 40
		}
		parts = append(parts, strconv.FormatUint(v, 10))
		v = 0
	}
	return strings.Join(parts, ".")
}
