package main

import (
	"cmreach/scanner"
	"cmreach/scanner/lab"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// topologyTable is testdata/e2e/topology.yaml, which says what its keys mean.
type topologyTable struct {
	Works  map[string]verdictText            `yaml:"works"`
	Cannot map[string]map[string]verdictText `yaml:"cannot"`
	Hosts  []topologyHost                    `yaml:"hosts"`

	net *lab.Network
}

type topologyHost struct {
	Host  string                 `yaml:"host"`
	V4    netip.Addr             `yaml:"v4"`
	V6    netip.Addr             `yaml:"v6"`
	Plant []string               `yaml:"plant"`
	Rows  map[string]verdictText `yaml:"rows"`
}

func (h *topologyHost) addrs() []netip.Addr { return []netip.Addr{h.V4, h.V6} }

// verdictText is what must be said: one text, or one for each case.
type verdictText struct {
	text  string
	cases map[string]verdictText
}

// UnmarshalYAML takes a text, or a mapping from cases to texts.
func (v *verdictText) UnmarshalYAML(b []byte) error {
	if yaml.Unmarshal(b, &v.text) == nil {
		return nil
	}
	return yaml.Unmarshal(b, &v.cases)
}

// choose finds the text for a user and an address family.
func (v verdictText) choose(user, family string) string {
	for v.cases != nil {
		keys := []string{user, family}
		if user != "root" {
			keys = append(keys, "ordinary")
		}
		i := slices.IndexFunc(keys, func(k string) bool { _, ok := v.cases[k]; return ok })
		if i < 0 {
			return "the table has no word for " + user + " and " + family
		}
		v = v.cases[keys[i]]
	}
	return v.text
}

// want is what must be said of a row of a host.
func (tb *topologyTable) want(h *topologyHost, row, user, family string) string {
	if v, ok := tb.Cannot[user][row]; ok {
		return v.choose(user, family)
	}
	if v, ok := h.Rows[row]; ok {
		return v.choose(user, family)
	}
	return tb.Works[row].choose(user, family)
}

// at finds the host at an address.
func (tb *topologyTable) at(a netip.Addr) *topologyHost {
	i := slices.IndexFunc(tb.Hosts, func(h topologyHost) bool { return h.V4 == a || h.V6 == a })
	if i < 0 {
		return nil
	}
	return &tb.Hosts[i]
}

func readTable(t *testing.T) *topologyTable {
	t.Helper()
	b, err := os.ReadFile("../../testdata/e2e/topology.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tb := &topologyTable{}
	if err := yaml.UnmarshalWithOptions(b, tb, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for i := range tb.Hosts {
		h := &tb.Hosts[i]
		if tb.at(h.V4) != h || tb.at(h.V6) != h || !h.V4.Is4() || !h.V6.Is6() {
			t.Fatalf("host %q: its addresses are used twice, or are none", h.Host)
		}
		for row := range h.Rows {
			if _, ok := tb.Works[row]; !ok {
				t.Fatalf("host %q: there is no row %q", h.Host, row)
			}
		}
	}
	return tb
}

func (tb *topologyTable) routers() []string { return []string{"r1", "r2", "r3"} }

// network is the network of the table, with everything planted.
func (tb *topologyTable) network(t *testing.T) *lab.Network {
	t.Helper()
	n := &lab.Network{Domain: "lab.test", Routers: []lab.Router{{Name: "r1"}, {Name: "r2", Behind: "r1"}, {Name: "r3", Behind: "r2"}}}
	tb.net = n
	all := lab.ClientPC()
	fleet := func(name, v4, v6 string, listen []lab.Listen) {
		n.Fleets = append(n.Fleets, lab.Fleet{
			Name: name, Behind: "r2", Listen: listen, Host: n.HostByAddr,
			Prefixes: []netip.Prefix{netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)},
		})
	}
	fleet("clients", "198.19.1.0/24", "fd00:198:1001::/64", all)
	fleet("fileless", "198.19.2.0/24", "fd00:198:1002::/64", slices.DeleteFunc(slices.Clone(all), func(l lab.Listen) bool { return l.Port == 445 }))
	fleet("bare", "198.19.3.0/24", "fd00:198:1003::/64", nil)
	for i := range tb.Hosts {
		h := &tb.Hosts[i]
		for _, p := range h.Plant {
			for _, a := range h.addrs() {
				if err := plant(n, p, netip.PrefixFrom(a, a.BitLen())); err != nil {
					t.Fatalf("host %q: plant %q: %v", h.Host, p, err)
				}
			}
		}
	}
	return n
}

// plant does to the packets to an address what the table says.
func plant(n *lab.Network, what string, to netip.Prefix) error {
	node, what, _ := strings.Cut(what, " ")
	if node == "host" {
		return plantHost(&n.Fleets[0], strings.Fields(what), to)
	}
	i := slices.IndexFunc(n.Routers, func(r lab.Router) bool { return r.Name == node })
	if i < 0 {
		return fmt.Errorf("no router %q", node)
	}
	r := &n.Routers[i]
	if kind, ok := strings.CutPrefix(what, "route "); ok {
		kinds := map[string]lab.RouteKind{
			"unreachable": lab.RouteUnreachable, "prohibit": lab.RouteProhibit, "blackhole": lab.RouteBlackhole, "loop": lab.RouteLoop,
		}
		r.Routes = append(r.Routes, lab.Route{To: to, Kind: kinds[kind]})
		return nil
	}
	f, err := filter(strings.Fields(what))
	f.To = to
	r.Filters = append(r.Filters, f)
	return err
}

func plantHost(f *lab.Fleet, words []string, to netip.Prefix) error {
	switch words[0] {
	case "off":
		f.Off = append(f.Off, to)
	case "stealth":
		var ports []uint16
		for _, w := range words[1:] {
			p, err := strconv.ParseUint(w, 10, 16)
			if err != nil {
				return err
			}
			ports = append(ports, uint16(p))
		}
		f.Filters = append(f.Filters, lab.Stealth(to, ports...)...)
	default:
		return errors.New("no such thing to do to a host")
	}
	return nil
}

// filter reads "tcp 49152-65535 drop", "tcp reset", "all drop".
func filter(words []string) (lab.Filter, error) {
	protocols := map[string]scanner.Protocol{"all": scanner.ProtocolUnknown, "icmp": scanner.ICMP, "tcp": scanner.TCP, "udp": scanner.UDP}
	actions := map[string]lab.Action{
		"drop": lab.Drop, "reset": lab.RejectReset, "prohibited": lab.RejectProhibited, "port-unreachable": lab.RejectPort,
		"host-unreachable": lab.RejectHost, "net-unreachable": lab.RejectNet,
	}
	var f lab.Filter
	var ok bool
	if f.Protocol, ok = protocols[words[0]]; !ok {
		return f, fmt.Errorf("no protocol %q", words[0])
	}
	if f.Do, ok = actions[words[len(words)-1]]; !ok {
		return f, fmt.Errorf("no action %q", words[len(words)-1])
	}
	if len(words) == 3 {
		first, last, isRange := strings.Cut(words[1], "-")
		a, err := strconv.ParseUint(first, 10, 16)
		f.First = uint16(a)
		if err == nil && isRange {
			a, err = strconv.ParseUint(last, 10, 16)
			f.Last = uint16(a)
		}
		return f, err
	}
	return f, nil
}
