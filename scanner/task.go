package scanner

import (
	"net/netip"
	"slices"
	"time"
)

// task is one endpoint of a host that the sweep asks until it answers or its
// tries are used up.
type task struct {
	host   *hostRun
	proto  Protocol
	port   uint16
	via    uint16   // the port whose conversation led here
	probes []string // conversations to hold when the port answers
	trace  *trace   // set when the shot measures how far a packet gets
	hop    uint8    // hop limit of the shot; 0: the system's

	payload []byte    // UDP: the datagram, the same for every try
	also    []byte    // UDP: the second datagram
	udp     UDPSocket // UDP: what the answer needs

	again bool // the listener of the host is asked whether it is still there

	keys  []uint64 // of all shots that may still be answered
	tries int
	first time.Time // first shot
	last  time.Time // latest shot
	local int       // temporary failures of this machine
	done  bool
	// silent: it ended without an answer; late: it was asked again after that.
	silent, late bool
}

// hostRun is a host while it is being checked.
type hostRun struct {
	*Host
	tasks   []*task
	open    int   // tasks and conversations that are not done
	talking int   // conversations under way
	queue   []job // conversations that wait for their turn
	late    bool  // the silent endpoints were asked again
	sure    bool  // the listener was asked whether it is still there
	traced  bool
}

// job is a conversation to be held.
type job struct {
	host  *hostRun
	port  uint16
	via   uint16
	probe Probe
	again bool // as of a task
	tries int
	sent  time.Time // first try
}

// newHostRun lists the tasks of a host: each endpoint once, however many rows
// ask for it.
func newHostRun(h *Host) *hostRun {
	r := &hostRun{Host: h}
	if !h.Addr.IsValid() {
		return r
	}
	for _, row := range h.Rows {
		if row.Protocol == Manual {
			continue
		}
		if row.Via != 0 {
			r.add(TCP, row.Via, 0, row.ViaProbe)
			continue
		}
		if row.Protocol != UDP || row.Probe != "" || row.FarEnd == "" { // a datagram that means nothing proves nothing
			for _, port := range row.OwnPorts() {
				r.add(row.Protocol, port, 0, row.Probe)
			}
		}
		if row.FarEnd != "" {
			r.add(row.Protocol, row.Port, 0, row.FarEnd)
		}
		if row.Control != 0 {
			r.add(TCP, row.Control, 0, row.ControlProbe)
		}
	}
	return r
}

// add makes sure that the endpoint is asked and the conversation held. It
// returns the task when it is new.
func (r *hostRun) add(proto Protocol, port, via uint16, probe string) *task {
	for _, t := range r.tasks {
		if t.proto == proto && t.port == port && t.trace == nil && (proto != UDP || slices.Contains(t.probes, probe) || probe == "") {
			if probe != "" && !slices.Contains(t.probes, probe) {
				t.probes = append(t.probes, probe)
			}
			return nil
		}
	}
	t := &task{host: r, proto: proto, port: port, via: via}
	if probe != "" {
		t.probes = []string{probe}
	}
	r.tasks = append(r.tasks, t)
	r.open++
	return t
}

// goes reports whether a reply is about a path of the task.
func (t *task) goes(r Reply) bool {
	return r.To.Addr() == t.host.Addr && r.To.Port() == t.port && r.Over == t.proto
}

// observe adds an observation of the task.
func (t *task) observe(o Observation) {
	o.Protocol, o.Port, o.Via, o.HopLimit = t.proto, t.port, t.via, t.hop
	if t.proto == UDP && len(t.probes) > 0 {
		o.Asked = t.probes[0]
	}
	o.Tries = t.tries
	o.Sent = t.first
	t.host.Observations = append(t.host.Observations, o)
}

// forget takes the observation of a silent task back.
func (t *task) forget() {
	t.silent = false
	t.host.Observations = slices.DeleteFunc(t.host.Observations, func(o Observation) bool {
		return o.Sweep() && o.Protocol == t.proto && o.Port == t.port
	})
}

// subnet is the neighbourhood of an address: /24 or /64.
func subnet(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
