// Package history compares a run with those before it: what is broken now and
// was not, what works again, and what has left or joined the plan.
//
// It keeps one short history for each path, by the name that was asked for, so
// that a computer with a new address is the same computer. Findings come in and
// [Changes] come out: it opens no file, reads no clock and shows nothing to
// people, which is for cmd and scanner/report.
package history
