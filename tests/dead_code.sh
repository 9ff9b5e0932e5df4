#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# No public function without a caller outside its file, by the symbols of the objects; what is there for
# the tests alone is named here. And what fetches ahead does: gcc leaves calls out that do nothing else.
# Usage: tests/dead_code.sh [BUILD]
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."
build=$(realpath "${1:-${XGOTOPFS_BUILD:-build}}")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-dead.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

for_tests='allgs_find_in_code auditor_pace buildinfo_parse_version code_at code_decode confine_refused event_format_value follow_reader_read goids_find_in_code guard_origin heap_from_spans hit_sum_add
	keeper_set_patience loop_set_patience memory_goroutine_by_id memory_read_by_file model_new_sharded model_pass_left reach_begins_with_stack replay_wait routes_each
	semtable_find_in_code session_reader_open_fd sources_sweep stacks_within stays_walk target_go_minor target_ranges text_add
	variable_mheap_in_code web_port'
# Defined in assembly, for the code beside it.
apart='main|_.*|capture_calibrate_(emulated|stepped)'

# symbols LETTERS: "SYMBOL OBJECT" of each function that one of the objects, read from stdin, defines (T) or uses (U).
symbols() { xargs nm -A 2>/dev/null | sed -n "s,^$build/\(.*\.o\):[0-9a-f ]* [$1] \(.*\),\2 \1,p" | sort -u; }
# What others generate is as it is; web_* in web/ are programs for tests.
find "$build" -name '*.o' | sort >"$tmp/all"
grep -vE "^$build/(tests|proto|bpf)/|/web_[a-z]*\.p/|assets_data" "$tmp/all" >"$tmp/program" || { echo "nothing is built in $build"; exit 1; }
grep -E "^$build/tests/|/web_[a-z]*\.p/" "$tmp/all" >"$tmp/tests" || { echo "no tests are built in $build"; exit 1; }
symbols T <"$tmp/program" | grep -vE "^($apart) " >"$tmp/defined"
symbols U <"$tmp/program" | cut -d' ' -f1 | sort -u >"$tmp/used"
symbols U <"$tmp/tests" | cut -d' ' -f1 | sort -u >"$tmp/tested"
tr -s '[:space:]' '\n' <<<"$for_tests" | sort -u | sed '/^$/d' >"$tmp/known"

join -v 1 "$tmp/defined" "$tmp/used" >"$tmp/unused"
join "$tmp/unused" "$tmp/tested" | join -v 1 - "$tmp/known" | sed 's/\(.*\) \(.*\)/\1 (\2): only the tests call it/' >"$tmp/bad"
join -v 1 "$tmp/unused" "$tmp/tested" | sed 's/\(.*\) \(.*\)/\1 (\2): no other file calls it: static, or dead/' >>"$tmp/bad"
grep -rlF '__builtin_prefetch(' --include=*.c core fs web app | while read -r file; do
	object=$(grep -m 1 "/$(basename "$file").o$" "$tmp/program") || continue
	here=$(grep -cF '__builtin_prefetch(' "$file")
	there=$(objdump -d --no-show-raw-insn "$object" | grep -cE '[[:space:]](prefetch|prfm)') || true
	[ "$there" -ge "$here" ] || echo "$file: $here times it fetches ahead, $there times the compiler has it so"
done >>"$tmp/bad"
cat "$tmp/bad"
[ ! -s "$tmp/bad" ]
