package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// lookUp completes the flags out of the name service.
type lookUp func(list []*profiles.Profile, site *profiles.Site) error

// build makes the plan that the flags describe. Every mistake in them, and in
// the files that they name, is told. Nil for complete sends nothing.
func (p *program) build(s *selection, args []string, complete lookUp) (*profiles.Plan, pace, error) {
	var errs []error
	site, siteErr := s.loadSite()
	limits, err := s.read()
	errs = append(errs, err)
	var names, files []string
	for _, name := range s.profiles {
		if isFile(name) {
			files = append(files, name)
		} else {
			names = append(names, name)
		}
	}
	list, err := profiles.Load(names, files)
	errs = append(errs, err)
	errs = append(errs, siteErr)
	exclude := slices.Clone(s.exclude)
	if site != nil {
		exclude = append(exclude, site.Exclude...)
		if len(args) == 0 && len(s.targets) == 0 {
			s.targets = site.Clients
		}
	}
	targets, err := p.readTargets(s, args, exclude)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, limits, usage(err)
	}
	site = s.withCode(site)
	if complete != nil {
		if err := complete(list, site); err != nil {
			return nil, limits, usage(err)
		}
	}
	plan, err := profiles.NewPlan(profiles.Options{
		Profiles: list, Site: site, Targets: targets, Roles: s.roles, Ports: s.ports,
		Only: s.only, When: s.when, Vantage: s.vantage, Family: s.family(), FarEnd: s.farEnd.options(),
	})
	if err != nil {
		return nil, limits, usage(err)
	}
	if plan.Hosts() == 0 {
		return nil, limits, usage(errors.New("nothing to check: name targets as arguments or with -t FILE, or hosts of a role with --role ROLE=HOST"))
	}
	return plan, limits, usage(limits.shard.take(plan))
}

// loadSite reads the site file, if one is named; its limits count where no flag
// says otherwise.
func (s *selection) loadSite() (*profiles.Site, error) {
	if s.site == "" {
		return nil, nil //nolint:nilnil // no site file is no error
	}
	site, err := profiles.LoadSite(s.site)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file and the place
	}
	s.adopt(site)
	return site, nil
}

// readTargets reads the targets of the arguments and of every -t.
func (p *program) readTargets(s *selection, args, exclude []string) (*profiles.Targets, error) {
	o := profiles.TargetOptions{Args: args, Exclude: exclude, Max: s.maxTargets, Family: s.family()}
	var errs []error
	stdin := false
	for _, name := range s.targets {
		switch {
		case name == "-" && stdin:
			errs = append(errs, errors.New("-t: standard input can be read once only: leave one -t - away"))
		case name == "-":
			stdin = true
			o.Sources = append(o.Sources, profiles.Source{Name: "standard input", Text: p.stdin})
		default:
			f, err := openList(name)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			defer func() { _ = f.Close() }()
			o.Sources = append(o.Sources, profiles.Source{Name: name, Text: f})
		}
	}
	targets, err := profiles.ReadTargets(o)
	return targets, errors.Join(append(errs, err)...)
}

// openList opens a list of targets.
func openList(name string) (*os.File, error) {
	f, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("-t: cannot read %s: %w: check the name and the rights; a target itself needs no -t", name, reason(err))
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		_ = f.Close()
		return nil, fmt.Errorf("-t: %s is a directory: name a file with one target a line", name)
	}
	return f, nil
}

// planDocument is "plan -o json".
type planDocument struct {
	Profiles []string               `json:"profiles"`
	Vantage  string                 `json:"vantage"`
	Hosts    int                    `json:"hosts"`
	Paths    int                    `json:"paths"`
	Doubles  int                    `json:"duplicates"` // targets that were named again
	Excluded int                    `json:"excluded"`   // targets that were taken out
	Rows     []*scanner.Requirement `json:"rows"`
	LeftOut  []profiles.LeftOut     `json:"left_out"`
	Estimate profiles.Estimate      `json:"estimate"`
	Shard    *record.Shard          `json:"shard,omitempty"` // of whose hosts and paths these are
}

func (p *program) plan(args []string) (int, error) {
	var s selection
	fs := p.flagSet("plan", "[FLAGS] [TARGET…]")
	s.register(fs)
	format := fs.StringP("output", "o", "text", "`FORMAT`: text or json")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	if *format != "text" && *format != "json" {
		return 0, usage(fmt.Errorf("-o: unknown format %q: %s", *format, profiles.Suggest(*format, []string{"text", "json"})))
	}
	plan, limits, err := p.build(&s, fs.Args(), nil)
	if err != nil {
		return 0, err
	}
	est := plan.Estimate(limits.rate, s.rounds, s.timeout)
	if *format == "json" {
		doc := planDocument{
			Profiles: plan.Profiles, Vantage: string(plan.Vantage), Hosts: plan.Hosts(), Paths: plan.Paths(),
			Doubles: plan.Duplicates(), Excluded: plan.ExcludedCount(), Rows: plan.Rows, LeftOut: plan.LeftOut, Estimate: est,
			Shard: shardOf(plan),
		}
		return 0, p.printJSON(doc)
	}
	var out strings.Builder
	if err := printPlan(&out, plan, est, s.rate); err != nil {
		return 0, err
	}
	return 0, p.print(out.String())
}

func printPlan(w io.Writer, plan *profiles.Plan, est profiles.Estimate, rate string) error {
	fmt.Fprintf(w, "%s, %s, seen from the %s; nothing was sent\n", count(plan.Hosts(), "host"), count(plan.Paths(), "path"), plan.Vantage)
	if part := shardOf(plan); part != nil {
		fmt.Fprintln(w, shardNote(part))
	}
	if d, e := plan.Duplicates(), plan.ExcludedCount(); d+e > 0 {
		fmt.Fprintf(w, "left out: %s that were named again, %d that are excluded\n", count(d, "target"), e)
	}
	fmt.Fprintln(w)
	var rows strings.Builder
	tw := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	for _, r := range plan.Rows {
		where := r.Protocol.String()
		if r.Port != 0 {
			where += " " + scanner.PortList(r.OwnPorts())
		} else if r.Via != 0 {
			where += fmt.Sprintf(" (named by %d)", r.Via)
		}
		note := ""
		switch {
		case r.Protocol == scanner.Manual:
			note = "to be checked by hand: nothing is sent"
		case !r.FromHere:
			note = "service only: the way starts at the " + string(r.From)
		}
		if r.FarEnd != "" {
			note = strings.TrimPrefix(note+"; cmreach listen is asked", "; ")
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s → %s\t%s\n", r.ID, where, r.Need, r.From, r.To, note)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(rows.String()) { // an empty last column leaves spaces
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	for _, l := range plan.LeftOut {
		fmt.Fprintf(w, "  %s is left out: %s", l.Requirement, l.Reason)
		if l.Hint != "" {
			fmt.Fprintf(w, " (%s)", l.Hint)
		}
		fmt.Fprintln(w)
	}
	return printEstimate(w, est, rate)
}

func printEstimate(w io.Writer, est profiles.Estimate, rate string) error {
	second := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	pace := rate + " a second"
	if rate == "max" {
		pace = "full speed"
	}
	_, err := fmt.Fprintf(w, "\npackets: %d if everything answers, %d if nothing does; conversations: up to %d\ntime at %s: %s to %s, and the conversations\n",
		est.PacketsBest, est.PacketsWorst, est.Conversations, pace, second(est.Best), second(est.Worst))
	return err
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
