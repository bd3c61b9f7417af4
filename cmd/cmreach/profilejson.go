package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
)

// profileDocument is "profiles show -o json": a profile as the other documents
// write things, with the number beside the name of each port.
type profileDocument struct {
	Name  string         `json:"name"`
	Title string         `json:"title"`
	About string         `json:"about,omitempty"`
	Other []string       `json:"aliases,omitempty"`
	Ports []portDocument `json:"ports"`
	Rows  []rowDocument  `json:"rows"`
}

type portDocument struct {
	Name    string `json:"name"`
	Default uint16 `json:"default"`
	// Ports and Several are of a port that stands for several: all of them, and
	// what they are to each other.
	Ports   []uint16        `json:"ports,omitempty"`
	Several scanner.Several `json:"several,omitzero"`
	About   string          `json:"about,omitempty"`
}

type rowDocument struct {
	ID       string           `json:"id"` // "push/smb", as everywhere
	Title    string           `json:"title"`
	From     scanner.Role     `json:"from"`
	To       scanner.Role     `json:"to"`
	Protocol scanner.Protocol `json:"protocol"`
	PortName string           `json:"port_name,omitempty"`
	Port     uint16           `json:"port,omitempty"`
	Via      uint16           `json:"via,omitempty"` // the port whose conversation names the ports
	Extra    []uint16         `json:"extra,omitempty"`
	Need     scanner.Need     `json:"need"`
	AnyOf    string           `json:"any_of,omitempty"`
	When     string           `json:"when,omitempty"`
	Listener scanner.Listener `json:"listener"`
	Probe    string           `json:"probe,omitempty"`
	ViaProbe string           `json:"via_probe,omitempty"`
	Expect   scanner.Expect   `json:"expect,omitzero"`
	Source   string           `json:"source"`
	Fix      string           `json:"fix"`
}

func newProfileDocument(pr *profiles.Profile) profileDocument {
	doc := profileDocument{Name: pr.Name, Title: pr.Title, About: pr.About, Other: pr.Aliases, Ports: []portDocument{}, Rows: []rowDocument{}}
	number := map[string]uint16{}
	for _, p := range pr.Ports {
		number[p.Name] = p.Default
		port := portDocument{Name: p.Name, Default: p.Default, Several: p.Several, About: p.About}
		if len(p.Further) > 0 {
			port.Ports = p.Numbers()
		}
		doc.Ports = append(doc.Ports, port)
	}
	for _, r := range pr.Rows {
		row := rowDocument{
			ID: pr.Name + "/" + r.ID, Title: r.Title, From: r.From, To: r.To, Protocol: r.Protocol,
			PortName: r.Port, Port: number[r.Port], Via: number[r.Via],
			Need: r.Need, AnyOf: r.AnyOf, When: r.When.String(), Listener: r.Listener,
			Probe: r.Probe, ViaProbe: r.ViaProbe, Expect: r.Expect, Source: r.Source, Fix: pr.FixText(r),
		}
		for _, name := range r.Extra {
			row.Extra = append(row.Extra, number[name])
		}
		doc.Rows = append(doc.Rows, row)
	}
	return doc
}
