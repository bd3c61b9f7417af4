package profiles

import "fmt"

// The ports of the software update point belong together: WSUS finds its HTTPS
// port from its HTTP port. (Windows Firewall and port settings for clients
// (2015-12-08), note 2, lines 163 and 165; [MS-WUSP] 2.1.)
const (
	portSUPHTTP  = "sup-http"
	portSUPHTTPS = "sup-https"

	pairRule = "the rule of WSUS: HTTP port 80 goes with HTTPS port 443, any other HTTP port N with N+1"
)

// httpsPartner is the HTTPS port that goes with an HTTP port.
func httpsPartner(http uint16) (uint16, bool) {
	switch http {
	case 80:
		return 443, true
	case 65535:
		return 0, false
	}
	return http + 1, true
}

// httpPartner is the HTTP port that goes with an HTTPS port.
func httpPartner(https uint16) (uint16, bool) {
	switch https {
	case 443:
		return 80, true
	case 1, 81: // 81 would go with 80, which goes with 443
		return 0, false
	}
	return https - 1, true
}

// pairUp completes and checks the ports of the software update point among
// those that one source names: who names one of them names both. The message
// is empty when the pair is good.
func pairUp(ports map[string][]uint16) (msg, hint string) {
	http, https := firstOf(ports[portSUPHTTP]), firstOf(ports[portSUPHTTPS])
	switch {
	case http == 0 && https == 0:
		return "", ""
	case https == 0:
		partner, ok := httpsPartner(http)
		if !ok {
			return fmt.Sprintf("no HTTPS port goes with the software update point's HTTP port %d", http), pairRule
		}
		ports[portSUPHTTPS] = []uint16{partner}
		return "", ""
	case http == 0:
		partner, ok := httpPartner(https)
		if !ok {
			return fmt.Sprintf("no HTTP port goes with the software update point's HTTPS port %d", https), pairRule
		}
		ports[portSUPHTTP] = []uint16{partner}
		return "", ""
	}
	want, ok := httpsPartner(http)
	if ok && want == https {
		return "", ""
	}
	hint = pairRule
	if ok {
		hint += fmt.Sprintf("; here %d with %d", http, want)
	}
	return fmt.Sprintf("the software update point has the HTTP port %d and the HTTPS port %d", http, https), hint
}

// firstOf is the first number of a port; 0 when it has none.
func firstOf(numbers []uint16) uint16 {
	if len(numbers) == 0 {
		return 0
	}
	return numbers[0]
}
