package cause

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"strings"
)

// byHand is the reason of rows that no packet can test.
const byHand = "untested.manual"

// ByHand reports whether the cause is a row that no packet can test, from
// wherever.
func (c Cause) ByHand() bool { return c.Reason == byHand }

// advice says what to change, the most useful first.
func (w words) advice() []string {
	switch w.c.State {
	case verdict.Blocked:
		return w.withFix(w.adviceBlocked())
	case verdict.Closed:
		return []string{"The way is open: start the service on the hosts, or check that these addresses belong to the computers that are meant."}
	case verdict.WrongService:
		if w.c.Reason == "wrong-service.certificate" {
			return []string{"Renew the certificate of the server, for the full name by which clients know it."}
		}
		return []string{"Find out what answers there: a proxy, a portal, an inspection device or another program; take it out of this path."}
	case verdict.WrongHost:
		return []string{
			"Correct or delete the stale DNS records (A, AAAA, and PTR) of these names; on the right computers run: ipconfig /registerdns",
			"So that it stays mended: DHCP lease time and DNS scavenging must fit each other.",
		}
	case verdict.Unresolved:
		return []string{"Check the spelling, the DNS suffix search list of this machine, and whether the computers have registered themselves (ipconfig /registerdns)."}
	case verdict.Down:
		return []string{w.adviceDown()}
	case verdict.Error:
		return []string{"Mend this machine first and run again; nothing was learned about these paths."}
	case verdict.Untested:
		if w.c.Reason == byHand {
			return w.withFix("") // no vantage can test it
		}
		return []string{w.adviceUntested()}
	default:
		if w.c.Reason == "inconclusive.mapper" {
			return []string{"Mend the way to the endpoint mapper of these hosts first, then run again."}
		}
		return w.withFix(w.adviceUndecided())
	}
}

// withFix adds what the profile says about the row.
func (w words) withFix(first string) []string {
	var out []string
	if first != "" {
		out = append(out, first)
	}
	if w.g.first.Fix != "" && (w.k.requirement != "" || w.c.Reason == byHand) {
		out = append(out, w.g.first.Fix)
	}
	if len(out) == 0 {
		out = append(out, "Run again with -v against one of the hosts and look at the evidence.")
	}
	return out
}

func (w words) adviceBlocked() string {
	from := "the " + strings.ReplaceAll(string(w.g.first.From), "-", " ")
	what := w.what()
	switch {
	case w.k.by.IsValid():
		return fmt.Sprintf("On %s: permit %s from %s to %s.", w.k.by, what, from, w.networks())
	case w.k.self:
		return fmt.Sprintf("The hosts reject it themselves: permit %s from %s in their own firewall.", what, from)
	case w.k.near.IsValid():
		return fmt.Sprintf("Behind %s: permit %s from %s to %s.", w.k.near, what, from, w.networks())
	case w.c.Neighbours > 0:
		return fmt.Sprintf("The same path is open to %s of the same subnets: look at the firewall of these hosts first.",
			plural(w.c.Neighbours, "host"))
	case w.c.Hosts > 1:
		return fmt.Sprintf("No host of these subnets has this path open: look for a filter on the way to %s, then at the policy for the hosts' firewall.",
			w.networks())
	default:
		return fmt.Sprintf("Look at the firewall of the host and at those on the way to %s.", w.networks())
	}
}

func (w words) adviceDown() string {
	switch w.c.Reason {
	case "down.loop", "down.no-route":
		return fmt.Sprintf("Mend the routing to %s; see %s.", w.networks(), w.reporter())
	default:
		return "Switch the computers on or wake them, or take them off the list; if they are on, their DNS records are stale or everything to them is filtered."
	}
}

func (w words) adviceUndecided() string {
	switch w.c.Reason {
	case "inconclusive.reset", "inconclusive.dynamic-reset":
		return "Run again as root (or with CAP_NET_RAW): then it shows who refused."
	case "inconclusive.dynamic-silent", "inconclusive.none-named":
		return "Silence proves nothing here: Windows Firewall admits dynamic ports for each service, and WMI's own port is told to authenticated callers only. " +
			"Try WMI itself from the site server against one of the hosts: wbemtest, or Get-CimInstance Win32_OperatingSystem with a DCOM session."
	case "inconclusive.rationed":
		return "A router on the way rejects and says so too seldom (the evidence names it). Let it send more ICMP errors for the time of the check, or run again slower (--rate)."
	case "inconclusive.untried":
		return "Mend first what kept this machine from asking the rest of these hosts (see the errors), then run again."
	case "inconclusive.far-end-silent":
		return "Run cmreach listen with the same key and these ports there, and check again."
	default:
		return ""
	}
}

// adviceUntested is the command that tests the paths from where they start.
func (w words) adviceUntested() string {
	var rows []string
	for _, id := range w.c.Requirements {
		_, name, _ := strings.Cut(id, "/")
		rows = append(rows, shellSafe(name, "ROW"))
	}
	hosts := []string{"NAME"}
	if all := w.c.Hosts == len(w.c.Sample); all {
		hosts = nil
		for _, h := range w.c.Sample {
			hosts = append(hosts, shellSafe(h, "NAME"))
		}
	}
	from := shellSafe(string(w.k.from), "ROLE")
	cmd := fmt.Sprintf("cmreach check -p %s --vantage %s --only %s", shellSafe(w.k.profile, "PROFILE"), from, strings.Join(rows, ","))
	switch {
	case w.k.to != scanner.RoleClient:
		cmd += fmt.Sprintf(" --role %s=%s", shellSafe(string(w.k.to), "ROLE"), strings.Join(hosts, ","))
	case w.c.Hosts != len(w.c.Sample):
		cmd += " -t FILE"
	default:
		cmd += " " + strings.Join(hosts, " ")
	}
	return fmt.Sprintf("Run this from a %s: %s", w.k.from, cmd)
}
