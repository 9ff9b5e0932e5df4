/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where goroutines came from; see origins.h. */
#include "core/view/origins.h"

#include <errno.h>
#include <stdlib.h>

#include "core/view/groups.h"

#define STATUS_CALLS 16

struct origins {
	struct samples *samples;
	unsigned proc;
	struct sample_row *rows;
	struct groups sites;
};

/* A go statement. */
struct at_site {
	uint64_t key;    /* site_id */
	uint64_t weight; /* of all its samples */
	size_t best;     /* number of the row plus 1 */
};

int origins_read(const struct view *v, unsigned proc, struct origins **ret)
{
	struct origins *o = calloc(1, sizeof(*o));
	struct sample_totals totals;
	size_t n = 0;
	int err;

	if (!o)
		return -ENOMEM;
	o->samples = model_samples(v->model);
	o->proc = proc;
	o->sites = (struct groups)GROUPS_INIT(struct at_site);
	err = samples_copy(o->samples, proc, SAMPLE_CREATED, &o->rows, &n, &totals);
	for (size_t i = 0; i < n && !err; i++) {
		const struct sample_row *row = &o->rows[i];
		struct at_site *site;

		if (!row->n)
			continue;
		site = groups_row(&o->sites, row->sites[0]);
		if (!site) {
			err = -ENOMEM;
			break;
		}
		site->weight = sum_u64(site->weight, row->sum.weight);
		if (!site->best || row->sum.weight > o->rows[site->best - 1].sum.weight)
			site->best = i + 1;
	}
	if (err) {
		origins_free(o);
		return err;
	}
	*ret = o;
	return 0;
}

void origins_free(struct origins *o)
{
	if (!o)
		return;
	groups_free(&o->sites);
	free(o->rows);
	free(o);
}

bool origin_of(const struct origins *o, const struct goroutine *g, struct origin *ret)
{
	const struct at_site *site = groups_find(&o->sites, g->created_site_id);
	uint64_t time_ns;

	if (!g->created_site_id || !site)
		return false;
	*ret = (struct origin){.row = o->rows[site->best - 1]};
	ret->own = samples_last(o->samples, o->proc, SAMPLE_CREATED, g->goid, &ret->row, &time_ns);
	if (site->weight)
		ret->share = MIN((double)ret->row.sum.weight / (double)site->weight, 1.0);
	return true;
}

void origin_text(const struct view *v, const struct origin *origin, unsigned most, struct buf *out)
{
	uint32_t n = MIN(origin->row.n, most);

	for (uint32_t i = 0; i < n; i++) {
		if (i)
			buf_adds(out, " < ");
		if (origin->row.sites[i])
			view_site(v, origin->row.sites[i], out);
		else
			buf_adds(out, "(not Go)");
	}
	if (n < origin->row.n || origin->row.cut)
		buf_adds(out, " < …");
}

void origin_emit(struct emit *e, const struct view *v, const struct goroutine *g)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct origins *o = NULL;
	struct origin origin;

	if (origins_read(v, g->proc, &o) || !origin_of(o, g, &origin)) {
		emit_unknown(e, "creation_stack");
		emit_unknown(e, "creation_stack_is");
		emit_unknown(e, "creation_stack_share");
	} else {
		origin_text(v, &origin, STATUS_CALLS, &text);
		emit_string(e, "creation_stack", text.data ? text.data : "");
		emit_string(e, "creation_stack_is",
			    origin.own ? "its own, sampled"
				       : "of another made by the same go statement, sampled");
		emit_double(e, "creation_stack_share", origin.share, 2);
	}
	origins_free(o);
}
