#!/bin/bash
# xrdp as a computer with Remote Desktop on TCP 3389.
# rdp.sh start NAME NUMBER [LAYER]: negotiate, tls, or rdp for no TLS at all
# Packages: xrdp openssl
. "$(dirname "$0")/lib.sh"

start() {
  local name=$1 number=$2 layer=${3:-negotiate}
  local d=$PEERS_DIR/$name
  host "$name" "$number"
  mkdir -p "$d"
  certificate "$d/tls" "$name.lab.test"
  xrdp-keygen xrdp "$d/rsakeys.ini" >"$d/keygen.log" 2>&1 || { cat "$d/keygen.log" >&2; return 1; }
  sed -e "s|^certificate=.*|certificate=$d/tls.pem|" -e "s|^key_file=.*|key_file=$d/tls.key|" \
    -e "s|^LogFile=.*|LogFile=$d/xrdp.log|" -e 's|^EnableSyslog=.*|EnableSyslog=false|' \
    -e "s|^#*security_layer=.*|security_layer=$layer|" -e 's|^port=3389$|port=tcp6://:3389|' /etc/xrdp/xrdp.ini >"$d/xrdp.ini"
  serve "$name" "$name" "mount -t tmpfs none /run; mkdir -p /run/xrdp/sockdir; xrdp --nodaemon --config '$d/xrdp.ini'"
  answers "$name" "$(addr4 "$number")" 3389
}

case "${1:-}" in
  start) shift; start "$@" ;;
  *) echo "usage: rdp.sh start NAME NUMBER [LAYER]" >&2; exit 2 ;;
esac
