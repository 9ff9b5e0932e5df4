#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The buffer test: how do batch size and storage format change what recording costs? Runs the demo
# server under load once for each batch size and format, with the web server on, and draws what the
# metrics files say.
#
#   tests/buffer_test.sh [-n REQUESTS] [-c CONNECTIONS] [-s "SIZES"] [-f "FORMATS"] [-o FOLDER]
#
# Ends with FOLDER/buffer_test.md (a table) and FOLDER/buffer_test_*.png (docs/ unless given). Needs
# root and what xgotopfs needs; gets matplotlib for the pictures from PyPI (PYTHON names a Python that
# has it).
set -u
requests=50000 connections=16
sizes="500 1000 2000 4000 8000 16000 32000 64000" formats="protobuf jsonl"
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/docs
while getopts n:c:s:f:o: option; do
	case $option in
	n) requests=$OPTARG ;;
	c) connections=$OPTARG ;;
	s) sizes=$OPTARG ;;
	f) formats=$OPTARG ;;
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

# one FORMAT SIZE: a run, whose metrics file and session go to $T/metrics.
one() {
	local name="$1_$2" dir="$T/run_$1_$2" metrics meta
	mkdir "$dir"
	start_demo "$DEMO_BINARY"
	cd "$dir" || fail "no folder"
	start_xgotopfs -pid "$DEMO" -s -web -web-port 0 -storage-dir "$dir/sessions" \
		-storage-format "$1" -batch-size "$2" -mfp "buffer_$name"
	wait_ready
	load -n "$requests" -c "$connections"
	sleep 1.1 # the last second's sample
	stop_xgotopfs
	cd "$root" || exit 1
	end "$DEMO"
	metrics=$(echo "$dir"/metrics_*__"buffer_$name".json)
	meta=$(echo "$dir"/sessions/*/metadata.json)
	[ -f "$metrics" ] || fail "no metrics file of $name"
	[ -f "$meta" ] || fail "no session of $name"
	mv "$metrics" "$T/metrics/$name.json"
	jq --argjson bytes "$(cat "${meta%/*}"/events.* | wc -c)" '. + {bytes: $bytes}' "$meta" >"$T/metrics/$name.meta"
	rm -rf "$dir"
}

total=$(($(wc -w <<<"$sizes") * $(wc -w <<<"$formats"))) n=0
for format in $formats; do
	for size in $sizes; do
		n=$((n + 1))
		[ ! -t 2 ] || printf '\r[%d/%d] %s, batches of %s\033[K' $n $total "$format" "$size" >&2
		one "$format" "$size"
	done
done
[ ! -t 2 ] || echo >&2
"$python" "$root/tests/buffer_plot.py" "$T/metrics" "$out" "$requests" "$connections" || fail "no pictures"
echo "$out/buffer_test.md"
