#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Whoever holds a lock is named as its likely holder, alone, in whatever way he will give it up, though
# others have pointers to it; and in some of the programs of Go's own test, which write down who has
# locked what (tests/leak_culprits.py), nobody else is.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
need python3
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
LEAKS_OF=$XGOTOPFS_BUILD/tests/targets/leaks_of
[ -x "$LEAKS_OF" ] || fail "$LEAKS_OF is not built"

# Who is named, but for a writer that pends (evidence 0).
named() { "$LEAKS_OF" "$1" "$PID" holders | awk '$1 == "holder" && $4 != 0 { print $3 }' | tr '\n' ' '; }
convoy() {
	local holder
	rm -f "$T/out"
	"$1" "$2" >"$T/out" &
	PID=$!
	wait_for 30 grep -qs '^ready' "$T/out" || fail "convoy $2 does not start"
	holder=$(sed -n 's/^holder //p' "$T/out")
	# One that runs may be met as it is being moved about.
	# Beside one who has deferred it and has it maybe he is the likeliest.
	is_it() {
		case $2 in
		flag) [[ "$(named "$@")" == "$holder "* ]] ;;
		*) [ "$(named "$@")" = "$holder " ] ;;
		esac
	}
	wait_for 30 is_it "$@" || fail "$1 $2: goroutine $holder holds it; named: $(named "$@")"
	kill -KILL "$PID"
	wait "$PID" 2>/dev/null
	PID=
}
PID=
end_convoy() { [ -z "$PID" ] || end -KILL "$PID"; }
on_exit end_convoy
for build in 1.18/stripped 1.22/plain 1.27/stripped; do
	binary=$("$ROOT/tests/targets/build.sh" "${build%/*}" "${build#*/}" convoy) || fail "no target for Go $build"
	for how in deferred plain pointer early closure interface helper relocked busy hot read flag callee cond steps; do
		convoy "$binary" "$how"
	done
	echo "Go $build: each of them"
done

programs=(MutexStack Cockroach584 Cockroach16167 Etcd5509 Grpc795 Grpc1460 Hugo5379 Kubernetes62464 Moby17176 Moby36114 Syncthing4829)
CULPRITS=yes timeout 150 bash "$ROOT/tests/leak_kernels.sh" "${programs[@]}" >"$T/table" 2>"$T/err"
status=$?
[ "$status" != 77 ] || skip "$(cat "$T/err")"
expect "status ($(cat "$T/err"))" "$status" 0
[ "$(grep -c '^| [A-Z]' "$T/table")" -ge $((${#programs[@]} - 2)) ] || fail "programs are missing: $(cat "$T/table" "$T/err")"
tail -n 1 "$T/table"
