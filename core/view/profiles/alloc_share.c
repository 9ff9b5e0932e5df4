/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What share of the bytes a process allocated is told of by events, and by samples: held against
 * what its own runtime counted since it was attached to. Any thread.
 */
#include <string.h>

#include "core/view/profiles/allocs.h"
#include "core/view/view_internal.h"

/* The runtime counts what is small once a span of it is used up: some hundred kilobytes a processor
 * late. As long as events tell of clearly more than it has counted, nothing is known of the share.
 */
static bool is_behind(const struct live_runtime *r)
{
	return r->event_bytes > sum_u64(r->allocated_since, r->allocated_since / 8);
}

bool view_alloc_share(const struct view *v, unsigned proc, struct alloc_share *ret)
{
	struct live_runtime r;

	*ret = (struct alloc_share){0};
	if (!v->live->runtime_known || !v->live->runtime_known(v->live->ctx, proc, &r) ||
	    r.allocated_since == RUNTIME_UNKNOWN || !r.allocated_since || is_behind(&r))
		return false;
	ret->allocated = r.allocated_since;
	ret->by_events = MIN(r.event_bytes, ret->allocated);
	ret->sampled =
		r.sampled_bytes == RUNTIME_UNKNOWN ? 0 : MIN(r.sampled_bytes, ret->allocated);
	return true;
}

double view_share_percent(uint64_t part, const struct alloc_share *share)
{
	return 100 * (double)part / (double)share->allocated;
}

void view_emit_alloc_share(struct emit *e, const struct view *v, unsigned proc)
{
	struct alloc_share share;

	if (!view_alloc_share(v, proc, &share)) {
		emit_unknown(e, "alloc_events_percent");
		emit_unknown(e, "alloc_sampled_percent");
		return;
	}
	emit_double(e, "alloc_events_percent", view_share_percent(share.by_events, &share), 2);
	emit_double(e, "alloc_sampled_percent", view_share_percent(share.sampled, &share), 2);
}

void view_note_events_only(const struct view *v, unsigned proc, struct buf *out)
{
	struct alloc_share share;

	buf_adds(out, "events of new and make");
	if (view_alloc_share(v, proc, &share))
		buf_addf(out, ", %.1f %% of the bytes allocated since tracing began",
			 view_share_percent(share.by_events, &share));
	buf_adds(out, "; not " VIEW_NO_EVENTS);
}
