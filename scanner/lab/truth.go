package lab

import (
	"cmreach/scanner"
	"net/netip"
)

// Expected is what a right scanner must say of one path. Row and State are the
// public words: "push/smb", "blocked".
type Expected struct {
	Host  string     // the name that is asked for
	Addr  netip.Addr // one of its addresses
	Row   string
	State string
	By    netip.Addr // who rejects; invalid: nobody is named
}

// Check is one run of the scanner against a lab, and what it must find.
type Check struct {
	Vantage string   // the role that the scanner has
	Rows    []string // the rows to check; empty: all of the profiles
	Truth   []Expected
}

// Plan is a lab for a demonstration: what is to be checked, and what is planted.
type Plan struct {
	Network  *Network
	Site     string                    // site code
	Targets  []string                  // the clients, by name
	Roles    map[scanner.Role][]string // the servers, by name
	Ports    map[string]uint16         // ports that are not the usual ones, by their names in the profiles
	Settings map[string]string         // what the site is like, in the words of the site file
	Subnets  []Subnet                  // of the clients
	Faults   []string                  // what is planted, a sentence each
	Missing  []string                  // what this lab cannot show, a sentence each
	Checks   []Check
}

// Truth is what the checks must find together: each path as it is found from
// where it starts.
func (p *Plan) Truth() []Expected {
	type path struct {
		host, row string
		addr      netip.Addr
	}
	at := map[path]int{}
	var all []Expected
	for _, c := range p.Checks {
		for _, e := range c.Truth {
			k := path{e.Host, e.Row, e.Addr}
			i, have := at[k]
			switch {
			case !have:
				at[k] = len(all)
				all = append(all, e)
			case e.State != "untested":
				all[i] = e
			}
		}
	}
	return all
}

// Subnet is a named part of the network.
type Subnet struct {
	Name   string
	Prefix netip.Prefix
}

// Profiles are the profiles that the rows of the demonstration are of.
func Profiles() []string { return []string{"push", "gpo", "sup", "nap"} }

// The rows that lead to clients, and the one that no packet can test.
const (
	rowICMP      = "push/icmp"
	rowSMB       = "push/smb"
	rowEPM       = "push/epm-tcp"
	rowEPMUDP    = "push/epm-udp"
	rowDynamic   = "push/rpc-dynamic"
	rowClientSMB = "gpo/client-smb"
	rowByHand    = "nap/ipsec-filter"
)

// expected is what must be said of a row unless the row is excepted.
func expected(host string, addr netip.Addr, row, state string, except []Expected) Expected {
	e := Expected{Host: host, Addr: addr, Row: row, State: state}
	for _, x := range except {
		if x.Row == row {
			e.State, e.By = x.State, x.By
		}
	}
	return e
}

// clientRows are the rows that start at the site server and end at a client.
func clientRows() []string {
	return []string{rowICMP, rowSMB, rowEPM, rowDynamic, rowEPMUDP, rowClientSMB}
}

// expect lists what must be said of the rows of a client: all of them have the
// state, but for those that are excepted.
func expect(host string, addr netip.Addr, state string, except ...Expected) []Expected {
	var es []Expected
	for _, row := range clientRows() {
		es = append(es, expected(host, addr, row, state, except))
	}
	return es
}
