// Package schedule writes a job in the words of the schedulers: a line for
// crontab(5), a service and a timer for systemd, a task for Windows. What
// matters is that every argument reaches the program as it was given, through
// the shell of cron, the specifiers and variables of systemd, and the one
// string that is a command line on Windows.
//
// It is a pure function of the job: it opens no file, asks for no time, and
// knows nothing of what the program's flags mean, but which of them name files.
package schedule
