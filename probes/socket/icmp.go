package socket

import (
	"cmreach/probes/wire/packet"
	"cmreach/scanner"
	"encoding/binary"
)

// ICMP (RFC 792) and ICMPv6 (RFC 4443) types and codes that matter here.
const (
	icmp4EchoReply    = 0
	icmp4Unreachable  = 3
	icmp4HostCode     = 1
	icmp4PortCode     = 3
	icmp4FragNeeded   = 4
	icmp4EchoRequest  = 8
	icmp4TimeExceeded = 11
	icmp4ParamProblem = 12

	icmp6Unreachable  = 1
	icmp6AddrCode     = 3
	icmp6PortCode     = 4
	icmp6TimeExceeded = 3
	icmp6ParamProblem = 4
	icmp6EchoRequest  = 128
	icmp6EchoReply    = 129
)

// IP protocol numbers.
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoRouting  = 43
	protoFragment = 44
	protoAuth     = 51
	protoICMP6    = 58
	protoDestOpts = 60
)

// outcomeOf says what an ICMP error means for the packet that it is about.
// OutcomeUnknown: nothing final. That holds for messages about the packet's
// size and for a reassembly that took too long.
func outcomeOf(e scanner.ICMPError, v6 bool) scanner.Outcome {
	if v6 {
		switch {
		case e.Type == icmp6Unreachable, e.Type == icmp6ParamProblem:
			return scanner.Rejected
		case e.Type == icmp6TimeExceeded && e.Code == 0:
			return scanner.Expired
		}
		return scanner.OutcomeUnknown
	}
	switch {
	case e.Type == icmp4Unreachable && e.Code != icmp4FragNeeded, e.Type == icmp4ParamProblem:
		return scanner.Rejected
	case e.Type == icmp4TimeExceeded && e.Code == 0:
		return scanner.Expired
	}
	return scanner.OutcomeUnknown
}

// parseICMPError takes an ICMP or ICMPv6 error message apart.
func parseICMPError(b []byte, v6 bool) (scanner.ICMPError, packet.Inner, bool) {
	if len(b) < 8 {
		return scanner.ICMPError{}, packet.Inner{}, false
	}
	e := scanner.ICMPError{Type: b[0], Code: b[1]}
	if outcomeOf(e, v6) == scanner.OutcomeUnknown {
		return e, packet.Inner{}, false
	}
	q, ok := packet.ParseInner(packet.Quoted(b, v6), v6)
	return e, q, ok
}

// echoMessage is an echo request or reply.
type echoMessage struct {
	kind, code uint8
	id, seq    uint16
	data       []byte
}

// parseEcho reads an ICMP or ICMPv6 echo message (RFC 792, RFC 4443 4).
func parseEcho(b []byte) (echoMessage, bool) {
	if len(b) < 8 {
		return echoMessage{}, false
	}
	return echoMessage{
		kind: b[0], code: b[1],
		id: binary.BigEndian.Uint16(b[4:]), seq: binary.BigEndian.Uint16(b[6:]),
		data: b[8:],
	}, true
}

// skipIPv4 returns what follows the IPv4 header of a packet and its TTL.
func skipIPv4(b []byte) ([]byte, uint8, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil, 0, false
	}
	head := int(b[0]&0x0f) * 4
	if head < 20 || len(b) < head {
		return nil, 0, false
	}
	return b[head:], b[8], true
}
