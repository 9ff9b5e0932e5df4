#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# CPU samples, held against the clocks of the program's own threads and against the CPU profile that it took of itself:
# the same functions first, shares within three points (and what chance allows two samplings to differ by); whose goroutine
# it was, its labels, calls in C, its last stack while it runs; pause leaves no perf event, and who has none says why.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need go

tool() { go tool pprof -symbolize=none "$@" 2>"$T/tool.err"; }
# "function share" of a profile, with what is called from there.
shares() { tool -top -cum -nodefraction=0 -nodecount=2000 "$1" | awk '$5 ~ /%$/ && $6 ~ /^main\.(first|second|third|inC|loop|outer|holder|sorted|_Cfunc_spin)$/ { sub(/%/, "", $5); print $6, $5 }' | sort; }
samples() { tool -raw "$1" | awk '/^Samples:/ { on = 1 } /^Locations/ { on = 0 } on && $1 ~ /^[0-9]+$/ { n += $1 } END { print n + 0 }'; }
stat_of() { sed -n "s/^$1 //p" "$MNT/stats"; }
perf_events() { # sh: a process may end while it is looked at
	for p in "$XPID" $(pgrep -P "$XPID" 2>/dev/null); do readlink "/proc/$p"/fd/* 2>/dev/null; done | grep -c perf_event
}
# close WHAT TRUTH SEEN SAMPLES...: shares ("name percent" lines) within three points and three standard deviations.
close_to() {
	join "$2" "$3" | awk -v what="$1" -v ours="$4" -v theirs="$5" '
		{ p = $2 / 100; s = 100 * sqrt(p * (1 - p) * (1 / ours + (theirs ? 1 / theirs : 0))); d = $2 - $3
		  n++; if (d < -3 - 3 * s || d > 3 + 3 * s) { print what ": " $1 " has " $3 " %, not " $2; bad = 1 } }
		END { exit bad || n < 3 }' || fail "$1: shares differ: $(join "$2" "$3" | tr '\n' ' ')"
}

try() { # RELEASE MODE [OPTION...]
	local binary what="$1 $2"
	binary=$("$ROOT/tests/targets/build.sh" "$1" "$2" hot) || fail "$what does not build"
	shift 2
	rm -f "$T/own"
	HOT_PROFILE=$T/own start_target "$binary" "$CPU_MS"
	start_xgotopfs -pid "$DEMO" -s -sample-cpu 999 "$@" "$MNT"
	wait_ready
	expect "$what: sampling" "$(sed -n 's/^cpu_sampling //p' "$MNT/health")" on
	echo >&8
	running() { # some goroutine that runs shows where it was last
		for g in "$MNT"/by-state/running/*; do
			grep -A9 'where it was when a CPU' "$g/stack" 2>/dev/null | grep -q '^main\.' && return 0
		done
		return 1
	}
	wait_for 20 running || fail "$what: no running goroutine shows its last sample"
	wait_for 60 grep -q '^all ' "$T/target.out" || fail "$what: it does not come to an end"
	all=$(sed -n 's/^all //p' "$T/target.out")
	enough() { [ "$(stat_of cpu_sampled_ns)" -gt $((all * 9 / 10)) ]; }
	wait_for 10 enough || fail "$what: $(stat_of cpu_sampled_ns) ns sampled of $all"
	# All of it, by the program's own count: four standard deviations, and what it took before and after.
	awk -v seen="$(stat_of cpu_sampled_ns)" -v all="$all" -v error="$(stat_of cpu_sampled_error_ns)" \
		'BEGIN { d = seen - all; exit d < -4 * error || d > 4 * error + 0.05 * all }' ||
		fail "$what: $(stat_of cpu_sampled_ns) ns sampled, $all taken"
	expect "$what: lost" "$(stat_of cpu_samples_lost)" 0
	awk -v cut="$(stat_of cpu_samples_cut)" -v n="$(stat_of cpu_samples)" 'BEGIN { exit cut > n / 50 }' || fail "$what: $(stat_of cpu_samples_cut) stacks are cut"
	cp "$MNT/pprof/cpu" "$T/cpu"
	cp "$MNT/pprof/cpu_since_start" "$T/since"
	shares "$T/cpu" >"$T/seen"
	ours=$(samples "$T/cpu")
	# What each goroutine took, by its thread's clock.
	grep -v '^all' "$T/target.out" | awk -v all="$all" '$1 ~ /^(first|second|third|inC)$/ { printf "main.%s %.2f\n", $1, 100 * $2 / all }' | sort >"$T/truth"
	close_to "$what, threads" "$T/truth" "$T/seen" "$ours" 0
	shares "$T/own" >"$T/theirs"
	close_to "$what, own profile" "$T/theirs" "$T/seen" "$ours" "$(samples "$T/own")"
	shares "$T/since" >"$T/seen"
	close_to "$what, since start" "$T/truth" "$T/seen" "$ours" 0
	# The same as a flame graph, which has all of ten minutes.
	awk '{ n += $NF } END { print n + 0 }' "$MNT/flame/cpu" >"$T/folded"
	folded=$(cat "$T/folded")
	[ "$folded" -ge "$ours" ] && [ "$folded" -le "$(stat_of cpu_samples)" ] || fail "$what: the flame graph has $folded samples, the profile $ours"
	grep -q ';main\.outer;main\.leaf' "$MNT/flame/cpu" || fail "$what: the flame graph has no main.leaf below main.outer: $(head -n 5 "$MNT/flame/cpu")"
	wait_for 5 grep -q '"hz":999,.*"why":null' "$MNT/flame/cpu.json" || fail "$what: $(head -c 400 "$MNT/flame/cpu.json")"
	# The same by goroutine.
	grep -h '^cpu_ns ' "$MNT"/goroutines/*/status | awk '{ print $2 }' | sort -rn | head -n "$(wc -l <"$T/truth")" | sort -n >"$T/by_goid"
	sed -n 's/^\(first\|second\|third\|inC\) //p' "$T/target.out" | sort -n | paste - "$T/by_goid" |
		awk '{ s = 4 * sqrt($1 * 1001001); d = $1 - $2; if (d < -s - 0.05 * $1 || d > s + 0.05 * $1) exit 1 }' || fail "$what: cpu_ns of goroutines: $(tr '\n' ' ' <"$T/by_goid")"
	tool -comments "$T/cpu" | grep -q 'what our probes cost is in it: .*overhead_of_target_percent is [0-9]' || fail "$what: no word of our own cost"
	tool -tags "$T/cpu" >"$T/tags"
	grep -q 'goid: Total' "$T/tags" || fail "$what: no goroutines: $(cat "$T/tags")"
	grep -q ': third$' "$T/tags" || fail "$what: no label part=third: $(cat "$T/tags")"
	# A caller that frame pointers do not show.
	tool -peek 'main\.leaf$' "$T/cpu" | grep -q 'main\.outer$' || fail "$what: nobody calls main.leaf"
	[ "${binary#*cgo}" = "$binary" ] || tool -peek '\[C code\]' "$T/cpu" | grep -q 'runtime\.cgocall' || fail "$what: no way into C"
	[ "$(perf_events)" -gt 0 ] || fail "$what: it has no perf event"
	echo 1 >"$MNT/control/pause"
	expect "$what: perf events while paused" "$(perf_events)" 0
	echo 0 >"$MNT/control/pause"
	[ "$(perf_events)" -gt 0 ] || fail "$what: it does not go on"
	stop_xgotopfs
	unharmed "$DEMO"
	exec 8>&-
	end "$DEMO"
}
CPU_MS=${XGOTOPFS_CPU_MS:-1500}
if [ "${XGOTOPFS_CPU_TRY:-}" ]; then
	# shellcheck disable=SC2086
	try $XGOTOPFS_CPU_TRY
	exit 0
fi
try 1.27 cgo-pie-stripped
try 1.17 plain -probes light

# Who has none says why, also in the profile, and claims nothing.
start_target "$("$ROOT/tests/targets/build.sh" 1.27 cgo-pie-stripped hot)" 100
for how in "-sample-cpu 0:off: -sample-cpu 0" "-probes none:off: without BPF (-probes none)"; do
	# shellcheck disable=SC2086
	start_xgotopfs -pid "$DEMO" -s ${how%%:*} "$MNT"
	wait_ready
	expect "${how%%:*}" "$(sed -n 's/^cpu_sampling //p' "$MNT/health")" "${how#*:}"
	expect "${how%%:*}: cpu_ns" "$(sed -n 's/^cpu_ns //p' "$MNT/goroutines/1/status")" "?"
	tool -comments "$MNT/pprof/cpu" | grep -qF "CPU samples are ${how#*:}" || fail "${how%%:*}: the profile does not say why"
	wait_for 5 grep -qF "\"samples\":0,\"ns\":0,\"error_ns\":0,\"goroutines\":0,\"" "$MNT/flame/cpu.json" && grep -qF "\"why\":\"CPU samples are ${how#*:}\"" "$MNT/flame/cpu.json" ||
		fail "${how%%:*}: the flame graph does not say why: $(cat "$MNT/flame/cpu.json")"
	stop_xgotopfs
done
exec 8>&-
end "$DEMO"
