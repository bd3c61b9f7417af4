package main

import (
	"bufio"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// The scanners that the program is measured against, each with the settings
// that were found to be its best, and what they say.

// tool is a scanner. What it needs of a fleet is in the commands, which run one
// after the other; a file that they write is read afterwards.
type tool struct {
	name     string
	programs []string
	checks   []int // of fleetChecks, that it was asked for
	commands func(f *fleet, dir string) [][]string
	read     func(dir string, say func(a netip.Addr, port uint16, what answer)) error
	bare     bool // it loses answers unless the device's offloads are off, and waits for a packet at its end
}

var (
	tcpChecks = []int{1, 2, 3}
	allChecks = []int{0, 1, 2, 3}
)

// nmapTuned is nmap without its caution: as few repetitions, and as short waits, as still find everything here.
func nmapTuned(dir string, args ...string) []string {
	return append([]string{
		"nmap", "-n", "-T4", "--min-rate", "50000", "--max-retries", "2", "--min-hostgroup", "4096",
		"--max-rtt-timeout", "500ms", "--initial-rtt-timeout", "200ms", "-oX", filepath.Join(dir, args[0]+".xml"),
	}, args...)
}

// tools lists the scanners.
func tools() []tool {
	nmap := func(name, how string, checks []int, args ...string) tool {
		return tool{
			name: name, programs: []string{"nmap"}, checks: checks,
			commands: func(f *fleet, dir string) [][]string {
				return [][]string{append(nmapTuned(dir, append([]string{how}, args...)...), f.prefix().String())}
			},
			read: func(dir string, say func(netip.Addr, uint16, answer)) error {
				return readNmap(filepath.Join(dir, how+".xml"), say)
			},
		}
	}
	ports := []string{"-Pn", "-p", "135,445,2701"}
	return []tool{
		nmap("nmap -sS", "-sS", tcpChecks, ports...),
		nmap("nmap -sn -PE", "-sn", []int{0}, "-PE"),
		nmap("nmap -sT", "-sT", tcpChecks, ports...),
		{
			name: "masscan 300k", programs: []string{"masscan", "ethtool"}, checks: allChecks, bare: true,
			commands: func(f *fleet, dir string) [][]string {
				return [][]string{{
					"masscan", f.prefix().String(), "-p", "135,445,2701", "--ping", "--rate", "300000", "--wait", "2", "--adapter", fleetDevice,
					"--adapter-ip", "198.18.0.1", "--router-mac", fleetMAC, "--show", "open,closed", "-oL", filepath.Join(dir, "masscan.txt"),
				}}
			},
			read: readMasscan,
		},
		{name: "zmap 100k, 4 runs", programs: []string{"zmap"}, checks: allChecks, commands: zmapCommands, read: readZmap},
		{
			name: "fping", programs: []string{"fping"}, checks: []int{0},
			commands: func(f *fleet, dir string) [][]string {
				return [][]string{{
					"sh", "-c", `exec fping -a -i 0.02 -r 1 -t 500 -g "$1" "$2" >"$3"`, "sh",
					f.addr(0).String(), f.addr(f.hosts - 1).String(), filepath.Join(dir, "fping.txt"),
				}}
			},
			read: readFping,
		},
	}
}

// readNmap reads nmap's XML host by host.
func readNmap(file string, say func(netip.Addr, uint16, answer)) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	type state struct {
		State  string `xml:"state,attr"`
		Reason string `xml:"reason,attr"`
	}
	type host struct {
		Status  state `xml:"status"`
		Address []struct {
			Addr string `xml:"addr,attr"`
		} `xml:"address"`
		Ports []struct {
			Port  uint16 `xml:"portid,attr"`
			State state  `xml:"state"`
		} `xml:"ports>port"`
	}
	d := xml.NewDecoder(bufio.NewReaderSize(in, 1<<16))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "host" {
			continue
		}
		var h host
		if err := d.DecodeElement(&h, &start); err != nil {
			return err
		}
		if len(h.Address) == 0 {
			continue
		}
		a, err := netip.ParseAddr(h.Address[0].Addr)
		if err != nil {
			return err
		}
		if h.Status.Reason == "echo-reply" {
			say(a, 0, answersOpen)
		}
		for _, p := range h.Ports {
			switch {
			case p.State.State == "open":
				say(a, p.Port, answersOpen)
			case p.State.State == "closed":
				say(a, p.Port, answersReset)
			case strings.Contains(p.State.Reason, "prohibited"):
				say(a, p.Port, answersProhibited)
			default:
				say(a, p.Port, answersNothing)
			}
		}
	}
}

// eachLine calls f for the words of every line.
func eachLine(file string, f func(words []string) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > 0 && words[0] != "#masscan" && words[0] != "#" {
			if err := f(words); err != nil {
				return fmt.Errorf("%s: %w", lines.Text(), err)
			}
		}
	}
	return lines.Err()
}

// readMasscan reads lines such as "open tcp 445 198.19.0.7 1795000000".
func readMasscan(dir string, say func(netip.Addr, uint16, answer)) error {
	return eachLine(filepath.Join(dir, "masscan.txt"), func(w []string) error {
		if len(w) < 4 {
			return errors.New("not a line of masscan's list")
		}
		port, portErr := number(w[2])
		a, err := netip.ParseAddr(w[3])
		what := answersOpen
		if w[0] == "closed" {
			what = answersReset
		}
		say(a, uint16(port), what)
		return errors.Join(err, portErr)
	})
}

// zmapCommands are four runs: it knows one port, or echo, at a time. Its list
// of networks that are not to be scanned holds the lab's, so it gets an empty one.
func zmapCommands(f *fleet, dir string) [][]string {
	var list [][]string
	for c, check := range fleetChecks {
		probe := []string{"-M", "icmp_echoscan"}
		if check.port != 0 {
			probe = []string{"-M", "tcp_synscan", "-p", fmt.Sprint(check.port)}
		}
		list = append(list, append([]string{
			"zmap", "-q", "--disable-syslog", "-r", "100000", "-c", "2", "-i", fleetDevice, "-G", fleetMAC, "-b", os.DevNull,
			"-O", "csv", "-f", "saddr,classification", "--output-filter", "repeat=0",
			"-o", filepath.Join(dir, fmt.Sprintf("zmap%d.csv", c)), f.prefix().String(),
		}, probe...))
	}
	return list
}

func readZmap(dir string, say func(netip.Addr, uint16, answer)) error {
	for c, check := range fleetChecks {
		in, err := os.Open(filepath.Join(dir, fmt.Sprintf("zmap%d.csv", c)))
		if err != nil {
			return err
		}
		rows, err := csv.NewReader(in).ReadAll()
		in.Close()
		if err != nil {
			return err
		}
		for _, r := range rows {
			a, err := netip.ParseAddr(r[0])
			switch {
			case err != nil: // the heading
			case r[1] == "synack", r[1] == "echoreply":
				say(a, check.port, answersOpen)
			case r[1] == "rst":
				say(a, check.port, answersReset)
			}
		}
	}
	return nil
}

// readFping reads the addresses that are alive.
func readFping(dir string, say func(netip.Addr, uint16, answer)) error {
	return eachLine(filepath.Join(dir, "fping.txt"), func(w []string) error {
		a, err := netip.ParseAddr(w[0])
		say(a, 0, answersOpen)
		return err
	})
}
