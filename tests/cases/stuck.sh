#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Goroutines that waited before we looked: for how long is what the runtime's own dump says, in status,
# the table, leaks and as mtime; once an event tells of a change, that counts. Those that Go's own profile
# marks as leaked keep their wait, and are leaked without any other proof.
# timeout: 200
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need python3
# The target makes its waits older; they cannot be older than the clock.
[ "$(cut -d. -f1 /proc/uptime)" -gt 600 ] || skip "the machine was started less than ten minutes ago"

# tell COMMAND: has the target do it.
tell() {
	local before
	before=$(grep -c '^done' "$T/target.out")
	echo "$1" >&8
	answered() { [ "$(grep -c '^done' "$T/target.out")" -gt "$before" ]; }
	wait_for 20 answered || fail "the target does not answer to $1"
}

goroutine_of() { ls "$MNT/by-func/main.$1"; }
status_of() { sed -n "s/^$2 //p" "$MNT/goroutines/$1/status"; }

# minutes_are WHAT GOT: as in the dump, or what has passed since then more.
minutes_are() { [ "$2" -ge "$minutes" ] && [ "$2" -le $((minutes + (SECONDS - BEGAN + 5) / 60)) ] || fail "minutes $1: got $2, wanted $minutes"; }

# as_dumped: each goroutine that the dump has waiting for minutes, is here with the same.
as_dumped() {
	local goid minutes n=0 older recipe row
	while read -r goid minutes; do
		n=$((n + 1))
		minutes_are "of goroutine $goid" "$(($(status_of "$goid" state_since_ns) / 60000000000))"
		expect "how sure that is" "$(status_of "$goid" state_since_is)" about
		row=$(awk -F'\t' -v id="$goid" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i } $1 == id { print int($at["state_since_ns"] / 60e9), $at["state_since_is"] }' "$MNT/goroutines.tsv")
		minutes_are "of goroutine $goid in the table" "${row% *}"
		expect "how sure that is in the table" "${row#* }" about
		older=$(find "$MNT/goroutines" -maxdepth 1 -name "$goid" -mmin "+$((minutes - 1))")
		[ -n "$older" ] || fail "find -mmin does not see that goroutine $goid waits for $minutes minutes"
	done < <(sed -n 's/^goroutine \([0-9]*\) \[.*, \([0-9]*\) minutes.*/\1 \2/p' "$T/target.out")
	# What the mount's README says finds them, and nothing but those that live.
	recipe=$(sed -n 's/^  \(find .*-mmin +5\) .*/\1/p' "$MNT/README")
	(cd "$MNT" && eval "${recipe/+5/+1}") >"$T/stuck" || fail "the recipe: $recipe"
	[ -s "$T/stuck" ] && ! grep -qvE '^by-state/waiting/[0-9]+$' "$T/stuck" || fail "$recipe: $(cat "$T/stuck")"
	[ "$n" -ge 5 ] || fail "only $n goroutines of the dump wait for minutes: $(cat "$T/target.out")"
}

run() {
	local binary goid
	binary=$("$ROOT/tests/targets/build.sh" "$1" "$2" stuck) || fail "no target for Go $1 $2"
	rm -f "$T/target.in"
	BEGAN=$SECONDS
	start_target "$binary"
	mount_demo
	as_dumped
	awk -F'\t' '$10 == "main.nobodySends" && $6 >= 300e9 && $7 == "chan receive" { found = 1 } END { exit !found }' "$MNT/sites" ||
		fail "sites does not say how old it is: $(cat "$MNT/sites")"
	goid=$(goroutine_of onChannel)
	tell wake
	woken() { [ "$(status_of "$goid" state_since_is)" = exact ]; }
	wait_for 10 woken || fail "no change of goroutine $goid was seen"
	[ "$(status_of "$goid" state_since_ns)" -lt 60000000000 ] || fail "it was woken a moment ago: $(cat "$MNT/goroutines/$goid/status")"
	echo "Go $1 $2: as the runtime says"
	case $2 in *leakprofile*) leaked ;; esac
	stop_xgotopfs
	exec 8>&-
	wait_for 10 gone "$DEMO" || fail "the target does not end"
}

# What is in disguise for whoever reads the heap without types, the runtime's own mark tells.
marked() {
	local goid status=0
	goid=$(goroutine_of nobodyKnows)
	"$XGOTOPFS" -leaks once -pid "$DEMO" >"$T/leaks" 2>&1 || status=$?
	expect "status of -leaks once" "$status" 1
	grep -A1 "^  \* goroutine $goid main.nobodyKnows" "$T/leaks" | grep -q "^      marked as leaked by the program's own profile" || {
		WHY="goroutine $goid is not told by its mark: $(cat "$T/leaks")"
		return 1
	}
	cat "$MNT/leaks.json" >"$T/leaks.json" || fail "leaks.json cannot be read"
	WHY="not marked in JSON: $(cat "$T/leaks.json")"
	python3 -c "
import json, sys
members = [m for g in json.load(sys.stdin)['groups'] if g['level'] == 'leaked' for m in g['members']]
sys.exit(not all(any(m['goid'] == int(goid) and m['marked_by_runtime'] for m in members) for goid in sys.argv[1:]))
" "$goid" "$(goroutine_of nobodySends)" <"$T/leaks.json"
}

leaked() {
	local goid again
	goid=$(goroutine_of nobodySends)
	"$XGOTOPFS" -leaks once -pid "$DEMO" >"$T/leaks" 2>&1
	! grep -q "main.nobodyKnows\|marked" "$T/leaks" || fail "named without a mark: $(cat "$T/leaks")"
	for again in 1 2; do
		tell leaks
		is_leaked() { [ "$(status_of "$goid" state)" = leaked ]; }
		wait_for 10 is_leaked || fail "Go's profile marks goroutine $goid: $(cat "$MNT/goroutines/$goid/status")"
		expect "wait reason" "$(status_of "$goid" wait_reason)" "chan receive"
		[ -e "$MNT/by-wait/chan receive/$goid" ] || fail "it is no longer in by-wait: $(ls "$MNT/by-wait/chan receive")"
		[ -n "$(find "$MNT/goroutines" -maxdepth 1 -name "$goid" -mmin +4)" ] || fail "it waits no longer"
		awk -F'\t' '$10 == "main.nobodySends" && $2 == 1 && $7 == "chan receive" { found = 1 } END { exit !found }' "$MNT/sites" ||
			fail "sites has it not: $(cat "$MNT/sites")"
		wait_for 20 marked || fail "$WHY"
		if [ "$again" = 1 ]; then # the same for who comes now
			stop_xgotopfs
			mount_demo
			is_leaked || fail "memory has it leaked: $(cat "$MNT/goroutines/$goid/status")"
		fi
	done
	echo "leaked ones wait on"
}

run 1.17 stripped
run 1.23 stripped
run 1.26 leakprofile
run 1.27 leakprofile-stripped
