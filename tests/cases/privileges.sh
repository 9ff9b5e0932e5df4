#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who has which privileges while it runs: each thread and each process of ours, as /proc says it; and the
# whole with CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH only, as user nobody. In a mount
# namespace of its own, where /dev/fuse is open to everybody, as Debian has it.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
in_own_mounts
. "$(dirname "$0")/../app_lib.sh"
need_tracing
need curl jq fusermount3
DEMO_BINARY=$(demo_binary "" stripped) || fail "the demo does not build"
start_demo "$DEMO_BINARY"

key() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
# of KEY: of the thread whose status is in $status.
of() { sed -n "s/^$1:[[:space:]]*//p" <<<"$status"; }
# A set of capabilities by their numbers (include/uapi/linux/capability.h).
READ_SEARCH=2 PTRACE=19 ADMIN=21 NICE=23 RESOURCE=24 LEASE=28 PERFMON=38 BPF=39
caps() {
	local sum=0 bit
	for bit; do sum=$((sum | 1 << bit)); done
	printf '%016x' "$sum"
}
at_most() { # NAME HAS SET
	(((0x$2 & ~0x$3) == 0)) || fail "permitted of $1: $2, at most $3"
}
# The pump's priority takes a limit that is raised at the start or, in containers that may not, CAP_SYS_NICE.
[ $((0x$(key self CapEff) >> RESOURCE & 1)) = 1 ] && NICE=
# shellcheck disable=SC2086
ENGINE=$(caps $READ_SEARCH $PTRACE $LEASE $PERFMON $BPF $NICE)
KEEPER=$(caps $PERFMON $BPF $LEASE)
multi=1
if [ "$(uname -r | awk -F. '{ print $1 * 1000 + $2 }')" -lt 6010 ]; then
	multi= # probes by perf events: they take CAP_SYS_ADMIN
	# shellcheck disable=SC2086
	ENGINE=$(caps $READ_SEARCH $PTRACE $LEASE $PERFMON $BPF $ADMIN $NICE)
fi
grep -q "confinement *seccomp" "$T/doctor" && SECCOMP=2 || SECCOMP=0

# --- as root: the engine has what it still needs, who serves has nothing
mkdir "$T/sessions"
mount_demo -web -web-port 0 -storage-dir "$T/sessions"
wait_web
curl -fsS "${WEB}api/live/stacks" | grep -q "^goroutine 1 " || fail "no stacks over HTTP"
# begun TASK: until it has run for the first time a thread has its maker's name, and what that had.
begun() {
	local status
	status=$(cat "$1/status" 2>/dev/null) || return 0 # it has ended
	[ "$(of Name)" != xgotopfs ] || [ "${1##*/}" = "$XPID" ] || [ "$(of CapPrm)" = "$(caps)" ]
}
engine=0 serving=0
for thread in /proc/"$XPID"/task/*; do
	wait_for 10 begun "$thread"
	status=$(cat "$thread/status" 2>/dev/null) || continue
	name=$(of Name)
	if [ "${thread##*/}" = "$XPID" ]; then name=main; fi
	expect "no_new_privs of $name" "$(of NoNewPrivs)" 1
	expect "inheritable of $name" "$(of CapInh)" "$(caps)"
	case $name in
	main | xgotop-pump | xgotop-healer | xgotop-audit | xgotop-loaded | xgotop-look | xgotop-leaks | xgotop-change | xgotop-budget | xgotop-light)
		expect "effective of $name" "$(of CapEff)" "$ENGINE"
		expect "permitted of $name" "$(of CapPrm)" "$ENGINE"
		engine=$((engine + 1))
		;;
	xgotop-guard | xgotop-runners) at_most "$name" "$(of CapPrm)" "$ENGINE" ;;
	xg-record) expect "permitted of $name" "$(of CapPrm)" "$(caps $READ_SEARCH)" ;;
	# The first may have to end us.
	xgotop-signals | model) expect "permitted of $name" "$(of CapPrm)" "$(caps)" ;;
	*)
		expect "permitted of $name" "$(of CapPrm)" "$(caps)"
		expect "seccomp of $name" "$(of Seccomp)" "$SECCOMP"
		serving=$((serving + 1))
		;;
	esac
done
expect "threads of the engine" "$engine" 10
# What empties the rings and who takes probes out go before a busy target, though CAP_SYS_NICE is gone.
for thread in xgotop-pump xgotop-budget xgotop-light; do
	expect "nice value of $thread" "$(nice_of "$(grep -lx "$thread" /proc/"$XPID"/task/*/comm | xargs dirname)")" -10
done
expect "nice value of the keeper" "$(nice_of "/proc/$(child_of "$XPID" xgotop-keeper)")" -10
[ "$serving" -ge 8 ] || fail "only $serving threads that serve"
children() { pgrep -P "$XPID" | xargs -I{} cat /proc/{}/comm 2>/dev/null | sort | tr '\n' ' '; }
both() { [ "$(children)" = "xgotop-keeper xgotop-umount " ]; }
wait_for 10 both || fail "processes beside it: $(children)"
for pid in $(pgrep -P "$XPID"); do
	status=$(cat "/proc/$pid/status") || fail "one has ended"
	case $(of Name) in
	*keeper) at_most keeper "$(of CapPrm)" "$KEEPER" ;;
	*umount) expect "permitted of the unmounter" "$(of CapPrm)" "$(caps $ADMIN)" ;;
	esac
	expect "no_new_privs of $(of Name)" "$(of NoNewPrivs)" 1
done

# What needs privileges goes on working: from the mount and over HTTP, reading, attaching again.
wait_for 5 grep -q "^goroutine 1 " "$MNT/stacks" || fail "no stacks in the mount"
wait_for 5 grep -q "^goroutine 1 " "$MNT/goroutines/1/stack" || fail "no stack in the mount"
echo newobject:1 >"$MNT/control/sample" || fail "sample"
echo 1 >"$MNT/control/pause" && echo 0 >"$MNT/control/pause" || fail "pause"
curl -fsS -X POST -H 'Content-Type: application/json' -d '{"sample":"casgstatus:1,newgoroutine:1,newobject:1"}' \
	"${WEB}api/control" >"$T/answer" || fail "attaching over HTTP: $(cat "$T/answer")"
load -n 300 -c 2 >/dev/null
events() { [ "$(sed -n 's/^events_newobject //p' "$MNT/stats")" -gt 100 ]; }
wait_for 10 events || fail "no events after attaching again"
# Who serves writes the settings and reads sessions.
curl -fsS -X POST -H 'Content-Type: application/json' -d '{"nanoseconds_per_pixel":4321}' "${WEB}api/config" >/dev/null ||
	fail "settings"
grep -q 4321 "$T/sessions/settings.json" || fail "the settings are not kept"
session=$(curl -fsS "${WEB}api/sessions" | jq -r '.[0].id')
[ -s "$MNT/sessions/$session/metadata.json" ] || fail "the session is not in the mount"
stop_xgotopfs
! grep -q "refused" "$LOG" || fail "something was refused that is needed: $(cat "$LOG")"
unharmed "$DEMO"
start_xgotopfs -replay "$session" -storage-dir "$T/sessions" -web -web-port 0 "$MNT"
wait_ready
for thread in /proc/"$XPID"/task/*; do
	wait_for 10 begun "$thread"
	status=$(cat "$thread/status" 2>/dev/null) || continue
	expect "capabilities in a replay of $(of Name)" "$(of CapPrm)" "$(caps)"
done
rm -r "$MNT/sessions/$session" || fail "a session is not deleted"
[ ! -e "$T/sessions/$session" ] || fail "it is still there"
stop_xgotopfs
! grep -q "refused" "$LOG" || fail "something was refused that is needed: $(cat "$LOG")"

# --- a storage folder and a working folder in somebody else's home, which only he may enter
public_folder
mkdir -m 700 "$PUBLIC/home"
chown 65534:65534 "$PUBLIC/home"
MNT=$T/mnt
cd "$PUBLIC/home" || exit 1
mount_demo -web -web-port 0 -storage-dir "$PUBLIC/home/sessions" -mfp here -mft
wait_web
curl -fsS -X POST -H 'Content-Type: application/json' -d '{"nanoseconds_per_pixel":4321}' "${WEB}api/config" >/dev/null ||
	fail "settings in another's home"
grep -q 4321 "$PUBLIC/home/sessions/settings.json" || fail "the settings are not kept in another's home"
session=$(curl -fsS "${WEB}api/sessions" | jq -r '.[0].id')
[ -s "$MNT/sessions/$session/metadata.json" ] || fail "a session in another's home is not in the mount"
stop_xgotopfs
[ -s "$PUBLIC/home/sessions/$session/events.pb" ] || fail "nothing recorded in another's home"
ls "$PUBLIC"/home/metrics*here* >/dev/null || fail "no metrics file in another's home: $(cat "$LOG")"
cd "$T" || exit 1

# --- with four capabilities, as nobody; the target is root's, and only root may read it
[ -n "$multi" ] || exit 0
fuse_for_all
mkdir -p "$PUBLIC/theirs/mnt"
chown -R 65534:65534 "$PUBLIC/theirs"
cp "$XGOTOPFS" "$PUBLIC" && chmod 755 "$PUBLIC/xgotopfs"
mkdir -m 700 "$PUBLIC/roots"
install -m 700 "$DEMO_BINARY" "$PUBLIC/roots/demo"
start_demo "$PUBLIC/roots/demo"
with_caps() { # CAPS: sets AS
	AS=("${AS_NOBODY[@]}" --inh-caps "-all$1" --ambient-caps "-all$1")
}
with_caps ,+bpf,+perfmon,+sys_ptrace,+dac_read_search
cd "$PUBLIC/theirs" || exit 1
"${AS[@]}" "$PUBLIC/xgotopfs" -doctor -pid "$DEMO" >"$T/out" 2>&1 || fail "-doctor: $(cat "$T/out")"
grep -qE "^ok +capabilities" "$T/out" || fail "-doctor: $(cat "$T/out")"
grep -qE "^ok +goroutines" "$T/out" || fail "-doctor: $(cat "$T/out")"
MNT=$PUBLIC/theirs/mnt
fresh "$T/out" "$LOG"
"${AS[@]}" "$PUBLIC/xgotopfs" -pid "$DEMO" -web -web-port 0 "$MNT" >"$T/out" 2>>"$LOG" &
XPID=$!
on_exit kill_xgotopfs
if [ -z "${XGOTOPFS_SANITIZED:-}" ]; then
	# Not while it starts, either: some threads have nothing already, and share the memory of those that do.
	as_nobody /usr/bin/python3 - "$XPID" 1.5 <"$ROOT/tests/peek.py" >"$T/peek" || fail "nobody got in: $(cat "$T/peek")"
	[ "$(sed -n 's/ tries$//p' "$T/peek")" -gt 100 ] || fail "it was not tried: $(cat "$T/peek")"
fi
wait_ready
if [ -z "${XGOTOPFS_SANITIZED:-}" ]; then # its leak checker must be able to attach
	keeper=$(pgrep -P "$XPID" -x xgotop-keeper) || fail "no keeper"
	expect "who may look into privileged processes of nobody's" "$(stat -c %u "/proc/$XPID/environ" "/proc/$keeper/environ" | uniq)" 0
fi
expect "capabilities that stay" "$(key "$XPID" CapPrm)" "$(caps $READ_SEARCH $PTRACE $PERFMON $BPF)"
as_nobody grep -q "^goroutine 1 " "$MNT/stacks" || fail "no stacks"
as_nobody sh -c "echo newobject:1 >$MNT/control/sample" || fail "sample"
load -n 300 -c 2 >/dev/null
events_as_nobody() { [ "$(as_nobody sed -n 's/^events_newobject //p' "$MNT/stats")" -gt 100 ]; }
wait_for 10 events_as_nobody || fail "no events"
kill -INT "$XPID"
ended 0
mount_is_gone
unharmed "$DEMO"

# A program of one's own takes CAP_BPF and CAP_PERFMON only.
install -m 755 "$DEMO_BINARY" "$PUBLIC/demo"
with_caps ,+bpf,+perfmon
"${AS_NOBODY[@]}" "$PUBLIC/demo" -listen 127.0.0.1:0 >"$T/own.out" 2>&1 &
own=$!
on_exit "end $own"
wait_for 20 grep -q listening "$T/own.out" || fail "the demo of nobody's does not start"
timeout $((110 * SLACK)) "$DEMO_BINARY" -load "$(cut -d' ' -f2 "$T/own.out")" -c 1 >/dev/null 2>&1 &
on_exit "end $!"
fresh "$LOG"
"${AS[@]}" "$PUBLIC/xgotopfs" -pid "$own" >"$T/own.events" 2>"$LOG" &
XPID=$!
on_exit kill_xgotopfs
wait_for "$PATIENCE" grep -q newobject "$T/own.events" || fail "one's own program: $(cat "$LOG")"
kill -INT "$XPID"
ended 0
unharmed "$own"

# Each that is missing is named, and what is refused says so with status 4.
missing() { # CAPS-LEFT TEXT
	local status
	with_caps "$1"
	"${AS[@]}" "$PUBLIC/xgotopfs" -doctor >"$T/out" 2>&1
	grep -q -- "$2 is missing" "$T/out" || fail "-doctor without $2: $(cat "$T/out")"
	"${AS[@]}" timeout $((60 * SLACK)) "$PUBLIC/xgotopfs" -s -pid "$DEMO" >"$T/out" 2>"$LOG"
	status=$?
	expect "status without $2: $(cat "$LOG")" "$status" 4
	grep -q "$2" "$LOG" || fail "without $2: $(cat "$LOG")"
}
missing ,+perfmon,+sys_ptrace,+dac_read_search CAP_BPF
missing ,+bpf,+sys_ptrace,+dac_read_search CAP_PERFMON
missing ,+bpf,+perfmon,+dac_read_search CAP_SYS_PTRACE
exit 0
