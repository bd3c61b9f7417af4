#!/bin/bash
# strongSwan as an IPsec peer: IKEv1 and IKEv2 on UDP 500 and 4500.
# ike.sh start NAME NUMBER [IKEVERSION]: version 0 is both
# Packages: strongswan-charon strongswan-swanctl iproute2
. "$(dirname "$0")/lib.sh"

start() {
  local name=$1 number=$2 version=${3:-0}
  local d=$PEERS_DIR/$name vici
  vici=unix://$d/charon.vici
  host "$name" "$number"
  mkdir -p "$d"
  # The kernel need not have ESP for what is asked here.
  cat >"$d/strongswan.conf" <<EOC
charon {
  load = random nonce aes sha1 sha2 hmac md5 openssl kdf gmp modp kernel-netlink socket-default vici
  plugins { vici { socket = $vici } }
  filelog { log { path = $d/charon.log
    flush_line = yes } }
}
EOC
  cat >"$d/swanctl.conf" <<EOC
connections {
  peer { version = $version
    proposals = aes256-sha256-modp2048,aes128-sha1-modp2048,aes256-sha256-ecp256,aes128-sha1-modp1024
    local { auth = psk }
    remote { auth = psk }
    children { c { mode = transport } } }
}
secrets { ike-1 { secret = "Passw0rd!lab" } }
EOC
  # charon has the place of its pid file compiled in: a /run of its own.
  serve "$name" "$name" "mount -t tmpfs none /run; STRONGSWAN_CONF='$d/strongswan.conf' /usr/lib/ipsec/charon"
  binds "$name" 500 4500
  local i
  for i in $(seq 100); do
    [ -S "$d/charon.vici" ] && break
    sleep 0.1
  done
  STRONGSWAN_CONF=$d/strongswan.conf inside "$name" timeout 30 swanctl --load-all --file "$d/swanctl.conf" --uri "$vici" \
    >"$d/load.log" 2>&1 || { cat "$d/load.log" >&2; return 1; }
}

case "${1:-}" in
  start) shift; start "$@" ;;
  *) echo "usage: ike.sh start NAME NUMBER [IKEVERSION]" >&2; exit 2 ;;
esac
