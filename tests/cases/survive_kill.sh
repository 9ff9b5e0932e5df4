#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A server under full load whose tracer is killed outright, 20 times, at any moment: while it attaches,
# while it traces, while it leaves. XGOTOPFS_SURVIVE=N times as often (1).
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../survive_lib.sh"
need_tracing
need curl
under_load installed

for i in $(seq $((20 * ${XGOTOPFS_SURVIVE:-1}))); do
	start_xgotopfs -pid "$DEMO" "$MNT"
	case $((i % 3)) in
	0) sleep "0.0$((RANDOM % 10))$((RANDOM % 10))" ;; # attaching, or not even that
	1) wait_ready ;;
	2)
		wait_ready
		kill -INT "$XPID"
		sleep "0.0$((RANDOM % 10))"
		;;
	esac
	kill_xgotopfs
	soon_unharmed "$DEMO"
	alive
done
mount_demo
expect "goroutine 1 after all that" "$(sed -n 's/^start_function //p' "$MNT/goroutines/1/status")" runtime.main
stop_xgotopfs
at_rest
