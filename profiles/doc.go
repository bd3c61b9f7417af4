// Package profiles turns words into a plan: a profile (what a way of installing
// the client needs), a site (who plays which role), the targets and the
// overrides of the command line expand to the [scanner.Target] values that a
// run walks.
//
// Profiles are data. A profile file is YAML, read strictly: every mistake is
// reported at once, each as an [Error] with its file, line, column and a hint.
// The built-in profiles go through the same loader as a user's own.
//
// The package knows no probe, no socket and no report: a row names its
// conversation by a word, and cmd binds the word to a probe. Of ours it imports
// only scanner. Nothing here sends a packet or asks a name server.
package profiles
