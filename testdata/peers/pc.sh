#!/bin/bash
# Samba as a client PC: SMB on 445, the endpoint mapper on 135, dynamic RPC.
# pc.sh start NAME NUMBER [OLDEST [NEWEST]]: the SMB dialects in Samba's words
# Packages: samba samba-common-bin
. "$(dirname "$0")/lib.sh"

start() {
  local name=$1 number=$2 oldest=${3:-SMB2_02} newest=${4:-SMB3_11}
  local d=$PEERS_DIR/$name ip; ip=$(addr4 "$number")
  host "$name" "$number"
  mkdir -p "$d"/{private,lock,state,cache,pid,ncalrpc,log,admin}
  cat >"$d/smb.conf" <<EOC
[global]
	netbios name = ${name^^}
	workgroup = LAB
	server role = standalone server
	interfaces = lo eth0
	bind interfaces only = yes
	smb ports = 445
	disable netbios = yes
	server min protocol = $oldest
	server max protocol = $newest
	rpc start on demand helpers = no
	rpc server dynamic port range = 49664-49699
	map to guest = Never
	private dir = $d/private
	lock directory = $d/lock
	state directory = $d/state
	cache directory = $d/cache
	pid directory = $d/pid
	ncalrpc dir = $d/ncalrpc
	log file = $d/log/log.%m
	passdb backend = tdbsam:$d/private/passdb.tdb
	load printers = no
	printing = bsd
	registry shares = no
[ADMIN\$]
	path = $d/admin
	read only = no
	valid users = root
EOC
  # The endpoint mapper and the other RPC servers are workers of the second program.
  local options="--foreground --no-process-group -s '$d/smb.conf'"
  serve "$name" "$name" "smbd $options & /usr/libexec/samba/samba-dcerpcd --libexec-rpcds $options"
  local p
  for p in 445 135; do answers "$name" "$ip" $p; done
}

case "${1:-}" in
  start) shift; start "$@" ;;
  *) echo "usage: pc.sh start NAME NUMBER [OLDEST [NEWEST]]" >&2; exit 2 ;;
esac
