// Package socket touches the network for the engine: it alone makes system calls
// for a check, and has build tags for them. (A record's lock has some of its own,
// and so has the lab.)
//
// [Connect] is the portable engine behind the seams [scanner.Sweeper] and
// [scanner.Dialer]. It needs no rights: TCP is tried by connect(), UDP by a
// connected socket, ICMP echo by a raw socket or, without the right to it, by
// a datagram socket. On Linux it owns its sockets, uses those of TCP again,
// waits for all of them in one goroutine, and reads the sender, type and code
// of ICMP errors from the error queue, so that an ordinary user learns who
// rejected a packet. With CAP_NET_RAW it also sees the TTL of SYN-ACK and RST,
// at the price of a socket for each attempt. Conversations have sockets of their
// own, which serve one after the other too; each ends by a RST, as every attempt
// does, and leaves no TIME_WAIT to either side. Elsewhere the dialers
// of package net do the work and error numbers must do; [Connect.Notes] says
// what is lost.
//
// # What an outcome means here
//
//   - Answered: TCP: the connection was accepted (also when a reset followed at
//     once); UDP: a datagram came from the address and port that were asked, or
//     from any port of the address when the shot says so;
//     ICMP: an echo reply from the address that was asked, with our keyed payload.
//   - Refused: TCP RST in answer to SYN, and no ICMP error. From is the address
//     that was asked, for that is the sender that a RST bears, whoever sent it.
//   - Rejected: ICMP destination unreachable or parameter problem; From is the
//     sender of the error. From equal to this machine's own address with host
//     unreachable (ICMP 3/1, ICMPv6 1/3) means that nobody on the local link
//     answers ARP or neighbour discovery for the address: the kernel says so
//     itself. It is a fact about the neighbour, not a fault of this machine.
//   - Expired: ICMP time exceeded in transit; From is the router.
//   - Silent: only from DialTCP; a [scanner.Shot] that meets silence gets no reply.
//   - Cut: only from DialTCP; the connection was accepted and reset at once.
//   - LocalError: this machine could not send: no descriptor, buffer or port
//     (Temporary), no right, no route, or its own routes or firewall forbid it.
//     An ICMP error other than host unreachable that this machine sent to
//     itself about another host is its own firewall's, hence a LocalError too.
//
// When the kernel's table of neighbours is full (more than 1024 machines that
// do not exist on the local link, net.ipv4.neigh.default.gc_thresh3), UDP and
// ICMP shots get a temporary LocalError. A SYN is then lost without a word,
// and looks like silence until it is tried again.
//
// A shot may need a port of this machine (DHCP: 68). If another program has it
// that is a temporary LocalError, without the right to it a lasting one. On
// Linux our own shots to different peers share the port; elsewhere they wait for
// each other by temporary errors.
//
// A "reject with tcp reset" rule in this machine's own output chain cannot be
// told from the peer's RST and is reported as Refused. The kernel repeats an
// unanswered SYN after one second, so a Wait beyond that covers more than one
// packet.
//
// The package knows nothing of profiles, verdicts and application protocols.
// Bytes that come from the network are taken apart in pure functions with
// fuzz targets; they never panic.
package socket
