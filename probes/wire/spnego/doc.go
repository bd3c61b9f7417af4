// Package spnego encodes and decodes the two messages in which the sides of a
// connection agree on how to authenticate (RFC 4178): NegTokenInit, with the
// mechanisms that are offered, and NegTokenResp, with the chosen one.
//
// It knows just as much DER (X.690) as these need: definite lengths, no
// recursion, nothing longer than its input. The tokens inside are opaque; see
// package ntlm. The package does no I/O.
package spnego
