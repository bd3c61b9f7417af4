#!/usr/bin/env bash
# Installs the Debian packages that the real-server tests need, when this is
# Debian and we are root; otherwise says what is missing and goes on. The
# packages must not start services of their own.
set -euo pipefail

packages=(
  samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules
  winbind samba-common-bin ldb-tools nginx-light nftables iproute2 iputils-ping
  openssl libxml2-utils procps util-linux python3-minimal
  slapd strongswan-charon strongswan-swanctl isc-dhcp-server kea-dhcp4-server
  dnsmasq-base xrdp systemd iptables prometheus chromium
)

# for programs of others that read the JUnit report; elsewhere node comes with its own npm
command -v npm >/dev/null || packages+=(nodejs npm)

missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "packages: not root on Debian, so these stay missing: ${missing[*]}" >&2
  [ "${CMREACH_REQUIRE:-}" = all ] && exit 1
  exit 0
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
