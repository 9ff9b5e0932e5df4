#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A slice of `tests/matrix.sh -c stacks`: resting programs' stacks and goroutines, read from their
# memory, against their own dumps, in the ways of building that find their tables differently.
# timeout: 400
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
for build in 1.18/pie 1.20/stripped 1.24/cgo-pie 1.26/plain; do
	found=$(cell "${build%/*}" "${build#*/}" stacks) || fail "Go $build: $found"
	echo "Go $build: $found"
done
