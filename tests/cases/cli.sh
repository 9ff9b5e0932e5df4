#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The command line: help, version, the man page, what is refused, the configuration file.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"

for help in -help --help; do
	"$XGOTOPFS" $help >"$T/help" 2>"$LOG" || fail "$help fails"
	[ ! -s "$LOG" ] || fail "$help writes to stderr"
done
awk 'length > 100 { exit 1 }' "$T/help" || fail "-help has lines of more than 100 columns"
"$XGOTOPFS" -version >"$T/version" || fail "-version fails"
for part in xgotopfs libbpf libfuse elfutils Zydis protobuf-c libwebsockets jansson; do
	grep -q "^$part [0-9]" "$T/version" || fail "-version does not tell of $part"
done
"$XGOTOPFS" -help >/dev/full 2>/dev/null
expect "status with a full disk as stdout" $? 1

# What the original has, with its defaults.
while read -r option default; do
	line=$(grep -E -A 2 -- "^  -$option( |$)" "$T/help" | tr -d '\n')
	[ -n "$line" ] || fail "-help lacks -$option"
	[ -z "$default" ] || [[ $line == *"($default)"* ]] || fail "-$option: no default $default in '$line'"
done <<'LIST'
pid
b
s
rw 3
pw 5
ring-size 32M
web
web-port 8080
storage-format protobuf
storage-dir ./sessions
batch-size 1000
batch-flush-interval 100ms
sample
mfp
mft
config
record
web-listen 127.0.0.1
retain 1000000
retain-exited 10000
max-overhead
sample-cpu 99
o
daemon
log-level
version
help
replay
speed
doctor
sessions
convert
to jsonl
out -
storage-max-size 0
storage-max-age 0
LIST
man=$XGOTOPFS_BUILD/docs/xgotopfs.1
[ -s "$man" ] || fail "no man page"
sed -n 's/^  \(-[a-z-]*\).*/\1/p' "$T/help" | while read -r option; do
	grep -qF -- ".B ${option//-/\\-}" "$man" || fail "the man page lacks $option"
done || exit 1
! grep -q '@OPTIONS@' "$man" || fail "the man page has no option list"

refuses 2 "nothing to trace"
refuses 2 "unknown option '-nosuch'" -nosuch
refuses 2 "needs a value" -pid
refuses 2 "'x' is not a whole number" -pid x
# -pid $(pidof NAME) /mnt: there is none, and there are two.
refuses 2 "'/mnt' is not a whole number; did " -pid /mnt
refuses 2 "-pid takes one process: take one of them, or all with -b PATH" -pid 1 2 /mnt
refuses 2 "-pid and -b exclude each other" -pid 1 -b /bin/true
refuses 2 "-replay" -pid 1 -replay x
refuses 2 "a command is missing" --
refuses 2 "one mount point at most" -pid 1 /a /b
refuses 2 "nosuch" -pid 1 -sample nosuch:1
refuses 2 "1.5" -pid 1 -sample newobject:1.5
refuses 2 "-0.1" -pid 1 -sample newobject:-0.1
refuses 2 "0.00001" -pid 1 -sample newobject:0.00001
refuses 2 "no rate" -pid 1 -sample newobject
refuses 2 "no rate" -pid 1 -sample newobject:
refuses 2 "twice" -pid 1 -sample newobject:1,newobject:0.5
refuses 2 "not a duration" -pid 1 -batch-flush-interval 100
refuses 2 "protobuf|jsonl" -pid 1 -storage-format xml
refuses 2 "-daemon" -pid 1 -daemon
refuses 2 "-speed needs -replay" -pid 1 -speed 2
refuses 1 "nosuch: No such file or directory: its path is wanted" -b nosuch
refuses 1 "/nonexistent" -pid 1 -config /nonexistent
printf '[capture]\nrw = 0\n' >"$T/bad.ini"
refuses 2 "rw: '0' is out of range" -pid 1 -config "$T/bad.ini"
printf '# %0300d\n[capture]\nrw = 2\n' 5 >"$T/bad.ini"
refuses 2 "bad.ini:1: a line has at most 198 bytes" -pid 1 -config "$T/bad.ini"
printf '[storage]\nstorage-max-age = 18446744073.709551616s\n' >"$T/bad.ini"
refuses 2 "'18446744073.709551616s' is too long" -pid 1 -config "$T/bad.ini"
printf '[storage]\nstorage-max-size = 16777216T\n' >"$T/bad.ini"
refuses 2 "'16777216T' is too large" -pid 1 -config "$T/bad.ini"
printf 'rw\n' >"$T/bad.ini"
refuses 2 "bad.ini:1" -pid 1 -config "$T/bad.ini"
refuses 2 "-to needs -convert" -pid 1 -to jsonl
refuses 2 "-out needs -convert" -pid 1 -out x
refuses 2 "-sessions and -convert exclude each other" -sessions -convert x
refuses 2 "-storage-max-size makes no sense with -replay" -replay x -storage-max-size 1G
refuses 2 "-record makes no sense with -replay" -replay x -record
refuses 2 "1 to 1048576" -pid 1 -batch-size 2000000
refuses 1 "$T/none: No such file or directory; nothing was recorded there yet: -web and -record make it, -storage-dir names another" -sessions -storage-dir "$T/none"
refuses 1 "nosuch" -convert nosuch -storage-dir "$T"
refuses 1 "nosuch" -replay nosuch -storage-dir "$T"
# The file that is shipped as an example is sound: the complaint is about the process.
refuses 5 "no process" -pid 4194304 -config "$ROOT/examples/xgotopfs.ini"
