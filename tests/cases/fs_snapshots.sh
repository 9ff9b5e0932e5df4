#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# snapshots/: mkdir keeps the views as they are then, rmdir drops them, diff -r compares; names are checked,
# their number is bounded, and nothing in them can be changed.
# timeout: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need python3
demo_start -g 5
S=$MNT/snapshots
before=$(date +%s)
mkdir "$S/a" || fail "mkdir"
live() { sed -n 's/^goroutines_live //p' "$1"; }
expect "as it was" "$(live "$S/a/stats")" 5
for f in stats goroutines.tsv stacks health audit losses.tsv types.tsv summary sites sched/latency; do
	[ -f "$S/a/$f" ] || fail "$f is not in it: $(find "$S/a")"
	[ "$(stat -c %s "$S/a/$f")" = "$(wc -c <"$S/a/$f")" ] || fail "the size of $f"
done
[ ! -e "$S/a/events" ] && [ ! -e "$S/a/stats.json" ] && [ ! -e "$S/a/sched/nothing" ] || fail "what is in it: $(find "$S/a")"
[ "$(stat -c %Y "$S/a")" -ge "$before" ] && [ "$(stat -c %Y "$S/a/stats")" -ge "$before" ] || fail "its time"

# Now it is otherwise, and there it is not.
demo goroutines 3
mkdir "$S/b" || fail "a second one"
expect "then" "$(live "$S/a/stats")" 5
expect "now" "$(live "$S/b/stats")" 8
expect "of the tables, those differ" "$(diff -rq "$S/a" "$S/b" | grep -c -e goroutines.tsv -e /stats -e /stacks)" 3
expect "lines that came" "$(diff "$S/a/goroutines.tsv" "$S/b/goroutines.tsv" | grep -cE '^> [678]	')" 3
expect "ls" "$(ls "$S" | tr '\n' ' ')" "a b "
cp -a "$S" "$T/copy" || fail "cp -a"
diff -r "$S" "$T/copy" || fail "a copy is another"
demo exit
expect "after the end" "$(live "$S/b/stats")" 8

# Nothing can be changed in them.
for wrong in "rm -f $S/a/stats" "touch $S/a/new" "mkdir $S/a/c" "mv $S/a $S/c" "rmdir $S/a/sched" "mkdir $MNT/here" "rmdir $MNT/goroutines"; do
	$wrong 2>/dev/null && fail "$wrong"
done
(echo x >"$S/a/stats") 2>/dev/null && fail "written to"

# The names, and what is said.
cat >"$T/names.py" <<'PY'
import errno, os, sys
s = sys.argv[1]
def says(name, want):
    try:
        os.mkdir(f"{s}/{name}")
    except OSError as e:
        assert e.errno == want, (name, errno.errorcode[e.errno])
    else:
        assert want == 0, (name, "was made")
for name in (".hidden", "-x", "a b", "a\n", "ü", "x" * 65, "x\\y"):
    says(name, errno.EINVAL)
says("a", errno.EEXIST)
says("x" * 64, 0)
says("2026-11-28T23:41:07+01:00_v1.2@host", 0)
n = 0
while len(os.listdir(s)) < 32:
    says(f"more{n}", 0)
    n += 1
says("toomany", errno.ENOSPC)
# Who has one open keeps it.
fd = os.open(f"{s}/a/stats", os.O_RDONLY)
os.rmdir(f"{s}/a")
assert b"goroutines_live 5\n" in os.read(fd, 100000)
assert not os.path.exists(f"{s}/a/stats") and "a" not in os.listdir(s)
try:
    os.rmdir(f"{s}/a")
    sys.exit("dropped twice")
except FileNotFoundError:
    pass
says("toomany", 0)
os.close(fd)
for name in os.listdir(s):
    os.rmdir(f"{s}/{name}")
assert os.listdir(s) == []
says("a", 0)
PY
python3 "$T/names.py" "$S" || fail "names"
grep -q 'no room: at most 32' "$T/log" || fail "what is full is not said: $(cat "$T/log")"
: >"$T/log"
