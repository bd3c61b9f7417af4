package record

import (
	"cmreach/scanner"
	"encoding/json"
	"net/netip"
	"time"
)

// Schema is the version of the stream and of the JSON document.
const Schema = "cmreach/1"

// MaxLine is the longest line that is written and read, in bytes.
const MaxLine = 1 << 20

// Message is one line of a record: exactly one field is set. Findings and
// causes are opinions of other packages and stay as they were written.
type Message struct {
	Header      *Header         `json:"header,omitempty"`
	Path        *Path           `json:"path,omitempty"`
	Observation *Observation    `json:"observation,omitempty"`
	Finding     json.RawMessage `json:"finding,omitempty"`
	Cause       json.RawMessage `json:"cause,omitempty"`
	Progress    *Progress       `json:"progress,omitempty"`
	End         *End            `json:"end,omitempty"`
}

// fields counts the fields that are set.
func (m Message) fields() int {
	n := 0
	for _, set := range []bool{
		m.Header != nil, m.Path != nil, m.Observation != nil, m.Finding != nil,
		m.Cause != nil, m.Progress != nil, m.End != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

// Header opens a record: what was asked for, and how.
type Header struct {
	Schema   string                 `json:"schema"`
	Version  string                 `json:"version"` // of cmreach
	Started  time.Time              `json:"started"`
	Scanner  string                 `json:"scanner"` // host name of the machine that ran the check
	Vantage  scanner.Role           `json:"vantage"`
	Site     string                 `json:"site,omitempty"` // site code
	Profiles []string               `json:"profiles"`
	Rows     []*scanner.Requirement `json:"rows"`
	Targets  int                    `json:"targets"` // planned
	Engine   string                 `json:"engine"`  // "connect", "raw"
	Depth    string                 `json:"depth"`
	Rate     string                 `json:"rate"`
	Timeout  time.Duration          `json:"timeout"` // nanoseconds
	Rounds   int                    `json:"rounds"`
	// Boundaries are the named parts of the network, in the order of the site file.
	Boundaries []string `json:"boundaries,omitempty"`
	Notes      []string `json:"notes,omitempty"` // what this machine or this engine could not do
	// Plan is the digest of the plan, Order the key of the order in which it is
	// walked, in hexadecimal, and Args are the flags and targets that describe it:
	// what is needed to go on with a run that was interrupted. Empty Args: they
	// are not known, or too many.
	Plan  string   `json:"plan,omitempty"`
	Order string   `json:"order,omitempty"`
	Args  []string `json:"args,omitempty"`
	// Shard is the part of the plan that this run is of; nil: it is all of it.
	Shard *Shard `json:"shard,omitempty"`
	// Unchecked are required rows that apply and were not checked, such as those
	// whose role nobody plays.
	Unchecked []Unchecked `json:"unchecked,omitempty"`
	// Merged are the runs that a merged record was made of. Its findings rest
	// on the rules and the vantage of each: they are not judged again.
	Merged []Origin `json:"merged,omitempty"`
}

// Unchecked is a required row of a profile that the run leaves out.
type Unchecked struct {
	Requirement string `json:"requirement"`
	AnyOf       string `json:"any_of,omitempty"`
	Reason      string `json:"reason"`
}

// Shard is one of several disjoint parts of a plan.
type Shard struct {
	Number int `json:"number"` // from 1
	Of     int `json:"of"`
	Hosts  int `json:"hosts"` // of the whole plan
}

// Origin is one of the runs that a merged record was made of.
type Origin struct {
	Run      string       `json:"run"` // as the evidence calls it
	Scanner  string       `json:"scanner"`
	Vantage  scanner.Role `json:"vantage"`
	Started  time.Time    `json:"started"`
	Finished time.Time    `json:"finished,omitzero"`
	Hosts    int          `json:"hosts"`
	Plan     string       `json:"plan,omitempty"` // digest
	Shard    *Shard       `json:"shard,omitempty"`
	Sources  []netip.Addr `json:"sources,omitempty"` // as in End
}

// Path says that a row applies to an address of a host.
type Path struct {
	Host        string     `json:"host"`
	Addr        netip.Addr `json:"addr"`
	Requirement string     `json:"requirement"`
	// Boundary is the named part of the network that the address lies in, and
	// Tags are what the list of targets says of the host. They stand at its
	// first path only.
	Boundary string           `json:"boundary,omitempty"`
	Tags     []scanner.Detail `json:"tags,omitempty"`
	// Addresses is how many addresses are checked of a name that has several, at
	// the first path of each: which tells whether all of them are recorded.
	Addresses int `json:"addresses,omitempty"`
}

// Observation is one observation of a host.
type Observation struct {
	Host string     `json:"host"`
	Addr netip.Addr `json:"addr"`
	scanner.Observation
}

// Progress is how far the run is. It carries no evidence.
type Progress struct {
	At      time.Time `json:"at"`
	Hosts   int       `json:"hosts"`   // finished addresses
	Planned int       `json:"planned"` // hosts in the plan
	Packets uint64    `json:"packets"`
	Doubt   float64   `json:"doubt,omitempty"` // as in End, so far
}

// End closes a record that is whole.
type End struct {
	Finished    time.Time `json:"finished"`
	Interrupted bool      `json:"interrupted,omitempty"`
	Hosts       int       `json:"hosts"`             // addresses that are finished and recorded; a name may have several
	Targets     int       `json:"targets,omitempty"` // of the planned hosts, those of which an address is recorded
	Planned     int       `json:"planned"`           // hosts that the plan has: a name counts once
	Packets     uint64    `json:"packets"`           // sent by the sweep
	Loss        float64   `json:"loss"`              // estimated share of lost round trips, 0 to 1
	Doubt       float64   `json:"doubt"`             // expected number of falsely silent paths
	Exit        int       `json:"exit"`              // the exit code of the run
	Err         string    `json:"err,omitempty"`
	// Sources are the addresses of this machine from which blocked hosts were
	// asked: what a firewall must permit. Not all of them, if there are many.
	Sources []netip.Addr `json:"sources,omitempty"`
	Hurdles
}

// Hurdles are what a run met on its way besides silence. All are 0 in a record
// of a version that did not count them.
type Hurdles struct {
	Retried      int     `json:"retried,omitempty"`       // paths that answered, but not at the first packet
	Outage       int     `json:"outage,omitempty"`        // packets lost at times at which most were; no part of the loss
	Trouble      int     `json:"trouble,omitempty"`       // how often this machine could not send, or lost what it received
	TroubleCause string  `json:"trouble_cause,omitempty"` // in the words of the system
	Cuts         int     `json:"cuts,omitempty"`          // how often the run slowed down because the losses grew with the rate
	Fastest      float64 `json:"fastest,omitempty"`       // the highest rate before such a cut, in packets a second
	Carried      float64 `json:"carried,omitempty"`       // what the network was found to carry then
	LocalDoubt   float64 `json:"local_doubt,omitempty"`   // the doubt of the subnets one by one; the doubt is never less
}

// Plus joins what two runs, or two parts of one, have met. Of the rates those
// of the slower network count, of the causes the latter.
func (h Hurdles) Plus(o Hurdles) Hurdles {
	h.Retried += o.Retried
	h.Outage += o.Outage
	h.Trouble += o.Trouble
	if o.TroubleCause != "" {
		h.TroubleCause = o.TroubleCause
	}
	if o.Cuts > 0 && (h.Cuts == 0 || o.Carried < h.Carried) {
		h.Fastest, h.Carried = o.Fastest, o.Carried
	}
	h.Cuts += o.Cuts
	h.LocalDoubt += o.LocalDoubt
	return h
}
