/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples: user stacks with a weight. Hit once a span rather than once an object, so that a walk of
 * the stack may cost a microsecond or two. Part of xgotopfs.bpf.c, whose functions it uses;
 * stacks.bpf.h walks them.
 */
#ifndef XGOTOPFS_SAMPLE_BPF_H
#define XGOTOPFS_SAMPLE_BPF_H

struct wire_sampled sampled[WIRE_CPUS_MAX];

static __always_inline struct wire_sampled *this_sampled(void)
{
	return &sampled[bpf_get_smp_processor_id() & (WIRE_CPUS_MAX - 1)];
}

/* At a site that lies before its function has a frame. */
static __noinline int take_sample(go_regs *regs, __s64 sp_delta, __u64 weight, __u64 size)
{
	__u64 fp = REG_FP(regs);
	struct wire_sample *s;
	__u32 pid = target_tgid ? target_tgid : process_id();

	if (!pid) {
		count(&this_cpu()->outside);
		return 0;
	}
	s = bpf_ringbuf_reserve(&samples, sizeof(*s), 0);
	if (!s) {
		count(&this_sampled()->lost);
		__sync_fetch_and_add(&this_sampled()->lost_weight, weight);
		return 0;
	}
	s->time_ns = bpf_ktime_get_ns();
	s->goid = actor(REG_G(regs));
	s->weight = weight;
	s->size = size;
	s->pid = pid;
	s->kind = WIRE_SAMPLE_ALLOC;
	s->pcs[0] = return_address(regs, sp_delta);
	if (fp + 8 == REG_SP(regs) + sp_delta) /* it has its frame already */
		fp = read_word(fp);
	walk_frames(s, fp);
	submit_sample(s);
	return 0;
}

static __always_inline __u16 read_half(__u64 addr)
{
	__u16 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)addr);
	return v;
}

/* false: this hit is not the call yet, or not timed and counted as what it is. */
static __always_inline bool sample_begin(go_regs *regs, struct hit *h, __u32 probe)
{
	struct wire_sampled *s = this_sampled();
	__u32 flags;

	h->regs = regs;
	h->cpu = this_cpu();
	h->started_ns = s->hits % 64 == 0 ? bpf_ktime_get_ns() : 0;
	count(&s->hits);
	if (control.stepped_kinds >> probe & 1)
		count_stepped(regs, probe);
	flags = hit_site(regs, probe)->flags;
	if (flags && restarts(regs, flags)) {
		count(&s->skipped);
		return false;
	}
	return true;
}

static __always_inline __u64 sample_arg(go_regs *regs, __u32 probe, __u32 n)
{
	if (!layout.register_abi)
		return read_word(REG_SP(regs) + hit_site(regs, probe)->sp_delta + 8 + 8 * n);
	return n == 0 ? REG_ARG0(regs) : REG_ARG1(regs);
}

/*
 * (*mcache).refill(spc): src/runtime/mcache.go. A thread's span of one class is used up: what was
 * taken of it since it was handed out is the sample's weight. After a garbage collection there is
 * none (emptymspan, whose objects have no size).
 */
SEC("uprobe")
int on_refill(go_regs *ctx)
{
	struct hit h;
	__u64 class, span, size;
	__u32 used;

	if (sample_begin(ctx, &h, WIRE_PROBE_REFILL)) {
		class = sample_arg(ctx, WIRE_PROBE_REFILL, 1) & 0xff;
		span = read_word(sample_arg(ctx, WIRE_PROBE_REFILL, 0) + layout.mcache_alloc +
				 8 * class);
		size = read_word(span + layout.span_elem_size);
		used = read_half(span + layout.span_alloc_count);
		if (layout.span_alloc_before) /* from Go 1.19 on; before: a span counts whole */
			used -= read_half(span + layout.span_alloc_before);
		if (size && used && used <= 0xffff)
			take_sample(ctx, hit_site(ctx, WIRE_PROBE_REFILL)->sp_delta, size * used,
				    size);
		else
			count(&this_sampled()->skipped);
	}
	hit_end(&h);
	return 0;
}

/* (*mcache).allocLarge(size, …): an object with a span of its own, in whole pages. */
SEC("uprobe")
int on_alloc_large(go_regs *ctx)
{
	struct hit h;
	__u64 size;

	if (sample_begin(ctx, &h, WIRE_PROBE_ALLOC_LARGE)) {
		size = (sample_arg(ctx, WIRE_PROBE_ALLOC_LARGE, 1) + 8191) & ~8191ull;
		take_sample(ctx, hit_site(ctx, WIRE_PROBE_ALLOC_LARGE)->sp_delta, size, size);
	}
	hit_end(&h);
	return 0;
}

#endif
