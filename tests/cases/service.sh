#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# examples/xgotopfs.service: systemd has nothing to say against it, and what it starts works with just
# the capabilities it gives, as a user without others, with no_new_privs; others see the mount; the
# manager is told.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
in_own_mounts
need_tracing
need python3 curl
UNIT=$ROOT/examples/xgotopfs.service

# --- as systemd reads it
if command -v systemd-analyze >/dev/null; then
	sed "s,=/usr/local/bin/xgotopfs ,=$XGOTOPFS ," "$UNIT" >"$T/xgotopfs.service"
	systemd-analyze verify --man=no "$T/xgotopfs.service" >"$T/out" 2>&1 || fail "verify: $(cat "$T/out")"
	[ ! -s "$T/out" ] || fail "verify: $(cat "$T/out")"
	# 0 to 10, times ten; without a mount namespace of its own it cannot be much less.
	systemd-analyze security --offline=true --threshold=45 "$T/xgotopfs.service" >"$T/out" 2>&1 ||
		fail "security: $(tail -n 1 "$T/out")"
fi
# A namespace of its own would hide the mount.
for option in ProtectSystem ProtectHome PrivateTmp PrivateDevices ProtectProc ProtectKernelTunables \
	ProtectKernelModules ProtectKernelLogs ProtectControlGroups DynamicUser ReadWritePaths BindPaths; do
	! grep -q "^$option=" "$UNIT" || fail "$option= takes the mount away from others"
done

# --- as it runs
[ "$(uname -r | awk -F. '{ print $1 * 1000 + $2 }')" -ge 6010 ] || skip "attaching takes more before Linux 6.10"
public_folder
fuse_for_all
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
cp "$XGOTOPFS" "$DEMO_BINARY" "$PUBLIC" && chmod 755 "$PUBLIC"/*
SERVER=$PUBLIC/${DEMO_BINARY##*/}
start_demo "$SERVER"
mkdir -p "$PUBLIC/run/tree" "$PUBLIC/state"
chown -R 65534:65534 "$PUBLIC/run" "$PUBLIC/state"
MNT=$PUBLIC/run/tree

# What the manager's socket is told.
python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
while True:
    print(s.recv(4096).decode(), flush=True)' "$PUBLIC/notify" >"$T/told" &
manager=$!
on_exit "end $manager"
wait_for 10 test -S "$PUBLIC/notify" || fail "no socket"

caps() { sed -n "s/^$1=//p" "$UNIT" | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g'; }
expect "bounding and ambient set" "$(caps CapabilityBoundingSet)" "$(caps AmbientCapabilities)"
grep -q "^NoNewPrivileges=yes" "$UNIT" || fail "no NoNewPrivileges="
command=$(sed -n '/^ExecStart=/,/[^\\]$/{s/^ExecStart=[^ ]*//; s/\\$//; p}' "$UNIT" | tr -d '\n' |
	sed "s,\${BINARY},$SERVER,; s,/var/lib/xgotopfs,$PUBLIC/state,; s,/run/xgotopfs/tree,$MNT,; s,-web ,-web -web-port 0 ,")
fresh "$T/out" "$LOG"
# shellcheck disable=SC2086
NOTIFY_SOCKET=$PUBLIC/notify "${AS_NOBODY[@]}" --no-new-privs --bounding-set "-all,$(caps CapabilityBoundingSet)" \
	--inh-caps "-all,$(caps AmbientCapabilities)" --ambient-caps "-all,$(caps AmbientCapabilities)" \
	"$PUBLIC/xgotopfs" $command >"$T/out" 2>>"$LOG" &
XPID=$!
on_exit kill_xgotopfs
wait_for "$PATIENCE" grep -q READY=1 "$T/told" || fail "not told that it is ready: $(cat "$LOG")"
wait_web
is_mounted || fail "not mounted"
as_nobody grep -q "^goroutine 1 " "$MNT/stacks" || fail "no stacks"
as_nobody ls "$MNT/sessions" | grep -q . || fail "nothing is recorded"
kill -TERM "$XPID"
ended 0
told() { [ "$(tr '\n' ' ' <"$T/told")" = "READY=1 STOPPING=1 " ]; } # who listens may be late
wait_for 10 told || fail "what the manager was told: $(cat "$T/told")"
mount_is_gone
unharmed "$DEMO"
exit 0
