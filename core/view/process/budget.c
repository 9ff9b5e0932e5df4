/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tracing costs and how -max-overhead keeps it small: keys of stats and health, a word for the
 * statistics line. Any thread. */
#include <stdio.h>

#include "core/view/process/process.h"
#include "core/view/view_internal.h"

bool view_budget(const struct view *v, struct live_budget *ret)
{
	*ret = (struct live_budget){0};
	if (!v->live->budget)
		return false;
	v->live->budget(v->live->ctx, ret);
	return true;
}

static double percent(uint64_t part, uint64_t of)
{
	return of ? 100 * (double)part / (double)of : 0;
}

/* The dearest type; EVENT_TYPES: nothing is hit. */
static unsigned dearest(const struct meter_sample *s)
{
	unsigned best = EVENT_TYPES;

	for (unsigned type = 0; type < EVENT_TYPES; type++)
		if (s->type_percent[type] > (best < EVENT_TYPES ? s->type_percent[best] : 0))
			best = type;
	return best;
}

static void emit_percent(struct emit *e, const char *key, const double *value)
{
	if (value)
		emit_double(e, key, *value, 3);
	else
		emit_none(e, key);
}

void view_emit_costs(struct emit *e, const struct meter_sample *s)
{
	unsigned first = s ? dearest(s) : EVENT_TYPES;
	char key[48];

	emit_percent(e, "overhead_of_target_percent", s ? &s->of_target_percent : NULL);
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		snprintf(key, sizeof(key), "overhead_%s_percent", event_type_name(type));
		emit_percent(e, key, s ? &s->type_percent[type] : NULL);
	}
	if (s)
		emit_string(e, "overhead_most_by",
			    first < EVENT_TYPES ? event_type_name(first) : "none");
	else
		emit_none(e, "overhead_most_by");
}

void view_dearest_word(const struct meter_sample *s, struct buf *out)
{
	unsigned first = dearest(s);

	if (first < EVENT_TYPES)
		buf_addf(out, " (most by %s, %.1f%%)", event_type_name(first),
			 s->type_percent[first]);
}

void view_emit_budget(struct emit *e, const struct view *v)
{
	struct live_budget b;
	char key[64];

	if (!view_budget(v, &b) || (b.max_percent <= 0 && !b.windows))
		return;
	emit_string(e, "budget_window", b.on ? "open" : "closed");
	emit_u64(e, "budget_windows", b.windows);
	emit_u64(e, "budget_open_ns", b.on_ns);
	emit_u64(e, "budget_closed_ns", b.off_ns);
	emit_double(e, "budget_spent_percent", percent(b.spent_ns, b.cpu_ns), 3);
	emit_double(e, "budget_switching_percent", percent(b.switched_ns, b.cpu_ns), 3);
	emit_double(e, "budget_cost_when_open_percent", b.full_percent, 3);
	emit_u64(e, "budget_attach_cpu_ns", b.attach_ns);
	emit_u64(e, "budget_detach_cpu_ns", b.detach_ns);
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		snprintf(key, sizeof(key), "estimated_unseen_%s", event_type_name(type));
		view_emit_known(e, key, b.estimated, b.missed[type]);
		snprintf(key, sizeof(key), "estimated_unseen_error_%s", event_type_name(type));
		view_emit_known(e, key, b.estimated, b.error[type]);
	}
}

bool view_in_windows(const struct view *v)
{
	struct live_budget b;

	return view_budget(v, &b) && b.windows;
}

void view_budget_word(const struct view *v, struct buf *out)
{
	struct live_budget b;

	if (!view_budget(v, &b) || b.max_percent <= 0)
		return;
	buf_addf(out, "budget %g%%: ", b.max_percent);
	if (!b.windows)
		buf_adds(out, "all");
	else
		buf_addf(out, "%.2f%% spent, %.1f%% of the time in %llu windows",
			 percent(b.spent_ns, b.cpu_ns), percent(b.on_ns, b.on_ns + b.off_ns),
			 (unsigned long long)b.windows);
}
