package epm_test

import (
	"bytes"
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/rpc"
	"cmreach/probes/wire/rpc/rpctest"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const transcripts = "../../../testdata/wire/rpc"

func unhex(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(parts, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stubs are the stubs of a transcript: requests, and joined answers.
type stubs struct {
	opnum     uint16
	questions [][]byte
	answers   [][]byte
}

func load(t testing.TB, name string) stubs {
	t.Helper()
	var s stubs
	var a *rpc.Assembler
	for i, pdu := range rpctest.Load(t, transcripts, name) {
		m, err := rpc.Decode(pdu.Bytes)
		if err != nil {
			t.Fatalf("%s: PDU %d: %v", name, i+1, err)
		}
		switch m := m.(type) {
		case *rpc.Request:
			s.opnum = m.Opnum
			s.questions = append(s.questions, m.Stub)
			a = &rpc.Assembler{MaxBytes: 1 << 20, MaxFragments: 64}
		case *rpc.Response:
			done, err := a.Add(m)
			if err != nil {
				t.Fatalf("%s: PDU %d: %v", name, i+1, err)
			}
			if done {
				s.answers = append(s.answers, a.Stub())
			}
		}
	}
	if len(s.questions) == 0 || len(s.questions) != len(s.answers) {
		t.Fatalf("%s: %d questions, %d answers", name, len(s.questions), len(s.answers))
	}
	return s
}

func page(t testing.TB, stub []byte) epm.LookupResponse {
	t.Helper()
	p, err := epm.DecodeLookupResponse(stub, binary.LittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ports gives the distinct TCP ports of the entries, in order.
func ports(t testing.TB, entries []epm.Entry) []uint16 {
	t.Helper()
	var found []uint16
	for i, e := range entries {
		tower, err := epm.DecodeTower(e.Tower)
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		if !bytes.Equal(tower.Encode(), e.Tower) {
			t.Errorf("entry %d: tower written as %x, was %x", i, tower.Encode(), e.Tower)
		}
		if at, ok := tower.TCP(); ok {
			found = append(found, at.Port())
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestLastPageWithStatus is Samba's rpcd_epmapper: entries come together with
// the status that says there are no more, and a null handle.
func TestLastPageWithStatus(t *testing.T) {
	s := load(t, "cli-epm-lookup")
	p := page(t, s.answers[0])
	if len(p.Entries) != 38 || p.Max != 100 || p.Status != epm.StatusNotRegistered || !p.Handle.IsZero() {
		t.Errorf("%d entries of %d, status %#x, handle %v", len(p.Entries), p.Max, p.Status, p.Handle)
	}
	if p.Entries[0].Annotation != "eventlog" || p.Entries[3].Annotation != "FileServerVssAgent" {
		t.Errorf("annotations %q, %q", p.Entries[0].Annotation, p.Entries[3].Annotation)
	}
	if got, want := ports(t, p.Entries), []uint16{135, 49664, 49665, 49666}; !slices.Equal(got, want) {
		t.Errorf("ports %v, want %v", got, want)
	}
}

func TestPagesOfTheDomainController(t *testing.T) {
	s := load(t, "dc-epm-lookup")
	p := page(t, s.answers[0])
	if len(p.Entries) != 53 || p.Status != epm.StatusOK || p.Handle.IsZero() {
		t.Errorf("%d entries, status %#x, handle %v", len(p.Entries), p.Status, p.Handle)
	}
	if got, want := ports(t, p.Entries), []uint16{135, 49152, 49153, 49154}; !slices.Equal(got, want) {
		t.Errorf("ports %v, want %v", got, want)
	}
	last := page(t, s.answers[1])
	if len(last.Entries) != 0 || last.Status != epm.StatusNotRegistered || !last.Handle.IsZero() {
		t.Errorf("last page: %+v", last)
	}
	q, err := epm.DecodeLookupRequest(s.questions[1], binary.LittleEndian)
	if err != nil || q.Handle != p.Handle || q.Max != 100 {
		t.Errorf("second question %+v (%v), want the handle %v", q, err, p.Handle)
	}
}

func TestPagesOfOneEntry(t *testing.T) {
	s := load(t, "cli-epm-lookup-single")
	n := 0
	for i, stub := range s.answers {
		p := page(t, stub)
		n += len(p.Entries)
		if len(p.Entries) != 1 || p.Handle.IsZero() || p.Status != epm.StatusOK {
			t.Errorf("page %d: %d entries, handle %v, status %#x", i+1, len(p.Entries), p.Handle, p.Status)
		}
		if i == 0 {
			continue
		}
		q, err := epm.DecodeLookupRequest(s.questions[i], binary.LittleEndian)
		if err != nil || q.Handle != p.Handle || q.Max != 1 {
			t.Errorf("question %d: %+v (%v), want the handle %v", i+1, q, err, p.Handle)
		}
	}
	if n != 28 {
		t.Errorf("%d entries, want 28", n)
	}
}

func TestMapTranscripts(t *testing.T) {
	lsarpc := load(t, "dc-epm-map-lsarpc")
	p, err := epm.DecodeMapResponse(lsarpc.answers[0], binary.LittleEndian)
	if err != nil || len(p.Towers) != 1 || p.Status != epm.StatusOK {
		t.Fatalf("%+v, %v", p, err)
	}
	tower, err := epm.DecodeTower(p.Towers[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Encode(), lsarpc.answers[0]) { // the referent too: it must not be one of the question's
		t.Errorf("written as %x\nSamba's    %x", p.Encode(), lsarpc.answers[0])
	}
	if at, ok := tower.TCP(); !ok || at != netip.MustParseAddrPort("0.0.0.0:49153") {
		t.Errorf("lsarpc at %v %t", at, ok)
	}
	if _, ok := tower.UDP(); ok {
		t.Error("a TCP tower has a UDP port")
	}
	q, err := epm.DecodeMapRequest(lsarpc.questions[0], binary.LittleEndian)
	if err != nil || q.Max != 1 || q.Object == nil {
		t.Fatalf("question %+v, %v", q, err)
	}
	asked, err := epm.DecodeTower(q.Tower)
	if err != nil {
		t.Fatal(err)
	}
	lsa := [16]byte(unhex(t, "12345778 1234 abcd ef00 0123456789ab"))
	if id, ok := asked.Interface(); !ok || id != (epm.InterfaceID{UUID: lsa}) {
		t.Errorf("asked for %+v", id)
	}
	ndr := epm.InterfaceID{UUID: rpc.NDR.UUID, Major: rpc.NDR.Major}
	if want := epm.TCPTower(epm.InterfaceID{UUID: lsa}, ndr, netip.AddrPort{}); !bytes.Equal(want.Encode(), q.Tower) {
		t.Errorf("our question %x\nimpacket's    %x", want.Encode(), q.Tower)
	}

	svcctl := load(t, "cli-epm-map-svcctl")
	none, err := epm.DecodeMapResponse(svcctl.answers[0], binary.LittleEndian)
	if err != nil || len(none.Towers) != 0 || none.Status != epm.StatusNotRegistered {
		t.Errorf("svcctl: %+v, %v", none, err)
	}
}

// TestEncodeAsClientsDo compares what we write with what impacket wrote.
func TestEncodeAsClientsDo(t *testing.T) {
	q := epm.LookupRequest{Inquiry: epm.InquireAll, VersionOption: epm.VersionAll, Max: 100}
	if want := load(t, "dc-epm-lookup").questions[0]; !bytes.Equal(q.Encode(), want) {
		t.Errorf("ept_lookup %x\nwant       %x", q.Encode(), want)
	}
	s := load(t, "dc-epm-map-lsarpc")
	m, err := epm.DecodeMapRequest(s.questions[0], binary.LittleEndian)
	want := bytes.Clone(s.questions[0])
	want[bytes.LastIndexByte(want, 0xab)] = 0 // impacket pads the tower with 0xab
	if err != nil || !bytes.Equal(m.Encode(), want) {
		t.Errorf("ept_map %x (%v)\nwant    %x", m.Encode(), err, want)
	}
}

// TestAnswersRoundTrip reads and writes every answer of real mappers.
func TestAnswersRoundTrip(t *testing.T) {
	for _, name := range []string{"cli-epm-lookup", "cli-epm-lookup-single", "dc-epm-lookup", "dc-epm-map-lsarpc", "cli-epm-map-svcctl"} {
		s := load(t, name)
		for i, stub := range s.answers {
			if s.opnum == epm.OpMap {
				p, err := epm.DecodeMapResponse(stub, binary.LittleEndian)
				if err != nil {
					t.Fatal(err)
				}
				again, err := epm.DecodeMapResponse(p.Encode(), binary.LittleEndian)
				if d := cmp.Diff(p, again); d != "" || err != nil {
					t.Errorf("%s answer %d (%v):\n%s", name, i+1, err, d)
				}
				continue
			}
			p := page(t, stub)
			if d := cmp.Diff(p, page(t, p.Encode())); d != "" {
				t.Errorf("%s answer %d:\n%s", name, i+1, d)
			}
		}
	}
}

func TestLookupRequestWithEverything(t *testing.T) {
	object := [16]byte(rpc.NDR.UUID)
	want := epm.LookupRequest{
		Inquiry: epm.InquireByBoth, Object: &object, VersionOption: epm.VersionAll, Max: 500,
		Interface: &epm.InterfaceID{UUID: rpc.EndpointMapper.UUID, Major: 3, Minor: 1},
		Handle:    epm.Handle{Attributes: 0, UUID: [16]byte{15: 1}},
	}
	got, err := epm.DecodeLookupRequest(want.Encode(), binary.LittleEndian)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for n := range want.Encode() {
		if _, err := epm.DecodeLookupRequest(want.Encode()[:n], binary.LittleEndian); !errors.Is(err, epm.ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

const (
	nullHandle = "00000000 00000000000000000000000000000000"
)

// TestBigEndianPage reads two entries of which the second has the first one's
// tower: a full pointer with the same referent is an alias.
func TestBigEndianPage(t *testing.T) {
	stub := unhex(
		t,
		"00000000", "01020304 0506 0708 090a0b0c0d0e0f10", "00000002", // handle, num_ents
		"00000002 00000000 00000002", // maximum, offset, actual count
		"e1af8308 5d1f 11c9 91a408002b14a0fa", "00000007", "00000000 00000003 615a00", "00",
		"00000000 0000 0000 0000000000000000", "00000007", "00000000 00000001 00", "000000",
		"00000006 00000006", "0100 0100 0d 00", "0000", // one tower; its floor lacks a right-hand side
		"00000000",
	)
	p, err := epm.DecodeLookupResponse(stub, binary.BigEndian)
	if err != nil {
		t.Fatal(err)
	}
	tower := []byte{1, 0, 1, 0, 0x0d, 0}
	want := epm.LookupResponse{
		Handle: epm.Handle{UUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}, Max: 2,
		Entries: []epm.Entry{
			{Object: rpc.EndpointMapper.UUID, Tower: tower, Annotation: "aZ"},
			{Tower: tower},
		},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := epm.DecodeTower(p.Entries[0].Tower); !errors.Is(err, epm.ErrMalformed) {
		t.Errorf("a floor that is cut off: %v", err)
	}
	for n := range stub {
		if _, err := epm.DecodeLookupResponse(stub[:n], binary.BigEndian); !errors.Is(err, epm.ErrMalformed) {
			t.Errorf("%d of %d bytes: %v", n, len(stub), err)
		}
	}
}

func TestDecodersRefuse(t *testing.T) {
	lookup := func(b []byte) error { _, err := epm.DecodeLookupResponse(b, binary.BigEndian); return err }
	mapped := func(b []byte) error { _, err := epm.DecodeMapResponse(b, binary.BigEndian); return err }
	tower := func(b []byte) error { _, err := epm.DecodeTower(b); return err }
	cases := []struct {
		name   string
		decode func([]byte) error
		wire   []byte
	}{
		{"lookup: four thousand million entries", lookup, unhex(t, nullHandle, "ffffffff ffffffff 00000000 ffffffff 00000000")},
		{"lookup: more than the maximum", lookup, unhex(t, nullHandle, "00000002 00000001 00000000 00000002", strings.Repeat("00", 64))},
		{"lookup: offset beyond the maximum", lookup, unhex(t, nullHandle, "00000000 00000001 ffffffff 00000001", strings.Repeat("00", 64))},
		{"lookup: annotation of 65", lookup, unhex(t, nullHandle, "00000001 00000001 00000000 00000001", strings.Repeat("00", 20), "00000000 00000041", strings.Repeat("41", 100))},
		{"map: four thousand million towers", mapped, unhex(t, nullHandle, "ffffffff ffffffff 00000000 ffffffff 00000000")},
		{"map: two lengths of a tower", mapped, unhex(t, nullHandle, "00000001 00000001 00000000 00000001 00000003 00000005 00000006 000000000000 0000 00000000")},
		{"map: tower beyond the end", mapped, unhex(t, nullHandle, "00000001 00000001 00000000 00000001 00000003 ffffffff ffffffff 00000000")},
		{"tower: empty", tower, nil},
		{"tower: 33 floors", tower, append([]byte{33, 0}, make([]byte, 33*5)...)},
		{"tower: floor without a protocol", tower, unhex(t, "0100 0000 0000")},
		{"tower: left-hand side beyond the end", tower, unhex(t, "0100 ffff 0d")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.decode(c.wire); !errors.Is(err, epm.ErrMalformed) {
				t.Errorf("%v, want %v", err, epm.ErrMalformed)
			}
		})
	}
}

func TestTowers(t *testing.T) {
	iface := epm.InterfaceID{UUID: rpc.Management.UUID, Major: 1, Minor: 2}
	ndr := epm.InterfaceID{UUID: rpc.NDR.UUID, Major: 2}
	at := netip.MustParseAddrPort("198.18.0.30:49664")
	udp := epm.UDPTower(iface, ndr, at)
	want := unhex(
		t,
		"0500",
		"1300 0d 80bda8af 8a7d c911 bef408002b102989 0100", "0200 0200",
		"1300 0d 045d888a eb1c c911 9fe808002b104860 0200", "0200 0000",
		"0100 0a", "0200 0000",
		"0100 08", "0200 c200",
		"0100 09", "0400 c612001e",
	)
	if !bytes.Equal(udp.Encode(), want) {
		t.Errorf("encoded %x\nwant    %x", udp.Encode(), want)
	}
	back, err := epm.DecodeTower(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := back.UDP(); !ok || got != at {
		t.Errorf("UDP %v %t", got, ok)
	}
	if id, ok := back.Interface(); !ok || id != iface {
		t.Errorf("interface %+v %t", id, ok)
	}
	v6 := epm.TCPTower(iface, ndr, netip.MustParseAddrPort("[fd00:198::1]:135"))
	if got, ok := v6.TCP(); !ok || got != netip.MustParseAddrPort("0.0.0.0:135") {
		t.Errorf("tower of an IPv6 address: %v %t", got, ok)
	}
	if _, ok := (epm.Tower{}).Interface(); ok {
		t.Error("a tower without floors has an interface")
	}
}
