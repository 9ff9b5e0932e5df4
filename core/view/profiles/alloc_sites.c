/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allocation samples by call site: whom the runtime allocated for, and where the program's own code
 * asked for that. Any thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/samples.h"
#include "core/view/groups.h"
#include "core/view/own.h"
#include "core/view/probes.h"
#include "core/view/profiles/allocs.h"
#include "core/view/view_internal.h"

struct alloc_row {
	uint64_t key; /* site << 32 | own site */
	struct sample_sum sum;
	uint32_t how; /* the runtime's function that was called there; 0: not known */
};

static const char *function_of(const struct view *v, uint32_t site_id)
{
	const struct names *names = model_names(v->model);

	return names_string(names, names_site(names, site_id)->func_id);
}

bool view_is_runtime(const struct view *v, uint32_t site_id)
{
	const char *name = function_of(v, site_id);

	return own_is_runtime(name, strlen(name));
}

static bool is_own(const char *function)
{
	return own_function(function, strlen(function));
}

void view_sites_of(const struct view *v, const struct sample_row *row, uint32_t *ret_site,
		   uint32_t *ret_own, uint32_t *ret_how)
{
	const struct names *names = model_names(v->model);

	*ret_site = *ret_own = *ret_how = 0;
	for (uint32_t i = 0; i < row->n && !*ret_own; i++) {
		if (!*ret_site && view_is_runtime(v, row->sites[i])) {
			*ret_how = names_site(names, row->sites[i])->func_id;
			continue;
		}
		if (!*ret_site)
			*ret_site = row->sites[i];
		if (is_own(function_of(v, row->sites[i])))
			*ret_own = row->sites[i];
	}
	if (!*ret_site && row->n) /* the runtime for itself */
		*ret_site = row->sites[row->n - 1];
}

static int group(const struct view *v, const struct sample_row *stacks, size_t n,
		 struct groups *rows)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		uint32_t site, own, how;
		struct alloc_row *row;

		view_sites_of(v, &stacks[i], &site, &own, &how);
		row = groups_row(rows, (uint64_t)site << 32 | own);
		err = row ? 0 : -ENOMEM;
		if (row) {
			sample_sum_up(&stacks[i].sum, &row->sum);
			row->how = how;
		}
	}
	return err;
}

static int gather(const struct view *v, unsigned proc, struct groups *rows,
		  struct sample_totals *totals)
{
	cleanup_free_ struct sample_row *stacks = NULL;
	struct proc_info info;
	size_t n;
	int err = model_proc(v->model, proc, &info);

	if (!err)
		err = samples_copy(model_samples(v->model), proc, SAMPLE_ALLOC, &stacks, &n,
				   totals);
	return err ? err : group(v, stacks, n, rows);
}

/* Of them those since then, and of *totals the sum, and since when it is. */
static int gather_recent(const struct view *v, unsigned proc, uint64_t since_ns,
			 struct groups *rows, struct sample_totals *totals)
{
	cleanup_free_ struct sample_row *stacks = NULL;
	uint64_t first_ns;
	size_t n;
	int err = samples_recent(model_samples(v->model), proc, SAMPLE_ALLOC, since_ns, UINT64_MAX,
				 &stacks, &n, &first_ns);

	if (err)
		return err;
	samples_totals(model_samples(v->model), proc, SAMPLE_ALLOC, totals);
	totals->from_ns = MAX(since_ns, totals->recent_from_ns);
	totals->sum = (struct sample_sum){0};
	for (size_t i = 0; i < n; i++)
		sample_sum_up(&stacks[i].sum, &totals->sum);
	return group(v, stacks, n, rows);
}

static bool makes_timer(const struct view *v, const struct sample_row *row)
{
	static const char *const makers[] = {"time.NewTicker", "time.NewTimer", "time.newTimer",
					     "time.AfterFunc", "time.After",    "time.Tick"};
	const struct names *names = model_names(v->model);

	for (uint32_t i = 0; i < row->n; i++) {
		const char *function =
			names_string(names, names_site(names, row->sites[i])->func_id);

		for (size_t k = 0; k < ARRAY_SIZE(makers); k++) {
			if (!strcmp(function, makers[k]))
				return true;
		}
	}
	return false;
}

int view_timers_made(const struct view *v, unsigned proc, struct alloc_most *ret)
{
	struct groups sums = GROUPS_INIT(struct alloc_row);
	cleanup_free_ struct sample_row *stacks = NULL;
	struct sample_totals totals;
	size_t n;
	int err = samples_copy(model_samples(v->model), proc, SAMPLE_ALLOC, &stacks, &n, &totals);

	*ret = (struct alloc_most){.bytes = 0};
	for (size_t i = 0; i < n && !err; i++) {
		uint32_t site, own, how;
		struct alloc_row *row;

		if (!makes_timer(v, &stacks[i]))
			continue;
		view_sites_of(v, &stacks[i], &site, &own, &how);
		row = groups_row(&sums, own ? own : site);
		if (!row) {
			err = -ENOMEM;
			break;
		}
		sample_sum_up(&stacks[i].sum, &row->sum);
		ret->bytes = sum_u64(ret->bytes, stacks[i].sum.weight);
		ret->samples += stacks[i].sum.hits;
		if (row->sum.weight >= ret->site_bytes) {
			ret->site_bytes = row->sum.weight;
			ret->site_id = own ? own : site;
		}
	}
	groups_free(&sums);
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct alloc_row *x = a, *y = b;

	if (x->sum.weight != y->sum.weight)
		return x->sum.weight > y->sum.weight ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

int view_alloc_most(const struct view *v, unsigned proc, uint64_t ns, struct alloc_most *ret)
{
	struct groups rows = GROUPS_INIT(struct alloc_row), own = GROUPS_INIT(struct alloc_row);
	struct sample_totals totals = {0};
	struct proc_info info = {0};
	int err = model_proc(v->model, proc, &info);

	if (!err && ns)
		err = gather_recent(v, proc, sub_u64(view_now(v, proc), ns), &rows, &totals);
	else if (!err)
		err = gather(v, proc, &rows, &totals);
	*ret = (struct alloc_most){.bytes = totals.sum.weight,
				   .samples = totals.sum.hits,
				   .from_ns = MAX(totals.from_ns, info.attached_ns)};
	for (size_t i = 0; i < rows.n && !err; i++) {
		const struct alloc_row *row = (const struct alloc_row *)(void *)rows.rows + i;
		struct alloc_row *to = groups_row(&own, (uint32_t)row->key);

		if (!to) {
			err = -ENOMEM;
			break;
		}
		sample_sum_up(&row->sum, &to->sum);
		if (to->key && to->sum.weight > ret->site_bytes) {
			ret->site_id = (uint32_t)to->key;
			ret->site_bytes = to->sum.weight;
		}
	}
	groups_free(&rows);
	groups_free(&own);
	return err;
}

static void emit_site(struct emit *e, const struct view *v, uint32_t site_id)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	view_site_file(model_names(v->model), site_id, &text);
	emit_string(e, NULL, text.data ? text.data : "");
}

/* What was allocated and is in no sample, as a row of its own: its key, and no site. */
#define UNSEEN UINT64_MAX

static int add_unseen(const struct view *v, unsigned proc, struct groups *rows,
		      struct sample_totals *totals)
{
	struct alloc_share share;
	struct alloc_row *row;
	uint64_t missing;

	if (!view_alloc_share(v, proc, &share))
		return 0;
	missing = sub_u64(share.allocated, share.sampled);
	if (missing <= 2 * sample_error(&totals->sum))
		return 0;
	row = groups_row(rows, UNSEEN);
	if (!row)
		return -ENOMEM;
	row->sum.weight = missing;
	totals->sum.weight = sum_u64(totals->sum.weight, missing);
	return 0;
}

static void emit_unseen(struct emit *e, const struct alloc_row *row, double all)
{
	emit_row(e);
	emit_u64(e, NULL, row->sum.weight);
	emit_double(e, NULL, 100 * (double)row->sum.weight / all, 2);
	emit_unknown(e, NULL);
	emit_unknown(e, NULL);
	emit_u64(e, NULL, 0);
	emit_string(e, NULL, "(not sampled)");
	emit_none(e, NULL);
	emit_none(e, NULL);
	emit_row_end(e);
}

static void emit_alloc_row(struct emit *e, const struct view *v, const struct alloc_row *row,
			   const struct sample_totals *totals)
{
	double all = (double)totals->sum.weight;

	if (row->key == UNSEEN) {
		emit_unseen(e, row, all);
		return;
	}
	emit_row(e);
	emit_u64(e, NULL, row->sum.weight);
	emit_double(e, NULL, all > 0 ? 100 * (double)row->sum.weight / all : 0, 2);
	emit_u64(e, NULL, sample_error(&row->sum));
	emit_double(e, NULL, row->sum.objects, 0);
	emit_u64(e, NULL, row->sum.hits);
	emit_site(e, v, (uint32_t)(row->key >> 32));
	if ((uint32_t)row->key)
		emit_site(e, v, (uint32_t)row->key);
	else
		emit_none(e, NULL);
	if (row->how)
		emit_string(e, NULL, names_string(model_names(v->model), row->how));
	else
		emit_unknown(e, NULL);
	emit_row_end(e);
}

int view_alloc_sites(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const columns[] = {"bytes",   "percent", "error_bytes", "objects",
					      "samples", "site",    "own_site",    "through"};
	struct groups rows = GROUPS_INIT(struct alloc_row);
	struct sample_totals totals = {0};
	struct emit e;
	int err = gather(v, q->proc, &rows, &totals);

	if (!err)
		err = add_unseen(v, q->proc, &rows, &totals);
	if (!err) {
		const struct alloc_row *sorted;

		groups_sort(&rows, compare);
		sorted = (const void *)rows.rows;
		emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
		for (size_t i = 0; i < rows.n && !emit_cut(&e, rows.n - i); i++)
			emit_alloc_row(&e, v, &sorted[i], &totals);
		err = emit_table_end(&e);
	}
	groups_free(&rows);
	return err;
}

void view_emit_sampled(struct emit *e, const struct view *v, unsigned proc)
{
	struct sample_totals totals;
	struct live_probes probes;

	samples_totals(model_samples(v->model), proc, SAMPLE_ALLOC, &totals);
	/* Of nothing there is no estimate: a recording has none, nor has who just began. */
	view_emit_known(e, "alloc_sampled_bytes", totals.sum.hits, totals.sum.weight);
	view_emit_known(e, "alloc_sampled_error_bytes", totals.sum.hits, sample_error(&totals.sum));
	if (view_probes(v, proc, &probes)) {
		emit_double(e, "alloc_sampled_time_percent",
			    100 / (double)MAX(1u, probes.sample_scale), 2);
		emit_double(e, "alloc_samples_stand_for_percent", 100 * probes.sample_stands_for,
			    2);
		emit_u64(e, "alloc_samples_windows", probes.sample_windows);
	}
	emit_u64(e, "alloc_samples", totals.sum.hits);
	emit_u64(e, "alloc_samples_lost", totals.lost);
	emit_u64(e, "alloc_samples_lost_bytes", totals.lost_weight);
	samples_totals(model_samples(v->model), proc, SAMPLE_OFF_CPU, &totals);
	emit_u64(e, "offcpu_samples", totals.sum.hits);
	emit_u64(e, "offcpu_samples_lost", totals.lost);
	samples_totals(model_samples(v->model), proc, SAMPLE_CREATED, &totals);
	emit_u64(e, "creation_samples", totals.sum.hits);
	emit_u64(e, "creation_samples_lost", totals.lost);
}
