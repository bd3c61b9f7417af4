// Package record writes and reads the stream of a run: JSON Lines, one message
// a line, each with exactly one field set.
//
// The first message is the header, with the version of the format. The
// messages of one host follow each other: its paths, its observations, its
// findings. Causes and the end come last. Progress may be stripped without
// changing the meaning. Everything a report says follows from this stream.
//
// Findings and causes are opinions of other packages: they are kept as they were
// written, and nobody here knows what is in them.
package record
