// Package rdp reads and writes the first two messages of the Remote Desktop
// Protocol: the X.224 Connection Request with the wish for a security protocol,
// and the Connection Confirm or refusal ([MS-RDPBCGR] 2.2.1.1, 2.2.1.2), in
// their TPKT frame (RFC 1006 section 6).
//
// It knows bytes only: no sockets, no TLS, and nothing of probes and verdicts.
// No input makes it panic.
package rdp
