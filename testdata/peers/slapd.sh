#!/bin/bash
# OpenLDAP, a directory that is not Active Directory: LDAP with StartTLS on 389
# and on the port of the global catalog, LDAP over TLS on 636 and 3269.
# slapd.sh start NAME NUMBER
# Packages: slapd openssl
. "$(dirname "$0")/lib.sh"

start() {
  local name=$1 number=$2
  local d=$PEERS_DIR/$name ip; ip=$(addr4 "$number")
  host "$name" "$number"
  mkdir -p "$d/db"
  certificate "$d/tls" "$name.lab.test"
  cat >"$d/slapd.conf" <<EOC
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile $d/slapd.pid
argsfile $d/slapd.args
TLSCertificateFile $d/tls.pem
TLSCertificateKeyFile $d/tls.key
database mdb
suffix "dc=open,dc=test"
directory $d/db
maxsize 10485760
EOC
  # Without an address each of them is bound in IPv4 and in IPv6.
  serve "$name" "$name" "slapd -d 0 -f '$d/slapd.conf' -h 'ldap://:389 ldaps://:636 ldap://:3268 ldaps://:3269'"
  local p
  for p in 389 636 3268 3269; do answers "$name" "$ip" $p; done
}

case "${1:-}" in
  start) shift; start "$@" ;;
  *) echo "usage: slapd.sh start NAME NUMBER" >&2; exit 2 ;;
esac
