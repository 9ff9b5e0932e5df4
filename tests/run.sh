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
#                           # beside: yes        (it takes long, or a whole processor: one of these at
#                                                a time, beside all others)
#                           # alone: yes         (it measures: with nothing beside it, at the end)
#
# Most cases wait for most of their time: three lanes run them beside each other, and the builds and checks
# that no case needs, with them. Never two of one case (what it runs it may follow with -b).
set -u
cd "$(dirname "$0")/.." || exit 1

FUZZ_SECONDS=4 # each target
patterns=("$@")
TMP=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-tests.XXXXXX") || exit 1
chmod 755 "$TMP" # some cases look from another account
echo $$ >"$TMP/pid"
# What a run that was killed outright could not remove.
for old in "${TMPDIR:-/tmp}"/xgotopfs-tests.*/; do
	[ -s "$old/pid" ] && ! kill -0 "$(cat "$old/pid")" 2>/dev/null && rm -rf --one-file-system "$old"
done
current= # the session, and first process group, of what runs
watch= # what looks at it shortly before it has run too long
mkfifo "$TMP/never"
lanes=() # the processes that run what goes beside each other
RESULTS=$TMP/results # a line each: status, name
: >"$RESULTS"
: >"$TMP/failures" # a line each; the log of the Nth is failed.N

# The running case is ended, whose own trap cleans up after it.
end_current() {
	trap '' INT TERM HUP
	[ -n "$current" ] || return 0
	kill "$watch" 2>/dev/null
	kill -TERM -- "-$current" 2>/dev/null
	for _ in $(seq 100); do kill -0 -- "-$current" 2>/dev/null || break; sleep 0.1; done
	pkill -KILL -s "$current"
}

# Whatever ends this script ends that.
cleanup() {
	[ ${#lanes[@]} -eq 0 ] || kill -TERM "${lanes[@]}" 2>/dev/null
	end_current
	[ ${#lanes[@]} -eq 0 ] || wait "${lanes[@]}"
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

# report NAME STATUS SECONDS LOG: by whichever lane, one at a time.
report() {
	(
		flock 9
		printf '%s\t%s\n' "$2" "$1" >>"$RESULTS"
		case $2 in
		0) echo "PASS $1 ($3 s)" ;;
		77) echo "SKIP $1: $(grep -h '^SKIP' "$4" | tail -n 1 | sed 's/^SKIP:* *//')" ;;
		*)
			echo "FAIL $1 (status $2, $3 s)"
			echo "$1 (status $2, $3 s)" >>"$TMP/failures"
			cp "$4" "$TMP/failed.$(wc -l <"$TMP/failures")"
			if [ "$(wc -l <"$4")" -gt 80 ]; then
				{ head -n 30 "$4"; echo "[...]"; tail -n 50 "$4"; } | sed 's/^/    /'
			else
				sed 's/^/    /' "$4"
			fi
			;;
		esac
	) 9>"$TMP/report.lock"
}

# reasons: of each failure what it says failed, and how its log ends; some 60 lines in all.
reasons() {
	local number=0 name each
	each=$((60 / ($(wc -l <"$TMP/failures") + 1)))
	each=$((each > 6 ? 6 : each < 2 ? 2 : each))
	while read -r name; do
		number=$((number + 1))
		echo "why $name:"
		{
			grep -n -m 1 '^FAIL' "$TMP/failed.$number"
			grep -n '[^ ]' "$TMP/failed.$number" | tail -n "$each"
		} | sort -n -u -t: -k1,1 | cut -d: -f2- | cut -c 1-400 | sed 's/^/    /'
	done <"$TMP/failures"
}

# stands LOG: what there is of it, and in what it waits, for who reads why it took so long.
stands() {
	{
		echo "there are, ${SECONDS} s after the start of all, load $(cut -d' ' -f1-3 /proc/loadavg):"
		ps -s "$current" -o pid,ppid,stat,etimes,wchan:20,args --forest --no-headers | cut -c 1-160
	} >>"$1"
}

# limited SECONDS LOG COMMAND...: in a session of its own, so that nothing of it can stay behind;
# ends with us, even when we are killed.
limited() {
	local limit=$1 log=$2 status start=$SECONDS
	shift 2
	rm -f "$log"
	setsid setpriv --pdeathsig TERM timeout -k 15 "$limit" "$@" >>"$log" 2>&1 </dev/null &
	current=$!
	{ read -r -t $((limit - 1)) <>"$TMP/never"; stands "$log"; } 2>/dev/null &
	watch=$!
	wait "$current"
	status=$?
	kill "$watch" 2>/dev/null
	wait "$watch" 2>/dev/null
	pkill -KILL -s "$current" # whatever process group it made itself
	current=
	[ $((SECONDS - start)) -lt "$limit" ] || echo "ran longer than $limit s" >>"$log"
	return "$status"
}

run_test() {
	local name=$1 limit=$2 start=$SECONDS log=$TMP/log.$BASHPID status
	shift 2
	wanted "$name" || return 0
	limited "$limit" "$log" "$@"
	status=$?
	report "$name" "$status" $((SECONDS - start)) "$log"
	return "$status"
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
	local start=$SECONDS log=$TMP/log.$BASHPID status
	CC=${COMPILER:-gcc} limited 1800 "$log" bash -c 'configure_and_build "$@"' - "build-$name" "$@"
	status=$?
	report "build $name" "$status" $((SECONDS - start)) "$log"
	[ "$status" -eq 0 ]
}

# unit_tests BUILD [MESON-ARGUMENT]... (WRAPPER: a command to run them with)
unit_tests() {
	local name=$1 log=$TMP/log.$BASHPID test result seconds
	shift
	wanted "unit*" || [ ${#patterns[@]} -eq 0 ] || return 0
	limited 1800 "$log" ${WRAPPER:-} meson test -C "build-$name" --no-rebuild --print-errorlogs \
		--timeout-multiplier 3 --logbase xgotopfs-unit "$@"
	# One line a test: name, result, seconds.
	while IFS=$'\t' read -r test result seconds; do
		case $result in
		OK | EXPECTEDFAIL) report "unit $test ($name)" 0 "$seconds" /dev/null ;;
		SKIP)
			echo "SKIP: says so" >"$log"
			report "unit $test ($name)" 77 "$seconds" "$log"
			;;
		*) report "unit $test ($name)" "$result" "$seconds" "$log.$test" ;;
		esac
	done < <(python3 - "build-$name/meson-logs/xgotopfs-unit.json" "$log" <<'PY'
import json, pathlib, sys
try:
    lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
except OSError:
    lines = ['{"name": "none could be run", "result": "ERROR", "duration": 0}']
for line in lines:
    test = json.loads(line)
    name = test["name"].split(" / ")[-1]
    pathlib.Path(f"{sys.argv[2]}.{name}").write_text(test.get("stdout", "") + test.get("stderr", ""), errors="replace")
    print(name, test["result"], round(test["duration"]), sep="\t")
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

# cases BUILD WHEN: a line each, what runs it.
cases() {
	local build=$1 when=$2 case limit name
	for case in tests/cases/*.sh; do
		name=$(basename "$case" .sh)
		wanted "$name ($build)" || continue
		[ "$build" = tsan ] || [ "$(when_of "$case")" = "$when" ] || continue # there, all in turn
		[ "$build" != asan ] || [ "$(header "$case" sanitized)" != no ] || continue
		[ "$build" != tsan ] || [ "$(header "$case" tsan)" = yes ] || continue
		limit=$(header "$case" timeout)
		limit=${limit:-120}
		# With others beside it.
		[ "$build" = gcc ] && limit=$((limit * 3)) || limit=$((limit * 6))
		echo "run_case $build $name $limit"
	done
}

# run_case BUILD NAME SECONDS
run_case() {
	local build=$1 name=$2 limit=$3 wrapper=()
	[ "$build" != tsan ] || wrapper=(tests/tsan.sh)
	exec 8>"$TMP/case.$name"
	flock 8
	run_test "$name ($build)" "$limit" env TMPDIR="$TMP" XGOTOPFS_BUILD="$PWD/build-$build" \
		XGOTOPFS_SANITIZED="$([ "$build" = gcc ] || echo 1)" "${wrapper[@]}" bash "tests/cases/$name.sh" 8>&-
	exec 8>&-
}

# Always the same random numbers: the test command finds what was broken, tests/fuzz.sh what is new.
run_fuzz() {
	XGOTOPFS_BUILD=build-fuzz XGOTOPFS_FUZZ_CACHE=$TMP/fuzz XGOTOPFS_FUZZ_ARGS=-seed=1 \
		run_test "fuzz_$1 (libFuzzer)" 300 tests/fuzz.sh "$FUZZ_SECONDS" "$1"
}

fuzzers() {
	local target name
	for target in tests/fuzz/fuzz_*.c; do
		name=$(basename "$target" .c)
		[ "$name" = fuzz_main ] || echo "run_fuzz ${name#fuzz_}"
	done
}

# What a build is for is queued once it has succeeded.
build_clang() { COMPILER=clang build clang -Dbuildtype=debugoptimized -Dwerror=true -Dui=disabled; }
build_tsan() {
	TARGETS="xgotopfs web/web_demo tests/targets/fs_demo tests/bench/session_tool threads" \
		build tsan -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false -Dui=disabled || return
	WRAPPER="tests/tsan.sh -" unit_tests tsan --suite threads
	cases tsan turn | queue turn
}
build_fuzz() {
	COMPILER=clang TARGETS=fuzz build fuzz -Dfuzzing=true -Db_sanitize=address,undefined -Db_lundef=false \
		-Dui=disabled -Dwerror=true && fuzzers | queue turn
}

# --- lanes -----------------------------------------------------------------------------------------

# queue NAME: adds the lines of stdin.
queue() { (flock 9; cat >>"$TMP/queue.$1") 9>"$TMP/queue.lock"; }

# take NAME: prints the first line, and removes it.
take() {
	(
		flock 9
		head -n 1 "$TMP/queue.$1"
		sed -i 1d "$TMP/queue.$1"
	) 9>"$TMP/queue.lock"
}

# lane NAME: all of that queue, and then of the other one.
lane() {
	trap - EXIT
	trap 'end_current; exit 1' INT TERM HUP
	local other=turn job
	[ "$1" != turn ] && renice -n 5 -p $BASHPID >/dev/null || other=beside
	while job=$(take "$1") && [ -n "$job" ] || { job=$(take $other) && [ -n "$job" ]; }; do
		$job
	done
}

# --- all of it ----------------------------------------------------------------------------------

scripts/install-deps.sh test || exit 1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99

run_test "include rules" 300 tests/check_layers.sh
for part in format spelling licence background links; do run_test "style: $part" 300 tests/style.sh "$part"; done
build gcc -Dbuildtype=debugoptimized -Dwerror=true -Dui=enabled && have_gcc=1
build asan -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dui=disabled &&
	have_asan=1
[ -z "${have_asan:-}" ] || echo unit_tests asan | queue beside
printf '%s\n' build_tsan build_fuzz build_clang | queue beside
if [ -n "${have_gcc:-}" ]; then
	printf '%s\n' 'run_test clang-tidy 1200 tests/tidy.sh -p build-gcc' | queue beside
	run_test "dead code" 300 tests/dead_code.sh build-gcc
	unit_tests gcc
	cases gcc turn | queue turn
	cases gcc beside | queue beside
fi
if [ -n "${have_asan:-}" ]; then
	cases asan turn | queue turn
	cases asan beside | queue beside
fi
touch "$TMP/queue.turn"
lane turn & lanes+=($!)
lane turn & lanes+=($!)
lane beside & lanes+=($!)
wait "${lanes[@]}"
lanes=()
[ ! -s "$TMP/queue.turn" ] && [ ! -s "$TMP/queue.beside" ] || report lanes 1 0 "$TMP/queue.turn"
for build in ${have_gcc:+gcc} ${have_asan:+asan}; do
	while read -r job; do $job; done < <(cases "$build" alone)
done

passed=$(grep -c '^0	' "$RESULTS") skipped=$(grep -c '^77	' "$RESULTS")
failed=$(grep -cv -e '^0	' -e '^77	' "$RESULTS")
# Once more, at the end: who reads only the tail of a long log knows which, and why.
reasons
[ "$failed" -eq 0 ] || grep -v -e '^0	' -e '^77	' "$RESULTS" | sed 's/^[^	]*	/failed: /'
summary="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ "$failed" -eq 0 ]
