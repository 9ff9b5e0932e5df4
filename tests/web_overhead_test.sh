#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The web overhead test: what do the web server, the number of readers and the storage format change?
# Runs the demo server under a flood of requests once for each of them and draws what the metrics
# files say.
#
#   tests/web_overhead_test.sh [-n REQUESTS] [-c CONNECTIONS] [-r "READERS"] [-f "FORMATS"] [-m "MODES"] [-o FOLDER]
#
# Modes: off (recording only), on (-web, nobody looks), client (-web, and a client reads all of /ws).
# Ends with FOLDER/web_overhead_test.md (a table) and FOLDER/web_overhead_test_*.png (docs/ unless
# given). Needs root and what xgotopfs needs; gets matplotlib for the pictures from PyPI (PYTHON names a
# Python that has it).
set -u
requests=50000 connections=16
readers="1 2 4 8 16 32 64 128" formats="protobuf jsonl" modes="off on client"
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/docs
while getopts n:c:r:f:m:o: option; do
	case $option in
	n) requests=$OPTARG ;;
	c) connections=$OPTARG ;;
	r) readers=$OPTARG ;;
	f) formats=$OPTARG ;;
	m) modes=$OPTARG ;;
	o) out=$OPTARG ;;
	*) exit 2 ;;
	esac
done
. "$root/tests/lib.sh"
. "$root/tests/app_lib.sh"
python=${PYTHON:-$(python_with matplotlib==3.11.2)} || fail "matplotlib cannot be installed from PyPI"
need jq
need_tracing
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
mkdir -p "$out" "$T/metrics"
out=$(cd "$out" && pwd)

# one MODE FORMAT READERS: a run, whose metrics file and session go to $T/metrics.
one() {
	local name="$1_$2_$3" dir="$T/run_$1_$2_$3" metrics meta begin ms web client=
	[ "$1" = off ] && web=-record || web="-web -web-port 0"
	mkdir "$dir"
	start_demo "$DEMO_BINARY"
	cd "$dir" || fail "no folder"
	# shellcheck disable=SC2086 # two words
	start_xgotopfs -pid "$DEMO" -s $web -rw "$3" -pw 1 -storage-dir "$dir/sessions" \
		-storage-format "$2" -mfp "web_$name"
	wait_ready
	if [ "$1" = client ]; then
		wait_web
		"$python" "$root/tests/web/reader.py" "$WEB" &
		client=$!
	fi
	begin=$(date +%s%N)
	load -n "$requests" -c "$connections"
	ms=$((($(date +%s%N) - begin) / 1000000))
	sleep 1.1 # the last second's sample
	stop_xgotopfs
	[ -z "$client" ] || wait "$client"
	cd "$root" || exit 1
	end "$DEMO"
	metrics=$(echo "$dir"/metrics_*__"web_$name".json)
	meta=$(echo "$dir"/sessions/*/metadata.json)
	[ -f "$metrics" ] || fail "no metrics file of $name"
	[ -f "$meta" ] || fail "no session of $name"
	mv "$metrics" "$T/metrics/$name.json"
	jq --argjson ms "$ms" '. + {load_ms: $ms}' "$meta" >"$T/metrics/$name.meta"
	rm -rf "$dir"
}

total=$(($(wc -w <<<"$readers") * $(wc -w <<<"$formats") * $(wc -w <<<"$modes"))) n=0
for format in $formats; do
	for count in $readers; do
		for mode in $modes; do
			n=$((n + 1))
			[ ! -t 2 ] || printf '\r[%d/%d] %s, %s readers, web %s\033[K' $n $total "$format" "$count" "$mode" >&2
			one "$mode" "$format" "$count"
		done
	done
done
[ ! -t 2 ] || echo >&2
"$python" "$root/tests/web_overhead_plot.py" "$T/metrics" "$out" "$requests" "$connections" || fail "no pictures"
echo "$out/web_overhead_test.md"
