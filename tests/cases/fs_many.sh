#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Many goroutines: listings are complete while goroutines come and go, and fast.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need python3
demo_start -g 10000
expect "ls | wc -l" "$(timeout $((10 * SLACK)) ls "$MNT/goroutines" | wc -l)" 10000
expect "find" "$(timeout $((30 * SLACK)) find "$MNT/goroutines" -mindepth 1 -maxdepth 1 -mmin -5 | wc -l)" 10000
expect "by-state" "$(timeout $((10 * SLACK)) ls "$MNT/by-state/waiting" | wc -l)" 10000
seconds() { python3 -c 'import os, sys, time
t = time.monotonic(); n = len(os.listdir(sys.argv[1])); print("%.3f" % (time.monotonic() - t))' "$1"; }
echo "10,000 goroutines listed in $(seconds "$MNT/goroutines") s" >&2

# Churn: whoever lives before and after a listing is in it, once.
cat >"$T/churn.py" <<'PY'
import os, sys, time
path = sys.argv[1]
def listing():
    names = os.listdir(path)
    assert len(names) == len(set(names)), "an entry twice"
    return set(map(int, names))
end = time.monotonic() + 3
n = 0
before = listing()
while time.monotonic() < end:
    during, after = listing(), listing()
    missing = (before & after) - during
    assert not missing, ("missing", sorted(missing)[:5])
    before = after
    n += 1
print(n, "listings", file=sys.stderr)
PY
python3 "$T/churn.py" "$MNT/goroutines" & PY=$!
for _ in $(seq 30); do demo churn 500; done
wait $PY || fail "churn"

# An open file of a goroutine that has gone for good still shows its last values.
demo goroutines 1
LAST=$(ls "$MNT/goroutines" | sort -n | tail -n 1)
exec 4<"$MNT/goroutines/$LAST/status" 5<"$MNT/goroutines/$LAST/events"
demo end "$LAST"
demo churn 2000
is_gone() { [ ! -e "$MNT/goroutines/$LAST" ]; }
wait_for 20 is_gone || fail "$LAST is still retained" # the kernel remembers a name for a second
[ -n "$(cat <&4)" ] || fail "the open status is empty"
cat <&5 >/dev/null || fail "the open events cannot be read"
stat -L /proc/self/fd/4 >/dev/null || fail "fstat of an open file"
ls "$MNT/goroutines/$LAST" 2>&1 | grep -q "No such file" || fail "ENOENT for what is gone"
