/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The time pyramid over HTTP: tiles of goroutines, of groups, the process's series, heat maps, and
 * edges. */
#include <errno.h>
#include <string.h>

#include "web/rest.h"

#define SERIES_MAX      4096
#define HEAT_MAX        1024
#define UTILISATION_MAX 300
#define EDGES_MAX       20000

static int read_place(const struct request *rq, struct response *rs, uint64_t *level,
		      uint64_t *index)
{
	if (rest_param_u64(rq, rs, 0, level) || rest_param_u64(rq, rs, 1, index))
		return -EINVAL;
	if (*level > PYRAMID_LEVEL_MAX) {
		http_error(rs, 400, "levels are 0 to %d", PYRAMID_LEVEL_MAX);
		return -EINVAL;
	}
	if (*index < (UINT64_MAX >> *level) / PYRAMID_TILE_BUCKETS)
		return 0;
	http_error(rs, 400, "tile %llu of level %u is past the end of time",
		   (unsigned long long)*index, (unsigned)*level);
	return -EINVAL;
}

int rest_tile(const struct request *rq, struct response *rs)
{
	uint64_t goids[PYRAMID_ROWS_MAX], level, index;
	struct source *s;
	unsigned proc;
	size_t n;
	int err = 0;

	if (read_place(rq, rs, &level, &index) || rest_goids(rq, rs, goids, ARRAY_SIZE(goids), &n))
		return 0;
	s = rest_source(rq, rs);
	if (!s)
		return 0;
	rs->content_type = "application/octet-stream";
	if (!rest_proc(rq, rs, s, &proc))
		err = pyramid_tile(s->pyramid, s->view.model, proc, (unsigned)level, index, goids,
				   n, &rs->body);
	rest_done(rq, s);
	return err;
}

/* ?by=func&key=NAME or by=site: exactly these, whatever characters the name has. */
static int keep_named(const struct request *rq, struct response *rs, const struct names *names,
		      struct goroutine *list, size_t *n)
{
	const char *by = http_arg(rq, "by"), *key = http_arg(rq, "key");
	bool site = by && !strcmp(by, "site");
	size_t kept = 0;

	if (!by)
		return 0;
	if (!key || (!site && strcmp(by, "func"))) {
		http_error(rs, 400, "by: func or site, with a key");
		return -EINVAL;
	}
	for (size_t i = 0; i < *n; i++) {
		struct buf text = BUF_INIT;

		if (site)
			rest_site(names, list[i].created_site_id, &text);
		else
			buf_adds(&text, names_string(names, list[i].start_func_id));
		if (!strcmp(text.data ? text.data : "", key))
			list[kept++] = list[i];
		buf_free(&text);
	}
	*n = kept;
	return 0;
}

/* Only their numbers; the caller frees. NULL: no memory. */
static uint64_t *goids_of(const struct goroutine *list, size_t n)
{
	uint64_t *goids = malloc((n + 1) * sizeof(*goids));

	for (size_t i = 0; goids && i < n; i++)
		goids[i] = list[i].goid;
	return goids;
}

int rest_group_tile(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	cleanup_free_ uint64_t *goids = NULL;
	uint64_t level, index;
	struct source *s;
	unsigned proc;
	size_t n = 0;
	int err = 0;

	if (read_place(rq, rs, &level, &index))
		return 0;
	s = rest_chosen(rq, rs, &proc, &list, &n);
	if (!s)
		return 0;
	if (keep_named(rq, rs, model_names(s->view.model), list, &n))
		goto out;
	goids = goids_of(list, n);
	if (!goids) {
		err = -ENOMEM;
		goto out;
	}
	rs->content_type = "application/octet-stream";
	err = pyramid_group_tile(s->pyramid, proc, (unsigned)level, index, goids, n, &rs->body);
out:
	rest_done(rq, s);
	return err;
}

/* --- series ---------------------------------------------------------------------------------- */

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
	for (unsigned i = 0; i < GSTATES; i++) {
		bool any = false;

		for (size_t k = 0; k < n && !any; k++)
			any = b[k].state_ns[i];
		if (any)
			add_column(out, gstate_name(i), b, n,
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

static int read_series(const struct request *rq, struct response *rs, uint64_t max, uint64_t usual,
		       struct series *ret)
{
	if (rest_param_u64(rq, rs, 0, &ret->level) || rest_param_u64(rq, rs, 1, &ret->from) ||
	    http_arg_u64(rq, rs, "n", 1, max, usual, &ret->n))
		return -EINVAL;
	if (ret->level < 20 || ret->level > PYRAMID_LEVEL_MAX) {
		http_error(rs, 400, "levels of a series are 20 to %d", PYRAMID_LEVEL_MAX);
		return -EINVAL;
	}
	/* n is no more than `max`, so only the sum has to be looked at. */
	if (ret->from <= (UINT64_MAX >> ret->level) - ret->n)
		return 0;
	http_error(rs, 400, "from: bucket %llu of level %u is past the end of time",
		   (unsigned long long)ret->from, (unsigned)ret->level);
	return -EINVAL;
}

static void render_place(const struct series *q, struct buf *out)
{
	json_ku(out, "level", q->level);
	json_ku(out, "width_ns", 1ull << q->level);
	json_ku(out, "start_ns", q->from << q->level);
}

/* Answers with what `render` makes of the buckets that the request names. */
static int answer_series(const struct request *rq, struct response *rs, uint64_t max,
			 uint64_t usual, void (*render)(const struct series *, struct buf *))
{
	cleanup_free_ struct pyramid_bucket *buckets = NULL;
	struct series q;
	struct source *s;
	unsigned proc;
	int err = 0;

	if (read_series(rq, rs, max, usual, &q))
		return 0;
	q.buckets = buckets = calloc(q.n, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	s = rest_source(rq, rs);
	if (!s)
		return 0;
	if (!rest_proc(rq, rs, s, &proc)) {
		err = pyramid_series(s->pyramid, proc, (unsigned)q.level, q.from, q.n, buckets);
		if (err == -ENOENT) /* nothing has happened yet */
			err = 0;
		if (!err) {
			buf_addc(&rs->body, '{');
			render_place(&q, &rs->body);
			render(&q, &rs->body);
			buf_adds(&rs->body, "}\n");
		}
	}
	rest_done(rq, s);
	return err;
}

int rest_series(const struct request *rq, struct response *rs)
{
	return answer_series(rq, rs, SERIES_MAX, 512, render_series);
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

int rest_heat(const struct request *rq, struct response *rs)
{
	return answer_series(rq, rs, HEAT_MAX, 240, render_heat);
}

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

/* ?filter= or ?goids=: only those goroutines. *ret NULL: all. */
static int busy_goids(const struct request *rq, struct response *rs, const struct source *s,
		      unsigned proc, uint64_t **ret, size_t *ret_n)
{
	const char *filter = http_arg(rq, "filter"), *goids = http_arg(rq, "goids");
	cleanup_free_ struct goroutine *list = NULL;

	if ((!filter || !*filter) && (!goids || !*goids))
		return 0;
	if (rest_select(rq, rs, s, proc, &list, ret_n))
		return -EINVAL;
	*ret = goids_of(list, *ret_n);
	if (*ret)
		return 0;
	http_errno(rs, -ENOMEM, "goroutines");
	return -ENOMEM;
}

int rest_utilisation(const struct request *rq, struct response *rs)
{
	uint32_t(*counts)[PYRAMID_BUSY_ROWS] = NULL;
	cleanup_free_ uint64_t *goids = NULL;
	struct pyramid_busy q = {0};
	struct series place;
	struct source *s;
	uint64_t since = 0;
	int err = 0;

	if (read_series(rq, rs, UTILISATION_MAX, 160, &place))
		return 0;
	s = rest_source(rq, rs);
	if (!s)
		return 0;
	if (rest_proc(rq, rs, s, &q.proc) || busy_goids(rq, rs, s, q.proc, &goids, &q.n_goids))
		goto out;
	q.level = (unsigned)place.level;
	q.from = place.from;
	q.n = place.n;
	q.goids = goids;
	counts = calloc(q.n, sizeof(*counts));
	err = counts ? pyramid_busy(s->pyramid, &q, counts, &since) : -ENOMEM;
	if (!err)
		render_busy(&place, counts, since, &rs->body);
	free(counts);
out:
	rest_done(rq, s);
	return err;
}

/* --- edges ----------------------------------------------------------------------------------- */

/* [time_ns, from goid, to goid, "wake" or "create"] for what happened to one goroutine. */
static int add_edges(const struct source *s, const struct goroutine *g, uint64_t from, uint64_t to,
		     uint64_t limit, uint64_t *shown, struct buf *out)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	size_t n = 0;
	int err = model_goroutine_events(s->view.model, g->proc, g->goid, 0, UINT64_MAX, &events,
					 &seqs, &n);

	for (size_t i = 0; !err && i < n && *shown < limit; i++) {
		const struct event *ev = &events[i];
		bool wake = ev->type == EVENT_CASGSTATUS && ev->from == GSTATE_WAITING &&
			    ev->to == GSTATE_RUNNABLE;

		if (ev->target != g->goid || ev->time_ns < from || !ev->goid ||
		    ev->goid == g->goid || (!wake && ev->type != EVENT_NEWGOROUTINE))
			continue;
		if (ev->time_ns > to)
			break;
		if ((*shown)++)
			buf_addc(out, ',');
		buf_addf(out, "[%llu,%llu,%llu,\"%s\"]", (unsigned long long)ev->time_ns,
			 (unsigned long long)ev->goid, (unsigned long long)g->goid,
			 wake ? "wake" : "create");
	}
	return err == -ENOENT ? 0 : err;
}

int rest_edges(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct goroutine *list = NULL;
	uint64_t from, to, limit, shown = 0;
	struct source *s;
	unsigned proc;
	size_t n = 0;
	int err = 0;

	if (http_arg_u64(rq, rs, "from", 0, UINT64_MAX, 0, &from) ||
	    http_arg_u64(rq, rs, "to", 0, UINT64_MAX, UINT64_MAX, &to) ||
	    http_arg_u64(rq, rs, "limit", 1, EDGES_MAX, 2000, &limit))
		return 0;
	s = rest_chosen(rq, rs, &proc, &list, &n);
	if (!s)
		return 0;
	buf_adds(&rs->body, "{\"edges\":[");
	for (size_t i = 0; i < n && !err && shown < limit; i++)
		err = add_edges(s, &list[i], from, to, limit, &shown, &rs->body);
	buf_adds(&rs->body, "]");
	json_kb(&rs->body, "more", shown == limit);
	buf_adds(&rs->body, "}\n");
	rest_done(rq, s);
	return err;
}
