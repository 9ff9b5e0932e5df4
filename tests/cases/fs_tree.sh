#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The tree: what is there, what it says, and what cannot be done to it.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
demo_start -g 20
cd "$MNT" || fail "cannot enter the mount"
on_exit "cd /"

for f in README events events.jsonl events_wall events_pipe stats stats.json metrics health health.json stacks \
	goroutines.tsv goroutines.json goroutines/2/{status,stats,events,events.jsonl,allocations,stack} \
	goroutines/2/{status,stats,allocations}.json pprof/{goroutine,allocs,offcpu} control/{sample,pause,max_overhead}; do
	[ -f "$f" ] || fail "$f is missing"
done
for d in goroutines by-state by-wait by-func types control processes processes/4000 goroutines/1/children; do
	[ -d "$d" ] || fail "$d is missing"
done
[ ! -e sessions ] || fail "sessions without a session store"
[ ! -e processes/4000/control ] || fail "controls are the root's"
expect "ls goroutines" "$(ls goroutines | sort -n | tr '\n' ' ')" "$(seq -s ' ' 20) "
expect "by-state" "$(ls by-state/waiting | wc -l)" 20
expect "a wait reason with a space" "$(ls "by-wait/chan receive" | wc -l)" 5
expect "a function with a slash" "$(ls 'by-func/net%2Fhttp.(*conn).serve' | wc -l)" 5
expect "children" "$(ls goroutines/1/children | wc -l)" 19
expect "parent" "$(readlink goroutines/7/parent)" ../1
expect "links resolve" "$(stat -L -c %i by-state/waiting/7)" "$(stat -c %i goroutines/7)"
[ "$(stat -c %i processes/4000/goroutines/7)" != "$(stat -c %i goroutines/7)" ] || fail "same inode twice"
[ ! -e goroutines/1/parent ] || fail "goroutine 1 has no parent"

# What is not there is not there; odd spellings of numbers are not accepted.
for f in goroutines/21 goroutines/0 goroutines/07 goroutines/+7 goroutines/x by-state/nonsense \
	by-state/running/7 by-wait/sleep/1 by-func/nobody processes/1 types/nobody \
	goroutines/18446744073709551615 goroutines/99999999999999999999; do
	[ ! -e "$f" ] || fail "$f should not be there"
done

# Sizes are true: what a stat says is what an open right after it reads, and what fstat says is
# what the open file holds, for every file (the costly ones are not rendered for a stat).
"$XGOTOPFS_BUILD/tests/targets/view_table" >"$T/views" || fail "no table of views"
cat >"$T/sizes.py" <<'PY'
import os, sys, time
costly = set()
for row in open(sys.argv[1]):
    _, name, suffix, _, _, _, cost, _ = row.split("\t")
    if cost == "costly":
        costly |= {name + suffix, name + ".json"}
for top, _, files in os.walk("."):
    for f in files:
        path = os.path.join(top, f)
        if f == "events_pipe" or os.path.islink(path):
            continue
        for tries in range(10):  # what a stat made is kept for 100 ms
            size = os.stat(path).st_size
            begin = time.monotonic()
            fd = os.open(path, os.O_RDONLY)
            if time.monotonic() - begin < 0.09 or tries == 9:
                break
            os.close(fd)
        held = os.fstat(fd)
        text = b""
        while part := os.read(fd, 65536):
            text += part
        again = os.fstat(fd)
        assert len(text) == held.st_size == again.st_size, (path, len(text), held.st_size)
        assert held.st_mtime_ns == again.st_mtime_ns and held.st_ctime_ns == again.st_ctime_ns, path
        assert size == len(text) or f in costly or f"{os.path.basename(top)}/{f}" in costly, (path, size, len(text))
        os.close(fd)
PY
python3 "$T/sizes.py" "$T/views" || fail "sizes"
expect "stacks" "$(cat stacks | grep -c ^goroutine)" 20
expect "sendfile" "$(busybox cat stacks 2>/dev/null | wc -c)" "$(cat stacks | wc -c)"

# What is as it was has the times that it had, however much later one looks (a look is kept for 100 ms).
times_of() { stat -c '%y %z' goroutines/4/allocations; }
before=$(times_of)
sleep 0.2
cat goroutines/4/allocations >/dev/null
expect "times of what has not changed" "$(times_of)" "$before"

# Nothing can be made, removed or written, and the error is a plain one.
for cmd in "mkdir x" "rmdir goroutines" "rm README" "ln -s a b" "mv README x" "mknod x p" "chmod 777 README" \
	"ln README x" "chown 1 control/pause"; do
	out=$($cmd 2>&1) && fail "$cmd worked"
	case $out in *"Operation not permitted"*) ;; *) fail "$cmd: $out" ;; esac
done
truncate -s 0 README 2>/dev/null && fail "truncated README"
for f in README events goroutines/1/status; do
	out=$( (echo x >"$f") 2>&1) && fail "could write $f"
	case $out in *"Permission denied"* | *"Operation not permitted"*) ;; *) fail "write $f: $out" ;; esac
done
expect "modes" "$(stat -c %a README control/pause goroutines by-state | tr '\n' ' ')" "444 644 555 555 "

# A goroutine that ends stays for a while, as exited; its state folder changes.
demo end 5
[ -e by-state/dead/5 ] && [ ! -e by-state/waiting/5 ] || fail "goroutine 5 is not dead"
grep -q . goroutines/5/status || fail "no status of an exited goroutine"

# Times: created and changed.
demo end 6
[ "$(stat -c %Y goroutines/6)" -ge "$(stat -c %Z goroutines/6)" ] || fail "changed before it was made"
expect "find -mmin" "$(find goroutines -mindepth 1 -maxdepth 1 -mmin +5 | wc -l)" 0
expect "find -mmin" "$(find goroutines -mindepth 1 -maxdepth 1 -mmin -5 | wc -l)" 20
expect "find by name" "$(find . -path ./processes -prune -o -name status -print | wc -l)" 20
df . >/dev/null && df -i . >/dev/null || fail "df"
