package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/report"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// rules writes the firewall changes that a recorded run gives reason to ask for.
func (p *program) rules(args []string) (int, error) {
	fs := p.flagSet("rules", "[FLAGS] RUN.jsonl")
	outputs := fs.StringArrayP("output", "o", nil, "`FORMAT[=FILE]`: text, csv, md, powershell, nft, iptables, ip6tables; may be repeated (default text)")
	sources := fs.StringArray("source", nil, "from where a role sends, where the record does not say it: `ROLE=ADDRESS[,NETWORK]`; may be repeated")
	aggregate := fs.String("aggregate", "exact", "`WHAT`: exact asks for the blocked addresses and no other, subnet for the /24 and /64 networks that they lie in")
	on := fs.String("on", "", "only the rules of one `PLACE`: the address of a device, hosts (their own firewall), or unknown")
	chain := fs.String("chain", "", "the `CHAIN` of nftables that blocks, such as \"inet filter forward\": the rules are called from it")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	outs, outErr := readFormats(*outputs, report.RuleFormats)
	look := p.look(false)
	o := report.RuleOptions{On: *on, Width: look.width}
	var sourceErr, chainErr error
	o.Sources, sourceErr = readSources(*sources)
	o.Chain, chainErr = readChain(*chain)
	var argErr error
	if fs.NArg() != 1 {
		argErr = errors.New("name one record: cmreach rules RUN.jsonl (check writes it with -o jsonl=RUN.jsonl)")
	}
	if err := errors.Join(outErr, sourceErr, readAggregate(*aggregate, &o), readPlace(*on), chainErr, argErr); err != nil {
		return 0, usage(err)
	}
	if err := writable(outs); err != nil {
		return 0, usage(err)
	}
	return p.writeRules(fs.Arg(0), outs, o, look)
}

// writeRules finds the rules in a record and writes them.
func (p *program) writeRules(name string, outs []output, o report.RuleOptions, look rendering) (int, error) {
	source, done, err := p.recordOf(name)
	if name == "-" {
		name = "standard input"
	}
	if err != nil {
		return 0, usage(badRecord(name, err))
	}
	defer done()
	run, err := report.Load(source, report.Options{Judge: judge})
	if err != nil {
		return 0, usage(badRecord(name, err))
	}
	for _, out := range outs {
		o.Color = look.color && out.file == ""
		rules, err := report.FindRules(run, o)
		if err != nil {
			return 0, usage(badRecord(name, err))
		}
		if err := p.writeRule(rules, out); err != nil {
			return 0, err
		}
	}
	if run.Truncated != nil {
		return 0, usage(fmt.Errorf("%s: %w: the rules are those of what could be read", name, run.Truncated))
	}
	return 0, nil
}

// writeRule writes one output.
func (p *program) writeRule(rules *report.Rules, out output) error {
	var missing *report.MissingSource
	var told, err error
	write := func(w io.Writer) error {
		err := rules.Write(w, out.format)
		if errors.As(err, &missing) {
			told = fmt.Errorf("-o %s: %w", out.format, err)
		}
		return err
	}
	if out.file != "" {
		err = replace(out.file, write)
	} else {
		err = enough(write(p.stdout))
	}
	switch {
	case told != nil:
		return usage(told)
	case err != nil && out.file == "":
		return fmt.Errorf("cannot write to standard output: %w", reason(err))
	default:
		return err
	}
}

// readSources reads the --source flags.
func readSources(flags []string) (map[scanner.Role][]netip.Prefix, error) {
	out := map[scanner.Role][]netip.Prefix{}
	var errs []error
	var known []string
	for _, r := range profiles.Roles() {
		known = append(known, string(r))
	}
	for _, f := range flags {
		role, list, ok := strings.Cut(f, "=")
		if !ok || list == "" {
			errs = append(errs, fmt.Errorf("--source: %q names no address: write ROLE=ADDRESS, such as site-server=192.0.2.10", f))
			continue
		}
		if !slices.Contains(known, role) {
			errs = append(errs, fmt.Errorf("--source: unknown role %q: %s", role, profiles.Suggest(role, known)))
			continue
		}
		for text := range strings.SplitSeq(list, ",") {
			p, err := prefixOf(strings.TrimSpace(text))
			if err != nil {
				errs = append(errs, fmt.Errorf("--source: %w", err))
				continue
			}
			out[scanner.Role(role)] = append(out[scanner.Role(role)], p)
		}
	}
	return out, errors.Join(errs...)
}

// prefixOf reads an address or a network.
func prefixOf(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is no address and no network: write 192.0.2.10 or 192.0.2.0/24", text)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%s has host bits: the network is %s, the address %s", text, p.Masked(), p.Addr())
	default:
		return p, nil
	}
}

func readAggregate(word string, o *report.RuleOptions) error {
	if word != "exact" && word != "subnet" {
		return fmt.Errorf("--aggregate: unknown word %q: %s", word, profiles.Suggest(word, []string{"exact", "subnet"}))
	}
	o.Subnets = word == "subnet"
	return nil
}

func readPlace(on string) error {
	if on == "" || on == report.OnHosts || on == report.OnUnknown {
		return nil
	}
	if a, err := netip.ParseAddr(on); err != nil || a.Zone() != "" {
		return fmt.Errorf("--on: %q is no place: name the address of a device as cmreach rules shows it, hosts, or unknown", on)
	}
	return nil
}

// nftName is what nftables takes for a name without quotes.
var nftName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// readChain reads "FAMILY TABLE CHAIN".
func readChain(text string) (report.NFTChain, error) {
	if text == "" {
		return report.NFTChain{}, nil
	}
	f := strings.Fields(text)
	if len(f) != 3 || !slices.Contains([]string{"inet", "ip", "ip6"}, f[0]) || !nftName.MatchString(f[1]) || !nftName.MatchString(f[2]) {
		return report.NFTChain{}, fmt.Errorf("--chain: %q is no chain: write \"inet filter forward\": the family (inet, ip or ip6), the table and the chain", text)
	}
	return report.NFTChain{Family: f[0], Table: f[1], Chain: f[2]}, nil
}
