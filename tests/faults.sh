#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Lets every call of the program fail once (malloc, mmap, open, read, write, threads, epoll, bpf, fsync, …), in
# every way it is run, and looks at how it ends. tests/cases/faults.sh is a slice of this.
# Usage: tests/faults.sh [ARG of tests/faults/faults.py]...      needs root, a built build/ (or XGOTOPFS_BUILD)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/app_lib.sh"
need_tracing
DEMO_BINARY=$(demo_binary "") || fail "the demo does not build"
start_demo "$DEMO_BINARY"
load -rate 50 >/dev/null 2>&1 &
on_exit "end $!"
python3 "$ROOT/tests/faults/faults.py" "$XGOTOPFS" "$XGOTOPFS_BUILD/tests/faults/fault_shim.so" "$DEMO" "$T/faults" -url "$URL" "$@" ||
	fail "see above"
unharmed "$DEMO"
