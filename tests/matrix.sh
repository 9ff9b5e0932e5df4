#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The matrix: every Go release, built in every way, traced and held against the truth. Prints a table,
# releases down, ways of building across, each cell "exact", "-" (there is no such build) or the number
# of differences, which follow below it.
# Usage: tests/matrix.sh [-v "1.17 1.27"] [-m "plain cgo-pie-stripped"] [-c "first attach lives allocs stacks waits"]
# XGOTOPFS_BUILD is the build folder (build). With SCALE=10 the workload does ten times as much.
cd "$(dirname "$0")/.." || exit 1
. tests/lib.sh
. tests/app_lib.sh
. tests/matrix_lib.sh

VERSIONS="1.17 1.18 1.19 1.20 1.21 1.22 1.23 1.24 1.25 1.26 1.27"
MODES="plain stripped pie pie-stripped trimpath cgo cgo-stripped cgo-pie cgo-pie-stripped race race-cgo noswissmap pgo pgo-stripped"
CHECKS="first attach lives allocs stacks waits"
while getopts v:m:c: option; do
	case $option in
	v) VERSIONS=$OPTARG ;;
	m) MODES=$OPTARG ;;
	c) CHECKS=$OPTARG ;;
	*) sed -n '2,7s/^# //p' "$0" >&2; exit 2 ;;
	esac
done
need_tracing

bad=0 exact=0
: >"$T/differences"
printf '%-6s' Go
for mode in $MODES; do printf ' %*s' $((${#mode} < 8 ? 8 : ${#mode})) "$mode"; done
echo
for version in $VERSIONS; do
	printf '%-6s' "$version"
	for mode in $MODES; do
		# shellcheck disable=SC2086
		found=$(cell "$version" "$mode" $CHECKS)
		case $? in
		0) exact=$((exact + 1)) ;;
		77) ;;
		*)
			bad=$((bad + 1))
			sed "s/^/$version $mode: /" <<<"$found" >>"$T/differences"
			found="$(wc -l <<<"$found") bad"
			;;
		esac
		printf ' %*s' $((${#mode} < 8 ? 8 : ${#mode})) "$found"
	done
	echo
done
cat "$T/differences"
echo "$exact cells exact, $bad not"
[ "$bad" = 0 ]
