#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a goroutine's start function is called is the outermost function that the runtime's own dump shows of
# it: for all kinds of go statements, those that were there before and those that were made since, in
# status, events, by-func and a recorded session; and users' functions may be named as the compiler's.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3

# compare DUMP TABLE [EVENTS]: what differs.
compare() {
	python3 - "$@" <<'PY'
import re, sys
dump, table = open(sys.argv[1]).read(), open(sys.argv[2]).read()
want, found = {}, {}
for block in dump.split("\nready")[0].split("\n\n"):
    head = re.search(r"^goroutine (\d+) ", block, re.M)
    if not head or "\ncreated by main." not in block:
        continue
    calls = [l for l in block[head.end():].split("\n")[1:] if l and l[0] not in "\t" and not l.startswith("created by")]
    want[head[1]] = re.sub(r"\((?:[^()]|\([^()]*\))*\)$", "", calls[-1])
for line in table.split("\n")[1:]:
    cells = line.split("\t")
    if len(cells) > 4:
        found[cells[0]] = cells[4]
    # Of an event: goid and name.
    elif len(cells) == 2:
        found[cells[0]] = cells[1]
# A dump has [...] for type arguments.
bare = lambda name: re.sub(r"\[.*\]", "[...]", name or "nothing")
bad = [f"goroutine {g}: {found.get(g)}, the dump has {w}" for g, w in want.items() if bare(found.get(g)) != bare(w)]
if len(want) < 26:
    bad.append(f"only {len(want)} goroutines in the dump")
print("\n".join(bad))
sys.exit(1 if bad else 0)
PY
}

run() {
	local binary
	binary=$("$ROOT/tests/targets/build.sh" "$1" "$2" starts) || fail "no target for Go $1 $2"
	rm -rf "$T/target.in" "$T/sessions"
	mkdir "$T/sessions"
	start_target "$binary"
	start_xgotopfs -pid "$DEMO" -record -storage-dir "$T/sessions" "$MNT"
	wait_ready
	cp "$MNT/goroutines.tsv" "$T/before"
	cp "$T/target.out" "$T/dump"
	compare "$T/dump" "$T/before" >"$T/found" || fail "Go $1 $2, those that were there: $(cat "$T/found")"
	echo >&8
	again() { [ "$(grep -c '^ready' "$T/target.out")" = 2 ]; }
	wait_for 30 again || fail "it does not start more"
	sed '1,/^ready/d' "$T/target.out" >"$T/dump"
	all_there() { compare "$T/dump" "$MNT/goroutines.tsv" >"$T/found"; }
	wait_for 20 all_there || fail "Go $1 $2, those made since: $(cat "$T/found")"
	# Each is below its function, and none below another.
	ls "$MNT/by-func" >"$T/funcs"
	! grep -E 'gowrap[0-9]|dwrap·|retpoline' "$T/funcs" | grep -vE 'main\.gowrap1\.(gowrap1|deferwrap1)' || fail "Go $1 $2: a wrapper in by-func: $(cat "$T/funcs")"
	events_named "$MNT/events" >"$T/named"
	stop_xgotopfs
	sed '/^ready/,$d' "$T/target.out" >"$T/first"
	only_new
	compare "$T/dump" "$T/named" >"$T/found" || fail "Go $1 $2, in events: $(cat "$T/found")"
	"$XGOTOPFS" -convert "$(ls "$T/sessions")" -storage-dir "$T/sessions" -out "$T/session" 2>"$LOG" || fail "-convert: $(cat "$LOG")"
	python3 -c '
import json, sys
print("goid\tname")
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e["event_type"] == 4: print(e["attributes"][1], e.get("func", ""), sep="\t")' "$T/session" >"$T/named"
	compare "$T/dump" "$T/named" >"$T/found" || fail "Go $1 $2, in the session: $(cat "$T/found")"
	exec 8>&-
	wait_for 10 gone "$DEMO" || fail "the target does not end"
	echo "Go $1 $2: as the runtime's dump"
}

# Of the dump, those that were not there before.
only_new() {
	python3 - "$T/dump" "$T/first" <<'PY'
import re, sys
new, old = (open(p).read() for p in sys.argv[1:])
known = set(re.findall(r"^goroutine (\d+) ", old, re.M))
kept = [b for b in new.split("\n\n") if not set(re.findall(r"^goroutine (\d+) ", b, re.M)) & known]
open(sys.argv[1], "w").write("\n\n".join(kept))
PY
}

events_named() {
	echo "goid	name"
	sed -n 's/.* newgoroutine child=\([0-9]*\) func=\([^ ]*\) .*/\1\t\2/p' "$1"
}

for build in ${STARTS:-1.17/stripped 1.18/plain 1.21/stripped 1.23/plain 1.27/spectre-stripped}; do
	run "${build%/*}" "${build#*/}"
done
