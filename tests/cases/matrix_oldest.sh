#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A slice of the matrix (the whole: tests/matrix.sh): the oldest release, plain and as an external
# PIE without symbols; from the first instruction, attached to, and at rest.
# timeout: 400
# beside: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
for mode in plain cgo-pie-stripped; do
	found=$(cell 1.17 "$mode") || fail "Go 1.17 $mode: $found"
	echo "Go 1.17 $mode: $found"
done
