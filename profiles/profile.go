package profiles

import "cmreach/scanner"

// Profile is one way of installing or managing the client: the paths that it
// needs. It is general; a plan makes it concrete for a site.
type Profile struct {
	Name  string
	Title string
	About string
	// Aliases are other names that -p knows a built-in profile by.
	Aliases []string
	Ports   []Port // the named ports that its rows use, in the order of the file
	Rows    []Row
}

// Port is a port with a name, so that a site that moved it says so once.
type Port struct {
	Name    string
	Default uint16
	Further []uint16        // of a port that stands for several: those after the first
	Several scanner.Several // what they are to each other; unknown: it is always one number
	About   string
}

// Numbers are all default numbers of the port.
func (p Port) Numbers() []uint16 { return append([]uint16{p.Default}, p.Further...) }

// Row is one path that a profile needs.
type Row struct {
	ID       string // within the profile: "smb"
	Title    string
	From     scanner.Role
	To       scanner.Role
	Protocol scanner.Protocol
	Port     string // the name of a port; empty for ICMP and where Via names the ports
	Need     scanner.Need
	AnyOf    string
	Listener scanner.Listener
	Probe    string

	Via      string   // the name of the port whose conversation names the ports of this row
	ViaProbe string   // the word for that conversation
	Extra    []string // names of fixed ports that are tried beside the named ones

	Expect scanner.Expect // what is sent and must come back, in place of a probe

	When   Condition
	Source string // document and section
	Fix    string // what to do when the path does not work
}

// port finds a named port.
func (p *Profile) port(name string) (Port, bool) {
	for _, have := range p.Ports {
		if have.Name == name {
			return have, true
		}
	}
	return Port{}, false
}
