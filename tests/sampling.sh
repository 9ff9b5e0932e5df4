#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The original's sampling test: runs of 5,000 HTTP requests against the demo server, each with other
# rates; every event type must come within 5% of its rate times the baseline. How often a goroutine
# parks hangs on what else the machine does, by more than that from one run to the next; so the
# baseline is not a run of its own: a second xgotopfs, without sampling, traces the same server at the
# same time. The run "baseline" has two of them: they must agree. Usage: tests/sampling.sh [REQUESTS]       Needs a build in ./build or
# $XGOTOPFS_BUILD; the runs' metrics files are kept in sampling_test_results/ when that is a folder.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/app_lib.sh"
need_tracing
need jq
requests=${1:-5000}
DEMO_BINARY=$(demo_binary) || fail "the demo does not build"
results=$T/results
[ -d sampling_test_results ] && results=$PWD/sampling_test_results
mkdir -p "$results"
events=(casgstatus makeslice makemap newobject newgoroutine goexit)

WITNESS=
kill_witness() { [ -z "$WITNESS" ] || kill -KILL "$WITNESS" 2>/dev/null; }
on_exit kill_witness

# run NAME RATES: one fresh server, traced twice while it answers the requests one after the other.
run() {
	local name=$1 rates=$2 args=(-s -log-level warn -mft -mfp "$1" -record -storage-dir "$T/sessions")
	start_demo "$DEMO_BINARY"
	[ -z "$rates" ] || args+=(-sample "$rates")
	mkdir -p "$MNT"
	cd "$results" || exit 1
	fresh "$T/witness"
	"$XGOTOPFS" -pid "$DEMO" -s -mft -mfp "all_of_$name" 2>"$T/witness" >/dev/null &
	WITNESS=$!
	wait_for 20 grep -q "Ctrl-C ends" "$T/witness" || fail "$name: $(cat "$T/witness")"
	start_xgotopfs -pid "$DEMO" "${args[@]}" "$MNT"
	mounted() { [ -s "$MNT/health" ]; }
	wait_for 20 mounted || fail "$name: not mounted: $(cat "$LOG")"
	# Two thirds of the requests start goroutines and block: all six types occur often.
	load -n "$requests"
	stop_xgotopfs INT
	kill -INT "$WITNESS"
	wait "$WITNESS" || fail "$name: the second xgotopfs: $(cat "$T/witness")"
	WITNESS=
	cd - >/dev/null || exit 1
	end "$DEMO"
	wait "$DEMO" 2>/dev/null
}

# judge NAME RATES
judge() {
	local name=$1 rates=$2 type rate base got bad=0
	for type in "${!events[@]}"; do
		rate=${2:+0}
		rate=${rate:-1}
		[[ ,$rates, =~ ,${events[type]}:([0-9.]+), ]] && rate=${BASH_REMATCH[1]}
		base=$(jq ".event_counts[\"$type\"]" "$results/metrics__all_of_$name.json")
		got=$(jq ".event_counts[\"$type\"]" "$results/metrics__$name.json")
		awk -v name="$name" -v event="${events[type]}" -v rate="$rate" -v base="$base" -v got="$got" 'BEGIN {
			want = rate * base
			off = want ? (got - want) / want * 100 : got * 100
			ok = (off < 0 ? -off : off) <= 5
			printf "%-18s %-13s %8d of %8d, rate %-5s wanted %10.1f: %+6.2f%% %s\n",
				name, event, got, base, rate, want, off, ok ? "ok" : "FAIL"
			exit !ok
		}' || bad=1
	done
	return $bad
}

declare -A scenario=(
	[baseline]=
	[uniform_10pct]=newgoroutine:0.1,makemap:0.1,makeslice:0.1,newobject:0.1,goexit:0.1,casgstatus:0.1
	[uniform_50pct]=newgoroutine:0.5,makemap:0.5,makeslice:0.5,newobject:0.5,goexit:0.5,casgstatus:0.5
	[mixed]=newgoroutine:0.8,makemap:0.2,makeslice:0.1,newobject:0.5,goexit:0.7,casgstatus:0.05
	[selective_makemap]=makemap:0.01
	[high_freq]=newgoroutine:0.99,makemap:0.95,makeslice:0.9,newobject:0.85,goexit:0.95,casgstatus:0.95
)
bad=0
for name in baseline uniform_10pct uniform_50pct mixed selective_makemap high_freq; do
	run "$name" "${scenario[$name]}"
	judge "$name" "${scenario[$name]}" || bad=1
done
[ $bad = 0 ] || fail "some counts are off by more than 5%"
