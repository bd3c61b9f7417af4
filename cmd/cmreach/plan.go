package main

import (
	"cmreach/profiles"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// build makes the plan that the flags describe. Every mistake in them, and in
// the files that they name, is told.
func (p *program) build(s *selection, args []string) (*profiles.Plan, pace, error) {
	limits, err := s.read()
	errs := []error{err}
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
	var site *profiles.Site
	exclude := slices.Clone(s.exclude)
	if s.site != "" {
		site, err = profiles.LoadSite(s.site)
		errs = append(errs, err)
		if site != nil {
			exclude = append(exclude, site.Exclude...)
		}
	}
	targets, err := p.readTargets(s, args, exclude)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, limits, usage(err)
	}
	plan, err := profiles.NewPlan(profiles.Options{
		Profiles: list, Site: site, Targets: targets, Roles: s.roles, Ports: s.ports,
		Only: s.only, Vantage: s.vantage, Family: s.family(),
	})
	if err != nil {
		return nil, limits, usage(err)
	}
	if plan.Hosts() == 0 {
		return nil, limits, usage(errors.New("nothing to check: name targets as arguments or with -t FILE, or hosts of a role with --role ROLE=HOST"))
	}
	return plan, limits, nil
}

// readTargets reads the targets of the arguments and of every -t.
func (p *program) readTargets(s *selection, args, exclude []string) (*profiles.Targets, error) {
	o := profiles.TargetOptions{Args: args, Exclude: exclude, Max: s.maxTargets, Family: s.family()}
	for _, name := range s.targets {
		if name == "-" {
			o.Sources = append(o.Sources, profiles.Source{Name: "standard input", Text: p.stdin})
			continue
		}
		f, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("-t: cannot read %s: %w: check the name", name, reason(err))
		}
		defer func() { _ = f.Close() }()
		o.Sources = append(o.Sources, profiles.Source{Name: name, Text: f})
	}
	return profiles.ReadTargets(o)
}

// planDocument is "plan -o json".
type planDocument struct {
	Profiles []string           `json:"profiles"`
	Vantage  string             `json:"vantage"`
	Hosts    int                `json:"hosts"`
	Paths    int                `json:"paths"`
	Rows     any                `json:"rows"`
	LeftOut  []profiles.LeftOut `json:"left_out"`
	Estimate profiles.Estimate  `json:"estimate"`
}

func (p *program) plan(args []string) (int, error) {
	var s selection
	fs := p.flagSet("plan", "[FLAGS] [TARGET…]")
	s.register(fs)
	format := fs.StringP("output", "o", "text", "text or json")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	if *format != "text" && *format != "json" {
		return 0, usage(fmt.Errorf("-o: unknown format %q: %s", *format, profiles.Suggest(*format, []string{"text", "json"})))
	}
	plan, limits, err := p.build(&s, fs.Args())
	if err != nil {
		return 0, err
	}
	est := plan.Estimate(limits.rate, s.rounds, s.timeout)
	if *format == "json" {
		doc := planDocument{
			Profiles: plan.Profiles, Vantage: string(plan.Vantage), Hosts: plan.Hosts(), Paths: plan.Paths(),
			Rows: plan.Rows, LeftOut: plan.LeftOut, Estimate: est,
		}
		return 0, writeJSON(p.stdout, doc)
	}
	return 0, printPlan(p.stdout, plan, est, s.rate)
}

func printPlan(w io.Writer, plan *profiles.Plan, est profiles.Estimate, rate string) error {
	fmt.Fprintf(w, "%d hosts, %d paths, seen from the %s; nothing was sent\n\n", plan.Hosts(), plan.Paths(), plan.Vantage)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range plan.Rows {
		where := r.Protocol.String()
		if r.Port != 0 {
			where += fmt.Sprintf(" %d", r.Port)
		} else if r.Via != 0 {
			where += fmt.Sprintf(" (named by %d)", r.Via)
		}
		note := ""
		if !r.FromHere {
			note = "service only: the way starts at the " + string(r.From)
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s → %s\t%s\n", r.ID, where, r.Need, r.From, r.To, note)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, l := range plan.LeftOut {
		fmt.Fprintf(w, "  %s is left out: %s", l.Requirement, l.Reason)
		if l.Hint != "" {
			fmt.Fprintf(w, " (%s)", l.Hint)
		}
		fmt.Fprintln(w)
	}
	second := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	pace := rate + " a second"
	if rate == "max" {
		pace = "full speed"
	}
	_, err := fmt.Fprintf(w, "\npackets: %d if everything answers, %d if nothing does; conversations: up to %d\ntime at %s: %s to %s, and the conversations\n",
		est.PacketsBest, est.PacketsWorst, est.Conversations, pace, second(est.Best), second(est.Worst))
	return err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
