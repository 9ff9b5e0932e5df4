#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# /ws with a standard WebSocket client: the original's frames, protobuf, ticks; foreign, too many, and
# dead clients.
# timeout: 180
# tsan: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../web_lib.sh"
need_websockets
start_web -goroutines 200 -rate 20000 -history 2
"$PYTHON" "$(dirname "$0")/../web/ws.py" "$URL" slow || fail "the client found something"
web_alive
