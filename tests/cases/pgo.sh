#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A build with a profile, in which the compiler copied casgstatus and its kind into their callers: as
# exact as any other (the whole column: tests/matrix.sh -m pgo). And a program that nobody here built,
# Go's own compiler, held against the execution trace that it writes of itself.
# timeout: 500
# beside: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing

found=$(cell 1.26 pgo first lives) || fail "Go 1.26 pgo: $found"
binary=$(target 1.26 pgo workload)
"$XGOTOPFS" -doctor -b "$binary" >"$T/doctor"
copies=$(grep -c 'probe .* in runtime' "$T/doctor")
[ "$copies" -ge 2 ] || fail "a profile of 3 s copied nothing: $(cat "$T/doctor")"

compile=$(GOTOOLCHAIN=local "$("$ROOT/scripts/go.sh" 1.26.11)" env GOTOOLDIR)/compile
compile=$("$ROOT/tests/own.sh" "$compile") && chmod +x "$compile" || fail "no compiler" # the module cache has dropped that
grep -q 'in runtime' <("$XGOTOPFS" -doctor -b "$compile") || fail "Go's compiler is a build with a profile"
awk 'BEGIN {
	print "package p"
	for (i = 0; i < 300; i++)
		printf "func F%d(a []int) (r int) { for i, x := range a { if x > %d { r += i * x } else { r ^= F%d(a[1:]) } }; return }\n",
			i, i, (i + 1) % 300
}' >"$T/big.go"
mkdir "$T/sessions"
timeout $((120 * SLACK)) "$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$T/sessions" -- "$compile" -p p -c 4 \
	-traceprofile "$T/gotrace" -o "$T/big.o" "$T/big.go" >"$T/out" 2>"$T/log" ||
	fail "status $?: $(cat "$T/log" "$T/out")"
"$(target "$TRACED_GO" plain tracecount)" "$T/gotrace" >"$T/counts.json" || fail "Go's trace cannot be read"
python3 "$ROOT/tests/exact.py" - "$T"/sessions/*/events.jsonl --go 26 --lost "$(lost_of "$T/log")" \
	--gotrace "$T/counts.json" || fail "Go's compiler is not exact"
expect "goroutines of the compiler that Go's trace saw end" \
	"$(jq '[.goroutines[] | select(.created and .ended)] | length > 10' "$T/counts.json")" true

# A file may say of its copies what it wants: it takes no longer than its code is long.
python3 "$ROOT/tests/inline_table.py" "$compile" "$T/nonsense" || fail "no nonsense can be made"
chmod +x "$T/nonsense"
timeout $((30 * SLACK)) "$XGOTOPFS" -doctor -b "$T/nonsense" >"$T/doctor" 2>&1
[ $? -ne 124 ] || fail "a made-up table of inlined calls holds it up"
