package scanner

import "net/netip"

// Requirement is one row of a profile, made concrete for a site: ports are
// resolved and conditions are decided. All paths of a row share one value.
type Requirement struct {
	ID       string   `json:"id"`      // "push/smb": profile and row
	Profile  string   `json:"profile"` // "push"
	Title    string   `json:"title"`   // what the path is for, in a few words
	From     Role     `json:"from"`
	To       Role     `json:"to"`
	Protocol Protocol `json:"protocol"`
	Port     uint16   `json:"port,omitempty"`  // 0 for ICMP, and for ports that only a conversation can name
	Probe    string   `json:"probe,omitempty"` // the word for the conversation that proves the row; empty: none
	Need     Need     `json:"need"`
	AnyOf    string   `json:"any_of,omitempty"` // one open row of a group satisfies all rows of it
	Listener Listener `json:"listener"`

	// Ports are all ports of a row that has several, Port first; nil for others.
	Ports []uint16 `json:"ports,omitempty"`
	// PortFlags are the ports of the row that are not the defaults, as --port
	// takes them.
	PortFlags []string `json:"port_flags,omitempty"`
	// Several says what they are to each other.
	Several Several `json:"several,omitzero"`

	// Via is the port whose conversation names the ports of this row, as the
	// RPC endpoint mapper on 135 names the dynamic ports. 0: the row has its own.
	Via uint16 `json:"via,omitempty"`
	// ViaProbe is the word for the conversation on Via.
	ViaProbe string `json:"via_probe,omitempty"`
	// Extra are fixed ports that are tried beside the named ones (WMI's 24158).
	Extra []uint16 `json:"extra,omitempty"`

	// FarEnd is the word for the question that "cmreach listen" on the target
	// answers in place of the service; empty: it is not asked.
	FarEnd string `json:"far_end,omitempty"`
	// Control is a TCP port at which the listener is asked what it holds,
	// with the conversation ControlProbe; 0: it is not.
	Control      uint16 `json:"control,omitempty"`
	ControlProbe string `json:"control_probe,omitempty"`

	// Expect is what a row of a profile of one's own says instead of a probe of
	// this program. Probe is then a word for the conversation that it makes.
	Expect Expect `json:"expect,omitzero"`

	// FromHere says that the vantage holds the role From. Otherwise what is
	// seen from here proves the service only, and the row stays untested.
	FromHere bool `json:"from_here"`

	Source string `json:"source,omitempty"` // document and section
	Fix    string `json:"fix,omitempty"`    // what to do when the path does not work
}

// Expect is what is sent on a plain port, and what must come back.
type Expect struct {
	Send    []byte `json:"send,omitempty"`    // nothing: the peer speaks first
	Prefix  string `json:"prefix,omitempty"`  // the answer begins so
	Pattern string `json:"pattern,omitempty"` // or matches this regular expression of Go
}

// IsZero reports whether nothing is sent and nothing expected.
func (e Expect) IsZero() bool { return len(e.Send) == 0 && e.Prefix == "" && e.Pattern == "" }

// Target is a computer as the administrator named it, with what is required of
// it. The engine turns it into one [Host] for each of its addresses.
type Target struct {
	Name string         // as it was asked for: a DNS name, or the text of an address
	Addr netip.Addr     // valid when the target was given by address: no look-up
	Rows []*Requirement // what applies to this target; shared between targets
	Tags []Detail       // what the administrator's list says of it beside; no evidence
}

// Host is one address of one target, with everything that was observed of it.
// It is the unit of judgement: what one port shows explains the silence of
// another.
type Host struct {
	Name         string         `json:"name"`
	Addr         netip.Addr     `json:"addr"`               // invalid when the name has no address
	Boundary     string         `json:"boundary,omitempty"` // the named part of the network that the address lies in
	Tags         []Detail       `json:"tags,omitempty"`
	Addresses    int            `json:"addresses,omitempty"` // of the name, when it has several
	Rows         []*Requirement `json:"-"`
	Observations []Observation  `json:"-"`
}

// Endpoint is a port that a conversation revealed on the host it was held with.
type Endpoint struct {
	Protocol Protocol
	Port     uint16
	Probe    string // the conversation to hold there
}
