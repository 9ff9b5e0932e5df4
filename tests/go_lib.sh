# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by who needs programs of ours built. ROOT is the repository.
# shellcheck shell=bash

# built FILE FOLDER OUTPUT [VERSION [PACKAGES]]: what scripts/build-go.sh makes of FOLDER, once: again when there is no FILE,
# or something is newer.
built() {
	local file=$1 source=$2
	shift
	mkdir -p "${file%/*}"
	(
		flock 9
		if [ ! -f "$file" ] || [ -n "$(find "$source" "$ROOT/scripts/build-go.sh" -newer "$file")" ]; then
			"$ROOT/scripts/build-go.sh" "$@" >&2 && touch "$file"
		fi
	) 9>"$file.lock"
}
