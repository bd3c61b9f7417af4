package socket

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// errTracked: a full table of tracked connections makes the kernel refuse to
// send, with the same error as a firewall rule (nf_conntrack(8)).
var errTracked = errors.New("this machine's table of tracked connections is full (net.netfilter.nf_conntrack_max)")

// conntrackFull reports whether the table is as good as full.
func conntrackFull() bool {
	const dir = "/proc/sys/net/netfilter/"
	count, ok := readCount(dir + "nf_conntrack_count")
	most, ok2 := readCount(dir + "nf_conntrack_max")
	return ok && ok2 && most > 0 && count >= most-most/64
}

func readCount(file string) (uint64, bool) {
	text, err := os.ReadFile(file) //nolint:gosec // one of two names above
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
