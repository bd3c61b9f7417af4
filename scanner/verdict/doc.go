// Package verdict turns what was observed of one host into findings.
//
// [Judge] is a pure function: an ordered table of rules, first match wins, each
// with a stable reason code and one sentence. It reads no clock, opens no
// socket, logs nothing, and does not care about the order of the evidence.
// Silence of one port is judged by what the other ports of the same host
// showed: a path is blocked only when somebody said so, or when the host is
// known to be alive.
package verdict
