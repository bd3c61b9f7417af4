package probes

import (
	"cmreach/scanner"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

const dhcpDoc = `asks a DHCP server for its options, without asking for an address

Sends: DHCPINFORM (RFC 2131 4.4.3) by unicast from UDP 68, with this machine's
address, a hardware address that no machine has, and a transaction that only
this run can make. No lease is asked for, and none is changed.
Proves: by DHCPACK, that a DHCP server answers. Another DHCP message proves
DHCP.
Cannot prove: that a client on another subnet gets a lease, for which its relay
is needed. Silence decides nothing: servers do not answer for a subnet without
a scope, and Windows servers not before they are authorized.
Needs: IPv4, and UDP port 68 of this machine: root or CAP_NET_BIND_SERVICE on Linux, and no
other DHCP client that holds it.`

// DHCP asks the server on UDP 67.
func DHCP() scanner.Probe {
	k := newDHCPKey()
	return scanner.Probe{
		Name: "dhcp", Doc: dhcpDoc, Protocol: scanner.UDP, UDP: scanner.UDPSocket{LocalPort: dhcpLocalPort}, IPv4Only: true,
		Request: k.inform, Decode: k.informed,
	}
}

func (k dhcpKey) inform(ask scanner.Ask) []byte {
	return k.message(ask, dhcpv4.MessageTypeInform, dhcpv4.WithRequestedOptions(
		dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionDomainName,
	))
}

func (k dhcpKey) informed(_, answer []byte) scanner.Result {
	m, result := k.answer(answer)
	if m != nil && m.MessageType() == dhcpv4.MessageTypeAck {
		result.Proof = scanner.AssuranceRole
	}
	return result
}
