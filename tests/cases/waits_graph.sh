#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A slice of `tests/matrix.sh -c waits`: what goroutines wait on, who else does and who may hold it,
# against the program's own account of it, with and without symbols.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
for build in 1.17/stripped 1.22/plain 1.25/pie-stripped 1.27/stripped; do
	found=$(cell "${build%/*}" "${build#*/}" waits) || fail "Go $build: $found"
	echo "Go $build: $found"
done
