// Package epm is the codec of the endpoint mapper: the stubs of ept_lookup and
// ept_map (C706 appendix O, [MS-RPCE] 2.2.1.2.4 and 2.2.1.2.5) in NDR (C706
// chapter 14), and the protocol towers in them (C706 appendices I and L). It
// reads and writes requests and answers.
//
// Bytes go in and typed values come out; the package does no input or output
// and knows nothing of the PDUs that carry the stubs. Decoders never panic and
// allocate no more than a small multiple of what they were given; towers are
// parts of the stub, not copies. Interface identifiers are [16]byte in the
// order of the text form, so that package rpc's UUID fits. It imports nothing
// of cmreach.
package epm
