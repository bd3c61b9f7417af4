package probes

import (
	"bytes"
	"cmreach/scanner"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// dhcpLocalPort is where servers send their answers (RFC 2131 4.1).
const dhcpLocalPort = 68

// dhcpRelayPort is where they send those for a relay (RFC 2131 4.1).
const dhcpRelayPort = 67

// dhcpKey makes hardware addresses and the transaction identifiers that prove
// them, so that a stray or forged answer is not taken for one.
type dhcpKey [32]byte

func newDHCPKey() (k dhcpKey) {
	_, _ = rand.Read(k[:]) // never fails (crypto/rand)
	return k
}

// hardware draws a locally administered unicast address, which no machine has.
func (k dhcpKey) hardware() net.HardwareAddr {
	mac := make(net.HardwareAddr, 6)
	_, _ = rand.Read(mac)
	mac[0] = mac[0]&^3 | 2
	return mac
}

func (k dhcpKey) transaction(mac net.HardwareAddr) (id dhcpv4.TransactionID) {
	h := hmac.New(sha256.New, k[:])
	_, _ = h.Write(mac) // never fails (hash.Hash)
	copy(id[:], h.Sum(nil))
	return id
}

// message begins a request from the given address of this machine; nil when
// DHCPv4 cannot be asked.
func (k dhcpKey) message(ask scanner.Ask, kind dhcpv4.MessageType, more ...dhcpv4.Modifier) []byte {
	from := ask.From.Unmap()
	if !from.Is4() || !ask.To.Addr().Unmap().Is4() {
		return nil
	}
	mac := k.hardware()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithHwAddr(mac),
		dhcpv4.WithTransactionID(k.transaction(mac)),
		dhcpv4.WithClientIP(from.AsSlice()),
	}, more...)...)
	if err != nil {
		return nil // no random numbers for an identifier that is replaced
	}
	return m.ToBytes()
}

// dhcpHeaderLen is the length of the fixed part of a message, before the magic
// cookie (RFC 2131 2).
const dhcpHeaderLen = 236

// answer reads an answer to one of the key's requests, or says what else it is.
func (k dhcpKey) answer(b []byte) (*dhcpv4.DHCPv4, scanner.Result) {
	const replies = 2 // op BOOTREPLY
	switch {
	case len(b) < dhcpHeaderLen, b[0] != 1 && b[0] != replies:
		return nil, scanner.Result{Outcome: scanner.Foreign, Err: "no DHCP: the answer begins " + lookedLike(b)}
	case b[2] != 6, !hmac.Equal(b[4:8], k.xid(b[28:34])):
		return nil, scanner.Result{Outcome: scanner.Foreign, Err: "a DHCP message of a transaction that was not begun"}
	case b[0] != replies:
		return nil, scanner.Result{Outcome: scanner.Foreign, Err: "sent the request back"}
	}
	m, err := dhcpv4.FromBytes(b)
	if err != nil {
		return nil, scanner.Result{Outcome: scanner.Garbled, Err: "malformed DHCP message: " + printable(err.Error(), prefixLen)}
	}
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	kind := m.MessageType()
	if kind == dhcpv4.MessageTypeNone {
		result.Detail("dhcp", "a BOOTP reply")
	} else {
		result.Detail("dhcp", "DHCP"+printable(kind.String(), prefixLen))
	}
	if id, ok := netip.AddrFromSlice(m.ServerIdentifier()); ok {
		result.Detail("server", id.Unmap().String())
	}
	if name := dhcpText(m.DomainName()); name != "" {
		result.Detail("domain", name)
	}
	return m, result
}

func (k dhcpKey) xid(mac []byte) []byte {
	id := k.transaction(mac)
	return id[:]
}

// dhcpText makes an option's text fit for a report. Some servers end it by a
// zero (RFC 2132 2).
func dhcpText(s string) string { return printable(strings.TrimRight(s, "\x00"), 200) }

// bootFile returns the name of the boot file, from its field or its option
// (RFC 2132 9.5).
func bootFile(m *dhcpv4.DHCPv4) string {
	if name := dhcpText(m.BootFileNameOption()); name != "" {
		return name
	}
	return dhcpText(m.BootFileName)
}

// isPXE reports whether a vendor class is that of the Preboot Execution
// Environment.
func isPXE(m *dhcpv4.DHCPv4) bool {
	return bytes.HasPrefix([]byte(m.ClassIdentifier()), []byte(pxeClass))
}

// architecture is option 93 (RFC 4578 2.1).
func architecture(n uint16) dhcpv4.Option {
	return dhcpv4.OptGeneric(dhcpv4.OptionClientSystemArchitectureType, binary.BigEndian.AppendUint16(nil, n))
}
