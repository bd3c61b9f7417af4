package verdict

import (
	"cmreach/scanner"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Context is what Judge must know beside the evidence.
type Context struct {
	Vantage scanner.Role // the role of the machine that ran the check
	// Brief leaves out the message and the evidence of open paths, for callers
	// that count them and do not show them.
	Brief bool
}

// Judge returns one finding for each row of the host, in the order of the
// rows. It is total: whatever was observed, or not, each row gets a state.
func Judge(h scanner.Host, c Context) []Finding {
	var j Judger
	return j.Judge(&h, c)
}

// Judger judges one host after the other in the same room: for callers that are
// done with the findings of one host before they ask for those of the next.
type Judger struct {
	view view
	out  []Finding
}

// Judge is [Judge]; the slice is valid until the next call, what the findings
// refer to for ever.
func (j *Judger) Judge(h *scanner.Host, c Context) []Finding {
	v := &j.view
	v.read(h)
	out := slices.Grow(j.out[:0], len(h.Rows))[:len(h.Rows)]
	j.out = out
	for i, row := range h.Rows {
		v.brief = c.Brief && row.FromHere
		v.judge(row, &out[i])
		if !row.FromHere && out[i].State != Unresolved && out[i].State != Error && out[i].State != Untested {
			untested(&out[i], row, c)
		}
	}
	satisfy(out)
	return out
}

// judge applies the first rule that matches.
func (p *path) judge(f *Finding) {
	row, h := p.row, p.view.host
	r := match(p)
	*f = Finding{} // and then field by field, which spares a copy of all
	f.Profile, f.Requirement, f.From, f.To = row.Profile, row.ID, row.From, row.To
	f.Host, f.Addr, f.Protocol, f.Port = h.Name, h.Addr, row.Protocol, row.Port
	f.Required, f.AnyOf, f.Fix = row.Need == scanner.Required, row.AnyOf, row.Fix
	f.Boundary, f.Tags, f.State, f.Reason = h.Boundary, h.Tags, r.State, r.Reason
	if r.State != Open || !p.view.brief {
		p.explain(r, f)
	}
	switch f.State {
	case Open:
		f.Assurance = p.assurance()
		f.Fix = ""
	case Blocked, Closed, Down:
		f.By = p.by()
		f.Between = p.between()
	default:
	}
}

// explain puts the verdict into a sentence, and the evidence into lines. All
// are parts of one text.
func (p *path) explain(r *Rule, f *Finding) {
	v := p.view
	v.text, v.marks = r.say(p, v.text[:0]), v.marks[:0]
	said := len(v.text)
	p.evidence()
	text := string(v.text)
	f.Message = text[:said]
	if len(v.marks) == 0 {
		return
	}
	f.Evidence = make([]string, len(v.marks))
	from := said
	for i, to := range v.marks {
		f.Evidence[i] = text[from:to]
		from = to
	}
}

// untested rewrites a finding of a row that starts at another machine: what
// was seen from here proves the service, not the way to it.
func untested(f *Finding, row *scanner.Requirement, c Context) {
	seen := fmt.Sprintf("seen from the %s: %s", c.Vantage, f.State)
	if f.State == Open && f.Assurance > scanner.AssuranceNone {
		seen += " (" + f.Assurance.String() + ")"
	}
	f.Evidence = append([]string{seen + ": " + f.Message}, f.Evidence...)
	f.Message = fmt.Sprintf("the way starts at the %s and must be tested there; %s", f.From, seen)
	f.Seen = f.State
	f.State, f.Reason, f.Assurance = Untested, "untested.vantage", scanner.AssuranceNone
	f.By, f.Between = netip.Addr{}, nil
	where := f.Host // clients are targets, and named without their role
	if f.To != scanner.RoleClient {
		where = fmt.Sprintf("--role %s=%s", f.To, f.Host)
	}
	for _, port := range row.PortFlags {
		where = "--port " + port + " " + where
	}
	f.Fix = fmt.Sprintf("run on a %s: cmreach check -p %s --vantage %s --only %s %s",
		f.From, f.Profile, f.From, rowName(f.Requirement), where)
}

// rowName is the row's part of a requirement's id.
func rowName(id string) string {
	_, name, ok := strings.Cut(id, "/")
	if !ok {
		return id
	}
	return name
}

// satisfy marks the members of any-of groups of which another one is open.
func satisfy(fs []Finding) {
	for i := range fs {
		f := &fs[i]
		if f.AnyOf == "" || f.State == Open {
			continue
		}
		for k := range fs {
			other := &fs[k]
			if other.State == Open && other.AnyOf == f.AnyOf && other.Profile == f.Profile {
				f.SatisfiedBy = other.Requirement
				break
			}
		}
	}
}
