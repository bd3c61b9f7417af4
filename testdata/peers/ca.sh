#!/bin/bash
# A certification authority of our own.  ca.sh DIRECTORY
# ca.pem; mp1 to mp6 for those names, but mp2's is for another name and mp3's has expired.
set -eu
mkdir -p "$1"; cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 3650 \
  -subj "/CN=Lab Root CA" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>openssl.log
cat >ca.cnf <<'EOC'
[ca]
default_ca=d
[d]
database=index.txt
serial=serial
new_certs_dir=.
default_md=sha256
policy=p
unique_subject=no
[p]
commonName=supplied
EOC
: >index.txt
echo 1000 >serial
issue() { # issue NAME DNSNAME FROM TO
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" 2>>openssl.log
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$2" >"$1.ext"
  openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -startdate "$3" -enddate "$4" -extfile "$1.ext" \
    -notext -in "$1.csr" -out "$1.pem" 2>>openssl.log
}
this=$(date -u +%Y0101000000Z) next=$(( $(date -u +%Y) + 2 ))0101000000Z
issue mp1 mp1.lab.test "$this" "$next"
issue mp2 other.invalid "$this" "$next"
issue mp3 mp3.lab.test 20200101000000Z 20210101000000Z
issue mp4 mp4.lab.test "$this" "$next"
issue mp5 mp5.lab.test "$this" "$next"
issue mp6 mp6.lab.test "$this" "$next"
