#!/usr/bin/env bash
# Builds and vets the program for every system that is supported, without cgo.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for os in linux windows darwin; do
  for arch in amd64 arm64; do
    GOOS=$os GOARCH=$arch go build -trimpath -o "$out/cmreach" ./cmd/cmreach
    GOOS=$os GOARCH=$arch go vet ./...
    echo "ok   $os/$arch"
  done
done
