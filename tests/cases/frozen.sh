#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program whose cgroup is frozen, as a paused container's is: problems says that nothing of it runs, and no
# longer once it goes on.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
mkdir "$T/cgroup"
mount -t cgroup2 none "$T/cgroup" 2>/dev/null || skip "no cgroups of the second version"
on_exit "umount $T/cgroup"
GROUP=$T/cgroup/xgotopfs-test-$$
mkdir "$GROUP" || skip "no cgroup can be made"
on_exit "rmdir $GROUP"
[ -w "$GROUP/cgroup.freeze" ] || skip "it cannot be frozen"
private_demo
let_go() {
	echo 0 >"$GROUP/cgroup.freeze"
	echo "$DEMO" >"$T/cgroup/cgroup.procs"
}
on_exit let_go
mount_demo
echo "$DEMO" >"$GROUP/cgroup.procs" || skip "nobody can be put into it"
stopped() { grep -q '^critical target: the process is stopped.* freezer' "$MNT/problems"; }
! stopped || fail "it is not frozen"
echo 1 >"$GROUP/cgroup.freeze"
wait_for 20 stopped || fail "it is frozen: $(head -n 4 "$MNT/problems")"
echo 0 >"$GROUP/cgroup.freeze"
goes_on() { ! stopped; }
wait_for 20 goes_on || fail "it goes on: $(head -n 4 "$MNT/problems")"
stop_xgotopfs
unharmed "$DEMO"
