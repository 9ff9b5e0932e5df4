#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux 6.1, the oldest that Debian's archive has and xgotopfs runs on: no uprobe_multi links, so probes are
# put one by one, by perf events. Exact counts, attach and detach, the keeper, a file changed in
# place. tests/kernels.sh does it with all kernels, and more.
# timeout: 600
# beside: yes
# sanitized: no
exec "$(dirname "$0")/../kernels.sh" -g 1.27 -p doctor -p attach -p killed -p lease -p hotplug 6.1
