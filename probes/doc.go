// Package probes holds the conversations that prove who answers on a port: one
// file for each, and the explicit list of them.
//
// A conversation is a [scanner.Probe] value. A TCP probe talks: it gets its
// connections from the [scanner.Call], obeys the context, closes every
// connection that it opened, and returns what it saw. It never returns an
// error, because failure is evidence, and never sleeps or tries again, because
// the engine owns time. A UDP probe is a request and a decoder.
//
// Peers are hostile until proven otherwise. A probe reads no more than it has
// set aside for an answer, takes no length from the wire on trust, and passes
// on only short, printable text. Package probetest checks this for each probe.
//
// The package knows of package scanner and of the codecs in probes/wire. It
// knows nothing of sockets, which are handed in, of profiles, of verdicts and
// of reports, and forms no opinion: whether a foreign answer means a proxy or
// a wrong address is for package verdict.
package probes
