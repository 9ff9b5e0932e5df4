#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# -doctor tells what works and why not, and attaches nothing.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
own_demo "" stripped

"$XGOTOPFS" -doctor -b "$DEMO_BINARY" >"$T/out" 2>"$LOG" || fail "-b: $(cat "$T/out" "$LOG")"
for part in kernel capabilities memory fuse 'probe cost' target Go symbols offsets 'probe .*runtime.casgstatus+'; do
	grep -qE "^ok +$part" "$T/out" || fail "nothing about $part: $(cat "$T/out")"
done
grep -q "all is well" "$T/out" || fail "no verdict"
grep -qE "Go +go1\.[0-9]+" "$T/out" || fail "no Go version"

start_demo "$DEMO_BINARY"
"$XGOTOPFS" -doctor -pid "$DEMO" >"$T/out" 2>"$LOG" || fail "-pid: $(cat "$T/out" "$LOG")"
grep -qE "^ok +goroutines +[1-9][0-9]* now" "$T/out" || fail "no goroutines: $(cat "$T/out")"
unharmed "$DEMO"

# doctor_says STATUS TEXT ARG...
doctor_says() {
	local want=$1 text=$2 status
	shift 2
	"$XGOTOPFS" -doctor "$@" >"$T/out" 2>&1
	status=$?
	expect "status of -doctor $*: $(cat "$T/out")" "$status" "$want"
	grep -q -- "$text" "$T/out" || fail "-doctor $*: no '$text' in $(cat "$T/out")"
}
doctor_says 3 "not a Go program" -b /bin/true
doctor_says 3 "kernel thread" -pid 2
doctor_says 5 "no process" -pid 4194304
doctor_says 1 "No such file" -b /nonexistent
doctor_says 2 "nothing is mounted here" /mnt

# Without /sys (a chroot, a container that was made by hand) nobody says how many CPUs there are: neither is all well, nor
# is it the process that is gone.
if unshare -m true 2>/dev/null; then
	mkdir "$T/nothing"
	without_sys() { unshare -m sh -c 'mount --bind "$1" /sys/devices && shift && exec "$@"' - "$T/nothing" "$@" >"$T/out" 2>&1; }
	without_sys "$XGOTOPFS" -doctor
	status=$?
	expect "status of -doctor without /sys: $(cat "$T/out")" "$status" 1
	grep -q "^FAIL .*/sys/devices/system/cpu/possible.*mount /sys" "$T/out" || fail "-doctor without /sys: $(cat "$T/out")"
	without_sys timeout $((20 * SLACK)) "$XGOTOPFS" -s -pid "$DEMO"
	status=$?
	expect "status without /sys: $(cat "$T/out")" "$status" 3
	grep -q "cannot trace: .*/sys/devices/system/cpu/possible.*mount /sys" "$T/out" || fail "without /sys: $(cat "$T/out")"
fi

# Killed at any moment, it leaves no breakpoint in itself: the kernel would say so by the name of who was to take it out.
if dmesg >/dev/null 2>&1; then
	doctor=$T/doc$$ took=$(date +%s%N)
	cp "$XGOTOPFS" "$doctor"
	"$doctor" -doctor >"$T/out" 2>&1 || fail "a copy: $(cat "$T/out")"
	took=$(((($(date +%s%N) - took)) / 1000))
	for i in $(seq 60); do
		"$doctor" -doctor >/dev/null 2>&1 &
		sleep "$(awk -v i="$i" -v us="$took" 'BEGIN { print (i % 20 + 0.5) / 20 * us / 1e6 }')"
		kill -KILL $! 2>/dev/null
		wait $! 2>/dev/null
	done
	wait_for 20 eval '! pgrep -x "${doctor##*/}" --runstates RSDT' || fail "what measured does not end: $(pgrep -a "${doctor##*/}")"
	! dmesg | grep -F " ${doctor##*/}:" || fail "killed, it left a breakpoint behind"
fi

# Without privileges it says which are missing.
public_folder
cp "$XGOTOPFS" "$PUBLIC" && chmod 755 "$PUBLIC/xgotopfs"
as_nobody "$PUBLIC/xgotopfs" -doctor >"$T/out" 2>&1
status=$?
expect "status as nobody: $(cat "$T/out")" "$status" 1
grep -q "CAP_BPF is missing" "$T/out" || fail "as nobody: $(cat "$T/out")"
