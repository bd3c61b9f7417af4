package ike

import (
	"encoding/binary"
	"fmt"
)

// Notify is the kind of a notification.
type Notify uint16

// The errors of version 2 that answer an IKE_SA_INIT (RFC 7296 3.10.1). Below
// 16384 a notification is an error.
const (
	NotifyInvalidMajor     Notify = 5
	NotifyInvalidSyntax    Notify = 7
	NotifyNoProposal       Notify = 14
	NotifyInvalidKE        Notify = 17
	NotifyCookie           Notify = 16390
	NotifyRedirect         Notify = 16407
	firstStatus            Notify = 16384
	notifyUnsupported      Notify = 1
	notifyTemporaryFailure Notify = 43
)

var notifyWords = map[Notify]string{
	notifyUnsupported: "UNSUPPORTED_CRITICAL_PAYLOAD", NotifyInvalidMajor: "INVALID_MAJOR_VERSION",
	NotifyInvalidSyntax: "INVALID_SYNTAX", NotifyNoProposal: "NO_PROPOSAL_CHOSEN", NotifyInvalidKE: "INVALID_KE_PAYLOAD",
	NotifyCookie: "COOKIE", NotifyRedirect: "REDIRECT", notifyTemporaryFailure: "TEMPORARY_FAILURE",
}

// The errors of version 1 that answer a first message (RFC 2408 3.14.1).
var notifyWordsV1 = map[Notify]string{
	1: "INVALID-PAYLOAD-TYPE", 2: "DOI-NOT-SUPPORTED", 3: "SITUATION-NOT-SUPPORTED", 4: "INVALID-COOKIE",
	5: "INVALID-MAJOR-VERSION", 6: "INVALID-MINOR-VERSION", 7: "INVALID-EXCHANGE-TYPE", 8: "INVALID-FLAGS",
	9: "INVALID-MESSAGE-ID", 10: "INVALID-PROTOCOL-ID", 11: "INVALID-SPI", 12: "INVALID-TRANSFORM-ID",
	13: "ATTRIBUTES-NOT-SUPPORTED", 14: "NO-PROPOSAL-CHOSEN", 15: "BAD-PROPOSAL-SYNTAX", 16: "PAYLOAD-MALFORMED",
	17: "INVALID-KEY-INFORMATION", 24: "AUTHENTICATION-FAILED", 30: "UNEQUAL-PAYLOAD-LENGTHS",
}

// Text names a notification of the given version.
func (n Notify) Text(v Version) string {
	words := notifyWords
	if v.Major() == 1 {
		words = notifyWordsV1
	}
	if w := words[n]; w != "" {
		return w
	}
	return fmt.Sprintf("notification %d", uint16(n))
}

// Notifies lists the notifications of a message that was understood.
func (m Message) Notifies() ([]Notify, error) {
	kind, skip := PayloadNotify, 2 // protocol, SPI size (RFC 7296 3.10)
	if m.Version.Major() == 1 {
		kind, skip = PayloadNotifyV1, 6 // DOI, protocol, SPI size (RFC 2408 3.14)
	}
	var list []Notify
	for _, p := range m.Payloads {
		if p.Type != kind {
			continue
		}
		if len(p.Body) < skip+2 || len(p.Body) < skip+2+int(p.Body[skip-1]) {
			return nil, fmt.Errorf("malformed IKE message: a notification of %d bytes", len(p.Body))
		}
		list = append(list, Notify(binary.BigEndian.Uint16(p.Body[skip:])))
	}
	return list, nil
}

// Refusal returns what decides among the notifications: an error, or the wish
// for a cookie or for another gateway. The other ones are remarks.
func Refusal(list []Notify, v Version) (Notify, bool) {
	for _, n := range list {
		if n < firstStatus || v.Major() == 2 && (n == NotifyCookie || n == NotifyRedirect) {
			return n, true
		}
	}
	return 0, false
}

// NotifyPayload makes a notification without an SPI and with the given data.
func NotifyPayload(v Version, n Notify, data []byte) Payload {
	if v.Major() == 1 {
		b := binary.BigEndian.AppendUint16([]byte{0, 0, 0, 1, 1, 0}, uint16(n)) // DOI 1: IPsec; protocol 1: ISAKMP
		return Payload{Type: PayloadNotifyV1, Body: append(b, data...)}
	}
	b := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(n))
	return Payload{Type: PayloadNotify, Body: append(b, data...)}
}
