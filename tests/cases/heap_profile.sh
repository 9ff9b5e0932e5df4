#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# pprof/heap, the heap profile that a program keeps of itself: to the byte what the program's own runtime says, for
# releases, plain and stripped; also after its end. `problems` names who of a heap grows, where neither who allocates
# most nor who has most does. And a program that keeps none says so.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3
GO=$("$ROOT/scripts/go.sh") || fail "no Go"

# kept VERSION MODE: starts one.
kept() {
	local built
	built=$("$ROOT/tests/targets/build.sh" "$1" "$2" kept) || fail "no program for $1 $2"
	start_target "$built"
}
# say LINE: to the program, which answers.
say() {
	local before
	before=$(grep -c done "$T/target.out")
	echo "$1" >&8
	wait_for "$PATIENCE" eval "[ \$(grep -c done '$T/target.out') -gt $before ]" || fail "no answer: $(tail -n 3 "$T/target.out")"
}
# rows PROFILE VALUE: by line of code, without the runtime's own frames (Go's text trims them by name as we do).
rows() { "$GO" tool pprof -raw "$1" 2>/dev/null >"$T/raw" && python3 - "$T/raw" "$2" <<'PY'
import re, sys
lines, values, names = open(sys.argv[1], encoding="utf-8").read().splitlines(), {}, {}
section = ""
index = None
for line in lines:
    if line in ("Samples:", "Locations", "Mappings"):
        section = line
        continue
    if section == "Samples:":
        if index is None:
            index = [t.split("/")[0] for t in line.split()].index(sys.argv[2])
            continue
        m = re.match(r"\s*([\d ]+): ([\d ]+)$", line)
        if m:
            values.setdefault(tuple(m.group(2).split()), []).append(int(m.group(1).split()[index]))
    elif section == "Locations":
        m = re.match(r"\s*(\d+): 0x\S+ (?:M=\d+ )?(.*)$", line)
        if m:
            at = m.group(1)
            names[at] = [m.group(2)]
        elif line.startswith("     "):
            names[at].append(line.strip())
out = {}
for stack, found in values.items():
    calls = [re.sub(r"(:\d+):\d+( s=\d+)?$", r"\1", c) for at in stack for c in names[at]]
    calls = [c for c in calls if not c.startswith("runtime.goexit")]
    if sum(found):
        key = " < ".join(calls)
        out[key] = out.get(key, 0) + sum(found)
for key in sorted(out):
    print(out[key], key)
PY
}

for which in "1.17 stripped" "1.19 plain" "1.22 stripped" "1.24 pie-stripped" "1.26 stripped" "1.27 stripped"; do
	# shellcheck disable=SC2086 # two words
	kept $which
	start_xgotopfs -pid "$DEMO" -probes none "$MNT"
	wait_ready
	say collect
	say "profile $T/theirs"
	cp "$MNT/pprof/heap" "$T/ours" || fail "$which: pprof/heap cannot be read"
	for value in inuse_space inuse_objects alloc_space alloc_objects; do
		rows "$T/theirs" $value >"$T/theirs.rows" || fail "$which: what Go wrote"
		rows "$T/ours" $value >"$T/ours.rows" || fail "$which: pprof/heap is no profile"
		grep -q 'main\.fillCache .* < main\.main ' "$T/theirs.rows" || fail "$which: nothing to compare: $(cat "$T/theirs.rows")"
		cmp -s "$T/theirs.rows" "$T/ours.rows" || fail "$which: $value: $(diff "$T/theirs.rows" "$T/ours.rows")"
	done
	stop_xgotopfs
	end "$DEMO"
done

# --- one that grows ---
kept local plain
start_xgotopfs -pid "$DEMO" -probes light "$MNT"
wait_ready
say grow
named() { grep -q "^\(warning\|notice\) heap: .* % of what came to it in the last .*, as the program's own heap profile has it, is from main\.newJob " "$MNT/problems"; }
wait_for 110 named || fail "who grows is not named: $(cat "$MNT/problems" "$MNT/heap")"
grep '^[a-z]* heap:' "$MNT/problems" | grep -q 'see pprof/heap ' || fail "not where to look: $(cat "$MNT/problems")"
end "$DEMO"
wait_for "$PATIENCE" grep -q '^critical target: the program has ended' "$MNT/problems" || fail "its end: $(cat "$MNT/problems")"
cp "$MNT/pprof/heap" "$T/ours" || fail "pprof/heap cannot be read when it has ended"
rows "$T/ours" inuse_space >"$T/ours.rows"
grep -q 'main\.newJob .* < main\.enqueue ' "$T/ours.rows" || fail "it is empty when it has ended"
stop_xgotopfs

# --- one that keeps none ---
start_demo_keeps_none() {
	local built
	built=$("$ROOT/tests/targets/build.sh" local stripped counted) || fail "no program"
	start_target "$built"
}
start_demo_keeps_none
start_xgotopfs -pid "$DEMO" -probes none "$MNT"
wait_ready
cp "$MNT/pprof/heap" "$T/ours" || fail "pprof/heap of one that keeps none cannot be read"
"$GO" tool pprof -comments "$T/ours" 2>&1 | grep -q 'keeps no heap profile' || fail "not said: $("$GO" tool pprof -comments "$T/ours" 2>&1)"
