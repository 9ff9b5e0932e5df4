/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the traced processes spend their time on CPUs: run by a perf event of each CPU, so many
 * times a second, whoever it meets there. An object of its own, which needs no uprobe, and whose
 * absence takes nothing from the others.
 *
 * The stack is walked by frame pointers, as in sample.bpf.h, from the registers that the thread has
 * in user space. What that misses (a function that has no frame yet, or none at all) core/capture
 * adds from the words at the stack pointer and Go's tables.
 */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "cpu.h"

char LICENSE[] SEC("license") = "GPL";

/* --- knobs, fixed once loaded -------------------------------------------------------------- */

const volatile struct wire_cpu_layout layout = {0};
/* Our pid namespace, when it is not the initial one. */
const volatile __u64 pidns_dev = 0, pidns_ino = 0;

/* --- shared with user space ---------------------------------------------------------------- */

struct wire_cpu_counts counts[WIRE_CPU_SLOTS];

/* By process number, as our namespace has it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WIRE_CPU_TARGETS);
	__type(key, __u32);
	__type(value, struct wire_cpu_target);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WIRE_CPU_RING_BYTES);
} ring SEC(".maps");

/* --- the machine ----------------------------------------------------------------------------- */

/* The kernel's own types, as far as they are looked at; libbpf finds where the fields are. */
#if defined(__TARGET_ARCH_x86)

struct thread_struct {
	unsigned long fsbase;
} __attribute__((preserve_access_index));

typedef struct pt_regs user_regs;
#define REG_G(r)             ((r)->r14)
#define REG_IP(r)            ((r)->rip)
#define REG_SP(r)            ((r)->rsp)
#define REG_FP(r)            ((r)->rbp)
#define REG_LR(r)            0
#define IN_KERNEL(r)         (!((r)->cs & 3))
#define THREAD_POINTER(task) (&(task)->thread.fsbase)

#elif defined(__TARGET_ARCH_arm64)

struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
} __attribute__((preserve_access_index));

typedef struct user_pt_regs user_regs;
#define REG_G(r)             ((r)->regs[28])
#define REG_IP(r)            ((r)->pc)
#define REG_SP(r)            ((r)->sp)
#define REG_FP(r)            ((r)->regs[29])
#define REG_LR(r)            ((r)->regs[30])
#define IN_KERNEL(r)         ((r)->pstate & 0xf)
#define THREAD_POINTER(task) (&(task)->thread.uw.tp_value)

#else
#error "this architecture has no user registers here yet"
#endif

struct task_struct {
	struct thread_struct thread;
} __attribute__((preserve_access_index));

static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	__u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), THREAD_POINTER(task));
	return v;
}

/* A word of the process's memory, 0 when it is not there just now. */
static __always_inline __u64 read_word(__u64 addr)
{
	__u64 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)addr);
	return v;
}

/* --- who ------------------------------------------------------------------------------------- */

static __always_inline bool who(__u32 *pid)
{
	struct bpf_pidns_info info = {0};
	__u64 both = bpf_get_current_pid_tgid();

	if (!both) /* the CPU is idle */
		return false;
	*pid = both >> 32;
	if (!pidns_ino)
		return true;
	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &info, sizeof(info)))
		return false;
	*pid = info.tgid;
	return true;
}

/* What the thread runs: its m's goroutine, and whether it is on that one's own stack. */
struct running {
	__u64 g, curg, g0;
};

/* false: that is no g. */
static __always_inline bool from_g(struct running *r, __u64 g)
{
	__u64 m = g ? read_word(g + layout.g_m) : 0;

	if (!m)
		return false;
	r->g = g;
	r->g0 = read_word(m + layout.m_g0);
	r->curg = read_word(m + layout.m_curg);
	return r->g0 != 0;
}

static __always_inline bool is_current(const struct running *r)
{
	return r->g == r->g0 || r->g == r->curg;
}

static __always_inline bool find_running(struct running *r, const struct wire_cpu_target *t,
					 struct task_struct *task, __u64 reg)
{
	__u64 slot = t->g_slot;

	if (layout.arm64 && from_g(r, reg) && is_current(r))
		return true;
	if (t->g_from != WIRE_G_REGISTER) {
		if (t->g_from == WIRE_G_POINTER) {
			slot = read_word(slot);
			if (!slot) /* ld.so has not been there yet */
				return false;
		}
		return from_g(r, read_word(thread_pointer(task) + slot));
	}
	return !layout.arm64 && from_g(r, reg) && is_current(r);
}

/* --- where ----------------------------------------------------------------------------------- */

/* Branches in a loop are dear to the verifier. 1: lo <= addr < hi, all below 1 << 63. */
static __always_inline __u64 within(__u64 addr, __u64 lo, __u64 hi)
{
	return (~(addr - lo) & (addr - hi)) >> 63;
}

/* Frames from `fp` on. *ret_own: one of them lies in [lo, hi). Returns how many. */
static __always_inline __u32 walk(__u64 *pcs, __u32 max, __u64 fp, __u64 lo, __u64 hi,
				  __u64 *ret_own)
{
	__u64 own = 0;
	__u32 n = 0;

	for (__u32 i = 0; i < max; i++) {
		__u64 frame[2]; /* the caller's frame pointer, the address it returns to */

		if (fp & 7 || bpf_probe_read_user(frame, sizeof(frame), (void *)fp) || !frame[1] ||
		    frame[0] == fp)
			break;
		own |= within(fp, lo, hi);
		pcs[i] = frame[1];
		n = i + 1;
		fp = frame[0];
	}
	*ret_own = own;
	return n;
}

/* The goroutine of a thread that is on a stack of the system's. */
static __noinline int walk_own(struct wire_cpu_sample *s, __u64 curg)
{
	__u64 unused;

	if (!s)
		return 0;
	/* In a system call as the runtime sees it, which C is, too. */
	s->own[0] = read_word(curg + layout.g_syscallsp) ? read_word(curg + layout.g_syscallpc) : 0;
	s->n_own = 1 + walk(s->own + 1, WIRE_CPU_OWN_DEPTH - 1, read_word(curg + layout.g_sched_bp),
			    0, 0, &unused);
	return 0;
}

static __always_inline void fill(struct wire_cpu_sample *s, const struct wire_cpu_target *t,
				 struct task_struct *task, user_regs *regs)
{
	struct running r = {0};
	__u64 lo = 0, hi = 0, own;

	s->ip = REG_IP(regs);
	s->sp = REG_SP(regs);
	s->fp = REG_FP(regs);
	s->lr = REG_LR(regs);
	s->goid = 0;
	s->n_own = 0;
	if (bpf_probe_read_user(s->top, sizeof(s->top), (void *)s->sp))
		s->top[0] = read_word(s->sp);
	if (find_running(&r, t, task, REG_G(regs))) {
		if (r.curg)
			s->goid = read_word(r.curg + layout.g_goid);
		if (r.g != r.curg && r.curg) { /* stack.lo and stack.hi are a g's first words */
			lo = read_word(r.curg);
			hi = read_word(r.curg + 8);
		}
	} else {
		s->flags |= WIRE_CPU_NO_G;
	}
	s->n = walk(s->pcs, WIRE_CPU_DEPTH, s->fp, lo, hi, &own);
	if (s->n == WIRE_CPU_DEPTH)
		s->flags |= WIRE_CPU_CUT;
	else if (lo && !own)
		walk_own(s, r.curg);
}

SEC("perf_event")
int on_cpu_clock(struct bpf_perf_event_data *ctx)
{
	struct wire_cpu_counts *c = &counts[bpf_get_smp_processor_id() & (WIRE_CPU_SLOTS - 1)];
	struct wire_cpu_target *t;
	struct wire_cpu_sample *s;
	struct task_struct *task;
	user_regs regs;
	__u64 started_ns;
	__u32 pid;

	t = who(&pid) ? bpf_map_lookup_elem(&targets, &pid) : NULL;
	if (!t)
		return 0;
	started_ns = bpf_ktime_get_ns();
	c->hits++;
	s = bpf_ringbuf_reserve(&ring, sizeof(*s), 0);
	if (!s) {
		c->lost++;
		return 0;
	}
	task = (struct task_struct *)bpf_get_current_task_btf();
	s->time_ns = started_ns;
	s->pid = pid;
	s->flags = IN_KERNEL(&ctx->regs) ? WIRE_CPU_KERNEL : 0;
	if (bpf_probe_read_kernel(&regs, sizeof(regs), (void *)bpf_task_pt_regs(task))) {
		c->lost++;
		bpf_ringbuf_discard(s, BPF_RB_NO_WAKEUP);
		return 0;
	}
	fill(s, t, task, &regs);
	bpf_ringbuf_submit(s, bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > WIRE_CPU_RING_BYTES / 4
				      ? BPF_RB_FORCE_WAKEUP
				      : BPF_RB_NO_WAKEUP);
	c->ns += bpf_ktime_get_ns() - started_ns;
	return 0;
}
