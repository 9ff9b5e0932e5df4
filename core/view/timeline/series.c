/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the time pyramid knows of a whole process, a bucket after the other. Any thread. */
#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/pyramid/pyramid.h"
#include "core/view/choose.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

#define SERIES_MAX      4096
#define HEAT_MAX        1024
#define UTILISATION_MAX 300

struct series {
	uint64_t level, from, n;
	const struct pyramid_bucket *buckets;
};

/* One array a column, so that a plot takes them as they are. */
static void add_column(struct buf *out, const char *name, const struct pyramid_bucket *b, size_t n,
		       size_t offset)
{
	json_key(out, name);
	buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		uint64_t value;

		memcpy(&value, (const char *)&b[i] + offset, sizeof(value));
		if (i)
			buf_addc(out, ',');
		buf_addu(out, value);
	}
	buf_addc(out, ']');
}

static void render_series(const struct series *q, struct buf *out)
{
	const struct pyramid_bucket *b = q->buckets;
	size_t n = q->n;

	/* Goroutine-nanoseconds: divided by width_ns, the mean number in that state. */
	json_key(out, "state_ns");
	buf_addc(out, '{');
	for (unsigned i = 0; i < PYRAMID_STATES; i++) {
		bool any = false;

		for (size_t k = 0; k < n && !any; k++)
			any = b[k].state_ns[i];
		if (any)
			add_column(out, view_state_name(i), b, n,
				   offsetof(struct pyramid_bucket, state_ns) +
					   i * sizeof(uint64_t));
	}
	buf_addc(out, '}');
	json_key(out, "events");
	buf_addc(out, '{');
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		add_column(out, event_type_name(i), b, n,
			   offsetof(struct pyramid_bucket, events) + i * sizeof(uint64_t));
	buf_addc(out, '}');
	add_column(out, "lost", b, n, offsetof(struct pyramid_bucket, lost));
	add_column(out, "alloc_bytes", b, n, offsetof(struct pyramid_bucket, alloc_bytes));
	add_column(out, "latency_count", b, n, offsetof(struct pyramid_bucket, latency_count));
	add_column(out, "latency_sum_ns", b, n, offsetof(struct pyramid_bucket, latency_sum_ns));
	add_column(out, "latency_max_ns", b, n, offsetof(struct pyramid_bucket, latency_max_ns));
}

static int read_series(struct view_query *q, uint64_t max, uint64_t usual, struct series *ret)
{
	int err = view_arg_u64(q, "level", 0, UINT64_MAX, 0, &ret->level);

	if (!err)
		err = view_arg_u64(q, "from", 0, UINT64_MAX, 0, &ret->from);
	if (!err)
		err = view_arg_u64(q, "n", 1, max, usual, &ret->n);
	if (err)
		return err;
	if (ret->level < SERIES_BASE || ret->level > PYRAMID_LEVEL_MAX)
		return view_refuse(q, -EINVAL, "levels of a series are %d to %d", SERIES_BASE,
				   PYRAMID_LEVEL_MAX);
	/* n is no more than `max`, so only the sum has to be looked at. */
	if (ret->from <= (UINT64_MAX >> ret->level) - ret->n)
		return 0;
	return view_refuse(q, -EINVAL, "from: bucket %llu of level %u is past the end of time",
			   (unsigned long long)ret->from, (unsigned)ret->level);
}

static void render_place(const struct series *q, struct buf *out)
{
	json_ku(out, "level", q->level);
	json_ku(out, "width_ns", 1ull << q->level);
	json_ku(out, "start_ns", q->from << q->level);
}

/* What `render` makes of the buckets that the question names. */
static int show(const struct view *v, struct view_query *q, uint64_t max, uint64_t usual,
		void (*render)(const struct series *, struct buf *), struct buf *out)
{
	cleanup_free_ struct pyramid_bucket *buckets = NULL;
	struct series series;
	int err = read_series(q, max, usual, &series);

	if (err)
		return err;
	if (!v->pyramid)
		return -ENOSYS;
	series.buckets = buckets = calloc(series.n, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	err = pyramid_series(v->pyramid, q->proc, (unsigned)series.level, series.from, series.n,
			     buckets);
	if (err && err != -ENOENT) /* nothing has happened yet */
		return err;
	buf_addc(out, '{');
	render_place(&series, out);
	render(&series, out);
	buf_adds(out, "}\n");
	return buf_error(out);
}

int view_series(const struct view *v, struct view_query *q, struct buf *out)
{
	return show(v, q, SERIES_MAX, 512, render_series, out);
}

/* --- heat maps: a column of counts a bucket ------------------------------------------------- */

static void render_counts(const uint32_t *counts, unsigned n, struct buf *out)
{
	while (n && !counts[n - 1])
		n--;
	buf_addc(out, '[');
	for (unsigned i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, counts[i]);
	}
	buf_addc(out, ']');
}

/* How long goroutines waited for a CPU, by power of two. */

static void render_heat(const struct series *q, struct buf *out)
{
	json_ku(out, "base", PYRAMID_LATENCY_BASE);
	json_ku(out, "rows", PYRAMID_LATENCIES);
	json_key(out, "counts");
	for (size_t i = 0; i < q->n; i++) {
		buf_addc(out, i ? ',' : '[');
		render_counts(q->buckets[i].latencies, PYRAMID_LATENCIES, out);
	}
	buf_addc(out, ']');
}

int view_heat(const struct view *v, struct view_query *q, struct buf *out)
{
	return show(v, q, HEAT_MAX, 240, render_heat, out);
}

/* --- utilisation -------------------------------------------------------------------------------
 */

static void render_busy(const struct series *q, uint32_t (*counts)[PYRAMID_BUSY_ROWS],
			uint64_t since_ns, struct buf *out)
{
	buf_addc(out, '{');
	render_place(q, out);
	json_ku(out, "since_ns", since_ns);
	json_ku(out, "rows", PYRAMID_BUSY_ROWS);
	json_key(out, "counts");
	for (size_t i = 0; i < q->n; i++) {
		buf_addc(out, i ? ',' : '[');
		render_counts(counts[i], PYRAMID_BUSY_ROWS, out);
	}
	buf_adds(out, "]}\n");
}

/* Those of a filter or a list. *ret NULL: all. */
static int chosen_goids(const struct view *v, struct view_query *q, uint64_t **ret, size_t *ret_n)
{
	return view_chosen(q) ? view_chosen_goids(v, q, NULL, NULL, ret, ret_n) : 0;
}

int view_utilisation(const struct view *v, struct view_query *q, struct buf *out)
{
	uint32_t(*counts)[PYRAMID_BUSY_ROWS] = NULL;
	cleanup_free_ uint64_t *goids = NULL;
	struct pyramid_busy busy = {.proc = q->proc};
	struct series place;
	uint64_t since = 0;
	int err = read_series(q, UTILISATION_MAX, 160, &place);

	if (!err && !v->pyramid)
		err = -ENOSYS;
	if (!err)
		err = chosen_goids(v, q, &goids, &busy.n_goids);
	if (err)
		return err;
	busy.level = (unsigned)place.level;
	busy.from = place.from;
	busy.n = place.n;
	busy.goids = goids;
	counts = calloc(busy.n, sizeof(*counts));
	err = counts ? pyramid_busy(v->pyramid, &busy, counts, &since) : -ENOMEM;
	if (!err)
		render_busy(&place, counts, since, out);
	free(counts);
	return err ? err : buf_error(out);
}
