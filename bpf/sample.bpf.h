/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples: user stacks with a weight. Hit once a span rather than once an object, so that a walk of
 * the stack may cost a microsecond or two; and walked so often in a window at most, whatever the
 * program allocates (struct wire_sampled). Part of xgotopfs.bpf.c, whose functions it uses;
 * stacks.bpf.h walks them.
 */
#ifndef XGOTOPFS_SAMPLE_BPF_H
#define XGOTOPFS_SAMPLE_BPF_H

struct wire_sampled sampled[WIRE_CPUS_MAX] ALIGNED_TO_LINES;

static __always_inline struct wire_sampled *this_sampled(void)
{
	return &sampled[bpf_get_smp_processor_id() & (WIRE_CPUS_MAX - 1)];
}

/* At a site that lies before its function has a frame. */
static __noinline int take_sample(go_regs *regs, __s64 sp_delta, __u64 weight, __u64 size)
{
	__u64 fp = REG_FP(regs);
	struct wire_sample *s;
	__u32 pid = hit_pid();

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
	s->flags |= control.sample_window << 1;
	submit_sample(s);
	return 0;
}

static __always_inline __u16 read_half(__u64 addr)
{
	__u16 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)addr);
	return v;
}

/* Of a hit that is timed, which is often enough. */
static __noinline int sample_window(struct wire_sampled *s, __u64 now)
{
	__u64 most = (__u64)layout.allocs_budget * WIRE_SAVED_WINDOWS, windows;

	if (!s)
		return 0;
	windows = (now - s->window_ns) / WIRE_STACKS_WINDOW_NS;
	if (!windows)
		return 0;
	s->saved += windows * layout.allocs_budget;
	s->saved = s->saved > s->chance.taken ? s->saved - s->chance.taken : 0;
	if (windows > WIRE_SAVED_WINDOWS || s->saved > most)
		s->saved = most;
	chance_ease(&s->chance, layout.allocs_budget);
	s->window_ns = now;
	return 0;
}

/* By how much the chance of a hit is less than 1, as a shift. */
static __always_inline __u32 sample_above(const struct wire_sampled *s)
{
	return s->chance.above & 31;
}

static __always_inline void sample_taken(struct wire_sampled *s)
{
	/* Windows are short, and what hits take in them is not there for what they stand for. */
	if (s->saved && !control.sample_window)
		s->saved--;
	else
		chance_taken(&s->chance, layout.allocs_budget, WIRE_ALLOC_ABOVE_MAX);
}

/* By how much it is scaled. 0: this hit is not the call yet, or outside of a window; not timed and
 * counted as what it is. */
static __always_inline __u32 sample_begin(go_regs *regs, struct hit *h, __u32 probe)
{
	struct wire_sampled *s = this_sampled();
	__u32 flags, scale = control.sample_scale;

	h->regs = regs;
	h->started_ns = s->hits % WIRE_TIMED == 0 ? bpf_ktime_get_ns() : 0;
	if (h->started_ns)
		sample_window(s, h->started_ns);
	count(&s->hits);
	if (control.stepped_kinds >> probe & 1)
		count_stepped(regs, probe);
	flags = hit_site(regs, probe)->flags;
	if (!scale || (flags && restarts(regs, flags))) {
		count(&s->skipped);
		return 0;
	}
	return scale;
}

static __always_inline __u64 sample_arg(go_regs *regs, __u32 probe, __u32 n)
{
	if (!layout.register_abi)
		return read_word(REG_SP(regs) + hit_site(regs, probe)->sp_delta + 8 + 8 * n);
	return n == 0 ? REG_ARG0(regs) : REG_ARG1(regs);
}

/* What was taken of this span since it was handed out, in bytes; 0: nothing. Out of line for the
 * block it reads into: see the note on the stack. */
static __noinline __u64 span_used(__u64 span, __u64 *ret_size)
{
	__u64 fields[WIRE_BLOCK_BYTES / 8], size;
	__u32 used;

	if (!ret_size)
		return 0;
	if (layout.span_together && !read_user(fields, sizeof(fields), span + layout.span_block)) {
#define FIELD(type, name)                                                                          \
	((type *)fields)[(layout.name - layout.span_block) / sizeof(type) %                        \
			 (WIRE_BLOCK_BYTES / sizeof(type))]
		size = FIELD(__u64, span_elem_size);
		used = FIELD(__u16, span_alloc_count);
		if (layout.span_alloc_before) /* from Go 1.19 on; before: a span counts whole */
			used -= FIELD(__u16, span_alloc_before);
#undef FIELD
	} else {
		size = read_word(span + layout.span_elem_size);
		used = read_half(span + layout.span_alloc_count);
		if (layout.span_alloc_before)
			used -= read_half(span + layout.span_alloc_before);
	}
	*ret_size = size;
	return used <= 0xffff ? size * used : 0;
}

/*
 * (*mcache).refill(spc): src/runtime/mcache.go. A thread's span of one class is used up: what was
 * taken of it since it was handed out is the sample's weight. After a garbage collection there is
 * none (emptymspan, whose objects have no size).
 */
SEC("uprobe")
int on_refill(go_regs *ctx)
{
	struct wire_sampled *s = this_sampled();
	__u64 class, span, size, used;
	struct hit h;
	__u32 above, scale;

	scale = sample_begin(ctx, &h, WIRE_PROBE_REFILL);
	if (scale) {
		above = sample_above(s);
		if (above && bpf_get_prandom_u32() & ((1u << above) - 1))
			goto end;
		class = sample_arg(ctx, WIRE_PROBE_REFILL, 1) & 0xff;
		span = read_word(sample_arg(ctx, WIRE_PROBE_REFILL, 0) + layout.mcache_alloc +
				 8 * class);
		used = span_used(span, &size);
		if (used) {
			take_sample(ctx, hit_site(ctx, WIRE_PROBE_REFILL)->sp_delta,
				    (used << above) * scale, size);
			sample_taken(s);
		} else {
			count(&s->skipped);
		}
	}
end:
	hit_end(&h);
	return 0;
}

/* (*mcache).allocLarge(size, …): an object with a span of its own, in whole pages. */
SEC("uprobe")
int on_alloc_large(go_regs *ctx)
{
	struct wire_sampled *s = this_sampled();
	__u64 size, weight, least;
	struct hit h;
	__u32 scale;

	scale = sample_begin(ctx, &h, WIRE_PROBE_ALLOC_LARGE);
	if (scale) {
		weight = size = (sample_arg(ctx, WIRE_PROBE_ALLOC_LARGE, 1) + 8191) & ~8191ull;
		least = 1ull << (WIRE_LARGE_SHIFT + sample_above(s));
		if (weight < least) {
			if ((bpf_get_prandom_u32() & (least - 1)) >= weight)
				goto end;
			weight = least;
		}
		take_sample(ctx, hit_site(ctx, WIRE_PROBE_ALLOC_LARGE)->sp_delta, weight * scale,
			    size);
		sample_taken(s);
	}
end:
	hit_end(&h);
	return 0;
}

#endif
