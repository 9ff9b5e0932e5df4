/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The heap profile that a program keeps of itself, for `go tool pprof`, and who of it grows: what
 * is allocated most need not be what stays, but this is. Any thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/model/samples.h"
#include "core/view/groups.h"
#include "core/view/profiles/allocs.h"
#include "core/view/profiles/profile.h"

static int read_heap(const struct view *v, unsigned proc, uint64_t since_ns, struct live_heap **ret)
{
	const struct live *live = v->live;

	return live->heap_profile ? live->heap_profile(live->ctx, proc, since_ns, ret) : -ENOSYS;
}

static struct sample_row stack_of(const struct live_heap *h, const struct live_heap_place *place)
{
	return (struct sample_row){.sites = live_heap_sites(h) + place->first,
				   .n = MIN(place->n, (uint32_t)SAMPLE_DEPTH_MAX),
				   .cut = place->n > SAMPLE_DEPTH_MAX};
}

/* --- for go tool pprof ------------------------------------------------------------------------ */

static int64_t value(uint64_t n)
{
	return (int64_t)MIN(n, (uint64_t)INT64_MAX);
}

static int add_places(const struct view *v, struct pprof *p, const struct live_heap *h)
{
	struct pprof_frame frames[SAMPLE_DEPTH_MAX + 1];
	int err = 0;

	for (uint32_t i = 0; i < h->n && !err; i++) {
		const struct live_heap_place *place = &h->places[i];
		const struct sample_row row = stack_of(h, place);
		struct pprof_sample sample = {
			.frames = frames,
			.values = {value(place->alloc_objects), value(place->alloc_bytes),
				   value(place->in_use_objects), value(place->in_use_bytes)},
		};

		profile_allocated(v, &row, frames, &sample.n);
		if (place->alloc_objects)
			err = pprof_add(p, &sample);
	}
	return err;
}

static void note(struct pprof *p, const struct live_heap *h)
{
	if (!h->rate) {
		pprof_comment(p,
			      "the program keeps no heap profile (runtime.MemProfileRate is 0): "
			      "nothing that is linked in can ask for it, as net/http/pprof does; "
			      "pprof/allocs tells who allocates");
		return;
	}
	pprof_comment(p,
		      "the heap profile that the program keeps of itself, read from its memory: "
		      "what was in use at the end of the last collection; estimates, from one "
		      "sample in %llu bytes",
		      (unsigned long long)h->rate);
	if (!h->n)
		pprof_comment(p, "nothing was sampled yet");
	if (h->cut)
		pprof_comment(p, "there are more stacks, which are not in it");
}

static int fill(const struct view *v, unsigned proc, struct pprof *p, uint64_t now, uint64_t *from)
{
	cleanup_free_ struct live_heap *h = NULL;
	int err = read_heap(v, proc, 0, &h);

	if (!err)
		err = add_places(v, p, h);
	if (err)
		return err;
	*from = MIN(now, h->read_ns);
	pprof_period(p, h->rate);
	note(p, h);
	return 0;
}

int view_pprof_heap(const struct view *v, struct view_query *q, struct buf *out)
{
	static const struct pprof_type types[] = {{"alloc_objects", "count"},
						  {"alloc_space", "bytes"},
						  {"inuse_objects", "count"},
						  {"inuse_space", "bytes"}};

	return profile_make(v, q->proc, types, ARRAY_SIZE(types), fill, out);
}

/* --- who grows -------------------------------------------------------------------------------- */

struct site_growth {
	uint64_t key; /* site */
	uint64_t now, then;
};

static int by_site(const struct view *v, const struct live_heap *h, struct groups *sites)
{
	for (uint32_t i = 0; i < h->n; i++) {
		const struct sample_row row = stack_of(h, &h->places[i]);
		uint32_t site, own, how;
		struct site_growth *g;

		view_sites_of(v, &row, &site, &own, &how);
		g = groups_row(sites, own ? own : site);
		if (!g)
			return -ENOMEM;
		g->now = sum_u64(g->now, h->places[i].in_use_bytes);
		g->then = sum_u64(g->then, h->places[i].then_bytes);
	}
	return 0;
}

int view_heap_grown(const struct view *v, unsigned proc, uint64_t since_ns, struct heap_grown *ret)
{
	struct groups sites = GROUPS_INIT(struct site_growth);
	cleanup_free_ struct live_heap *h = NULL;
	int err = read_heap(v, proc, since_ns, &h);

	*ret = (struct heap_grown){.bytes = 0};
	if (err)
		return err;
	if (h->rate && h->then_ns)
		err = by_site(v, h, &sites);
	ret->ns = h->then_ns ? sub_u64(h->read_ns, h->then_ns) : 0;
	for (size_t i = 0; i < sites.n && !err; i++) {
		const struct site_growth *g = (struct site_growth *)(void *)sites.rows + i;
		uint64_t grown = sub_u64(g->now, g->then);

		ret->bytes = sum_u64(ret->bytes, grown);
		if (grown > ret->site_bytes) {
			ret->site_bytes = grown;
			ret->site_id = (uint32_t)g->key;
		}
	}
	groups_free(&sites);
	return err;
}
