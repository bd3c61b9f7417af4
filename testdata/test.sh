#!/usr/bin/env bash
# Runs all tests. Prints the failures, then every skipped test with its reason:
# a suite that was left out must not look green. With CMREACH_REQUIRE=all a
# skip is a failure.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -timeout 15m -json ./... >"$log"
rc=$?

python='
import json, sys
out, last = {}, {}
passed = failed = 0
skipped = []
for line in open(sys.argv[1], errors="replace"):
    try:
        e = json.loads(line)
    except ValueError:
        print(line, end="")
        continue
    key = (e.get("Package") or e.get("ImportPath", ""), e.get("Test", ""))
    action = e["Action"]
    if action in ("output", "build-output"):
        out.setdefault(key, []).append(e["Output"])
        continue
    if key[1] == "" and action in ("pass", "fail"):
        print("%-4s %-32s %6.1f s" % ("ok" if action == "pass" else "FAIL", key[0], e.get("Elapsed", 0)))
    if action in ("fail", "build-fail"):
        print("".join(out.get(key, [])), end="")
    if key[1]:
        passed += action == "pass"
        failed += action == "fail"
        if action == "skip":
            reason = [l.strip() for l in out.get(key, []) if not l.startswith(("=== ", "--- "))]
            skipped.append((key, reason[0] if reason else "no reason given"))
if skipped:
    print("\nLEFT OUT (not tested on this machine):")
    for (pkg, test), why in skipped:
        print("  %s %s: %s" % (pkg, test, why))
print("\n%d passed, %d failed, %d skipped" % (passed, failed, len(skipped)))
sys.exit(1 if skipped and sys.argv[2] == "all" else 0)
'
python3 -c "$python" "$log" "${CMREACH_REQUIRE:-}" || rc=1
exit $rc
