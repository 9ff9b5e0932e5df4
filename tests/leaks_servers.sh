#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Is anybody called leaked in servers that work: caddy, rclone, etcd, nats, prometheus, syncthing and docker-registry,
# under load, from their first instruction to their end? Prints a table; fails on a false alarm:
#     tests/leaks_servers.sh [SECONDS [EVERY [REST]]]
# Looks every EVERY seconds (5) for SECONDS (3600); each of three clients a server rests for REST (0.05) between two
# requests. What is not installed comes from Debian's archive, unpacked and not
# installed. XGOTOPFS_BUILD is the build folder.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/servers_lib.sh"
python3 "$ROOT/tests/leaks_servers.py" "$XGOTOPFS" "$T/programs" "$T/run" "${1:-3600}" "${2:-5}" "${3:-0.05}"
