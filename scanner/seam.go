package scanner

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Shot is one packet, or one attempt to connect, that the sweep sends.
type Shot struct {
	// Key is chosen by the engine and given back in the Reply. It fits in 32
	// bits and is never 0. The low six bits differ between the latest tries of
	// one path.
	Key      uint64
	Addr     netip.Addr
	Protocol Protocol
	Port     uint16
	HopLimit uint8         // 0: the system's default
	Payload  []byte        // UDP: what to send
	Also     []byte        // UDP: when not nil, a second datagram that leaves with the first; an answer to either counts
	UDP      UDPSocket     // UDP: what the answer needs of our socket
	Wait     time.Duration // after this its resources may be freed; the engine's own deadline for the next try is often shorter
	// Hold is how long the answer must be waited for at the least. After it, a
	// sweeper that needs room for others may free the shot's resources before
	// Wait is over. 0: as long as Wait.
	Hold time.Duration
}

// UDPSocket says what a datagram conversation needs beside an ordinary socket.
type UDPSocket struct {
	LocalPort uint16 // send from this port, because answers go there (DHCP: 68). 0: any
	AnyPort   bool   // the answer may come from another port of the target (TFTP)
}

// Reply is what came back for a Shot. There is none for silence.
type Reply struct {
	Key     uint64
	Outcome Outcome // Answered, Refused, Rejected, Expired or LocalError
	From    netip.Addr
	TTL     uint8 // of the answer on arrival; 0: not visible
	ICMP    ICMPError
	At      time.Time
	Sent    time.Time // when the packet left; zero: unknown, the engine uses its own time
	Payload []byte    // UDP: what was answered
	Err     string    // for LocalError: what this machine could not do
	// Temporary says that a LocalError may pass (no buffer, no descriptor): the
	// engine tries again, and does not count the try.
	Temporary bool
	// To and Over say again where the shot went, from a sweeper that keeps no
	// account of its shots: the engine takes only a reply that fits. Not valid:
	// the sweeper has matched the two itself.
	To   netip.AddrPort
	Over Protocol
}

// Sweeper is the seam between the engine and the network for single packets.
// Send and Receive are called from two goroutines, each from one.
type Sweeper interface {
	// Send starts the shots and returns how many it took. Fewer than all, with
	// a nil error, means that there is no room now: the engine offers the rest
	// again. An error ends the run. The slice is the engine's again afterwards.
	Send(shots []Shot) (int, error)
	// Receive waits for replies and fills the slice. It returns when at least
	// one is there or ctx is done (then with ctx's error). A reply with an
	// unknown or outdated key is ignored by the engine. A temporary LocalError
	// with Key 0 belongs to no shot: this machine lost packets, so that what is
	// silent now may have been answered.
	Receive(ctx context.Context, replies []Reply) (int, error)
}

// Dialer opens connections for conversations.
type Dialer interface {
	// DialTCP connects. When it does not succeed the Reply says how it ended
	// (Silent when ctx ran out, Cut when it was accepted and reset at once) and
	// the connection is nil; on success
	// the Outcome is Answered. Key is not used.
	DialTCP(ctx context.Context, to netip.AddrPort) (net.Conn, Reply)
}

// Resolver finds the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Probe is a conversation as a value. Exactly one of Talk and Decode is set:
// TCP probes talk, UDP probes give a request that the sweep sends and decode
// what is answered.
type Probe struct {
	Name string
	// Doc says what it sends, proves, cannot prove and needs; the first line
	// is a summary.
	Doc      string
	Protocol Protocol
	// Talk holds the conversation. It obeys ctx, closes what it opened, and
	// never returns an error: failure is evidence.
	Talk func(ctx context.Context, c Call) Result
	// Request makes the datagram to send; retries of it are the same. Nil:
	// there is nothing to ask of this target (Ask lacks what it needs).
	Request func(Ask) []byte
	// Also makes a second datagram that leaves with each Request, for services
	// that may know only one of two versions (IKEv2, IKEv1). The answer to
	// either ends the try, and is decoded. Nil: there is none.
	Also func(Ask) []byte
	// Decode says what the answer to a request was.
	Decode func(request, answer []byte) Result
	UDP    UDPSocket
	// IPv4Only says that there is no such service in IPv6 (DHCPv4): a host that
	// has addresses of both is asked at those of IPv4.
	IPv4Only bool
}

// Ask is what a datagram is made for.
type Ask struct {
	Host string         // the name that was asked for
	To   netip.AddrPort // where it goes
	From netip.Addr     // our address on the way there; invalid when it is not known
}

// Call is what a conversation is given.
type Call struct {
	Host  string         // the name that was asked for
	To    netip.AddrPort // where to connect
	Depth Assurance      // how far to prove; AssuranceProtocol asks for no identity
	Site  string         // site code, empty when not known
	// Dial opens a connection to To. Each call opens a new one. What waits for the
	// connection ends when ctx does, as after a deadline; see [Leash].
	Dial func(ctx context.Context) (net.Conn, Reply)
}

// Result is what a conversation saw. The engine adds when, where and how often.
type Result struct {
	Outcome          Outcome // Spoke, Foreign, Mute, Cut, Garbled; or the Reply's when no connection came about
	Reply            Reply   // of the Dial that failed
	Err              string
	Proof            Assurance
	NeedsCredentials bool
	Identity         Identity
	FarEnd           *FarEnd
	Details          []Detail
	Reveals          []Endpoint // in the order in which they should be tried
}

// Detail appends a fact.
func (r *Result) Detail(key, value string) {
	r.Details = append(r.Details, Detail{Key: key, Value: value})
}
