package scanner

import (
	"net/netip"
	"slices"
	"time"
)

// task is one endpoint of a host that the sweep asks until it answers or its
// tries are used up. Times are of the run's clock. Most of the memory of a run
// is tasks: what each try needs stands together, and what few have in extra.
type task struct {
	host  *hostRun
	proto Protocol
	hop   uint8  // hop limit of the shot; 0: the system's
	port  uint16 //
	via   uint16 // the port whose conversation led here
	tries uint8  // that count
	local uint8  // tries that do not, because of a trouble of this machine
	slot  uint32 // of the latest try, place and 1; see slots
	done  bool
	// silent: it ended without an answer; late: it was asked again after that.
	silent, late bool
	canary       uint8 // 1 and the number of the canary; 0: it is none

	first time.Duration // first shot
	last  time.Duration // latest shot
	trace *trace        // set when the shot measures how far a packet gets
	more  *extra        // what most tasks do not have

	probe string // conversation to hold when the port answers
	seen  seen   // how it ended
	again bool   // the listener of the host is asked whether it is still there
	void  uint8  // tries that tell nothing, when it was given up
}

// extra is what few tasks have.
type extra struct {
	probes  []string   // further conversations
	err     string     // why this machine could not do it
	from    netip.Addr // who answered, where it was not the host
	payload []byte     // UDP: the datagram, the same for every try
	also    []byte     // UDP: the second datagram
	udp     UDPSocket  // UDP: what the answer needs
	router  *rationer  // that is tested by asking this path again
}

// asksRouter reports whether the task belongs to no host: a path is asked again
// that a router rejected.
func (t *task) asksRouter() bool { return t.more != nil && t.more.router != nil }

// askedOnce reports whether the latest try of a task is the first of a path.
func (t *task) askedOnce() bool {
	return t.tries == 1 && t.trace == nil && t.canary == 0 && !t.again && !t.asksRouter()
}

// seen is the answer to a task, or its want.
type seen struct {
	outcome Outcome
	ttl     uint8
	icmp    ICMPError
	itself  bool // the host answered, and not another for it
	took    time.Duration
}

// hostRun is a host while it is being checked. It is used again for another
// host afterwards.
type hostRun struct {
	*Host
	net     *neighbourhood
	tasks   []*task // its endpoints
	own     []task  // room for those that its rows name
	fresh   int     // how many of the tasks were there from the start
	open    int     // tasks and conversations that are not done
	talking int     // conversations under way
	queue   []job   // conversations that wait for their turn
	slow    time.Duration
	allowed allowance
	late    bool // the silent endpoints were asked again
	sure    bool // the listener was asked whether it is still there
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

// begin takes a host and lists its tasks: each endpoint once, however many rows
// ask for it.
func (r *hostRun) begin(h *Host) {
	r.Host = h
	if !h.Addr.IsValid() {
		return
	}
	if cap(r.own) < len(h.Rows) { // before the first: tasks do not move
		r.own = make([]task, 0, len(h.Rows))
	}
	for _, row := range h.Rows {
		switch {
		case row.Protocol == Manual:
		case row.Via != 0:
			r.add(TCP, row.Via, 0, row.ViaProbe)
		default:
			r.addRow(row)
		}
	}
	r.fresh = len(r.tasks)
}

// addRow adds the endpoints of a row with ports of its own.
func (r *hostRun) addRow(row *Requirement) {
	switch {
	case row.Protocol == UDP && row.Probe == "" && row.FarEnd != "": // a datagram that means nothing proves nothing
	case len(row.Ports) > 0:
		for _, port := range row.Ports {
			r.add(row.Protocol, port, 0, row.Probe)
		}
	default:
		r.add(row.Protocol, row.Port, 0, row.Probe)
	}
	if row.FarEnd != "" {
		r.add(row.Protocol, row.Port, 0, row.FarEnd)
	}
	if row.Control != 0 {
		r.add(TCP, row.Control, 0, row.ControlProbe)
	}
}

// reset lets go of everything but the room.
func (r *hostRun) reset() {
	clear(r.own)
	clear(r.tasks)
	clear(r.queue)
	*r = hostRun{own: r.own[:0], tasks: r.tasks[:0], queue: r.queue[:0]}
}

// add makes sure that the endpoint is asked and the conversation held. It
// returns the task when it is new.
func (r *hostRun) add(proto Protocol, port, via uint16, probe string) *task {
	for _, t := range r.tasks {
		if t.proto == proto && t.port == port && (proto != UDP || probe == "" || t.holds(probe)) {
			if probe != "" && !t.holds(probe) {
				t.hold(probe)
			}
			return nil
		}
	}
	var t *task
	if len(r.own) < cap(r.own) {
		r.own = append(r.own, task{})
		t = &r.own[len(r.own)-1]
	} else {
		t = &task{}
	}
	t.host, t.proto, t.port, t.via, t.probe = r, proto, port, via, probe
	r.tasks = append(r.tasks, t)
	r.open++
	return t
}

// holds reports whether the conversation is one of the task's.
func (t *task) holds(probe string) bool {
	return t.probe == probe || t.more != nil && slices.Contains(t.more.probes, probe)
}

// hold adds a conversation.
func (t *task) hold(probe string) {
	if t.probe == "" {
		t.probe = probe
		return
	}
	x := t.extra()
	x.probes = append(x.probes, probe)
}

// probes calls f with every conversation of the task.
func (t *task) probes(f func(name string)) {
	if t.probe != "" {
		f(t.probe)
	}
	if t.more != nil {
		for _, name := range t.more.probes {
			f(name)
		}
	}
}

func (t *task) extra() *extra {
	if t.more == nil {
		t.more = &extra{}
	}
	return t.more
}

// goes reports whether a reply is about a path of the task.
func (t *task) goes(r *Reply) bool {
	return r.To.Addr() == t.host.Addr && r.To.Port() == t.port && r.Over == t.proto
}

// observation is what was seen of the task, in a run that began at started.
func (t *task) observation(o *Observation, started time.Time) {
	o.Protocol, o.Port, o.Via, o.HopLimit = t.proto, t.port, t.via, t.hop
	if t.proto == UDP && t.trace == nil {
		o.Asked = t.probe
	}
	o.Outcome, o.TTL, o.ICMP, o.Took = t.seen.outcome, t.seen.ttl, t.seen.icmp, t.seen.took
	o.Sent, o.Tries = started.Add(t.first), int(t.tries)
	if t.more != nil {
		o.Err, o.From = t.more.err, t.more.from
	}
	if t.seen.itself {
		o.From = t.host.Addr
	}
}
