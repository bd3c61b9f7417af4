// Package smb encodes and decodes the SMB messages that come before
// authentication: NEGOTIATE and SESSION_SETUP of SMB2 and SMB3 ([MS-SMB2]),
// NEGOTIATE of SMB1 ([MS-CIFS], [MS-SMB]), and their framing on TCP 445.
//
// Both directions are there, for the probe that asks and for fake servers that
// answer. The package does no I/O, knows nothing of who uses it, and takes no
// length from a message on trust: a decoder allocates no more than the message
// is long. Byte slices in decoded messages point into the message. Security
// buffers are opaque here; see packages spnego and ntlm.
package smb
