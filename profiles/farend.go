package profiles

import (
	"cmp"
	"cmreach/scanner"
	"slices"
)

// The words for the conversations with "cmreach listen". No row of a profile
// names them: which rows they are for follows from the rows.
const (
	FarEndUDP = "far-end"
	FarEndTCP = "far-end-tcp"
)

// DefaultControl is the TCP port at which a listener says what it holds, beside
// the ports of the rows. IANA has given it to nobody.
const DefaultControl = 25537

// FarEnd says that listeners at the other ends are asked.
type FarEnd struct {
	Control uint16 // 0: at the ports of the rows only
}

// farEnd is the word for the question to a listener on the row's port: of every
// datagram, because silence of a service decides nothing there, and of TCP ports
// whose service has no conversation of its own. Rows with several ports have none.
func farEnd(r *scanner.Requirement) string {
	switch {
	case len(r.Ports) > 1:
		return ""
	case r.Protocol == scanner.UDP:
		return FarEndUDP
	case r.Protocol == scanner.TCP && r.Via == 0 && r.Probe == "":
		return FarEndTCP
	default:
		return ""
	}
}

// ask adds the question to the listener to a row.
func (f *FarEnd) ask(r *scanner.Requirement) {
	if f == nil {
		return
	}
	if r.FarEnd = farEnd(r); r.FarEnd != "" && f.Control != 0 {
		r.Control, r.ControlProbe = f.Control, FarEndTCP
	}
}

// Held is a port that a listener holds, and the rows that it is for.
type Held struct {
	Protocol scanner.Protocol
	Port     uint16
	Rows     []string // "wake-up-proxy/wol-udp"
}

// FarEndPorts lists the ports that a listener must hold for the rows of
// profiles, whatever their conditions: first UDP, then TCP. The options are read
// for their profiles, site and ports only.
func FarEndPorts(o Options) ([]Held, error) {
	m := &mistakes{limit: yamlLimit}
	over := readOverrides(o, m)
	if err := m.err(); err != nil {
		return nil, err
	}
	var out []Held
	for _, p := range o.Profiles {
		for _, row := range p.Rows {
			r := over.requirement(p, row)
			if farEnd(r) == "" {
				continue
			}
			i := slices.IndexFunc(out, func(h Held) bool { return h.Protocol == r.Protocol && h.Port == r.Port })
			if i < 0 {
				i = len(out)
				out = append(out, Held{Protocol: r.Protocol, Port: r.Port})
			}
			out[i].Rows = append(out[i].Rows, r.ID)
		}
	}
	slices.SortFunc(out, func(a, b Held) int {
		return cmp.Or(-cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	return out, nil
}
