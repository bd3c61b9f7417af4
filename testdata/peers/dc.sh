#!/bin/bash
# Samba as the domain controller of LAB.TEST, with DNS.  dc.sh start
# Packages: samba samba-ad-dc samba-ad-provision samba-dsdb-modules winbind iproute2
. "$(dirname "$0")/lib.sh"
D=$PEERS_DIR/dc
IP=$(addr4 2)

provision() {
  mkdir -p "$D"
  inside dc samba-tool domain provision --realm=LAB.TEST --domain=LAB --server-role=dc --dns-backend=SAMBA_INTERNAL \
    --adminpass='Passw0rd!lab' --host-name=dc1 --host-ip="$IP" --host-ip6="$(addr6 2)" --targetdir="$D" \
    --option="interfaces = lo eth0" --option="bind interfaces only = yes" \
    --option="rpc server dynamic port range = 49152-49171" --option="dns forwarder = 127.0.0.1" \
    >"$PEERS_DIR/dc-provision.log" 2>&1 || { tail -n 20 "$PEERS_DIR/dc-provision.log" >&2; return 1; }
  # The provision copies the options of /etc/samba/smb.conf, which are of no use
  # here, and forgets some that it was given. Of it all only these are kept.
  {
    sed -n '/^\[global\]/p' "$D/etc/smb.conf"
    printf '\t%s\n' "interfaces = lo eth0" "bind interfaces only = yes" "rpc server dynamic port range = 49152-49171" \
      "log file = $D/samba.log" "ntp signd socket directory = $D/ntp_signd" "ncalrpc dir = $D/ncalrpc" "pid directory = $D/pid"
    grep -E '^[[:space:]]*(dns forwarder|netbios name|realm|server role|workgroup|private dir|lock dir|state directory|cache directory|binddns dir|idmap_ldb)' "$D/etc/smb.conf"
    sed -n '/^\[sysvol\]/,/^$/p; /^\[netlogon\]/,/^$/p' "$D/etc/smb.conf"
  } >"$D/smb.conf"
  mkdir -p "$D/pid" "$D/ntp_signd" "$D/ncalrpc"
  chmod 750 "$D/ntp_signd"
}

start() {
  host dc 2
  mkdir -p "/etc/netns/$(ns dc)"
  echo "nameserver $IP" >"/etc/netns/$(ns dc)/resolv.conf"
  provision
  serve dc dc1 "samba --foreground --no-process-group -s '$D/smb.conf' --model=prefork --debuglevel=1"
  local p
  for p in 135 445 53 88 389 636 3268 3269; do answers dc "$IP" $p; done
  binds dc 53 389
}

case "${1:-}" in
  start) start ;;
  *) echo "usage: dc.sh start" >&2; exit 2 ;;
esac
