// Package packet builds the packets of the raw sweep and reads what comes back:
// TCP SYN, ICMP and ICMPv6 echo and UDP on IPv4 and IPv6, from the network
// header on.
//
// A [Template] is a packet that was built once, by gopacket; sending one more
// copies it and changes the addresses, the ports, the cookie and the checksums.
// [Read] takes a received packet apart, an ICMP error down to the packet that
// it quotes, without allocation and without believing a length that does not
// fit. A [Secret] marks packets so that only the answer to one is taken for it.
//
// The package knows nothing of sockets, clocks and verdicts. Link layers, IP
// fragments beyond the first and TCP options are not looked at.
package packet
