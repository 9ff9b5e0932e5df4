#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How long it takes until a program is traced, by how many functions it has: a small one and one of
# FUNCTIONS (500,000) functions, each with its symbols and stripped. Median of RUNS (7) runs each.
# Needs root; building the large one takes minutes, and it is kept under tests/.cache.
# Usage: attach_time.sh XGOTOPFS        (meson test --benchmark attach_time passes it)
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
xgotopfs=$(realpath "$1")
functions=${FUNCTIONS:-500000}
runs=${RUNS:-7}
cache=$root/tests/.cache/functions-$functions
dir=$(mktemp -d)
target=
cleanup() {
	[ -z "$target" ] || kill "$target" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
[ "$(id -u)" -eq 0 ] || { echo "attach_time: needs root" >&2; exit 77; }

# write_source FOLDER FUNCTIONS: packages of 5,000 functions, all in tables, so that the linker keeps them.
write_source() {
	python3 - "$1" "$2" <<'PY'
import os, sys
folder, functions = sys.argv[1], int(sys.argv[2])
packages = max(1, functions // 5000)
each = functions // packages
open(f"{folder}/go.mod", "w").write("module functions\n\ngo 1.17\n")
for p in range(packages):
    os.makedirs(f"{folder}/p{p}")
    with open(f"{folder}/p{p}/p.go", "w") as f:
        f.write(f"package p{p}\n\n")
        for i in range(each):
            f.write(f"func f{i}(x int) int {{ return x*{i + 3} + {p} }}\n\n")
        f.write("var Table = []func(int) int{" + ", ".join(f"f{i}" for i in range(each)) + "}\n")
with open(f"{folder}/main.go", "w") as f:
    f.write("package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n")
    f.writelines(f'\t"functions/p{p}"\n' for p in range(packages))
    f.write(")\n\nfunc main() {\n\tn := 0\n")
    f.writelines(f"\tn += len(p{p}.Table)\n" for p in range(packages))
    f.write('\tfmt.Println("ready", n)\n\tos.Stdin.Read(make([]byte, 1))\n}\n')
PY
}

# program NAME FUNCTIONS
program() {
	[ ! -x "$cache/$1-stripped" ] || return 0
	mkdir -p "$dir/$1" "$cache"
	write_source "$dir/$1" "$2"
	GOCACHE=$dir/gocache "$root/scripts/build-go.sh" "$dir/$1" "$cache/$1-plain"
	GOCACHE=$dir/gocache GO_BUILD_FLAGS=-ldflags=-s "$root/scripts/build-go.sh" "$dir/$1" "$cache/$1-stripped"
	rm -rf "$dir/gocache"
}

# attach PROGRAM: milliseconds from starting xgotopfs to all probes being in place.
attach() {
	local started
	rm -f "$dir/in" "$dir/out"
	mkfifo "$dir/in"
	"$1" <"$dir/in" >"$dir/out" &
	target=$!
	exec 7>"$dir/in"
	until grep -q ready "$dir/out" 2>/dev/null; do sleep 0.01; done
	mkfifo "$dir/log"
	started=$(date +%s%N)
	"$xgotopfs" -s -pid "$target" >/dev/null 2>"$dir/log" &
	while read -r line; do
		case $line in *"Ctrl-C ends"*) break ;; esac
	done <"$dir/log"
	echo $((($(date +%s%N) - started) / 1000000))
	kill "$target"
	wait 2>/dev/null || true
	target=
	exec 7>&-
	rm -f "$dir/log"
}

program small 5000
program large "$functions"
printf '%-18s %12s %12s %18s\n' program functions MiB 'attached after ms'
for name in small large; do
	for mode in plain stripped; do
		file=$cache/$name-$mode
		for _ in $(seq "$runs"); do attach "$file"; done | sort -n >"$dir/times"
		printf '%-18s %12d %12d %18d\n' "$name $mode" \
			"$(nm "$cache/$name-plain" | grep -c ' [Tt] ')" \
			$(($(stat -c %s "$file") >> 20)) "$(sed -n "$((runs / 2 + 1))p" "$dir/times")"
	done
done
