/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allocations as events: a program a function of the runtime that makes objects, slices or maps.
 * Each looks at its arguments and at who called, since a call from within another of them is no
 * event of its own. Part of xgotopfs.bpf.c, whose functions it uses.
 */
#ifndef XGOTOPFS_ALLOCATIONS_BPF_H
#define XGOTOPFS_ALLOCATIONS_BPF_H

/* What every allocation's program needs: the site, the arguments, who called. */
struct alloc_hit {
	struct hit h;
	struct record w;
	__u32 probe;  /* a constant in each program: its site is looked up again, not kept */
	__u64 caller; /* static */
};

static __always_inline const volatile struct wire_site *alloc_site(struct alloc_hit *a)
{
	return hit_site(a->h.regs, a->probe);
}

static __always_inline __u64 alloc_bias(struct alloc_hit *a)
{
	return REG_IP(a->h.regs) - alloc_site(a)->addr;
}

static __always_inline __u64 alloc_arg(struct alloc_hit *a, __u32 n)
{
	go_regs *c = a->h.regs;

	if (!layout.register_abi)
		return read_word(REG_SP(c) + alloc_site(a)->sp_delta + 8 + 8 * n);
	return n == 0 ? REG_ARG0(c) : n == 1 ? REG_ARG1(c) : REG_ARG2(c);
}

#define WITHIN(range, pc) ((pc) - (range).lo < (range).hi - (range).lo)

/* Out of line: seldom. */
static __noinline int within_one(bool malloc, __u64 pc)
{
	const volatile struct wire_range *ranges = malloc ? exclude_malloc : exclude_maps;
	__u32 n = malloc ? n_exclude_malloc : n_exclude_maps;

	for (__u32 i = 0; i < n && i < WIRE_RANGES_MAX; i++) {
		if (WITHIN(ranges[i], pc))
			return 1;
	}
	return 0;
}

/* Most callers are the program's own functions, beyond all of them. */
static __always_inline bool within(const volatile struct wire_range *ranges, __u64 pc)
{
	return WITHIN(ranges[WIRE_RANGES_MAX], pc) && within_one(ranges == exclude_malloc, pc);
}

/* false: no event (counted), or not chosen. */
static __always_inline bool alloc_begin(struct alloc_hit *a, __u32 probe, __u32 type,
					const volatile struct wire_range *exclude,
					const volatile __u32 *n_exclude)
{
	const volatile struct wire_site *site;

	a->probe = probe;
	site = alloc_site(a);
	if (site->flags && restarts(a->h.regs, site->flags))
		goto skip;
	/* Only who is excluded must be known before the choice; else not read in vain. */
	if (!(n_exclude && *n_exclude) && !sample(type, !chooses() || actor_chosen(a->h.regs)))
		goto pass;
	/* one value, not the three it is made of: see the note on the stack */
	a->caller = READ_REG(return_address(a->h.regs, site->sp_delta) -
			     (REG_IP(a->h.regs) - site->addr));
	if (!(n_exclude && *n_exclude))
		return true;
	if (within(exclude, a->caller))
		goto skip;
	if (sample(type, !chooses() || actor_chosen(a->h.regs)))
		return true;
pass:
	count(&this_cpu()->passed);
	return false;
skip:
	count(&this_cpu()->skipped);
	return false;
}

/* Room for the record, with what all have but the type: arguments are read after it, so that less
 * is kept on the stack meanwhile. */
static __always_inline struct wire_alloc *alloc_reserve(struct alloc_hit *a, __u32 type,
							__u32 flags)
{
	struct wire_alloc *r = record_reserve(&a->w, type, HOW(flags, 0, 0, 0));

	if (r) {
		r->caller = a->caller;
		r->h.goid = alloc_actor(REG_G(a->h.regs));
	}
	return r;
}

/* Argument n as a type's static address; 0 stays 0. */
static __always_inline __u64 type_arg(struct alloc_hit *a, __u32 n)
{
	__u64 type = alloc_arg(a, n);

	return type ? type - alloc_bias(a) : 0;
}

/* newobject(typ): src/runtime/malloc.go */
SEC("uprobe")
int on_newobject(go_regs *ctx)
{
	struct alloc_hit a;
	struct wire_alloc *r;

	hit_begin(ctx, &a.h, WIRE_PROBE_NEWOBJECT);
	if (alloc_begin(&a, WIRE_PROBE_NEWOBJECT, WIRE_NEWOBJECT, exclude_maps, &n_exclude_maps)) {
		r = alloc_reserve(&a, WIRE_NEWOBJECT, 0);
		if (r) {
			r->a = 0;
			r->type = type_arg(&a, 0);
			record_submit(&a.w);
		}
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

	hit_begin(ctx, &a.h, WIRE_PROBE_MALLOC_SPECIAL);
	if (alloc_begin(&a, WIRE_PROBE_MALLOC_SPECIAL, WIRE_NEWOBJECT, exclude_malloc,
			&n_exclude_malloc)) {
		r = alloc_reserve(&a, WIRE_NEWOBJECT, 0);
		if (r) {
			r->type = type_arg(&a, 1);
			r->a = alloc_arg(&a, 0);
			if (!r->type)
				r->h.flags = WIRE_MERGED;
			record_submit(&a.w);
		}
	}
	hit_end(&a.h);
	return 0;
}

static __always_inline int slice(go_regs *ctx, bool copy)
{
	struct alloc_hit a;
	__u32 kind = copy ? WIRE_PROBE_MAKESLICECOPY : WIRE_PROBE_MAKESLICE;
	struct wire_alloc *r;

	hit_begin(ctx, &a.h, kind);
	if (alloc_begin(&a, kind, WIRE_MAKESLICE, exclude_maps, &n_exclude_maps)) {
		r = alloc_reserve(&a, WIRE_MAKESLICE, 0);
		if (r) {
			r->type = type_arg(&a, 0);
			r->a = alloc_arg(&a, 1);
			r->b = alloc_arg(&a, copy ? 1 : 2);
			record_submit(&a.w);
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

	hit_begin(ctx, &a.h, WIRE_PROBE_MAKEMAP);
	if (alloc_begin(&a, WIRE_PROBE_MAKEMAP, WIRE_MAKEMAP, NULL, NULL)) {
		r = alloc_reserve(&a, WIRE_MAKEMAP, 0);
		if (r) {
			r->type = type_arg(&a, 0);
			r->a = alloc_arg(&a, 1);
			record_submit(&a.w);
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

	hit_begin(ctx, &a.h, WIRE_PROBE_MAKEMAP_SMALL);
	if (alloc_begin(&a, WIRE_PROBE_MAKEMAP_SMALL, WIRE_MAKEMAP, NULL, NULL)) {
		r = alloc_reserve(&a, WIRE_MAKEMAP, WIRE_SMALL_MAP);
		if (r) {
			r->type = 0;
			r->a = 0;
			record_submit(&a.w);
		}
	}
	hit_end(&a.h);
	return 0;
}

#endif
