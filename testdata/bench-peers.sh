#!/usr/bin/env bash
# Measures cmreach against nmap, masscan, zmap and fping, in a lab of network
# namespaces: no packet leaves the machine. Installs them from Debian when they
# are missing. RUNS=N measures each N times (5); QUICK=1 is one small run;
# WORK=NAME does only the works whose name, or what follows a comma in it, begins
# so: WORK=push, WORK='all silent', WORK='2 %'.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(nmap masscan zmap fping ethtool nftables iproute2 iputils-ping)

missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "bench-peers: not root on Debian, and these are missing: ${missing[*]}" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
fi

export CMREACH_REQUIRE=all # a comparison that was left out must not look like one
exec go test -run '^$' -bench '^BenchmarkPeers$' -benchtime 1x -timeout 3h ./cmd/cmreach
