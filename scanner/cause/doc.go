// Package cause finds the few explanations behind many findings.
//
// What a [Grouper] finds follows from the findings alone: those with the same
// requirement, state, reason and rejecting device have one cause, whatever hosts
// they are about.
// It opens no socket, reads no clock and keeps only counts and small samples,
// so that its memory grows with the number of causes and not of findings.
package cause
