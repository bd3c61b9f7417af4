package rpc

import (
	"fmt"
	"math"
)

// Context is one presentation context that a client proposes (p_cont_elem_t,
// C706 12.6.3.1): an interface, and the encodings in which it may be spoken.
type Context struct {
	ID        uint16
	Interface Syntax
	Transfers []Syntax
}

// Bind opens an association (C706 12.6.4.3).
type Bind struct {
	Header
	MaxXmit, MaxRecv uint16 // longest fragment that the client sends and takes
	Group            uint32 // association group; 0 asks for a new one
	Contexts         []Context
}

// Encode writes the PDU.
func (m *Bind) Encode() ([]byte, error) {
	w := m.begin(TypeBind)
	w.u16(m.MaxXmit)
	w.u16(m.MaxRecv)
	w.u32(m.Group)
	if len(m.Contexts) > math.MaxUint8 {
		return nil, fmt.Errorf("rpc: encode bind: %w: %d contexts", ErrTooLarge, len(m.Contexts))
	}
	w.raw([]byte{byte(len(m.Contexts)), 0, 0, 0}) //nolint:gosec // checked above
	for _, c := range m.Contexts {
		if len(c.Transfers) > math.MaxUint8 {
			return nil, fmt.Errorf("rpc: encode bind: %w: %d transfer syntaxes", ErrTooLarge, len(c.Transfers))
		}
		w.u16(c.ID)
		w.raw([]byte{byte(len(c.Transfers)), 0}) //nolint:gosec // checked above
		w.syntax(c.Interface)
		for _, t := range c.Transfers {
			w.syntax(t)
		}
	}
	return w.finish(TypeBind)
}

func decodeBind(h Header, r *reader) *Bind {
	m := &Bind{Header: h}
	m.MaxXmit = r.u16("max_xmit_frag")
	m.MaxRecv = r.u16("max_recv_frag")
	m.Group = r.u32("assoc_group_id")
	n := r.u8("n_context_elem")
	r.take(3, "reserved")
	for range n {
		c := Context{ID: r.u16("p_cont_id")}
		k := r.u8("n_transfer_syn")
		r.take(1, "reserved")
		c.Interface = r.syntax("abstract_syntax")
		for range k {
			t := r.syntax("transfer_syntax")
			if r.err != nil {
				return m
			}
			c.Transfers = append(c.Transfers, t)
		}
		if r.err != nil {
			return m
		}
		m.Contexts = append(m.Contexts, c)
	}
	return m
}

// The results of a proposed context (p_cont_def_result_t, C706 12.6.3.1).
const (
	Accepted          uint16 = 0
	UserRejection     uint16 = 1
	ProviderRejection uint16 = 2
)

// Reasons of a provider's rejection (p_provider_reason_t).
const (
	ReasonUnspecified       uint16 = 0
	ReasonAbstractSyntax    uint16 = 1
	ReasonTransferSyntaxes  uint16 = 2
	ReasonLocalLimitReached uint16 = 3
)

// ContextResult is the answer to one proposed context.
type ContextResult struct {
	Result, Reason uint16
	Transfer       Syntax // the encoding that was chosen; zero when rejected
}

// String says whether the context was accepted, and if not, why.
func (c ContextResult) String() string {
	if c.Result == Accepted {
		return "accepted"
	}
	by := fmt.Sprintf("result %d", c.Result)
	switch c.Result {
	case UserRejection:
		by = "user_rejection"
	case ProviderRejection:
		by = "provider_rejection"
	}
	switch c.Reason {
	case ReasonUnspecified:
		return by + ": reason_not_specified"
	case ReasonAbstractSyntax:
		return by + ": abstract_syntax_not_supported"
	case ReasonTransferSyntaxes:
		return by + ": proposed_transfer_syntaxes_not_supported"
	case ReasonLocalLimitReached:
		return by + ": local_limit_exceeded"
	default:
		return fmt.Sprintf("%s: reason %d", by, c.Reason)
	}
}

// BindAck accepts an association (C706 12.6.4.4). Whether a context may be used
// is in its result: an accepted association can have only rejected contexts.
type BindAck struct {
	Header
	MaxXmit, MaxRecv uint16
	Group            uint32
	SecondaryAddr    string // the port of the server, as text
	Results          []ContextResult
}

// Encode writes the PDU.
func (m *BindAck) Encode() ([]byte, error) {
	if len(m.SecondaryAddr) >= math.MaxUint16 || len(m.Results) > math.MaxUint8 {
		return nil, fmt.Errorf("rpc: encode bind_ack: %w", ErrTooLarge)
	}
	w := m.begin(TypeBindAck)
	w.u16(m.MaxXmit)
	w.u16(m.MaxRecv)
	w.u32(m.Group)
	if m.SecondaryAddr == "" {
		w.u16(0) // as Samba does; the terminator belongs to an address
	} else {
		w.u16(uint16(len(m.SecondaryAddr) + 1)) //nolint:gosec // checked above
		w.raw([]byte(m.SecondaryAddr))
		w.u8(0)
	}
	w.align(4)
	w.raw([]byte{byte(len(m.Results)), 0, 0, 0}) //nolint:gosec // checked above
	for _, c := range m.Results {
		w.u16(c.Result)
		w.u16(c.Reason)
		w.syntax(c.Transfer)
	}
	return w.finish(TypeBindAck)
}

func decodeBindAck(h Header, r *reader) *BindAck {
	m := &BindAck{Header: h}
	m.MaxXmit = r.u16("max_xmit_frag")
	m.MaxRecv = r.u16("max_recv_frag")
	m.Group = r.u32("assoc_group_id")
	addr := r.take(int(r.u16("sec_addr length")), "sec_addr")
	for i, c := range addr {
		if c == 0 {
			addr = addr[:i]
			break
		}
	}
	m.SecondaryAddr = string(addr)
	r.align(4, "padding")
	n := r.u8("n_results")
	r.take(3, "reserved")
	for range n {
		c := ContextResult{Result: r.u16("result"), Reason: r.u16("reason"), Transfer: r.syntax("transfer_syntax")}
		if r.err != nil {
			return m
		}
		m.Results = append(m.Results, c)
	}
	return m
}

// Reasons of a bind_nak (p_reject_reason_t, C706 12.6.3.1; 8 and 9 [MS-RPCE] 2.2.2.5).
const (
	NakUnspecified     uint16 = 0
	NakCongestion      uint16 = 1
	NakLocalLimit      uint16 = 2
	NakUnknownAddress  uint16 = 3
	NakProtocolVersion uint16 = 4
	NakAuthType        uint16 = 8
	NakInvalidChecksum uint16 = 9
)

// ProtocolVersion is a version of the protocol that a server speaks.
type ProtocolVersion struct{ Major, Minor uint8 }

// BindNak refuses an association (C706 12.6.4.5).
type BindNak struct {
	Header
	Reason   uint16
	Versions []ProtocolVersion
}

// ReasonText names the reason.
func (m *BindNak) ReasonText() string {
	switch m.Reason {
	case NakUnspecified:
		return "reason_not_specified"
	case NakCongestion:
		return "temporary_congestion"
	case NakLocalLimit:
		return "local_limit_exceeded"
	case NakUnknownAddress:
		return "called_paddr_unknown"
	case NakProtocolVersion:
		return "protocol_version_not_supported"
	case NakAuthType:
		return "authentication_type_not_recognized"
	case NakInvalidChecksum:
		return "invalid_checksum"
	default:
		return fmt.Sprintf("reason %d", m.Reason)
	}
}

// Encode writes the PDU.
func (m *BindNak) Encode() ([]byte, error) {
	if len(m.Versions) > math.MaxUint8 {
		return nil, fmt.Errorf("rpc: encode bind_nak: %w: %d versions", ErrTooLarge, len(m.Versions))
	}
	w := m.begin(TypeBindNak)
	w.u16(m.Reason)
	w.u8(uint8(len(m.Versions))) //nolint:gosec // checked above
	for _, v := range m.Versions {
		w.raw([]byte{v.Major, v.Minor})
	}
	return w.finish(TypeBindNak)
}

func decodeBindNak(h Header, r *reader) *BindNak {
	m := &BindNak{Header: h, Reason: r.u16("provider_reject_reason")}
	if r.err != nil || r.left() == 0 {
		return m // seen in the field without the list of versions
	}
	for range r.u8("n_protocols") {
		v := ProtocolVersion{Major: r.u8("major"), Minor: r.u8("minor")}
		if r.err != nil {
			return m
		}
		m.Versions = append(m.Versions, v)
	}
	return m
}
