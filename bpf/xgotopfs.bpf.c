/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The probes: one small program a probe kind, run by the traced thread at the sites that
 * core/target chose. Each reads a few words of the runtime's g, writes one compact record into
 * this CPU's ring, and wakes nobody unless the reader sleeps. What costs time here is paid by the
 * traced program, so: no read and no helper that is not needed, one read for adjacent fields,
 * nothing counted with a map lookup. And a small stack: from 64 bytes on (rounded up to 16) newer
 * kernels give a function a private stack, and hardened usercopy then searches for the area it lies
 * in at each read of user memory, which costs more than the read. Big buffers are in functions of
 * their own, as is what seldom comes (the compiler puts nothing behind), and meson.build has the
 * compiler tell of more than 48 bytes. User space (core/capture) owns all memory; it sets the knobs
 * before loading and changes `control` while the programs run.
 *
 * A program may be preempted by another probe on the same CPU (uprobe programs only disable
 * migration), so shared counters are added to atomically.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "goabi.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Go's states as far as the rules need them: src/runtime/runtime2.go. */
enum {
	GO_IDLE = 0,
	GO_RUNNABLE = 1,
	GO_RUNNING = 2,
	GO_SYSCALL = 3,
	GO_WAITING = 4,
	GO_DEAD = 6,
	GO_DEADEXTRA = 11,
	GO_SCAN = 0x1000,
};

/* --- knobs, fixed once loaded -------------------------------------------------------------- */

const volatile struct wire_layout layout = {0};
const volatile __u32 target_tgid = 0; /* 0: every process of the binary */
/* Loaded as programs that may sleep: Linux 6.0 on. */
const volatile bool may_sleep = false;
/* Our pid namespace, when it is not the initial one. */
const volatile __u64 pidns_dev = 0, pidns_ino = 0;
/* Callers whose inner calls are no event of their own. The last entry spans all. */
const volatile struct wire_range exclude_malloc[WIRE_RANGES_MAX + 1] = {0};
const volatile struct wire_range exclude_maps[WIRE_RANGES_MAX + 1] = {0};
/* Far slots of each ring, a power of two, and how many of them are kept free. */
const volatile __u32 ring_slots = 64, ring_spare = 8;
const volatile __u32 n_exclude_malloc = 0, n_exclude_maps = 0;
/* Of a g: its closure until it runs. 0: none is looked up. */
const volatile __u32 g_sched_ctxt = 0;

/* --- shared with user space ----------------------------------------------------------------- */

/* What is one a CPU, or two a line, is so from the first line on. */
#define ALIGNED_TO_LINES __attribute__((aligned(64)))

volatile struct wire_control control SEC(".data.control") = {.sample_scale = 1};
struct wire_cpu cpus[WIRE_CPUS_MAX] ALIGNED_TO_LINES;

struct wire_ring rings[WIRE_RINGS_MAX] ALIGNED_TO_LINES;

/* --- one hit ---------------------------------------------------------------------------------- */

struct hit {
	go_regs *regs;
	__u64 started_ns; /* 0: this hit is not timed */
};

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* In our pid namespace. A process outside has no number here; 0 is never one. */
static __noinline __u32 process_id_here(void)
{
	struct bpf_pidns_info info = {0};

	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &info, sizeof(info)))
		return 0;
	return info.tgid;
}

static __always_inline __u32 process_id(void)
{
	return pidns_ino ? process_id_here() : bpf_get_current_pid_tgid() >> 32;
}

/* The process that was hit: a constant, or a call, which takes less than to keep it. */
static __always_inline __u32 hit_pid(void)
{
	return target_tgid ? target_tgid : process_id();
}

static __always_inline struct wire_cpu *this_cpu(void)
{
	return &cpus[bpf_get_smp_processor_id() & (WIRE_CPUS_MAX - 1)];
}

static __always_inline struct wire_ring *cpu_ring(struct wire_cpu *cpu)
{
	return &rings[cpu->ring & (WIRE_RINGS_MAX - 1)];
}

/* The slot of the site that was hit, for programs that have several. */
static __always_inline __u32 hit_slot(go_regs *regs)
{
	return bpf_get_attach_cookie(regs) & (WIRE_SITES_MAX - 1);
}

/* One that costs more than the trap. Where there is none, the kind is all that is looked at. */
static __noinline int count_stepped(go_regs *regs, __u32 kind)
{
	__u32 slot = kind;

	if (control.several || kind == WIRE_PROBE_MALLOC_SPECIAL || kind == WIRE_PROBE_STATE_SWAP ||
	    kind == WIRE_PROBE_NEWPROC_GOID || kind == WIRE_PROBE_ENTERSYSCALL ||
	    kind == WIRE_PROBE_EXITSYSCALL)
		slot = hit_slot(regs);
	if (control.sites[slot & (WIRE_SITES_MAX - 1)].flags & WIRE_SITE_STEPPED)
		count(&this_cpu()->stepped);
	return 0;
}

/* With a target process, the link itself only lets that one through. */
static __always_inline void hit_begin(go_regs *regs, struct hit *h, __u32 kind)
{
	struct wire_cpu *cpu = this_cpu();

	h->regs = regs;
	if (control.stepped_kinds >> kind & 1)
		count_stepped(regs, kind);
	/* One hit in so many is timed, by counters that hits move anyway. */
	h->started_ns = 0;
	if ((cpu_ring(cpu)->head + cpu->passed) % WIRE_TIMED == 0)
		h->started_ns = bpf_ktime_get_ns();
}

static __always_inline void hit_end(struct hit *h)
{
	if (h->started_ns) {
		struct wire_cpu *cpu = this_cpu();

		__sync_fetch_and_add(&cpu->prog_ns_sum, bpf_ktime_get_ns() - h->started_ns);
		count(&cpu->prog_ns_samples);
	}
}

/*
 * Memory that the target uses all the time may still not be there this very moment: its page is
 * being merged into a huge one, moved to another node, was swapped out, or (on machines that leave
 * the accessed bit to the kernel) is merely marked old. A read that must not fault fails then, and
 * an event would be lost for it; so the program is one that may sleep where the kernel has such,
 * and reads again as the target itself would. Out of line: hardly ever needed.
 */
static __noinline long read_again(void *to, __u32 size, __u64 addr)
{
	long err = -1;

	if (!to)
		return -1;
	if (may_sleep) {
		count(&this_cpu()->faulted);
		err = size == 1   ? bpf_copy_from_user(to, 1, (void *)addr)
		      : size == 8 ? bpf_copy_from_user(to, 8, (void *)addr)
				  : bpf_copy_from_user(to, WIRE_BLOCK_BYTES, (void *)addr);
	}
	if (err)
		count(&this_cpu()->absent);
	return err;
}

/* `size` is 1, 8 or WIRE_BLOCK_BYTES. 0, or not 0: there is nothing at that address. */
static __always_inline long read_user(void *to, __u32 size, __u64 addr)
{
	long err = bpf_probe_read_user(to, size, (void *)addr);

	return err ? read_again(to, size, addr) : 0;
}

static __always_inline __u64 read_word(__u64 addr)
{
	__u64 v = 0;

	read_user(&v, sizeof(v), addr);
	return v;
}

static __always_inline __u8 read_byte(__u64 addr)
{
	__u8 v = 0;

	read_user(&v, sizeof(v), addr);
	return v;
}

static __always_inline const volatile struct wire_site *hit_site(go_regs *regs, __u32 probe)
{
	if (probe != WIRE_PROBE_MALLOC_SPECIAL && !control.several)
		return &control.sites[probe];
	return &control.sites[hit_slot(regs)];
}

/* The slot, for programs that have one site a file. */
static __always_inline __u32 single_slot(go_regs *regs, __u32 probe)
{
	return control.several ? hit_slot(regs) : probe;
}

/* The stack check will send the function round again: this hit is not the call yet. */
static __always_inline bool restarts(go_regs *regs, __u32 flags)
{
	if ((flags & WIRE_SITE_FILTER_BRANCH) && branch_taken(regs))
		return true;
	return (flags & WIRE_SITE_STACK_CHECK) &&
	       REG_SP(regs) <= read_word(REG_G(regs) + layout.g_stackguard0);
}

/* The next stride of hits (see struct wire_sampler). */
static __noinline bool sample_stride(struct wire_sampler *s, __u32 rate)
{
	__u32 left;

	if (!s || !rate)
		return false;
	left = s->left;
	if (!left || s->rate != rate) {
		__u32 carry = s->rate == rate ? s->carry : 0;

		left = (carry + WIRE_RATE_ONE) / rate;
		if (!left)
			left = 1;
		s->carry = (carry + WIRE_RATE_ONE) % rate;
		s->rate = rate;
		s->pick = 1 + bpf_get_prandom_u32() % left;
	}
	s->left = left - 1;
	return left == s->pick;
}

/* `chosen`: its goroutine is. */
static __always_inline bool sample(__u32 type, bool chosen)
{
	__u32 rate = control.rates[type];

	if (chosen &&
	    (rate >= WIRE_RATE_ONE || (rate && sample_stride(&this_cpu()->samplers[type], rate))))
		return true;
	count(&this_cpu()->unchosen[type]);
	return false;
}

#include "record.bpf.h"

/* --- goroutines ------------------------------------------------------------------------------- */

#include "goids.bpf.h"

/* On whose behalf this thread runs: g.m.curg. `gp` (0: none) is a g whose goid is known already. */
static __noinline __u64 actor_through_m(__u64 g, __u64 gp, __u64 gp_goid)
{
	bool keeps = control.goids_epoch;
	__u64 m = 0, curg, goid = 0, key = 0;

	if (g == gp)
		return gp_goid;
	if (keeps) {
		key = m_key(g);
		m = goid_use(goid_entry(g), key);
		keeps = !m;
	}
	if (!m)
		m = read_word(g + layout.g_m);
	if (!m)
		return 0;
	curg = read_word(m + layout.m_curg);
	if (keeps && curg != g) /* else g is a goroutine's, which runs on one thread now */
		m_keep(g, key, m);
	if (!curg || curg == gp)
		return curg ? gp_goid : 0;
	if (key)
		goid = goid_kept(curg, hit_pid());
	return goid ? goid : read_word(curg + layout.g_goid);
}

/* The same where the thread is nearly always on the goroutine's own stack. */
static __always_inline __u64 actor(__u64 g)
{
	__u64 goid = read_word(g + layout.g_goid);

	return goid ? goid : actor_through_m(g, 0, 0);
}

/* The same, and keeps it. Out of line: seldom. */
static __noinline __u64 actor_to_keep(__u64 g)
{
	__u64 goid = goid_read(g, hit_pid());

	return goid && goid != GOID_NONE ? goid : actor_through_m(g, 0, 0);
}

static __noinline __u64 actor_apart(__u64 g)
{
	return actor(g);
}

/* Of an allocation that is told of. */
static __always_inline __u64 alloc_actor(__u64 g)
{
	__u64 goid;

	if (!control.goids_epoch)
		return actor_apart(g);
	goid = goid_kept(g, hit_pid());
	return goid ? goid : actor_to_keep(g);
}

/* --- which goroutines are chosen (-sample goroutines:R) -------------------------------------- */

static __always_inline bool chooses(void)
{
	return control.goroutines < WIRE_RATE_ONE;
}

static __noinline int is_chosen(__u64 goid)
{
	return wire_choice(hit_pid(), goid) < control.goroutines;
}

/* Of an allocation. */
static __noinline int actor_chosen(go_regs *regs)
{
	return is_chosen(actor(REG_G(regs)));
}

/* Of a change of state. One that cannot be read is, and given up where that is counted. */
static __noinline int subject_chosen(__u64 gp)
{
	__u64 goid;

	return read_user(&goid, sizeof(goid), gp + layout.g_goid) || is_chosen(goid);
}

/* Of a creation: the child, or who made it, which where it stands is as emit_creation() has it. */
static __noinline int creation_chosen(go_regs *regs, __u64 gp)
{
	__u64 goid;

	if (read_user(&goid, sizeof(goid), gp + layout.g_goid) || is_chosen(goid))
		return 1;
	return is_chosen(layout.has_parent ? read_word(gp + layout.g_parent_goid)
					   : actor_through_m(REG_G(regs), gp, goid));
}

static __always_inline bool is_dead(__u32 state)
{
	return state == GO_DEAD || state == GO_DEADEXTRA;
}

#include "stacks.bpf.h"
#include "goroutine.bpf.h"

/* What casgstatus tells of a goroutine that begins or ends, or while not all are chosen. Out of
 * line: it is many instructions, and seldom. */
static __noinline int transition_other(go_regs *regs, __u64 gp, __u32 how)
{
	struct wire_cpu *cpu = this_cpu();
	__u32 flags = WIRE_STATE_SEEN, from = HOW_FROM(how), to = HOW_TO(how);
	bool created, ended, chosen;

	if (from == GO_IDLE ||
	    (layout.syscall_sites && ((from == GO_RUNNING && to == GO_SYSCALL) ||
				      (from == GO_SYSCALL && to == GO_RUNNING)))) {
		/* A new struct g, not yet anybody: malg, then newproc1 or newextram. Or the slow
		 * way of what the sites in reentersyscall & co. have told. */
		count(&cpu->skipped);
		return 0;
	}
	created = is_dead(from) && (to == GO_RUNNABLE || to == GO_SYSCALL || to == GO_WAITING);
	ended = is_dead(to) && (from == GO_RUNNING || from == GO_SYSCALL);
	if (created && layout.goid_stale && to != GO_SYSCALL) {
		/* Told from newproc1, where the goid is final. */
		count(&cpu->skipped);
		return 0;
	}
	created = created && !(control.creations_by_newproc && to != GO_SYSCALL);
	ended = ended && !(control.exits_by_gdestroy && from != GO_SYSCALL);
	chosen = !chooses() || subject_chosen(gp);
	if (sample(WIRE_CASGSTATUS, chosen))
		flags |= WIRE_EMIT_STATE;
	if (created && sample(WIRE_NEWGOROUTINE, chosen || creation_chosen(regs, gp)))
		flags |= WIRE_EMIT_CREATE;
	if (ended && sample(WIRE_GOEXIT, chosen))
		flags |= WIRE_EMIT_EXIT;
	if (created)
		emit_creation(regs, gp, how | flags);
	else if (ended || (flags & WIRE_EMIT_STATE))
		emit_state(regs, gp, how | flags);
	else
		count(&cpu->passed);
	return 0;
}

/* A goroutine that lives before and after. */
static __always_inline bool lives(__u32 state)
{
	return state - GO_RUNNABLE <= GO_WAITING - GO_RUNNABLE;
}

/* casgstatus(gp, oldval, newval): src/runtime/proc.go. One entry is one completed transition.
 * `slot` is that of the site that was hit. */
static __always_inline void transition(go_regs *regs, __u64 gp, __u32 from, __u32 to, __u32 slot)
{
	from &= 0xff;
	to &= 0xff;
	if (lives(from) && lives(to) && control.rates[WIRE_CASGSTATUS] >= WIRE_RATE_ONE &&
	    !chooses() && !(layout.syscall_sites && (from == GO_SYSCALL || to == GO_SYSCALL)))
		emit_state(regs, gp, HOW(WIRE_STATE_SEEN | WIRE_EMIT_STATE, from, to, 0));
	else
		transition_other(regs, gp, HOW(0, from, to, slot));
}

SEC("uprobe")
int on_casgstatus(go_regs *ctx)
{
	struct hit h;
	__u64 gp, states;
	__u32 slot;

	hit_begin(ctx, &h, WIRE_PROBE_CASGSTATUS);
	slot = single_slot(ctx, WIRE_PROBE_CASGSTATUS);
	if (layout.register_abi) {
		transition(ctx, REG_ARG0(ctx), REG_ARG1(ctx), REG_ARG2(ctx), slot);
	} else {
		__u64 args = REG_SP(ctx) + control.sites[slot].sp_delta + 8;

		gp = read_word(args);
		states = read_word(args + 8);
		transition(ctx, gp, states, states >> 32, slot);
	}
	hit_end(&h);
	return 0;
}

/* The same where casgstatus was copied into its callers: behind the compare-and-swap, which has
 * left the old state in the first argument's register. */
SEC("uprobe")
int on_state_swap(go_regs *ctx)
{
	__u32 slot = hit_slot(ctx);
	const volatile struct wire_site *site = &control.sites[slot];
	struct hit h;

	hit_begin(ctx, &h, WIRE_PROBE_STATE_SWAP);
	if (!flags_equal(ctx) == !(site->flags & WIRE_SITE_ZERO_IS_SWAPPED))
		transition(ctx, reg_by_number(ctx, site->reg), REG_ARG0(ctx),
			   reg_by_number(ctx, site->reg2), slot);
	else
		count(&this_cpu()->skipped);
	hit_end(&h);
	return 0;
}

/* In newproc1, g.goid just stored: where creations are told from when casgstatus comes too early
 * (before Go 1.24), or is not watched. */
SEC("uprobe")
int on_newproc_goid(go_regs *ctx)
{
	__u32 flags = 0, slot = hit_slot(ctx);
	struct hit h;

	hit_begin(ctx, &h, WIRE_PROBE_NEWPROC_GOID);
	if (layout.goid_stale || control.creations_by_newproc) {
		__u64 gp = reg_by_number(ctx, control.sites[slot].reg);
		bool chosen = !chooses() || subject_chosen(gp);

		if (layout.goid_stale && control.rates[WIRE_CASGSTATUS]) {
			flags |= WIRE_STATE_SEEN;
			if (sample(WIRE_CASGSTATUS, chosen))
				flags |= WIRE_EMIT_STATE;
		}
		if (sample(WIRE_NEWGOROUTINE, chosen || creation_chosen(ctx, gp)))
			flags |= WIRE_EMIT_CREATE;
		emit_creation(ctx, gp, HOW(flags, GO_DEAD, 0, slot));
	}
	hit_end(&h);
	return 0;
}

/* Exits when casgstatus is not watched. The goroutine is the first argument. */
SEC("uprobe")
int on_gdestroy(go_regs *ctx)
{
	struct hit h;
	const volatile struct wire_site *site =
		&control.sites[single_slot(ctx, WIRE_PROBE_GDESTROY)];
	__u64 gp;

	hit_begin(ctx, &h, WIRE_PROBE_GDESTROY);
	if (restarts(ctx, site->flags)) {
		count(&this_cpu()->skipped);
	} else if (control.exits_by_gdestroy) {
		if (layout.register_abi)
			gp = REG_ARG0(ctx);
		else
			gp = read_word(REG_SP(ctx) + site->sp_delta + 8);
		emit_state(ctx, gp,
			   HOW(sample(WIRE_GOEXIT, !chooses() || subject_chosen(gp))
				       ? WIRE_EMIT_EXIT
				       : 0,
			       GO_RUNNING, GO_DEAD, 0));
	}
	hit_end(&h);
	return 0;
}

#include "allocations.bpf.h"

/* --- system calls, Go 1.26 on ----------------------------------------------------------------- */

static __always_inline int system_call(go_regs *ctx, __u32 from, __u32 to, __u32 kind)
{
	struct hit h;

	hit_begin(ctx, &h, kind);
	if (sample(WIRE_CASGSTATUS, !chooses() || subject_chosen(REG_G(ctx))))
		write_state(ctx, REG_G(ctx),
			    HOW(WIRE_STATE_SEEN | WIRE_EMIT_STATE | WIRE_SYSCALL_SITE, from, to, 0),
			    true);
	else
		count(&this_cpu()->passed);
	hit_end(&h);
	return 0;
}

SEC("uprobe")
int on_entersyscall(go_regs *ctx)
{
	return system_call(ctx, GO_RUNNING, GO_SYSCALL, WIRE_PROBE_ENTERSYSCALL);
}

SEC("uprobe")
int on_exitsyscall(go_regs *ctx)
{
	return system_call(ctx, GO_SYSCALL, GO_RUNNING, WIRE_PROBE_EXITSYSCALL);
}

#include "sample.bpf.h"

/* --- another program -------------------------------------------------------------------------- */

/*
 * A process has executed another program (kernel/exec.c exec_binprm()): all threads but this one
 * are gone, and it has not run an instruction of the new program. In the ring this lies behind
 * what the old one wrote and before what the new one will. A seldom thing: half of the room that is
 * kept free for writers in between is its.
 */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct wire_cpu *cpu = this_cpu();
	__u32 pid = process_id();
	struct wire_header *r;
	struct record w;

	if (!pid || (target_tgid && pid != target_tgid))
		return 0;
	count(&goids_execs);
	if (wire_ring_full(cpu_ring(cpu), ring_slots - ring_spare / 2)) {
		count(&cpu->lost_execs);
		return 0;
	}
	/* (task, the thread's number before it got the process's, …) */
	r = record_take(&w, cpu, WIRE_EXEC,
			(__u32)ctx->args[1] == bpf_get_current_pid_tgid() >> 32 ? WIRE_BY_LEADER
										: 0);
	if (!r)
		return 0;
	r->goid = 0;
	count(&cpu->execs);
	record_submit(&w);
	return 0;
}
