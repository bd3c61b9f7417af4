// Package beacon is the codec of the two-ended check: a question that only the
// holder of a key can ask, and an answer of the same length that only a holder
// of the key can give. It is cmreach's own; no standard describes it.
//
// A message has [Size] bytes, all integers are in network order:
//
//	 0  8  "cmreach1"
//	 8  1  kind: 1 question, 2 answer
//	 9  1  protocol that carries it: 6 TCP, 17 UDP (IANA protocol numbers)
//	10  2  port of the asked machine that it is for
//	12 16  nonce, random, chosen by the asker
//	28  4  answer: milliseconds since the asked machine began to listen
//	32  4  answer: milliseconds until it ends
//	36  1  answer: number of ports that it holds at the asked address
//	37 120 answer: these ports, three bytes each: protocol and port
//	157 16 the first half of the HMAC-SHA256 (RFC 2104) of all before it
//
// What only answers have is zero in questions. The kind keeps a question from
// being sent back as its answer, the port keeps one from being led to another
// service of the asked machine, and the length keeps the asked machine from
// sending more than it got.
//
// The package knows no sockets, no clock and nothing else of cmreach.
package beacon
