#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Whoever holds a lock is named as its likely holder, alone, in whatever way he will give it up, though
# others have pointers to it; and in some of the programs of Go's own test, which write down who has
# locked what (tests/leak_culprits.py), nobody else is, and each culprit of a leak is right, with his line.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
need python3
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
LEAKS_OF=$XGOTOPFS_BUILD/tests/targets/leaks_of
[ -x "$LEAKS_OF" ] || fail "$LEAKS_OF is not built"

# Who is named, but for a writer that pends (evidence 0).
named() { "$LEAKS_OF" "$binary" "${pids[$1]}" holders | awk '$1 == "holder" && $4 != 0 { print $3 }' | tr '\n' ' '; }
# Nobody is said to have it more than maybe, but for the one that has.
may_be() { no_other "$1" && grep -q '^holder' "$T/said"; }
no_other() {
	"$LEAKS_OF" "$binary" "${pids[$1]}" holders >"$T/said" && grep -q '^lock' "$T/said" &&
		! awk -v holder="$holder" '$1 == "lock" && $4 >= 10 { is[$2] = 1 }
			is[$2] && $1 == "holder" && $4 != 0 && $3 != holder && $7' "$T/said" | grep -q .
}
# He alone, and it is plain that he took this very one.
surely() {
	[ "$(named "$1")" = "$holder " ] &&
		awk -v holder="$holder" '$1 == "holder" && $3 == holder && $7' "$T/said" | grep -q .
}
# One that runs may be met as it is being moved about.
is_it() {
	case $1 in
	# Beside one who has deferred it and has it maybe he is the likeliest.
	flag) [[ "$(named "$1")" == "$holder "* ]] ;;
	dcalled) may_be "$1" && [[ "$(named "$1")" = "$holder " ]] ;;
	# Who has plainly taken this very lock is likely to have it, beside who took another one.
	olog | otransfer | oinner) no_other "$1" && surely "$1" ;;
	iplain | ideferred | iread | ifound | stwice | sdefer | scallee | sdirect | sonce | supgrade*) no_other "$1" && surely "$1" ;; # taken through a sync.Locker, or waited for by who has it
	j* | olocker | onext | oshard | owithout | ovalue | oclosure | ochanged | d[!e]*) no_other "$1" ;;
	returned | gclosure) may_be "$1" ;; # the function does not show what a closure does that it calls
	*) [ "$(named "$1")" = "$holder " ] ;;
	esac
}
declare -A pids
# At once, as they mostly rest.
convoys() {
	local how holder
	for how; do
		rm -f "$T/$how"
		"$binary" "$how" >"$T/$how" &
		pids[$how]=$!
	done
	for how; do
		wait_for 30 grep -qs '^ready' "$T/$how" || fail "convoy $how does not start"
		holder=$(sed -n 's/^holder //p' "$T/$how")
		wait_for 30 is_it "$how" || fail "$binary $how: goroutine $holder holds it; named: $(named "$how")"
	done
	end_convoys
}
end_convoys() {
	local how
	for how in "${!pids[@]}"; do
		kill -KILL "${pids[$how]}"
		wait "${pids[$how]}" 2>/dev/null
	done
	pids=()
}
on_exit end_convoys
for build in 1.17/stripped 1.19/stripped 1.22/plain 1.27/stripped; do
	binary=$("$ROOT/tests/targets/build.sh" "${build%/*}" "${build#*/}" convoy) || fail "no target for Go $build"
	convoys deferred plain pointer early closure interface helper relocked read flag callee cond steps
	convoys wrapper returned value with scoped flush sent global field guarded embedded gdefer ghelper gread gclosure gdefers \
		once onefield pooled writer
	convoys dvalue dgo dpassed dcalled dafter dother dplain dturns
	convoys olog otransfer oinner onext oshard olocker owithout ovalue oclosure ochanged
	convoys iplain ideferred iread ifound stwice sdefer scallee sdirect sonce supgrade supgradei
	convoys jother jfake jgave jturned jloop jrelaxed jreturned jlater jdefers jcalls jdeep jstored jselect jstarted jtry
	convoys busy hot
	echo "Go $build: each of them"
done

programs=(MutexStack Cockroach584 Cockroach16167 Etcd5509 Grpc795 Grpc1460 Hugo5379 Kubernetes58107 Kubernetes62464 Moby17176 Moby36114 Syncthing4829)
CULPRITS=yes timeout $((100 * SLACK)) bash "$ROOT/tests/leak_kernels.sh" "${programs[@]}" >"$T/table" 2>"$T/err"
status=$?
[ "$status" != 77 ] || skip "$(cat "$T/err")"
expect "status ($(cat "$T/err"))" "$status" 0
# First the culprits, of each program, then the locks.
expect "programs with culprits ($(cat "$T/table" "$T/err"))" "$(sed '/^$/,$d' "$T/table" | grep -c '^| [A-Z]')" "${#programs[@]}"
[ "$(sed '1,/^$/d' "$T/table" | grep -c '^| [A-Z]')" -ge $((${#programs[@]} - 2)) ] || fail "programs are missing: $(cat "$T/table" "$T/err")"
# Who took it through a sync.Locker and waits for it himself may be the one, as there is nobody else.
awk -F' *[|] *' '$2 == "Cockroach16167" { fine = $3 > 0 && $4 * 4 >= $3 * 3 } END { exit !fine }' "$T/table" ||
	fail "waits through a Locker for what he has himself: $(cat "$T/table" "$T/err")"
tail -n 1 "$T/table"
