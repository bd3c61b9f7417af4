# What the scripts of this folder share; source it.
#
# Each script starts real server software in a network namespace of its own,
# all of them on one flat LAN without a way out. There is no systemd and no
# daemon: a server lives in a process namespace, so ending the one process whose
# number was recorded ends everything that it ever started.
#
#   PEERS_PREFIX   begins the names of all namespaces (required)
#   PEERS_DIR      holds all state, logs and process numbers (required)
set -eu
: "${PEERS_PREFIX:?}" "${PEERS_DIR:?}"
export LC_ALL=C.UTF-8
PEERS_BIN=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$PEERS_DIR"

ns() { echo "$PEERS_PREFIX-$1"; }
addr4() { echo "198.18.0.$1"; }
addr6() { echo "fd00:198::$1"; }
inside() { local n; n=$(ns "$1"); shift; ip netns exec "$n" "$@"; }

# host NAME NUMBER: a namespace on the LAN with the addresses of that number.
host() {
  local n lan; n=$(ns "$1") lan=$(ns lan)
  ip netns add "$n"
  ip -n "$n" link set lo up
  # The other end is made in the namespace of the bridge: nothing ever appears outside.
  ip -n "$n" link add eth0 type veth peer name "v$1" netns "$lan"
  inside "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv4.icmp_ratemask=0
  number "$1" "$2"
  ip -n "$n" link set eth0 up
  ip -n "$lan" link set "v$1" master br0 up
}

# number NAME NUMBER: one more pair of addresses for a host.
number() {
  ip -n "$(ns "$1")" addr add "$(addr4 "$2")/24" dev eth0
  ip -n "$(ns "$1")" -6 addr add "$(addr6 "$2")/64" dev eth0 nodad
}

# serve NAME HOSTNAME COMMAND...: starts what a shell makes of the command in a
# process namespace. The first process there only waits, for the end of the
# pipe that a test hands down as descriptor 3: so the server ends with the test,
# however that ends; and it ends all when the command does. Called by hand, without a pipe, the server goes on until
# lan.sh down. /run/samba is its own, because libwbclient has the place of a
# socket there compiled in.
serve() {
  local name=$1 hostname=$2 lifeline=wait; shift 2
  if { true <&3; } 2>/dev/null; then lifeline='read -r _ <&3'; fi
  (
    exec ip netns exec "$(ns "$name")" unshare --uts --pid --fork --kill-child --mount-proc sh -c "
      trap 'exit 1' USR1
      hostname '$hostname'; mkdir -p /run/samba; mount -t tmpfs none /run/samba
      { $*; kill -USR1 1; } 3<&- &
      $lifeline"
  ) >"$PEERS_DIR/$name.log" 2>&1 </dev/null &
  echo $! >"$PEERS_DIR/$name.pid"
}

# answers HOST ADDRESS PORT: waits until a host accepts connections on one of its
# own addresses, for at most a minute, and not once its server has ended.
answers() {
  local i
  for i in $(seq 600); do
    if inside "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null; then return 0; fi
    kill -0 "$(cat "$PEERS_DIR/$1.pid")" 2>/dev/null || break
    sleep 0.1
  done
  echo "$1: port $3 did not come up" >&2
  tail -n 20 "$PEERS_DIR/$1"*.log >&2
  return 1
}

# binds HOST PORT...: waits until a host's server has bound UDP ports, for at
# most a minute, and not once the server has ended.
binds() {
  local name=$1 port i; shift
  for port; do
    for i in $(seq 600); do
      if [ -n "$(inside "$name" ss -Hlun "sport = :$port")" ]; then continue 2; fi
      kill -0 "$(cat "$PEERS_DIR/$name.pid")" 2>/dev/null || break
      sleep 0.1
    done
    echo "$name: UDP port $port was not bound" >&2
    tail -n 20 "$PEERS_DIR/$name"*.log >&2
    return 1
  done
}

# certificate FILE NAME: FILE.pem and FILE.key for a name, signed by itself.
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -days 30 \
    -subj "/CN=$2" -addext "subjectAltName=DNS:$2" 2>"$1.log" || { cat "$1.log" >&2; return 1; }
}
