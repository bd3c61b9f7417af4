package lab_test

import (
	"bytes"
	"cmreach/probes/wire/ike"
	"cmreach/scanner/lab"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// webRow is what a web server shows of a role: a path and its status.
type webRow struct {
	port, path string
	status     int
}

var webRows = map[string]webRow{
	"mp-http":   {"http", "/SMS_MP/.sms_aut?MPLIST", 200},
	"mp-https":  {"https", "/SMS_MP/.sms_aut?MPLIST", 200},
	"dp-http":   {"http", "/SMS_DP_SMSPKG$/", 401},
	"dp-https":  {"https", "/sms_dp_smspkg$/", 401},
	"fsp-http":  {"http", "/SMS_FSP/", 403},
	"sup-http":  {"sup-http", "/ClientWebService/wusserverversion.xml", 200},
	"sup-https": {"sup-https", "/ClientWebService/wusserverversion.xml", 200},
	"hra-http":  {"hra-http", "/DomainHRA/hcsrvext.dll", 401},
	"hra-https": {"hra-https", "/DomainHRA/hcsrvext.dll", 401},
}

// serverAsPlanted checks what the row of a server says on the wire.
func serverAsPlanted(ctx context.Context, e lab.Expected, at func(port string) netip.AddrPort) error {
	_, row, _ := strings.Cut(e.Row, "/")
	if e.State == "untested" {
		return nil
	}
	if web, ok := webRows[row]; ok {
		return webAsPlanted(ctx, e, web, at(web.port))
	}
	switch row {
	case "source-smb", "shv-smb", "status-smb":
		info, err := challenged(ctx, at("smb"))
		if err != nil || info.DNSComputer != e.Host {
			return fmt.Errorf("challenge of %+v, %w", info, err)
		}
		return nil
	case "shv-epm-tcp", "shv-rpc-dynamic":
		ports, err := mapped(ctx, at("epm"), 10)
		if err != nil || len(ports) == 0 {
			return fmt.Errorf("ports %v, %w", ports, err)
		}
		return nil
	case "ad-ldap":
		return root(e, at("ldap"), "FALSE", false)
	case "ad-ldaps":
		return root(e, at("ldaps"), "FALSE", true)
	case "gc-ldap":
		return root(e, at("gc"), "TRUE", false)
	case "gc-ldaps":
		return root(e, at("gcs"), "TRUE", true)
	case "ike":
		return askIKE(at("ike"), nil)
	case "ike-natt":
		return askIKE(at("ike-natt"), ike.NonESP())
	}
	return fmt.Errorf("the test does not know how to look at %s %s", row, e.State)
}

// webAsPlanted asks for the path of a role, and for one that cannot exist.
func webAsPlanted(ctx context.Context, e lab.Expected, web webRow, at netip.AddrPort) error {
	var leaf *x509.Certificate
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			leaf = s.PeerCertificates[0]
			return nil
		}},
	}}
	var body []byte
	ask := func(path string) (int, error) {
		scheme := "http://"
		if strings.HasSuffix(web.port, "https") {
			scheme = "https://"
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+at.String()+path, http.NoBody)
		if err != nil {
			return 0, err
		}
		answer, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		return answer.StatusCode, errors.Join(err, answer.Body.Close())
	}
	there, err := ask(web.path)
	page := string(body)
	other, otherErr := ask("/nowhere" + web.path)
	if err := errors.Join(err, otherErr); err != nil {
		return err
	}
	if right := there == web.status && other == 404; right != (e.State == "open") {
		return fmt.Errorf("status %d, and %d for another path", there, other)
	}
	if strings.Contains(web.path, "MPLIST") && strings.Contains(page, `FQDN="`+e.Host+`"`) != (e.State == "open") {
		return fmt.Errorf("list %s", page)
	}
	if leaf != nil && e.State == "open" && (leaf.VerifyHostname(e.Host) != nil || time.Now().After(leaf.NotAfter)) {
		return fmt.Errorf("certificate for %v until %v", leaf.DNSNames, leaf.NotAfter)
	}
	return nil
}

// root searches the root of a directory. A wrong one has a certificate that expired.
func root(e lab.Expected, at netip.AddrPort, catalog string, secure bool) error {
	var c *ldap.Conn
	var err error
	if secure {
		c, err = ldap.DialURL("ldaps://"+at.String(), ldap.DialWithTLSConfig(&tls.Config{
			InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
				cert := s.PeerCertificates[0]
				if good := time.Now().Before(cert.NotAfter); good != (e.State == "open") || cert.VerifyHostname(e.Host) != nil {
					return fmt.Errorf("certificate for %v until %v", cert.DNSNames, cert.NotAfter)
				}
				return nil
			},
		}))
	} else {
		c, err = ldap.DialURL("ldap://" + at.String())
	}
	if err != nil {
		return err
	}
	defer c.Close()
	found, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"dnshostname", "isGlobalCatalogReady", "supportedCapabilities"}, nil))
	if err != nil || len(found.Entries) != 1 {
		return fmt.Errorf("found %+v, %w", found, err)
	}
	entry := found.Entries[0]
	if entry.GetAttributeValue("dnsHostName") != e.Host || entry.GetAttributeValue("isGlobalCatalogReady") != catalog ||
		len(entry.Attributes) != 3 || entry.GetAttributeValues("supportedCapabilities")[0] != "1.2.840.113556.1.4.800" {
		return fmt.Errorf("root %+v", entry.Attributes)
	}
	_, err = c.Search(ldap.NewSearchRequest("DC=lab,DC=test", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", nil, nil))
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultOperationsError) {
		return fmt.Errorf("below the root: %w", err)
	}
	return nil
}

// exchange sends a datagram and returns the answer.
func exchange(from *net.UDPAddr, to netip.AddrPort, request []byte) ([]byte, error) {
	c, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	return b[:n], err
}

// askIKE asks in both versions.
func askIKE(to netip.AddrPort, marker []byte) error {
	for v, m := range map[ike.Version]ike.Message{
		ike.Version2: ike.Init(ike.SPI{1, 2}, [256]byte{3}, [32]byte{4}), ike.Version1: ike.MainMode(ike.SPI{1, 2}),
	} {
		b, err := exchange(nil, to, append(bytes.Clone(marker), m.Marshal()...))
		if err != nil {
			return err
		}
		answer, err := ike.Parse(bytes.TrimPrefix(b, marker))
		if err != nil || !bytes.HasPrefix(b, marker) || answer.Version != v || answer.Initiator != (ike.SPI{1, 2}) {
			return fmt.Errorf("%v: % x: %+v, %w", v, b, answer, err)
		}
		if list, err := answer.Notifies(); err != nil || len(list) != 1 || list[0] != ike.NotifyNoProposal {
			return fmt.Errorf("%v: %v, %w", v, list, err)
		}
	}
	return nil
}

// informRequest is a DHCPINFORM from an address.
func informRequest(from net.IP) (*dhcpv4.DHCPv4, error) {
	return dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeInform), dhcpv4.WithClientIP(from), dhcpv4.WithHwAddr(net.HardwareAddr{2, 0, 0, 0, 0, 1}))
}

func isAck(b []byte, asked *dhcpv4.DHCPv4, server netip.Addr) error {
	m, err := dhcpv4.FromBytes(b)
	if err != nil {
		return err
	}
	id, _ := netip.AddrFromSlice(m.ServerIdentifier())
	if m.MessageType() != dhcpv4.MessageTypeAck || m.TransactionID != asked.TransactionID || id.Unmap() != server ||
		!m.ClientIPAddr.Equal(asked.ClientIPAddr) || !m.YourIPAddr.IsUnspecified() || m.IPAddressLeaseTime(0) != 0 || m.DomainName() != "lab.test" {
		return fmt.Errorf("answer %s", m.Summary())
	}
	return nil
}

// Bytes of clients that are none of ours, by hand after RFC 4511.
func TestDirectoryBytes(t *testing.T) {
	host := lab.Host{DNSName: "dc1.lab.test", DNSDomain: "lab.test"}
	text := func(s string) string { return hex.EncodeToString([]byte(s)) }
	for name, tt := range map[string]struct{ send, want string }{
		// bind request 1, version 3, no name, simple, no password
		"anonymous bind": {"300c020101600702010304008000", "300c02010161070a010004000400"},
		"bind with a name": {
			"3010" + "020101" + "600b" + "020103" + "0404" + text("john") + "8000",
			"300c02010161070a013104000400",
		},
		// search 2 at the root for dnsHostName
		"root": {
			"3032" + "020102" + "632d" + "0400" + "0a0100" + "0a0100" + "020100" + "020100" + "010100" + "870b" + text("objectClass") + "300d" + "040b" + text("dnsHostName"),
			"3028" + "020102" + "6423" + "0400" + "301f" + "301d" + "040b" + text("dnsHostName") + "310e" + "040c" + text("dc1.lab.test") +
				"300c" + "020102" + "6507" + "0a0100" + "0400" + "0400",
		},
		"extended, unknown": {"300a" + "020103" + "7705" + "8003" + text("1.2"), "3011" + "020103" + "780c" + "0a0102" + "0400" + "0400" + "8a03" + text("1.2")},
		"unbind":            {"3005020104" + "4200", ""},
		"no LDAP":           {text("GET / HTTP/1.0\r\n\r\n"), ""},
		"too long":          {"3084ffffffff", ""},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := hex.DecodeString(tt.send)
			if err != nil {
				t.Fatal(err)
			}
			near, far := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				lab.Directory(false, nil).Conn(t.Context(), far, host)
				_ = far.Close()
			}()
			if err := near.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = near.Write(request) }() // an end of the conversation before all was read is right too
			got := make([]byte, len(tt.want)/2)
			n := 0
			for n < len(got) {
				m, err := near.Read(got[n:])
				if n += m; err != nil {
					break
				}
			}
			if hex.EncodeToString(got[:n]) != tt.want {
				t.Errorf("got  %x\nwant %s", got[:n], tt.want)
			}
			_ = near.Close()
			<-done
		})
	}
}

func TestDHCPBytes(t *testing.T) {
	server := lab.Host{Addr: netip.MustParseAddr("198.18.0.1"), DNSDomain: "lab.test"}
	inform, err := informRequest(net.IPv4(198, 18, 0, 9))
	if err != nil {
		t.Fatal(err)
	}
	if err := isAck(lab.DHCP().Packet(inform.ToBytes(), server), inform, server.Addr); err != nil {
		t.Error(err)
	}
	discover, err := dhcpv4.NewDiscovery(net.HardwareAddr{2, 0, 0, 0, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"discover": discover.ToBytes(), "cut": inform.ToBytes()[:100], "nothing": nil} {
		if got := lab.DHCP().Packet(b, server); got != nil {
			t.Errorf("%s is answered by % x", name, got)
		}
	}
}

func TestIKEBytes(t *testing.T) {
	request := ike.Init(ike.SPI{1, 2, 3, 4, 5, 6, 7, 8}, [256]byte{1}, [32]byte{2}).Marshal()
	// RFC 7296 3.1, 3.10: SPIs, next payload 41, version 2.0, exchange 34, response, message 0, length; notification 14.
	want := "0102030405060708" + "0000000000000000" + "29" + "20" + "22" + "20" + "00000000" + "00000024" + "0000" + "0008" + "0000" + "000e"
	if got := hex.EncodeToString(lab.IKE(nil).Packet(request, lab.Host{})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := hex.EncodeToString(lab.IKE(ike.NonESP()).Packet(append(ike.NonESP(), request...), lab.Host{})); got != "00000000"+want {
		t.Errorf("behind the marker: %s", got)
	}
	for name, b := range map[string][]byte{"ESP": request, "a response": lab.IKE(nil).Packet(request, lab.Host{})} {
		if got := lab.IKE(ike.NonESP()).Packet(b, lab.Host{}); got != nil {
			t.Errorf("%s is answered by % x", name, got)
		}
	}
}
