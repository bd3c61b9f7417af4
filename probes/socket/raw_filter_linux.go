package socket

import (
	"cmreach/probes/wire/packet"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// attach makes a socket drop what the program does not let through.
func attach(fd int, prog []bpf.Instruction) error {
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return fmt.Errorf("assemble the packet filter: %w", err)
	}
	list := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		list[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	filter := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]} //nolint:gosec // a few dozen
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &filter); err != nil {
		return fmt.Errorf("attach the packet filter: %w", err)
	}
	return nil
}

// keep is how much of a packet the filter lets through: all.
const keep = 1 << 18

// rawFilter lets through what may answer a packet of ours, of packets for this
// machine that begin with their network header: TCP with SYN and ACK or with
// RST, and datagrams, to a port of the window; echo replies; ICMP errors. What
// has IPv6 extension headers is left to the reader.
func rawFilter(v6 bool, first uint16) []bpf.Instruction {
	const drop, pass = "drop", "pass"
	var a assembler
	a.add(bpf.LoadExtension{Num: bpf.ExtType})
	a.jump(bpf.JumpNotEqual, unix.PACKET_HOST, drop)
	types := []uint32{icmp4EchoReply, icmp4Unreachable, icmp4TimeExceeded, icmp4ParamProblem}
	icmpProto, headAt := uint32(protoICMP), uint32(0)
	if v6 {
		types = []uint32{icmp6Unreachable, icmp6TimeExceeded, icmp6ParamProblem, icmp6EchoReply}
		icmpProto, headAt = protoICMP6, 40
		a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: headAt})
		a.add(bpf.LoadAbsolute{Off: 6, Size: 1})
		for _, extension := range []uint32{protoHopByHop, protoRouting, protoFragment, protoDestOpts, protoAuth} {
			a.jump(bpf.JumpEqual, extension, pass)
		}
	} else {
		a.add(bpf.LoadAbsolute{Off: 6, Size: 2})
		a.jump(bpf.JumpBitsSet, 0x1fff, drop) // a later fragment
		a.add(bpf.LoadMemShift{Off: 0})
		a.add(bpf.LoadAbsolute{Off: 9, Size: 1})
	}
	a.jump(bpf.JumpEqual, icmpProto, "icmp")
	a.jump(bpf.JumpEqual, unix.IPPROTO_UDP, "port")
	a.jump(bpf.JumpNotEqual, unix.IPPROTO_TCP, drop)
	a.add(bpf.LoadIndirect{Off: 13, Size: 1})
	a.jump(bpf.JumpBitsSet, packet.FlagRST, "port")
	a.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: packet.FlagSYN | packet.FlagACK})
	a.jump(bpf.JumpNotEqual, packet.FlagSYN|packet.FlagACK, drop)
	a.label("port")
	a.add(bpf.LoadIndirect{Off: 2, Size: 2})
	a.jump(bpf.JumpLessThan, uint32(first), drop)
	a.jump(bpf.JumpGreaterOrEqual, uint32(first)+windowSize, drop)
	a.add(bpf.RetConstant{Val: keep})
	a.label("icmp")
	a.add(bpf.LoadIndirect{Off: 0, Size: 1})
	for _, t := range types {
		a.jump(bpf.JumpEqual, t, pass)
	}
	a.label(drop)
	a.add(bpf.RetConstant{Val: 0})
	a.label(pass)
	a.add(bpf.RetConstant{Val: keep})
	return a.program()
}

// assembler resolves jumps to labels that follow.
type assembler struct {
	list   []bpf.Instruction
	labels map[string]int
	jumps  map[int]string
}

func (a *assembler) add(in bpf.Instruction) { a.list = append(a.list, in) }

// jump goes to the label when the condition holds for the accumulator.
func (a *assembler) jump(cond bpf.JumpTest, val uint32, label string) {
	if a.jumps == nil {
		a.jumps = map[int]string{}
	}
	a.jumps[len(a.list)] = label
	a.add(bpf.JumpIf{Cond: cond, Val: val})
}

func (a *assembler) label(name string) {
	if a.labels == nil {
		a.labels = map[string]int{}
	}
	a.labels[name] = len(a.list)
}

func (a *assembler) program() []bpf.Instruction {
	for at, label := range a.jumps {
		in, ok := a.list[at].(bpf.JumpIf)
		if !ok {
			continue
		}
		in.SkipTrue = uint8(a.labels[label] - at - 1) //nolint:gosec // the program is short, and jumps go forward
		a.list[at] = in
	}
	return a.list
}
