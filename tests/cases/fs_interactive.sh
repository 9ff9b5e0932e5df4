#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# less and watch on a terminal: paging, G, following with F.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../fs_lib.sh"
need_root
need tmux less watch
demo_start -g 3
demo events 300
TMUX_SOCKET=$T/tmux
t() { env -u TMUX tmux -S "$TMUX_SOCKET" "$@"; }
stop_tmux() { t kill-server 2>/dev/null; }
on_exit stop_tmux
screen() { t capture-pane -p -t s:"$1"; }
shows() { screen "$1" | grep -q "$2"; }
t -f /dev/null new-session -d -s s -n less -x 150 -y 30 "LESS= less '$MNT/events'" || skip "tmux does not start"
wait_for 20 shows less "size=0 " || fail "less shows nothing"
t send-keys -t s:less G
wait_for 20 shows less "size=299 " || fail "less G"
t send-keys -t s:less g
wait_for 20 shows less "size=0 " || fail "less g"
t send-keys -t s:less F
wait_for 20 shows less "size=299 " || fail "less F"
demo events 5
wait_for 20 shows less "size=304 " || fail "less F does not follow"
t new-window -d -t s -n watch "watch -n 0.2 cat '$MNT/stats'"
wait_for 20 shows watch "Every 0.2" || fail "watch"

# The same when most of the file is no longer retained, and more comes and goes meanwhile.
demo_stop
demo_start -g 3 -retain 1000
demo events 100
[ "$(wc -l <"$MNT/events")" = 100 ] || fail "a hundred events"
demo events 3000
t new-window -d -t s -n trimmed "LESS= less '$MNT/events'"
wait_for 20 shows trimmed "newobject" || fail "less on a trimmed file shows nothing"
t send-keys -t s:trimmed G
wait_for 20 shows trimmed "size=3099 " || fail "less G on a trimmed file"
demo events 2000
t send-keys -t s:trimmed F
wait_for 20 shows trimmed "size=5099 " || fail "less F on a trimmed file"
