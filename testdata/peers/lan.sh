#!/bin/bash
# The LAN and the scanner on it.  lan.sh up | host NAME NUMBER | down
# host adds a machine without any server; down ends every recorded process and removes all namespaces of the prefix.
. "$(dirname "$0")/lib.sh"

up() {
  local lan; lan=$(ns lan)
  ip netns add "$lan"
  ip -n "$lan" link set lo up
  ip -n "$lan" link add br0 type bridge stp_state 0 forward_delay 0
  ip -n "$lan" link set br0 up
  host scan 10
  # ip netns exec puts these in the place of those in /etc.
  mkdir -p "/etc/netns/$(ns scan)"
  echo "nameserver $(addr4 2)" >"/etc/netns/$(ns scan)/resolv.conf"
  sed -e '/^#/d' -e 's/^4\./198.18.0./' -e 's/^6\./fd00:198::/' "$PEERS_BIN/hosts" >"/etc/netns/$(ns scan)/hosts"
}

down() {
  local f n i
  for f in "$PEERS_DIR"/*.pid; do
    [ -s "$f" ] || continue
    kill -9 "$(cat "$f")" 2>/dev/null || true
    rm -f "$f"
  done
  for n in $(ip netns list | awk '{print $1}' | grep "^$PEERS_PREFIX-" || true); do
    for i in $(seq 100); do
      [ -n "$(ip netns pids "$n")" ] || break
      sleep 0.1
    done
    ip netns del "$n"
    rm -rf "/etc/netns/${n:?}"
  done
}

case "${1:-}" in
  up) up ;;
  host) host "$2" "$3" ;;
  down) down ;;
  *) echo "usage: lan.sh up | host NAME NUMBER | down" >&2; exit 2 ;;
esac
