#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Fuzzes: each target of tests/fuzz for SECONDS (60), with libFuzzer and the address and
# undefined-behaviour sanitizers. What is found is kept as a file under build-fuzz/findings, with the
# command that shows it again; the status is then 1. New inputs gather in tests/.cache/fuzz.
# Usage: tests/fuzz.sh [SECONDS] [TARGET]...     TARGET: "values", "session_pb", …; all of them
#        tests/fuzz.sh -merge [TARGET]...        adds to tests/fuzz/corpus what of the gathered inputs
#                                                reaches code that nothing there reaches
# XGOTOPFS_FUZZ_ARGS: further arguments of the fuzzer (-seed=1). XGOTOPFS_FUZZ_CACHE: a folder in place
# of tests/.cache/fuzz. XGOTOPFS_BUILD: a folder where they are built already.
set -u
cd "$(dirname "$0")/.." || exit 1

merge=
[ "${1:-}" != -merge ] || { merge=1; shift; }
seconds=60
[[ ! ${1:-} =~ ^[0-9]+$ ]] || { seconds=$1; shift; }

build=${XGOTOPFS_BUILD:-build-fuzz}
if [ -z "${XGOTOPFS_BUILD:-}" ]; then
	scripts/install-deps.sh test || exit
	[ -f "$build/build.ninja" ] || CC=clang meson setup "$build" -Dfuzzing=true -Dui=disabled \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null || exit 1
	ninja --quiet -C "$build" fuzz || exit 1
fi
[ $# -gt 0 ] || set -- $(sed -n "s/^  '\([a-z_]*\)': \[.*/\1/p" tests/fuzz/meson.build)

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
cache=${XGOTOPFS_FUZZ_CACHE:-$PWD/tests/.cache/fuzz}
failed=0

for name; do
	program=$build/tests/fuzz/fuzz_$name
	if [ ! -x "$program" ]; then
		echo "fuzz: there is no target '$name'" >&2
		exit 2
	fi
	corpus=tests/fuzz/corpus/$name found=$build/findings/$name seeds=$build/tests/fuzz/seeds/$name
	mkdir -p "$cache/$name" "$corpus" "$found"
	# Seeds that the build makes; not every target has them.
	[ -d "$seeds" ] || seeds=
	if [ -n "$merge" ]; then
		"$program" -merge=1 -close_fd_mask=2 "$corpus" ${seeds:+"$seeds"} "$cache/$name" 2>&1 | grep -a 'new files'
		continue
	fi
	dictionary=tests/fuzz/$name.dict
	log=$found/log
	# By name: of a folder the engine takes what the file system names first, which is another one elsewhere.
	find "$corpus" ${seeds:+"$seeds"} -type f | LC_ALL=C sort | paste -sd, >"$found/seeds"
	# shellcheck disable=SC2086
	"$program" -max_total_time="$seconds" -timeout=100 -rss_limit_mb=2048 -close_fd_mask=2 \
		-print_final_stats=1 -artifact_prefix="$found/" $([ ! -f "$dictionary" ] || echo "-dict=$dictionary") \
		${XGOTOPFS_FUZZ_ARGS:-} -seed_inputs="@$found/seeds" "$cache/$name" >"$log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	cover=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 edges, \2 features/p' "$log" | tail -n 1)
	echo "$name: ${runs:-?} inputs, $cover"
	[ "$status" -ne 0 ] || continue
	failed=1
	grep -avE '^#[0-9]+|^INFO|^stat::|^[0-9a-fx,]*$' "$log" | head -n 60
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	echo "fuzz: $name failed (status $status); to see it again:"
	echo "    $program ${input:-(no input was written: see $log)}"
done
exit $failed
