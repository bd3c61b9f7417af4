# The web servers of the other site system roles, and what else may answer in
# their place; web.sh sources this. One machine for each role, and one for each
# fault, which has all roles behind it: so it is the fault that is seen.
# The bodies are stand-ins, not Microsoft's.
#
#   role      port                     what answers                 fault     port           what answers
#   dp1       80 443                   distribution point           late1     443 8531       certificate has expired
#   sup1      80 443 8530 8531         software update point        alias1    443 8531       certificate for another name
#   fsp1      80                       fallback status point        self1     443 8531       certificate signed by itself
#   hra1      80 443                   health registration          issuer1   443 8531       certificate of a stranger
#   cmg1      443 10124 10140          cloud management gateway     pki1      443 8531       a client certificate is wanted
#   bgb1      80 443 10123             client notification          old1      443 8531       TLS 1.0 only
#   peer1     8003                     peer cache over HTTP         swap1     80 8530        TLS
#   peer2     8003                     peer cache over HTTPS                  443 8531       plain HTTP
#   winrm1    5985 5986                WinRM                        relay1    80 8530        a proxy that lets through
# And without any role, on 80 443 8530 8531 8003 5985 5986: plain1 a web server that has nothing, portal1 redirects, proxy1 wants credentials,
# gate1 reaches nobody, busy1 answers 503, hangup1 closes without an answer, login1 has one page for every path.
ROLES="dp1 sup1 fsp1 hra1 cmg1 bgb1 peer1 peer2 winrm1 late1 alias1 self1 issuer1 pki1 old1 swap1 plain1 portal1 proxy1 gate1 busy1 hangup1
  login1 relay1" # in the order of their addresses, from 86 on
PLAIN='80 8530 8003 5985' TLS='443 8531 5986'

# machine NAME PLAIN-PORTS TLS-PORTS DIRECTIVES
machine() {
  local p m n=86
  for m in $ROLES; do
    [ "$m" != "$1" ] || break
    n=$((n + 1))
  done
  echo "server {"
  for p in $2; do echo "  listen $(addr4 "$n"):$p; listen [$(addr6 "$n")]:$p;"; done
  for p in $3; do echo "  listen $(addr4 "$n"):$p ssl; listen [$(addr6 "$n")]:$p ssl;"; done
  if [ -n "$3" ]; then certificate "$1" ssl; fi
  echo "  $4 }"
}

# challenge LABEL: the second message of NTLM from the computer of that name ([MS-NLMP] 2.2.1.2, 2.2.2.1), in base64.
challenge() {
  local name=$1.lab.test
  printf '%b' "NTLMSSP\\x00$(u32 2)$(u16 6)$(u16 6)$(u32 56)\\x15\\x82\\x89\\xe2$(u32 1)$(u32 2)$(u32 0)$(u32 0)" \
    "$(u16 $((42 + 2 * (${#1} + ${#name}))))$(u16 $((42 + 2 * (${#1} + ${#name}))))$(u32 62)\\x0a\\x00\\x7c\\x4f\\x00\\x00\\x00\\x0f" \
    "$(wide LAB)$(pair 2 LAB)$(pair 1 "${1^^}")$(pair 4 lab.test)$(pair 3 "$name")$(pair 0 '')" | base64 -w0
}
u16() { printf '\\x%02x\\x%02x' $(($1 % 256)) $(($1 / 256)); }
u32() { u16 "$1"; u16 0; }
wide() { local i; for ((i = 0; i < ${#1}; i++)); do printf '%s\\x00' "${1:i:1}"; done; }
pair() { u16 "$1"; u16 $((2 * ${#2})); wide "$2"; }

# roles prints the servers, all in all for the http block of nginx.
roles() {
  local windows='add_header WWW-Authenticate Negotiate always; add_header WWW-Authenticate $ntlm always; return 401;'
  local dp="location /SMS_DP_SMSPKG$/ { $windows } location /NOCERT_SMS_DP_SMSPKG$/ { return 403; }"
  local sup="location = /ClientWebService/wusserverversion.xml { default_type text/xml; return 200 '<?xml version=\"1.0\"?><WusServerVersion>10.0.14393</WusServerVersion>'; }"
  local auth="location = /SimpleAuthWebService/SimpleAuth.asmx { default_type text/html; return 200 '<html><title>SimpleAuth Web Service</title></html>'; }"
  local fsp='location /SMS_FSP/ { return 403; }'
  local hra="location = /DomainHRA/hcsrvext.dll { $windows } location = /NonDomainHRA/hcsrvext.dll { return 403; }"
  local cmg='location /CCM_Proxy_MutualAuth/ { return 403; } location /CCM_Proxy_ServerAuth/ { return 401; }'
  local bgb="location = /bgb/handler.ashx { default_type application/octet-stream; return 200 'BGB'; }"
  local peer='location /SCCM_BranchCache$/ { return 403; }'
  local list="location = /SMS_MP/.sms_aut { default_type text/xml; return 200 '<MPList><MP FQDN=\"\$host\" SiteCode=\"LAB\"><Version>9128</Version></MP></MPList>'; }"
  local identity='http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd'
  local winrm="location = /wsman { default_type application/soap+xml; add_header WWW-Authenticate Negotiate always;
    if (\$http_wsmanidentify = unauthenticated) { return 200 '<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body><w:IdentifyResponse xmlns:w=\"$identity\"><w:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</w:ProtocolVersion><w:ProductVendor>Microsoft Corporation</w:ProductVendor><w:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</w:ProductVersion></w:IdentifyResponse></s:Body></s:Envelope>'; }
    return 401; }"
  local none='location / { return 404; }' all n
  all="$dp $auth $fsp $hra $cmg $bgb $peer $list $none"

  echo "map \"\$host \$http_authorization\" \$ntlm { default NTLM;"
  for n in dp1 hra1; do echo "  '~^$n\.lab\.test NTLM ' 'NTLM $(challenge $n)';"; done
  echo "}"
  machine dp1 80 443 "$dp $none"
  machine sup1 '80 8530' '443 8531' "$sup $none"
  machine fsp1 80 '' "$fsp $none"
  machine hra1 80 443 "$hra $none"
  machine cmg1 '10124 10140' 443 "$cmg $none"
  machine bgb1 '80 10123' 443 "$bgb $none"
  machine peer1 8003 '' "$peer $none"
  machine peer2 '' 8003 "$peer $none"
  machine winrm1 5985 5986 "$winrm $none"
  for n in late1 alias1 self1 issuer1; do machine $n '' '443 8531' "$all"; done
  machine pki1 '' '443 8531' "ssl_client_certificate $D/ca/ca.pem; ssl_verify_client on; $all"
  machine old1 '' '443 8531' "ssl_protocols TLSv1; ssl_ciphers DEFAULT@SECLEVEL=0; $all"
  machine swap1 '443 8531' '80 8530' "$all"
  machine relay1 '80 8530' '' "add_header Via '1.1 relay1' always; location / { proxy_set_header Host \$host; proxy_pass https://$(addr4 97); }"
  machine plain1 "$PLAIN" "$TLS" "location = / { default_type text/html; return 200 '<html><title>Welcome</title></html>'; } $none"
  machine portal1 "$PLAIN" "$TLS" "return 302 http://portal.invalid/login;"
  machine proxy1 "$PLAIN" "$TLS" "add_header Proxy-Authenticate 'Basic realm=\"proxy\"' always; return 407;"
  machine gate1 "$PLAIN" "$TLS" "location / { proxy_pass http://127.0.0.1:9; }"
  machine busy1 "$PLAIN" "$TLS" "return 503;"
  machine hangup1 "$PLAIN" "$TLS" "return 444;"
  machine login1 "$PLAIN" "$TLS" "location / { default_type text/html; return 200 '<html><title>Sign in to Wi-Fi</title></html>'; }"
}
