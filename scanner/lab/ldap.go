package lab

import (
	"bufio"
	"cmreach/probes/wire/ber"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// The messages of LDAP (RFC 4511 4.2 to 4.14); ber.Application and the number,
// constructed, but for the first.
const (
	ldapUnbind           = 0x42
	ldapBindRequest      = ber.Application
	ldapBindResponse     = ber.Application + 1
	ldapSearchRequest    = ber.Application + 3
	ldapSearchEntry      = ber.Application + 4
	ldapSearchDone       = ber.Application + 5
	ldapExtendedRequest  = ber.Application + 23
	ldapExtendedResponse = ber.Application + 24
)

// The results of LDAP that the fake has (RFC 4511 4.1.9).
const (
	ldapSuccess            = 0
	ldapOperationsError    = 1 // what Active Directory says to who has not logged on
	ldapProtocolError      = 2
	ldapInvalidCredentials = 49
)

// maxLDAP is the longest message that the fake takes.
const maxLDAP = 64 << 10

// oidStartTLS names the extended operation (RFC 4511 4.14.1).
const oidStartTLS = "1.3.6.1.4.1.1466.20037"

// Directory is a domain controller as far as anybody is answered who has not
// logged on: the root of the directory ([MS-ADTS] 3.1.1.3.2), and StartTLS where
// there are certificates. Catalog says whether it is a global catalog.
func Directory(catalog bool, c Certify) Service {
	return Service{Conn: func(ctx context.Context, conn net.Conn, h Host) {
		d := directory{catalog: catalog, certify: c, host: h, conn: conn}
		for d.serve(ctx) {
		}
	}}
}

// directory is one conversation.
type directory struct {
	catalog bool
	certify Certify
	host    Host
	conn    net.Conn
	in      *bufio.Reader
}

// serve answers one request, and says whether another may come.
func (d *directory) serve(ctx context.Context) bool {
	if d.in == nil {
		d.in = bufio.NewReader(d.conn)
	}
	id, op, err := readLDAP(d.in)
	if err != nil || op.Tag == ldapUnbind {
		return false
	}
	startTLS := false
	var answers [][]byte
	switch op.Tag {
	case ldapBindRequest:
		answers = append(answers, ldapResult(ldapBindResponse, d.bind(op.Value)))
	case ldapSearchRequest:
		answers = d.search(op.Value)
	case ldapExtendedRequest:
		name, _, err := ber.Want(op.Value, ber.Primitive)
		startTLS = err == nil && string(name) == oidStartTLS && d.certify != nil
		code := uint32(ldapProtocolError)
		if startTLS {
			code = ldapSuccess
		}
		answers = append(answers, ldapResult(ldapExtendedResponse, code, ber.Encode(ber.Primitive+10, name)))
	default:
		return false
	}
	for _, a := range answers {
		if _, err := d.conn.Write(ber.Encode(ber.Sequence, ber.EncodeInt(ber.Integer, id), a)); err != nil {
			return false
		}
	}
	if !startTLS {
		return true
	}
	t := tls.Server(d.conn, d.certify.tlsConfig(func(net.Addr) Host { return d.host }))
	d.conn, d.in, d.certify = t, nil, nil
	return t.HandshakeContext(ctx) == nil
}

// bind lets in who stays anonymous (RFC 4511 4.2, RFC 4513 5.1.1), and nobody else.
func (d *directory) bind(request []byte) uint32 {
	_, rest, err := ber.WantInt(request, ber.Integer)
	if err != nil {
		return ldapProtocolError
	}
	name, rest, err := ber.Want(rest, ber.OctetString)
	if err != nil {
		return ldapProtocolError
	}
	if password, _, err := ber.Want(rest, ber.Primitive); err != nil || len(name)+len(password) > 0 {
		return ldapInvalidCredentials
	}
	return ldapSuccess
}

// search shows the root, and nothing below it (RFC 4511 4.5).
func (d *directory) search(request []byte) [][]byte {
	base, wanted, err := readSearch(request)
	switch {
	case err != nil:
		return [][]byte{ldapResult(ldapSearchDone, ldapProtocolError)}
	case base != "":
		return [][]byte{ldapResult(ldapSearchDone, ldapOperationsError)}
	}
	var list [][]byte
	for _, a := range d.root() {
		if !wants(wanted, a.name) {
			continue
		}
		var values [][]byte
		for _, v := range a.values {
			values = append(values, ber.EncodeText(ber.OctetString, v))
		}
		list = append(list, ber.Encode(ber.Sequence, ber.EncodeText(ber.OctetString, a.name), ber.Encode(ber.Set, values...)))
	}
	entry := ber.Encode(ldapSearchEntry, ber.EncodeText(ber.OctetString, ""), ber.Encode(ber.Sequence, list...))
	return [][]byte{entry, ldapResult(ldapSearchDone, ldapSuccess)}
}

// wants reports whether a search asks for an attribute: by name, by "*", or by
// naming none (RFC 4511 4.5.1.8).
func wants(wanted []string, name string) bool {
	for _, w := range wanted {
		if w == "*" || strings.EqualFold(w, name) {
			return true
		}
	}
	return len(wanted) == 0
}

type attribute struct {
	name   string
	values []string
}

// root is the rootDSE ([MS-ADTS] 3.1.1.3.2).
func (d *directory) root() []attribute {
	dn := "DC=" + strings.ReplaceAll(d.host.DNSDomain, ".", ",DC=")
	ready := "FALSE"
	if d.catalog {
		ready = "TRUE"
	}
	return []attribute{
		{"currentTime", []string{time.Now().UTC().Format("20060102150405.0Z")}},
		{"defaultNamingContext", []string{dn}},
		{"dnsHostName", []string{d.host.DNSName}},
		{"domainControllerFunctionality", []string{"7"}}, // Windows Server 2016 and later
		{"isGlobalCatalogReady", []string{ready}},
		{"isSynchronized", []string{"TRUE"}},
		{"namingContexts", []string{dn, "CN=Configuration," + dn, "CN=Schema,CN=Configuration," + dn}},
		{"rootDomainNamingContext", []string{dn}},
		// Active Directory, its LDAP interop and V51 ([MS-ADTS] 3.1.1.3.4.3).
		{"supportedCapabilities", []string{"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1791", "1.2.840.113556.1.4.1670"}},
	}
}

// readSearch reads what is searched for, and where.
func readSearch(b []byte) (base string, attributes []string, err error) {
	name, b, err := ber.Want(b, ber.OctetString)
	if err != nil {
		return "", nil, err
	}
	for range 6 { // scope, aliases, size, time, types only, filter
		if _, b, err = ber.Next(b); err != nil {
			return "", nil, err
		}
	}
	list, _, err := ber.Want(b, ber.Sequence)
	for err == nil && len(list) > 0 {
		var a []byte
		a, list, err = ber.Want(list, ber.OctetString)
		attributes = append(attributes, string(a))
	}
	return string(name), attributes, err
}

// ldapResult is an LDAPResult (RFC 4511 4.1.9).
func ldapResult(tag byte, code uint32, more ...[]byte) []byte {
	parts := [][]byte{ber.EncodeInt(ber.Enumerated, code), ber.EncodeText(ber.OctetString, ""), ber.EncodeText(ber.OctetString, "")}
	return ber.Encode(tag, append(parts, more...)...)
}

// readLDAP reads one message (RFC 4511 4.1.1).
func readLDAP(r *bufio.Reader) (id uint32, op ber.Element, err error) {
	message, err := readBER(r)
	if err != nil {
		return 0, op, err
	}
	body, _, err := ber.Want(message, ber.Sequence)
	if err != nil {
		return 0, op, err
	}
	n, body, err := ber.WantInt(body, ber.Integer)
	if err != nil {
		return 0, op, err
	}
	if n < 0 || n > 1<<31-1 {
		return 0, op, errors.New("a message number out of range") // RFC 4511 4.1.1.1
	}
	op, _, err = ber.Next(body)
	return uint32(n), op, err
}

// readBER reads one element from a stream (X.690 8.1.3).
func readBER(r *bufio.Reader) ([]byte, error) {
	head := make([]byte, 2, 6)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := int(head[1])
	if n >= 0x80 {
		octets := n & 0x7f
		if octets == 0 || octets > 4 {
			return nil, ber.ErrMalformed
		}
		head = head[:2+octets]
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, err
		}
		n = 0
		for _, c := range head[2:] {
			n = n<<8 | int(c)
		}
	}
	if n < 0 || n > maxLDAP {
		return nil, errors.New("message too long")
	}
	all := append(head, make([]byte, n)...)
	_, err := io.ReadFull(r, all[len(head):])
	return all, err
}
