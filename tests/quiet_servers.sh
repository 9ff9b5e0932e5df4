#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Is `problems` quiet on servers that work: caddy, rclone, etcd, nats, prometheus, syncthing and docker-registry, from
# their first instruction, under load, to their end? Prints a table; fails on a line that calls anything wrong:
#     tests/quiet_servers.sh [SECONDS [EVERY [LEVEL...]]]
# Looks every EVERY seconds (3) for SECONDS (600) at each level of -probes (full light), all at the same time.
# XGOTOPFS_BUILD is the build folder.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/servers_lib.sh"
SECONDS_=${1:-600} EVERY=${2:-3}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- full light
python3 "$ROOT/tests/quiet_servers.py" "$XGOTOPFS" "$T/programs" "$T/run" "$SECONDS_" "$EVERY" "$@"
