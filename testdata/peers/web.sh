#!/bin/bash
# nginx as the web servers of the site.  web.sh start
# Those of the other roles are in roles.sh; these six are in the place of management points.
#   mp1  80 a management point                    443 the same
#   mp2  80 a web server that knows nothing of it 443 a management point, but the certificate has another name
#   mp3  80 a portal that redirects everything    443 a management point, but the certificate has expired
#   mp4  80 answers 503                           443 a management point that wants a client certificate
#   mp5  80 a gateway that finds nobody behind it 443 a web server that knows nothing of management points
#   mp6  80 a management point that lists two     443 the same
# The bodies are stand-ins, not Microsoft's.  Packages: nginx-light openssl
. "$(dirname "$0")/lib.sh"
. "$PEERS_BIN/roles.sh"
D=$PEERS_DIR/web

mp() { # mp NUMBER NAME TLS [DIRECTIVES [MORE]]: a server that answers as a management point, with more entries in its list
  echo "server { $(at "$1" "$3") $(certificate "$2" "$3") ${4:-}
    location = /SMS_MP/.sms_aut { default_type text/xml;
      if (\$args ~* ^mplist\$) { return 200 '<MPList><MP Name=\"${2^^}\" FQDN=\"$2.lab.test\" SiteCode=\"LAB\"><Version>9128</Version><Capabilities SchemaVersion=\"1.0\"/></MP>${5:-}</MPList>'; }
      return 404; } }"
}
other() { echo "server { $(at "$1" "$3") $(certificate "$2" "$3") $4 }"; } # other NUMBER NAME TLS DIRECTIVES
at() { if [ -n "$2" ]; then echo "listen $(addr4 "$1"):443 ssl; listen [$(addr6 "$1")]:443 ssl;"; else echo "listen $(addr4 "$1"):80; listen [$(addr6 "$1")]:80;"; fi; }
certificate() { if [ -n "$2" ]; then echo "ssl_certificate $D/ca/$1.pem; ssl_certificate_key $D/ca/$1.key;"; fi; }

start() {
  local n
  host web 80
  for n in $(seq 81 109); do number web $n; done
  mkdir -p "$D/tmp"
  "$PEERS_BIN/ca.sh" "$D/ca"
  {
    echo "worker_processes 1; daemon off; pid $D/nginx.pid; error_log $D/error.log; user root; events { worker_connections 2048; } http { access_log off; server_tokens off; ssl_protocols TLSv1.2 TLSv1.3;"
    for n in client_body proxy fastcgi uwsgi scgi; do echo "${n}_temp_path $D/tmp/$n;"; done
    mp 80 mp1 ''
    mp 80 mp1 ssl
    other 81 mp2 '' "location = / { default_type text/html; return 200 '<html><title>Welcome</title></html>'; } location / { return 404; }"
    mp 81 mp2 ssl
    other 82 mp3 '' "return 302 http://portal.invalid/login;"
    mp 82 mp3 ssl
    other 83 mp4 '' "return 503;"
    mp 83 mp4 ssl "ssl_client_certificate $D/ca/ca.pem; ssl_verify_client on;"
    other 84 mp5 '' "location / { proxy_pass http://127.0.0.1:9; }"
    other 84 mp5 ssl "location / { return 404; }"
    local two='<MP Name="MP1" FQDN="mp1.lab.test" SiteCode="LAB"><Version>9128</Version></MP>'
    mp 85 mp6 '' '' "$two"
    mp 85 mp6 ssl '' "$two"
    roles
    echo "}"
  } >"$D/nginx.conf"
  serve web web "nginx -c '$D/nginx.conf'"
  for n in 80 443; do answers web "$(addr4 80)" $n; done
  # nginx ends TLS before it misses the certificate of a client; this server ends it for want of one, in TLS 1.3 and in 1.2.
  host strict 111
  n="openssl s_server -www -quiet -cert '$D/ca/strict1.pem' -key '$D/ca/strict1.key' -CAfile '$D/ca/ca.pem' -Verify 1 -verify_return_error"
  serve strict strict "$n -tls1_3 -accept 443 & $n -tls1_2 -accept 8531"
  for n in 443 8531; do answers strict "$(addr4 111)" $n; done
}

case "${1:-}" in
  start) start ;;
  *) echo "usage: web.sh start" >&2; exit 2 ;;
esac
