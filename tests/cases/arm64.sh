#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The arm64 build on a stock arm64 kernel: the same workload, the same exact counts, the mount and the
# tools on it, who is leaked there. The oldest Go there (arguments on the stack) and the newest.
# timeout: 600
# beside: yes
# sanitized: no
export PARTS="doctor first mount leaks"
exec "$(dirname "$0")/../arm64/run.sh" 1.17 1.27
