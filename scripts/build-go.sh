#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Builds a Go program of this repository. Usage: scripts/build-go.sh FOLDER OUTPUT [VERSION [PACKAGES]]
# With PACKAGES ("./...") OUTPUT is a folder, with its slash.
# Extra build flags in GO_BUILD_FLAGS, for instance "-ldflags=-s". What the user has set with
# `go env -w` plays no part (a flag that is new would stop an old Go).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$1
output=$(realpath -m "$2")
version=${3:-}
packages=${4:-.}
[ $# -lt 4 ] || output=$output/

go=$("$here/go.sh" $version)
cd "$folder"
export GOENV=off GOFLAGS= GOTOOLCHAIN=local GOWORK=off
minor=$("$go" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
# Stamping asks git, which refuses a checkout that somebody else owns.
stamp=
[ "${minor:-0}" -lt 18 ] || stamp=-buildvcs=false
exec "$go" build $stamp ${GO_BUILD_FLAGS:-} -o "$output" "$packages"
