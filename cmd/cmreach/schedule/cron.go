package schedule

import (
	"fmt"
	"strings"
	"time"
)

// maxCommand is the longest command that cron takes: MAX_COMMAND of Vixie cron,
// which cuts what is longer without a word.
const maxCommand = 999

// Cron is a line for crontab -e, crontab(5), under comments.
func Cron(j Job) (string, error) {
	if err := j.check(); err != nil {
		return "", err
	}
	var cmd strings.Builder
	if s := int(j.Jitter / time.Second); s > 1 {
		fmt.Fprintf(&cmd, `sleep $(( $(od -An -N2 -tu2 /dev/urandom) \%% %d )); `, s)
	}
	cmd.WriteString(cronQuote(j.Program))
	for _, a := range j.Args {
		cmd.WriteString(" " + cronQuote(a.String()))
	}
	if n := cmd.Len(); n > maxCommand {
		return "", fmt.Errorf("the command has %d characters, and cron cuts it after %d: move flags into a site file (cmreach site init), or use systemd", n, maxCommand)
	}
	hours := "*"
	if h := j.When.hours(); h != nil {
		hours = list(h, "%d", ",")
	}
	return fmt.Sprintf(`# %s, %s: add these lines with: crontab -e
# Raw packets, which are faster, need root's crontab or: setcap cap_net_raw+ep %s
# Cron mails what the check prints. With --state FILE --only-changes it prints
# nothing while nothing changes.
%s %s * * * %s
`, j.Name, j.When.words(), shQuote(j.Program), list(j.When.minutes(), "%d", ","), hours, &cmd), nil
}

// safe are the characters that no shell and no scheduler touches.
func safe(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@+=:,./-", r)
}

// shQuote makes one word of the shell, POSIX 2.2.2.
func shQuote(s string) string {
	if s != "" && strings.TrimFunc(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// cronQuote is shQuote for a crontab: cron takes an unescaped % for a line end
// and takes the backslash before an escaped one away. Where a backslash of the
// argument stands before it, the quotes are closed and opened again between
// the two, as cron would take that backslash for the escape.
func cronQuote(s string) string {
	q := shQuote(s)
	q = strings.ReplaceAll(q, `\%`, `\''%`)
	return strings.ReplaceAll(q, "%", `\%`)
}
