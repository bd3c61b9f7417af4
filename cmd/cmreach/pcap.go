package main

import (
	"bufio"
	"cmreach/probes/socket"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// capture keeps the packets of each host until it is judged, and writes those of
// the paths that failed, or of all, to a file that Wireshark opens.
type capture struct {
	all  bool
	file *os.File
	buf  *bufio.Writer
	out  *pcapgo.NgWriter

	mu    sync.Mutex
	hosts map[netip.Addr][]frame
	kept  int // bytes
	err   error
	lost  int // packets that were not kept for want of room
}

// frame is a packet that waits for its host's verdict.
type frame struct {
	at    time.Time
	proto scanner.Protocol
	port  uint16
	bytes []byte
}

// maxCapture bounds the packets that are kept for hosts without a verdict.
const maxCapture = 64 << 20

// newCapture begins the file.
func newCapture(file string, all bool) (*capture, error) {
	f, err := os.Create(file) //nolint:gosec // the user's own choice
	if err != nil {
		return nil, fmt.Errorf("--pcap: cannot write %s: %w: choose another place", file, reason(err))
	}
	c := &capture{all: all, file: f, buf: bufio.NewWriterSize(f, 1<<16), hosts: map[netip.Addr][]frame{}}
	which := "packets of the paths that failed"
	if all {
		which = "packets of all paths"
	}
	c.out, err = pcapgo.NewNgWriterInterface(c.buf, pcapgo.NgInterface{
		Name: "sweep", Description: "single packets of the sweep, without the conversations", OS: runtime.GOOS,
		LinkType: layers.LinkTypeRaw, TimestampResolution: 9,
	}, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "cmreach " + version, OS: runtime.GOOS, Comment: which}})
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("--pcap: write %s: %w", file, err)
	}
	return c, nil
}

// frames is where the engine's packets go; nil without a capture.
func (c *capture) frames() func(socket.Frame) {
	if c == nil {
		return nil
	}
	return c.add
}

// add keeps a packet. It is called while the run goes on.
func (c *capture) add(f socket.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept+len(f.Bytes) > maxCapture {
		c.lost++
		return
	}
	c.kept += len(f.Bytes)
	c.hosts[f.Addr] = append(c.hosts[f.Addr], frame{f.At, f.Protocol, f.Port, append([]byte(nil), f.Bytes...)})
}

// judged writes the packets of a host that belong to a path that failed.
func (c *capture) judged(addr netip.Addr, findings []verdict.Finding) {
	if c == nil || !addr.IsValid() {
		return
	}
	c.mu.Lock()
	frames := c.hosts[addr]
	delete(c.hosts, addr)
	for _, f := range frames {
		c.kept -= len(f.bytes)
	}
	c.mu.Unlock()
	for _, f := range frames {
		if c.err == nil && (c.all || failed(findings, f)) {
			c.err = c.out.WritePacket(gopacket.CaptureInfo{
				Timestamp: f.at, CaptureLength: len(f.bytes), Length: len(f.bytes),
			}, f.bytes)
		}
	}
}

// failed reports whether a packet is of a path that is not open. What belongs
// to no row's own port, such as a dynamic one, counts when anything failed.
func failed(findings []verdict.Finding, f frame) bool {
	own, any := false, false
	for _, fd := range findings {
		bad := fd.State != verdict.Open
		any = any || bad
		if fd.Protocol != f.proto || fd.Port != f.port {
			continue
		}
		if bad {
			return true
		}
		own = true
	}
	return any && !own
}

// close ends the file. Packets of hosts that were not judged are in it when all
// are wanted.
func (c *capture) close() error {
	if c == nil {
		return nil
	}
	var errLost error
	if c.lost > 0 {
		errLost = fmt.Errorf("--pcap: %d packets were left out: more than %d MB waited for a verdict", c.lost, maxCapture>>20)
	}
	err := c.err
	if err == nil {
		err = c.out.Flush()
	}
	if err == nil {
		err = c.buf.Flush()
	}
	if err = errors.Join(err, c.file.Close()); err != nil {
		err = fmt.Errorf("--pcap: write %s: %w", c.file.Name(), err)
	}
	return errors.Join(err, errLost)
}
