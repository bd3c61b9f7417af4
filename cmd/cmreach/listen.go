package main

import (
	"cmreach/probes/listener"
	"cmreach/probes/wire/beacon"
	"cmreach/profiles"
	"cmreach/scanner"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// How long a listener may run.
const (
	minListen = time.Second
	maxListen = 24 * time.Hour
)

// listenFlags are the flags of listen.
type listenFlags struct {
	profiles []string
	site     string
	ports    []string
	udp, tcp []string
	bind     []string
	control  int
	length   time.Duration
	keyFile  string
	newKey   string
}

func (f *listenFlags) register(fs *pflag.FlagSet) {
	fs.StringSliceVarP(&f.profiles, "profile", "p", nil, "hold the ports of these `PROFILE`s to which no service need answer: all UDP ones, and TCP ones without a conversation of their own (default: wake-up-proxy, pxe, remote-control and client-notification)")
	fs.StringVarP(&f.site, "site", "s", "", "site `FILE`, for its ports")
	fs.StringArrayVar(&f.ports, "port", nil, "another port of a profile: `NAME=PORT`, such as wol=7")
	fs.StringSliceVar(&f.udp, "udp", nil, "hold these UDP `PORT`s, in place of those of the profiles unless -p is given")
	fs.StringSliceVar(&f.tcp, "tcp", nil, "hold these TCP `PORT`s, likewise")
	fs.IntVar(&f.control, "control", profiles.DefaultControl, "also hold this TCP `PORT`, at which a check learns which ports are held; 0: none")
	fs.StringSliceVar(&f.bind, "bind", nil, "this `ADDRESS` of this machine only; may be repeated (default: all)")
	fs.DurationVar(&f.length, "for", 15*time.Minute, "how long (`TIME`) to listen, 1s to 24h")
	fs.StringVar(&f.keyFile, "key-file", "", "the key of both ends is in this `FILE` (or in the environment, "+keyVariable+")")
	fs.StringVar(&f.newKey, "new-key", "", "write a new key to this `FILE`, and end")
}

// listen answers the checks of those who have the key, for a while.
func (p *program) listen(args []string) (int, error) {
	var f listenFlags
	fs := p.flagSet("listen", "[FLAGS]")
	f.register(fs)
	logFlag(fs)
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	if fs.NArg() > 0 {
		return 0, usage(fmt.Errorf("listen takes no arguments, but got %q: ports are named by --udp and --tcp, addresses by --bind", fs.Arg(0)))
	}
	if fs.Changed("new-key") {
		return 0, p.newKey(f.newKey)
	}
	cfg, err := f.config(fs.Changed)
	if err != nil {
		return 0, usage(err)
	}
	l, failed := listener.Open(p.ctx, cfg)
	counts := l.Counts()
	p.tellUntaken(failed)
	if len(counts) == 0 {
		return 0, fmt.Errorf("no port could be taken: run it as root or an administrator, end what has the ports, or name others with --udp and --tcp")
	}
	if err := p.print(announcement(counts, cfg)); err != nil {
		l.Close()
		return 0, err
	}
	l.Run(p.ctx)
	code := 0
	if p.ctx.Err() != nil {
		code = exitInterrupted
	}
	return code, p.print(countText(l.Counts()))
}

// newKey writes a key that nobody else can read, and says what to do with it.
func (p *program) newKey(name string) error {
	if name == "" {
		return usage(errors.New("--new-key names no file"))
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user names the file
	if errors.Is(err, os.ErrExist) {
		return usage(fmt.Errorf("--new-key: %s is there already, and is not overwritten: name another file", name))
	}
	if err == nil {
		_, err = fmt.Fprintln(f, beacon.MakeSecret())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return usage(fmt.Errorf("--new-key: cannot write %s: %w: choose another place", name, reason(err)))
	}
	return p.print(fmt.Sprintf(`a new key is in %[1]s. Whoever can read it can ask the listener: copy it to the other end by a way that you trust, then run
  there:  cmreach listen --key-file %[1]s
  here:   cmreach check -p wake-up-proxy --vantage client --far-end-key-file %[1]s HOST
`, name))
}

// config reads the flags. All mistakes are told at once.
func (f *listenFlags) config(given func(string) bool) (listener.Config, error) {
	var errs []error
	c := listener.Config{For: f.length}
	if f.length < minListen || f.length > maxListen {
		errs = append(errs, fmt.Errorf("--for: %s is out of range: give 1s to 24h", f.length))
	}
	var err error
	if c.Key, err = readKey("key-file", f.keyFile); err == nil && !c.Key.Valid() {
		err = fmt.Errorf("no key: name its file with --key-file or put it into %s; make one with cmreach listen --new-key FILE", keyVariable)
	}
	errs = append(errs, err)
	c.Addrs, err = f.addrs()
	errs = append(errs, err)
	c.Ports, err = f.held(given)
	errs = append(errs, err)
	return c, errors.Join(errs...)
}

// addrs are the addresses to listen at.
func (f *listenFlags) addrs() ([]netip.Addr, error) {
	if len(f.bind) == 0 {
		return listener.LocalAddrs() //nolint:wrapcheck // it says what was done
	}
	var out []netip.Addr
	var errs []error
	for _, text := range f.bind {
		a, err := netip.ParseAddr(text)
		switch a = a.Unmap(); {
		case err != nil:
			errs = append(errs, fmt.Errorf("--bind: %q is no address", text))
		case a.IsUnspecified() || a.IsMulticast():
			errs = append(errs, fmt.Errorf("--bind: %s is not the address of one machine: leave --bind away for all of this one's", text))
		case !slices.Contains(out, a):
			out = append(out, a)
		}
	}
	return out, errors.Join(errs...)
}

// held are the ports to hold: those of the profiles, unless ports are named.
func (f *listenFlags) held(given func(string) bool) ([]beacon.Port, error) {
	var out []beacon.Port
	var errs []error
	add := func(proto beacon.Protocol, n uint16) {
		if p := (beacon.Port{Protocol: proto, Number: n}); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if !given("profile") {
		f.profiles = []string{"wake-up-proxy", "pxe", "remote-control", "client-notification"}
	}
	if given("profile") || !given("udp") && !given("tcp") {
		rows, err := f.ofProfiles()
		errs = append(errs, err)
		for _, h := range rows {
			add(carrier(h.Protocol), h.Port)
		}
	}
	named := func(flag string, proto beacon.Protocol, list []string) {
		for _, text := range list {
			n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
			if err != nil || n == 0 {
				errs = append(errs, fmt.Errorf("--%s: %q is no port: give 1 to 65535", flag, text))
				continue
			}
			add(proto, uint16(n))
		}
	}
	named("udp", beacon.UDP, f.udp)
	named("tcp", beacon.TCP, f.tcp)
	switch {
	case f.control < 0 || f.control > maxPort:
		errs = append(errs, fmt.Errorf("--control: %d is no port: give 1 to 65535, or 0 for none", f.control))
	case f.control != 0:
		add(beacon.TCP, uint16(f.control))
	}
	if len(errs) == 0 && len(out) > beacon.MaxPorts {
		errs = append(errs, fmt.Errorf("%d ports are too many: a listener holds %d at the most; name fewer profiles or ports", len(out), beacon.MaxPorts))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("there is no port to hold: the profiles have none to which no service need answer; name some with --udp and --tcp")
	}
	return out, nil
}

// ofProfiles are the ports of the profiles' rows.
func (f *listenFlags) ofProfiles() ([]profiles.Held, error) {
	var names, files []string
	for _, name := range f.profiles {
		if isFile(name) {
			files = append(files, name)
		} else {
			names = append(names, name)
		}
	}
	list, err := profiles.Load(names, files)
	var site *profiles.Site
	var siteErr error
	if f.site != "" {
		site, siteErr = profiles.LoadSite(f.site)
	}
	if err := errors.Join(err, siteErr); err != nil {
		return nil, err
	}
	return profiles.FarEndPorts(profiles.Options{Profiles: list, Site: site, Ports: f.ports}) //nolint:wrapcheck // it names the flag
}

func carrier(p scanner.Protocol) beacon.Protocol {
	if p == scanner.UDP {
		return beacon.UDP
	}
	return beacon.TCP
}

func portText(p beacon.Port) string {
	name := "TCP"
	if p.Protocol == beacon.UDP {
		name = "UDP"
	}
	return fmt.Sprintf("%s %d", name, p.Number)
}

// tellUntaken says which ports could not be taken. One line for a port: why it
// is not to be had is the same at most addresses.
func (p *program) tellUntaken(failed []listener.Untaken) {
	for i, u := range failed {
		same := func(o listener.Untaken) bool { return o.Port == u.Port && o.Err.Error() == u.Err.Error() }
		if slices.ContainsFunc(failed[:i], same) {
			continue
		}
		var at []string
		for _, o := range failed[i:] {
			if same(o) {
				at = append(at, o.Addr.String())
			}
		}
		p.complain(fmt.Errorf("%s could not be taken at %s: %w%s", portText(u.Port), strings.Join(at, ", "), u.Err, remedy(u.Err)))
	}
}

// remedy is what to do about a port that could not be taken.
func remedy(err error) string {
	switch {
	case errors.Is(err, listener.ErrInUse):
		return ": if it is the service itself, check that; no check will take it for blocked"
	case errors.Is(err, listener.ErrPermission):
		return ": run it as root or an administrator"
	default:
		return ""
	}
}

func announcement(counts []listener.Count, c listener.Config) string {
	var w strings.Builder
	fmt.Fprintf(&w, "listening for %s, until %s; Ctrl-C ends it\n", c.For, time.Now().Add(c.For).Format("15:04:05"))
	for _, h := range counts {
		fmt.Fprintf(&w, "  %s at %s\n", portText(h.Port), addrText(h.Addrs))
	}
	return w.String()
}

// addrText lists addresses, the first few of many.
func addrText(addrs []netip.Addr) string {
	const most = 6
	var parts []string
	for _, a := range addrs[:min(len(addrs), most)] {
		parts = append(parts, a.String())
	}
	if more := len(addrs) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

// many is count for what has no bound.
func many(n uint64, thing string) string { return count(int(min(n, 1<<31)), thing) }

func countText(counts []listener.Count) string {
	var w strings.Builder
	w.WriteString("ended\n")
	for _, c := range counts {
		fmt.Fprintf(&w, "  %s: %s answered, %s ignored", portText(c.Port), many(c.Answered, "question"), many(c.Ignored, "other"))
		if c.Withheld > 0 {
			fmt.Fprintf(&w, ", %d not answered because they came too often", c.Withheld)
		}
		w.WriteString("\n")
	}
	return w.String()
}
