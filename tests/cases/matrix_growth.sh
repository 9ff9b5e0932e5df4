#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A function that the stack check sends round again is one call. The kernel's own count of entries at
# the first instruction is the witness: it has the restarts, and xgotopfs does not.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
mkdir "$T/tracing"
mount -t tracefs none "$T/tracing" 2>/dev/null || skip "tracefs cannot be mounted"
EVENTS=$T/tracing/uprobe_events
GROUP=xgotopfs_$$
tracefs_off() {
	echo 0 >"$T/tracing/events/$GROUP/enable"
	sed -n "s,^p:$GROUP/\([a-z0-9]*\) .*,-:$GROUP/\1,p" "$EVENTS" | while read -r line; do echo "$line" >>"$EVENTS"; done
	umount "$T/tracing"
} 2>/dev/null
on_exit tracefs_off
[ -w "$EVENTS" ] || skip "this kernel has no uprobe_events"

value() { sed -n "s/^$1 //p" "$2"; }

# grows VERSION: the workload, with new() probed by us and, at the first instruction, by the kernel.
grows() {
	local version=$1 binary n=0 on raw=0 hits=none skipped want got name offset raw_before
	binary=$(target "$version" plain workload) || fail "no workload for Go $version"
	"$XGOTOPFS" -doctor -b "$binary" >"$T/doctor" 2>&1
	# Those on a branch come first.
	sed -n 's/^ok *probe *\(runtime\.\(newobject\|mallocgc[A-Za-z0-9]*\)\)+[0-9]*  *\([^ ]*\).*/\3 \1/p' "$T/doctor" >"$T/sites"
	on=$(grep -c '^jbe ' "$T/sites")
	for name in $(awk '$1 == "jbe" { print $2 }' "$T/sites") $(awk '$1 != "jbe" { print $2 }' "$T/sites"); do
		offset=$(python3 "$ROOT/tests/code_offset.py" "$binary" "$name") || fail "no $name in $binary"
		echo "p:$GROUP/site$((n += 1)) $binary:$offset" >>"$EVENTS" || fail "no kernel probe at $name"
	done
	echo 1 >"$T/tracing/events/$GROUP/enable"
	rm -f "$T/in"
	mkfifo "$T/in"
	fresh "$T/workload"
	"$binary" -scale 3 <"$T/in" >"$T/workload" 2>&1 &
	local pid=$!
	exec 8>"$T/in"
	wait_for 20 grep -q ready "$T/workload" || fail "the workload does not start"
	start_xgotopfs -pid "$pid" -sample newobject:1 "$MNT"
	wait_ready
	raw_before=$(raw_hits)
	echo >&8
	wait_for 100 grep -q go_version "$T/workload" || fail "the workload does not end"
	settled() { # a text is kept for 100 ms
		[ "$(value hits_total "$MNT/health")" = "$hits" ] && return
		hits=$(value hits_total "$MNT/health")
		read -rt 0.2 <>"$T/never"
		false
	}
	wait_for 20 settled
	raw=$(($(raw_hits) - raw_before))
	skipped=$(value hits_skipped "$MNT/health")
	want=$(sed -n 's/.*"main.SmallPlain":\([0-9]*\).*/\1/p' "$T/workload")
	objects_are() { got=$(value count "$MNT/types/main.SmallPlain" | head -n 1) && [ "$got" = "$want" ]; }
	wait_for 10 objects_are || fail "Go $version: objects of one type: got '$got', wanted '$want'"
	expect "Go $version: lost" "$(value lost_total "$MNT/stats")" 0
	echo "Go $version: $raw entries, $hits hits, $skipped skipped, $got of $want objects"
	# Between the two counts' beginnings the workload waits: nothing but the runtime's own threads runs.
	# A function that is probed on its check's branch: every restart comes by, and is skipped. Behind the branch:
	# restarts do not come by at all. Go 1.27's newobject is one of the first, its mallocgc… are of the second.
	if [ "$on" -gt 0 ]; then
		[ "$skipped" -gt 0 ] || fail "Go $version: no restart was seen and skipped"
	fi
	if [ "$on" = "$n" ]; then
		expect "Go $version: entries and hits" "$raw" "$hits"
	else
		[ "$raw" -gt "$hits" ] || fail "Go $version: no restart in $raw entries, $hits hits: the test shows nothing"
		[ "$hits" -gt "$(raw_hits "$on")" ] || fail "Go $version: of $raw entries $hits hits"
	fi
	echo >&8
	exec 8>&-
	wait "$pid"
	stop_xgotopfs
	echo 0 >"$T/tracing/events/$GROUP/enable"
	for n in $(seq "$n"); do echo "-:$GROUP/site$n" >>"$EVENTS"; done
}
# raw_hits [FIRST]: of all, or of the first sites: those on a branch. The table has every file's, of whoever counts.
raw_hits() {
	awk -v file="$binary" -v first="${1:-1000}" '$1 == file && match($0, /site[0-9]+/) &&
			substr($0, RSTART + 4, RLENGTH - 4) + 0 <= first { n += $NF }
		END { print n + 0 }' "$T/tracing/uprobe_profile" 2>/dev/null
}

grows 1.17
grows 1.22
grows 1.27
