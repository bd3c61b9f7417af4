package scanner

import (
	"net/netip"
	"testing"
)

func TestSubnet(t *testing.T) {
	for in, want := range map[string]string{
		"198.18.7.255":           "198.18.7.0/24",
		"198.18.7.0":             "198.18.7.0/24",
		"::ffff:198.18.7.9":      "198.18.7.0/24",
		"fd00:198:0:7:1:2:3:4":   "fd00:198:0:7::/64",
		"fe80::1:2:3:4%eth0":     "fe80::/64",
		"fd00:198:0:7:ffff::":    "fd00:198:0:7::/64",
		"fd00:198:0:8000::1":     "fd00:198:0:8000::/64",
		"255.255.255.255":        "255.255.255.0/24",
		"::1":                    "::/64",
		"0.0.0.1":                "0.0.0.0/24",
		"fd00:198:0:7:ffff::%42": "fd00:198:0:7::/64",
	} {
		if got := Subnet(netip.MustParseAddr(in)); got != netip.MustParsePrefix(want) {
			t.Errorf("%s is in %s, want %s", in, got, want)
		}
	}
	if got := Subnet(netip.Addr{}); got.IsValid() {
		t.Errorf("no address is in %s", got)
	}
}
