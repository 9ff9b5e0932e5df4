#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# All tests, from a fresh clone: installs what is missing, builds with gcc, with clang (warnings are
# errors) and with gcc's address and undefined-behaviour sanitizers, runs the unit tests, the check
# of the include rules, every script in tests/cases (found by being there) against the plain and
# the sanitized build, a part of both with ThreadSanitizer, and each fuzz target for some seconds
# (tests/fuzz.sh: for longer). Ends with "N passed, N failed".
# Usage: tests/run.sh [PATTERN]...      only the tests whose names match one of the shell patterns
#
# In a case's first lines:  # timeout: SECONDS   (default 120)
#                           # sanitized: no      (not run against the sanitized build)
#                           # tsan: yes          (run with ThreadSanitizer, too)
#                           # beside: yes        (it takes long, and what it runs no other case follows
#                                                with -b: one after the other, beside all others)
#                           # alone: yes         (it measures: with nothing beside it, at the end)
set -u
cd "$(dirname "$0")/.." || exit 1

FUZZ_SECONDS=4 # each target
passed=0 failed=0 skipped=0 failures=()
patterns=("$@")
TMP=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-tests.XXXXXX") || exit 1
chmod 755 "$TMP" # some cases look from another account
echo $$ >"$TMP/pid"
# What a run that was killed outright could not remove.
for old in "${TMPDIR:-/tmp}"/xgotopfs-tests.*/; do
	[ -s "$old/pid" ] && ! kill -0 "$(cat "$old/pid")" 2>/dev/null && rm -rf --one-file-system "$old"
done
current= # the process group of what runs
lane=    # the process that runs what goes beside
BESIDE=$TMP/beside
mkdir "$BESIDE"

# The running case is ended, whose own trap cleans up after it.
end_current() {
	trap '' INT TERM HUP
	[ -n "$current" ] || return 0
	kill -TERM -- "-$current" 2>/dev/null
	for _ in $(seq 100); do kill -0 -- "-$current" 2>/dev/null || break; sleep 0.1; done
	kill -KILL -- "-$current" 2>/dev/null
}

# Whatever ends this script ends that.
cleanup() {
	[ -z "$lane" ] || kill -TERM "$lane" 2>/dev/null
	end_current
	[ -z "$lane" ] || wait "$lane"
	awk -v tmp="$TMP/" 'index($2, tmp) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mnt; do
		fusermount3 -u -z "$mnt" 2>/dev/null || umount -l "$mnt"
	done
	rm -rf --one-file-system "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

wanted() {
	[ ${#patterns[@]} -gt 0 ] || return 0
	local pattern
	# shellcheck disable=SC2053
	for pattern in "${patterns[@]}"; do [[ $1 == $pattern ]] && return 0; done
	return 1
}

# report NAME STATUS SECONDS LOG
report() {
	case $2 in
	0)
		passed=$((passed + 1))
		echo "PASS $1 ($3 s)"
		;;
	77)
		skipped=$((skipped + 1))
		echo "SKIP $1: $(grep -h '^SKIP' "$4" | tail -n 1 | sed 's/^SKIP:* *//')"
		;;
	*)
		failed=$((failed + 1))
		failures+=("$1")
		echo "FAIL $1 (status $2, $3 s)"
		if [ "$(wc -l <"$4")" -gt 80 ]; then
			{ head -n 30 "$4"; echo "[...]"; tail -n 50 "$4"; } | sed 's/^/    /'
		else
			sed 's/^/    /' "$4"
		fi
		;;
	esac
}

# limited SECONDS LOG COMMAND...: in a session of its own, so that nothing of it can stay behind;
# ends with us, even when we are killed.
limited() {
	local limit=$1 log=$2 status
	shift 2
	rm -f "$log"
	setsid setpriv --pdeathsig TERM timeout -k 15 "$limit" "$@" >"$log" 2>&1 </dev/null &
	current=$!
	wait "$current"
	status=$?
	kill -KILL -- "-$current" 2>/dev/null
	current=
	[ "$status" -ne 124 ] || echo "ran longer than $limit s" >>"$log"
	return "$status"
}

run_test() {
	local name=$1 limit=$2 start=$SECONDS status
	shift 2
	wanted "$name" || return 0
	limited "$limit" "$TMP/log" "$@"
	status=$?
	report "$name" "$status" $((SECONDS - start)) "$TMP/log"
	report_beside
	return "$status"
}

# What went on beside, and has ended since the last time.
report_beside() {
	local done name status seconds
	for done in "$BESIDE"/*.done; do
		[ -f "$done" ] || continue
		IFS=$'\t' read -r name status seconds <"$done"
		report "$name" "$status" "$seconds" "${done%.done}.log"
		rm -f "$done" "${done%.done}.log"
	done
}

# --- builds -------------------------------------------------------------------------------------

# configure_and_build FOLDER MESON-OPTION...
configure_and_build() {
	local dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@" || return
	else
		rm -rf "$dir"
		meson setup "$dir" "$@" || return
	fi
	# shellcheck disable=SC2086
	ninja --quiet -C "$dir" ${TARGETS:-}
}
export -f configure_and_build

build() {
	local name=$1
	shift
	build_failed=
	local start=$SECONDS status
	CC=${COMPILER:-gcc} limited 900 "$TMP/log" bash -c 'configure_and_build "$@"' - "build-$name" "$@"
	status=$?
	report "build $name" "$status" $((SECONDS - start)) "$TMP/log"
	[ "$status" -eq 0 ]
}

# unit_tests BUILD [MESON-ARGUMENT]... (WRAPPER: a command to run them with)
unit_tests() {
	local name=$1 test result
	shift
	wanted "unit*" || [ ${#patterns[@]} -eq 0 ] || return 0
	limited 900 "$TMP/log" ${WRAPPER:-} meson test -C "build-$name" --no-rebuild --print-errorlogs \
		--logbase xgotopfs-unit "$@"
	# One line a test: name, result, seconds.
	while IFS=$'\t' read -r test result seconds; do
		case $result in
		OK | EXPECTEDFAIL) report "unit $test ($name)" 0 "$seconds" /dev/null ;;
		SKIP)
			echo "SKIP: says so" >"$TMP/skip"
			report "unit $test ($name)" 77 "$seconds" "$TMP/skip"
			;;
		*) report "unit $test ($name)" "$result" "$seconds" "build-$name/meson-logs/xgotopfs-unit.txt" ;;
		esac
	done < <(python3 - "build-$name/meson-logs/xgotopfs-unit.json" <<'PY'
import json, sys
try:
    lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
except OSError:
    print("none could be run\tERROR\t0")
    sys.exit()
for line in lines:
    test = json.loads(line)
    print(test["name"].split(" / ")[-1], test["result"], round(test["duration"]), sep="\t")
PY
	)
}

header() { sed -n "1,15s/^# $2: *//p" "$1" | head -n 1; }

# when_of CASE: beside, alone, or in turn.
when_of() {
	if [ "$(header "$1" beside)" = yes ]; then
		echo beside
	elif [ "$(header "$1" alone)" = yes ]; then
		echo alone
	else
		echo turn
	fi
}

# each_case BUILD WHEN COMMAND...: COMMAND NAME SECONDS bash CASE, in the environment of the build.
each_case() {
	local name=$1 when=$2 case limit
	shift 2
	for case in tests/cases/*.sh; do
		[ "$name" = tsan ] || [ "$(when_of "$case")" = "$when" ] || continue # there, all in turn
		[ "$name" != asan ] || [ "$(header "$case" sanitized)" != no ] || continue
		[ "$name" != tsan ] || [ "$(header "$case" tsan)" = yes ] || continue
		limit=$(header "$case" timeout)
		limit=${limit:-120}
		[ "$name" = gcc ] || limit=$((limit * 3))
		TMPDIR=$TMP XGOTOPFS_BUILD=$PWD/build-$name XGOTOPFS_SANITIZED=$([ "$name" = gcc ] || echo 1) \
			"$@" "$(basename "$case" .sh) ($name)" "$limit" ${WRAPPER:-} bash "$case"
	done
}
cases() { each_case "$1" turn run_test; }

# The same in a process of its own; who reports it is report_beside().
run_beside() {
	local name=$1 limit=$2 start=$SECONDS file=$BESIDE/${1// /_} status
	shift 2
	wanted "$name" || return 0
	limited "$limit" "$file.log" nice -n 5 "$@"
	status=$?
	printf '%s\t%s\t%s\n' "$name" "$status" $((SECONDS - start)) >"$file.new"
	mv "$file.new" "$file.done"
}

start_beside() {
	(
		trap - EXIT
		trap 'end_current; exit 1' INT TERM HUP
		[ -z "${have_gcc:-}" ] || each_case gcc beside run_beside
		[ -z "${have_asan:-}" ] || each_case asan beside run_beside
	) &
	lane=$!
}

end_beside() {
	wait "$lane"
	lane=
	report_beside
}

# Always the same random numbers: the test command finds what was broken, tests/fuzz.sh what is new.
fuzz() {
	local target name
	for target in tests/fuzz/fuzz_*.c; do
		name=$(basename "$target" .c)
		[ "$name" != fuzz_main ] || continue
		XGOTOPFS_BUILD=build-fuzz XGOTOPFS_FUZZ_CACHE=$TMP/fuzz XGOTOPFS_FUZZ_ARGS=-seed=1 \
			run_test "$name (libFuzzer)" 90 tests/fuzz.sh "$FUZZ_SECONDS" "${name#fuzz_}"
	done
}

# --- all of it ----------------------------------------------------------------------------------

scripts/install-deps.sh test || exit 1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99

run_test "include rules" 60 tests/check_layers.sh
for part in format spelling licence background; do run_test "style: $part" 60 tests/style.sh "$part"; done
build gcc -Dbuildtype=debugoptimized -Dwerror=true -Dui=enabled && have_gcc=1
COMPILER=clang build clang -Dbuildtype=debugoptimized -Dwerror=true -Dui=disabled
build asan -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dui=disabled &&
	have_asan=1
TARGETS="xgotopfs web/web_demo tests/targets/fs_demo tests/bench/session_tool threads" build tsan -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false -Dui=disabled && have_tsan=1
COMPILER=clang TARGETS=fuzz build fuzz -Dfuzzing=true -Db_sanitize=address,undefined -Db_lundef=false \
	-Dui=disabled -Dwerror=true && have_fuzz=1
[ -z "${have_gcc:-}" ] || run_test "dead code" 60 tests/dead_code.sh build-gcc
[ -z "${have_gcc:-}" ] || run_test "clang-tidy" 300 tests/tidy.sh -p build-gcc
[ -z "${have_gcc:-}" ] || unit_tests gcc
[ -z "${have_asan:-}" ] || unit_tests asan
start_beside
[ -z "${have_gcc:-}" ] || cases gcc
[ -z "${have_asan:-}" ] || cases asan
[ -z "${have_tsan:-}" ] || {
	WRAPPER="tests/tsan.sh -" unit_tests tsan --suite threads
	WRAPPER=tests/tsan.sh cases tsan
}
[ -z "${have_fuzz:-}" ] || fuzz
end_beside
[ -z "${have_gcc:-}" ] || each_case gcc alone run_test
[ -z "${have_asan:-}" ] || each_case asan alone run_test

# Once more, at the end: who reads only the tail of a long log knows which.
[ "$failed" -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
summary="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ "$failed" -eq 0 ]
