# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by the web_* cases after lib.sh: the made-up target behind the real server.
# shellcheck shell=bash
WEB_DEMO=$XGOTOPFS_BUILD/web/web_demo
# Debian's Python has Debian's python3-websockets; another one on the PATH may not.
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

need_websockets() { "$PYTHON" -c 'import websockets' 2>/dev/null || skip "python3-websockets is not installed"; }

# start_web ARG...: sets URL (without the slash at its end), PORT, WEB_TOKEN and WEB_PID. It has WEB_PATIENCE seconds (60) to start.
start_web() {
	[ -x "$WEB_DEMO" ] || fail "$WEB_DEMO is not built"
	# It ends when its input does: nothing stays behind, whatever ends this case.
	mkfifo "$T/stdin.$#.$RANDOM" && set -- "$T"/stdin.* "$@"
	local fifo=$1
	shift
	fresh "$T/url" "$T/web.log"
	"$WEB_DEMO" -port 0 "$@" <"$fifo" >"$T/url" 2>"$T/web.log" &
	WEB_PID=$!
	exec 9>"$fifo"
	rm -f "$fifo"
	on_exit "end $WEB_PID"
	wait_for "${WEB_PATIENCE:-60}" test -s "$T/url" || { cat "$T/web.log" >&2; fail "the server does not start"; }
	URL=$(sed -n '1s,/\(?.*\)\?$,,p' "$T/url")
	PORT=${URL##*:}
	WEB_TOKEN=$(sed -n '1s,.*?token=,,p' "$T/url")
}

web_alive() { kill -0 "$WEB_PID" 2>/dev/null || { cat "$T/web.log" >&2; fail "the server is gone"; }; }

# The two sessions of the original, and what they are called.
ORIGINAL_PB=ad662111-7874-4aa4-b982-cac648075fbf
ORIGINAL_JSONL=ec8df6e8-0216-4599-a243-4ab9b5faedb8

# need_browser: Chromium, and the tests of the UI in $T/ui with what they need.
need_browser() {
	need node npm
	CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
	[ -x "$CHROMIUM" ] || skip "chromium is not installed"
	[ -d "$XGOTOPFS_BUILD/web/ui/node_modules/esbuild" ] || skip "built without the UI"
	export CHROMIUM
	mkdir "$T/ui" && cp "$(dirname "${BASH_SOURCE[0]}")"/ui/* "$T/ui"
	(cd "$T/ui" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >"$T/npm.log" 2>&1) ||
		skip "npm: $(head -n 3 "$T/npm.log")"
}
