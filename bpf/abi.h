/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
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
	/* The process executes another program from here on; a wire_header alone. */
	WIRE_EXEC = 7,
	WIRE_NOTHING = 255, /* a slot that was taken in vain */
};

/* wire_header.flags: one record can stand for several events (a creation seen in casgstatus is a
 * state change and a newgoroutine), and each of them was or was not chosen by -sample. */
enum wire_flag {
	WIRE_EMIT_STATE = 1 << 0,   /* deliver a casgstatus event */
	WIRE_EMIT_CREATE = 1 << 1,  /* deliver a newgoroutine event */
	WIRE_EMIT_EXIT = 1 << 2,    /* deliver a goexit event */
	WIRE_SYSCALL_SITE = 1 << 3, /* from the 1.26+ syscall entry/exit sites */
	WIRE_SMALL_MAP = 1 << 4,    /* makemap_small: no type, the hint is 0 */
	WIRE_MERGED = 1 << 5,       /* newobject: no type (Go 1.25+ merged variables) */
	WIRE_STATE_SEEN = 1 << 6,   /* the record comes with a transition (from, to): a state event
				       exists, hidden when not WIRE_EMIT_STATE */
	WIRE_BY_LEADER = 1 << 7,    /* WIRE_EXEC: called by the thread with the process's number */
};

/* 24 bytes; every record starts with it. */
struct wire_header {
	__u8 type;
	__u8 flags;
	__u8 from, to; /* casgstatus, newgoroutine, goexit: state without the scan bit */
	__u32 pid_cpu; /* wire_pid(), wire_cpu_number() */
	__u64 time_ns; /* bpf_ktime_get_ns(), read after the slot was taken: see the ordering note
			  in core/capture/merge.h */
	__u64 goid;    /* actor: m.curg's goid, 0 when there is none */
};

/* The kernel gives no pid of 2^22 and more (PID_MAX_LIMIT), and there are WIRE_CPUS_MAX CPUs. */
#define WIRE_PID_BITS 22
#define WIRE_PID_MASK ((1u << WIRE_PID_BITS) - 1)

/* Thread group id, in the namespace xgotopfs sees. */
static inline __u32 wire_pid(const struct wire_header *h)
{
	return h->pid_cpu & WIRE_PID_MASK;
}

/* The CPU that the thread was on; where there are more than WIRE_CPUS_MAX, one of those that share
 * a number. */
static inline __u32 wire_cpu_number(const struct wire_header *h)
{
	return h->pid_cpu >> WIRE_PID_BITS;
}

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

/* A wrapper that calls what its closure holds: core/target/target.h, struct target_start. */
struct wire_held {
	__u32 at, method;
};

/* Allocations. `a` and `b` are only written where they mean something, and for newobject `a`. */
struct wire_alloc {
	struct wire_header h;
	__u64 type;   /* address of the abi.Type; 0 unknown */
	__u64 caller; /* return address */
	__u64 a;      /* newobject: size, 0 = the type's; makeslice: len; makemap: hint */
	__u64 b;      /* makeslice: cap */
};

union wire_record {
	struct wire_header h;
	struct wire_state state;
	struct wire_create create;
	struct wire_alloc alloc;
};

/* --- the rings ---------------------------------------------------------------------------------
 */

/*
 * Rings of our own in a mapped array: a BPF ring buffer's lock and reservation cost the traced
 * thread more than everything else here together. A writer takes number n = head++ (atomic, a full
 * barrier), fills the slot that is n's, and publishes it with seq = n + 1; until then seq is
 * anything else and the record is busy. Writers leave off when the reader is nearly a ring behind.
 * "Nearly" leaves room for those that looked and have not taken their number yet; should there ever
 * be more of them, the reader sees a newer seq than it expects.
 *
 * A ring is two: WIRE_NEAR slots, few enough to stay in the writer's cache, for as long as the
 * reader keeps up, and `slots` further ones for when it does not. (Going round all of them would
 * mean a cache miss a record, paid by the traced thread.) Number n goes to the near slot n %
 * WIRE_NEAR if all numbers that went there before were read, that is if the reader is less than
 * WIRE_NEAR behind; else to the far slot n % slots. The reader looks for seq = n + 1 in both: a
 * slot only ever holds numbers that belong there, so it is in one of them or not yet written.
 */
struct wire_ring {
	__u64 head; /* the next number: taken by writers */
	__u64 pad[7];
	__u64 tail; /* the reader has read all below */
	__u64 pad2[7];
};

struct wire_slot {
	__u64 seq;
	union wire_record record;
};

#define WIRE_NEAR      2048 /* a power of two; 128 KiB */
#define WIRE_RINGS_MAX 256  /* a power of two */

/* Whether a writer must leave off, with `room` slots in all. The tail, read after the head, may
 * have passed it meanwhile: whoever is preempted in between finds a negative number of unread
 * records. */
static inline int wire_ring_full(const struct wire_ring *ring, __u64 room)
{
	__u64 head = *(const volatile __u64 *)&ring->head;
	__u64 tail = *(const volatile __u64 *)&ring->tail;

	return (__s64)(head - tail) >= (__s64)room;
}

/* Where in a ring of WIRE_NEAR + `slots` (a power of two) record `number` goes. */
static inline __u64 wire_slot_index(__u64 number, __u64 tail, __u64 slots)
{
	if (number - tail < WIRE_NEAR)
		return number & (WIRE_NEAR - 1);
	return WIRE_NEAR + (number & (slots - 1));
}

/* --- set before loading (rodata) ----------------------------------------------------------- */

#define WIRE_RANGES_MAX 16

#define WIRE_BLOCK_BYTES 32 /* what is read of a g at once */

/* struct go_layout as the program wants it: offsets in g and m. */
struct wire_layout {
	__u32 g_m, g_goid, g_waitreason, m_curg, g_stackguard0;
	__u32 g_atomicstatus, g_parent_goid, g_gopc, g_startpc;
	__u32 g_birth;   /* the lowest of parent goid, go pc and start pc */
	__u8 has_parent; /* g.parentGoid exists (Go 1.21 on) */
	__u8 goid_stale; /* at casgstatus(dead, …) in newproc1 the goid is not set yet (before 1.24)
			  */
	__u8 register_abi;      /* 0: arguments on the stack (arm64, Go 1.17) */
	__u8 syscall_sites;     /* running <-> syscall is told by sites of its own (Go 1.26 on) */
	__u8 birth_together;    /* those three lie within WIRE_BLOCK_BYTES from g_birth on */
	__u8 identity_together; /* the wait reason within WIRE_BLOCK_BYTES from the goid on */
	__u8 span_together;     /* what is read of an mspan, from span_block on */
	__u8 pad;
	/* What the allocation samples read: in mcache, in mspan. 0: there is none. */
	__u32 mcache_alloc, span_elem_size, span_alloc_count, span_alloc_before;
	__u32 g_sched_pc, g_sched_bp; /* 0: stacks of goroutines are not sampled */
	__u32 stacks_budget;          /* of each kind, in a window of a CPU */
	__u32 span_block;    /* the word with the first of span_elem_size, _alloc_count, _before */
	__u32 allocs_budget; /* as stacks_budget, of allocation samples */
	__u32 pad2;
};

struct wire_range {
	__u64 lo, hi; /* [lo, hi), static addresses; unused ones are empty */
};

/* --- changed while running (.data, mapped by user space) ------------------------------------ */

#define WIRE_RATE_ONE  10000
#define WIRE_SITES_MAX 256 /* a power of two; a slot is a byte */

/* enum probe_site_flag (core/target/target.h) as the program sees it; capture asserts they agree.
 */
enum wire_site_flag {
	WIRE_SITE_FILTER_BRANCH = 1 << 0,
	WIRE_SITE_STACK_CHECK = 1 << 1,
	WIRE_SITE_ZERO_IS_SWAPPED = 1 << 2,
	WIRE_SITE_STEPPED = 1 << 3, /* not emulated by the kernel, but stepped out of line */
};

/* The programs, numbered like enum probe_kind (core/target/target.h); capture asserts that. A
 * program with one site finds it in the slot of its own number, without asking for the link's
 * cookie; the others' cookies are slots from WIRE_PROBES on. */
enum wire_probe {
	WIRE_PROBE_CASGSTATUS,
	WIRE_PROBE_NEWPROC_GOID, /* may have several sites */
	WIRE_PROBE_GDESTROY,
	WIRE_PROBE_NEWOBJECT,
	WIRE_PROBE_MALLOC_SPECIAL, /* has several sites */
	WIRE_PROBE_MAKESLICE,
	WIRE_PROBE_MAKESLICECOPY,
	WIRE_PROBE_MAKEMAP,
	WIRE_PROBE_MAKEMAP_SMALL,
	WIRE_PROBE_ENTERSYSCALL, /* several, but they are not looked at */
	WIRE_PROBE_EXITSYSCALL,
	WIRE_PROBE_STATE_SWAP, /* has several sites */
	WIRE_PROBE_REFILL,     /* this and the next: samples, see struct wire_sample */
	WIRE_PROBE_ALLOC_LARGE,
	WIRE_PROBES,
};

/* What the program must know of a probe site. Written before the link exists, left alone while it
 * does. */
struct wire_site {
	__u64 addr; /* static; in a plugin with its number (core/target/parts.h), and so is what a
		       hit there tells of */
	__u32 flags;
	__s16 sp_delta;
	__u8 reg, reg2;
};

struct wire_control {
	__u32 rates[WIRE_TYPES]; /* parts of WIRE_RATE_ONE */
	__u32 goroutines;        /* so many of them are chosen; the same */
	/* The reader sleeps: the next record wakes it, and clears this. */
	__u32 want_wakeup;
	/* Where a creation or exit is told: casgstatus (0), or the probe of its own (1). */
	__u8 creations_by_newproc;
	__u8 exits_by_gdestroy;
	/* There are plugins, each with sites of its own: every program asks for its cookie. Set
	 * before the first of those is attached. */
	__u8 several;
	__u8 pad;
	__u32 stepped_kinds; /* bits by enum wire_probe: some site is WIRE_SITE_STEPPED */
	/* Allocation samples stand for so many times what they are of, as they are taken in windows
	 * alone; 0: there are none now. */
	__u32 sample_scale;
	__u32 sample_window; /* which one, from 1 to WIRE_WINDOWS and round; 0: all of the time */
	/* CLOCK_MONOTONIC: what goroutines did is seen from then on, without a gap; ~0: it is not.
	 */
	__u64 watched_ns;
	/* A stretch of time in which no goroutine ends unseen, so that what was read of one may be
	 * kept (struct wire_goid); no two have the same. 0: there is none now. The program ends it,
	 * too. */
	__u64 goids_epoch;
	struct wire_site sites[WIRE_SITES_MAX];
};

/* A goroutine's place in 0 … WIRE_RATE_ONE - 1: it is chosen where this is below
 * control.goroutines. Stable, so that all its hits say the same; core/model/control.h,
 * rate_chooses(), has it, too. */
static inline __u32 wire_choice(__u32 pid, __u64 goid)
{
	__u64 x = goid + pid * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	return (__u32)((x >> 32) * WIRE_RATE_ONE >> 32);
}

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

#define WIRE_TIMED 64 /* one hit in so many is timed */

/* Hits are the records that went into the rings but for execs, and skipped, passed, refused and
 * outside. */
struct wire_cpu {
	__u64 skipped; /* hits that were no event */
	__u64 passed;  /* events that -sample did not choose, so that there is no record */
	__u64 prog_ns_sum, prog_ns_samples;
	__u64 lost[WIRE_TYPES]; /* events: what the records that are not there would have told */
	struct wire_sampler samplers[WIRE_TYPES];
	__u64 faulted;   /* reads of the target's memory that found it not there at first */
	__u64 refused;   /* records that found no room in the ring */
	__u64 cancelled; /* records given up: the goroutine they tell of was not to be read */
	__u64 hidden;    /* of both: that told of a change that -sample did not choose */
	__u64 absent;    /* reads that failed for good: what they should have told is 0 */
	__u64 outside;   /* hits of processes that have no number in our pid namespace */
	__u64 execs, lost_execs;    /* in the ring, and without room there */
	__u64 stepped;              /* hits at sites that are stepped out of line */
	__u64 unchosen[WIRE_TYPES]; /* events that -sample did not choose, hidden ones too */
	__u32 ring;     /* which ring this CPU writes to: set before anything is attached */
	__u32 number;   /* its own, << WIRE_PID_BITS; the same */
	__u64 misnamed; /* hits that were told of a goroutine whose g had become another's */
	__u64 pad2;
};

/* What was read of a g: bpf/goids.bpf.h. By a hash of its address; two that share a place push each
 * other out. */
struct wire_goid {
	__u64 check;
	__u64 value;    /* its goroutine's number; of a g0 the m */
	__u64 unproven; /* uses since it was read */
	__u64 epoch;
};

#define WIRE_GOIDS     4096 /* a power of two */
#define WIRE_GOID_USES 16   /* so often, then it is read again */

/* --- samples ---------------------------------------------------------------------------------- */

/*
 * Stacks with a weight, in a BPF ring buffer of their own (`samples`): seldom, but long.
 * Allocations at the runtime's slow paths: each stands for the bytes that were taken since the last
 * one of its kind there.
 */
#define WIRE_STACK_MAX  64
#define WIRE_RING_BYTES (1u << 21) /* of samples: nearly what two CPUs may save up */

enum wire_sample_kind {
	WIRE_SAMPLE_ALLOC,   /* weight: bytes; size: of one object */
	WIRE_SAMPLE_OFF_CPU, /* weight: ns; size: WIRE_WAS() */
	WIRE_SAMPLE_CREATED, /* weight: goroutines; size: g.gopc, which is one of pcs */
	WIRE_SAMPLE_KINDS,
};

/* The state that a goroutine leaves, why it waited, for how long it was in it. */
#define WIRE_WAS(state, reason, ns) ((state) | (reason) << 8 | (ns) << 16)
#define WIRE_WAS_STATE(was)         ((was)&0xff)
#define WIRE_WAS_REASON(was)        ((was) >> 8 & 0xff)
#define WIRE_WAS_NS(was)            ((was) >> 16)

enum wire_sample_flag {
	WIRE_SAMPLE_CUT = 1 << 0, /* the stack is deeper */
};

/* The other bits: control.sample_window. */
#define WIRE_WINDOWS              127
#define WIRE_SAMPLE_WINDOW(flags) ((flags) >> 1)

struct wire_sample {
	__u64 time_ns, goid;
	__u64 weight, size;
	__u32 pid;
	__u8 kind, flags;
	__u16 n;                   /* of pcs: return addresses as they are in the process,
				      innermost first */
	__u64 pcs[WIRE_STACK_MAX]; /* behind n: anything */
};

/* Samples of one kind in a window: how many were taken, and by how much the shift of their chance
 * is above its minimum. */
struct wire_chance {
	__u32 taken, above;
};

/*
 * Counters, one a CPU as struct wire_cpu. Where spans are used up more often than stacks may be
 * walked, a hit is a sample with the chance of 1 in 2^chance.above, and stands for so many; of an
 * object with a span of its own the chance is that of its bytes in 2^(WIRE_LARGE_SHIFT +
 * chance.above). What a window leaves over may be taken later, for so many windows, so that short
 * work is sampled whole.
 */
struct wire_sampled {
	__u64 hits;              /* all of them */
	__u64 skipped;           /* of those, what stood for nothing: restarts, an empty span, what
				    lay outside of windows */
	__u64 lost, lost_weight; /* samples that found no room */
	__u64 window_ns;         /* the window's begin */
	struct wire_chance chance;
	__u64 saved; /* samples that earlier windows left over */
	__u64 pad;
};

#define WIRE_SAVED_WINDOWS   20
#define WIRE_LARGE_SHIFT     15 /* 32 KiB: there are none below */
#define WIRE_ALLOC_ABOVE_MAX 16

/* --- stacks of goroutines: where they were made, where they are off the CPU ----------------------
 */

/*
 * When each goroutine changed its state last, as it is known at the next change: one word, by a
 * hash of its number and process. Two that share a place push each other out, which is counted. In
 * units, modulo 2^48 of them (208 days).
 */
#define WIRE_SINCE_SLOTS (1u << 17)
#define WIRE_SINCE_SHIFT 6 /* ns in a unit: 1 << this */
#define WIRE_SINCE_MASK  ((1ull << 48) - 1)

/*
 * A stay of 2^shift ns and more is a sample for itself; a shorter one with the chance of its
 * length, and then stands for 2^shift ns. A goroutine that is made is one with the chance of 1 in
 * 2^shift, but for the first WIRE_MADE_FIRST of each go statement. Who takes too many samples in a
 * window makes shift greater, who takes few smaller: so their number is bounded whatever the
 * program does, and as the chance is known before it is used, no estimate is off for it.
 */
#define WIRE_OFF_SHIFT_MIN    20 /* a millisecond */
#define WIRE_OFF_SHIFT_MAX    44 /* five hours */
#define WIRE_MADE_SHIFT_MIN   6
#define WIRE_MADE_SHIFT_MAX   24
#define WIRE_STACKS_WINDOW_NS 100000000ull

#define WIRE_GO_SITES   4096 /* a power of two; go statements beyond have no first ones */
#define WIRE_MADE_FIRST 8
#define WIRE_MADE_TRIES 4

struct wire_go_site {
	__u64 pc; /* 0: free */
	__u32 first, pad;
};

/* One a CPU. */
struct wire_stacks {
	__u64 window_ns; /* the window's begin */
	struct wire_chance off, made;
	__u64 lost[2],
		lost_weight[2]; /* no room, or it changed under the reading: off the CPU, made */
	__u64 pad;
};

_Static_assert(sizeof(struct wire_stacks) == 64, "wire_stacks: no false sharing");
_Static_assert(sizeof(struct wire_goid) == 32, "wire_goid: two a cache line");
_Static_assert(sizeof(struct wire_go_site) == 16, "wire_go_site");
_Static_assert(sizeof(struct wire_sample) == 40 + 8 * WIRE_STACK_MAX, "wire_sample");
_Static_assert(sizeof(struct wire_sampled) == 64, "wire_sampled: no false sharing");
_Static_assert(sizeof(struct wire_header) == 24, "wire_header");
_Static_assert(WIRE_CPUS_MAX == 1u << (32 - WIRE_PID_BITS), "wire_header: every CPU has a number");
_Static_assert(sizeof(struct wire_state) == 40, "wire_state");
_Static_assert(sizeof(struct wire_create) == 56, "wire_create");
_Static_assert(sizeof(struct wire_alloc) == 56, "wire_alloc");
_Static_assert(sizeof(struct wire_slot) == 64, "wire_slot: a cache line");
_Static_assert(sizeof(struct wire_ring) == 128, "wire_ring: head and tail apart");
_Static_assert(sizeof(struct wire_layout) == 88, "wire_layout");
_Static_assert(sizeof(struct wire_site) == 16, "wire_site");
_Static_assert(sizeof(struct wire_cpu) == 320, "wire_cpu: no false sharing");

#endif
