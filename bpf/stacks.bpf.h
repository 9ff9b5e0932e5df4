/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stacks of goroutines, sampled: at the go statement that made them, and where they left the CPU.
 * Part of xgotopfs.bpf.c, whose functions it uses; called where a record tells of the change.
 *
 * Off the CPU. Of a stay in a state other than running its end decides, when its length is known:
 * the goroutine's registers are still where mcall() and systemstack() left them (g.sched; from the
 * program counter and frame pointer there its stack can be walked as it was when it was switched
 * away), and no one but who wakes it touches them. It costs a change of state a store and a load.
 *
 * Made. newproc1() runs on g0; the frame pointer leads through systemstack() to the stack of who
 * ran `go`. What lies before g.gopc, the statement, user space leaves out.
 *
 * Stacks are walked by frame pointers, which Go keeps in every function that has a frame
 * (src/cmd/internal/obj/{x86,arm64}/obj*.go): where one points are the caller's and, behind it, the
 * address it returns to. That leads from the stack of g0 to the goroutine's too, as systemstack()
 * leaves the register alone.
 */
#ifndef XGOTOPFS_STACKS_BPF_H
#define XGOTOPFS_STACKS_BPF_H

__u64 since[WIRE_SINCE_SLOTS];
struct wire_go_site go_sites[WIRE_GO_SITES];
struct wire_stacks stacks[WIRE_CPUS_MAX] ALIGNED_TO_LINES;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WIRE_RING_BYTES);
} samples SEC(".maps");

static __always_inline struct wire_stacks *this_stacks(void)
{
	return &stacks[bpf_get_smp_processor_id() & (WIRE_CPUS_MAX - 1)];
}

/* Frames from `fp` on, behind the one that is there. Out of line: see the note on the stack. */
static __noinline int walk_frames(struct wire_sample *s, __u64 fp)
{
	__u32 n = 1;

	if (!s)
		return 0;
	for (__u32 i = 1; i < WIRE_STACK_MAX; i++) {
		__u64 frame[2]; /* the caller's frame pointer, the address it returns to */

		if (!fp || fp & 7 || bpf_probe_read_user(frame, sizeof(frame), (void *)fp) ||
		    !frame[1] || frame[0] == fp)
			break;
		s->pcs[i] = frame[1];
		n = i + 1;
		fp = frame[0];
	}
	s->n = n;
	s->flags = n == WIRE_STACK_MAX ? WIRE_SAMPLE_CUT : 0;
	return 0;
}

static __always_inline void submit_sample(struct wire_sample *s)
{
	bpf_ringbuf_submit(s, bpf_ringbuf_query(&samples, BPF_RB_AVAIL_DATA) > WIRE_RING_BYTES / 8
				      ? BPF_RB_FORCE_WAKEUP
				      : BPF_RB_NO_WAKEUP);
}

static __always_inline void stack_lost(__u32 kind, __u64 weight)
{
	struct wire_stacks *st = this_stacks();
	__u32 i = kind == WIRE_SAMPLE_CREATED;

	count(&st->lost[i]);
	__sync_fetch_and_add(&st->lost_weight[i], weight);
}

/* --- off the CPU ------------------------------------------------------------------------------ */

#define SINCE_HASH(goid, pid) ((goid) + (__u64)(pid)*0x9e3779b1u)
#define SINCE_TAG(hash)       ((hash) >> 17 & 0xffff)

/* Whatever was known of it: a change that is not told. */
static __noinline int since_forget(__u64 gp)
{
	__u64 goid = 0;

	if (control.watched_ns == ~0ull || read_user(&goid, sizeof(goid), gp + layout.g_goid))
		return 0;
	since[SINCE_HASH(goid, hit_pid()) & (WIRE_SINCE_SLOTS - 1)] = 0;
	return 0;
}

/* Few samples in a window that has passed: more of them. */
static __always_inline void chance_ease(struct wire_chance *c, __u32 budget)
{
	if (c->taken <= budget / 4 && c->above)
		c->above--;
	c->taken = 0;
}

/* One more; too many in this window: fewer of them. */
static __always_inline void chance_taken(struct wire_chance *c, __u32 budget, __u32 most)
{
	if (++c->taken < budget)
		return;
	c->taken = 0;
	if (c->above < most)
		c->above++;
}

/* By its own registers when it runs (it came out of a system call), else by those that were saved.
 */
static __noinline int off_sample(go_regs *regs, __u64 gp, struct wire_state *r, __u64 ns,
				 __u64 weight)
{
	struct wire_sample *s;
	__u64 pc, fp;

	chance_taken(&this_stacks()->off, layout.stacks_budget,
		     WIRE_OFF_SHIFT_MAX - WIRE_OFF_SHIFT_MIN);
	s = bpf_ringbuf_reserve(&samples, sizeof(*s), 0);
	if (!s) {
		stack_lost(WIRE_SAMPLE_OFF_CPU, weight);
		return 0;
	}
	s->time_ns = r->h.time_ns;
	s->goid = r->target;
	s->weight = weight;
	s->size = WIRE_WAS((__u64)r->h.from, (__u64)read_byte(gp + layout.g_waitreason), ns);
	s->pid = wire_pid(&r->h);
	s->kind = WIRE_SAMPLE_OFF_CPU;
	if (REG_G(regs) == gp && !(r->h.flags & WIRE_SYSCALL_SITE)) {
		pc = REG_IP(regs) + 1; /* may be where a function begins */
		fp = REG_FP(regs);
	} else {
		pc = read_word(gp + layout.g_sched_pc);
		fp = read_word(gp + layout.g_sched_bp);
		pc += !fp; /* it never ran: where it will begin, instead of where one returns to */
	}
	s->pcs[0] = pc;
	walk_frames(s, fp);
	/* Its stack was moved meanwhile (a garbage collection shrinks it). */
	if (REG_G(regs) != gp && fp != read_word(gp + layout.g_sched_bp)) {
		bpf_ringbuf_discard(s, 0);
		stack_lost(WIRE_SAMPLE_OFF_CPU, weight);
		return 0;
	}
	submit_sample(s);
	return 0;
}

static __noinline int stacks_window(struct wire_stacks *st, __u64 now)
{
	if (!st)
		return 0;
	chance_ease(&st->off, layout.stacks_budget);
	chance_ease(&st->made, layout.stacks_budget);
	st->window_ns = now;
	return 0;
}

/* 48 bits by chance: nanoseconds and a goroutine, well mixed, are as good for this as
 * bpf_get_prandom_u32(), and each change of state is some 15 to 45 ns cheaper for it. */
static __always_inline __u64 chance(__u64 now, __u64 goid)
{
	__u64 x = (now ^ goid << 40) * 0x9e3779b97f4a7c15ull;

	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull >> 16;
}

/* A stay of `ns` has ended: is it a sample? 0, or for how long it stands. */
static __always_inline __u64 off_weight(__u64 now, __u64 goid, __u64 ns)
{
	struct wire_stacks *st = this_stacks();
	__u64 weight = ns;
	__u32 shift;

	if (now - st->window_ns >= WIRE_STACKS_WINDOW_NS)
		stacks_window(st, now);
	shift = (st->off.above + WIRE_OFF_SHIFT_MIN) & 63;
	if (ns < 1ull << shift) {
		if ((chance(now, goid) & ((1ull << shift) - 1)) >= ns)
			return 0;
		weight = 1ull << shift;
	}
	return weight;
}

static __noinline __u64 off_weight_apart(__u64 now, __u64 goid, __u64 ns)
{
	return off_weight(now, goid, ns);
}

/* Its record is written but for the last word. */
static __always_inline void off_cpu(go_regs *regs, __u64 gp, __u32 how, __u64 goid,
				    const struct record *w, bool known)
{
	__u64 hash, word, units, weight, now = w->time_ns;
	__u64 *slot;

	if (now < control.watched_ns)
		return;
	hash = SINCE_HASH(goid, hit_pid());
	slot = &since[hash & (WIRE_SINCE_SLOTS - 1)];
	word = *slot;
	*slot = now >> WIRE_SINCE_SHIFT << 16 | SINCE_TAG(hash);
	if (!known)
		MAKE_AGAIN(how);
	if (HOW_FROM(how) != GO_WAITING && HOW_FROM(how) != GO_RUNNABLE &&
	    HOW_FROM(how) != GO_SYSCALL)
		return;
	if ((word & 0xffff) != SINCE_TAG(hash)) /* pushed out, or the first that is seen of it */
		return;
	units = ((now >> WIRE_SINCE_SHIFT) - (word >> 16)) & WIRE_SINCE_MASK;
	/* It began before anybody looked. */
	if (units > (now - control.watched_ns) >> WIRE_SINCE_SHIFT)
		return;
	units <<= WIRE_SINCE_SHIFT;
	weight = known ? off_weight_apart(now, goid, units) : off_weight(now, goid, units);
	if (weight)
		off_sample(regs, gp, w->slot, units, weight);
}

/* --- made ------------------------------------------------------------------------------------- */

static __always_inline struct wire_go_site *go_site(__u64 pc)
{
	__u32 at = pc * 0x9e3779b97f4a7c15ull >> 32;

	for (__u32 i = 0; i < WIRE_MADE_TRIES; i++) {
		struct wire_go_site *site = &go_sites[(at + i) & (WIRE_GO_SITES - 1)];

		if (site->pc == pc)
			return site;
		if (!site->pc) {
			site->pc = pc;
			return site;
		}
	}
	return NULL;
}

/* From the probe's own frame on; for whom that is not newproc1's yet, its caller's. */
static __noinline int made_sample(go_regs *regs, struct wire_create *r, __u64 bias, __u64 weight)
{
	struct wire_sample *s = bpf_ringbuf_reserve(&samples, sizeof(*s), 0);

	if (!s) {
		stack_lost(WIRE_SAMPLE_CREATED, weight);
		return 0;
	}
	s->time_ns = r->h.time_ns;
	s->goid = r->target;
	s->weight = weight;
	s->size = r->go_pc + bias;
	s->pid = wire_pid(&r->h);
	s->kind = WIRE_SAMPLE_CREATED;
	s->pcs[0] = REG_IP(regs);
	walk_frames(s, REG_FP(regs));
	submit_sample(s);
	return 0;
}

/* For how many this one stands; 0: it is no sample. */
static __always_inline __u32 made_weight(struct wire_stacks *st, __u64 go_pc, __u64 now)
{
	struct wire_go_site *site = go_site(go_pc);
	__u32 shift;

	/* Only read once there were so many: the line may be in all CPUs' caches. */
	if (site && site->first < WIRE_MADE_FIRST) {
		site->first++;
		return 1;
	}
	if (now - st->window_ns >= WIRE_STACKS_WINDOW_NS)
		stacks_window(st, now);
	shift = (st->made.above + WIRE_MADE_SHIFT_MIN) & 31;
	if (bpf_get_prandom_u32() & ((1u << shift) - 1))
		return 0;
	chance_taken(&st->made, layout.stacks_budget, WIRE_MADE_SHIFT_MAX - WIRE_MADE_SHIFT_MIN);
	return 1u << shift;
}

/* Its record is complete. Processes of the same file have their go statements in common. */
static __noinline int made(go_regs *regs, struct wire_create *r, __u64 bias)
{
	__u32 weight;
	__u64 hash;

	if (!r)
		return 0;
	hash = SINCE_HASH(r->target, wire_pid(&r->h));
	if (r->h.time_ns >= control.watched_ns)
		since[hash & (WIRE_SINCE_SLOTS - 1)] =
			r->h.time_ns >> WIRE_SINCE_SHIFT << 16 | SINCE_TAG(hash);
	if (r->h.to == GO_SYSCALL) /* a C thread came in */
		return 0;
	weight = made_weight(this_stacks(), r->go_pc, r->h.time_ns);
	if (weight)
		made_sample(regs, r, bias, weight);
	return 0;
}

#endif
