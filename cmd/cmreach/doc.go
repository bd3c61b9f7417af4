// Command cmreach checks, before a rollout, whether the network paths that the
// deployment of the Configuration Manager client needs will work, and says what
// stops them, where, and what must be changed.
//
// This package is the only one that reads flags and signals, logs, and decides
// the exit code. It binds the words of the profiles to the probes, and the
// engine to the sockets. What people read goes to standard error, data to
// standard output; errors are lower case, without a final period, and end in a
// hint.
package main
