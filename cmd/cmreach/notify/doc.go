// Package notify tells receivers elsewhere that a check has news: webhooks
// (generic, Slack, Microsoft Teams), mail and syslog.
//
// It is given what there is to tell, and bounds and escapes it for each
// receiver: names and banners in it are other people's. It knows no flags, no
// state files and no exit codes, and it logs nothing. What a receiver's URL
// holds beyond its scheme and host is taken for a secret: no error names it.
package notify
