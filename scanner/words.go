package scanner

import (
	"fmt"
	"strings"
)

// Role is the part that a computer plays in a Configuration Manager site.
type Role string

// The roles that the built-in profiles name. A site file may name others.
const (
	RoleSiteServer          Role = "site-server"
	RoleClient              Role = "client"
	RoleManagementPoint     Role = "management-point"
	RoleDistributionPoint   Role = "distribution-point"
	RoleSoftwareUpdatePoint Role = "software-update-point"
	RoleFallbackStatusPoint Role = "fallback-status-point"

	RoleDomainController           Role = "domain-controller"
	RoleGlobalCatalog              Role = "global-catalog"
	RoleSystemHealthValidator      Role = "system-health-validator"
	RoleHealthRegistration         Role = "health-registration-authority"
	RoleDHCPServer                 Role = "dhcp-server"
	RoleIPsecPeer                  Role = "ipsec-peer"
	RoleSourceServer               Role = "source-server" // of CCMSetup's /source:PATH
	RoleSetupShare                 Role = "setup-share"   // the share that CCMSetup.exe is run from
	RoleConsole                    Role = "console"
	RoleProvider                   Role = "sms-provider"
	RoleDatabaseServer             Role = "database-server"
	RoleReportingPoint             Role = "reporting-services-point"
	RoleStateMigrationPoint        Role = "state-migration-point"
	RolePXEServer                  Role = "pxe-server"
	RoleCloudManagementGateway     Role = "cloud-management-gateway"
	RoleCloudManagementGatewayLink Role = "cmg-connection-point"
	RoleExchangeServer             Role = "exchange-server" // on premises, for the Exchange Server connector
)

// Protocol is what a path is carried by. The zero value means "not known".
type Protocol uint8

// The protocols of a path.
const (
	ProtocolUnknown Protocol = iota
	ICMP                     // echo request and reply, ICMP or ICMPv6 by the address
	TCP
	UDP
	Manual // no packet can test it: an item to check by hand, such as a program's exception in a firewall
)

var protocolWords = []string{"unknown", "icmp", "tcp", "udp", "manual"}

func (p Protocol) String() string { return word(protocolWords, p) }

// MarshalText writes the protocol's word.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the protocol's word.
func (p *Protocol) UnmarshalText(b []byte) error { return unword("protocol", protocolWords, b, p) }

// Need says how much a requirement matters.
type Need uint8

// The needs. A required path that does not work fails the run.
const (
	NeedUnknown   Need = iota
	Required           // the scenario fails without it
	Informational      // listed by the documents, but the scenario works without it
)

var needWords = []string{"unknown", "required", "informational"}

func (n Need) String() string { return word(needWords, n) }

// MarshalText writes the need's word.
func (n Need) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads the need's word.
func (n *Need) UnmarshalText(b []byte) error { return unword("need", needWords, b, n) }

// Listener says since when something listens on the port of a requirement.
// It decides what silence means: Windows in stealth mode answers nothing for
// a port without a listener.
type Listener uint8

// The listener kinds.
const (
	ListenerUnknown    Listener = iota
	ListenerNow                 // must exist before the deployment (SMB, RPC)
	ListenerWithClient          // comes with the ConfigMgr client (TCP 2701)
)

var listenerWords = []string{"unknown", "now", "with-client"}

func (l Listener) String() string { return word(listenerWords, l) }

// MarshalText writes the listener's word.
func (l Listener) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the listener's word.
func (l *Listener) UnmarshalText(b []byte) error { return unword("listener", listenerWords, b, l) }

// Several says what the ports of a row that has several are to each other.
type Several uint8

// The kinds of several ports.
const (
	SeveralUnknown   Several = iota
	SeveralAll               // every one is needed
	SeveralAny               // one is enough: a default and its alternatives
	SeveralInstances         // one for each instance of the service, in their order; how many there are is not known, but the first is
)

var severalWords = []string{"unknown", "all", "any", "instances"}

func (s Several) String() string { return word(severalWords, s) }

// MarshalText writes the word.
func (s Several) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Several) UnmarshalText(b []byte) error { return unword("several", severalWords, b, s) }

// Assurance is how far an open path is proven. Higher values include lower ones.
type Assurance uint8

// The assurance levels.
const (
	AssuranceNone     Assurance = iota
	AssurancePortOpen           // the transport answered: SYN-ACK
	AssuranceProtocol           // the expected protocol was spoken
	AssuranceRole               // the answer is one that only this role gives
	AssuranceIdentity           // and it gave the name that was asked for
)

var assuranceWords = []string{"none", "port-open", "protocol", "role", "identity"}

func (a Assurance) String() string { return word(assuranceWords, a) }

// MarshalText writes the assurance's word.
func (a Assurance) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the assurance's word.
func (a *Assurance) UnmarshalText(b []byte) error { return unword("assurance", assuranceWords, b, a) }

// Outcome is how one attempt to reach an endpoint ended, as seen from here.
// It is no verdict: a Refused may be the host's or a firewall's.
type Outcome uint8

// The outcomes. The first group is what single packets meet, the second what
// conversations on an accepted connection meet.
const (
	OutcomeUnknown Outcome = iota

	Answered   // SYN-ACK, echo reply, or a UDP datagram that matches the request
	Refused    // TCP RST
	Rejected   // ICMP destination unreachable; ICMP type, code and sender are kept
	Expired    // ICMP time exceeded; the sender is kept
	Silent     // nothing came within the time allowed, for every try
	Unresolved // the name has no address
	LocalError // this machine could not do the test

	Spoke   // the expected protocol was spoken
	Foreign // somebody answered in another protocol, or not as this role does
	Mute    // the connection was accepted, then nothing came
	Cut     // the connection was accepted, then closed or reset too early
	Garbled // the expected protocol was begun, but broken, endless or oversized
)

var outcomeWords = []string{
	"unknown",
	"answered", "refused", "rejected", "expired", "silent", "unresolved", "local-error",
	"spoke", "foreign", "mute", "cut", "garbled",
}

func (o Outcome) String() string { return word(outcomeWords, o) }

// asHost reports whether an answer to a packet came in the name of the host.
func (o Outcome) asHost() bool { return o == Answered || o == Refused }

// MarshalText writes the outcome's word.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the outcome's word.
func (o *Outcome) UnmarshalText(b []byte) error { return unword("outcome", outcomeWords, b, o) }

// word returns the name of an enumeration's value.
func word[T ~uint8](words []string, v T) string {
	if int(v) < len(words) {
		return words[v]
	}
	return fmt.Sprintf("%d", v)
}

// unword finds the value of a name; it is the reverse of word.
func unword[T ~uint8](kind string, words []string, b []byte, v *T) error {
	for i, w := range words {
		if w == string(b) {
			*v = T(i)
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q (known: %s)", kind, b, strings.Join(words[1:], ", "))
}
