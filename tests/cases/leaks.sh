#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Leaked goroutines are named, proven and grouped: mount and REST, text and JSON, by looking and with
# -leaks once and in the log; what has joined since is told; the rest of the program is not accused, also while it makes and drops goroutines.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need python3
need_tracing
GO=$("$ROOT/scripts/go.sh" 1.27.3) || skip "no Go 1.27.3"

json() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)" <"$MNT/leaks.json"; }
key() { sed -n "s/^$1 //p" "$T/leaks"; }
accused() { grep -oE '^  [* ] goroutine [0-9]+ [^[ ,][^ ,]*' "$T/leaks" | awk '{ print $NF }' | grep -v '^main\.lost'; }

look() {
	cat "$MNT/leaks" >"$T/leaks" || fail "leaks cannot be read"
	[ -z "$(accused)" ] || fail "accused: $(accused): $(cat "$T/leaks")"
}

# Prints what there is, says it by its exit status, and attaches nothing.
once() {
	local status=0
	"$XGOTOPFS" -leaks once -pid "$1" >"$T/leaks" 2>"$T/once.err" || status=$?
	expect "status of -leaks once: $(cat "$T/once.err")" "$status" "$2"
}

# complete LOST: another look, and all that it is to tell; a pass that was disturbed has it take some more. WHY not.
complete() {
	look
	WHY="$(key leaked) of $1"
	# A dead word on a stack may hide one, or two.
	[ "$(key leaked)" -ge $(($1 - 3)) ] && [ "$(key passes)" -ge 3 ] && [ "$(key under_way)" = no ] || return
	WHY="the cycle is not told"
	grep -q '^group leaked cycle: 2 goroutines' "$T/leaks" || return
	WHY="the cycle's evidence is not told"
	grep -q 'likely holder .*: defers sync.(\*Mutex).Unlock in main.lostCycle (.*/leaked/main.go:' "$T/leaks" || return
	WHY="who waits for what he has himself" # suspect, where a dead word has him in reach
	[ "$(sed -n '/^group [a-z]* self/,/^$/s/^  \* goroutine [0-9]* \(main[.a-zA-Z]*\).*/\1/p' "$T/leaks" | sort | tr '\n' ' ')" = "$SELF" ] || return
	WHY="the chain is not told"
	grep -q '^group leaked orphan: 2 goroutines, keeps 1 waiting' "$T/leaks" || return
	WHY="the nil channel is not told"
	grep -q '^group leaked never:' "$T/leaks" || return
	# Locks that are variables are in reach: no proof, but who took them is in the code.
	WHY="nobody took the variables"
	grep -q 'likely holder .*: took it in main.lost\(AB\|BA\) (.*/leaked/main.go:' "$T/leaks"
}

# The same in JSON, and in the profile: reports of one moment, if no look came between.
agree() {
	complete "$1" || return
	WHY="in JSON: $(json "d['leaked'], [(g['kind'], g['level'], g['goroutines']) for g in d['groups']]")"
	[ "$(json "d['leaked']")" = "$(key leaked)" ] || return
	[ "$(json "sum(g['goroutines'] for g in d['groups'] if g['level'] == 'leaked')")" = "$(key leaked)" ] || return
	[ "$(json "[(g['kind'], g['goroutines']) for g in d['groups'] if g['level'] == 'suspect' and g['kind'] != 'self']")" = "[('cycle', 2)]" ] || return
	cp "$MNT/pprof/leaks" "$T/profile" || fail "pprof/leaks cannot be read"
	(cd "$T" && "$GO" tool pprof -top profile 2>"$T/pprof.err") >"$T/top" || fail "pprof: $(cat "$T/pprof.err")"
	WHY="pprof/leaks: $(head -n 5 "$T/top")"
	[ "$(sed -n 's/.*of \([0-9]*\) total.*/\1/p' "$T/top" | head -n 1)" = "$(($(key leaked) + $(key suspect)))" ]
}

run() {
	local binary lost
	binary=$("$ROOT/tests/targets/build.sh" "$1" "$2" leaked) || fail "no target for Go $1 $2"
	start_target "$binary" ${3:-}
	lost=$(sed -n 's/^ready //p' "$T/target.out")
	mount_demo
	timeout $((60 * SLACK)) cat "$MNT/wait/leaked" >"$T/waited" || fail "wait/leaked does not end"
	grep -qE '^leaked=[0-9]+ goid=[0-9]+ kind=(cycle|self|orphan|never) function="main\.lost.*"$' "$T/waited" || fail "wait/leaked: $(cat "$T/waited")"
	wait_for 15 agree "$lost" || fail "$WHY: $(cat "$T/leaks")"
	[ "$(key leaked)" -le "$lost" ] || fail "$(key leaked) of $lost: $(cat "$T/leaks")"
	grep -q 'main\.lostCycle' "$T/top" || fail "no culprit in pprof/leaks: $(cat "$T/top")"
	"$GO" tool pprof -tags "$T/profile" 2>/dev/null | tr -d '\n' | grep -q 'kind:.*cycle.*level:.*leaked.*object:.*Mutex' ||
		fail "labels of pprof/leaks: $("$GO" tool pprof -tags "$T/profile")"
	stop_xgotopfs
	once "$DEMO" 1
	[ "$(key leaked)" -ge $((lost - 3)) ] && [ "$(key leaked)" -le "$lost" ] && [ -z "$(accused)" ] || fail "-leaks once: $(cat "$T/leaks")"
	[ ! -s "$T/once.err" ] || fail "-leaks once is not silent: $(cat "$T/once.err")"
	[ -z "${3:-}" ] || logged
	kill "$DEMO"
	wait_for 10 gone "$DEMO" || fail "the target does not end"
	echo "Go $1 $2: $(key leaked) of $lost"
}

# Without a mount, too, and each once.
logged() {
	start_xgotopfs -pid "$DEMO" -s -leaks 1s
	wait_for 150 says "process $DEMO: leaked: goroutine [0-9]* main.lostCycle.* can never go on (cycle, 2 goroutines)" ||
		fail "the log does not tell: $(cat "$LOG")"
	expect "lines about one leak" "$(grep -c 'main.lostCycle' "$LOG")" 1
	stop_xgotopfs
}

SELF="main.lostSelf main.lostSelfDeferred main.lostSelfLocker main.lostSelfReader "
run 1.27 stripped
run 1.22 stripped busy

start_demo "$(demo_binary "" stripped)"
once "$DEMO" 0
expect "leaked where nothing is" "$(key leaked)" 0
once 4194304 5
