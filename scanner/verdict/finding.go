package verdict

import (
	"cmreach/scanner"
	"fmt"
	"net/netip"
	"strings"
)

// State is what a path turned out to be. The zero value means "not known".
type State uint8

// The states, best first. The words are a contract: other people's scripts
// read them.
const (
	StateUnknown State = iota
	Open               // the path works, to the stated assurance
	Closed             // the host itself answered that nobody listens
	Blocked            // something refuses or swallows it although the host is alive
	WrongService       // another protocol or role answered: proxy, portal, tarpit
	WrongHost          // another machine answered: stale DNS
	Down               // nothing at this address answers anything
	Unresolved         // no address for the name
	Inconclusive       // the evidence does not decide
	Untested           // needs another vantage
	Error              // this machine could not do the test
)

// States lists every state in the order of the reports.
var States = []State{Open, Blocked, Closed, WrongService, WrongHost, Down, Unresolved, Inconclusive, Untested, Error}

var stateWords = []string{
	"unknown", "open", "closed", "blocked", "wrong-service", "wrong-host",
	"down", "unresolved", "inconclusive", "untested", "error",
}

func (s State) String() string {
	if int(s) < len(stateWords) {
		return stateWords[s]
	}
	return fmt.Sprintf("%d", uint8(s))
}

// MarshalText writes the state's word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the state's word.
func (s *State) UnmarshalText(b []byte) error {
	v, err := ParseState(string(b))
	*s = v
	return err
}

// ParseState finds the state of a word.
func ParseState(w string) (State, error) {
	for i, have := range stateWords {
		if i > 0 && have == w {
			return State(i), nil
		}
	}
	return StateUnknown, fmt.Errorf("unknown state %q (known: %s)", w, strings.Join(stateWords[1:], ", "))
}

// PortFinding is the verdict on one port of a row that has several.
type PortFinding struct {
	Port   uint16 `json:"port"`
	State  State  `json:"state"`
	Reason string `json:"reason"`
}

// Finding is the verdict on one path. The field names are a contract.
type Finding struct {
	Profile     string            `json:"profile"`
	Requirement string            `json:"requirement"` // "push/smb"
	From        scanner.Role      `json:"from"`
	To          scanner.Role      `json:"to"`
	Host        string            `json:"host"` // the name that was asked for
	Addr        netip.Addr        `json:"addr"` // empty when the name has none
	Protocol    scanner.Protocol  `json:"protocol"`
	Port        uint16            `json:"port"`            // 0 for ICMP and for dynamic RPC
	Ports       []PortFinding     `json:"ports,omitempty"` // of a row with several ports: each of them
	Required    bool              `json:"required"`
	AnyOf       string            `json:"any_of,omitempty"`
	SatisfiedBy string            `json:"satisfied_by,omitempty"` // the open row of the same any-of group and host
	State       State             `json:"state"`
	Seen        State             `json:"seen,omitempty"` // of an untested path: what it looks like from here
	Reason      string            `json:"reason"`         // stable code, "blocked.prohibited"
	Assurance   scanner.Assurance `json:"assurance"`
	By          netip.Addr        `json:"by,omitzero"`        // whatever rejected
	Between     []netip.Addr      `json:"between,omitempty"`  // the two hops around a silent drop
	Message     string            `json:"message"`            // one sentence
	Evidence    []string          `json:"evidence"`           // what was seen, a line each
	Fix         string            `json:"fix,omitempty"`      // what to change, from the profile
	Conflict    bool              `json:"conflict,omitempty"` // of a merged record: runs decided it differently
	Boundary    string            `json:"boundary,omitempty"` // the named part of the network that the host lies in
	Tags        []scanner.Detail  `json:"tags,omitempty"`     // what the list of targets says of the host; no part of the verdict
}
