#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A slice of the matrix (the whole: tests/matrix.sh): one in the middle, as an internal PIE without
# symbols, and with C threads under the race detector.
# timeout: 400
# beside: yes
# sanitized: no
# (the oldest and the newest slice run all of our code that this one does.)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
for mode in pie-stripped race-cgo; do
	found=$(cell 1.22 "$mode") || fail "Go 1.22 $mode: $found"
	echo "Go 1.22 $mode: $found"
done
