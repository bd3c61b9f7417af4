package schedule

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Units are the files of one job.
type Units struct{ Service, Timer string }

// Systemd is a service and its timer, systemd.service(5) and systemd.timer(5).
func Systemd(j Job) (Units, error) {
	err := j.check()
	if !path.IsAbs(j.Program) || strings.TrimFunc(j.Program, func(r rune) bool { return safe(r) || r == ' ' }) != "" {
		err = errors.Join(err, fmt.Errorf("the program %q: systemd wants a whole path of plain characters: move it, or name another place with --program", j.Program))
	}
	if err != nil {
		return Units{}, err
	}
	return Units{Service: j.service(), Timer: j.timer()}, nil
}

// service lets the check have what it needs, and nothing else.
func (j *Job) service() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[Unit]")
	line("Description=%s: network paths of client deployment", j.Name)
	line("Wants=network-online.target")
	line("After=network-online.target")
	line("")
	line("[Service]")
	line("Type=oneshot")
	exec, credentials := j.exec()
	line("ExecStart=%s", exec)
	for _, c := range credentials {
		line("LoadCredential=%s", c)
	}
	state := "/var/lib/" + j.Name
	if why := j.root(state); why != "" {
		line("# %s: so it runs as root, with no more of root's rights than these.", why)
		line("CapabilityBoundingSet=CAP_NET_RAW CAP_DAC_OVERRIDE")
		for _, dir := range j.folders() {
			line("ReadWritePaths=%s", unitQuote(dir))
		}
	} else {
		line("# A user of its own, which exists while the check runs.")
		line("DynamicUser=yes")
		line("AmbientCapabilities=CAP_NET_RAW")
		line("CapabilityBoundingSet=CAP_NET_RAW")
	}
	if under(j.folders(), state) {
		line("StateDirectory=%s", j.Name)
	}
	line("NoNewPrivileges=yes")
	line("ProtectSystem=strict")
	line("ProtectHome=read-only")
	if !under(append(j.files(), j.Program), "/tmp", "/var/tmp") {
		line("PrivateTmp=yes")
	}
	b.WriteString(hardening)
	return b.String()
}

// hardening is what a program can do without that sends packets, asks a name
// service and writes files.
const hardening = `PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0022
`

func (j *Job) timer() string {
	hours := "*"
	if h := j.When.hours(); h != nil {
		hours = list(h, "%02d", ",")
	}
	jitter := ""
	if s := int(j.Jitter / time.Second); s > 0 {
		jitter = fmt.Sprintf("RandomizedDelaySec=%d\n", s)
	}
	return fmt.Sprintf(`[Unit]
Description=%s: %s

[Timer]
OnCalendar=*-*-* %s:%s:00
%sPersistent=yes

[Install]
WantedBy=timers.target
`, j.Name, j.When.words(), hours, list(j.When.minutes(), "%02d", ","), jitter)
}

// Text is both files on one screen, with what to do with them.
func (u Units) Text(name string) string {
	return fmt.Sprintf(`# Two files for /etc/systemd/system; --dir /etc/systemd/system writes them. Then:
#   systemctl daemon-reload && systemctl enable --now %[1]s.timer
#   systemctl start %[1]s.service; journalctl -u %[1]s    # try it at once
# While the check fails its unit is failed: systemctl --failed shows it.

# ---- /etc/systemd/system/%[1]s.service ----
%[2]s
# ---- /etc/systemd/system/%[1]s.timer ----
%[3]s`, name, u.Service, u.Timer)
}

// exec is the command line, and the files that root hands over: LoadCredential,
// systemd.exec(5), for those which nobody else should read.
func (j *Job) exec() (line string, credentials []string) {
	words := []string{execQuote(j.Program)}
	for i, a := range j.Args {
		if a.Use != Secret {
			words = append(words, execQuote(a.String()))
			continue
		}
		id := fmt.Sprintf("file%d", i+1)
		credentials = append(credentials, id+":"+strings.ReplaceAll(a.Value, "%", "%%"))
		words = append(words, execQuote(a.Flag)+"${CREDENTIALS_DIRECTORY}/"+id)
	}
	return strings.Join(words, " "), credentials
}

// root says why a user of its own would not do; empty: it does.
func (j *Job) root(state string) string {
	for _, a := range j.Args {
		if a.Use == Writes && !under([]string{path.Dir(a.Value)}, state) {
			return fmt.Sprintf("It writes %s, which is not in %s", visible(a.Value), state)
		}
		if a.Use == Reads && under([]string{a.Value}, private...) {
			return fmt.Sprintf("It reads %s, which another user could not", visible(a.Value))
		}
	}
	if under([]string{j.Program}, private...) {
		return fmt.Sprintf("The program is %s, where another user could not run it", visible(j.Program))
	}
	return ""
}

// private are the folders that a user of its own does not see: homes, and those
// of which DynamicUser= gives it its own.
var private = []string{"/root", "/home", "/tmp", "/var/tmp"}

// visible is a path in a comment: a backslash at the end of a line would join
// the next line to it.
func visible(s string) string { return strings.ReplaceAll(s, `\`, "/") }

// folders are those that are written to.
func (j *Job) folders() []string {
	var out []string
	for _, a := range j.Args {
		if dir := path.Dir(a.Value); a.Use == Writes && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

func (j *Job) files() []string {
	var out []string
	for _, a := range j.Args {
		if a.Use != Plain {
			out = append(out, a.Value)
		}
	}
	return out
}

// under reports whether one of the files is one of the folders, or in one.
func under(files []string, folders ...string) bool {
	for _, f := range files {
		for _, dir := range folders {
			if f = path.Clean(f); f == dir || strings.HasPrefix(f, dir+"/") {
				return true
			}
		}
	}
	return false
}

// execQuote makes one word of ExecStart=, systemd.service(5), "COMMAND LINES":
// specifiers (%) and variables ($) are expanded in quotes as well.
func execQuote(s string) string {
	return strings.ReplaceAll(unitQuote(s), "$", "$$")
}

// unitQuote makes one word of a setting, systemd.syntax(7), "QUOTING".
func unitQuote(s string) string {
	if s != "" && strings.TrimFunc(s, safe) == "" {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(s) + `"`
}
