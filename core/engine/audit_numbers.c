/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many numbers the runtime gave to goroutines, against how many creations events told of. Two
 * inequalities that hold at any moment, so that they need no common one: of the numbers given until
 * a reading, all events were applied when it is compared; and an event that was applied before a
 * reading is of a number that was given before it. But for those on their way from one to the
 * other: one a goroutine that runs at most. What breaks one of them twice in a row is told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/engine/audit_internal.h"
#include "core/model/walk.h"

uint64_t audit_created(const struct model_totals *t)
{
	return sub_u64(t->goroutines_created, t->created_by_threads);
}

/* Between taking a number and telling of it, a goroutine runs, and may have no CPU. */
static uint64_t maybe_creating(const struct reading *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += walk_fold(r->seen[i].state) == GSTATE_RUNNING;
	return n;
}

void audit_numbers_begin(struct model *m, struct watched *w, const struct reading *r)
{
	struct model_totals t;

	model_totals(m, (int)r->proc, &t);
	w->base = (struct base){
		.taken = !r->numbers_err,
		.least = r->least,
		.most = r->most,
		.of_threads = r->of_threads,
		.created_before = r->created,
		.created_after = audit_created(&t),
		.lost = event_counts_sum(t.lost),
		.dropped = t.dropped_goroutines,
		.creating = maybe_creating(r),
	};
}

static void cannot(struct audit *result, const char *why)
{
	result->numbers = false;
	snprintf(result->no_numbers, sizeof(result->no_numbers), "%s", why);
}

/* What was broken now and before counts, each once. */
static void confirm(struct audit *result, enum audit_kind kind, uint64_t *before, uint64_t now,
		    uint64_t *told)
{
	uint64_t both = MIN(*before, now);

	result->now[kind] = sub_u64(both, *told);
	result->total[kind] += result->now[kind];
	*told = MAX(*told, both);
	*before = now;
}

void audit_numbers(struct model *m, struct watched *w, const struct reading *r,
		   struct audit *result)
{
	struct base *b = &w->base;
	struct model_totals t;
	uint64_t missing;

	if (!r->now.creations)
		return cannot(result, "creations are not all traced");
	if (r->numbers_err)
		return cannot(result,
			      r->numbers_err == -ENOSYS
				      ? "runtime.sched and allp were not found in this binary"
				      : strerror(-r->numbers_err));
	model_totals(m, (int)r->proc, &t);
	if (!b->taken || t.dropped_goroutines != b->dropped ||
	    (!b->firm && b->of_threads != r->of_threads)) {
		audit_numbers_begin(m, w, r);
		return cannot(result, "just begun");
	}
	b->firm = true;
	result->numbers = true;
	result->no_numbers[0] = '\0';
	result->given = sub_u64(sub_u64(r->least, b->most), sub_u64(r->of_threads, b->of_threads));
	result->created = sub_u64(audit_created(&t), b->created_before);
	missing = sub_u64(result->given, result->created + maybe_creating(r));
	result->maybe_lost = MIN(missing, sub_u64(event_counts_sum(t.lost), b->lost));
	confirm(result, AUDIT_MISSED, &b->missed, missing - result->maybe_lost, &b->missed_told);
	confirm(result, AUDIT_INVENTED, &b->invented,
		sub_u64(sub_u64(r->created, b->created_after),
			sub_u64(r->most, b->least) + b->creating),
		&b->invented_told);
}
