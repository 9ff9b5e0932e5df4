/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A Go program on disk: everything the tracer must know of it before it attaches. One facade over
 * the room's files (image, buildinfo, pclntab, moduledata, layout, types, wait reasons, placement).
 * Immutable once opened; any thread may read. Addresses are static ELF virtual addresses.
 *
 * Refusals are -ENOEXEC with one line of reason and advice logged at error level: not Go, before
 * 1.17, gccgo, TinyGo, packed, 32-bit, another architecture, a site that cannot be proven safe.
 */
#ifndef XGOTOPFS_TARGET_TARGET_H
#define XGOTOPFS_TARGET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/util.h"

struct target;
struct pclntab;

/*
 * Opens a binary by path. For a live process give /proc/PID/exe: the magic link opens the right
 * file in any mount namespace, and also one that was deleted or replaced since.
 * Refusals as above; -ENOENT, -EACCES, -EIO as for open(2); -ESTALE when it is being changed.
 */
int target_open(const char *path, struct target **ret);
/* The same without the log line: `why` gets the reason of a refusal, "" when errno says it all. */
int target_open_why(const char *path, struct target **ret, char *why, size_t why_size);
void target_free(struct target *t);
/* One more who has it: each calls target_free(), and the last one frees it. Any thread. */
struct target *target_share(const struct target *t);
/* From now on what reads much of a process's memory by it ends soon, with -ECANCELED. Any thread.
 */
void target_end_reading(struct target *t);
bool target_reading_ends(const struct target *t);
/* Can a process of it run, and be probed, on this machine? 0, or -ENOEXEC (logged) for a program of
 * another architecture, which target_open() reads all the same. */
int target_check_runnable(const struct target *t);

const char *target_path(const struct target *t);       /* as opened */
const char *target_go_version(const struct target *t); /* "go1.24.1 X:noswissmap" */
unsigned target_go_minor(const struct target *t);      /* 17 … 27 …: of go1.N */
const char *target_arch(const struct target *t);       /* "amd64", "arm64" */
bool target_is_pie(const struct target *t);
const char *target_symbols_from(const struct target *t); /* ".gopclntab", ".symtab", … */
const char *target_offsets_from(const struct target *t); /* "table go1.24", "table + DWARF", … */
/* What this version hides from the probes, one line of clauses joined by "; ". */
const char *target_not_covered(const struct target *t);
/* What this very build hides from them, so that states, creations or exits are missing; "" mostly.
 */
const char *target_unseen(const struct target *t);

/*
 * Where the heap keeps its spans (runtime/mheap.go, types mheap and mspan), in bytes. mspan.state
 * and spanclass are one byte each.
 */
#define GO_SPAN_SIZE_MAX 512 /* every offset in an mspan is below */
struct go_heap_layout {
	uint32_t allspans; /* in mheap: a slice of *mspan. 0: not known */
	uint32_t span_base, span_pages, span_limit, span_elem_size, span_class, span_state;
	uint32_t span_specials;
	uint32_t p_timers, p_id; /* in p; p_timers 0: not known */
	/* mcache.alloc; of mspan two bytes each: objects in use, and when a P got the span (0:
	 * before 1.19). */
	uint32_t mcache_alloc, span_alloc_count, span_alloc_before;
};

/* Field offsets in runtime.g, m and p, in bytes (docs/go_runtime.md). */
#define GO_G_SIZE_MAX    4096 /* every offset in g is below; a g has some 400 bytes */
#define GO_WAIT_SIZE_MAX 1024 /* of a sudog, hchan, pollDesc, notifyList, _defer */
struct go_layout {
	uint32_t g_m, g_sched, g_atomicstatus, g_goid, g_waitsince, g_waitreason;
	uint32_t g_parent_goid; /* 0: this version has none (before 1.21) */
	uint32_t g_gopc, g_startpc, g_size;
	/* For who reads memory; 0: this version has none, or where it has it is not known.
	 * Registers of a goroutine that does not run, in g itself; g.stack is the first field, as
	 * compiled code takes for granted. */
	uint32_t g_sched_sp, g_sched_pc, g_sched_lr, g_sched_bp;
	uint32_t g_syscallsp, g_syscallpc, g_syscallbp, g_lockedm;
	/* Pointers, and one byte: 1.25 on. What g.bubble points at has its number at bubble_id, or
	 * (1.24, g.syncGroup) the g that the others print at bubble_root. */
	uint32_t g_labels, g_bubble, g_running_cleanups, bubble_id, bubble_root;
	/* A byte that counts how often it left running and system calls together. */
	uint32_t g_tracking_seq;
	uint32_t m_g0, m_procid, m_curg, m_p, m_id;
	uint32_t p_goidcache; /* and p.goidcacheend behind it */
	/* What goroutines wait on (core/memory/wait_graph.h); 0 as above, but for first fields. */
	uint32_t g_waiting, g_defer;
	uint32_t sudog_next, sudog_prev, sudog_elem, sudog_waitlink, sudog_c, sudog_size;
	uint32_t hchan_qcount, hchan_dataqsiz, hchan_elemsize, hchan_closed, hchan_elemtype;
	uint32_t hchan_recvq, hchan_sendq, hchan_size;
	uint32_t hchan_timer; /* 1.23 on */
	uint32_t poll_fd, poll_rg, poll_wg, poll_self, poll_size;
	uint32_t notify_head, notify_tail, notify_size; /* wait and notify come first */
	uint32_t defer_fn, defer_link, defer_size;
	uint32_t timer_arg, timer_size; /* time.go timer.arg, an interface */
	bool timers_in_struct; /* p.timers is a struct whose heap has the times, too: 1.23 on */
	uint32_t sema_stride;  /* bytes of an entry of runtime.semtable, which has 251 */
	bool semaphores_in_g_waiting; /* and Cond, too: 1.26 on */
	bool goid_before_status;      /* newproc1 sets g.goid before casgstatus (1.24 on) */
	bool register_abi;            /* false: arm64 1.17, arguments on the stack */
	/* Running <-> syscall is told at the entries of reentersyscall, entersyscallblock and
	 * exitsyscall, which bypass casgstatus: 1.26 on, unless they were copied elsewhere. */
	bool syscall_sites;
	struct go_heap_layout heap;
};
const struct go_layout *target_layout(const struct target *t);

/* --- code ------------------------------------------------------------------------------- */

struct go_func {
	uint64_t entry, end; /* [entry, end) */
	const char *name;    /* in the target's own memory; lives as long as it */
	uint32_t start_line; /* of the func keyword; 0 when unknown (before 1.20) */
	bool wrapper;        /* made by the compiler or linker: ABI and method wrappers */
};
/* The ABIInternal body of a function (not its .abi0 wrapper). -ENOENT. */
int target_func_by_name(const struct target *t, const char *name, struct go_func *ret);
int target_func_by_pc(const struct target *t, uint64_t pc, struct go_func *ret);
/*
 * What a `go` statement names, from g.startpc. With arguments the compiler starts a wrapper of its
 * own that has none (cmd/compile: "….gowrap1", in 1.17 "…·dwrap·1", between them "….func1"; marked
 * as wrappers in the table of functions), which makes one call; that function is the answer. Where
 * the call goes through an interface or a function value, it is the wrapper itself, and `held` says
 * where the answer is in the closure that was started (in newproc1 g.sched.ctxt points to it).
 * -ENOENT.
 */
struct target_start {
	struct go_func func;
	bool held;
	uint32_t at;     /* bytes into the closure */
	uint32_t method; /* 0: a function value is there; else an itab, the method so many bytes
			    into it */
};
int target_start(const struct target *t, uint64_t start_pc, struct target_start *ret);
/* All of which `held` is true. A callback's error ends it and is returned. */
int target_each_held(const struct target *t,
		     int (*each)(void *ctx, uint64_t pc, const struct target_start *start),
		     void *ctx);
/* Its function alone. */
int target_start_func(const struct target *t, uint64_t start_pc, struct go_func *ret);
/* The same of the wrapper that a `defer` statement leaves in its frame ("….deferwrap1"): the one
 * call it makes; when that is one through an interface or a function value `held` is true. -ENOENT
 * also when the function is no such wrapper. */
int target_deferred(const struct target *t, uint64_t pc, struct target_start *ret);
/* File and line of a pc (for a return address pass pc - 1). *ret_file lives as long as t. */
int target_line_by_pc(const struct target *t, uint64_t pc, const char **ret_file,
		      uint32_t *ret_line);

/* runtime.firstmoduledata and where its fields are that lead to roots of the garbage collector:
 * each module's variables, with a bit mask of which words are pointers (runtime/symtab.go). */
struct target_modules {
	uint64_t first;                  /* static address */
	uint32_t data, edata, bss, ebss; /* offsets */
	uint32_t gcdatamask, gcbssmask;  /* bitvector {int32 n; *uint8}; 0: not known */
	uint32_t next;                   /* 0: not known */
};
struct target_modules target_modules(const struct target *t);

/* One call at a pc, as Go's own traceback shows it. Strings live as long as the target. */
struct target_frame {
	const char *function, *file; /* file: "?" when unknown */
	uint32_t line, start_line;   /* 0 unknown; start_line: 1.20 on */
	uint64_t entry;              /* of the physical function */
	bool inlined;                /* part of the physical function, which comes last */
	bool wrapper;
};
/*
 * The physical frame at pc and the calls that were inlined into it there, innermost first, so that
 * the physical frame is last. For a return address pass pc - 1. Returns how many, at most max, or
 * -ENOENT (not Go code).
 */
int target_frames_by_pc(const struct target *t, uint64_t pc, struct target_frame *ret, size_t max);
/* runtime/traceback.go showframe(): does a dump of goroutines show this frame? `callee` is the
 * frame it called, shown or not; NULL for the innermost. */
bool target_frame_shown(const struct target_frame *f, const struct target_frame *callee);
/* The name as Go prints it: type arguments as "[...]", gopanic as "panic". Escaped and cut:
 * text_name() (core/base/text.h). */
void target_frame_print_name(const struct target_frame *f, char *buf, size_t size);

/*
 * What a dump shows of a function's arguments, in order: words at an offset from where the caller
 * put them (for those passed in registers: where the function may have put them), and the braces
 * around those of one value. The compiler writes ten words at most.
 */
enum target_arg_kind {
	TARGET_ARG_VALUE,
	TARGET_ARG_OPEN,    /* { */
	TARGET_ARG_CLOSE,   /* } */
	TARGET_ARG_MORE,    /* ... */
	TARGET_ARG_UNKNOWN, /* _: too far away for the table */
};
struct target_arg {
	uint8_t kind;         /* enum target_arg_kind */
	uint8_t offset, size; /* bytes, size 1 to 8; of a value */
	bool live;            /* at that pc the word still means something */
};
#define TARGET_ARGS_MAX 171 /* abi.TraceArgsMaxLen */
/* Those of the physical function at pc (for a return address pass pc - 1). Returns how many, 0
 * where the function has no such table (assembly), or -ENOENT: no function, or a damaged table. */
int target_args_by_pc(const struct target *t, uint64_t pc, struct target_arg ret[TARGET_ARGS_MAX]);

/*
 * Which words of a frame hold live pointers where it made its call: the maps by which Go's garbage
 * collector scans stacks (runtime/stkframe.go getStackMap()). Locals end where the frame does,
 * below its saved frame pointer and return address; arguments and results begin where the caller
 * put them. Objects are variables whose address was taken: live while a live word points into them.
 */
struct target_stack_map {
	const uint8_t *locals, *args; /* a bit a word, lowest first; NULL: there is no map */
	uint32_t n_locals, n_args;    /* words */
	const uint8_t *objects;       /* target_stack_object() */
	uint32_t n_objects;
};
/* Of the physical frame that goes on at pc (a return address). The function may have neither
 * locals nor arguments; where a map is missing that has to be there if there are any, `locals` is
 * NULL. -ENOENT: no function, arguments nobody knows (assembly), or a damaged table. */
int target_stack_map(const struct target *t, uint64_t pc, struct target_stack_map *ret);
/* Bytes from where the locals end (below 0) or the arguments begin. */
struct target_stack_object {
	int32_t offset, size;
};
struct target_stack_object target_stack_object(const struct target_stack_map *m, uint32_t i);
/*
 * Deferred calls that are open-coded have no record (runtime/panic.go initOpenCodedDefers()): a bit
 * each in a byte of the frame says whether it is due, a word each points to its closure. Bytes
 * below where the locals end. -ENOENT: the function has none of them, or the release is older
 * than 1.18.
 */
#define TARGET_OPEN_DEFERS_MAX 8
struct target_open_defers {
	uint32_t bits, closures[TARGET_OPEN_DEFERS_MAX], n;
};
int target_open_defers(const struct target *t, uint64_t pc, struct target_open_defers *ret);

/* How far the frame of the function at `pc` reaches there, in bytes: what it returns to is that
 * much above the stack pointer (amd64). -1: not Go code, or not known. */
int32_t target_frame_bytes(const struct target *t, uint64_t pc);

/* Where a thread's g is beside the register that Go code has it in. */
enum target_g_from {
	TARGET_G_REGISTER, /* nowhere, or it was not found */
	TARGET_G_OFFSET,   /* at thread pointer + at */
	TARGET_G_POINTER,  /* at thread pointer + the word at static address `at` */
};
struct target_g_slot {
	enum target_g_from from;
	uint64_t at;
};
void target_g_slot(const struct target *t, struct target_g_slot *ret);

/* For who walks stacks: how far a function's frame reaches (pclntab.h), and whether the machine
 * returns through a register (arm64). */
const struct pclntab *target_pclntab(const struct target *t);
bool target_has_link_register(const struct target *t);

/* runtime/traceback.go isSystemGoroutine() by start function. */
bool target_is_system_goroutine(const struct target *t, uint64_t start_pc);
/* One of these that is none while it runs the program's own code: finalizers, or (1.25 on)
 * cleanups. */
enum target_user_code { TARGET_NO_USER_CODE, TARGET_FINALIZERS, TARGET_CLEANUPS };
enum target_user_code target_runs_user_code(const struct target *t, uint64_t start_pc);
/* GODEBUG's tracebacklabels as it was built in; a process's environment goes before it. Before 1.26
 * dumps have no labels, whatever is set. */
bool target_shows_labels(const struct target *t);
/* What a value of GODEBUG, "a=1,tracebacklabels=1", says of it: 1 on, -1 off, 0 nothing. */
int target_godebug_labels(const char *godebug, size_t n);

/* --- data ------------------------------------------------------------------------------- */

struct target_type {
	char name[512]; /* escaped, and cut when longer: text_name() */
	uint64_t size, key_size, elem_size;
	uint8_t kind, key_kind, elem_kind;
};
/* The type descriptor at a static address. -ENOENT when it lies outside the binary's types (made by
 * reflect at run time, read by core/memory). */
int target_type(const struct target *t, uint64_t addr, struct target_type *ret);
/* waitReasonStrings[reason]; NULL when out of range or not found in this binary. */
const char *target_wait_reason(const struct target *t, unsigned reason);

/* --- probe sites ------------------------------------------------------------------------ */

enum probe_kind {
	PROBE_CASGSTATUS,
	PROBE_NEWPROC_GOID, /* in newproc1 right after g.goid is final; newg in `reg` */
	PROBE_GDESTROY,     /* exit only, when casgstatus is not captured */
	PROBE_NEWOBJECT,
	PROBE_MALLOC_SPECIAL, /* mallocgcSmall…SCn, mallocgcTiny…: (size, typ, needzero) */
	PROBE_MAKESLICE,
	PROBE_MAKESLICECOPY,
	PROBE_MAKEMAP,
	PROBE_MAKEMAP_SMALL,
	PROBE_ENTERSYSCALL, /* reentersyscall, entersyscallblock: 1.26 on */
	PROBE_EXITSYSCALL,
	PROBE_STATE_SWAP,  /* behind a copy of the compare-and-swap of casgstatus; several */
	PROBE_REFILL,      /* (*mcache).refill(spc): a span of small objects is used up */
	PROBE_ALLOC_LARGE, /* (*mcache).allocLarge(size, …) */
	PROBE_KINDS,
};

enum probe_site_flag {
	/* On the prologue's branch: the program must skip the hit when the branch to morestack is
	   taken. */
	SITE_FILTER_BRANCH = 1 << 0,
	/* On the first instruction: the program must evaluate the stack check itself. */
	SITE_STACK_CHECK = 1 << 1,
	/* PROBE_STATE_SWAP: ZF says that the state changed; without, ZF says that it did not. */
	SITE_ZERO_IS_SWAPPED = 1 << 2,
};

struct probe_site {
	enum probe_kind kind;
	unsigned wants; /* enum target_want bits: attached while any of these is wanted */
	char symbol[96];
	uint64_t func_entry, addr; /* static address of the function and of the site */
	uint64_t file_offset;      /* what a uprobe takes */
	uint32_t flags;            /* enum probe_site_flag */
	int16_t sp_delta; /* entry sp minus sp at the site, bytes: the return address (amd64)
			     is at sp + sp_delta */
	uint8_t reg;      /* DWARF number of the register that holds PROBE_NEWPROC_GOID's newg,
			     or PROBE_STATE_SWAP's g; reg2: its new state */
	uint8_t reg2;
	bool emulated;        /* the kernel emulates it: one trap */
	bool attached;        /* filled by capture_sites() */
	char instruction[64]; /* disassembled, for people */
};

/* What to observe. The bits are 1 << the event numbers of core/model/event.h, which this room does
 * not know; capture asserts that they agree. */
enum target_want {
	WANT_STATES = 1 << 0,    /* casgstatus */
	WANT_SLICES = 1 << 1,    /* makeslice */
	WANT_MAPS = 1 << 2,      /* makemap */
	WANT_OBJECTS = 1 << 3,   /* newobject */
	WANT_CREATIONS = 1 << 4, /* newgoroutine */
	WANT_EXITS = 1 << 5,     /* goexit */
	WANT_ALL = (1 << 6) - 1,
	/* No event: allocations by bytes, with stacks (bpf/sample.bpf.h). */
	WANT_SAMPLES = 1 << 6,
};

/*
 * Chooses the fewest sites that give what is `wanted` (enum target_want bits) exactly once each:
 * with WANT_STATES, creations and exits come from casgstatus itself wherever g.goid is final there.
 * -ENOEXEC when a needed site cannot be proven safe (logged). The caller frees *ret.
 * WANT_SAMPLES never fails: what has no site is left out, target_unsampled() says what that hides.
 */
int target_sites(const struct target *t, unsigned wanted, struct probe_site **ret, size_t *ret_n);

/* What allocation samples cannot see in this binary, "" for nothing, in one line. */
void target_unsampled(const struct target *t, char *buf, size_t size);

/* Are creations (exits) told by state changes even where those are not wanted themselves, since the
 * function that alone would tell them was copied into others? */
bool target_creations_by_states(const struct target *t);
bool target_exits_by_states(const struct target *t);

/* Is there one place, which is a site, that all changes of state pass which casgstatus makes? Not
 * where it was copied into others, nor where a plugin can bring its own. */
bool target_states_in_one_place(const struct target *t);

/*
 * Does `fd` read what was read when the target was opened? 0, -ESTALE (no), -errno. The whole file
 * but for its debug sections, or the functions that hold `sites`.
 */
int target_compare(const struct target *t, int fd);
int target_compare_sites(const struct target *t, int fd, const struct probe_site *sites, size_t n);

/* Return addresses that mean "an inner call, counted at the outer function": [lo, hi). */
struct pc_range {
	uint64_t lo, hi;
};
enum exclude_kind { EXCLUDE_MALLOC, EXCLUDE_MAPS, EXCLUDE_KINDS };
#define EXCLUDE_RANGES_MAX 8
/* Writes at most EXCLUDE_RANGES_MAX merged ranges; returns how many. */
size_t target_exclude(const struct target *t, enum exclude_kind kind,
		      struct pc_range ret[EXCLUDE_RANGES_MAX]);

/* --- a live process of it ---------------------------------------------------------------- */

/* Runtime address minus static address, from /proc/PID/maps. 0 for a non-PIE. -ESRCH, -ENOENT. */
int target_load_bias(const struct target *t, pid_t pid, uint64_t *ret);
/* How much of its Go code the process has as something else than the file (copied to anonymous
 * memory, for huge pages): no probe is there, since those are in the file. 0 or -errno. */
int target_code_moved(const struct target *t, pid_t pid, uint64_t bias, uint64_t *ret_bytes);
/* Is it mapped so that any of its Go code may be written? The kernel puts no breakpoint there. */
bool target_code_is_writable(const struct target *t, pid_t pid, uint64_t bias);
/* The file's n bytes of code at a static address; NULL when they are not all there. */
const void *target_code_at(const struct target *t, uint64_t addr, size_t n);
/* Is it the process's executable? */
bool target_executed_by(const struct target *t, pid_t pid);
/* Is it the process's executable, or mapped there as code (a library, a program that ld.so was told
 * to start)? Reads all of maps when it is not the executable. */
bool target_runs_in(const struct target *t, pid_t pid);
/* Who has it mapped as code and executes other code that is made of it
 * (go_program_is_translated()): breakpoints would be taken for its instructions. 0: nobody. */
pid_t target_translated_by(const struct target *t);
/* Can its processes load libraries while they run? */
bool target_may_load(const struct target *t);
/* Is that a mapping of its file (mappings.h)? */
struct mapping;
bool target_is_mapped_by(const struct target *t, const struct mapping *m);
/* A shared library: it is part of other programs' processes. */
bool target_is_library(const struct target *t);
/* A plugin, a library for -linkshared: its runtime is another program's (go_file.h). */
bool target_is_part(const struct target *t);

#endif
