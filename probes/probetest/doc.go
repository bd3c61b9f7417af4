// Package probetest is the harness for the tests of probes: scripted peers on
// loopback, and [Adversity], which holds a TCP probe against every kind of
// hostile peer.
//
// It knows package scanner only, and no protocol: the probe's own test says in
// a table what right answers look like. It is for tests; nothing else may
// import it. Its checks look at all goroutines of the process, therefore a
// test that uses it must not call t.Parallel.
package probetest
