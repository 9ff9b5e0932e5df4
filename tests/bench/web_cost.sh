#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the web UI costs the traced program: requests a second that the demo server answers, its CPU time a request
# and the tracer's, while nobody looks (closed), while a client asks what the UI asks (page), reads all of /ws (all),
# and while the UI is open in Chromium (ui). One target and one tracer; the ways take turns, and each round's ratio is
# to its own "closed", so that what else the machine does counts in both.
# Usage: web_cost.sh BUILD-FOLDER [ROUNDS [REQUESTS]]      (meson test --benchmark web_cost passes it)
# Needs root, Go, curl, and for "ui" Chromium and a build with the UI (MODES="page all" does without).
export XGOTOPFS_BUILD=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/../app_lib.sh"
. "$here/../web_lib.sh"
rounds=${2:-7} requests=${3:-15000} modes=${MODES:-page all ui}
need_tracing
CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
[[ $modes != *ui* ]] || [ -x "$CHROMIUM" ] || skip "chromium is not installed"
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
start_demo "$DEMO_BINARY"
start_xgotopfs -pid "$DEMO" -s -web -web-port 0 -storage-dir "$T/sessions"
wait_ready
wait_web
url=${WEB%/}

# cpu PID...: "PID TICKS" of CPU time so far, a line each; of those that are there.
cpu() {
	local pid
	for pid; do
		sed 's/ (.*) / /' "/proc/$pid/stat" 2>/dev/null | awk '{ print $1, $13 + $14 }'
	done
}

# spent BEFORE PID...: ticks since then, of those that were there then and are now.
spent() {
	local before=$1
	shift
	cpu "$@" | awk -v before="$before" '
		BEGIN { n = split(before, w, /[ \n]/); for (i = 1; i < n; i += 2) was[w[i]] = w[i + 1] }
		$1 in was { sum += $2 - was[$1] }
		END { print sum + 0 }'
}

# tree PID: it and what it started.
tree() {
	local child
	echo "$1"
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do tree "$child"; done
}

served() { curl -fs "$url/metrics" | sed -n "s/^xgotopfs_web_$1 //p"; }
looks() { [ "$(served clients)" = 1 ]; } # the page has its socket

# begin MODE: sets CLIENT, empty for nobody.
begin() {
	CLIENT=
	case $1 in
	page) "$PYTHON" "$here/web_client.py" "$url" & ;;
	all) "$PYTHON" "$here/../web/reader.py" "$url" & ;;
	ui)
		rm -rf "$T/profile"
		# Nobody is attached to it: a driver that is told of each request costs as much as half the page. And
		# as root it would raise its own priority, which nobody's browser can.
		HOME=$T setpriv --bounding-set=-sys_nice "$CHROMIUM" --headless=new --no-sandbox --disable-gpu --no-first-run \
			--disable-background-networking --disable-component-update --disable-sync --user-data-dir="$T/profile" \
			--remote-debugging-port=0 --window-size=1280,800 "$url/" >/dev/null 2>&1 &
		;;
	closed) return ;;
	esac
	CLIENT=$!
	on_exit "end $CLIENT"
	[ "$1" != ui ] || wait_for 60 looks || fail "Chromium does not show the UI"
}

# one MODE: prints "MODE requests/s, and us of CPU a request of: the target, the tracer, the client".
one() {
	local t x c ns clients=
	begin "$1"
	sleep "$([ "$1" = ui ] && echo 4 || echo 1)" # a browser that has started
	[ -z "$CLIENT" ] || clients=$(tree "$CLIENT")
	# shellcheck disable=SC2086 # words
	t=$(cpu "$DEMO") x=$(cpu "$XPID") c=$(cpu $clients) ns=$(date +%s%N)
	load -n "$requests" -c 8
	ns=$(($(date +%s%N) - ns))
	# shellcheck disable=SC2086 # words
	t=$(spent "$t" "$DEMO") x=$(spent "$x" "$XPID") c=$(spent "$c" $clients)
	awk -v m="$1" -v n="$requests" -v ns=$ns -v t=$t -v x=$x -v c=$c \
		'BEGIN { u = 1e4 / n; printf "%s %.0f %.1f %.1f %.1f\n", m, n * 1e9 / ns, t * u, x * u, c * u }'
	[ -z "$CLIENT" ] || end "$CLIENT"
	[ -z "$CLIENT" ] || wait "$CLIENT" 2>/dev/null
}

load -n "$requests" -c 8 # warm
for _ in $(seq "$rounds"); do
	for mode in closed $modes; do one "$mode"; done
done >"$T/figures"
awk '
function median(list, n,   i, j, x) {
	for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j - 1] > list[j]; j--) { x = list[j]; list[j] = list[j - 1]; list[j - 1] = x }
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
$1 == "closed" { round++; for (k = 2; k <= 5; k++) base[round, k] = $k }
{ if (!($1 in seen)) { seen[$1] = ++ways; way[ways] = $1 } for (k = 2; k <= 5; k++) value[$1, k, round] = $k }
END {
	print "| | requests/s | to closed | target, us of CPU a request | to closed | tracer, us | client, us |"
	print "|---|--:|--:|--:|--:|--:|--:|"
	for (w = 1; w <= ways; w++) {
		m = way[w]
		for (k = 2; k <= 5; k++) {
			for (r = 1; r <= round; r++) { a[r] = value[m, k, r]; b[r] = base[r, k] ? value[m, k, r] / base[r, k] : 0 }
			v[k] = median(a, round); q[k] = median(b, round)
		}
		printf "| %s | %.0f | %.3f | %.1f | %.3f | %.1f | %.1f |\n", m, v[2], q[2], v[3], q[3], v[4], v[5]
		if (m == "ui") ui = q[2]
	}
	if (ui) printf "\nrequests/s with the UI open, to closed: %.3f [goal: 0.95 and more%s]\n", ui, ui < 0.95 ? "; MISSED" : ""
}' "$T/figures"
cp "$T/figures" "${FIGURES:-/dev/null}" # of each round
stop_xgotopfs
