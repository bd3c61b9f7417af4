#!/usr/bin/env bash
# Installs a developer's tool at the version that the project uses, unless it
# is there. Tools stay out of go.mod: they would bring hundreds of modules.
set -euo pipefail

declare -A version=([golangci-lint]=v2.15.0)
declare -A path=([golangci-lint]=github.com/golangci/golangci-lint/v2/cmd/golangci-lint)

tool=${1:?name a tool: ${!version[*]}}
want=${version[$tool]#v}
bin=$(go env GOPATH)/bin/$tool
if [ -x "$bin" ] && "$bin" --version 2>/dev/null | grep -qF "$want"; then
  exit 0
fi
cd /
go install "${path[$tool]}@${version[$tool]}"
