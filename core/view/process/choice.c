/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What -sample leaves out, and what that says of all there was: keys of stats, health and of a
 * goroutine, a word for the statistics line. Any thread. */
#include <math.h>
#include <stdio.h>

#include "core/view/process/process.h"
#include "core/view/view_internal.h"

/* Of all processes. */
static bool unchosen(const struct view *v, uint64_t ret[EVENT_TYPES])
{
	if (!v->live->unchosen)
		return false;
	v->live->unchosen(v->live->ctx, ret);
	return true;
}

/*
 * Bytes by how many allocations they are of, of all that there were, and two standard errors: who
 * is chosen is chosen with the rate's chance, with all its bytes (Horvitz and Thompson's
 * estimator), so the squares of what each goroutine allocated say how much it depends on whom. How
 * many there were between windows of -max-overhead is an estimate itself, with an error of its own.
 */
static void emit_bytes(struct emit *e, const struct view *v, const struct model_totals *t,
		       const uint64_t left[EVENT_TYPES], double rate)
{
	double seen = 0, all = 0, unsure = 0;
	struct live_budget b;
	bool known = !view_budget(v, &b) || !b.windows || b.estimated;

	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		if (!event_is_allocation((uint8_t)type))
			continue;
		seen += (double)t->events[type];
		all += (double)(t->events[type] + t->lost[type] + left[type]);
		if (!b.windows)
			continue;
		all += (double)b.missed[type];
		unsure += (double)b.error[type];
	}
	if (!known || (seen <= 0 && all > 0)) {
		emit_unknown(e, "estimated_alloc_bytes");
		emit_unknown(e, "estimated_alloc_bytes_error");
		return;
	}
	emit_u64(e, "estimated_alloc_bytes",
		 seen > 0 ? (uint64_t)((double)t->alloc_bytes * all / seen + 0.5) : 0);
	emit_u64(e, "estimated_alloc_bytes_error",
		 (uint64_t)ceil(2 * sqrt((1 - rate) * t->alloc_squares) / rate +
				(seen > 0 ? (double)t->alloc_bytes / seen * unsure : 0)));
}

void view_emit_choice(struct emit *e, const struct view *v, const struct model_totals *t)
{
	uint64_t left[EVENT_TYPES];
	uint32_t rates[RATES];
	bool sampled = view_rates(v, rates);
	char key[48];

	if (!unchosen(v, left) || (!sampled && !event_counts_sum(left)))
		return;
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		snprintf(key, sizeof(key), "not_chosen_%s", event_type_name(type));
		emit_u64(e, key, left[type]);
	}
	if (model_procs(v->model) == 1 && rates[RATE_GOROUTINES] < RATE_ONE)
		emit_bytes(e, v, t, left, (double)rates[RATE_GOROUTINES] / RATE_ONE);
}

void view_emit_chosen(struct emit *e, const struct view *v, unsigned proc, uint64_t goid)
{
	uint32_t rates[RATES];
	struct proc_info info;

	if (view_rates(v, rates) && rates[RATE_GOROUTINES] < RATE_ONE &&
	    !model_proc(v->model, proc, &info))
		emit_yes(e, "chosen", rate_chooses(rates[RATE_GOROUTINES], (int)info.pid, goid));
}

void view_sample(const struct view *v, char *ret, size_t size)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	uint32_t rates[RATES];

	if (view_rates(v, rates))
		control_format_rates(rates, &text);
	snprintf(ret, size, "%s", text.data ? text.data : "");
}

void view_choice_word(const struct view *v, struct buf *out)
{
	uint32_t rates[RATES];

	if (view_rates(v, rates) && rates[RATE_GOROUTINES] < RATE_ONE) {
		buf_adds(out, "goroutines:");
		control_format_rate(rates[RATE_GOROUTINES], out);
	}
}
