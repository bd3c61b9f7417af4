package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// profiles lists the built-in profiles, or shows one.
func (p *program) profiles(args []string) (int, error) {
	fs := p.flagSet("profiles", "[show NAME|FILE] [-o json]")
	format := fs.StringP("output", "o", "text", "`FORMAT`: text or json")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	if *format != "text" && *format != "json" {
		return 0, usage(fmt.Errorf("-o: unknown format %q: %s", *format, profiles.Suggest(*format, []string{"text", "json"})))
	}
	rest := fs.Args()
	var names, files []string
	switch {
	case len(rest) == 0:
		names = profiles.Names()
	case rest[0] == "show" && len(rest) == 2 && isFile(rest[1]):
		files = rest[1:]
	case rest[0] == "show" && len(rest) == 2:
		names = rest[1:]
	case rest[0] == "show":
		return 0, usage(errors.New("name one profile: cmreach profiles show push"))
	default:
		return 0, usage(fmt.Errorf("unknown word %q: write cmreach profiles show %s", rest[0], rest[0]))
	}
	list, err := profiles.Load(names, files)
	if err != nil {
		return 0, usage(err)
	}
	if len(rest) > 0 && len(list) > 1 {
		return 0, usage(fmt.Errorf("%s stands for several profiles: show one of %s", rest[1], strings.Join(profiles.Names(), ", ")))
	}
	switch {
	case *format == "json" && len(rest) > 0:
		return 0, p.printJSON(newProfileDocument(list[0]))
	case *format == "json":
		docs := []profileDocument{}
		for _, pr := range list {
			docs = append(docs, newProfileDocument(pr))
		}
		return 0, p.printJSON(docs)
	case len(rest) > 0:
		var out strings.Builder
		if err := showProfile(&out, list[0]); err != nil {
			return 0, err
		}
		return 0, p.print(out.String())
	}
	return 0, p.print(profileList(list))
}

// profileList names the profiles and the groups of them.
func profileList(list []*profiles.Profile) string {
	var out strings.Builder
	for _, pr := range list {
		fmt.Fprintf(&out, "%-22s %s (%s)\n", pr.Name, pr.Title, count(len(pr.Rows), "row"))
	}
	fmt.Fprintln(&out, "\ngroups of profiles, for -p")
	for _, g := range profiles.Groups() {
		members := strings.Join(g.Profiles, ", ")
		if len(g.Profiles) == len(list) {
			members = "every profile"
		}
		fmt.Fprintf(&out, "%-22s %s\n", g.Name, wrap(members, 57, strings.Repeat(" ", 23)))
	}
	return out.String()
}

func showProfile(w io.Writer, pr *profiles.Profile) error {
	fmt.Fprintf(w, "%s: %s\n%s\n", pr.Name, pr.Title, wrap(pr.About, 80, ""))
	if len(pr.Aliases) > 0 {
		fmt.Fprintf(w, "also called %s\n", strings.Join(pr.Aliases, ", "))
	}
	if len(pr.Ports) > 0 {
		fmt.Fprintln(w, "\nports (another one: --port NAME=PORT)")
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, port := range pr.Ports {
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", port.Name, scanner.PortList(port.Numbers()), port.About)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	ports := map[string]string{}
	for _, port := range pr.Ports {
		ports[port.Name] = scanner.PortList(port.Numbers()) + severalPhrase(port.Several)
	}
	for _, r := range pr.Rows {
		fmt.Fprintf(w, "\n%s/%s  %s\n", pr.Name, r.ID, r.Title)
		fmt.Fprintf(w, "  way      %s → %s, %s\n", r.From, r.To, rowPort(r, ports))
		fmt.Fprintf(w, "  need     %s%s\n", r.Need, rowNeed(r))
		if e := r.Expect; !e.IsZero() {
			fmt.Fprintf(w, "  expects  %s\n", expectPhrase(e))
		}
		if r.Probe != "" {
			fmt.Fprintf(w, "  probe    %s\n", r.Probe)
		}
		fmt.Fprintf(w, "  source   %s\n", wrap(r.Source, 69, "           "))
		fmt.Fprintf(w, "  cure     %s\n", wrap(pr.FixText(r), 69, "           "))
	}
	return nil
}

// rowPort says where a row goes to.
func rowPort(r profiles.Row, ports map[string]string) string {
	switch {
	case r.Via != "":
		var extra []string
		for _, e := range r.Extra {
			extra = append(extra, ports[e])
		}
		s := fmt.Sprintf("%s, ports named by %s", strings.ToUpper(r.Protocol.String()), ports[r.Via])
		if len(extra) > 0 {
			s += ", and " + strings.Join(extra, ", ")
		}
		return s
	case r.Protocol == scanner.Manual:
		return "to be checked by hand"
	case r.Port == "":
		return strings.ToUpper(r.Protocol.String()) + " echo"
	default:
		return fmt.Sprintf("%s %s (%s)", strings.ToUpper(r.Protocol.String()), ports[r.Port], r.Port)
	}
}

// severalPhrase says what several numbers of a port are to each other.
func severalPhrase(s scanner.Several) string {
	switch s {
	case scanner.SeveralAll:
		return ", each of them"
	case scanner.SeveralAny:
		return ", or an alternative that the site names"
	case scanner.SeveralInstances:
		return ", one for each instance"
	default:
		return ""
	}
}

// expectPhrase says what a row sends, and what must come back.
func expectPhrase(e scanner.Expect) string {
	var parts []string
	if len(e.Send) > 0 {
		parts = append(parts, fmt.Sprintf("to %q", e.Send))
	}
	switch {
	case e.Prefix != "":
		parts = append(parts, fmt.Sprintf("an answer that begins with %q", e.Prefix))
	case e.Pattern != "":
		parts = append(parts, fmt.Sprintf("an answer that matches %q", e.Pattern))
	default:
		parts = append(parts, "any answer")
	}
	return strings.Join(parts, " ")
}

func rowNeed(r profiles.Row) string {
	s := ""
	if r.AnyOf != "" {
		s += ", any of the group " + r.AnyOf
	}
	if c := r.When.String(); c != "" {
		s += ", when " + c
	}
	if r.Listener == scanner.ListenerWithClient {
		s += "; its listener comes with the client"
	}
	return s
}

// wrap breaks text at spaces; further lines begin with indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	col := 0
	for _, w := range strings.Fields(text) {
		switch {
		case col == 0:
		case col+1+len([]rune(w)) > width:
			b.WriteString("\n" + indent)
			col = 0
		default:
			b.WriteString(" ")
			col++
		}
		b.WriteString(w)
		col += len([]rune(w))
	}
	return b.String()
}

// explain prints the table by which paths are judged, or one rule of it.
func (p *program) explain(args []string) (int, error) {
	fs := p.flagSet("explain", "[REASON|STATE]")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	word := fs.Arg(0)
	if fs.NArg() > 1 {
		return 0, usage(errors.New("name one reason or state: cmreach explain blocked.silent"))
	}
	var reasons, states []string
	var out strings.Builder
	for _, st := range verdict.States {
		states = append(states, st.String())
	}
	for _, r := range verdict.Rules() {
		reasons = append(reasons, r.Reason)
		if word == "" || word == r.Reason || word == r.State.String() {
			fmt.Fprintf(&out, "%s\n    %s\n", r.Reason, wrap(r.Doc, 76, "    "))
		}
	}
	if out.Len() == 0 {
		cure := "states: " + strings.Join(states, ", ") + "; cmreach explain lists all reasons"
		if near := profiles.Nearest(word, append(states, reasons...)); near != "" {
			cure = fmt.Sprintf("did you mean %q?", near)
		}
		return 0, usage(fmt.Errorf("unknown reason or state %q: %s", word, cure))
	}
	if word == "" {
		fmt.Fprintln(&out, "\nThe first rule that matches decides. All observations of one host are seen together.")
	}
	return 0, p.print(out.String())
}
