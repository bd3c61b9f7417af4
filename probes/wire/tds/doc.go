// Package tds encodes and decodes the first exchange of the Tabular Data Stream
// protocol of SQL Server: packets and PRELOGIN ([MS-TDS] 2.2.3.1, 2.2.6.5).
//
// Both directions are there, for the probe that asks and for fake servers that
// answer. The package does no I/O, knows nothing of who uses it, and takes no
// length or offset from a message on trust.
package tds
