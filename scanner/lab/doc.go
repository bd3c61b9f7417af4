// Package lab builds a described network that can be scanned for real.
//
// A [Network] is routers in a tree, fleets of hosts behind them, and the faults
// that are planted on the way. On Linux, [Enter] puts the process into a user
// and network namespace of its own and [Start] builds the description there:
// one namespace for each router and fleet, veth pairs between them, nftables
// for the firewalls. A fleet answers for every address of its prefixes, up to
// tens of thousands, with one set of listeners, and its fake services speak
// the real protocols through the codecs of probes/wire. There is no route out
// of the namespaces, and they are gone when the process ends.
//
// [Demo] describes the network of `cmreach demo`, with the servers of a site and
// of its domain, together with the verdicts that a right scanner must come to.
// Where namespaces are not to be had, [Loopback] offers a handful of the same
// hosts on 127.0.0.0/8.
//
// The package may import probes/wire and, for its words, scanner. It knows
// nothing of profiles, verdicts and reports: the planted truth names rows and
// states by their public words.
package lab
