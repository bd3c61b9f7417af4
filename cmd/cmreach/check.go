package main

import (
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
	var s selection
	fs := p.flagSet("check", "[FLAGS] [TARGET…]")
	s.register(fs)
	outputs := fs.StringArrayP("output", "o", nil, "`FORMAT[=FILE]`: text, json, jsonl, junit; may be repeated (default text)")
	fail := fs.StringSlice("fail-on", nil, "`STATE`s that count as failure besides blocked, closed, wrong-service and wrong-host")
	audit := fs.Bool("audit-names", false, "compare names and addresses in both directions of the DNS; remarks go to the evidence")
	quiet := fs.BoolP("quiet", "q", false, "no progress and no remarks")
	verbose := fs.BoolP("verbose", "v", false, "all hosts and all evidence, and a log")
	pcap := fs.String("pcap", "", "`FILE` for the packets of the sweep as evidence (pcapng; raw engine)")
	pcapAll := fs.Bool("pcap-all", false, "with --pcap: the packets of all paths, not of the failed ones alone")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	outs, outErr := readOutputs(*outputs)
	set, failErr := failOn(*fail)
	dns, notes := nameService(net.DefaultResolver), []string(nil)
	complete := func(list []*profiles.Profile, site *profiles.Site) (err error) {
		if err = writable(outs); err == nil { // else nothing is to be sent
			dns, notes, err = s.lookUpNames(p.ctx, list, site)
		}
		return err
	}
	if outErr != nil || failErr != nil {
		complete = nil
	}
	plan, limits, err := p.build(&s, fs.Args(), complete)
	if err := errors.Join(outErr, failErr, err); err != nil {
		return 0, usage(err)
	}
	log := p.logger(*verbose, *quiet)
	defer func() { _ = log.Sync() }() // a terminal cannot be synced; nothing is lost
	c := &checkRun{
		program: p, plan: plan, set: set, outs: outs, verbose: *verbose, resolver: dns, notes: notes, log: log,
		settings: settings{selection: s, pace: limits}, progress: p.newProgress(plan.Hosts(), *quiet),
	}
	if *audit {
		c.audit = newNameAudit(dns, plan.Family.Network(), s.dnsSuffix)
	}
	defer c.forget()
	if *pcap != "" {
		if c.capture, err = newCapture(*pcap, *pcapAll); err != nil {
			return 0, usage(err)
		}
	}
	run, err := c.do()
	if err := c.capture.close(); err != nil {
		fmt.Fprintf(p.stderr, "cmreach: %v\n", err) // the findings stand without it
	}
	if err != nil {
		return 0, err
	}
	for _, o := range outs {
		if o.format == "jsonl" {
			continue // written as it came
		}
		if err := p.render(o, run, p.look(*verbose)); err != nil {
			return 0, err
		}
	}
	return run.Exit(), nil
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
	plan     *profiles.Plan
	set      verdict.StateSet
	outs     []output
	verbose  bool // the text lists every host
	resolver scanner.Resolver
	notes    []string   // for the header
	audit    *nameAudit // nil: not asked for
	progress *progress
	capture  *capture // nil: not asked for
	log      *zap.Logger

	spool  *os.File   // the record; nil: nobody needs one
	kept   bool       // the record is an output
	copies []*os.File // where the record goes besides
	last   scanner.Progress
	hosts  int             // addresses
	names  map[string]bool // of hosts that may have several addresses
	bare   int             // hosts that are an address
	broken error
	run    *report.Run // the account
	judger verdict.Judger
}

// do runs the check and returns the run as it was recorded.
func (c *checkRun) do() (*report.Run, error) {
	if err := c.openRecord(); err != nil {
		return nil, usage(err)
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
	c.run = report.New(header, source, report.Options{Judge: judge, Fail: c.set})
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	if err := c.follow(w, c.config(engine)); err != nil {
		return err
	}
	c.progress.clear()
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
	ctx, cancel := context.WithCancel(c.ctx)
	defer c.audit.wait()
	defer cancel()
	for ev := range scanner.Run(ctx, cfg, c.audit.watch(ctx, c.plan.Targets())) {
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
		c.last = *ev.Progress
		c.progress.show(c.last, c.targets())
		return w.Flush()
	}
	c.audit.add(c.ctx, ev.Host)
	ev.Host.Boundary = c.plan.Boundary(ev.Host.Addr)
	if err := record.AsRead(ev.Host); err != nil {
		return err
	}
	h := report.Host{Host: *ev.Host}
	h.Findings = c.judger.Judge(ev.Host, verdict.Context{Vantage: c.plan.Vantage, Brief: c.spool == nil})
	c.run.Add(&h)
	c.capture.judged(h.Addr, h.Findings)
	c.count(ev.Host)
	if c.spool == nil {
		return nil
	}
	return record.WriteHost(w, h.Host, h.Findings)
}

// count counts a host that is recorded: its address, and its name once.
func (c *checkRun) count(h *scanner.Host) {
	c.hosts++
	var text [64]byte
	if h.Addr.IsValid() && h.Name == string(h.Addr.AppendTo(text[:0])) {
		c.bare++
		return
	}
	if c.names == nil {
		c.names = map[string]bool{}
	}
	c.names[h.Name] = true
}

// targets is how many of the planned hosts are recorded, with one address at least.
func (c *checkRun) targets() int { return len(c.names) + c.bare }

// end says how the run ended.
func (c *checkRun) end() record.End {
	end := record.End{
		Finished: time.Now(), Interrupted: c.ctx.Err() != nil, Hosts: c.hosts, Targets: c.targets(), Planned: c.plan.Hosts(),
		Packets: c.last.Packets, Loss: c.last.Stats.Loss(), Doubt: c.last.Stats.Doubt(), Exit: c.run.Tally.Exit(),
	}
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
	return record.Header{
		Schema: record.Schema, Version: version, Started: time.Now(), Scanner: name,
		Vantage: c.plan.Vantage, Site: c.plan.Site, Profiles: c.plan.Profiles, Rows: c.plan.Rows,
		Targets: c.plan.Hosts(), Engine: engine, Depth: c.selection.depth, Rate: c.selection.rate,
		Timeout: c.timeout, Rounds: c.rounds, Notes: notes, Boundaries: c.plan.Boundaries(),
	}
}

func (c *checkRun) config(engine *engine) scanner.Config {
	return scanner.Config{
		Sweeper: engine, Dialer: engine, Source: engine.source, Probes: conversations(c.farEnd.probes(), c.plan.Rows),
		Resolver: spared{c.resolver, c.plan.Excluded}, Network: c.plan.Family.Network(),
		Depth: c.pace.depth, Site: c.plan.Site, Rate: float64(c.pace.rate), Timeout: c.timeout, Rounds: c.rounds,
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
func (c *checkRun) recorded() bool { return listsHosts(c.outs, c.verbose) }

// openRecord opens the file that the run is recorded in: an output if one is
// asked for that can be read again, else a temporary file; and further outputs
// for the record.
func (c *checkRun) openRecord() error {
	for _, o := range c.outs {
		if o.format != "jsonl" || o.file == "" {
			continue
		}
		f, err := os.Create(o.file)
		if err != nil {
			return fmt.Errorf("-o: cannot write %s: %w: choose another place", o.file, reason(err))
		}
		if info, err := f.Stat(); c.spool == nil && err == nil && info.Mode().IsRegular() {
			c.spool, c.kept = f, true
		} else {
			c.copies = append(c.copies, f)
		}
	}
	if c.spool != nil || !c.recorded() {
		return nil
	}
	f, err := os.CreateTemp("", "cmreach-*.jsonl")
	if err != nil {
		return fmt.Errorf("cannot write a temporary record in %s: %w: set TMPDIR to another folder, or keep the record with -o jsonl=FILE",
			os.TempDir(), reason(err))
	}
	c.spool = f
	return nil
}

// sink is where the stream goes: to the record, and to standard output and
// other places if that is asked for.
func (c *checkRun) sink() io.Writer {
	all := []io.Writer{c.spool}
	for _, f := range c.copies {
		all = append(all, f)
	}
	for _, o := range c.outs {
		if o.format == "jsonl" && o.file == "" {
			all = append(all, c.stdout)
		}
	}
	return io.MultiWriter(all...)
}

// source opens the record for reading.
func (c *checkRun) source() (io.ReadCloser, error) { return os.Open(c.spool.Name()) }

// forget closes the record, and removes it unless it is an output.
func (c *checkRun) forget() {
	for _, f := range c.copies {
		_ = f.Close()
	}
	if c.spool == nil {
		return
	}
	_ = c.spool.Close()
	if !c.kept {
		_ = os.Remove(c.spool.Name())
	}
}

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
