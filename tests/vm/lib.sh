# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by tests/arm64/run.sh and tests/kernels.sh: a machine made of a kernel, a RAM disk with
# tests/vm/init in it and one disk for what is to be looked at outside. No network in the guest.
# shellcheck shell=bash

# vm_packages NAME...: installs what is missing of them; 77 without the rights to.
vm_packages() {
	local package missing=
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	[ "$(id -u)" -eq 0 ] || { echo "SKIP: needs root to install:$missing"; exit 77; }
	echo "installing$missing"
	# shellcheck disable=SC2086
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=300 \
		--no-install-recommends $missing; } >/dev/null || { echo "SKIP: cannot install:$missing"; exit 77; }
}

# vm_image FOLDER PART...: the folders of the RAM disk, and the parts of init that are to run.
vm_image() {
	local image=$1
	shift
	mkdir -p "$image"/{bin,usr/bin,usr/sbin,lib,lib64,modules,programs,etc}
	cp "${BASH_SOURCE[0]%/*}/init" "$image/init"
	chmod +x "$image/init"
	echo "$@" >"$image/parts"
}

# vm_modules FOLDER TREE NAME...: copies the kernel modules that TREE has of these names, and those
# that they need, in an order in which they can be loaded. What is not there is built in.
vm_modules() {
	local image=$1 tree=$2
	shift 2
	python3 - "$image/modules" "$tree" "$@" <<'PY'
import lzma, pathlib, re, subprocess, sys

into, tree = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
files = {re.sub(r"\.ko.*", "", p.name).replace("-", "_"): p for p in tree.rglob("*.ko*")}
order = []

def content(path):
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout
    return path.read_bytes()

def take(name):
    if name not in files or name in order:
        return
    module = content(files[name])
    for needed in re.findall(rb"\0depends=([^\0]*)\0", module):
        for other in needed.decode().split(","):
            take(other.replace("-", "_"))
    (into / f"{name}.ko").write_bytes(module)
    order.append(name)

for name in sys.argv[3:]:
    take(name)
(into / "order").write_text("".join(f"{name}\n" for name in order))
PY
}

# vm_pack FOLDER FILE: the RAM disk.
vm_pack() {
	(cd "$1" && find . | cpio --quiet -o -H newc | gzip -1) >"$2"
	[ "$(stat -c %s "$2")" -gt 1000000 ] || { echo "the initial RAM disk is too small"; return 1; }
}

# vm_boot SECONDS LOG DISK COMMAND...: until power-off, with an empty disk; LOG is the console.
# vm_pid is set as long as it runs.
vm_boot() {
	local limit=$1 log=$2 disk=$3
	shift 3
	rm -f "$disk"
	truncate -s 256M "$disk"
	rm -f "$log.raw"
	timeout "$limit" "$@" -nic none -nographic -no-reboot </dev/null >"$log.raw" 2>&1 &
	vm_pid=$!
	wait "$vm_pid" || true
	vm_pid=
	tr -d '\r' <"$log.raw" >"$log"
	rm "$log.raw"
}

# vm_results DISK FOLDER
vm_results() {
	mkdir -p "$2"
	gzip -q -d -c "$1" 2>/dev/null | tar -x -C "$2" || true
}

# vm_exact RESULTS GO: the trace in that folder against what the program said that it did.
vm_exact() {
	local lost
	lost=$(sed -n 's/.*"lost_events": \([0-9]*\).*/\1/p' "$1/metadata.json" 2>/dev/null)
	python3 "${BASH_SOURCE[0]%/*}/../exact.py" "$1/truth.json" "$1/events.jsonl" --go "${2#1.}" --lost "${lost:-0}"
}
