// Package report renders a recorded run: each format, in files of its own, is a
// pure function of the record.
//
// [Load] reads a record once and keeps its summary; the formats walk the
// record again as often as they need, so a report of many hosts needs little
// memory. The package opens no socket, reads no clock and asks for no names:
// the same record gives the same bytes on every machine. Everything that came
// from the network, and the names in target lists too, is untrusted text and
// is cleaned before it is shown.
package report
