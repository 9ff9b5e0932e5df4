#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The watched binary is changed in place on a kernel without uprobe_multi links, which takes longer to
# take probes out: one by one, by perf events.
# timeout: 120
# sanitized: no
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../redeploy_lib.sh"
need_tracing
need cc
build_versions
cc -shared -fPIC -D_GNU_SOURCE -o "$T/no_multi.so" "$ROOT/tests/targets/no_multi.c" -ldl || fail "the shim does not build"
printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$T/no_multi.so" "$XGOTOPFS" >"$T/xgotopfs"
chmod +x "$T/xgotopfs"
XGOTOPFS=$T/xgotopfs
DELAY_MAX=10
APP=$T/app
cp "$V1" "$APP"
watch_app
traced_exactly
for new in "$V2" "$V1"; do
	deploy "$new"
	echo "a writer waited $DELAY_MS ms"
	runs 3
	retraced
done
traced_exactly
kill -STOP "$XPID"
deploy "$V2"
echo "a writer waited $DELAY_MS ms for a tracer that was stopped"
runs 2
kill -CONT "$XPID"
retraced
traced_exactly
# Killed outright, with a process that is traced: its code is as it was.
start_app
wait_for "$PATIENCE" probed || fail "not probed"
kill -KILL "$XPID"
soon_unharmed "$PID"
stop_app
deploy "$V1"
runs 2
kill_xgotopfs
