package ike

import "encoding/binary"

// group14Len is the length of a public value of the 2048-bit MODP group (RFC 3526 3).
const group14Len = 256

// Init makes a request of version 2: IKE_SA_INIT with the proposals that
// Windows, strongSwan and other common implementations accept, old ones too,
// as no key is ever made. The key exchange is for group 14; public is the
// public value, of which the first bit is cleared so that it is below the prime.
func Init(initiator SPI, public [group14Len]byte, nonce [32]byte) Message {
	public[0] &= 0x7f
	ke := append([]byte{0, byte(groupMODP2048), 0, 0}, public[:]...) // RFC 7296 3.4
	return Message{
		Header: Header{Initiator: initiator, Version: Version2, Exchange: ExchangeInit, Flags: flagInitiator},
		Payloads: []Payload{
			{Type: PayloadSA, Body: proposals()},
			{Type: PayloadKE, Body: ke},
			{Type: PayloadNonce, Body: nonce[:]},
		},
	}
}

// transform is one algorithm of a proposal of version 2 (RFC 7296 3.3.2).
type transform struct {
	kind    uint8
	id      uint16
	keyBits uint16 // 0: the algorithm has one length only
}

// The kinds of transforms and the algorithms that are offered (RFC 7296 3.3.2
// and the IANA registry of IKEv2 parameters).
const (
	kindEncryption, kindPRF, kindIntegrity, kindGroup uint8 = 1, 2, 3, 4

	encr3DES, encrAESCBC, encrAESGCM16        uint16 = 3, 12, 20
	prfSHA1, prfSHA256, prfSHA384             uint16 = 2, 5, 6
	integSHA1, integSHA256, integSHA384       uint16 = 2, 12, 13
	groupMODP1024, groupMODP2048              uint16 = 2, 14
	groupECP256, groupECP384, groupCurve25519 uint16 = 19, 20, 31
)

// proposals is the body of the SA payload (RFC 7296 3.3): one proposal with
// separate integrity, one with combined-mode ciphers, which must not be mixed.
func proposals() []byte {
	common := []transform{
		{kindPRF, prfSHA256, 0},
		{kindPRF, prfSHA384, 0},
		{kindPRF, prfSHA1, 0},
		{kindGroup, groupMODP2048, 0},
		{kindGroup, groupECP256, 0},
		{kindGroup, groupECP384, 0},
		{kindGroup, groupCurve25519, 0},
		{kindGroup, groupMODP1024, 0},
	}
	separate := append([]transform{
		{kindEncryption, encrAESCBC, 256},
		{kindEncryption, encrAESCBC, 128},
		{kindEncryption, encr3DES, 0},
		{kindIntegrity, integSHA256, 0},
		{kindIntegrity, integSHA384, 0},
		{kindIntegrity, integSHA1, 0},
	}, common...)
	combined := append([]transform{
		{kindEncryption, encrAESGCM16, 256},
		{kindEncryption, encrAESGCM16, 128},
	}, common...)
	return append(proposal(1, false, separate), proposal(2, true, combined)...)
}

func proposal(number uint8, last bool, list []transform) []byte {
	var body []byte
	for i, t := range list {
		more := byte(3)
		if i == len(list)-1 {
			more = 0
		}
		n := uint16(8)
		if t.keyBits != 0 {
			n = 12
		}
		body = append(body, more, 0)
		body = binary.BigEndian.AppendUint16(body, n)
		body = append(body, t.kind, 0)
		body = binary.BigEndian.AppendUint16(body, t.id)
		if t.keyBits != 0 {
			body = append(body, 0x80, 14) // attribute: key length
			body = binary.BigEndian.AppendUint16(body, t.keyBits)
		}
	}
	more := byte(2)
	if last {
		more = 0
	}
	head := []byte{more, 0}
	head = binary.BigEndian.AppendUint16(head, uint16(8+len(body)))     //nolint:gosec // the lists above are short
	return append(append(head, number, 1, 0, byte(len(list))), body...) //nolint:gosec // protocol 1: IKE; no SPI; at most 255
}

// MainMode makes the first message of main mode of version 1 with the
// transforms that Windows and other common implementations accept, each with
// authentication by key, certificate and Kerberos.
func MainMode(initiator SPI) Message {
	return Message{
		Header:   Header{Initiator: initiator, Version: Version1, Exchange: ExchangeMainMode},
		Payloads: []Payload{{Type: PayloadSAV1, Body: transformsV1()}},
	}
}

// transformsV1 is the body of the SA payload (RFC 2408 3.4 to 3.6, RFC 2409
// appendix A). Kerberos is asked for by the private value that Windows uses
// (draft-ietf-ipsec-isakmp-gss-auth).
func transformsV1() []byte {
	const (
		des3, aes          = 5, 7
		sha1, sha256       = 2, 4
		modp1024, modp2048 = 2, 14
		byKey, bySignature = 1, 3
		byKerberos         = 65001
	)
	var body []byte
	count := 0
	suites := []struct{ cipher, keyBits, hash, group uint16 }{
		{aes, 256, sha256, modp2048},
		{aes, 256, sha1, modp2048},
		{aes, 128, sha1, modp2048},
		{aes, 128, sha1, modp1024},
		{des3, 0, sha1, modp2048},
		{des3, 0, sha1, modp1024},
	}
	methods := []uint16{byKey, bySignature, byKerberos}
	for i, s := range suites {
		for j, method := range methods {
			attrs := [][2]uint16{{1, s.cipher}, {2, s.hash}, {3, method}, {4, s.group}, {11, 1}, {12, 28800}} // 28800 seconds
			if s.keyBits != 0 {
				attrs = append(attrs, [2]uint16{14, s.keyBits})
			}
			more := byte(3)
			if i == len(suites)-1 && j == len(methods)-1 {
				more = 0
			}
			count++
			body = append(body, more, 0)
			body = binary.BigEndian.AppendUint16(body, uint16(8+4*len(attrs))) //nolint:gosec // at most seven
			body = append(body, byte(count), 1, 0, 0)                          // transform 1: KEY_IKE
			for _, a := range attrs {
				body = binary.BigEndian.AppendUint16(body, 0x8000|a[0])
				body = binary.BigEndian.AppendUint16(body, a[1])
			}
		}
	}
	sa := []byte{0, 0, 0, 1, 0, 0, 0, 1} // DOI 1: IPsec; situation: identity only
	sa = append(sa, 0, 0)
	sa = binary.BigEndian.AppendUint16(sa, uint16(8+len(body))) //nolint:gosec // the list above is short
	return append(append(sa, 1, 1, 0, byte(count)), body...)    // proposal 1, protocol ISAKMP, no SPI
}
