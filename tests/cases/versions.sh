#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The ways in which a program says its Go version, or hardly does: strings with suffixes, no
# .go.buildinfo, no section headers at all. Its own bytes are changed, nothing of its code; traced, it is
# exact all the same.
# timeout: 300
# beside: yes
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
. "$(dirname "$0")/../matrix_lib.sh"
need_tracing
binary=$(target 1.25 stripped workload) || fail "no workload"
cat >"$T/change.py" <<'PY'
import struct, sys
source, target, how, text = sys.argv[1:]
data = bytearray(open(source, "rb").read())
shoff, = struct.unpack_from("<Q", data, 0x28)
size, count, names = struct.unpack_from("<HHH", data, 0x3a)
head = lambda i: struct.unpack_from("<IIQQQQ", data, shoff + i * size)
strings = head(names)[4]
for i in range(count):
    at = strings + head(i)[0]
    if data[at:data.index(0, at)] == b".go.buildinfo":
        offset, length = head(i)[4:6]
        break
if how == "version":        # a count and the text, as cmd/link writes them; then no module information
    assert len(text) < 128 and 34 + len(text) <= length
    data[offset + 32:offset + 34 + len(text)] = bytes([len(text)]) + text.encode() + b"\0"
elif how == "nameless":     # the header stays and the section has another name
    data[at:at + 13] = b".some.other.n"
elif how == "blank":        # runtime.buildVersion alone is left
    data[at:at + 13] = b".some.other.n"
    data[offset:offset + length] = bytes(length)
elif how == "sectionless":
    struct.pack_into("<Q", data, 0x28, 0)
    struct.pack_into("<HHH", data, 0x3a, 0, 0, 0)
open(target, "wb").write(data)
PY

# says HOW TEXT VERSION: changed so, it is taken for this version and traced exactly.
says() {
	local dir=$T/$1
	rm -rf "$dir"
	mkdir "$dir"
	python3 "$T/change.py" "$binary" "$dir/workload" "$1" "$2" || fail "$1 $2: cannot change it"
	chmod +x "$dir/workload"
	"$XGOTOPFS" -s -record -storage-format jsonl -storage-dir "$dir/s" -- "$dir/workload" -wait=false \
		>"$dir/truth" 2>"$LOG" || fail "$1 $2: status $?: $(cat "$LOG")"
	grep -qF "$dir/workload, $3)" "$LOG" || fail "$1 $2: not taken for $3: $(cat "$LOG")"
	python3 "$ROOT/tests/exact.py" "$dir/truth" "$dir"/s/*/events.jsonl --go 25 --lost "$(lost_of "$LOG")" \
		>"$dir/found" || fail "$1 $2: $(cat "$dir/found")"
	check_log
}
for version in "go1.25-20250209-RC00 cl/724968557 X:boringcrypto" "go1.25.14 X:nocoverageredesign" \
	"go1.25.14+custom" "go1.25rc2" "devel go1.25-0123abcd Mon Nov 2 2026" "go1.25-devel_0123abcd"; do
	says version "$version" "$version"
done
for how in nameless blank sectionless; do says "$how" "" go1.25.14; done

# Experiments with which the runtime's structs, or its registers, are others.
for experiment in staticlockranking noexectracer2 noregabiwrappers,noregabig,noregabiargs pagetrace; do
	for before in " " -; do # as releases up to 1.26, and from 1.27 on, write it
		python3 "$T/change.py" "$binary" "$T/moved" version "go1.25.14${before}X:$experiment" || fail "cannot change it"
		refuses 3 "$T/moved: it was built with GOEXPERIMENT=" -b "$T/moved"
	done
done
