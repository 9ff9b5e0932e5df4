/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long goroutines that could run waited for a processor, since the start. Any thread. */
#include <stdio.h>

#include "core/base/json.h"
#include "core/view/process/process.h"
#include "core/view/view_internal.h"

struct latency {
	uint64_t counts[LATENCY_BUCKETS]; /* [2^i, 2^(i+1)) ns */
	uint64_t count, sum_ns, max_ns;
};

static void gather(const struct view *v, unsigned proc, struct latency *ret)
{
	struct model_totals t;

	model_totals(v->model, proc == VIEW_ALL_PROCS ? -1 : (int)proc, &t);
	*ret = (struct latency){.sum_ns = t.runnable_sum_ns, .max_ns = t.runnable_max_ns};
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		ret->counts[i] = t.runnable_latency[i];
		ret->count += t.runnable_latency[i];
	}
}

/* Within its bucket as if they were spread evenly there: figures() says that it is an estimate. */
uint64_t view_latency_percentile(const uint64_t counts[LATENCY_BUCKETS], uint64_t max_ns,
				 unsigned percent)
{
	uint64_t count = 0, want, below = 0;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		count += counts[i];
	want = count / 100 * percent + count % 100 * percent / 100;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		uint64_t low = i ? 1ull << i : 0, width = (2ull << i) - low;

		if (below + counts[i] > want)
			return MIN(low + (uint64_t)((double)width * (double)(want - below) /
						    (double)counts[i]),
				   max_ns);
		below += counts[i];
	}
	return max_ns;
}

static uint64_t percentile(const struct latency *l, unsigned percent)
{
	return view_latency_percentile(l->counts, l->max_ns, percent);
}

/* "-" of none. */
static void emit_percentile(struct emit *e, const char *key, const struct latency *l,
			    unsigned percent)
{
	if (l->count)
		emit_u64(e, key, percent < 100 ? percentile(l, percent) : l->max_ns);
	else
		emit_none(e, key);
}

static void figures(const struct latency *l, struct emit *e)
{
	emit_u64(e, "count", l->count);
	emit_u64(e, "sum_ns", l->sum_ns);
	view_emit_mean(e, "mean_ns", l->sum_ns, l->count);
	emit_percentile(e, "p50_ns", l, 50);
	emit_percentile(e, "p90_ns", l, 90);
	emit_percentile(e, "p99_ns", l, 99);
	emit_percentile(e, "max_ns", l, 100);
	emit_string(e, "percentiles_are", "estimates, within a factor of two");
}

static void counts(const struct latency *l, struct buf *out)
{
	buf_addc(out, '[');
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, l->counts[i]);
	}
	buf_addc(out, ']');
}

/* How many there are in each of the buckets in use, a key each: [N, 2N) ns. */
static void buckets(const struct latency *l, struct emit *e)
{
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		char key[40];

		snprintf(key, sizeof(key), "from_%llu_ns", i ? 1ull << i : 0ull);
		if (l->counts[i])
			emit_u64(e, key, l->counts[i]);
	}
}

int view_sched_latency(const struct view *v, struct view_query *q, struct buf *out)
{
	struct latency l;
	struct emit e;

	gather(v, q->proc, &l);
	emit_begin(&e, q->form, out);
	figures(&l, &e);
	buckets(&l, &e);
	if (q->form == VIEW_JSON) {
		json_key(out, "counts");
		counts(&l, out);
	}
	return emit_end(&e);
}

int view_latency(const struct view *v, struct view_query *q, struct buf *out)
{
	struct latency l;

	gather(v, q->proc, &l);
	counts(&l, out);
	buf_addc(out, '\n');
	return buf_error(out);
}
