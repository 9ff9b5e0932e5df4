/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A time range of chosen goroutines: what they did in it, as JSON, CSV or a table.
 * Times and counts come from the retained events and are exact as far as those reach back
 * ("since_ns"), and as long as no exited goroutine that was there is dropped; percentiles come from
 * a histogram and are right within PERCENTILE_ERROR.
 */
#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/view/choose.h"
#include "core/view/query.h"
#include "core/view/stays.h"
#include "core/view/view_internal.h"

#define SUB_BITS         3 /* buckets a power of two: 2^3 */
#define BUCKETS          (64 << SUB_BITS)
#define PERCENTILE_ERROR 6.25 /* percent: half a bucket */

struct state_stats {
	uint64_t total_ns, stays, max_ns;
	uint32_t histogram[BUCKETS];
};

struct range_stats {
	const struct names *names;
	struct window window;
	uint64_t goroutines, created, exited, counts[EVENT_TYPES], alloc_bytes;
	struct missing missing;
	struct state_stats states[GSTATES + 1]; /* the last: not known */
};

static unsigned bucket_of(uint64_t ns)
{
	unsigned power = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;

	if (power < SUB_BITS)
		return (unsigned)ns;
	return ((power - SUB_BITS + 1) << SUB_BITS) +
	       (unsigned)((ns >> (power - SUB_BITS)) & ((1u << SUB_BITS) - 1));
}

/* The power of two below the lengths of a bucket; 0 also for 0 ns. */
static unsigned bucket_power(unsigned b)
{
	if (b >= 1u << SUB_BITS)
		return (b >> SUB_BITS) + SUB_BITS - 1;
	return b ? 31 - (unsigned)__builtin_clz(b) : 0;
}

static uint64_t bucket_middle(unsigned b)
{
	unsigned power = bucket_power(b);
	uint64_t low, width;

	if (b < 1u << SUB_BITS)
		return b;
	width = 1ull << (power - SUB_BITS);
	low = (1ull << power) + (uint64_t)(b & ((1u << SUB_BITS) - 1)) * width;
	return low + width / 2;
}

static uint64_t percentile(const struct state_stats *st, double part)
{
	uint64_t want = (uint64_t)((double)st->stays * part), seen = 0;

	for (unsigned b = 0; b < BUCKETS; b++) {
		seen += st->histogram[b];
		if (seen > want)
			return bucket_middle(b);
	}
	return st->max_ns;
}

/* What lies in the range of it counts. */
static void add_stay(void *ctx, const struct stay *stay)
{
	struct range_stats *r = ctx;
	struct state_stats *st = &r->states[stay->state];
	uint64_t ns = window_inside(&r->window, stay);

	if (!ns)
		return;
	st->total_ns = sum_u64(st->total_ns, ns);
	st->stays++;
	st->max_ns = MAX(st->max_ns, ns);
	st->histogram[bucket_of(ns)]++;
}

static void count_event(struct range_stats *r, const struct event *ev, const struct goroutine *g)
{
	/* A creation is in the child's events and the creator's: it counts as the creator's, as
	 * a state change counts as its subject's. The runtime's own (0) is nobody else's. */
	bool of_target =
		ev->type == EVENT_CASGSTATUS || (ev->type == EVENT_NEWGOROUTINE && !ev->goid);

	if ((of_target ? ev->target : ev->goid) != g->goid)
		return;
	r->counts[ev->type]++;
	r->alloc_bytes = sum_u64(r->alloc_bytes, names_allocated(r->names, ev));
}

static int add_goroutine(void *ctx, const struct goroutine *g, const struct event *events, size_t n)
{
	struct range_stats *r = ctx;
	const struct window *w = &r->window;

	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[i];

		if (ev->type < EVENT_TYPES && ev->time_ns >= w->from && ev->time_ns < w->to)
			count_event(r, ev, g);
	}
	window_walk(w, g, events, n, add_stay, r);
	r->goroutines += g->created_ns < w->to &&
			 (!(g->flags & GOROUTINE_EXITED) || g->exited_ns >= w->from);
	r->created +=
		g->created_ns >= w->from && g->created_ns < w->to && !(g->flags & GOROUTINE_FOUND);
	r->exited += g->flags & GOROUTINE_EXITED && g->exited_ns >= w->from && g->exited_ns < w->to;
	return 0;
}

/* Stays by power of two of their length; no zeros at the end. */
static void render_histogram(const struct state_stats *st, struct buf *out)
{
	uint64_t counts[64] = {0}, left = st->stays;

	for (unsigned b = 0; b < BUCKETS; b++) {
		if (st->histogram[b])
			counts[bucket_power(b)] += st->histogram[b];
	}
	json_key(out, "histogram");
	buf_addc(out, '[');
	for (unsigned i = 0; i < 64 && left; left -= counts[i++]) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, counts[i]);
	}
	buf_addc(out, ']');
}

static void render_json(const struct range_stats *r, struct buf *out)
{
	buf_addc(out, '{');
	json_ku(out, "from", r->window.from);
	json_ku(out, "to", window_to(&r->window));
	json_ku(out, "since_ns", r->window.since_ns);
	json_kb(out, "exact", !r->missing.here && window_exact(&r->window));
	json_ku(out, "exited_dropped", r->missing.dropped);
	json_kb(out, "exited_missing", r->missing.here);
	json_kd(out, "percentile_error_percent", PERCENTILE_ERROR);
	json_ku(out, "goroutines", r->goroutines);
	json_ku(out, "created", r->created);
	json_ku(out, "exited", r->exited);
	view_json_by_type("events", r->counts, out);
	json_ku(out, "alloc_bytes", r->alloc_bytes);
	json_key(out, "states");
	buf_addc(out, '[');
	for (unsigned i = 0; i <= GSTATES; i++) {
		const struct state_stats *st = &r->states[i];

		if (!st->stays)
			continue;
		if (buf_last(out) != '[')
			buf_addc(out, ',');
		buf_addc(out, '{');
		json_ks(out, "state", view_state_name(i));
		json_ku(out, "total_ns", st->total_ns);
		json_ku(out, "stays", st->stays);
		json_ku(out, "p50_ns", MIN(percentile(st, 0.5), st->max_ns));
		json_ku(out, "p99_ns", MIN(percentile(st, 0.99), st->max_ns));
		json_ku(out, "max_ns", st->max_ns);
		render_histogram(st, out);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
}

static void render_table(const struct range_stats *r, char between, struct buf *out)
{
	static const char *const columns[] = {"state",  "total_ns", "stays",
					      "p50_ns", "p99_ns",   "max_ns"};

	for (unsigned i = 0; i < ARRAY_SIZE(columns); i++)
		buf_addf(out, "%s%c", columns[i], i + 1 < ARRAY_SIZE(columns) ? between : '\n');
	for (unsigned i = 0; i <= GSTATES; i++) {
		const struct state_stats *st = &r->states[i];
		const uint64_t values[] = {st->total_ns, st->stays,
					   MIN(percentile(st, 0.5), st->max_ns),
					   MIN(percentile(st, 0.99), st->max_ns), st->max_ns};

		if (!st->stays)
			continue;
		buf_adds(out, view_state_name(i));
		for (unsigned k = 0; k < ARRAY_SIZE(values); k++)
			buf_addf(out, "%c%llu", between, (unsigned long long)values[k]);
		buf_addc(out, '\n');
	}
}

/* Why a table is not exact; CSV has no place for it. */
static void render_notes(const struct range_stats *r, struct buf *out)
{
	window_note(&r->window, out);
	if (r->missing.here)
		view_note_dropped(r->missing.dropped, "not exact, what they did is not in it", out);
}

static int render(const struct range_stats *r, const struct view_query *q, struct buf *out)
{
	if (q->form == VIEW_JSON)
		render_json(r, out);
	else
		render_table(r, q->content_type ? ',' : '\t', out);
	if (q->form == VIEW_TEXT && !q->content_type)
		render_notes(r, out);
	return buf_error(out);
}

int view_range(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const formats[] = {"json", "csv", "text", NULL};
	cleanup_free_ struct range_stats *r = calloc(1, sizeof(*r));
	unsigned format = 0;
	int err = r ? view_arg_word(q, "format", formats, &format) : -ENOMEM;

	if (!err && view_arg_text(q, "format"))
		q->form = format ? VIEW_TEXT : VIEW_JSON;
	if (!err && format == 1)
		q->content_type = "text/csv; charset=utf-8";
	if (!err)
		err = window_read(v, q, &r->window);
	if (err)
		return err;
	r->names = model_names(v->model);
	err = window_pass(&r->window, v, q, add_goroutine, r, &r->missing);
	return err ? err : render(r, q, out);
}
