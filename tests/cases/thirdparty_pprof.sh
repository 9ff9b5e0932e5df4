#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A server nobody here wrote that can say itself what its goroutines are: Debian's etcd, stripped. Its own
# dump is the witness for what is read from its memory; under load nothing is lost.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl dpkg-deb
CACHE=$ROOT/tests/.cache/etcd
(
	flock 9
	[ -x "$CACHE/usr/bin/etcd" ] && exit 0
	# Unpacked, not installed: the package would start a server of its own.
	cd "$T" && { again apt-get -qq download etcd-server || { apt-get -qq update && again apt-get -qq download etcd-server; }; } &&
		rm -rf "$CACHE" && mkdir -p "$CACHE" && dpkg-deb -x etcd-server_*.deb "$CACHE"
) 9>"$CACHE.lock" >"$T/apt" 2>&1 || fail "no etcd: $(tail -n 3 "$T/apt")"

# It calls itself at its own address, so that cannot be port 0.
held_port
url=http://127.0.0.1:$PORT_HELD
ETCD=$("$ROOT/tests/own.sh" "$CACHE/usr/bin/etcd") || fail "no copy of it"
"$ETCD" --enable-pprof --data-dir "$T/data" --listen-peer-urls http://127.0.0.1:0 \
	--listen-client-urls "$url" --advertise-client-urls "$url" >"$T/etcd" 2>&1 &
DEMO=$!
on_exit "end $DEMO"
put() { curl -fs "$url/v3/kv/put" -d "{\"key\":\"a2V5$1\",\"value\":\"dmFsdWU=\"}" >/dev/null; }
wait_for 30 put 1000 || fail "etcd does not serve: $(tail -n 5 "$T/etcd")"

mount_demo
for i in $(seq 1001 1200); do put "$i" || fail "etcd does not answer while traced"; done
compared() { python3 "$ROOT/tests/pprof_compare.py" "$url/debug/pprof" "$MNT" >"$T/compared"; }
# One that goes round between two places can be at the same one in both its dumps and at the other in
# ours: then once more.
wait_for 20 compared || fail "$(tail -n 60 "$T/compared")"
grep -q ' 0 differ' "$T/compared" || fail "$(cat "$T/compared")"
for what in 'newobject type=raftpb.' 'newgoroutine child=[0-9]* func=go.etcd.io/' \
	'casgstatus .*to=waiting reason="select"'; do
	wait_for 5 grep -q "$what" "$MNT/events" || fail "no '$what'"
done
expect "lost" "$(sed -n 's/^lost_total //p' "$MNT/stats")" 0
stop_xgotopfs
unharmed "$DEMO"
put 9999 || fail "etcd no longer answers"
