#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Plugins: Go code that a program loads, with its own copies of the runtime's functions. All that it
# does is exact, whether it was there before us or came while we looked; what is missing is named.
# timeout: 240
# beside: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
. "$(dirname "$0")/../modules_lib.sh"
need_tracing

# RELEASE:WAY...; all of it: CELLS="1.17:there 1.17:late 1.18:there …" tests/cases/plugins.sh
for cell in ${CELLS:-1.19:there 1.27:late}; do
	version=${cell%:*}
	host=$(target "$version" cgo loader) && plugin=$(target "$version" plugin workload) || fail "no plugin"
	MINOR=$(minor_of "$version" "$host")
	if [ "${cell#*:}" = there ]; then
		run "$host" "$plugin"
		"$XGOTOPFS" -doctor -pid "$PID" >"$T/doctor" 2>&1 || fail "doctor: $(cat "$T/doctor")"
		grep -q "^ok    plugin         $plugin$" "$T/doctor" || fail "doctor does not know it: $(cat "$T/doctor")"
		trace -pid "$PID"
		grep -q "following the plugin $plugin" "$LOG" || fail "not said: $(cat "$LOG")"
		wait_verdict "verdict" "good"
		exactly "$version, there before us"
	else
		# Loaded while we look, by a process that -b found.
		run "$host" late "$plugin"
		trace -b "$host"
		wait_verdict "nothing is loaded" "good"
		echo >&8
		wait_for 20 grep -q "following the plugin $plugin" "$LOG" || fail "not noticed: $(cat "$LOG")"
		wait_for 20 grep -q ready "$T/said" || fail "the plugin does not start: $(cat "$T/err")"
		wait_verdict "verdict" "incomplete"
		wait_for 5 grep -q "^not_covered what the plugin $plugin did when it was loaded, up to [0-9.]* s before" "$MNT/health" ||
			fail "not said in health: $(grep ^not_covered "$MNT/health")"
		# Who was on a processor in its code when the probes came left it unseen: that is what
		# not_covered says above.
		exactly "$version, loaded under our eyes" "$(nproc)"
	fi
done

# Its file is gone when we come.
cp "$plugin" "$T/gone.so"
run "$host" "$T/gone.so"
rm "$T/gone.so"
trace -pid "$PID"
grep -q "following the plugin $T/gone.so" "$LOG" || fail "a deleted plugin: $(cat "$LOG")"
exactly "deleted"

# What cannot be: a plugin by itself.
"$XGOTOPFS" -b "$plugin" "$MNT" >"$T/out" 2>"$LOG"
expect "status of a plugin by itself" "$?" 3
grep -q "is a plugin .* trace that" "$LOG" || fail "a plugin by itself: $(cat "$LOG")"
