package scanner

import (
	"fmt"
	"net/netip"
	"runtime"
	"time"
)

// Config is how a run is done. Sweeper, Dialer, Resolver and Probes must be
// set; the zero value of everything else stands for its default.
type Config struct {
	Sweeper  Sweeper
	Dialer   Dialer
	Resolver Resolver
	Network  string           // "ip" (default), "ip4" or "ip6": which addresses of a name are checked
	Probes   map[string]Probe // by the word that requirements use
	// Source is this machine's address on the way to another, for datagrams
	// that carry it. It sends nothing. Nil: not known.
	Source func(to netip.Addr) netip.Addr

	Depth Assurance // how far to prove; AssurancePortOpen holds no conversation. Default AssuranceIdentity
	Site  string    // site code, for the probes that can compare it

	Rate    float64       // packets a second; 0: as fast as the Sweeper takes them
	Timeout time.Duration // how long an answer is waited for at the most, where the network does not show that less is enough. Default 1 s
	Rounds  int           // packets to a silent path at the most. Default 6
	// Extra is how many packets more than Rounds a silent path may get whose host is
	// alive, where the losses of the run leave too great a doubt.
	Extra    int
	Talk     time.Duration // how long one conversation may last. Default 8 s
	Window   int           // hosts in flight, four times as many where packets are lost. Default 16384
	Talks    int           // conversations at once. Default 64 for each CPU
	HostTalk int           // conversations with one host at once. Default 2
	Revealed int           // ports followed for one host, of those that a conversation reveals. Default 16
	// Recycle says that the consumer keeps nothing of the observations of a host
	// after the step of its loop that brought it: their room is used again. What
	// they refer to (texts, lists) stays as it is.
	Recycle bool
	// Hindsight is how long after a TCP packet was to leave the sweeper may learn
	// that this machine has dropped it: no path is called silent before that. 0:
	// it learns it at once, or never.
	Hindsight time.Duration
	Traces    int // silent paths to locate hop by hop, for each subnet and port. Default 2; negative: none
}

// minTries is how often a silent path is asked at the least: with fewer, the
// loss of the run cannot be told from the silence of the path.
const minTries = 3

func (c Config) withDefaults() (Config, error) {
	if c.Sweeper == nil || c.Dialer == nil || c.Resolver == nil {
		return c, fmt.Errorf("scanner: sweeper, dialer and resolver must be set")
	}
	setDefault(&c.Network, "ip")
	setDefault(&c.Depth, AssuranceIdentity)
	setDefault(&c.Timeout, time.Second)
	setDefault(&c.Rounds, 6)
	setDefault(&c.Talk, 8*time.Second)
	setDefault(&c.Window, 1<<14)
	setDefault(&c.Talks, 64*runtime.NumCPU())
	setDefault(&c.HostTalk, 2)
	setDefault(&c.Revealed, 16)
	setDefault(&c.Traces, 2)
	return c, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Event is what a run yields: exactly one field is set.
type Event struct {
	Host     *Host     // a host with all its observations; it is final
	Progress *Progress // how far the run is
	Err      error     // why the run ended before its plan did; the last event
}

// Progress is how far a run is. It may be ignored.
type Progress struct {
	Hosts   int    // finished
	Flight  int    // hosts being checked
	Packets uint64 // sent by the sweep
	Stats   Stats
}
