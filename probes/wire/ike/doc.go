// Package ike reads and writes the first messages of the Internet Key Exchange,
// which pass in clear: IKE_SA_INIT of version 2 (RFC 7296) and the first
// message of main mode of version 1 (RFC 2408, RFC 2409), with the answers
// to them.
//
// It knows bytes only: no sockets, no keys, and nothing of probes and
// verdicts. No input makes it panic.
package ike
