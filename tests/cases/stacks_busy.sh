#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The stacks of a server under full load, read over and over: every dump is well-formed, every stack
# begins with a function that goroutines begin with, and the server's end in the middle of a read is
# no harm.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
. "$(dirname "$0")/../survive_lib.sh"
need_tracing
need curl
tool=$(target "$TRACED_GO" plain stackparse) || fail "no parser"
under_load installed
mount_demo
for i in $(seq 100); do
	cat "$MNT/stacks" >"$T/dump" || fail "cannot read"
	"$tool" <"$T/dump" >"$T/parsed" || fail "no parse"
	python3 - "$T/dump" "$T/parsed" >"$T/found" <<'PY' || fail "read $i: $(cat "$T/found")"
import json, re, sys
dump, parsed = open(sys.argv[1]).read(), json.load(open(sys.argv[2]))
bad = []
blocks = [b for b in dump.split("\n\n") if b.strip()]
for name, u in parsed.items():
    # gostackparse leaves out those that run, and says so, as it does with Go's own dumps.
    running = [e for e in u["errors"] if "stack unavailable" in e and name == "gostackparse"]
    if len(u["errors"]) != len(running) or u["left"].strip() or u["goroutines"] + len(running) != len(blocks):
        bad.append(f"{name}: {u['errors']} {u['left']!r} {u['goroutines']} of {len(blocks)}")
whole = 0
for block in blocks:
    lines = block.strip("\n").split("\n")
    functions = [l for l in lines[1:] if not l.startswith(("\t", "created by", "..."))]
    if re.match(r"goroutine \d+ \[running", lines[0]) or not functions or "elided" in block:
        continue
    whole += 1
    # The outermost frame is what a go statement of this program, of net/http, … may start.
    if not re.match(r"(main\.|net/http\.|net\.|os/signal\.|runtime\.|created by|internal/|time\.)", functions[-1]):
        bad.append(f"begins with {functions[-1]}: {lines[0]}")
    if re.match(r"net/http\.\(\*conn\)\.", functions[-1]) and "conn).serve" not in functions[-1] \
            and "backgroundRead" not in functions[-1]:
        bad.append(f"begins with {functions[-1]}: {lines[0]}")
if whole < 5:
    bad.append(f"only {whole} whole stacks of {len(blocks)}")
print("\n".join(bad[:10]))
sys.exit(1 if bad else 0)
PY
	[ $((i % 20)) != 0 ] || alive
done

# It dies while we read.
(for _ in $(seq 200); do cat "$MNT/stacks" >/dev/null 2>&1; done) &
reader=$!
on_exit "end $reader"
wait_for 20 kill -0 "$reader"
kill -KILL "$DEMO"
wait "$DEMO" 2>/dev/null
wait_for 60 gone_or_zombie "$reader" || fail "a read hangs after the target's end"
wait_for 10 says "has exited" || fail "its end was not noticed"
ls "$MNT/goroutines" >/dev/null || fail "the tree is gone"
stop_xgotopfs
