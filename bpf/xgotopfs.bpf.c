/*
 * The probes: one small program a probe kind, run by the traced thread at the sites that
 * core/target chose. Each reads a few words of the runtime's g, writes one compact record into
 * this CPU's ring, and wakes nobody unless the reader sleeps. What costs time here is paid by the
 * traced program, so: no read that is not needed, one read for adjacent fields, nothing counted
 * with a map lookup. User space (core/capture) owns all memory; it sets the knobs before loading
 * and changes `control` while the programs run.
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
/* Our pid namespace, when it is not the initial one. */
const volatile __u64 pidns_dev = 0, pidns_ino = 0;
/* Callers whose inner calls are no event of their own. */
const volatile struct wire_range exclude_malloc[WIRE_RANGES_MAX] = {0};
const volatile struct wire_range exclude_maps[WIRE_RANGES_MAX] = {0};
const volatile __u32 n_exclude_malloc = 0, n_exclude_maps = 0;

/* --- shared with user space ----------------------------------------------------------------- */

volatile struct wire_control control SEC(".data.control") = {0};
struct wire_cpu cpus[WIRE_CPUS_MAX];

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* a stand-in: user space makes the real ones */
};

/* A ring for each CPU; CPUs share one when there are fewer readers. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

/* --- one hit ---------------------------------------------------------------------------------- */

struct hit {
	go_regs *regs;
	struct wire_cpu *cpu;
	__u32 cpu_id;
	__u32 pid;
	__u64 g;
	__u64 started_ns; /* 0: this hit is not timed */
};

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline __u32 process_id(void)
{
	struct bpf_pidns_info info = {0};

	if (!pidns_ino)
		return bpf_get_current_pid_tgid() >> 32;
	/* A process outside our namespace has no number here; 0 is never one. */
	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &info, sizeof(info)))
		return 0;
	return info.tgid;
}

/* false: not one of ours. */
static __always_inline bool hit_begin(go_regs *regs, struct hit *h)
{
	h->pid = process_id();
	if (!h->pid || (target_tgid && h->pid != target_tgid))
		return false;
	h->regs = regs;
	h->g = REG_G(regs);
	h->cpu_id = bpf_get_smp_processor_id();
	h->cpu = &cpus[h->cpu_id & (WIRE_CPUS_MAX - 1)];
	h->started_ns = h->cpu->hits % 64 ? 0 : bpf_ktime_get_ns();
	count(&h->cpu->hits);
	return true;
}

static __always_inline void hit_end(struct hit *h)
{
	if (h->started_ns) {
		__sync_fetch_and_add(&h->cpu->prog_ns_sum, bpf_ktime_get_ns() - h->started_ns);
		count(&h->cpu->prog_ns_samples);
	}
}

static __always_inline __u64 read_word(__u64 addr)
{
	__u64 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)addr);
	return v;
}

static __always_inline const volatile struct wire_site *hit_site(struct hit *h)
{
	return &control.sites[bpf_get_attach_cookie(h->regs) & (WIRE_SITES_MAX - 1)];
}

/* The stack check will send the function round again: this hit is not the call yet. */
static __always_inline bool restarts(struct hit *h, __u32 flags)
{
	if ((flags & WIRE_SITE_FILTER_BRANCH) && branch_taken(h->regs))
		return true;
	return (flags & WIRE_SITE_STACK_CHECK) &&
	       REG_SP(h->regs) <= read_word(h->g + layout.g_stackguard0);
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

static __always_inline bool sample(struct hit *h, __u32 type)
{
	__u32 rate = control.rates[type];

	if (rate >= WIRE_RATE_ONE)
		return true;
	return rate && sample_stride(&h->cpu->samplers[type], rate);
}

/* Room for a record; NULL when the ring is full, which is counted. The time is read after the
 * reservation: user space rests its order on that (core/capture/merge.h). */
static __always_inline void *record_reserve(struct hit *h, __u32 type, __u32 flags, __u64 goid,
					    __u32 size)
{
	struct wire_header *r = NULL;
	void *ring = bpf_map_lookup_elem(&rings, &h->cpu_id);

	if (ring)
		r = bpf_ringbuf_reserve(ring, size, 0);
	if (!r) {
		count(&h->cpu->lost[type]);
		return NULL;
	}
	r->time_ns = bpf_ktime_get_ns();
	r->type = type;
	r->flags = flags;
	r->from = 0;
	r->to = 0;
	r->pid = h->pid;
	r->goid = goid;
	return r;
}

static __always_inline void record_submit(void *record)
{
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (control.want_wakeup) {
		control.want_wakeup = 0;
		flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(record, flags);
}

/* --- goroutines ------------------------------------------------------------------------------- */

/* On whose behalf this thread runs: g.m.curg. `gp` (0: none) is a g whose goid is known already. */
static __always_inline __u64 actor_through_m(__u64 g, __u64 gp, __u64 gp_goid)
{
	__u64 m, curg;

	if (g == gp)
		return gp_goid;
	m = read_word(g + layout.g_m);
	if (!m)
		return 0;
	curg = read_word(m + layout.m_curg);
	if (!curg || curg == gp)
		return curg ? gp_goid : 0;
	return read_word(curg + layout.g_goid);
}

/* The same where the thread is nearly always on the goroutine's own stack. */
static __always_inline __u64 actor(__u64 g)
{
	__u64 goid = read_word(g + layout.g_goid);

	return goid ? goid : actor_through_m(g, 0, 0);
}

static __always_inline bool is_dead(__u32 state)
{
	return state == GO_DEAD || state == GO_DEADEXTRA;
}

/* Writes a creation: the child's g is read in one go. `stated`: it stands for a transition too. */
static __always_inline void emit_creation(struct hit *h, __u64 gp, __u32 flags, __u32 from,
					  __u32 to)
{
	const volatile struct wire_site *site = hit_site(h);
	__u64 bias = REG_IP(h->regs) - site->addr;
	__u64 window[WIRE_G_BYTES_MAX / 8];
	__u64 goid, by;
	char *w = (char *)window;
	struct wire_create *r;

	if (layout.birth_size > sizeof(window) ||
	    bpf_probe_read_user(window, layout.birth_size, (void *)(gp + layout.birth_lo))) {
		count(&h->cpu->lost[WIRE_NEWGOROUTINE]);
		return;
	}
	goid = *(__u64 *)(w + layout.win_goid);
	by = actor_through_m(h->g, gp, goid);
	if (!to) { /* from newproc1: the state is in the window, or still to come (Go 1.24 on) */
		to = *(__u32 *)(w + layout.win_status) & 0xff;
		if (is_dead(to))
			to = GO_RUNNABLE;
	}
	r = record_reserve(h, WIRE_NEWGOROUTINE, flags, by, sizeof(*r));
	if (!r)
		return;
	r->h.from = from;
	r->h.to = to;
	r->target = goid;
	if (to == GO_SYSCALL) /* a C thread came in: nobody's child */
		r->parent = 0;
	else
		r->parent = layout.has_parent ? *(__u64 *)(w + layout.win_parent) : by;
	r->start_pc = *(__u64 *)(w + layout.win_startpc) - bias;
	r->go_pc = *(__u64 *)(w + layout.win_gopc) - bias;
	record_submit(r);
}

static __always_inline void emit_state(struct hit *h, __u64 gp, __u32 flags, __u32 from, __u32 to)
{
	__u64 window[WIRE_G_BYTES_MAX / 8];
	__u32 type = flags & WIRE_STATE_SEEN ? WIRE_CASGSTATUS : WIRE_GOEXIT;
	char *w = (char *)window;
	struct wire_state *r;
	__u64 goid, by;
	__u32 reason = 0;

	if (to == GO_WAITING && layout.park_size <= sizeof(window)) {
		if (bpf_probe_read_user(window, layout.park_size, (void *)(gp + layout.park_lo)))
			goto lost;
		goid = *(__u64 *)(w + layout.win_park_goid);
		reason = *(__u8 *)(w + layout.win_park_reason);
	} else if (bpf_probe_read_user(&goid, sizeof(goid), (void *)(gp + layout.g_goid))) {
		goto lost;
	}
	by = actor_through_m(h->g, gp, goid);
	r = record_reserve(h, type, flags, by, sizeof(*r));
	if (!r)
		return;
	r->h.from = from;
	r->h.to = to;
	r->target = goid;
	r->reason = reason;
	r->pad = 0;
	record_submit(r);
	return;
lost:
	count(&h->cpu->lost[type]);
}

/* casgstatus(gp, oldval, newval): src/runtime/proc.go. One entry is one completed transition. */
static __always_inline void transition(struct hit *h, __u64 gp, __u32 from, __u32 to)
{
	bool created, ended;
	__u32 flags = WIRE_STATE_SEEN;

	from &= 0xff;
	to &= 0xff;
	if (from == GO_IDLE) {
		/* A new struct g, not yet anybody: malg, then newproc1 or newextram. */
		count(&h->cpu->skipped);
		return;
	}
	if (layout.syscall_sites && ((from == GO_RUNNING && to == GO_SYSCALL) ||
				     (from == GO_SYSCALL && to == GO_RUNNING))) {
		/* The slow way of what the sites in reentersyscall & co. have told. */
		count(&h->cpu->skipped);
		return;
	}
	created = is_dead(from) && (to == GO_RUNNABLE || to == GO_SYSCALL || to == GO_WAITING);
	ended = is_dead(to) && (from == GO_RUNNING || from == GO_SYSCALL);
	if (created && layout.goid_stale && to != GO_SYSCALL) {
		/* Told from newproc1, where the goid is final. */
		count(&h->cpu->skipped);
		return;
	}
	created = created && !(control.creations_by_newproc && to != GO_SYSCALL);
	ended = ended && !(control.exits_by_gdestroy && from != GO_SYSCALL);
	if (sample(h, WIRE_CASGSTATUS))
		flags |= WIRE_EMIT_STATE;
	if (created && sample(h, WIRE_NEWGOROUTINE))
		flags |= WIRE_EMIT_CREATE;
	if (ended && sample(h, WIRE_GOEXIT))
		flags |= WIRE_EMIT_EXIT;
	if (created)
		emit_creation(h, gp, flags, from, to);
	else if (ended || (flags & WIRE_EMIT_STATE))
		emit_state(h, gp, flags, from, to);
}

SEC("uprobe")
int on_casgstatus(go_regs *ctx)
{
	struct hit h;
	__u64 gp, states;

	if (!hit_begin(ctx, &h))
		return 0;
	if (layout.register_abi) {
		transition(&h, REG_ARG0(ctx), REG_ARG1(ctx), REG_ARG2(ctx));
	} else {
		__u64 args = REG_SP(ctx) + hit_site(&h)->sp_delta + 8;

		gp = read_word(args);
		states = read_word(args + 8);
		transition(&h, gp, states, states >> 32);
	}
	hit_end(&h);
	return 0;
}

/* In newproc1, g.goid just stored: where creations are told from when casgstatus comes too early
 * (before Go 1.24), or is not watched. */
SEC("uprobe")
int on_newproc_goid(go_regs *ctx)
{
	struct hit h;
	__u32 flags = 0;

	if (!hit_begin(ctx, &h))
		return 0;
	if (layout.goid_stale || control.creations_by_newproc) {
		if (layout.goid_stale && control.rates[WIRE_CASGSTATUS]) {
			flags |= WIRE_STATE_SEEN;
			if (sample(&h, WIRE_CASGSTATUS))
				flags |= WIRE_EMIT_STATE;
		}
		if (sample(&h, WIRE_NEWGOROUTINE))
			flags |= WIRE_EMIT_CREATE;
		emit_creation(&h, reg_by_number(ctx, hit_site(&h)->reg), flags, GO_DEAD, 0);
	}
	hit_end(&h);
	return 0;
}

/* Exits when casgstatus is not watched. The goroutine is the first argument. */
SEC("uprobe")
int on_gdestroy(go_regs *ctx)
{
	struct hit h;
	const volatile struct wire_site *site;

	if (!hit_begin(ctx, &h))
		return 0;
	site = hit_site(&h);
	if (restarts(&h, site->flags))
		count(&h.cpu->skipped);
	else if (control.exits_by_gdestroy)
		emit_state(&h,
			   layout.register_abi ? REG_ARG0(ctx)
					       : read_word(REG_SP(ctx) + site->sp_delta + 8),
			   sample(&h, WIRE_GOEXIT) ? WIRE_EMIT_EXIT : 0, GO_RUNNING, GO_DEAD);
	hit_end(&h);
	return 0;
}

/* --- allocations ------------------------------------------------------------------------------ */

/* What every allocation's program needs: the site, the arguments, who called. */
struct alloc_hit {
	struct hit h;
	__s64 sp_delta;
	__u64 bias;
	__u64 caller; /* static */
};

static __always_inline __u64 alloc_arg(struct alloc_hit *a, __u32 n)
{
	go_regs *c = a->h.regs;

	if (!layout.register_abi)
		return read_word(REG_SP(c) + a->sp_delta + 8 + 8 * n);
	return n == 0 ? REG_ARG0(c) : n == 1 ? REG_ARG1(c) : REG_ARG2(c);
}

static __always_inline bool within(const volatile struct wire_range *ranges, __u32 n, __u64 pc)
{
	for (__u32 i = 0; i < n && i < WIRE_RANGES_MAX; i++) {
		if (pc - ranges[i].lo < ranges[i].hi - ranges[i].lo)
			return true;
	}
	return false;
}

/* false: no event (counted), or not chosen. */
static __always_inline bool alloc_begin(struct alloc_hit *a, __u32 type,
					const volatile struct wire_range *exclude, __u32 n_exclude)
{
	const volatile struct wire_site *site = hit_site(&a->h);
	__u32 flags = site->flags;

	a->sp_delta = site->sp_delta;
	a->bias = REG_IP(a->h.regs) - site->addr;
	if (flags && restarts(&a->h, flags))
		goto skip;
	/* Only who is excluded must be known before the choice; else not read in vain. */
	if (!n_exclude && !sample(&a->h, type))
		return false;
	a->caller = return_address(a->h.regs, a->sp_delta) - a->bias;
	if (!n_exclude)
		return true;
	if (within(exclude, n_exclude, a->caller))
		goto skip;
	return sample(&a->h, type);
skip:
	count(&a->h.cpu->skipped);
	return false;
}

static __always_inline struct wire_alloc *alloc_reserve(struct alloc_hit *a, __u32 type,
							__u32 flags, __u64 go_type, __u32 size)
{
	struct wire_alloc *r;
	__u64 goid = actor(a->h.g);

	r = record_reserve(&a->h, type, flags, goid, size);
	if (!r)
		return NULL;
	r->type = go_type ? go_type - a->bias : 0;
	r->caller = a->caller;
	return r;
}

/* newobject(typ): src/runtime/malloc.go */
SEC("uprobe")
int on_newobject(go_regs *ctx)
{
	struct alloc_hit a;
	struct wire_alloc *r;

	if (!hit_begin(ctx, &a.h))
		return 0;
	if (alloc_begin(&a, WIRE_NEWOBJECT, exclude_maps, n_exclude_maps)) {
		r = alloc_reserve(&a, WIRE_NEWOBJECT, 0, alloc_arg(&a, 0), WIRE_ALLOC_SHORT);
		if (r)
			record_submit(r);
	}
	hit_end(&a.h);
	return 0;
}

/* The specialised mallocs, (size, typ, needzero), that new(T) calls from Go 1.27 on:
 * src/runtime/malloc_generated.go. mallocgc calls them too. */
SEC("uprobe")
int on_malloc_special(go_regs *ctx)
{
	struct alloc_hit a;
	struct wire_alloc *r;
	__u64 type;

	if (!hit_begin(ctx, &a.h))
		return 0;
	if (alloc_begin(&a, WIRE_NEWOBJECT, exclude_malloc, n_exclude_malloc)) {
		type = alloc_arg(&a, 1);
		r = alloc_reserve(&a, WIRE_NEWOBJECT, type ? 0 : WIRE_MERGED, type,
				  WIRE_ALLOC_MEDIUM);
		if (r) {
			r->a = alloc_arg(&a, 0);
			record_submit(r);
		}
	}
	hit_end(&a.h);
	return 0;
}

static __always_inline int slice(go_regs *ctx, bool copy)
{
	struct alloc_hit a;
	struct wire_alloc *r;
	__u64 len, cap;

	if (!hit_begin(ctx, &a.h))
		return 0;
	if (alloc_begin(&a, WIRE_MAKESLICE, exclude_maps, n_exclude_maps)) {
		len = alloc_arg(&a, 1);
		cap = copy ? len : alloc_arg(&a, 2);
		r = alloc_reserve(&a, WIRE_MAKESLICE, 0, alloc_arg(&a, 0), sizeof(*r));
		if (r) {
			r->a = len;
			r->b = cap;
			record_submit(r);
		}
	}
	hit_end(&a.h);
	return 0;
}

/* makeslice(et, len, cap), makeslicecopy(et, tolen, fromlen, from): src/runtime/slice.go */
SEC("uprobe")
int on_makeslice(go_regs *ctx)
{
	return slice(ctx, false);
}

SEC("uprobe")
int on_makeslicecopy(go_regs *ctx)
{
	return slice(ctx, true);
}

/* makemap(t, hint, h): src/runtime/map.go, map_swiss.go */
SEC("uprobe")
int on_makemap(go_regs *ctx)
{
	struct alloc_hit a;
	struct wire_alloc *r;

	if (!hit_begin(ctx, &a.h))
		return 0;
	if (alloc_begin(&a, WIRE_MAKEMAP, NULL, 0)) {
		__u64 hint = alloc_arg(&a, 1);

		r = alloc_reserve(&a, WIRE_MAKEMAP, 0, alloc_arg(&a, 0), WIRE_ALLOC_MEDIUM);
		if (r) {
			r->a = hint;
			record_submit(r);
		}
	}
	hit_end(&a.h);
	return 0;
}

/* makemap_small(): no type, no hint. */
SEC("uprobe")
int on_makemap_small(go_regs *ctx)
{
	struct alloc_hit a;
	struct wire_alloc *r;

	if (!hit_begin(ctx, &a.h))
		return 0;
	if (alloc_begin(&a, WIRE_MAKEMAP, NULL, 0)) {
		r = alloc_reserve(&a, WIRE_MAKEMAP, WIRE_SMALL_MAP, 0, WIRE_ALLOC_SHORT);
		if (r)
			record_submit(r);
	}
	hit_end(&a.h);
	return 0;
}

/* --- system calls, Go 1.26 on ----------------------------------------------------------------- */

static __always_inline int system_call(go_regs *ctx, __u32 from, __u32 to)
{
	struct hit h;

	if (!hit_begin(ctx, &h))
		return 0;
	if (sample(&h, WIRE_CASGSTATUS))
		emit_state(&h, h.g, WIRE_STATE_SEEN | WIRE_EMIT_STATE | WIRE_SYSCALL_SITE, from,
			   to);
	hit_end(&h);
	return 0;
}

SEC("uprobe")
int on_entersyscall(go_regs *ctx)
{
	return system_call(ctx, GO_RUNNING, GO_SYSCALL);
}

SEC("uprobe")
int on_exitsyscall(go_regs *ctx)
{
	return system_call(ctx, GO_SYSCALL, GO_RUNNING);
}
