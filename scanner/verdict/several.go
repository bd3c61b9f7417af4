package verdict

import (
	"cmreach/scanner"
	"fmt"
	"slices"
	"strings"
)

// judge judges a row: each of its ports, and of several what they come to
// together.
func (v *view) judge(row *scanner.Requirement, out *Finding) {
	if len(row.Ports) < 2 {
		newPath(v, row).judge(out)
		return
	}
	v.brief = false
	list := make([]Finding, len(row.Ports))
	for i, port := range row.Ports {
		one := *row
		one.Port, one.Ports = port, nil
		p := newPath(v, &one)
		p.spare = i > 0 && row.Several == scanner.SeveralInstances
		p.judge(&list[i])
	}
	f := list[decides(list, row.Several)]
	f.Port, f.Evidence = row.Port, nil
	for i, one := range list {
		f.Ports = append(f.Ports, PortFinding{Port: row.Ports[i], State: one.State, Reason: one.Reason})
		for _, line := range one.Evidence {
			if !slices.Contains(f.Evidence, line) {
				f.Evidence = append(f.Evidence, line)
			}
		}
		if f.State == Open && row.Several == scanner.SeveralAll {
			f.Assurance = min(f.Assurance, one.Assurance)
		}
	}
	f.Message += "; " + f.eachPort()
	*out = f
}

// decides picks the port whose finding is that of the row.
func decides(list []Finding, several scanner.Several) int {
	states := func(wanted ...State) int {
		for _, s := range wanted {
			if i := slices.IndexFunc(list, func(f Finding) bool { return f.State == s }); i >= 0 {
				return i
			}
		}
		return -1
	}
	switch several {
	case scanner.SeveralAny:
		best := 0
		for i, f := range list {
			if f.State == Open && (list[best].State != Open || f.Assurance > list[best].Assurance) {
				best = i
			}
		}
		// As long as one port is not decided, it may be the one that works.
		if i := states(Error, Inconclusive); list[best].State != Open && i >= 0 {
			return i
		}
		return best
	case scanner.SeveralInstances:
		// The first instance is there. Of the others, only what somebody on the
		// way did proves anything: a port without an answer has perhaps no instance.
		if i := states(Blocked, WrongService); list[0].State == Open && i > 0 {
			return i
		}
		return 0
	default:
		return max(0, states(WrongHost, Blocked, WrongService, Closed, Error, Inconclusive, Unresolved, Down, Untested))
	}
}

// eachPort says what became of the ports: "open: 10124; blocked: 10125-10139".
func (f Finding) eachPort() string {
	var parts []string
	for _, s := range States {
		var ports []uint16
		for _, p := range f.Ports {
			if p.State == s {
				ports = append(ports, p.Port)
			}
		}
		if len(ports) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", s, scanner.PortList(ports)))
		}
	}
	return "of the ports are " + strings.Join(parts, ", ")
}

// PortsLike are the ports of the row that have its state; nil when the row has
// one port.
func (f Finding) PortsLike() []uint16 {
	var out []uint16
	for _, p := range f.Ports {
		if p.State == f.State {
			out = append(out, p.Port)
		}
	}
	return out
}
