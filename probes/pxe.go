package probes

import (
	"cmreach/scanner"
	"net"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

const pxeDoc = `asks a PXE boot server for a boot file

Sends: DHCPREQUEST with the vendor class PXEClient to UDP 4011, as the firmware
of a 64-bit UEFI computer does (PXE 2.1 2.2.3, RFC 4578), from UDP 68, with a
hardware address that no machine has and a transaction that only this run can make.
Proves: by an answer that has a boot file or the class PXEClient, that a PXE
boot server answers. Another DHCP message proves DHCP.
Cannot prove: that a certain computer is served, and that its broadcasts reach
the server. Silence decides nothing: a PXE responder does not answer computers
that it does not know unless it is told to support them.
Needs: IPv4, and UDP port 68 of this machine: root or CAP_NET_BIND_SERVICE on Linux, and no
other DHCP client that holds it.`

const pxeDiscoverDoc = `asks for a PXE boot server in the way that a DHCP relay does

Sends: DHCPDISCOVER with the vendor class PXEClient to UDP 67, as a router's
DHCP relay (IP helper) sends that of a 64-bit UEFI computer on (PXE 2.1 2.2.1,
RFC 2131 4.1): from UDP 67, with this machine as the relay, a hardware address
that no machine has and a transaction that only this run can make.
Proves: by an answer that has a boot file or the class PXEClient, that a PXE
boot server answers. Another DHCP message proves DHCP.
Cannot prove: that a certain computer is served, and that a relay sends its
broadcasts on. Silence decides nothing: a PXE responder does not answer
computers that it does not know unless it is told to support them.
Changes: a DHCP server on the same machine may hold an address for as long as
its offers last, a minute or so; nothing is leased.
Needs: IPv4, and UDP port 67 of this machine: root or CAP_NET_BIND_SERVICE on Linux, and no
DHCP server or relay that holds it.`

// PXEDiscover asks the boot server on UDP 67.
func PXEDiscover() scanner.Probe {
	k := newDHCPKey()
	return scanner.Probe{
		Name: "pxe-discover", Doc: pxeDiscoverDoc, Protocol: scanner.UDP, UDP: scanner.UDPSocket{LocalPort: dhcpRelayPort}, IPv4Only: true,
		Request: k.discover, Decode: k.booted,
	}
}

// pxeClass begins the vendor class of both sides (PXE 2.1 2.2.3).
const pxeClass = "PXEClient"

// PXE asks the boot server on UDP 4011.
func PXE() scanner.Probe {
	k := newDHCPKey()
	return scanner.Probe{
		Name: "pxe", Doc: pxeDoc, Protocol: scanner.UDP, UDP: scanner.UDPSocket{LocalPort: dhcpLocalPort}, IPv4Only: true,
		Request: k.boot, Decode: k.booted,
	}
}

func (k dhcpKey) boot(ask scanner.Ask) []byte {
	return k.message(ask, dhcpv4.MessageTypeRequest, pxeClient()...)
}

// discover is a computer's first word, sent on by a relay, to which the answers
// go (RFC 2131 4.1).
func (k dhcpKey) discover(ask scanner.Ask) []byte {
	relayed := func(m *dhcpv4.DHCPv4) {
		m.GatewayIPAddr, m.ClientIPAddr = m.ClientIPAddr, net.IPv4zero
		m.HopCount = 1
	}
	return k.message(ask, dhcpv4.MessageTypeDiscover, append(pxeClient(), relayed)...)
}

// pxeClient is what the firmware of a 64-bit UEFI computer says of itself (RFC 4578).
func pxeClient() []dhcpv4.Modifier {
	const uefi64 = 7
	guid := make([]byte, 17) // option 97: type 0 and a GUID; all zero: not known
	return []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier(pxeClass + ":Arch:00007:UNDI:003016")),
		dhcpv4.WithOption(architecture(uefi64)),
		dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionClientNetworkInterfaceIdentifier, []byte{1, 3, 16})),
		dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, guid)),
		dhcpv4.WithRequestedOptions(
			dhcpv4.OptionVendorSpecificInformation, dhcpv4.OptionClassIdentifier,
			dhcpv4.OptionTFTPServerName, dhcpv4.OptionBootfileName,
		),
	}
}

func (k dhcpKey) booted(_, answer []byte) scanner.Result {
	m, result := k.answer(answer)
	if m == nil {
		return result
	}
	file := bootFile(m)
	if file != "" {
		result.Detail("boot file", file)
	}
	if kind := m.MessageType(); (kind == dhcpv4.MessageTypeAck || kind == dhcpv4.MessageTypeOffer) && (file != "" || isPXE(m)) {
		result.Proof = scanner.AssuranceRole
	}
	return result
}
