#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sampled allocations, held against the profile that the program took of itself (runtime.MemProfile with a rate of 1):
# the same five sites first, shares within three points, and what no event tells of is in it (append, strings,
# conversions, closures, fmt).
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need go

# truth, sampled: "bytes function" by the innermost function that is no runtime's, the most first.
truth() { grep -vE 'main\.(profile|origin)' "$T/truth" | sort -rn | tr '\t' ' '; }
sampled() {
	awk -F'\t' 'NR > 1 && $6 != "(not sampled)" && $7 !~ /main\.(profile|origin)/ { split($6, site, " "); sum[site[1]] += $1 }
		END { for (f in sum) printf "%.0f %s\n", sum[f], f }' "$MNT/alloc_sites.tsv" | sort -rn
}
shares() { awk '{ bytes[$2] = $1; all += $1 } END { for (f in bytes) printf "%s %.2f\n", f, 100 * bytes[f] / all }' | sort; }
first_five() { head -n 5 | cut -d' ' -f2 | sort | tr '\n' ' '; }

try() { # RELEASE MODE [LEVEL]
	local binary
	binary=$("$ROOT/tests/targets/build.sh" "$1" "$2" churn) || fail "$1 $2 does not build"
	rm -f "$T/truth"
	CHURN_PROFILE=$T/truth start_target "$binary" 120000
	start_xgotopfs -pid "$DEMO" -s ${3:+-probes "$3"} "$MNT"
	wait_ready
	wait_for 5 grep -q '^alloc_sampling on$' "$MNT/health" || fail "$1 $2: $(grep alloc_sampling "$MNT/health")"
	if [ "${3:-}" ]; then
		expect "probes in" "$(grep '^probe ' "$MNT/health" | cut -d' ' -f2 | cut -d+ -f1 | sort | tr '\n' ' ')" "runtime.(*mcache).allocLarge runtime.(*mcache).refill "
	fi
	echo >&8
	wait_for 120 grep -q done "$T/target.out" || fail "$1 $2: it does not come to an end"
	enough() { [ "$(sampled | awk '{ sum += $1 } END { printf "%d", sum / 1000 }')" -gt "$(truth | awk '{ sum += $1 } END { printf "%d", 0.9 * sum / 1000 }')" ]; }
	wait_for 10 enough || fail "$1 $2: sampled $(sampled | head -n 3), the truth is $(truth | head -n 3)"
	expect "$1 $2: lost" "$(sed -n 's/^alloc_samples_lost //p' "$MNT/stats")" 0
	expect "$1 $2: the first five" "$(sampled | first_five)" "$(truth | first_five)"
	join <(truth | shares) <(sampled | shares) |
		awk -v what="$1 $2" '{ d = $2 - $3; if (d < -3 || d > 3) { print what ": " $1 " has " $3 " % where the truth is " $2; bad = 1 } } END { exit bad }' ||
		fail "$1 $2: shares differ"
	for how in 'main\.grow .*growslice' 'main\.buildKey .*concatstring' 'main\.convert .*stringtoslicebyte' 'main\.closures .*newobject' \
		'fmt\.Sprintf .*main\.format ' 'strings\.(\*Builder).*main\.builder .*growslice'; do
		wait_for 5 grep -q "$how" "$MNT/alloc_sites.tsv" || fail "$1 $2: no $how in $(cut -f6- "$MNT/alloc_sites.tsv")"
	done
	# The same for go tool pprof, which shows it first; what events tell of is beside it, and what share that is.
	go tool pprof -symbolize=none -top "$MNT/pprof/allocs" >"$T/top" 2>&1 || fail "pprof: $(cat "$T/top")"
	for f in $(truth | head -n 5 | cut -d' ' -f2); do
		grep -qF "$f" "$T/top" || fail "$1 $2: $f is not in $(cat "$T/top")"
	done
	[ "${3:-}" ] || go tool pprof -symbolize=none -comments "$MNT/pprof/allocs" 2>&1 | grep -q '^event_objects.* some [0-9]* % of the bytes' || fail "it does not say what share events are"
	go tool pprof -symbolize=none -peek 'main\.buildKey$' "$MNT/pprof/allocs" 2>&1 | grep -q 'main\.round' || fail "$1 $2: no stack behind buildKey"
	# All of it is main's, goroutine 1.
	awk '/^alloc_sampled_bytes/ { exit $2 < 20000000 }' "$MNT/goroutines/1/stats" || fail "goroutine 1: $(grep sampled "$MNT/goroutines/1/stats")"
	stop_xgotopfs
	unharmed "$DEMO"
	exec 8>&-
	end "$DEMO"
}
try 1.27 stripped

# Nothing of it is seen: then neither file shows what little there is as if it were all.
binary=$("$ROOT/tests/targets/build.sh" 1.27 stripped churn) || fail "it does not build"
start_target "$binary" 20000
start_xgotopfs -pid "$DEMO" -s "$MNT"
wait_ready
echo 1 >"$MNT/control/pause" || fail "no pause"
echo >&8
wait_for 60 grep -q done "$T/target.out" || fail "it does not come to an end"
told() { awk -F'\t' '$6 == "(not sampled)" && $2 > 50 { found = $1 > 5000000 } END { exit !found }' "$MNT/alloc_sites.tsv"; }
wait_for 20 told || fail "alloc_sites: $(cat "$MNT/alloc_sites.tsv")"
go tool pprof -symbolize=none -top "$MNT/pprof/allocs" >"$T/top" 2>&1 || fail "pprof: $(cat "$T/top")"
awk '/flat%/ { on = 1; next } on { exit !/\((no event: append|not sampled)/ }' "$T/top" || fail "pprof ranks it as if it were all: $(cat "$T/top")"
stop_xgotopfs
exec 8>&-
end "$DEMO"
# The level that has nothing else.
try "${XGOTOPFS_ALLOC_RELEASE:-1.18}" stripped light

# Spans that are used up faster than stacks may be walked, and than all of the time may be sampled: fewer are, each stands for
# more, and the bytes are the same (truth: of 120,000 rounds). What may be walked: abi.h, struct wire_sampled.
rounds=8000000
binary=$("$ROOT/tests/targets/build.sh" "${XGOTOPFS_ALLOC_RELEASE:-1.18}" stripped churn) || fail "it does not build"
start_target "$binary" "$rounds"
start_xgotopfs -pid "$DEMO" -s -probes light "$MNT"
wait_ready
began=$(date +%s%N)
echo >&8
wait_for 120 grep -q done "$T/target.out" || fail "it does not come to an end"
want=$(truth | awk -v rounds="$rounds" '{ sum += $1 } END { printf "%.0f", sum / 120000 * rounds }')
got() { sampled | awk '{ sum += $1 } END { printf "%.0f", sum }'; }
# Within three of the errors that are stated, and what is in no sample besides; of the part of the time that samples stand for,
# which is all of it but where windows come far too late.
near() {
	awk -v got="$(got)" -v all="$want" '{ now[$1] = $2 } END {
		want = all * now["alloc_samples_stand_for_percent"] / 100
		e = 3 * now["alloc_sampled_error_bytes"] + 0.1 * all
		exit !(want > 0 && got > want - e && got < want + e)
	}' "$MNT/stats"
}
wait_for 10 near || fail "sampled $(got) bytes of $want ($(grep ^alloc_ "$MNT/stats"))"
# That error falls with the root of how many windows there were. (A kernel that takes seconds for each, as beside much else, leaves few.)
awk -v want="$want" '{ now[$1] = $2 } END { n = now["alloc_samples_windows"]; print n " windows, error " now["alloc_sampled_error_bytes"] / want
		exit !(n < 6 || now["alloc_sampled_error_bytes"] < 2 * want / sqrt(n)) }' "$MNT/stats" ||
	fail "nothing is known: $(grep ^alloc_ "$MNT/stats")"
took=$((($(date +%s%N) - began) / 1000000))
hits=$(sed -n 's/^alloc_sample_hits //p' "$MNT/health")
samples=$(awk -F'\t' 'NR > 1 { sum += $5 } END { print sum }' "$MNT/alloc_sites.tsv")
most=$(($(nproc --all) * (4000 + 2 * took)))
# In windows, and that there is no probe this moment is no news.
awk '{ now[$1] = $2 } END { exit !(now["alloc_samples_windows"] > 0 || now["alloc_sampled_time_percent"] < 100) }' "$MNT/stats" ||
	fail "no windows: $(grep "^alloc_\|^overhead" "$MNT/stats")"
wait_for 5 grep -q '^alloc_sampling on$' "$MNT/health" || fail "$(grep alloc_sampling "$MNT/health")"
[ "$samples" -le "$most" ] && [ "$hits" -gt "$((2 * samples))" ] ||
	fail "$samples samples of $hits hits in $took ms, where at most $most may be"
expect "lost" "$(sed -n 's/^alloc_samples_lost //p' "$MNT/stats")" 0
stop_xgotopfs
exec 8>&-
end "$DEMO"
