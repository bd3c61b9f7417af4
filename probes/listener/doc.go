// Package listener is the other end of the two-ended check: it holds ports of
// this machine for a while and answers the questions of package beacon, so that
// a check from elsewhere can prove paths to which no service answers.
//
// It gives an attacker nothing: to whoever has not the key it sends nothing, to
// whoever has it never more bytes than came. Answers are rationed, a question is
// answered a few times only, and connections, memory and time are bounded.
//
// It knows the questions and sockets; not profiles, not reports, and nothing of
// the checks that ask.
package listener
