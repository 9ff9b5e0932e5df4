/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of a goroutine that has ended, in the place of its stack. Any thread. */
#include "core/view/goroutines/goroutine.h"
#include "core/view/origins.h"
#include "core/view/view_internal.h"

#define CALLS 16 /* of a stack in one line */

/* What it was doing before it ended, as far as events told. */
static void add_before(const struct view *v, const struct goroutine *g, struct buf *out)
{
	const char *reason = names_string(model_names(v->model), g->reason_id);
	const char *state = gstate_name(g->state_before);

	if (g->flags & GOROUTINE_EXITED && state && g->state_before != GSTATE_DEAD)
		buf_addf(out, "; it was %s before", state);
	if (*reason)
		buf_addf(out, "; its last wait was for %s", reason);
	buf_addc(out, '\n');
}

static void add_origin(const struct view *v, const struct goroutine *g, struct buf *out)
{
	struct origins *o = NULL;
	struct origin origin;

	if (!origins_read(v, g->proc, &o) && origin_of(o, g, &origin)) {
		buf_addf(out, "... made there by (%s, sampled) ",
			 origin.own ? "its own stack" : "another of the same go statement");
		origin_text(v, &origin, CALLS, out);
		buf_addc(out, '\n');
	}
	origins_free(o);
}

/* Where it last was off the CPU, if that was a sample. */
static void add_last_stay(const struct view *v, const struct goroutine *g, struct buf *out)
{
	struct origin stay = {0};
	uint64_t time_ns;

	if (!samples_last(model_samples(v->model), g->proc, SAMPLE_OFF_CPU, g->goid, &stay.row,
			  &time_ns) ||
	    time_ns > g->exited_ns)
		return;
	buf_addf(out, "... until %.3f s before the end it was %s",
		 (double)(g->exited_ns - time_ns) / NS_PER_SEC, gstate_name(stay.row.state));
	if (stay.row.reason_id)
		buf_addf(out, " (%s)", names_string(model_names(v->model), stay.row.reason_id));
	buf_adds(out, " in (sampled) ");
	origin_text(v, &stay, CALLS, out);
	buf_addc(out, '\n');
}

void view_ended_text(const struct view *v, const struct goroutine *g, struct buf *out)
{
	const char *start = names_string(model_names(v->model), g->start_func_id);
	uint64_t now = view_now(v, g->proc);
	cleanup_buf_ struct buf site = BUF_INIT;

	buf_addf(out, "goroutine %llu [exited]:\n", (unsigned long long)g->goid);
	buf_addf(out, "... %s ",
		 g->flags & GOROUTINE_EXECED      ? "its process executed another program"
		 : g->flags & GOROUTINE_EXIT_READ ? "exited (no event told of it) before"
						  : "exited");
	view_add_utc(view_unix(v, g->exited_ns), out);
	buf_addf(out, ", %.1f s ago", (double)view_since(now, g->exited_ns) / NS_PER_SEC);
	add_before(v, g, out);
	view_site_file(model_names(v->model), g->created_site_id, &site);
	buf_addf(out, "... started with %s", *start ? start : "?");
	if (site.len)
		buf_addf(out, ", by %s", site.data);
	if (g->parent)
		buf_addf(out, " in goroutine %llu", (unsigned long long)g->parent);
	buf_addc(out, '\n');
	add_origin(v, g, out);
	add_last_stay(v, g, out);
}
