#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The arm64 build, tried on arm64: cross-builds xgotopfs, boots a stock Debian arm64 kernel under
# qemu-system-aarch64 with it and the workload of several Go releases, and holds the traces against
# what the programs say they did; what their goroutines wait on against their own account, and who is
# leaked against their names (of the last release, or of many when none is given); PARTS: only these of tests/vm/init. No network in the guest. Everything fetched is kept under
# tests/.cache/arm64. Usage: tests/arm64/run.sh [GO-VERSION...]      exit 77: cannot run here
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=$root/tests/.cache/arm64
parts=${PARTS:-doctor first mount waits leaks}
newest=${*: -1}
[ $# -gt 0 ] || { set -- 1.17 1.20 1.23 1.27; newest="1.18 1.21 1.24 $*"; }

say() { echo "arm64: $*"; }

. "$here/../vm/lib.sh"
vm_packages qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross mmdebstrap cpio

mkdir -p "$cache"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-arm64.XXXXXX")
vm_pid=
cleanup() {
	[ -z "$vm_pid" ] || kill "$vm_pid" 2>/dev/null || true
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# unpack NAME PACKAGES: Debian packages for arm64, unpacked and not configured, once.
unpack() {
	local folder=$cache/$1 include=$2 mirrors
	[ "$(cat "$folder/.packages" 2>/dev/null)" = "$include" ] && return 0
	say "unpacking $1"
	rm -rf "$folder"
	mirrors=${XGOTOPFS_DEBIAN_MIRROR:-http://deb.debian.org/debian}
	mmdebstrap --quiet --variant=extract --architectures=arm64 --include="$include" \
		--aptopt='Apt::Install-Recommends "false"' bookworm "$folder" \
		"deb $mirrors bookworm main" "deb $mirrors bookworm-updates main"
	echo "$include" >"$folder/.packages"
}
unpack sysroot busybox-static,fuse3,libc6-dev,linux-libc-dev,libbpf-dev,libelf-dev,libdw-dev,libfuse3-dev,libprotobuf-c-dev,libwebsockets-dev,libinih-dev,libjansson-dev,libzydis-dev,libcap-ng-dev,libseccomp-dev,libcmocka-dev
unpack kernel linux-image-cloud-arm64
sysroot=$cache/sysroot

say "cross-building"
build=$cache/build
sed "s|@SYSROOT@|$sysroot|" "$here/cross.ini.in" >"$cache/cross.ini"
# The folder that it builds from is in it: another one's would be tested instead.
[ "$(cat "$build/.root" 2>/dev/null)" = "$root" ] || rm -rf "$build"
if [ ! -f "$build/build.ninja" ]; then
	meson setup --cross-file "$cache/cross.ini" "$build" "$root" >"$cache/meson.log" 2>&1 ||
		{ cat "$cache/meson.log"; exit 1; }
	echo "$root" >"$build/.root"
fi
ninja -C "$build" xgotopfs >"$cache/ninja.log" 2>&1 || { tail -n 40 "$cache/ninja.log"; exit 1; }

say "the machine's files"
image=$tmp/image
# shellcheck disable=SC2086
vm_image "$image" $parts
cp "$sysroot/bin/busybox" "$image/bin/"
cp "$sysroot/bin/fusermount3" "$image/usr/bin/" 2>/dev/null || cp "$sysroot/usr/bin/fusermount3" "$image/usr/bin/"
aarch64-linux-gnu-strip -o "$image/usr/bin/xgotopfs" "$build/xgotopfs"
vm_modules "$image" "$cache/kernel/lib/modules" virtio_mmio virtio_blk fuse
for version in "$@"; do
	program=$("$root/tests/targets/build.sh" "$version" arm64-stripped workload)
	cp "$program" "$image/programs/go$version"
done
for version in $newest; do
	for program in waits leaked; do
		cp "$("$root/tests/targets/build.sh" "$version" arm64-stripped $program)" "$image/programs/$program-$version"
	done
done
# The libraries that the programs need, and those that these need.
wanted=$(aarch64-linux-gnu-readelf -d "$image/usr/bin/xgotopfs" "$image/usr/bin/fusermount3" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
while [ -n "$wanted" ]; do
	more=
	for library in $wanted; do
		[ ! -e "$image/lib/$library" ] || continue
		file=$(find "$sysroot/lib/aarch64-linux-gnu" "$sysroot/usr/lib/aarch64-linux-gnu" -name "$library" | head -n 1)
		[ -n "$file" ] || { echo "no $library in the sysroot"; exit 1; }
		cp -L "$file" "$image/lib/$library"
		more="$more $(aarch64-linux-gnu-readelf -d "$image/lib/$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')"
	done
	wanted=$more
done
cp -L "$sysroot"/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1 "$image/lib/"
vm_pack "$image" "$tmp/initrd.gz"

say "booting"
started=$SECONDS
vm_boot $((1000 + 100 * $(echo $newest | wc -w))) "$tmp/log" "$tmp/disk" qemu-system-aarch64 -M virt -cpu cortex-a72 -smp 2 -m 2G \
	-kernel "$(echo "$cache"/kernel/boot/vmlinuz-*)" -initrd "$tmp/initrd.gz" \
	-drive file="$tmp/disk",format=raw,if=none,id=out -device virtio-blk-device,drive=out \
	-append 'console=ttyAMA0 rdinit=/init panic=-1 quiet'
grep '^GUEST:' "$tmp/log" || true
say "$((SECONDS - started)) s from boot to power-off"
failed=0
grep -q '^GUEST: VERDICT good' "$tmp/log" || { failed=1; tail -n 40 "$tmp/log"; }

vm_results "$tmp/disk" "$tmp/out"
for version in "$@"; do
	[[ " $parts " == *" first "* ]] || break
	if vm_exact "$tmp/out/go$version" "$version"; then
		say "go$version exact"
	else
		say "go$version NOT exact"
		failed=1
	fi
done
for version in $newest; do
	[[ " $parts " == *" waits "* ]] || break
	out=$tmp/out/waits-$version
	if python3 "$root/tests/waits_compare.py" "$out/account" "$out/mnt" --go "${version#1.}" --descriptors "$out/descriptors"; then
		say "go$version waits exact"
	else
		say "go$version waits NOT exact"
		failed=1
	fi
done
exit $failed
