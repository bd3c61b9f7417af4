package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// flagSet is a command's flags; its help is the command's usage. The line says
// what may follow the command's name.
func (p *program) flagSet(name, line string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(p.stderr)
	fs.Usage = func() {
		fmt.Fprintf(p.stdout, "usage: %s\n", strings.TrimSpace("cmreach "+name+" "+line))
		for _, c := range commands() {
			if c.name == name {
				fmt.Fprintf(p.stdout, "  %s\n", c.short)
			}
		}
		if fs.HasFlags() {
			fmt.Fprintf(p.stdout, "\n%s", fs.FlagUsagesWrapped(80))
		}
	}
	return fs
}

// parse reads the arguments; a mistyped flag is answered with the nearest.
func parse(fs *pflag.FlagSet, args []string) error {
	err := fs.Parse(args)
	var unknown *pflag.NotExistError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pflag.ErrHelp):
		return errHelp
	case errors.As(err, &unknown):
		var known []string
		fs.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return usage(fmt.Errorf("unknown flag -%s: see cmreach %s --help", name, fs.Name()))
		}
		if near := profiles.Nearest(name, known); near != "" {
			return usage(fmt.Errorf("unknown flag --%s: did you mean --%s?", name, near))
		}
		return usage(fmt.Errorf("unknown flag --%s: see cmreach %s --help", name, fs.Name()))
	default:
		return usage(fmt.Errorf("%w: see cmreach %s --help", plainly(err), fs.Name()))
	}
}

// plainly puts what the flag library says of a value into our words.
func plainly(err error) error {
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &missing) && missing.GetSpecifiedShortnames() != "":
		return fmt.Errorf("-%s needs a value", missing.GetSpecifiedName())
	case errors.As(err, &missing):
		return fmt.Errorf("--%s needs a value", missing.GetSpecifiedName())
	case !errors.As(err, &invalid):
		return err
	}
	what := "is not allowed here"
	switch invalid.GetFlag().Value.Type() {
	case "int":
		what = "is not a number"
	case "bool":
		what = "is neither true nor false"
	case "logFormat":
		what = "is no format of the log: give text or json"
	case "duration":
		what = "is not a time; write it with its unit, such as 2s or 500ms"
	}
	return fmt.Errorf("--%s: %q %s", invalid.GetFlag().Name, invalid.GetValue(), what)
}

// selection is what to check: the flags that check and plan share.
type selection struct {
	profiles   []string
	targets    []string
	exclude    []string
	site       string
	roles      []string
	vantage    string
	only       []string
	ports      []string
	when       []string
	maxTargets int
	v4, v6     bool
	rate       string
	timeout    time.Duration
	rounds     int
	bounded    bool // somebody asked for these rounds
	depth      string
	engine     string
	shard      string

	given     func(flag string) bool // whether a flag stands on the command line; nil: there is none
	dns       []string
	dnsSuffix string
	siteCode  string
	farEnd    farEndFlags

	servers []netip.AddrPort // of dns
}

func (s *selection) register(fs *pflag.FlagSet) {
	s.given = fs.Changed
	fs.StringSliceVarP(&s.profiles, "profile", "p", []string{"push"}, "`PROFILE`s to check, groups of them such as all, or files")
	fs.StringArrayVarP(&s.targets, "targets", "t", nil, "`FILE` with one target a line; - for standard input")
	fs.StringArrayVar(&s.exclude, "exclude", nil, "`TARGET`s that must not be touched: names, addresses, networks")
	fs.StringVarP(&s.site, "site", "s", "", "site `FILE`: roles, ports, settings, clients, limits; see cmreach site")
	fs.StringArrayVar(&s.roles, "role", nil, "who plays a role: `ROLE=HOST[,HOST...]`")
	fs.StringVar(&s.vantage, "vantage", string(scanner.RoleSiteServer), "the `ROLE` of this machine")
	fs.StringArrayVar(&s.only, "only", nil, "check these `ROW`s only, such as smb,icmp")
	fs.StringVar(&s.depth, "depth", "identity", "how far to prove (`LEVEL`): port, protocol or identity")
	fs.StringArrayVar(&s.ports, "port", nil, "another port: `NAME=PORT`, such as http=8080")
	fs.StringArrayVar(&s.when, "when", nil, "what the site is like: `SETTING=VALUE`, such as communication=https")
	fs.StringVar(&s.rate, "rate", "1000", "packets a second (`PPS`), or max")
	fs.DurationVar(&s.timeout, "timeout", time.Second, "how long (`TIME`) one packet's answer is waited for")
	fs.IntVar(&s.rounds, "rounds", 6, "`N` packets to a silent path at the most; where it is not given, one more if the host is alive and the losses leave a doubt")
	fs.StringVar(&s.engine, "engine", engineAuto, "`ENGINE` that sends: raw (Linux, CAP_NET_RAW), connect, or auto")
	fs.StringVar(&s.siteCode, "site-code", "", "the site's `CODE`, such as PS1")
	fs.StringArrayVar(&s.dns, "dns", nil, "name `SERVER[:PORT]` to ask in place of this machine's; may be repeated")
	fs.StringVar(&s.dnsSuffix, "dns-suffix", "", "look the site's management points up in this DNS `DOMAIN` when none is named")
	s.farEnd.register(fs)
	fs.BoolVarP(&s.v4, "ipv4", "4", false, "IPv4 only")
	fs.BoolVarP(&s.v6, "ipv6", "6", false, "IPv6 only")
	fs.StringVar(&s.shard, "shard", "", "check part `I/N` of the plan alone, such as 3/8; the same plan is split in the same way everywhere: run each part where you like, and join the records with cmreach merge")
	fs.IntVar(&s.maxTargets, "max-targets", profiles.DefaultMaxTargets, "refuse to check more than `N` targets")
}

// pace is the limits of a run, read.
type pace struct {
	rate  int // packets a second; 0: no limit
	depth scanner.Assurance
	shard shard
}

// read checks the values that no other package reads. All mistakes are told at once.
func (s *selection) read() (pace, error) {
	var out pace
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.rate != "max" {
		n, err := strconv.Atoi(s.rate)
		if err != nil || n < 1 || n > profiles.MaxRate {
			bad("--rate: %q is no rate: give packets a second, 1 to 10000000, or max", s.rate)
		}
		out.rate = n
	}
	if s.timeout < profiles.MinTimeout || s.timeout > profiles.MaxTimeout {
		bad("--timeout: %s is out of range: give 10ms to 1m", s.timeout)
	}
	if len(s.profiles) == 0 {
		bad("--profile names no profile: known: %s", strings.Join(profiles.Words(), ", "))
	}
	if s.maxTargets < 1 || s.maxTargets > profiles.MostTargets {
		bad("--max-targets: %d is out of range: give 1 to %d", s.maxTargets, profiles.MostTargets)
	}
	if s.rounds < 1 || s.rounds > profiles.MaxRounds {
		bad("--rounds: %d is out of range: give 1 to 50", s.rounds)
	}
	depths := map[string]scanner.Assurance{
		"port": scanner.AssurancePortOpen, "protocol": scanner.AssuranceProtocol, "identity": scanner.AssuranceIdentity,
	}
	if out.depth = depths[s.depth]; out.depth == scanner.AssuranceNone {
		bad("--depth: unknown depth %q: %s", s.depth, profiles.Suggest(s.depth, []string{"port", "protocol", "identity"}))
	}
	if engines := []string{engineAuto, engineRaw, engineConnect}; !slices.Contains(engines, s.engine) {
		bad("--engine: unknown engine %q: %s", s.engine, profiles.Suggest(s.engine, engines))
	}
	var errDNS, errSuffix, errShard error
	out.shard, errShard = readShard(s.shard)
	s.servers, errDNS = readServers(s.dns)
	s.dnsSuffix, errSuffix = readSuffix(s.dnsSuffix)
	errs = append(errs, errShard, errDNS, errSuffix, readSiteCode(s.siteCode), s.farEnd.read())
	if s.v4 && s.v6 {
		bad("-4 and -6 together leave no address: give one of them, or none for both families")
	}
	return out, errors.Join(errs...)
}

// extraTry is how many packets more than the rounds a path may get: one, where
// nobody asked for less.
func (s *selection) extraTry() int {
	if s.bounded || s.given != nil && s.given("rounds") {
		return 0
	}
	return 1
}

// adopt takes what a site file says where no flag says it.
func (s *selection) adopt(site *profiles.Site) {
	said := func(flag string) bool { return s.given != nil && s.given(flag) }
	l := site.Limits
	if l.Rate != "" && !said("rate") {
		s.rate = l.Rate
	}
	if l.Timeout != 0 && !said("timeout") {
		s.timeout = l.Timeout
	}
	if l.Rounds != 0 && !said("rounds") {
		s.rounds, s.bounded = l.Rounds, true
	}
	if l.MaxTargets != 0 && !said("max-targets") {
		s.maxTargets = l.MaxTargets
	}
}

func (s *selection) family() profiles.Family {
	switch {
	case s.v4 && !s.v6:
		return profiles.IPv4Only
	case s.v6 && !s.v4:
		return profiles.IPv6Only
	default:
		return profiles.AnyFamily
	}
}

// failOn reads --fail-on.
func failOn(words []string) (verdict.FailOn, error) {
	var known []string
	for _, st := range verdict.States {
		known = append(known, st.String())
	}
	var errs []error
	for _, w := range words {
		state, _, _ := strings.Cut(w, ">")
		state = strings.TrimSpace(state)
		_, err := verdict.ParseState(state)
		switch {
		case err == nil:
		case strings.ContainsAny(state, "<=:%0123456789"):
			errs = append(errs, fmt.Errorf("--fail-on: %q is no limit: write STATE>N or STATE>N%%, in quotes, such as 'blocked>2.5%%'", w))
		default:
			errs = append(errs, fmt.Errorf("--fail-on: unknown state %q: %s", state, profiles.Suggest(state, known)))
		}
	}
	if len(errs) > 0 {
		return verdict.FailOn{}, errors.Join(errs...)
	}
	set, err := verdict.ParseFailOn(words)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			errs = append(errs, fmt.Errorf("--fail-on: %s", strings.TrimSpace(line)))
		}
	}
	return set, errors.Join(errs...)
}

// isFile tells the name of a profile's file from the name of a built-in one.
func isFile(name string) bool {
	return strings.ContainsAny(name, `./\`)
}
