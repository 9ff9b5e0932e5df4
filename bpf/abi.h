/*
 * What bpf/xgotopfs.bpf.c and core/capture share: the records in the ring buffers, the knobs set
 * before loading, the controls changed while running, the counters. Included by those two only.
 * No #include here: the includer supplies __u8 … __u64 (<linux/types.h>).
 *
 * All code and type addresses are *static* ELF virtual addresses: the BPF program subtracts the
 * load bias, which it knows from where the probe fired (ip minus the site's static address).
 */
#ifndef XGOTOPFS_BPF_ABI_H
#define XGOTOPFS_BPF_ABI_H

enum wire_type {
	WIRE_CASGSTATUS = 0,
	WIRE_MAKESLICE = 1,
	WIRE_MAKEMAP = 2,
	WIRE_NEWOBJECT = 3,
	WIRE_NEWGOROUTINE = 4,
	WIRE_GOEXIT = 5,
	WIRE_TYPES = 6,
};

/* wire_header.flags: one record can stand for several events (a creation seen in casgstatus is a
 * state change and a newgoroutine), and each of them was or was not chosen by -sample. */
enum wire_flag {
	WIRE_EMIT_STATE = 1 << 0,   /* deliver a casgstatus event */
	WIRE_EMIT_CREATE = 1 << 1,  /* deliver a newgoroutine event */
	WIRE_EMIT_EXIT = 1 << 2,    /* deliver a goexit event */
	WIRE_SYSCALL_SITE = 1 << 3, /* from the 1.26+ syscall entry/exit sites */
	WIRE_SMALL_MAP = 1 << 4,    /* makemap_small: no type, no hint */
	WIRE_MERGED = 1 << 5,       /* newobject: no type (Go 1.25+ merged variables) */
	WIRE_STATE_SEEN = 1 << 6,   /* the record comes with a transition (from, to): a state event
				       exists, hidden when not WIRE_EMIT_STATE */
};

/* 24 bytes; every record starts with it. */
struct wire_header {
	__u8 type;
	__u8 flags;
	__u8 from, to; /* casgstatus, newgoroutine, goexit: state without the scan bit */
	__u32 pid;     /* thread group id, in the namespace xgotopfs sees */
	__u64 time_ns; /* bpf_ktime_get_ns(), taken after the reservation: see the ordering note in
			  core/capture/merge.h */
	__u64 goid;    /* actor: m.curg's goid, 0 when there is none */
};

/* casgstatus; also goexit from a probe of its own (PROBE_GDESTROY). */
struct wire_state {
	struct wire_header h;
	__u64 target; /* goid */
	__u32 reason; /* g.waitreason when to == waiting, else 0 */
	__u32 pad;
};

struct wire_create {
	struct wire_header h;
	__u64 target; /* the child's goid */
	__u64 parent; /* 0 unknown */
	__u64 start_pc, go_pc;
};

/* Allocations. A record may end after any field: what it leaves out is 0. */
struct wire_alloc {
	struct wire_header h;
	__u64 type;   /* address of the abi.Type; 0 unknown */
	__u64 caller; /* return address */
	__u64 a;      /* newobject: size, 0 = the type's; makeslice: len; makemap: hint */
	__u64 b;      /* makeslice: cap */
};

/* Record lengths in the ring (struct wire_alloc cut after `caller` and after `a`). */
#define WIRE_ALLOC_SHORT  40
#define WIRE_ALLOC_MEDIUM 48
#define WIRE_RECORD_MAX   56

/* --- set before loading (rodata) ----------------------------------------------------------- */

#define WIRE_RANGES_MAX  16
#define WIRE_G_BYTES_MAX 224 /* how much of a g one read may cover */

/* struct go_layout as the program wants it: offsets in g and m, and the two windows of g that are
 * read at once. The offsets named win_* are relative to their window. */
struct wire_layout {
	__u32 g_m, g_goid, m_curg, g_stackguard0;
	__u32 park_lo, park_size; /* a goroutine goes to wait: goid and waitreason */
	__u32 win_park_goid, win_park_reason;
	__u32 birth_lo, birth_size; /* a goroutine is new: all of these */
	__u32 win_goid, win_status, win_parent, win_gopc, win_startpc;
	__u8 has_parent; /* g.parentGoid exists (Go 1.21 on) */
	__u8 goid_stale; /* at casgstatus(dead, …) in newproc1 the goid is not set yet (before 1.24)
			  */
	__u8 register_abi;  /* 0: arguments on the stack (arm64, Go 1.17) */
	__u8 syscall_sites; /* running <-> syscall is told by sites of its own (Go 1.26 on) */
};

struct wire_range {
	__u64 lo, hi; /* [lo, hi), static addresses; unused ones are empty */
};

/* --- changed while running (.data, mapped by user space) ------------------------------------ */

#define WIRE_RATE_ONE  10000
#define WIRE_SITES_MAX 128 /* a power of two */

/* enum probe_site_flag (core/target/target.h) as the program sees it; capture asserts they agree.
 */
enum wire_site_flag {
	WIRE_SITE_FILTER_BRANCH = 1 << 0,
	WIRE_SITE_STACK_CHECK = 1 << 1,
};

/* What the program must know of a probe site; its index is the link's cookie. Written before the
 * link exists, left alone while it does. */
struct wire_site {
	__u64 addr; /* static */
	__u32 flags;
	__s16 sp_delta;
	__u8 reg;
	__u8 pad;
};

struct wire_control {
	__u32 rates[WIRE_TYPES]; /* parts of WIRE_RATE_ONE */
	/* The reader sleeps: the next record wakes it, and clears this. */
	__u32 want_wakeup;
	/* Where a creation or exit is told: casgstatus (0), or the probe of its own (1). */
	__u8 creations_by_newproc;
	__u8 exits_by_gdestroy;
	__u8 pad[2];
	struct wire_site sites[WIRE_SITES_MAX];
};

/* --- counters (.bss, mapped by user space) --------------------------------------------------- */

#define WIRE_CPUS_MAX 1024 /* a power of two; CPUs beyond share */

/* One event type's sampler: picks one hit, at random, out of each stride of hits; the strides'
 * lengths are what the rate says, the division's remainder carried on. So a CPU's count is exact to
 * one, and a program that repeats a pattern does not meet the same phase again and again. */
struct wire_sampler {
	__u32 rate; /* the strides below were cut for this rate */
	__u32 left; /* hits left in this stride */
	__u32 pick; /* the hit is taken when `left` is this */
	__u32 carry;
};

struct wire_cpu {
	__u64 hits;
	__u64 skipped; /* hits that were no event */
	__u64 prog_ns_sum, prog_ns_samples;
	__u64 lost[WIRE_TYPES];
	struct wire_sampler samplers[WIRE_TYPES];
	__u64 pad[10];
};

_Static_assert(sizeof(struct wire_header) == 24, "wire_header");
_Static_assert(sizeof(struct wire_state) == 40, "wire_state");
_Static_assert(sizeof(struct wire_create) == 56, "wire_create");
_Static_assert(sizeof(struct wire_alloc) == WIRE_RECORD_MAX, "wire_alloc");
_Static_assert(sizeof(struct wire_layout) == 64, "wire_layout");
_Static_assert(sizeof(struct wire_site) == 16, "wire_site");
_Static_assert(sizeof(struct wire_cpu) == 256, "wire_cpu: no false sharing");

#endif
