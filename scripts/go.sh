#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Prints the path of a `go` command. Usage: scripts/go.sh [VERSION]      (for instance 1.27.3)
# Without a version: the one that is installed. With one: that toolchain, fetched once from the Go
# module proxy into the module cache. A Go before 1.21 (Debian 12 has 1.19) cannot switch toolchains
# itself, so it first fetches one that can, as the module it is.
set -eu

bootstrap=1.21.13

go=$(command -v go 2>/dev/null || true)
if [ -z "$go" ] && [ -x /usr/local/go/bin/go ]; then
	go=/usr/local/go/bin/go
fi
if [ -z "$go" ]; then
	echo "go.sh: no Go here; scripts/install-deps.sh demo installs one" >&2
	exit 1
fi
if [ $# -eq 0 ]; then
	echo "$go"
	exit 0
fi
wanted=$1

# Away from any go.mod, whose toolchain line would interfere.
cd /
export GOFLAGS= GO111MODULE=on

# A proxy that does not answer once may do so the next time; what it said is said when it never does.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
trap 'exit 130' INT TERM HUP
fetched() {
	for pause in 1 4 15 45 0; do
		! "$@" 2>"$said" || return 0
		sleep $pause
	done
	cat "$said" >&2
	return 1
}

minor=$(GOTOOLCHAIN=local "$go" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
if [ "${minor:-0}" -lt 21 ]; then
	version=v0.0.1-go$bootstrap.$("$go" env GOOS)-$("$go" env GOARCH)
	root=$("$go" env GOMODCACHE)/golang.org/toolchain@$version
	if [ ! -x "$root/bin/go" ]; then
		fetched "$go" mod download "golang.org/toolchain@$version" >&2
		# The module cache drops execute bits; bin/go comes last, it says the rest is done.
		chmod -R a+x "$root/pkg/tool"
		chmod a+x "$root"/bin/gofmt "$root/bin/go"
	fi
	go=$root/bin/go
fi

export GOTOOLCHAIN=go$wanted
root=$(fetched "$go" env GOROOT) || root=
if [ ! -x "$root/bin/go" ] || [ "$(GOTOOLCHAIN=local "$root/bin/go" env GOVERSION)" != "go$wanted" ]; then
	echo "go.sh: could not get Go $wanted" >&2
	exit 1
fi
echo "$root/bin/go"
