/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where goroutines are made, for `go tool pprof`: how many at each go statement is counted, by
 * which ways one came there is sampled, and the count is spread over the samples. Any thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/samples.h"
#include "core/view/groups.h"
#include "core/view/profiles/profile.h"

/* A go statement. */
struct statement {
	uint64_t key;       /* site_id */
	uint64_t n, weight; /* made there; weight of its samples */
	uint64_t given;     /* of n, in the profile so far */
	uint64_t left;      /* of weight */
	uint32_t func_id;   /* what it starts */
	bool several;       /* such functions */
};

struct creations {
	struct groups statements;
	struct sample_row *rows;
	size_t n_rows;
	uint64_t n, sampled; /* goroutines made; of those, at statements with a sample */
	uint64_t stacks;     /* samples */
};

static int read_counts(const struct view *v, unsigned proc, struct creations *c)
{
	struct made_at *made;
	size_t n;
	int err = model_made(v->model, proc, &made, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++) {
		struct statement *s = groups_row(&c->statements, made[i].site_id);

		if (!s) {
			err = -ENOMEM;
			break;
		}
		s->several = s->n && s->func_id != made[i].start_func_id;
		s->func_id = made[i].start_func_id;
		s->n += made[i].n;
		c->n += made[i].n;
	}
	free(made);
	return err;
}

static int read_rows(const struct view *v, unsigned proc, struct creations *c, uint64_t *from)
{
	struct sample_totals totals;
	int err = samples_copy(model_samples(v->model), proc, SAMPLE_CREATED, &c->rows, &c->n_rows,
			       &totals);

	if (err)
		return err;
	c->stacks = totals.sum.hits;
	if (totals.from_ns)
		*from = MIN(*from, totals.from_ns);
	for (size_t i = 0; i < c->n_rows; i++) {
		const struct sample_row *row = &c->rows[i];
		struct statement *s = row->n ? groups_find(&c->statements, row->sites[0]) : NULL;

		if (s)
			s->left = s->weight = sum_u64(s->weight, row->sum.weight);
	}
	return 0;
}

/* What is started comes first. */
static struct pprof_frame started(const struct view *v, const struct statement *s)
{
	struct pprof_frame frame = {.function = profile_text(v, s->func_id)};

	if (s->several)
		frame.function = PPROF_TEXT("(several functions)");
	else if (!frame.function.len)
		frame.function = PPROF_TEXT("(function unknown)");
	return frame;
}

/* The statement's count by the row's share of what is left: all rows together get all of it. */
static int add_row(const struct view *v, struct pprof *p, struct statement *s,
		   const struct sample_row *row)
{
	struct pprof_frame frames[SAMPLE_DEPTH_MAX + 2] = {started(v, s)};
	struct pprof_sample sample = {.frames = frames, .n = 1};
	double share = s->left ? (double)row->sum.weight / (double)s->left : 0;
	uint64_t n = (uint64_t)((double)(s->n - s->given) * MIN(share, 1.0) + 0.5);

	n = MIN(n, s->n - s->given);
	s->given += n;
	s->left -= MIN(row->sum.weight, s->left);
	profile_calls(v, row, 0, PPROF_TEXT("(not Go)"), frames, &sample.n);
	sample.values[0] = (int64_t)MIN(n, (uint64_t)INT64_MAX);
	return n ? pprof_add(p, &sample) : 0;
}

/* The statement alone. */
static int add_rest(const struct view *v, struct pprof *p, const struct statement *s)
{
	struct pprof_frame frames[2] = {started(v, s), profile_frame(v, (uint32_t)s->key)};
	struct pprof_sample sample = {.frames = frames, .n = 2};

	if (!frames[1].function.len)
		frames[1].function = PPROF_TEXT("(statement unknown)");
	sample.values[0] = (int64_t)MIN(s->n - s->given, (uint64_t)INT64_MAX);
	return sample.values[0] ? pprof_add(p, &sample) : 0;
}

static int add_all(const struct view *v, struct pprof *p, struct creations *c)
{
	struct statement *all = (void *)c->statements.rows;
	int err = 0;

	for (size_t i = 0; i < c->n_rows && !err; i++) {
		struct statement *s =
			c->rows[i].n ? groups_find(&c->statements, c->rows[i].sites[0]) : NULL;

		if (s)
			err = add_row(v, p, s, &c->rows[i]);
	}
	for (size_t i = 0; i < c->statements.n && !err; i++) {
		c->sampled += all[i].weight ? all[i].n : 0;
		err = add_rest(v, p, &all[i]);
	}
	return err;
}

static int fill(const struct view *v, unsigned proc, struct pprof *p, uint64_t now, uint64_t *from)
{
	struct creations c = {.statements = GROUPS_INIT(struct statement)};
	struct proc_info info;
	int err = model_proc(v->model, proc, &info);

	if (!err)
		err = read_counts(v, proc, &c);
	if (!err)
		err = read_rows(v, proc, &c, from);
	if (!err)
		err = add_all(v, p, &c);
	if (!err) {
		*from = MIN(*from, info.attached_ns);
		pprof_comment(p, "goroutines made since tracing began, by go statement: counted, "
				 "all of them");
		pprof_comment(
			p,
			"the calls that led there are sampled: %llu stacks, the first ones of "
			"each statement and then one in many; statements with stacks made "
			"%.4g %% of all",
			(unsigned long long)c.stacks,
			c.n ? 100 * (double)c.sampled / (double)c.n : 0.0);
		profile_note_rates(v, p);
	}
	groups_free(&c.statements);
	free(c.rows);
	return err;
}

int view_pprof_creations(const struct view *v, struct view_query *q, struct buf *out)
{
	static const struct pprof_type type = {"creations", "count"};

	return profile_make(v, q->proc, &type, 1, fill, out);
}
