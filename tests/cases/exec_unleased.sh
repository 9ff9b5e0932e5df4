#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The same program executed again in a process, where each process has probes of its own (overlayfs): by
# its first thread and by another, for -pid and -b, it is probed again and counted exactly from then on.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../execs_lib.sh"
need_tracing
mkdir "$T/disk"
mount -t tmpfs none "$T/disk" 2>/dev/null || skip "no tmpfs can be mounted here"
on_exit "umount -l $T/disk"
mkdir "$T/disk"/{lower,upper,work} "$T/merged"
cp "$("$ROOT/tests/targets/build.sh" local plain execs)" "$T/disk/lower/app" || fail "the program does not build"
mount -t overlay none -o "lowerdir=$T/disk/lower,upperdir=$T/disk/upper,workdir=$T/disk/work" "$T/merged" 2>/dev/null ||
	skip "no overlayfs can be mounted here"
on_exit "umount -l $T/merged"
APP=$T/merged/app
markers() { grep -c ' newobject type=main.Marker ' "$MNT/processes/$PID/events"; }
# seen_again: an object of the program as it is now is seen.
seen_again() {
	local before
	before=$(markers 2>/dev/null)
	tell "work 1"
	[ "$(markers)" -gt "${before:-0}" ]
}
# all_seen: what is begun now is told of after all that was done before.
stays() { grep -c ' newgoroutine .* func=main.stay ' "$MNT/processes/$PID/events"; }
more_stays() { [ "$(stays)" -gt "$1" ]; }
all_seen() {
	local before
	before=$(stays)
	stay() { tell "stay 1" && more_stays "$before"; } # probes come kind by kind
	wait_for 10 stay || fail "no goroutine of it is seen: $(cat "$LOG")"
}
for mode in pid b; do
	app "$APP"
	if [ $mode = pid ]; then start_xgotopfs -pid "$PID" "$MNT" 7>&-; else start_xgotopfs -b "$APP" "$MNT" 7>&-; fi
	wait_ready
	n=0
	for how in exec thread-exec thread-exec exec; do
		tell "$how $APP" ^ready
		n=$((n + 1))
		wait_for "$PATIENCE" seen_again || fail "-$mode, $how: nothing is seen: $(cat "$LOG")"
		[ -d "$MNT/processes/$PID.$n" ] || fail "-$mode, $how: $(ls "$MNT/processes")"
		all_seen
		before=$(markers)
		tell "work 40"
		counted() { [ "$(markers)" = $((before + 40)) ]; }
		wait_for 10 counted || fail "-$mode, $how: $(markers) after $before and 40"
	done
	exec 7>&-
	stop_xgotopfs
done

# --- who looks at processes has lost sight of it for the moment of the exec, and finds it again when it is probed already
if [ -z "${XGOTOPFS_SANITIZED:-}" ]; then
	need cc
	cc -shared -fPIC -D_GNU_SOURCE -o "$T/blind.so" "$ROOT/tests/targets/blind_runners.c" -ldl || fail "the shim does not build"
	printf '#!/bin/sh\nLD_PRELOAD=%s BLIND=%s exec %s "$@"\n' "$T/blind.so" "$T/blind" "$XGOTOPFS" >"$T/xgotopfs"
	chmod +x "$T/xgotopfs"
	real=$XGOTOPFS XGOTOPFS=$T/xgotopfs
	app "$APP"
	start_xgotopfs -pid "$PID" "$MNT" 7>&-
	wait_ready
	lost() { python3 "$ROOT/tests/code_intact.py" "$PID" >/dev/null; }
	! lost || fail "no breakpoint is seen"
	links() { find "/proc/$XPID/fd" -lname 'anon_inode:bpf_link' | wc -l; }
	n_links=$(links)
	touch "$T/blind"
	wait_for "$PATIENCE" lost || fail "it is not lost sight of"
	tell "thread-exec $APP" ^ready
	wait_for "$PATIENCE" seen_again || fail "blind: nothing is seen: $(cat "$LOG")"
	rm "$T/blind"
	for look in found after; do
		rm -f "$T/blind.looked"
		wait_for "$PATIENCE" test -e "$T/blind.looked" || fail "$look: nobody looks"
	done
	wait_for "$PATIENCE" seen_again || fail "found again: nothing is seen: $(cat "$LOG")"
	all_seen
	before=$(markers)
	tell "work 40"
	counted() { [ "$(markers)" -ge $((before + 40)) ]; }
	wait_for 10 counted || fail "found again: $(markers) after $before and 40"
	tell "work 1" # by then nothing of those before is to come
	wait_for 10 seen_again
	expect "objects once it was found again, and links" "$(($(markers) - before > 42)) $(links)" "0 $n_links"
	exec 7>&-
	stop_xgotopfs
	XGOTOPFS=$real
fi

# --- touched while it runs: the process goes on with the file below, the kernel probes the one above
app "$APP"
old=$PID
touch "$APP"
[ -s "$T/disk/upper/app" ] || fail "it was not copied up"
start_xgotopfs -pid "$old" "$MNT" 7>&-
wait_ready
grep -q "process $old: not seen: all that probes tell .*overlayfs" "$LOG" || fail "not said: $(cat "$LOG")"
wait_for 5 grep -q '^verdict incomplete' "$MNT/health" || fail "the verdict: $(head -n 1 "$MNT/health")"
wait_for 5 grep -q '^not_covered all that probes tell of this process: .*overlayfs' "$MNT/health" || fail "health: $(grep ^not_cov "$MNT/health")"
exec 7>&-
stop_xgotopfs
app "$APP"
start_xgotopfs -pid "$PID" "$MNT" 7>&-
wait_ready
wait_for 20 grep -q '^verdict good' "$MNT/health" || fail "started anew: $(head -n 3 "$MNT/health")"
! grep -q 'not seen: ' "$LOG" || fail "started anew: $(cat "$LOG")"
exec 7>&-
stop_xgotopfs
