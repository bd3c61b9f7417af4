// Package rpc is the codec of DCE/RPC protocol data units: connection-oriented
// version 5 (C706 chapter 12.6, [MS-RPCE] 2.2.2) and connectionless version 4
// (C706 chapter 12.5), requests and answers, in both directions.
//
// Bytes go in and typed messages come out; the package does no input or output,
// keeps no state beside an [Assembler], and knows nothing of what the stubs of
// a call mean: packages epm and oxid read those. Decoders accept little and big
// endian senders, never panic, and allocate no more than a small multiple of
// what they were given. It imports nothing of cmreach.
package rpc
