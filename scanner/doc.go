// Package scanner holds the vocabulary of a connectivity check and the engine
// that gathers its evidence.
//
// A [Target] is one host with the [Requirement]s that apply to it. [Run] walks
// a sequence of targets, resolves their names, sends single packets through a
// [Sweeper], holds protocol conversations through [Probe] values on the ports
// that answered, and yields each host with everything that was observed of it.
//
// The package knows nothing of profiles, of wire formats, of sockets and of
// reports: it imports only the standard library. An [Observation] says what
// was seen and carries no opinion; package verdict forms the opinion.
package scanner
