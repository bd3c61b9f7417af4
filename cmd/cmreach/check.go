package main

import (
	"cmreach/cmd/cmreach/notify"
	"cmreach/probes"
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"
)

func (p *program) check(args []string) (int, error) {
	f, err := p.readCheck(args)
	if err != nil {
		return 0, err
	}
	defer f.continues.close()
	s := &f.selection
	how, flagErr := f.reportFlags.read(p)
	job := how.job
	dns, notes := nameService(net.DefaultResolver), []string(nil)
	complete := func(list []*profiles.Profile, site *profiles.Site) (err error) {
		if err = how.writable(); err == nil { // else nothing is to be sent
			dns, notes, err = s.lookUpNames(p.ctx, list, site)
		}
		return err
	}
	if flagErr != nil {
		complete = nil
	}
	plan, limits, err := p.build(s, f.set.Args(), complete)
	if err == nil && f.continues != nil {
		err = f.continues.fits(plan, f)
	}
	if err := errors.Join(flagErr, err); err != nil {
		return 0, usage(err)
	}
	if err := job.open(p, plan.Vantage, plan.Site); err != nil {
		return stateExit(err), err
	}
	defer job.close()
	log := p.logger(f.verbose, f.quiet)
	defer func() { _ = log.Sync() }() // a terminal cannot be synced; nothing is lost
	c := &checkRun{
		program: p, plan: plan, reporting: how, resolver: dns, notes: notes, log: log,
		settings: settings{selection: *s, pace: limits}, progress: p.newProgress(plan.Hosts(), f.quiet, f.verbose),
		prior: f.continues, args: f.kept(),
	}
	if f.audit {
		c.audit = newNameAudit(dns, plan.Family.Network(), s.dnsSuffix)
	}
	defer c.forget()
	if f.pcap != "" {
		if c.capture, err = newCapture(f.pcap, f.pcapAll); err != nil {
			return 0, usage(err)
		}
	}
	return c.carryOut(f)
}

// carryOut does the check, and tells what came of it.
func (c *checkRun) carryOut(f *checkFlags) (int, error) {
	run, err := c.do()
	if err := c.capture.close(); err != nil {
		c.warn(err) // the findings stand without it
	}
	if errors.Is(err, errStopped) {
		return exitInterrupted, err
	}
	if err == nil {
		err = c.reporting.render(c.program, run, c.streamed)
	}
	if err != nil {
		return 0, err
	}
	c.whatNext(run, f)
	return c.conclude(c.program, &notify.Message{Run: run, Exit: run.Exit(), More: c.more()})
}

// settings are the flags of a run and what was read out of them.
type settings struct {
	selection
	pace
}

// checkRun is one run of a check: from the plan to the record, and to the
// account of what is reported. Reports that list every host read the record;
// where none is asked for, nor the record itself, there is none.
type checkRun struct {
	*program
	settings
	plan *profiles.Plan
	*reporting
	resolver scanner.Resolver
	notes    []string   // for the header
	audit    *nameAudit // nil: not asked for
	progress *progress
	capture  *capture // nil: not asked for
	prior    *prior   // the record that is gone on with; nil: a new run
	args     []string // for the header
	log      *zap.Logger

	spool  *os.File   // the record; nil: nobody needs one
	kept   bool       // the record is an output
	copies []*os.File // where the record goes besides
	last   scanner.Progress
	noted  time.Time  // when the record last got the progress
	hosts  int        // addresses
	seen   places     // targets of which an address is recorded
	done   int        // how many that are
	names  *addresses // the resolver
	from   sources
	broken error
	run    *report.Run // the account
	judger verdict.Judger
}

// do runs the check and returns the run as it was recorded.
func (c *checkRun) do() (*report.Run, error) {
	if err := c.openRecord(); err != nil {
		return nil, usage(err)
	}
	if c.prior != nil && c.prior.complete() {
		run, err := report.Load(c.source, c.job.options(report.Options{Judge: judge, Fail: c.fail}, true))
		return run, errors.Join(err, c.job.refused())
	}
	engine, err := openEngine(c.engine, c.capture.frames())
	if err != nil {
		return nil, err
	}
	defer func() { _ = engine.Close() }()
	if c.capture != nil && engine.name != engineRaw {
		return nil, fmt.Errorf("--pcap: only the raw engine has packets to show, and this is the portable one: "+
			"run as root on Linux, or setcap cap_net_raw+ep on the program%s", engine.why)
	}
	for _, n := range engine.notes {
		c.log.Info("limits of this machine", zap.String("note", n))
	}
	err = c.account(engine)
	return c.run, err
}

// account does the check, writes its stream and sums it up.
func (c *checkRun) account(engine *engine) error {
	header, err := record.HeaderAsRead(c.header(engine.name, slices.Concat(engine.notes, c.notes)))
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	var source report.Source
	w := record.NewWriter(io.Discard)
	if c.spool != nil {
		source, w = c.source, record.NewWriter(c.sink())
	}
	if c.prior != nil {
		header = c.prior.header
	}
	c.run = report.New(header, source, c.job.options(report.Options{Judge: judge, Fail: c.fail}, c.prior != nil))
	if err := c.job.refused(); err != nil {
		return err
	}
	if c.prior != nil {
		err = c.replay()
	} else if err = w.WriteHeader(header); err != nil {
		err = fmt.Errorf("write the record: %w", err)
	}
	if err != nil {
		return err
	}
	if err := c.follow(w, c.config(engine)); err != nil {
		return err
	}
	c.progress.clear()
	if c.ctx.Err() != nil || c.broken != nil { // whoever goes on needs the counts when the end is cut off
		if err := c.note(w, time.Now()); err != nil {
			return err
		}
	}
	end, err := record.EndAsRead(c.end())
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	c.run.Close(end, nil)
	for _, cs := range c.run.Causes {
		if err := record.WriteCause(w, cs); err != nil {
			return fmt.Errorf("write the record: %w", err)
		}
	}
	if err := w.WriteEnd(end); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}

// follow takes the events of the run as they come.
func (c *checkRun) follow(w *record.Writer, cfg scanner.Config) error {
	c.noted = time.Now()
	ctx, cancel := context.WithCancel(c.ctx)
	defer c.audit.wait()
	defer cancel()
	for ev := range scanner.Run(ctx, cfg, c.audit.watch(ctx, c.remaining(cfg.Probes))) {
		if err := c.event(w, ev); err != nil {
			return fmt.Errorf("write the record: %w", err)
		}
	}
	return nil
}

// event records one event of the run, and takes it into the account. With the
// progress, which comes four times a second, goes to the file what was gathered
// since, so that a run that is killed has lost no more.
func (c *checkRun) event(w *record.Writer, ev scanner.Event) error {
	switch {
	case ev.Err != nil:
		c.broken = ev.Err
		return nil
	case ev.Progress != nil:
		if c.pace.depth > scanner.AssurancePortOpen {
			c.garbage.makeRoom()
		}
		c.last = *ev.Progress
		c.progress.show(c.last, c.targets(), c.run.Tally)
		if now := time.Now(); now.Sub(c.noted) >= notice {
			return c.note(w, now)
		}
		return w.Flush()
	case !ev.Host.Addr.IsValid() && c.prior.has(ev.Host.Name):
		return nil // its name had more addresses when the record was begun
	}
	ev.Host.Addresses = c.names.of(ev.Host)
	c.audit.add(c.ctx, ev.Host)
	ev.Host.Boundary = c.plan.Boundary(ev.Host.Addr)
	if err := record.AsRead(ev.Host); err != nil {
		return err
	}
	h := report.Host{Host: *ev.Host}
	h.Findings = c.judger.Judge(ev.Host, verdict.Context{Vantage: c.plan.Vantage, Brief: c.spool == nil})
	c.run.Add(&h)
	c.capture.judged(h.Addr, h.Findings)
	c.from.note(h.Addr, h.Findings)
	c.count(ev.Host)
	if c.spool == nil {
		return nil
	}
	return record.WriteHost(w, h.Host, h.Findings)
}

// count counts a host that is recorded, and its target once.
func (c *checkRun) count(h *scanner.Host) {
	c.hosts++
	if c.seen == nil {
		c.seen = newPlaces(c.plan.All())
	}
	if i, ok := c.plan.Number(h.Name); ok && c.seen.set(i) {
		c.done++
	}
}

// targets is how many of the planned hosts are recorded, with one address at least.
func (c *checkRun) targets() int { return c.done }

// end says how the run ended.
func (c *checkRun) end() record.End {
	end := record.End{
		Finished: time.Now(), Interrupted: c.ctx.Err() != nil, Hosts: c.hosts, Targets: c.targets(), Planned: c.plan.Hosts(), Exit: c.run.Tally.Exit(),
	}
	end.Packets, end.Loss, end.Doubt = c.totals()
	end.Sources = c.from.list
	end.Hurdles = c.hurdles()
	switch {
	case end.Interrupted:
		end.Exit = exitInterrupted
	case c.broken != nil:
		end.Err, end.Exit = c.broken.Error(), verdict.ExitError
	}
	return end
}

// judge is the opinion on a recorded host.
func judge(h record.Header, host scanner.Host) []verdict.Finding {
	return verdict.Judge(host, verdict.Context{Vantage: h.Vantage})
}

// judgeBriefly is judge for reports that do not list the hosts.
func judgeBriefly(h record.Header, host scanner.Host) []verdict.Finding {
	return verdict.Judge(host, verdict.Context{Vantage: h.Vantage, Brief: true})
}

func (c *checkRun) header(engine string, notes []string) record.Header {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	key, _ := c.plan.Key()
	part := shardOf(c.plan)
	if part != nil {
		notes = append(notes, shardNote(part))
	}
	return record.Header{
		Plan: c.plan.Digest(), Order: fmt.Sprintf("%016x", key), Args: c.args, Shard: part,
		Schema: record.Schema, Version: version, Started: time.Now(), Scanner: name,
		Vantage: c.plan.Vantage, Site: c.plan.Site, Profiles: c.plan.Profiles, Rows: c.plan.Rows,
		Targets: c.plan.Hosts(), Engine: engine, Depth: c.selection.depth, Rate: c.selection.rate,
		Timeout: c.timeout, Rounds: c.rounds, Notes: notes, Boundaries: c.plan.Boundaries(),
		Unchecked: unchecked(c.plan),
	}
}

// unchecked are the required rows that apply, and that the plan does not check.
func unchecked(p *profiles.Plan) []record.Unchecked {
	var out []record.Unchecked
	for _, l := range p.LeftOut {
		if l.Gap && l.Need == scanner.Required {
			out = append(out, record.Unchecked{Requirement: l.Requirement, AnyOf: l.AnyOf, Reason: l.Reason})
		}
	}
	return out
}

func (c *checkRun) config(engine *engine) scanner.Config {
	c.from.of = engine.source
	c.names = &addresses{Resolver: spared{c.resolver, c.plan.Excluded}, recorded: c.prior.names(), many: map[string]*several{}}
	return scanner.Config{
		Sweeper: engine, Dialer: engine, Source: engine.source, Hindsight: engine.hindsight, Probes: conversations(c.farEnd.probes(), c.plan.Rows),
		Resolver: c.names, Network: c.plan.Family.Network(), Recycle: true,
		Depth: c.pace.depth, Site: c.plan.Site, Rate: float64(c.pace.rate), Timeout: c.timeout, Rounds: c.rounds, Extra: c.extraTry(),
	}
}

// conversations adds to the probes of this program those that rows of profiles
// bring with them.
func conversations(all map[string]scanner.Probe, rows []*scanner.Requirement) map[string]scanner.Probe {
	for _, r := range rows {
		if r.Expect.IsZero() {
			continue
		}
		if p, err := probes.Banner(r.Probe, r.Protocol, r.Expect); err == nil { // its pattern was checked with the profile
			all[r.Probe] = p
		}
	}
	return all
}

// recorded reports whether something that is asked for needs the record. The
// short text does not.
func (c *checkRun) recorded() bool { return c.listsHosts() }

// spared is a resolver that gives away no address that must not be touched.
type spared struct {
	scanner.Resolver
	excluded func(netip.Addr) bool
}

// LookupNetIP returns the addresses of a name that are not excluded.
func (s spared) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := s.Resolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, err
	}
	var left []netip.Addr
	for _, a := range addrs {
		if !s.excluded(a.Unmap()) {
			left = append(left, a)
		}
	}
	if len(left) == 0 && len(addrs) > 0 {
		return nil, fmt.Errorf("all addresses of %s are excluded by --exclude", host)
	}
	return left, nil
}
