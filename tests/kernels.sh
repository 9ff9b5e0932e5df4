#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# xgotopfs on other kernels than this machine's: boots those that the distributions' archives have under
# qemu (emulated: the same on every machine), each with the same small workload, and holds the
# traces against what the programs say they did. Per kernel: -doctor; traced from the first
# instruction and attached to (exact counts, the code as it was afterwards); the mount; the tracer
# killed (its keeper takes the probes out); the watched file changed in place. Where a kernel cannot,
# -doctor and the start must say why. Prints a table. Kernels are kept under tests/.cache/kernels.
#
# Usage: tests/kernels.sh [-g GO-VERSION]... [-p PART]... [NAME]...
#        NAME: a row of kernels() (all of them); PART: of tests/vm/init (doctor first attach namespace mount killed lease hotplug)
# XGOTOPFS_UBUNTU_MIRROR: address of an Ubuntu archive; without one, its kernels are left out.
# Exit status: 0 all as expected, 1 not, 77 cannot run here.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cache=$root/tests/.cache/kernels
LIMIT=1500 # seconds, of one kernel; 90 on a machine at rest
build=${XGOTOPFS_BUILD:-$root/build}

# name, distribution, suite, package, what is expected, kernel command line. Expected: works; refused;
# blind: events, but nothing from memory; nearly: works, but some hits in 100,000 do not reach the BPF
# program (the kernel's own count of its runs is that of what we have). So it is with 6.18 and 7.3 under
# qemu 7.2, even with one processor; the 6.18 of a real machine loses none.
kernels() {
	cat <<-'EOF'
		5.10          debian bullseye           linux-image-cloud-amd64 refused
		5.15          ubuntu jammy-updates      linux-image-virtual     works
		5.15-kvm      ubuntu jammy-updates      linux-image-kvm         works
		6.1           debian bookworm           linux-image-cloud-amd64 works
		6.1-generic   debian bookworm           linux-image-amd64       works
		6.1-rt        debian bookworm           linux-image-rt-amd64    works
		6.8           ubuntu noble-updates      linux-image-virtual     works
		6.12          debian bookworm-backports linux-image-cloud-amd64 works
		6.12-generic  debian trixie             linux-image-amd64       works
		newest        debian trixie-backports   linux-image-cloud-amd64 nearly
		integrity     debian bookworm           linux-image-cloud-amd64 works   lockdown=integrity
		confidential  debian bookworm           linux-image-cloud-amd64 refused lockdown=confidentiality
		hidden-btf    debian bookworm           linux-image-cloud-amd64 works   hide_btf
		strict        debian bookworm           linux-image-cloud-amd64 works   sysctl.kernel.unprivileged_bpf_disabled=1 sysctl.kernel.perf_event_paranoid=4 sysctl.kernel.kptr_restrict=2
		no-ptrace     debian bookworm           linux-image-cloud-amd64 blind   sysctl.kernel.yama.ptrace_scope=3
	EOF
}

releases=() parts=()
while getopts g:p: option; do
	case $option in
	g) releases+=("$OPTARG") ;;
	p) parts+=("$OPTARG") ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ ${#releases[@]} -gt 0 ] || releases=(1.17 1.22 1.27)
[ ${#parts[@]} -gt 0 ] || parts=(doctor first attach namespace mount killed lease hotplug)
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(kernels | cut -d' ' -f1)

say() { echo "kernels: $*"; }
die() { echo "kernels: $*" >&2; exit 1; }
skip() { echo "SKIP: $*"; exit 77; }

[ "$(uname -m)" = x86_64 ] || skip "boots amd64 kernels with this machine's programs"
command -v dpkg-deb >/dev/null || skip "not a Debian system"
[ -x "$build/xgotopfs" ] || die "$build/xgotopfs is not built"
. "$root/tests/vm/lib.sh"
vm_packages qemu-system-x86 cpio busybox

mkdir -p "$cache"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/xgotopfs-kernels.XXXXXX")
vm_pid=
cleanup() {
	[ -z "$vm_pid" ] || kill "$vm_pid" 2>/dev/null || true
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# --- kernels ------------------------------------------------------------------------------------

# An archive's own apt, with nothing installed in it: apt_of DISTRIBUTION SUITE COMMAND ARG...
apt_of() {
	local distribution=$1 suite=$2 base=$cache/apt/$2
	shift 2
	APT_CONFIG=$base/apt.conf "$@"
}

# The Debian mirror that this machine uses.
debian_mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v security | head -n 1
}

# ubuntu_keyring: prints the path of the keys of Ubuntu's archive, from a Debian package.
ubuntu_keyring() {
	local file=$cache/ubuntu-keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg
	if [ ! -s "$file" ]; then
		prepare_apt debian bookworm-backports || return
		mkdir -p "$cache/debs"
		(cd "$cache/debs" && apt_of debian bookworm-backports apt-get -qq download ubuntu-keyring >/dev/null 2>&1 &&
			dpkg-deb -x ubuntu-keyring_*.deb "$cache/ubuntu-keyring" && rm ubuntu-keyring_*.deb) || return
	fi
	echo "$file"
}

# prepare_apt DISTRIBUTION SUITE: the archive's list of packages.
prepare_apt() {
	local distribution=$1 suite=$2 base=$cache/apt/$2 mirror keys
	case $distribution in
	debian)
		mirror=$(debian_mirror)
		keys=/usr/share/keyrings/debian-archive-keyring.gpg
		;;
	ubuntu)
		mirror=${XGOTOPFS_UBUNTU_MIRROR:-}
		[ -n "$mirror" ] || return
		keys=$(ubuntu_keyring) || return
		;;
	esac
	[ -n "$mirror" ] && [ -s "$keys" ] || return
	rm -rf "$base"
	mkdir -p "$base"/{lists/partial,cache/archives/partial}
	: >"$base/status"
	echo "deb [target=Packages signed-by=$keys] $mirror $suite main" >"$base/sources.list"
	cat >"$base/apt.conf" <<-EOF
		Dir::State::status "$base/status";
		Dir::State::lists "$base/lists";
		Dir::Cache "$base/cache";
		Dir::Etc::sourcelist "$base/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Acquire::Languages "none";
		APT::Architecture "amd64";
		APT::Sandbox::User "root";
	EOF
	apt_of "$distribution" "$suite" timeout 300 apt-get -qq update >"$tmp/apt.log" 2>&1
}

# needs PATTERN PACKAGE: the package it depends on whose name matches.
needs() {
	apt-cache depends --important "$2" | sed -n "s/^ *Depends: \($1\)\$/\1/p" | head -n 1
}
export -f needs

# fetch DISTRIBUTION SUITE PACKAGE: into $cache/SUITE-PACKAGE, once. 77: not to be had.
fetch() {
	local distribution=$1 suite=$2 package=$3 folder=$cache/$2-$3 image parts
	[ ! -f "$folder/packages" ] || return 0
	rm -rf "$folder" "$folder.new"
	if ! prepare_apt "$distribution" "$suite"; then
		echo "no archive of $distribution's $suite"
		return 77
	fi
	image=$package
	while [[ $image != linux-image-[0-9]* ]]; do
		image=$(apt_of "$distribution" "$suite" bash -c 'needs "linux-image-[^ ]*" "$1"' - "$image")
		[ -n "$image" ] || { echo "$suite has no $package"; return 77; }
	done
	parts=$(for part in modules binary; do
		apt_of "$distribution" "$suite" bash -c 'needs "linux-$2-[0-9][^ ]*" "$1"' - "$image" "$part"
	done)
	mkdir -p "$folder.new/debs"
	# shellcheck disable=SC2086
	(cd "$folder.new/debs" && apt_of "$distribution" "$suite" timeout 300 apt-get -qq download "$image" $parts >"$tmp/apt.log" 2>&1) ||
		{ echo "$image cannot be fetched: $(tail -n 1 "$tmp/apt.log")"; return 77; }
	for package in "$folder.new/debs"/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x -C "$folder.new" --wildcards './boot/*' '*lib/modules/*' 2>/dev/null
		dpkg-deb -W --showformat '${Package} ${Version}\n' "$package" >>"$folder.new/packages"
	done
	rm -rf "$folder.new/debs"
	[ -n "$(kernel_of "$folder.new")" ] || { echo "no kernel in $image $parts"; return 77; }
	# Only what the machine may load is kept.
	find "$folder.new" -name '*.ko*' ! -name 'virtio*' ! -name 'fuse*' -delete
	mv "$folder.new" "$folder"
}
kernel_of() { find "$1" -name 'vmlinuz*' -type f | head -n 1; }

# --- the machine --------------------------------------------------------------------------------

redeployed() {
	# shellcheck source=tests/redeploy_lib.sh
	(ROOT=$root && . "$root/tests/redeploy_lib.sh" && version "$1")
}

# copy_program PATH FOLDER: a program of this machine, with the libraries that it needs.
copy_program() {
	local library
	cp -L "$1" "$2/"
	ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$tmp/image/${library%/*}"
		cp -L -n "$library" "$tmp/image/$library"
	done
}

base_image() {
	local release
	# The Go programs first: they take longest when they have to be built.
	vm_image "$tmp/image"
	for release in "${releases[@]}"; do
		cp "$("$root/tests/targets/build.sh" "$release" stripped workload)" "$tmp/image/programs/go$release" ||
			die "the workload does not build with Go $release"
	done
	cp "$(redeployed 1)" "$tmp/image/programs/v1" && cp "$(redeployed 2)" "$tmp/image/programs/v2" ||
		die "the redeployed program does not build"
	copy_program "$(command -v busybox)" "$tmp/image/bin"
	copy_program "$(command -v fusermount3)" "$tmp/image/usr/bin"
	copy_program "$build/xgotopfs" "$tmp/image/usr/bin"
	strip "$tmp/image/usr/bin/xgotopfs"
}

# run NAME FOLDER EXPECTED COMMAND-LINE: prints what went wrong; sets `inexact`.
run() {
	local name=$1 folder=$2 expected=$3 extra=$4 out=$tmp/out status=0 wanted trace go traces=()
	inexact=
	rm -rf "$tmp/image/modules" "$out"
	mkdir "$tmp/image/modules"
	vm_modules "$tmp/image" "$folder" virtio_pci virtio_blk fuse || return
	case $expected in
	works | nearly) wanted="${parts[*]}" ;;
	blind) wanted=blind ;;
	refused) wanted=refused ;;
	esac
	echo "$wanted" >"$tmp/image/parts"
	vm_pack "$tmp/image" "$tmp/initrd.gz" || return
	# Not cx16: the emulation of qemu 7.2 breaks the flags of cmpxchg16b with a segment, and Linux 6.12.
	vm_boot "$LIMIT" "$tmp/log" "$tmp/disk" qemu-system-x86_64 -accel "${XGOTOPFS_QEMU_ACCEL:-tcg}" -cpu max,-cx16 -smp 2 -m 2G \
		-kernel "$(kernel_of "$folder")" -initrd "$tmp/initrd.gz" \
		-drive file="$tmp/disk",format=raw,if=none,id=out -device virtio-blk-pci,drive=out \
		-append "console=ttyS0 rdinit=/init panic=-1 quiet no_timer_check $extra"
	grep '^GUEST:' "$tmp/log" | sed "s/^GUEST:/$name:/"
	grep -q '^GUEST: VERDICT good' "$tmp/log" || { status=1; tail -n 30 "$tmp/log"; }
	[ "$expected" != refused ] || return "$status"
	vm_results "$tmp/disk" "$out"
	[[ " $wanted " != *" first "* ]] || traces=("${releases[@]}")
	for trace in attach namespace; do
		[[ " $wanted " != *" $trace "* ]] || traces+=("$trace")
	done
	for trace in "${traces[@]}"; do
		[[ $trace = 1.* ]] && go=$trace || go=${releases[-1]}
		vm_exact "$out/${trace/#1/go1}" "$go" && continue
		echo "$name: $trace is NOT exact"
		inexact=1
		[ "$expected" = nearly ] || status=1
	done
	return "$status"
}

base_image
say "the programs are built"
failed=0 ran=0 table=
for name in "${names[@]}"; do
	read -r _ distribution suite package expected extra < <(kernels | grep "^$name ") || die "no kernel $name"
	why=$(fetch "$distribution" "$suite" "$package")
	if [ $? -ne 0 ]; then
		table+="$name|$distribution $suite|not to be had here: $why"$'\n'
		continue
	fi
	started=$SECONDS
	run "$name" "$cache/$suite-$package" "$expected" "$extra"
	if [ $? = 0 ]; then
		case $expected in
		works | nearly) verdict="${inexact:+not }exact" ;;
		blind) verdict="events only, and says so" ;;
		refused) verdict=$(sed -n 's/^GUEST: refused: /refused, as it must be: status /p' "$tmp/log") ;;
		esac
	else
		verdict=BAD failed=1
	fi
	ran=$((ran + 1))
	table+="$name|$(sed -n 's/^GUEST: Linux \([^ ]*\) .*/\1/p' "$tmp/log")|$verdict ($((SECONDS - started)) s)"$'\n'
done
echo
column -t -s '|' <<<"$table"
[ $ran -gt 0 ] || skip "no kernel is to be had: $why"
exit $failed
