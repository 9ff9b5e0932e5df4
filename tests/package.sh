#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The Debian package: lintian finds no error in it, and on a clean Debian (debootstrap's minbase, from this
# machine's mirror) apt installs it with what it depends on; it runs, attaches, replays and mounts there,
# and purging it leaves no file. tests/cases/package.sh is the same with -here.
# Usage: tests/package.sh [-here]     -here: on a copy-on-write view of this machine, without debootstrap
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/app_lib.sh"
need_root
in_own_mounts "$@"
need dpkg-buildpackage lintian jq chroot
here=
[ "${1:-}" != -here ] || here=1
[ -n "$here" ] || need debootstrap

# --- the package
"$ROOT/scripts/package.sh" "$T/package" >"$T/out" 2>&1 || fail "no package: $(tail -n 30 "$T/out")"
deb=$(echo "$T"/package/xgotopfs_*.deb)
[ -f "$deb" ] || fail "no package: $(ls "$T/package")"
expect "its version" "$(dpkg-deb --field "$deb" Version)" "$(meson introspect --projectinfo "$XGOTOPFS_BUILD" | jq -r .version)"
# As nobody where that can be: lintian has something to say to root.
lintian --allow-root --fail-on error,warning "$T"/package/xgotopfs_*.changes >"$T/out" 2>&1 ||
	fail "lintian: $(cat "$T/out")"
dpkg-deb --fsys-tarfile "$deb" | tar -t | grep -q '^./usr/share/man/man1/xgotopfs.1.gz$' || fail "no compressed man page"
for library in libbpf1 libfuse3-3 libwebsockets libprotobuf-c1; do
	dpkg-deb --field "$deb" Depends | grep -q "$library" || fail "it does not depend on $library"
done

# --- a root to install it into
root=$T/root
mkdir "$root"
if [ -n "$here" ]; then
	# The upper layer may not lie in the lower one.
	mkdir "$T/layers"
	mount -t tmpfs none "$T/layers" || skip "may not mount"
	mkdir "$T/layers/upper" "$T/layers/work"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$T/layers/upper,workdir=$T/layers/work" "$root" 2>"$T/err" ||
		skip "no overlay of the root: $(cat "$T/err")"
else
	http_proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy='\(.*\)'/\1/")
	[ -z "$http_proxy" ] || export http_proxy
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' | head -n 1)
	debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$T/out" 2>&1 ||
		fail "debootstrap: $(tail -n 20 "$T/out")"
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
	cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null
fi
for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder" || fail "cannot mount $folder"; done
INSIDE=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root")
inside() { "${INSIDE[@]}" "$@"; }
unwind() {
	[ -z "${served:-}" ] || kill -KILL "$served" 2>/dev/null
	for folder in root/mnt proc sys dev .; do umount -R -l "$root/$folder" 2>/dev/null; done
	umount -l "$T/layers" 2>/dev/null
}
on_exit unwind

# Files where packages have some, but for what a package manager and its log keep. (The rest belongs to
# others, who may be at work.)
files() {
	(cd "$root" && find ./etc ./usr ./lib* ./bin ./sbin ./opt ./var -xdev \( -path ./var/tmp -o -path ./var/spool -o -path "./${T#/}" \
		-o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log \) -prune -o -print |
		grep -vE '^\./etc/(passwd|group|g?shadow|sub[ug]id)-$|^\./etc/ld.so.cache$' | sort)
}
if [ -n "$here" ]; then
	# It may be installed here.
	inside dpkg --purge xgotopfs >/dev/null 2>&1
fi
cp "$deb" "$root/root/xgotopfs.deb"
cp -r "$ROOT/tests/data/original" "$root/root/sessions"
if [ -z "$here" ]; then
	# What it depends on stays, so that only what is its own can be missing afterwards.
	inside apt-get -qq update >"$T/out" 2>&1 || fail "apt-get update: $(cat "$T/out")"
	depends=$(dpkg-deb --field "$deb" Depends | sed 's/([^)]*)//g; s/,/ /g')
	# shellcheck disable=SC2086
	inside apt-get -qq install -y --no-install-recommends $depends >"$T/out" 2>&1 || fail "apt-get: $(tail -n 20 "$T/out")"
fi
files >"$T/before"
# apt says a missing dependency, dpkg would leave it half installed.
inside apt-get -qq install -y --no-install-recommends /root/xgotopfs.deb >"$T/out" 2>&1 ||
	fail "it does not install: $(tail -n 20 "$T/out")"
! grep -iE '^(E:|W:|dpkg: (error|warning)|chown|adduser: )' "$T/out" || fail "installing it is not quiet: $(cat "$T/out")"

# --- it runs there
inside xgotopfs -version >"$T/out" 2>&1 || fail "it does not run: $(cat "$T/out")"
grep -q "^xgotopfs " "$T/out" || fail "-version says $(cat "$T/out")"
expect "the user of its service" "$(inside id -nu xgotopfs 2>&1)" xgotopfs
grep -q '^ExecStart=/usr/bin/xgotopfs ' "$root/lib/systemd/system/xgotopfs.service" || fail "the service starts something else"
"$XGOTOPFS" -doctor >"$T/doctor" 2>&1
expect "status of -doctor, as outside" "$(inside xgotopfs -doctor >"$T/out" 2>&1; echo $?)" "$("$XGOTOPFS" -doctor >/dev/null 2>&1; echo $?)"
session=ad662111-7874-4aa4-b982-cac648075fbf
inside xgotopfs -replay $session -storage-dir /root/sessions -speed 0 >"$T/events" 2>"$T/err" || fail "it does not replay: $(cat "$T/err")"
expect "events replayed" "$(wc -l <"$T/events")" "$(jq .event_count "$ROOT/tests/data/original/$session/metadata.json")"
mkdir "$root/root/mnt"
fresh "$T/out" "$T/err"
"${INSIDE[@]}" xgotopfs -replay $session -storage-dir /root/sessions -speed 0 /root/mnt >"$T/out" 2>"$T/err" &
served=$!
replayed() { [ "$(grep -c . "$root/root/mnt/events" 2>/dev/null)" = "$(wc -l <"$T/events")" ] || { gone $served && fail "it ends: $(cat "$T/err")"; }; }
wait_for 20 replayed || fail "the mount does not show the session: $(cat "$T/err")"
kill -TERM $served
wait_for 20 gone $served || fail "the replay does not end"
wait $served
expect "status of the replay" $? 0
served=
if [ "$(grep -c FAIL "$T/doctor")" = 0 ]; then
	private_demo
	load -rate 50 >/dev/null 2>&1 &
	on_exit "end $!"
	timeout $((20 * SLACK)) "${INSIDE[@]}" xgotopfs -pid "$DEMO" 2>"$T/err" | head -n 100 >"$T/live"
	[ "$(wc -l <"$T/live")" = 100 ] || fail "it does not trace: $(cat "$T/err")"
fi

# --- and goes
inside apt-get -qq purge -y xgotopfs >"$T/out" 2>&1 || fail "it cannot be removed: $(cat "$T/out")"
! grep -iE 'warning|error|not empty' "$T/out" || fail "removing it is not quiet: $(cat "$T/out")"
files >"$T/after"
# by_others WAY FILE: it came, or went, in what we have a view of: others are at work on this machine.
there() { [ -e "$1" ] || [ -L "$1" ]; }
by_others() { if [ "$1" = ">" ]; then there "/$2"; else ! there "/$2"; fi; }
diff "$T/before" "$T/after" | grep '^[<>]' | while read -r way file; do
	[ -n "$here" ] && by_others "$way" "$file" || echo "$way $file"
done >"$T/diff"
[ ! -s "$T/diff" ] || fail "it leaves, or takes along: $(cat "$T/diff")"
inside dpkg -s xgotopfs >/dev/null 2>&1 && fail "dpkg still knows it"
exit 0
