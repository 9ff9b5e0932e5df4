#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Where goroutines come from and where they wait, held against what a program says of itself: the stacks that led to
# a go statement (runtime.Callers there), how many went which way, how long each wait took (its own clock). And who
# ends seldom is still there after thousands of others. ORIGINS="RELEASE:MODE …" tries others, all: every kind.
# timeout: 200
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need go python3
[ "${ORIGINS:-}" != all ] || ORIGINS="1.17:plain 1.18:stripped 1.20:pie 1.21:pie 1.22:cgo 1.23:plain 1.24:stripped 1.25:pgo 1.26:stripped-pie 1.27:stripped-cgo 1.27:pgo-stripped"

pprof() { PPROF_TMPDIR=$T go tool pprof -symbolize=none "$@" 2>"$T/pprof.err" || fail "pprof $*: $(cat "$T/pprof.err")"; }
# cum FILE FUNCTION: the value of stacks that have it.
cum() { pprof -raw "$1" | python3 "$ROOT/tests/raw_cum.py" "$2"; }
# ask COMMAND: the target's answer is in $T/truth.
ask() {
	told=$(grep -cx told "$T/target.out")
	echo "$1" >&8
	answered() { [ "$(grep -cx told "$T/target.out")" -gt "$told" ]; }
	wait_for 60 answered || fail "$what: no answer to $1"
	awk '{ all = all $0 "\n" } /^told$/ { last = all; all = "" } END { printf "%s", last }' "$T/target.out" >"$T/truth"
}
field() { awk -v key="$1" -v n="$2" '$1 == key { print $(n + 1); exit }' "$T/truth"; }
# near WHAT PERCENT PERCENT WITHIN
near() { awk -v a="$2" -v b="$3" -v d="$4" 'BEGIN { exit !(a - b <= d && b - a <= d) }' || fail "$what: $1: $2 %, the truth is $3 % (within $4)"; }
share() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f\n", b ? 100 * a / b : 0 }'; }
only_link() { find "$MNT/by-func/$1" -mindepth 1 2>/dev/null | head -n 1; }

try() { # RELEASE MODE
	local binary alpha beta i waits=() before=() sum truth way
	what="$1 $2"
	binary=$("$ROOT/tests/targets/build.sh" "$1" "$2" origins) || fail "$what does not build"
	start_target "$binary"
	start_xgotopfs -pid "$DEMO" -s -retain-exited 100 "$MNT"
	wait_ready
	ask keep
	for i in 1 2 3; do before[i]=$(field waited $i); done
	for i in 1 2 3 4 5 6 7 8; do ask make; done # samples are few a moment
	made() { [ "$(cp "$MNT/pprof/creations" "$T/creations" && cum "$T/creations" main.child)" = "$(($(field made 1) + $(field made 2)))" ]; }
	wait_for 20 made || fail "$what: made $(cum "$T/creations" main.child), the truth is $(grep made "$T/truth")"
	alpha=$(cum "$T/creations" main.alpha) beta=$(cum "$T/creations" main.beta)
	[ "$(cum "$T/creations" main.between)" = "$beta" ] || fail "$what: the inlined call is missing"
	near "by alpha" "$(share "$alpha" $((alpha + beta)))" 75 15
	pprof -comments "$T/creations" | grep -q "with stacks made 100 %" || fail "$what: $(pprof -comments "$T/creations")"

	# The last one of them: on one of the two ways, from the go statement on.
	[ "$(find "$MNT/by-func/main.child" -mindepth 1 | wc -l)" = 1 ] || fail "$what: by-func/main.child: $(ls "$MNT/by-func/main.child")"
	way=$(sed -n 's/^creation_stack //p' "$(only_link main.child)/status" | sed 's/^"//; s/"$//; s/:[0-9]*//g; s/ < runtime.main$//')
	grep -qxF "way $way" "$T/truth" || fail "$what: made by '$way', the truth is $(grep way "$T/truth")"
	grep -qE "^creation_stack_is .*(its own|another)" "$(only_link main.child)/status" || fail "$what: whose creation it is"
	pprof -tags "$MNT/pprof/goroutine" | grep -q 'main\.keep:[0-9]* < main\.main' || fail "$what: no tag: $(pprof -tags "$MNT/pprof/goroutine")"
	awk -F'\t' '$NF ~ /^main\.keep:[0-9]+ < main\.main:/ && $4 == "main.hold" { n = $1 } END { exit n != 1 }' "$MNT/waits.tsv" || fail "$what: $(cut -f 1,4,13 "$MNT/waits.tsv")"

	ask more
	cp "$MNT/pprof/offcpu" "$T/offcpu"
	for i in 1 2 3; do truth[i]=$(($(field waited $i) - before[i])); done
	waits[1]=$(cum "$T/offcpu" main.lock) waits[2]=$(cum "$T/offcpu" main.receive) waits[3]=$(cum "$T/offcpu" main.pause)
	for i in 1 2 3; do
		near "wait $i of (lock, receive, pause)" "$(share "${waits[i]}" $((waits[1] + waits[2] + waits[3])))" \
			"$(share "${truth[i]}" $((truth[1] + truth[2] + truth[3])))" 8
	done
	pprof -comments "$T/offcpu" | grep -q "stacks that were sampled" || fail "$what: $(pprof -comments "$T/offcpu")"
	! pprof -raw "$T/offcpu" | grep -q 'runtime\.bgsweep\|runtime\.gcBgMarkWorker' || fail "$what: the runtime's own are in it"

	# Who ends once is there after thousands of others, and says how it ended.
	ask end
	ask make
	mailer_ended() { grep -qs '^exited yes' "$(only_link main.mailer)/status" && [ "$(stat_of goroutines_exited)" -gt 36000 ]; }
	wait_for 20 mailer_ended || fail "$what: by-func/main.mailer: $(ls "$MNT/by-func/main.mailer")"
	grep -q '^goroutine [0-9]* \[exited\]:' "$(only_link main.mailer)/stack" || fail "$what: $(cat "$(only_link main.mailer)/stack")"
	grep -q 'its last wait was for chan receive' "$(only_link main.mailer)/stack" || fail "$what: $(cat "$(only_link main.mailer)/stack")"
	wait_for 5 grep -q ' goexit func=main.mailer$' "$MNT/events" || fail "$what: $(grep -m 3 goexit "$MNT/events")"
	stop_xgotopfs
	unharmed "$DEMO"
	exec 8>&-
	wait "$DEMO"
}
stat_of() { sed -n "s/^$1 //p" "$MNT/stats"; }

for kind in ${ORIGINS:-1.27:stripped-cgo}; do try "${kind%%:*}" "${kind#*:}"; done
