package history

import (
	"cmreach/scanner/verdict"
	"net/netip"
	"time"
)

// Samples is how many paths a list of [Changes] names at the most. The counts
// are of all.
const Samples = 1000

// Item is one path and what became of it.
type Item struct {
	Requirement string        `json:"requirement"` // "push/smb"
	Host        string        `json:"host"`        // the name that was asked for
	Addr        netip.Addr    `json:"addr"`        // the one that the state is of; empty when there is none
	Required    bool          `json:"required"`
	State       verdict.State `json:"state,omitempty"` // now, or as it was last seen; zero: not seen
	Was         verdict.State `json:"was,omitempty"`   // before the change; zero: not known
	Reason      string        `json:"reason,omitempty"`
	Message     string        `json:"message,omitempty"` // of this run; empty for paths that it did not reach
	Since       time.Time     `json:"since,omitzero"`    // the start of the run that confirmed how it stands
	Steady      bool          `json:"steady,omitempty"`  // it was flapping before, and is no more
}

// Counts says how many paths each list of [Changes] has, with those that it
// does not name.
type Counts struct {
	Broken    int `json:"broken"`
	Recovered int `json:"recovered"`
	Still     int `json:"still"`
	Flapping  int `json:"flapping"`
	Gone      int `json:"gone"`
	Added     int `json:"added"`
}

// Changes is how a run differs from those before it. No path is in two of
// Broken, Recovered, Still and Flapping; one of Added may be in one of these too.
// Each list is sorted, required paths first, and has at most [Samples] items.
type Changes struct {
	Broken    []Item `json:"broken"`    // works no longer, confirmed: State says how, blocked as well as down
	Recovered []Item `json:"recovered"` // was broken, and is open again, confirmed
	Still     []Item `json:"still"`     // broken before and, as far as is known, now
	Flapping  []Item `json:"flapping"`  // works and fails by turns, and is therefore in none of the lists above
	Gone      []Item `json:"gone"`      // no longer in the plan; nothing is known of it
	Added     []Item `json:"added"`     // new in the plan

	Counts Counts `json:"counts"` // of all, where the lists are cut
	Groups Groups `json:"-"`      // the same for people: a line for what is alike

	// NewlyFlapping are those of Flapping that were not so before.
	NewlyFlapping int `json:"newly_flapping"`
	// GoneBroken are those of Gone that did not work.
	GoneBroken int `json:"gone_broken"`
	// Unconfirmed counts paths that fare otherwise than is believed of them, not
	// yet for long enough.
	Unconfirmed int `json:"unconfirmed"`
	// Untested counts required paths of the run that start elsewhere, and Undecided
	// others whose result is no verdict (inconclusive, error): what is remembered of them
	// stands.
	Untested  int `json:"untested"`
	Undecided int `json:"undecided"`
	// Errors are those of the undecided that this machine could not test.
	Errors int `json:"errors"`
	// Unreached counts paths that are remembered and that an incomplete run did
	// not come to: what is remembered of them stands. They are in no list.
	Unreached int `json:"unreached"`
	Paths     int `json:"paths"` // that are remembered now

	// Untold counts the changes of earlier runs that are told here because the
	// receiver of a notification could not be told then, and UntoldSince is the first of these
	// runs. The lists have these paths as they are now.
	Untold      int       `json:"untold,omitempty"`
	UntoldSince time.Time `json:"untold_since,omitzero"`

	First    bool      `json:"first"`             // nothing was remembered: there was no state, or it was lost
	Started  time.Time `json:"started"`           // this run
	Previous time.Time `json:"previous,omitzero"` // the start of the run before
	Confirm  string    `json:"confirm"`           // what it takes to believe a change: "3/5"
	Lost     string    `json:"lost,omitempty"`    // why an older state could not be read
	KeptAs   string    `json:"kept_as,omitempty"` // where that one was put aside
	Complete bool      `json:"complete"`          // all of the plan was checked
}

// Changed reports whether there is anything to tell that was not told before.
// Paths that are still broken, or still flapping, are none.
func (c *Changes) Changed() bool {
	n := c.Counts
	return n.Broken+n.Recovered+c.NewlyFlapping+c.GoneBroken > 0 || c.otherPlan() || !c.UntoldSince.IsZero()
}

// planShare is the part of all paths that must come or go to be news.
const planShare = 10

// otherPlan reports whether the plan is another one now. A list of targets that
// somebody's directory writes changes a little each hour, and who is told of that each
// hour reads nothing any more; one that was halved by mistake is news.
func (c *Changes) otherPlan() bool {
	n := c.Counts
	return n.Gone+n.Added > 0 && planShare*(n.Gone+n.Added) >= c.Paths+n.Gone
}

// Silent reports whether a job that tells changes alone may say nothing: the run
// was complete, this machine could test everything, the state was there, and
// nothing changed.
func (c *Changes) Silent() bool {
	return c.Complete && c.Errors == 0 && c.Lost == "" && !c.Changed()
}
