#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How the text of the code is: C files as .clang-format has them, words spelled right, the licence said in every
# file of code, files that background commands of shell scripts write begun anew, links between pages that
# lead somewhere. Of what git knows, and what it would add.
# Usage: tests/style.sh [format|spelling|licence|background|links]...     77: a tool is not here, or is of another release
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
[ $# -gt 0 ] || set -- format spelling licence background links

files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ ! -f "$file" ] || echo "$file"; done; }

skip() {
	echo "SKIP: $*"
	[ "$bad" = 0 ] || exit 1
	exit 77
}

format() {
	# Each release breaks lines in its own way.
	command -v clang-format >/dev/null || skip "no clang-format"
	local version
	version=$(clang-format --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
	[ "$version" = 14 ] || skip "clang-format is $version, not 14 (Debian 12's)"
	files '*.c' '*.h' | xargs clang-format --dry-run -Werror || { echo "clang-format -i FILE mends it"; bad=1; }
}

spelling() {
	command -v codespell >/dev/null || skip "no codespell"
	# What others wrote or recorded, and what fuzzing found, is as it is.
	files | grep -vE '^(LICENSES/|tests/data/|tests/fuzz/corpus/|web/ui/package-lock\.json)|\.png$' | xargs codespell || bad=1
}

licence() {
	local file without
	# Go programs apart: tests know the numbers of their lines. REUSE.toml speaks for all the rest.
	without=$(files | while read -r file; do
		case $file in
		*.go | tests/fuzz/corpus/*) continue ;;
		*.c | *.h | *.sh | *.py | *.ts | *.tsx | *.mjs | *.css | *.build | *.proto | *.in | meson_options.txt) ;;
		*) [ "$(head -c 2 "$file" | tr -d '\0')" = '#!' ] || continue ;;
		esac
		head -n 4 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' || echo "$file"
	done)
	[ -z "$without" ] || { echo "no SPDX-License-Identifier line: $without"; bad=1; }
}

links() { files '*.md' | xargs python3 tests/doc_links.py || bad=1; }

background() { files '*.sh' | xargs python3 tests/fresh_output.py || bad=1; }

git rev-parse --git-dir >/dev/null 2>&1 || skip "not a git checkout"
for part; do "$part"; done
exit $bad
