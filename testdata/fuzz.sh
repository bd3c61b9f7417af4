#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (default 10s), one after the other. Give a
# number of runs (5000x) where a failure must mean a finding: with a time, "go
# test" now and then fails for its own deadline. A package that decodes bytes of the network without a fuzz target is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

for dir in probes/wire/*/ probes/socket/ scanner/record/ scanner/history/ profiles/; do
  ls "$dir"*.go >/dev/null 2>&1 || continue
  case $dir in */rpctest/) continue ;; esac
  grep -qs '^func Fuzz' "$dir"*_test.go || { echo "fuzz: $dir has no fuzz target"; exit 1; }
done

grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file func; do
  target=${func#func }
  echo "fuzz: $(dirname "$file") $target"
  out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 5x "$(dirname "$file")" </dev/null 2>&1) ||
    { echo "$out"; exit 1; }
  tail -n 1 <<<"$out"
done
