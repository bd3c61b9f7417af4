package scanner

import (
	"net/netip"
	"slices"
	"time"
)

// Observation is what was seen of one endpoint of a host: either by single
// packets (Probe is empty) or in one conversation (Probe names it). It states
// facts; what they mean is for package verdict.
type Observation struct {
	Protocol Protocol `json:"protocol,omitempty"`
	Port     uint16   `json:"port,omitempty"`
	Probe    string   `json:"probe,omitempty"`
	// Asked is the probe whose datagram was sent, for single UDP packets: two
	// services of one port are asked in two languages.
	Asked string `json:"asked,omitempty"`
	// Via is the port whose conversation led to this one; 0 for a row's own port.
	Via uint16 `json:"via,omitempty"`
	// HopLimit is the TTL or hop limit that was set on the packet to find out
	// how far it gets; 0 for an ordinary packet.
	HopLimit uint8 `json:"hop_limit,omitempty"`

	Outcome Outcome       `json:"outcome"`
	Sent    time.Time     `json:"sent"`            // first packet
	Took    time.Duration `json:"took,omitempty"`  // nanoseconds from the answered packet to its answer; for conversations, all of it
	Tries   int           `json:"tries,omitempty"` // packets or conversations that were tried

	From netip.Addr `json:"by,omitzero"`   // who answered; for ICMP errors the sender of the error
	TTL  uint8      `json:"ttl,omitempty"` // TTL or hop limit of the answer on arrival; 0: not visible to this engine
	ICMP ICMPError  `json:"icmp,omitzero"` // for Rejected and Expired
	// Rationed is, for Silent, the address of a router on the way that rejects
	// packets to this port and sends too few of its rejections: what is silent may
	// be rejected by it.
	Rationed netip.Addr `json:"rationed,omitzero"`

	Err string `json:"err,omitempty"` // for LocalError, Unresolved, Cut, Garbled: the words of the system or the decoder

	// Proof is how far the conversation got: AssuranceProtocol or AssuranceRole.
	Proof Assurance `json:"proof,omitempty"`
	// NeedsCredentials: the peer speaks the protocol and refused to go on without credentials.
	NeedsCredentials bool `json:"needs_credentials,omitempty"`
	// Identity is who the peer says it is.
	Identity Identity `json:"identity,omitzero"`
	// FarEnd is what "cmreach listen" on the peer says of itself.
	FarEnd *FarEnd `json:"far_end,omitempty"`
	// Details are further facts for people, in the order in which they were learned.
	Details []Detail `json:"details,omitempty"`
}

// NameAudit is the Probe of the observation that holds remarks on what the name
// service says of a host. Its outcome is not known, so that it decides nothing.
const NameAudit = "dns-audit"

// Sweep reports whether the observation was made by single, ordinary packets.
func (o Observation) Sweep() bool { return o.Probe == "" && o.HopLimit == 0 }

// ICMPError names an ICMP error message. For IPv6 the numbers are ICMPv6's
// (RFC 4443); which one applies follows from the address.
type ICMPError struct {
	Type uint8 `json:"type"`
	Code uint8 `json:"code"`
}

// Detail is one fact, such as {"dialect", "3.1.1"}.
type Detail struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Identity is what a peer says of itself. It comes from the network and is
// untrusted text.
type Identity struct {
	Computer  string       `json:"computer,omitempty"`   // NetBIOS computer name
	Domain    string       `json:"domain,omitempty"`     // NetBIOS domain name
	DNSName   string       `json:"dns_name,omitempty"`   // fully qualified
	DNSDomain string       `json:"dns_domain,omitempty"` //
	Names     []string     `json:"names,omitempty"`      // further names: ServerAlive2 bindings, certificate subject names
	Addrs     []netip.Addr `json:"addrs,omitempty"`      // addresses the peer says it has
	OS        string       `json:"os,omitempty"`         // "10.0.26100" from the NTLM VERSION
	ServerID  string       `json:"server_id,omitempty"`  // SMB2 ServerGuid
	Clock     time.Time    `json:"clock,omitzero"`       // the peer's clock when it answered
}

// FarEnd is what "cmreach listen" says of itself in its answer: since when and
// until when it holds which ports of the address that was asked. The times are
// by the clock of the asker.
type FarEnd struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	UDP   []uint16  `json:"udp,omitempty"`
	TCP   []uint16  `json:"tcp,omitempty"`
	// Again says that it was asked once more, after everything else of the
	// host: what it holds, it held all that time from Since on.
	Again bool `json:"again,omitempty"`
}

// Held reports whether the listener held the port from the time at which the
// first packet was sent to it until the last was given up.
func (f FarEnd) Held(proto Protocol, port uint16, first time.Time) bool {
	ports := f.TCP
	if proto == UDP {
		ports = f.UDP
	}
	return f.Again && slices.Contains(ports, port) && !first.IsZero() && !first.Before(f.Since)
}

// IsZero reports whether nothing is known of the peer.
func (i Identity) IsZero() bool {
	return i.Computer == "" && i.Domain == "" && i.DNSName == "" && i.DNSDomain == "" && i.OS == "" &&
		i.ServerID == "" && i.Clock.IsZero() && len(i.Names) == 0 && len(i.Addrs) == 0
}
