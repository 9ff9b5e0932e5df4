#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 60
# sanitized: no
# What `meson install` puts where, with --prefix and DESTDIR; and its completions of options, values,
# sessions and a command, in bash, zsh and fish, as one would type them.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../app_lib.sh"
need meson tmux bash zsh fish

# --- what is installed
cd "$T" || exit 1
export HOME=$T/home DESTDIR=$T/root
mkdir -p "$HOME" "$DESTDIR"
meson install -C "$XGOTOPFS_BUILD" --no-rebuild --quiet >"$T/out" 2>&1 || fail "meson install: $(cat "$T/out")"
prefix=$(meson introspect --buildoptions "$XGOTOPFS_BUILD" | jq -r '.[] | select(.name == "prefix").value')
installed=$DESTDIR$prefix
for file in bin/xgotopfs share/man/man1/xgotopfs.1 share/bash-completion/completions/xgotopfs \
	share/zsh/site-functions/_xgotopfs share/fish/vendor_completions.d/xgotopfs.fish \
	lib/systemd/system/xgotopfs.service share/doc/xgotopfs/examples/xgotopfs.ini; do
	[ -s "$installed/$file" ] || fail "$file is not installed"
done
expect "files outside the prefix" "$(find "$DESTDIR" -type f ! -path "$installed/*")" ""
"$installed/bin/xgotopfs" -version >/dev/null || fail "what is installed does not run"
grep -q "^ExecStart=$prefix/bin/xgotopfs " "$installed/lib/systemd/system/xgotopfs.service" ||
	fail "the service starts something else"
"$installed/bin/xgotopfs" -help | sed -n 's/^  \(-[a-z-]*\).*/\1/p' | sort >"$T/options"

# --- the same questions to all shells
mkdir -p sessions/aaaa-1 sessions/b other/cccc-1 folder
echo '{}' | tee sessions/aaaa-1/metadata.json >other/cccc-1/metadata.json
# What is typed, a bar, and what it becomes.
cat >"$T/questions" <<'LIST'
-repl|-replay
--repl|--replay
-storage-format p|protobuf
-storage-format=j|-storage-format=jsonl
-replay aa|aaaa-1
--replay aa|aaaa-1
-replay aaaa-1 fold|folder/
-storage-dir other -replay c|cccc-1
-sample casg|casgstatus:
-sample newobject:0.5,casg|newobject:0.5,casgstatus:
-config fold|folder/
-s fold|folder/
-rw 2 -pid 1 fold|folder/
-log-level=warn fold -- ls fold|folder/
LIST

# fish answers without a terminal.
answers() { PATH=$installed/bin:$PATH XDG_DATA_DIRS=$installed/share:/usr/share fish -c "complete -C '$1'" 2>>"$T/fish_errors" | cut -f 1; }
while IFS='|' read -r typed wanted; do
	answers "xgotopfs $typed" | grep -qxF -e "$wanted" || fail "fish: '$typed' becomes '$(answers "xgotopfs $typed")'"
done <"$T/questions"
expect "what fish says" "$(cat "$T/fish_errors")" ""
expect "options in fish" "$(answers "xgotopfs -" | grep -v '^--' | sort)" "$(cat "$T/options")"
answers "xgotopfs -pid $$" | grep -qx $$ || fail "fish: no process ids"

# The others complete in a terminal; the prompt tells when one is ready again.
screen() { tmux -S "$SCREEN" -f /dev/null "$@"; }
stop_screens() { for SCREEN in "$T"/screen.*; do screen kill-server 2>/dev/null; done; }
on_exit stop_screens
shows() { screen capture-pane -p -J | grep -qE -- "$1"; }
# type_in SHELL COMMAND PREPARATION
type_in() {
	local shell=$1 typed wanted line
	# One of its own: the last one's may be just about to end.
	SCREEN=$T/screen.$shell
	env -u BASH_ENV PATH="$installed/bin:$PATH" XDG_DATA_DIRS="$installed/share:/usr/share" \
		tmux -S "$SCREEN" -f /dev/null new-session -d -x 180 -y 50 "exec env PS1='ready> ' $2" || fail "$shell: no terminal"
	wait_for 10 shows '^ready>' || fail "$shell does not start: $(screen capture-pane -p)"
	screen send-keys -l "$3; clear; echo prepared"
	screen send-keys Enter
	wait_for 20 shows '^prepared$' || fail "$shell is not prepared: $(screen capture-pane -p)"
	while IFS='|' read -r typed wanted; do
		line="xgotopfs ${typed%"${typed##* }"}$wanted"
		screen send-keys C-u
		screen send-keys -l "xgotopfs $typed"
		screen send-keys Tab
		# zsh adds the '=' of an option that takes a value.
		wait_for 10 shows "^ready> $line=? *\$" || fail "$shell: 'xgotopfs $typed' becomes: $(screen capture-pane -p -J)"
	done <"$T/questions"
	screen send-keys C-u
	screen send-keys -l "xgotopfs -re"
	screen send-keys Tab Tab
	wait_for 10 shows '^-record.*' || fail "$shell does not list what begins with -re: $(screen capture-pane -p)"
	for wanted in replay retain retain-exited; do
		shows "(^| )-$wanted( |\$)" || fail "$shell: -$wanted is not offered"
	done
	screen kill-server
}
type_in bash "bash --norc --noprofile -i" ". '$installed/share/bash-completion/completions/xgotopfs'"
if [ -s /usr/share/bash-completion/bash_completion ]; then
	type_in bash-completion "bash --norc --noprofile -i" ". /usr/share/bash-completion/bash_completion"
fi
type_in zsh "zsh -f -i" "fpath=('$installed/share/zsh/site-functions' \$fpath); autoload -U compinit; compinit -u -D"

# Each option is in the tables.
sed -n "s/^\t\[\([a-z-]*\)\]=.*/-\1/p" "$installed/share/bash-completion/completions/xgotopfs" | sort >"$T/bash"
expect "options in bash" "$(cat "$T/bash")" "$(cat "$T/options")"
sed -n "s/^\t'\(-[a-z-]*\).*/\1/p" "$installed/share/zsh/site-functions/_xgotopfs" | sort >"$T/zsh"
expect "options in zsh" "$(cat "$T/zsh")" "$(cat "$T/options")"
exit 0
