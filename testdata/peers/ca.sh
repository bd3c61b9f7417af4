#!/bin/bash
# A certification authority of our own.  ca.sh DIRECTORY
# ca.pem; mp1 to mp6 for those names, but mp2's is for another name and mp3's has expired;
# and those of the machines in roles.sh, with the faults that stand there.
set -eu
mkdir -p "$1"; cd "$1"
authority() { # authority FILE NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -days 3650 \
    -subj "/CN=$2" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>>openssl.log
}
authority ca "Lab Root CA"
authority stranger "Another Root CA"
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
issue() { # issue NAME DNSNAME FROM TO [AUTHORITY]
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" 2>>openssl.log
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$2" >"$1.ext"
  openssl ca -batch -config ca.cnf -cert "${5:-ca}.pem" -keyfile "${5:-ca}.key" -startdate "$3" -enddate "$4" -extfile "$1.ext" \
    -notext -in "$1.csr" -out "$1.pem" 2>>openssl.log
}
this=$(date -u +%Y0101000000Z) next=$(( $(date -u +%Y) + 2 ))0101000000Z
issue mp1 mp1.lab.test "$this" "$next"
issue mp2 other.invalid "$this" "$next"
issue mp3 mp3.lab.test 20200101000000Z 20210101000000Z
issue mp4 mp4.lab.test "$this" "$next"
issue mp5 mp5.lab.test "$this" "$next"
issue mp6 mp6.lab.test "$this" "$next"
for n in dp1 sup1 hra1 cmg1 bgb1 peer2 winrm1 pki1 old1 swap1 plain1 portal1 proxy1 gate1 busy1 hangup1 login1 strict1; do
  issue $n $n.lab.test "$this" "$next"
done
issue late1 late1.lab.test 20200101000000Z 20210101000000Z
issue alias1 other.invalid "$this" "$next"
issue issuer1 issuer1.lab.test "$this" "$next" stranger
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self1.key -out self1.pem -days 365 \
  -subj /CN=self1.lab.test -addext subjectAltName=DNS:self1.lab.test -addext extendedKeyUsage=serverAuth 2>>openssl.log
