#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What is no Go program that can be traced is refused with status 3 and one line that says why, by -b,
# by -pid and as a command, and is not harmed.
# timeout: 600
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need gcc
CACHE=$ROOT/tests/.cache/refused
mkdir -p "$CACHE" "$T/src"
cat >"$T/src/main.go" <<'GO'
package main

import (
	"fmt"
	"os"
)

type note struct{ text [8]string }

func (n *note) say() { fmt.Println("ready", n.text[0]) }

func main() {
	n := &note{}
	n.say()
	for b := make([]byte, 1); ; {
		if k, err := os.Stdin.Read(b); k == 0 || err != nil {
			return
		}
	}
}
GO
printf 'module refused\n\ngo 1.16\n' >"$T/src/go.mod"

# go_build VERSION OUTPUT ARG...: with environment from $ENV; VERSION "" is what is installed.
go_build() {
	local go
	go=$("$ROOT/scripts/go.sh" ${1:+"$1"}) || return
	(cd "$T/src" && env GOTOOLCHAIN=local GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0 ${ENV:-} \
		"$go" build -o "$2" "${@:3}" . >&2)
}

# running PROGRAM [ARG]...: sets RUNNING to a process of it that waits.
running() {
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	fresh "$T/said"
	"$@" <"$T/fifo" >"$T/said" 2>&1 &
	RUNNING=$!
	exec 7>"$T/fifo"
	wait_for 20 grep -q ready "$T/said" || fail "$1 does not run: $(cat "$T/said")"
}

# refused TEXT PROGRAM: in all three ways. With a third word it cannot run here: by name only.
refused() {
	refuses 3 "$1" -b "$2"
	"$XGOTOPFS" -doctor -b "$2" >"$T/doctor" 2>&1
	expect "status of -doctor -b $2" $? 3
	grep -qF -- "$1" "$T/doctor" || fail "-doctor -b $2 does not say '$1': $(cat "$T/doctor")"
	[ -z "${3:-}" ] || return 0
	refuses 3 "$1" -s -- "$2"
	running "$2"
	refuses 3 "$1" -pid "$RUNNING"
	kill -0 "$RUNNING" || fail "$2 was ended"
	exec 7>&-
	wait "$RUNNING" || fail "$2 was harmed: status $?"
}

printf '#include <stdio.h>\nint main(void) { puts("ready"); fflush(stdout); while (getchar() != EOF); return 0; }\n' >"$T/c.c"
gcc -o "$T/c" "$T/c.c" || fail "no C program"
refused "not a Go program" "$T/c"
refuses 3 "script" -b "$0" # what is no ELF file at all

# One that is read and executed as other code that is made of it (valgrind; an emulator): breakpoints would be taken
# for its instructions. What does so is linked statically, as it has to keep out of the way of what it reads.
cat >"$T/reads.c" <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
int main(int argc, char **argv)
{
	struct stat st;
	int fd = open(argv[1], O_RDONLY);

	if (fstat(fd, &st) || mmap(NULL, st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		return 1;
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
C
gcc -static -o "$T/reads" "$T/reads.c" || fail "no static program"
go_build "" "$T/read" || fail "no program to be read"
running "$T/reads" "$T/read"
translated="process $RUNNING does not execute its code but other code that is made of it, as valgrind does"
refuses 3 "$T/read: $translated" -pid "$RUNNING"
refuses 3 "$T/read: $translated" -b "$T/read"
exec 7>&-
wait "$RUNNING" || fail "who reads a program was harmed: status $?"

# Go 1.16: arguments on the stack.
[ -x "$CACHE/go1.16" ] || go_build 1.16.15 "$CACHE/go1.16" || fail "no Go 1.16 program"
refused "Go 1.17" "$CACHE/go1.16"
[ -x "$CACHE/go1.16-stripped" ] || go_build 1.16.15 "$CACHE/go1.16-stripped" -ldflags="-s -w" || fail "no Go 1.16 program"
refused "Go 1.17" "$CACHE/go1.16-stripped"

# A release that is not known, without DWARF that would tell: the version bytes are all that differ.
go_build 1.27.3 "$T/future" -ldflags="-s -w" || fail "no Go 1.27 program"
python3 - "$T/future" <<'PY' || fail "cannot make up a version"
import sys
data = open(sys.argv[1], "rb").read()
assert data.count(b"go1.27.3") > 0
open(sys.argv[1], "wb").write(data.replace(b"go1.27.3", b"go1.94.3"))
PY
refused "1.94" "$T/future"

# 32 bits, and another machine.
ENV=GOARCH=386 go_build "" "$T/386" || fail "no 32-bit program"
refused "32-bit" "$T/386" cannot-run
other=$([ "$(uname -m)" = x86_64 ] && echo arm64 || echo amd64)
ENV=GOARCH=$other go_build "" "$T/other" || fail "no program for $other"
refused "$other" "$T/other" cannot-run

# Other compilers, packers, obfuscators: when they are here, or can be had.
gccgo=$(command -v gccgo || command -v gccgo-12 || command -v gccgo-13 || command -v gccgo-14)
if [ -n "$gccgo" ]; then
	"$gccgo" -o "$T/gccgo" "$T/src/main.go" || fail "gccgo does not build"
	refused "gccgo" "$T/gccgo"
	"$gccgo" -s -static-libgo -o "$T/gccgo" "$T/src/main.go" || fail "gccgo does not build"
	refused "gccgo" "$T/gccgo"
else
	echo "no gccgo here"
fi
if [ ! -x "$CACHE/garbled" ]; then
	go=$("$ROOT/scripts/go.sh" 1.27.3) &&
		GOTOOLCHAIN=local GOFLAGS=-mod=mod GOBIN=$CACHE again "$go" install mvdan.cc/garble@v0.18.0 >&2 &&
		# It changes the linker's source, which the go command allows nowhere below GOMODCACHE.
		(cd "$T/src" && PATH=${go%/*}:$PATH GOTOOLCHAIN=local GOFLAGS=-mod=mod GOMODCACHE=$T/mod \
			again "$CACHE/garble" -literals build -o "$CACHE/garbled" . >&2) || fail "garble does not build"
fi
refused "garble" "$CACHE/garbled"
if command -v upx >/dev/null; then
	go_build "" "$T/packed" && upx -q "$T/packed" >/dev/null || fail "upx does not pack"
	refused "UPX" "$T/packed"
fi
# As UPX leaves it: its mark behind the program headers, no sections, the code compressed.
go_build "" "$T/whole" -ldflags="-s -w" || fail "no program"
python3 - "$T/whole" "$T/upx" <<'PY' || fail "cannot pack"
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
head = bytearray(data[:64])
head[0x28:0x30] = bytes(8)          # no section headers
head[0x3a:0x40] = bytes(6)
head[0x20:0x28] = struct.pack("<Q", 64)
head[0x38:0x3a] = struct.pack("<H", 1)
body = zlib.compress(data)
size = 64 + 56 + 32 + len(body)
load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 0x1000)
open(sys.argv[2], "wb").write(bytes(head) + load + bytes(4) + b"UPX!" + bytes(24) + body)
PY
chmod +x "$T/upx"
refused "UPX" "$T/upx" cannot-run
tinygo=$(command -v tinygo)
if [ -n "$tinygo" ]; then
	(cd "$T/src" && "$tinygo" build -o "$T/tiny" .) || fail "tinygo does not build"
	refused "TinyGo" "$T/tiny"
fi
