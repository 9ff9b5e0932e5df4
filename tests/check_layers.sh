#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The include rules: which folder may include which. Every include of our own names its folder.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0

complain() {
	echo "$1"
	bad=1
}

# allowed FOLDER PATTERN...: its C files include of our own only what matches one of the patterns
# (extended regular expressions over the path in the quotes).
allowed() {
	local folder=$1 pattern line
	shift
	pattern=$(IFS='|'; echo "^($*)$")
	while IFS= read -r line; do
		local path=${line#*\"}
		path=${path%%\"*}
		[[ $path =~ $pattern ]] || complain "${line%%:*} may not include \"$path\""
	done < <(grep -rEHs --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder")
}

B='core/base/.*' M='core/model/.*' T='core/target/.*' V='core/view/.*'
allowed core/base 'core/base/.*'
allowed core/target "$T" "$B"
allowed core/memory 'core/memory/.*' "$B" 'core/target/(target|allgs|goids|lock_flow|parts|pclntab|process|runtime_at|types|variables)\.h'
allowed core/model "$M" "$B"
allowed core/capture 'core/capture/.*' "$B" "$T" 'bpf/abi\.h' 'bpf/cpu\.h' 'core/model/event\.h' 'core/model/names\.h' \
	'core/model/control\.h' 'core/model/sample\.h' '[a-z_]*\.skel\.h'
allowed core/pprof 'core/pprof/.*' "$B" 'core/model/names\.h' 'proto/.*'
allowed core/session 'core/session/.*' "$B" "$M" 'proto/.*' '[a-z_]*\.pb-c\.h'
allowed core/pyramid 'core/pyramid/.*' "$B" "$M"
# Of memory the shape of what it read, which is data alone.
allowed core/view "$V" "$B" "$M" 'core/memory/(wait_graph|leak_groups|leak_report|runtime_seen)\.h' 'core/pprof/pprof\.h' 'core/pyramid/(pyramid|tile)\.h' 'core/session/perfetto\.h'
allowed fs 'fs/.*' "$B" "$V" 'core/model/(feed|event)\.h'
allowed web 'web/.*' "$B" "$V" 'core/model/(feed|event)\.h' 'core/session/.*' 'core/pyramid/pyramid\.h'
allowed bpf 'abi\.h' 'cpu\.h' '[a-z]*\.bpf\.h' 'bpf/.*'
allowed core/engine 'core/.*'
allowed app 'app/.*' 'core/.*' 'fs/fs\.h' 'web/web\.h'

# within FOLDERS WHERE...: of core/view's folders these alone; what lies in none is everybody's.
within() {
	local folders=$1 found
	shift
	found=$(grep -rnoE --include='*.[ch]' '"core/view/[a-z]+/[a-z_]+\.h"' "$@" | grep -vE "\"core/view/($folders)/")
	[ -z "$found" ] || complain "of core/view only $folders is for $1: $found"
}
within timeline core/view/timeline
within waits core/view/waits
within 'profiles|waits' core/view/profiles
within 'process|profiles' core/view/process
within 'goroutines|process|profiles|waits' core/view/goroutines
within 'problems|process|profiles|waits' core/view/problems
within 'none' core/view/*.[ch]

# only LIBRARY-HEADERS FOLDERS WHY
only() {
	local found
	found=$(grep -rlE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($1)" \
		app bpf core fs proto web xgotopfs.c | grep -vE "^($2)")
	[ -z "$found" ] || complain "$3: $found"
}
only 'bpf/' 'bpf/|core/capture/|app/version\.c' 'libbpf is for core/capture'
only 'fuse' 'fs/|app/version\.c' 'libfuse is for fs'
only 'libwebsockets' 'web/|app/version\.c' 'libwebsockets is for web'
only 'libelf|gelf|elfutils|dwarf' 'core/target/|app/version\.c' 'libelf and libdw are for core/target'
only 'Zydis' 'core/target/|app/version\.c' 'Zydis is for core/target'
only 'cap-ng\.h|seccomp\.h' 'core/base/' 'libcap-ng and libseccomp are for core/base'
only 'ini\.h' 'core/base/' 'inih is for core/base'

# What fs and web ask of the model they ask core/view: view.h brings the model's functions along. web makes
# the models of recorded sessions and follows the live one with its pyramid: these two files alone own any. A
# table of names is made for each session that is read.
found=$(grep -nE '(^|[^_a-z])(model|names|meter|gstate)_[a-z_]+\(' fs/*.[ch] web/*.[ch] |
	grep -vE '_names_|names_refresh|^web/(recorded|source)\.c:|^web/.*names_(new|free)\(')
[ -z "$found" ] || complain "core/view/family.h and overview.h say what is needed of the model: $found"

# Numbers from outside are read in one place, where what does not fit is an error. What the kernel writes
# into /proc and /sys may be scanned.
found=$(grep -rnE --include='*.[ch]' '(^|[^_a-zA-Z])(strto(u?ll?|[ui]max|f|d|ld)|ato(i|l|ll|f)|v?[fs]?scanf)\(' \
	app core fs web xgotopfs.c | grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/?\*|//)' |
	grep -vE '^(core/base/parse\.c|core/target/(mappings|process)\.c|core/memory/(sockets|wait_poll)\.c|core/capture/(check|uprobe_perf)\.c|fs/mount\.c):')
[ -z "$found" ] || complain "numbers are read by core/base/parse.h: $found"
found=$(grep -rnE --include='*.[ch]' "\* 10u?(ll)? *\+ .*- '0'|\(.*, 10u?(ll)?, &" app core fs web xgotopfs.c |
	grep -v '^core/base/parse\.c:')
[ -z "$found" ] || complain "digits are read by core/base/parse.h: $found"

# Threads start in one place, which says what is the matter; where it goes without one, it does so alone.
found=$(grep -rnE --include='*.c' 'pthread_create\(' app core fs web |
	grep -vE '^(core/base/thread|core/model/pool|core/capture/keeper)\.c:')
[ -z "$found" ] || complain "threads are started by core/base/thread.h: $found"

# A wire record is the business of two.
found=$(grep -rlE --include='*.[ch]' '"bpf/(abi|cpu)\.h"' app core fs web xgotopfs.c | grep -v '^core/capture/')
[ -z "$found" ] || complain "bpf/abi.h is for core/capture: $found"

# A name is opened, made, replaced and removed in core/base/safe_file.c only, where no planted link,
# FIFO or folder can mislead it. What begins with /proc/, /sys/ or /dev/ in the call itself is the
# kernel's. The others, "FILE CALL" each: files of the traced program, which are checked for what they
# are where they are opened, and /proc with a pid in its path; the mount point, which mount(2) takes by
# its path only, and fusermount3 in PATH; what Landlock grants, which opens nothing; what is open
# already, of which a call wants an empty name.
by_name='open|openat|openat2|creat|fopen|freopen|opendir|scandir|ftw|nftw|fts_open|mkdir|mkdirat|rename|renameat|renameat2'
by_name+='|unlink|unlinkat|rmdir|remove|stat|lstat|fstatat|statx|access|faccessat|euidaccess|truncate|chmod|fchmodat|chown|lchown'
by_name+='|fchownat|link|linkat|symlink|symlinkat|readlink|readlinkat|realpath|canonicalize_file_name|mkdtemp|mkstemp|mkostemp'
by_name+='|mktemp|tmpfile|tmpnam|mknod|mknodat|mkfifo|mkfifoat|utimes|utimensat|statfs|statvfs|setxattr|getxattr|chdir|chroot'
by_name+='|json_load_file|json_dump_file|ini_parse|gzopen'
allowed_by_name='app/doctor.c access
app/run_live.c realpath
core/base/confine_files.c open
core/base/cpu_time.c open
core/base/cpu_time.c openat
core/base/cpu_time.c opendir
core/base/cpu_time.c stat
core/capture/capture_file.c open
core/capture/capture_make.c open
core/capture/keeper.c open
core/capture/keeper.c chdir
core/capture/keeper.c readlink
core/capture/runners.c stat
core/target/file_copy.c stat
core/target/go_file.c open
core/target/image.c open
core/memory/about.c open
core/memory/memory.c open
core/target/mappings.c fopen
core/target/mappings.c open
core/target/mappings.c stat
core/memory/sockets.c fopen
core/memory/wait_poll.c readlink
core/target/process.c fopen
core/target/process.c readlink
core/session/writer.c statx
core/target/process.c stat
core/target/target_process.c open
core/target/target_process.c stat
fs/may_mount.c access
fs/may_mount.c stat
fs/mount.c opendir
fs/mount.c realpath
fs/mount.c stat
fs/mount.c statfs
fs/unmounter.c chdir
fs/unmounter.c open
fs/unmounter.c realpath
fs/unmounter.c statx'
while IFS=: read -r file line text; do
	call=$(sed -E "s/.*(^|[^A-Za-z0-9_>.])($by_name)\\(.*/\\2/" <<<"$text")
	grep -qxF "$file $call" <<<"$allowed_by_name" ||
		complain "$file:$line: $call() by name: use core/base/safe_file.h (or say in tests/check_layers.sh why not)"
done < <(grep -rnE --include='*.[ch]' "(^|[^A-Za-z0-9_>.])($by_name)\\(" app bpf core fs web xgotopfs.c |
	grep -vE '^core/base/safe_file\.c:|^[^:]*:[0-9]*:[[:space:]]*(/?\*|//)|\("/(proc|sys|dev)[/"]')

# No header without its guard, no room that calls exit() behind the composition root's back.
for header in $(find app core fs web -name '*.h'); do
	grep -q '^#ifndef XGOTOPFS_' "$header" || complain "$header has no include guard"
done
found=$(grep -rnE --include='*.c' '(^|[^_a-z])(exit|abort)\(' core fs web)
[ -z "$found" ] || complain "only the composition root ends the process: $found"
exit $bad
