#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Builds a sample Go program and prints the path of the result:
#     build.sh VERSION MODE PROGRAM
# VERSION  local, or a release: 1.17, 1.22.12. A release without a patch number is the newest known
#          here; scripts/go.sh fetches it.
# MODE     words joined by "-": plain, stripped, pie, cgo, trimpath, race, noswissmap, nodwarf,
#          shared (c-shared library), plugin, arm64 (pure Go only), spectre, leakprofile (Go's own profile of leaked goroutines), pgo (with a profile that the workload took of itself, or of one thing:
#          pgo:channels, pgo:calls, pgo:go, pgo:allocation), noopt (as for a debugger: -N -l), noinline (-l), cover,
#          asan, msan, v4 (GOAMD64), fips (GOFIPS140=latest), mold, lld, gold (the linker of what cgo needs),
#          exp:NAME (a GOEXPERIMENT): cgo-pie-stripped, pie-arm64, pgo-stripped.
# PROGRAM  a folder beside this script.
# Results are kept under tests/.cache and built again when a source is newer; a case is given a copy of its own
# (tests/own.sh). Exit 77: this mode does not exist for this version.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 3 ] || { sed -n '3,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
version=$1 mode=$2 program=$3
[ -f "$here/$program/go.mod" ] || { echo "$0: no program $program in $here" >&2; exit 2; }

scripts=$here/../../scripts
case $version in
local) go=$("$scripts/go.sh"); version=$(GOTOOLCHAIN=local "$go" env GOVERSION)
	version=${version#go}; version=${version%% *} ;;
1.17) version=1.17.13 ;;
1.18) version=1.18.10 ;;
1.19) version=1.19.13 ;;
1.20) version=1.20.14 ;;
1.21) version=1.21.13 ;;
1.22) version=1.22.12 ;;
1.23) version=1.23.12 ;;
1.24) version=1.24.13 ;;
1.25) version=1.25.14 ;;
1.26) version=1.26.11 ;;
1.27) version=1.27.3 ;;
esac
minor=${version#1.}
minor=${minor%%[!0-9]*}

cgo=0 arch=amd64 experiment= ldflags= flags= pgo= level= fips= cc= linker= gcflags=
[ "$(uname -m)" = aarch64 ] && arch=arm64
for word in $(echo "$mode" | tr - ' '); do
	case $word in
	plain) ;;
	stripped) ldflags="$ldflags -s -w" ;;
	nodwarf) ldflags="$ldflags -w" ;;
	pie) flags="$flags -buildmode=pie" ;;
	cgo) cgo=1 flags="$flags -tags=withcgo" ;;
	trimpath) flags="$flags -trimpath" ;;
	shared) cgo=1 flags="$flags -buildmode=c-shared -tags=library" ;;
	plugin) cgo=1 flags="$flags -buildmode=plugin -tags=plugged" ;;
	race) cgo=1 flags="$flags -race" ;;
	noswissmap)
		case $minor in 24 | 25) experiment=noswissmap ;; *) exit 77 ;; esac ;;
	arm64) arch=arm64 ;;
	spectre) flags="$flags -gcflags=all=-spectre=all -asmflags=all=-spectre=all" ;;
	noopt) gcflags="all=-N -l" ;; # as for a debugger
	noinline) gcflags="all=-l" ;; # as for tests that replace functions
	cover) flags="$flags -cover -coverpkg=./..." ;;
	asan) cgo=1 flags="$flags -asan" ;;
	msan) cgo=1 cc=clang flags="$flags -msan" ;;
	v4) level=v4 ;;
	fips) fips=latest ;;
	mold | lld | gold) linker="-fuse-ld=$word" ;;
	exp:*) experiment=${word#exp:} ;;
	leakprofile) # an experiment of 1.26; 1.27 has it
		[ "$minor" -ge 26 ] || exit 77
		[ "$minor" -ge 27 ] || experiment=goroutineleakprofile ;;
	pgo | pgo:*) pgo=1 heat=${word#pgo} heat=${heat#:}; [ "$minor" -ge 20 ] || exit 77 ;; # -pgo came with 1.20
	*) echo "$0: unknown mode $word" >&2; exit 2 ;;
	esac
done
# The sample programs look at the runtime's own tables.
[ "$minor" -ge 23 ] && ldflags="$ldflags -checklinkname=0"

out=$here/../.cache/go$version/$mode/$program
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
if [ -f "$out" ] && [ -z "$(find "$here/$program" "$here/build.sh" -type f -newer "$out")" ]; then
	exec "$here/../own.sh" "$out"
fi
[ -n "${go:-}" ] || go=$("$scripts/go.sh" "$version")
goflags=-buildvcs=false
[ "$minor" -lt 18 ] && goflags=-mod=mod # not empty: that would mean "as in go env -w"
# Go 1.19's package index does not work when the toolchain itself is in the module cache.
godebug=
[ "$minor" -eq 19 ] && godebug=goindex=0
if [ -n "$pgo" ]; then
	# Of the same release, since what is hot in the runtime differs.
	exec 9>&- # the profile's own build takes the same lock for another file
	"$("$here/build.sh" "$version" plain workload)" -hot "$out.pgo" -heat "$heat" 2>/dev/null
	exec 9>"$out.lock"
	flock 9
	flags="$flags -pgo=$out.pgo"
fi
cd "$here/$program"
env GODEBUG=$godebug GOTOOLCHAIN=local GOFLAGS="$goflags" GO111MODULE=on GOWORK=off \
	GOOS=linux GOARCH="$arch" CGO_ENABLED="$cgo" GOEXPERIMENT="$experiment" \
	${level:+GOAMD64="$level"} ${fips:+GOFIPS140="$fips"} ${cc:+CC="$cc"} \
	"$go" build $flags ${gcflags:+-gcflags="$gcflags"} -ldflags="$ldflags${linker:+ -linkmode=external -extldflags=$linker}" -o "$out.new" . >&2
mv "$out.new" "$out"
exec "$here/../own.sh" "$out"
