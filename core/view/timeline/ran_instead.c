/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who ran instead: while a goroutine could run and did not, who did. One of its runnable stays: the
 * one that is asked for, or it is in, or else the longest that is retained. Any thread.
 */
#include <errno.h>

#include "core/base/json.h"
#include "core/base/util.h"
#include "core/view/chosen_stay.h"
#include "core/view/groups.h"
#include "core/view/query.h"
#include "core/view/timeline/runs.h"
#include "core/view/view_internal.h"

#define SHOWN 100

struct row {
	uint64_t goid;
	uint64_t ns, runs, first, last; /* of it in that time; last: its last end */
	size_t nth;                     /* of those met, from 1; 0: not counted yet */
	bool gc;
};

/* A goroutine was on a CPU; few are on many. */
struct place {
	uint64_t key;
};

struct between {
	uint64_t begin, end;
};

struct ran {
	uint64_t goid;
	const struct chosen_stay *stay;
	uint64_t to;
	struct groups rows, places;
	unsigned cpus; /* all places are on CPUs below it */
	uint64_t ns, nobody_ns;
	struct between *times; /* of all runs, in no order */
	size_t n_times, cap_times;
	uint16_t got_cpu; /* + 1: where it ran then */
	int err;
};

static int add_time(struct ran *r, uint64_t begin, uint64_t end)
{
	if (r->n_times == r->cap_times) {
		size_t cap = r->cap_times ? 2 * r->cap_times : 256;
		struct between *grown = reallocarray(r->times, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->times = grown;
		r->cap_times = cap;
	}
	r->times[r->n_times++] = (struct between){begin, end};
	return 0;
}

static int by_begin(const void *a, const void *b)
{
	const struct between *x = a, *y = b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* In that time none of the program's goroutines ran: what had a processor of Go's waited for a CPU
 * of the kernel's, or was about to. */
static uint64_t nobody_ran(struct ran *r)
{
	uint64_t at = r->stay->stay.begin, ns = 0;

	if (r->n_times)
		qsort(r->times, r->n_times, sizeof(*r->times), by_begin);
	for (size_t i = 0; i < r->n_times; i++) {
		ns += view_since(r->times[i].begin, at);
		at = MAX(at, r->times[i].end);
	}
	return ns + view_since(r->to, at);
}

static uint64_t place_of(const struct row *row, unsigned cpu)
{
	return row->nth * EVENT_CPUS_MAX + cpu;
}

static void add_run(void *ctx, const struct run *run)
{
	struct ran *r = ctx;
	uint64_t from = r->stay->stay.begin, ns = run_inside(run, from, r->to);
	struct row *row;

	if (run->goid == r->goid && run->begin == r->stay->stay.end && run->cpu)
		r->got_cpu = run->cpu;
	if (!run->goid || run->goid == r->goid || !ns || r->err)
		return;
	row = groups_row(&r->rows, run->goid);
	if (!row) {
		r->err = -ENOMEM;
		return;
	}
	if (!row->nth)
		row->nth = r->rows.n;
	if (!row->runs || run->begin < row->first)
		row->first = MAX(run->begin, from);
	row->last = MAX(row->last, MIN(run->end ? run->end : r->to, r->to));
	/* What one run is told in, by its CPUs, is one. */
	row->runs += !row->runs || !run->goes_on;
	row->ns += ns;
	row->gc |= run->kind != RUN_GO;
	r->ns += ns;
	r->cpus = MAX(r->cpus, run->cpu);
	if (run->cpu && !groups_row(&r->places, place_of(row, run->cpu - 1u)))
		r->err = -ENOMEM;
	else
		r->err =
			add_time(r, MAX(run->begin, from), MIN(run->end ? run->end : r->to, r->to));
}

/* Most time first. */
static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return x->goid < y->goid ? -1 : x->goid > y->goid;
}

static const char *function_of(const struct view *v, unsigned proc, uint64_t goid)
{
	struct goroutine g;

	if (model_goroutine(v->model, proc, goid, &g))
		return "";
	return names_string(model_names(v->model), g.start_func_id);
}

static bool was_on(const struct ran *r, const struct row *row, unsigned cpu)
{
	return cpu < r->cpus && groups_find(&r->places, place_of(row, cpu));
}

static void json_cpus(const struct ran *r, const struct row *row, struct buf *out)
{
	const char *before = "";

	json_key(out, "cpus");
	buf_addc(out, '[');
	for (unsigned cpu = 0; cpu < r->cpus; cpu++) {
		if (!was_on(r, row, cpu))
			continue;
		buf_addf(out, "%s%u", before, cpu);
		before = ",";
	}
	buf_addc(out, ']');
}

/* As the kernel writes a list of CPUs: 0-3,8. */
static void text_cpus(const struct ran *r, const struct row *row, struct buf *out)
{
	const char *before = "";

	for (unsigned first = 0, cpu; first < r->cpus; first = cpu + 1) {
		for (cpu = first; was_on(r, row, cpu); cpu++)
			;
		if (cpu == first)
			continue;
		buf_addf(out, "%s%u", before, first);
		if (cpu - first > 1)
			buf_addf(out, "-%u", cpu - 1);
		before = ",";
	}
	if (!*before)
		buf_addc(out, '?');
}

static int as_json(const struct view *v, const struct ran *r, const struct runs *runs,
		   unsigned proc, struct buf *out)
{
	const struct row *rows = (const void *)r->rows.rows;

	buf_addc(out, '{');
	json_ku(out, "goid", r->goid);
	chosen_stay_json(v, r->stay, out);
	json_ku(out, "since_ns", runs->since_ns);
	json_kb(out, "partly_unknown", runs_partly_unknown(runs));
	if (r->got_cpu)
		json_ku(out, "got_cpu", r->got_cpu - 1u);
	json_ku(out, "ran_ns", r->ns);
	json_ku(out, "nobody_ran_ns", r->nobody_ns);
	json_ku(out, "goroutines", r->rows.n);
	json_key(out, "ran");
	buf_addc(out, '[');
	for (size_t i = 0; i < MIN(r->rows.n, (size_t)SHOWN); i++) {
		const struct row *row = &rows[i];

		buf_adds(out, i ? ",{" : "{");
		json_ku(out, "goid", row->goid);
		json_ks(out, "function", function_of(v, proc, row->goid));
		json_ku(out, "ns", row->ns);
		json_ku(out, "runs", row->runs);
		json_ku(out, "first", row->first);
		json_ku(out, "last", row->last);
		json_kb(out, "gc", row->gc);
		json_cpus(r, row, out);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
	return buf_error(out);
}

static int as_text(const struct view *v, const struct ran *r, const struct runs *runs,
		   unsigned proc, struct buf *out)
{
	const struct row *rows = (const void *)r->rows.rows;
	uint64_t waited = r->to - r->stay->stay.begin;

	chosen_stay_text(v, r->stay, out);
	if (r->got_cpu)
		buf_addf(out, "then_on_cpu %u\n", r->got_cpu - 1u);
	buf_addf(out, "ran_ns %llu\n", (unsigned long long)r->ns);
	buf_addf(out, "nobody_ran_ns %llu\n", (unsigned long long)r->nobody_ns);
	buf_addf(out, "goroutines %zu\n", r->rows.n);
	if (runs_partly_unknown(runs))
		buf_adds(out, "partly_unknown yes\n");
	buf_adds(out, "\ngoid\tran_ns\tpercent\t"
		      "runs\tcpus\tgc\tfunction\n");
	for (size_t i = 0; i < MIN(r->rows.n, (size_t)SHOWN); i++) {
		const struct row *row = &rows[i];

		buf_addf(out, "%llu\t%llu\t%.1f\t%llu\t", (unsigned long long)row->goid,
			 (unsigned long long)row->ns,
			 waited ? 100.0 * (double)row->ns / (double)waited : 0,
			 (unsigned long long)row->runs);
		text_cpus(r, row, out);
		buf_addf(out, "\t%s\t%s\n", row->gc ? "yes" : "no",
			 function_of(v, proc, row->goid));
	}
	if (r->rows.n > SHOWN)
		buf_addf(out, "... cut: %zu more\n", r->rows.n - SHOWN);
	return buf_error(out);
}

int view_ran_instead(const struct view *v, struct view_query *q, struct buf *out)
{
	struct ran r = {.goid = q->goid,
			.rows = GROUPS_INIT(struct row),
			.places = GROUPS_INIT(struct place)};
	struct runs runs = {.fn = add_run, .ctx = &r};
	struct chosen_stay stay;
	int err = chosen_stay_read(v, q, CHOOSE_RUNNABLE, &stay);

	if (err)
		return err;
	r.stay = &stay;
	if (!stay.found)
		return chosen_stay_none(v, q, &stay, out);
	r.to = stay.stay.end ? stay.stay.end : MAX(stay.now, stay.stay.begin);
	runs.from = stay.stay.begin;
	/* With its own run that ends it. */
	runs.to = sum_u64(r.to, 1);
	err = runs_walk(v, q->proc, &runs);
	if (!err)
		err = r.err;
	if (!err) {
		groups_sort(&r.rows, compare);
		r.nobody_ns = nobody_ran(&r);
		err = q->form == VIEW_JSON ? as_json(v, &r, &runs, q->proc, out)
					   : as_text(v, &r, &runs, q->proc, out);
	}
	groups_free(&r.rows);
	groups_free(&r.places);
	free(r.times);
	return err;
}
