#!/bin/bash
# Three makes of DHCP server, and a PXE boot server. None of them meets another:
# there are no clients, and the checks ask each by its own address.
# dhcp.sh start NAME NUMBER isc|kea|dnsmasq|pxe
#   isc      ISC dhcpd
#   kea      Kea
#   dnsmasq  which is a DNS server too
#   pxe      dnsmasq beside a DHCP server of others: the boot file on UDP 4011, TFTP
# Packages: isc-dhcp-server kea-dhcp4-server dnsmasq-base iproute2
. "$(dirname "$0")/lib.sh"

isc() {
  cat >"$d/dhcpd.conf" <<EOC
authoritative;
ping-check false;
option domain-name "lab.test";
option domain-name-servers $(addr4 2);
subnet 198.18.0.0 netmask 255.255.255.0 { range $(addr4 200) $(addr4 209); option routers $(addr4 1); }
EOC
  : >"$d/leases"
  serve "$name" "$name" "dhcpd -4 -f -user root -group root -cf '$d/dhcpd.conf' -lf '$d/leases' --no-pid eth0"
}

kea() {
  cat >"$d/kea.json" <<EOC
{ "Dhcp4": { "interfaces-config": { "interfaces": [ "eth0" ] },
  "lease-database": { "type": "memfile", "persist": false }, "authoritative": true,
  "option-data": [ { "name": "domain-name", "data": "lab.test" }, { "name": "domain-name-servers", "data": "$(addr4 2)" } ],
  "subnet4": [ { "subnet": "198.18.0.0/24", "pools": [ { "pool": "$(addr4 210) - $(addr4 219)" } ] } ],
  "loggers": [ { "name": "kea-dhcp4", "severity": "INFO", "output_options": [ { "output": "stdout" } ] } ] } }
EOC
  serve "$name" "$name" "KEA_PIDFILE_DIR='$d' KEA_LOCKFILE_DIR='$d' kea-dhcp4 -c '$d/kea.json'"
}

dnsmasq() {
  masq --no-ping --dhcp-authoritative --domain=lab.test "--dhcp-range=$(addr4 220),$(addr4 229),255.255.255.0,600"
  binds "$name" 53
}

pxe() {
  mkdir -p "$d/tftp"
  masq --port=0 --dhcp-range=198.18.0.0,proxy --pxe-service=x86-64_EFI,boot,bootx64.efi --enable-tftp "--tftp-root=$d/tftp"
  binds "$name" 69 4011
}

masq() { # masq OPTION...
  serve "$name" "$name" "dnsmasq -k -u root --conf-file=/dev/null --no-resolv --no-hosts --interface=eth0 --bind-interfaces \
    --log-facility=- --pid-file='$d/dnsmasq.pid' --dhcp-leasefile='$d/leases' $*"
}

start() {
  local name=$1 number=$2 make=$3
  local d=$PEERS_DIR/$1
  host "$name" "$number"
  mkdir -p "$d"
  "$make"
  binds "$name" 67
}

case "${1:-} ${4:-}" in
  "start isc" | "start kea" | "start dnsmasq" | "start pxe") shift; start "$@" ;;
  *) echo "usage: dhcp.sh start NAME NUMBER isc|kea|dnsmasq|pxe" >&2; exit 2 ;;
esac
