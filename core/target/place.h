/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where in a function a uprobe may stand, so that one hit means one call. For place.c,
 * place_sites.c and their tests; other rooms use target_sites() of target.h.
 *
 * What each kind of site means to the BPF program. "Entry registers" are the function's arguments
 * as on entry: amd64 rax, rbx, rcx, …; arm64 x0, x1, …; Go 1.17 on arm64 has them on the stack at
 * sp + sp_delta + 8 (the word at sp + sp_delta is the caller's). g is in r14 or x28. The return
 * address is at sp + sp_delta on amd64, in x30 on arm64 (where sp_delta matters to 1.17 only).
 *
 *   CASGSTATUS      (gp, oldval, newval). From runtime/proc.go casgstatus: the compare-and-swap
 *                   loop is inside, so one hit is one transition, just about to happen.
 *   NEWPROC_GOID    newg in register `reg`; newg.goid has been stored, newg.startpc, gopc and
 *                   parentGoid too. It runs on g0; the parent is g0.m.curg. Once per creation by
 *                   `go` and by coroutines, always before the new goroutine can run. Up to Go 1.23
 *                   newg.atomicstatus is already final (runnable, or waiting for a coroutine of
 *                   1.23); from 1.24 on it is still dead, as the site stands before casgstatus.
 *   GDESTROY        (gp), about to become dead; its goid stays valid. runtime.gdestroy, up to 1.21
 *                   runtime.goexit0.
 *   NEWOBJECT       (typ)
 *   MALLOC_SPECIAL  (size, typ, needzero); typ may be 0 (merged variables).
 *   MAKESLICE       (elemtype, len, cap)
 *   MAKESLICECOPY   (elemtype, len): cap is len
 *   MAKEMAP         (maptype, hint)
 *   MAKEMAP_SMALL   ()
 *   ENTERSYSCALL    () goroutine r14/x28 goes from running to syscall
 *   EXITSYSCALL     () and back from syscall to running
 *   STATE_SWAP      a copy of CASGSTATUS in another function, after the fact: g in register `reg`,
 *                   the old state in eax, the new one in `reg2`; only hits count whose ZF says that
 *                   the state changed (place_cas.c). amd64.
 *   REFILL          (mcache, spanclass), the earlier span still in mcache.alloc[spanclass]
 *   ALLOC_LARGE     (mcache, size)
 *
 * Exactly once, with WANT_STATES:
 * - Go up to 1.23: casgstatus dead -> runnable|waiting is seen while the goid is still that of the
 *   g's previous life. Drop it there (not dead -> syscall, which is a C thread entering: its goid
 *   is constant); the NEWPROC_GOID hit that follows is this transition *and* the creation, `to`
 *   being newg.atomicstatus.
 * - Go 1.24 on: casgstatus dead -> x is both; there is no NEWPROC_GOID site then.
 * - Go 1.26 on: reentersyscall and exitsyscall change the state by themselves and call casgstatus
 *   only when that fails (the garbage collector holds the scan bit) or in a synctest bubble;
 *   entersyscallblock always calls it. All three have a site at their entry, so drop every
 *   casgstatus running -> syscall and syscall -> running: each of those comes from inside one of
 * the three and has been told. (From cgo threads: dead -> syscall and syscall -> dead stay with
 *   casgstatus.)
 * - Where a build with a profile copied casgstatus into its callers, every copy has a STATE_SWAP of
 *   its own, which means what CASGSTATUS means. Where it copied reentersyscall or exitsyscall (1.26
 *   on), their own compare-and-swaps are STATE_SWAPs, too, in their bodies and in the copies; then
 *   their entries are no sites and nothing of casgstatus is dropped: a transition is a swap that
 *   succeeds or a call of casgstatus.
 * Without WANT_STATES, creations are NEWPROC_GOID and exits are GDESTROY on every version; C
 * threads that enter and leave Go (needm, dropm) are then not told, as they pass neither. Where
 * newproc1 (from 1.24 on) or gdestroy was copied, state changes tell of them all the same.
 *
 * Exactly once, allocations: drop a hit of NEWOBJECT, MAKESLICE or MAKESLICECOPY whose return
 * address is in EXCLUDE_MAPS (memory of a map, told by makemap), and a hit of MALLOC_SPECIAL whose
 * return address is in EXCLUDE_MALLOC (told at the outer function, or not an object: mallocgc
 * serves every kind of allocation). Never drop MAKEMAP hits that way: makemap64 and reflection call
 * makemap from functions of the same names.
 */
#ifndef XGOTOPFS_TARGET_PLACE_H
#define XGOTOPFS_TARGET_PLACE_H

#include "core/target/place_code.h"

/*
 * A site near the entry of the function, with its first n_args arguments intact, hit once per call.
 * Fills addr, flags, sp_delta, emulated. -ENOEXEC when none can be proven safe; `why` then is a
 * constant text.
 */
int place_near_entry(const struct target *t, const struct code *code, unsigned n_args,
		     struct probe_site *ret, const char **why);

/* The first emulated instruction after the one store to g.goid, with that g in ret->reg; where
 * there is none, the first that can be stepped. */
int place_after_goid_store(const struct code *code, uint32_t g_goid, struct probe_site *ret,
			   const char **why);

/* place_sites.c: what else there is to say of a site whose addr is known: its function, instruction
 * and place in the file. -ENOENT when that is in no executable segment. */
int place_describe(const struct target *t, const struct code *code, struct probe_site *site);

/* place_cas.c: does this instruction change g.atomicstatus by comparing and swapping? */
bool place_is_state_swap(const struct target *t, const struct insn *insn);
/* The branch behind such a one: fills addr, emulated, flags, reg, reg2. -ENOEXEC. */
int place_behind_swap(const struct code *code, const struct insn *swap, struct probe_site *ret,
		      const char **why);

#endif
