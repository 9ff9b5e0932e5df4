#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A release that nobody here knows: with DWARF it is traced, and exact; without, refused (refusals.sh
# has that). Made up by changing the version of the newest one, in its own bytes.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
for mode in plain cgo-pie; do
	binary=$(target 1.27 "$mode" workload) || fail "no workload"
	python3 - "$binary" "$T/$mode" <<'PY' || fail "cannot change the version"
import re, sys
data, n = re.subn(rb"(?<!-)go1\.27\.3(?!\.linux)", b"go1.94.3", open(sys.argv[1], "rb").read())
open(sys.argv[2], "wb").write(data)
sys.exit(n == 0)
PY
	chmod +x "$T/$mode"
	"$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$T/s-$mode" -- "$T/$mode" -wait=false -heap \
		>"$T/truth" 2>"$LOG" || fail "$mode: status $?: $(cat "$LOG")"
	grep -q 'go1\.94\.3' "$LOG" || fail "$mode: not taken for another release: $(cat "$LOG")"
	python3 "$ROOT/tests/exact.py" "$T/truth" "$T/s-$mode"/*/events.jsonl --go 27 --lost "$(lost_of "$LOG")" \
		>"$T/found" || fail "$mode: $(cat "$T/found")"
	"$XGOTOPFS" -doctor -b "$T/$mode" >"$T/out" 2>&1 || fail "$mode: $(cat "$T/out")"
	grep -qE '^ok +offsets +DWARF$' "$T/out" || fail "$mode: offsets are not from DWARF: $(cat "$T/out")"
done
