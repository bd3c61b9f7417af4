// Package cause finds the few explanations behind many findings.
//
// What a [Grouper] finds follows from the findings alone: those with the same
// requirement, state, reason and rejecting device have one cause, whatever hosts
// they are about. It keeps only counts and small samples, so that its memory
// grows with the number of causes and not of findings. A [Ruler], which finds the
// firewall rules to ask for, keeps the addresses that are blocked. An [Advisor]
// says which ways to install the client would work.
//
// The package opens no socket and reads no clock; how its opinions are shown is
// for package report.
package cause
