package lab

import (
	"cmreach/scanner"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// tableName is the nftables table that a lab makes in each of its nodes.
const tableName = "lab"

// setFilters replaces the firewall of the namespace that the calling thread is
// in. A router filters what it forwards, a fleet what arrives, and both only
// what comes from the scanner's side, by the device up: the answers are not
// looked at, so that no state has to be kept.
func setFilters(fs []Filter, router bool, up string) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	c.AddTable(table) // so that deleting it succeeds
	c.DelTable(table)
	c.AddTable(table)
	hook := nftables.ChainHookInput
	if router {
		hook = nftables.ChainHookForward
	}
	chain := c.AddChain(&nftables.Chain{
		Name: "filter", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: nftables.ChainPriorityFilter,
	})
	for i, f := range fs {
		rules, err := f.expressions(up)
		if err != nil {
			return fmt.Errorf("filter %d: %w", i, err)
		}
		for _, e := range rules {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: e})
		}
	}
	return c.Flush()
}

// expressions turns a filter into rules, one or two.
func (f Filter) expressions(up string) ([][]expr.Any, error) {
	do, err := f.action()
	if err != nil {
		return nil, err
	}
	there := slices.Concat(matchDevice(expr.MetaKeyIIFNAME, up), f.matchPrefix(false), f.matchPorts(false), do)
	if f.Do != Lose {
		return [][]expr.Any{there}, nil
	}
	back := slices.Concat(matchDevice(expr.MetaKeyOIFNAME, up), f.matchPrefix(true), f.matchPorts(true), do)
	return [][]expr.Any{there, back}, nil
}

// matchDevice compares the name of the device by which a packet comes or goes.
func matchDevice(key expr.MetaKey, name string) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: padded},
	}
}

// matchPrefix compares the destination (or source) address with the prefix.
func (f Filter) matchPrefix(source bool) []expr.Any {
	if !f.To.IsValid() {
		return nil
	}
	family, offset, size := byte(unix.NFPROTO_IPV4), uint32(16), uint32(4) // RFC 791 3.1
	if f.To.Addr().Is6() {
		family, offset, size = unix.NFPROTO_IPV6, 24, 16 // RFC 8200 3
	}
	if source {
		offset -= size
	}
	p := f.To.Masked()
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: netmask(p), Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Addr().AsSlice()},
	}
}

// netmask returns the mask of a prefix, such as ff ff ff 00.
func netmask(p netip.Prefix) []byte {
	m := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// matchPorts compares the protocol and the destination (or source) port.
func (f Filter) matchPorts(source bool) []expr.Any {
	var l4 byte
	switch f.Protocol {
	case scanner.TCP:
		l4 = unix.IPPROTO_TCP
	case scanner.UDP:
		l4 = unix.IPPROTO_UDP
	case scanner.ICMP:
		l4 = unix.IPPROTO_ICMP
		if f.To.IsValid() && f.To.Addr().Is6() {
			l4 = unix.IPPROTO_ICMPV6
		}
	default:
		return nil
	}
	es := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{l4}},
	}
	if f.First == 0 && f.Last == 0 {
		return es
	}
	offset := uint32(2) // RFC 9293 3.1, RFC 768
	if source {
		offset = 0
	}
	return append(
		es,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: binaryutil.BigEndian.PutUint16(f.First)},
		&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: binaryutil.BigEndian.PutUint16(max(f.First, f.Last))},
	)
}

// action is what is done to a packet that matches.
func (f Filter) action() ([]expr.Any, error) {
	icmp := func(code uint8) []expr.Any {
		return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: code}}
	}
	switch f.Do {
	case Accept:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}, nil
	case Drop:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}, nil
	case RejectProhibited:
		return icmp(unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED), nil
	case RejectPort:
		return icmp(unix.NFT_REJECT_ICMPX_PORT_UNREACH), nil
	case RejectHost:
		return icmp(unix.NFT_REJECT_ICMPX_HOST_UNREACH), nil
	case RejectNet:
		return icmp(unix.NFT_REJECT_ICMPX_NO_ROUTE), nil
	case RejectReset:
		return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}, nil
	case Lose:
		return []expr.Any{
			&expr.Numgen{Register: 1, Modulus: 100, Type: unix.NFT_NG_RANDOM},
			// The number has the byte order of the machine; comparisons go byte by byte.
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(f.Percent))}, //nolint:gosec // checked: 1 to 100
			&expr.Verdict{Kind: expr.VerdictDrop},
		}, nil
	default:
		return nil, errors.New("no such action")
	}
}
