/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goroutines spend of CPU time, by samples: the profile as `go tool pprof` reads Go's own, a
 * goroutine's share of it, and what a running one was last seen at. All are estimates, and say how
 * far off they may be. Any thread.
 */
#include "core/view/profiles/cpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/samples.h"
#include "core/view/groups.h"
#include "core/view/labels.h"
#include "core/view/own.h"
#include "core/view/profiles/profile.h"
#include "core/view/view_internal.h"

/* --- what the runtime does for itself -------------------------------------------------------- */

static const char *function_of(const struct view *v, uint32_t site_id)
{
	const struct names *names = model_names(v->model);

	return names_string(names, names_site(names, site_id)->func_id);
}

static bool begins_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* By any of its calls; the first that fits. */
static const struct {
	const char *function; /* what it begins with */
	const char *work;
} works[] = {
	{"runtime.gcAssistAlloc", "gc assist"},
	{"runtime.gcBgMarkWorker", "gc"},
	{"runtime.bgsweep", "gc"},
	{"runtime.bgscavenge", "gc"},
	{"runtime.gcDrain", "gc"},
	{"runtime.gcMarkDone", "gc"},
	{"runtime.gcMarkTermination", "gc"},
	{"runtime.gcStart", "gc"},
	{"runtime.sysmon", "sysmon"},
	{"runtime.newstack", "stack growth"},
};

/* "gc", "scheduler", …: what the runtime does there for itself; "": the program's own work. */
static const char *work_of(const struct view *v, const struct sample_row *row)
{
	for (uint32_t i = 0; i < row->n; i++) {
		const char *function = function_of(v, row->sites[i]);

		for (size_t k = 0; k < ARRAY_SIZE(works); k++)
			if (begins_with(function, works[k].function))
				return works[k].work;
		if (!strcmp(function, "runtime.schedule") ||
		    !strcmp(function, "runtime.findRunnable") ||
		    !strcmp(function, "runtime.findrunnable"))
			return "scheduler";
	}
	return "";
}

/* Where its goroutine began, when the stack goes so far; "". */
static const char *start_of(const struct view *v, const struct sample_row *row)
{
	const char *function;

	if (!row->n || row->cut)
		return "";
	function = function_of(v, row->sites[row->n - 1]);
	if (!strcmp(function, "runtime.mstart") || !strcmp(function, "runtime.mcall") ||
	    !strcmp(function, "runtime.mstart1") || !strcmp(function, "runtime.mstart0") ||
	    *function == '[')
		return "";
	return function;
}

/* --- the profile ----------------------------------------------------------------------------- */

static int add_row(const struct view *v, struct pprof *p, const struct sample_row *row,
		   struct labels *labels)
{
	struct pprof_frame frames[SAMPLE_DEPTH_MAX + 1];
	struct pprof_sample sample = {.frames = frames};
	char goid[24];

	profile_calls(v, row, 0, PPROF_TEXT("(not known)"), frames, &sample.n);
	if (!row->n)
		frames[sample.n++] = (struct pprof_frame){.function = PPROF_TEXT("(other stacks)")};
	snprintf(goid, sizeof(goid), "%llu", (unsigned long long)row->goid);
	sample.values[0] = (int64_t)MIN(row->sum.hits, (uint64_t)INT64_MAX);
	sample.values[1] = (int64_t)MIN(row->sum.weight, (uint64_t)INT64_MAX);
	sample.labels[0] =
		(struct pprof_label){PPROF_TEXT("goid"), PPROF_TEXT(row->goid ? goid : "")};
	sample.labels[1] = (struct pprof_label){PPROF_TEXT("start"), PPROF_TEXT(start_of(v, row))};
	sample.labels[2] = (struct pprof_label){PPROF_TEXT("runtime"), PPROF_TEXT(work_of(v, row))};
	if (row->goid)
		labels_add(labels, row->goid, &sample, 3);
	return pprof_add(p, &sample);
}

static int add_rows(const struct view *v, unsigned proc, struct pprof *p,
		    const struct sample_row *rows, size_t n)
{
	struct labels *labels = NULL;
	int err = labels_read(v, proc, &labels);

	for (size_t i = 0; i < n && !err; i++)
		err = add_row(v, p, &rows[i], labels);
	labels_free(labels);
	return err;
}

/* A probe's trap is taken in the program's time, and a clock that ticks meanwhile finds the kernel
 * below the function that has the probe. */
static void note_ourselves(const struct view *v, struct pprof *p)
{
	struct meter_sample now;

	if (!v->meter || !v->live->health)
		return; /* nobody traces */
	meter_last(v->meter, &now);
	pprof_comment(p,
		      "what our probes cost is in it: [kernel] below a function that has a probe "
		      "(runtime.casgstatus, runtime.mallocgc, ...) is mostly that; now "
		      "overhead_of_target_percent is %.1f (health, stats), by estimate",
		      now.of_target_percent);
}

void cpu_sampling_why(const struct view *v, unsigned proc, struct buf *out)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!v->live->health)
		buf_adds(out, "a recorded session has no CPU samples");
	else if (h && !v->live->health(v->live->ctx, proc, h) && strcmp(h->cpu_sampling, "on"))
		buf_addf(out, "CPU samples are %s", h->cpu_sampling);
	free(h);
}

/* Why there is nothing, or not all; what marks mean. */
static void note_sampling(const struct view *v, unsigned proc, struct pprof *p,
			  const struct sample_totals *t)
{
	cleanup_buf_ struct buf why = BUF_INIT;

	cpu_sampling_why(v, proc, &why);
	if (why.len && !buf_error(&why))
		pprof_comment(p, "%.*s", (int)why.len, why.data);
	if (t->lost)
		pprof_comment(p, "%llu samples were lost, of %llu ns, of all processes",
			      (unsigned long long)t->lost, (unsigned long long)t->lost_weight);
	pprof_comment(
		p,
		"of all samples since tracing began, of all processes: %llu in the kernel "
		"([kernel], below it the call that entered it); %llu in C code or the "
		"vdso ([C code], [vdso], without the calls in there); %llu without a "
		"goroutine; %llu known to be without all of their outer calls ((more calls)); in "
		"some "
		"percent, taken in a function's first or last instructions or in one without a "
		"frame, one caller can lack or be there twice (frame pointers)",
		(unsigned long long)t->marks[0], (unsigned long long)t->marks[1],
		(unsigned long long)t->marks[2], (unsigned long long)t->marks[3]);
	pprof_comment(p, "tag runtime: what the runtime does for itself: gc, gc assist (in the "
			 "goroutine that has it as its tag goid), scheduler, sysmon, stack growth");
}

static void note_sum(struct pprof *p, const struct sample_row *rows, size_t n)
{
	struct sample_sum sum = {0};

	for (size_t i = 0; i < n; i++)
		sample_sum_up(&rows[i].sum, &sum);
	if (sum.hits)
		pprof_period(p, sum.weight / sum.hits);
	pprof_comment(p,
		      "an estimate: %llu ns in %llu samples by the CPUs' clocks; of what has k "
		      "samples one standard deviation is at most the square root of k",
		      (unsigned long long)sum.weight, (unsigned long long)sum.hits);
}

static int fill_chosen(const struct view *v, unsigned proc, struct pprof *p,
		       const struct cpu_chosen *c)
{
	int err = add_rows(v, proc, p, c->rows, c->n);

	if (c->covered_ns > c->window.from)
		pprof_comment(
			p, "of the last %.1f s of it only: older samples are not kept one by one",
			(double)view_since(c->to_ns, c->covered_ns) / NS_PER_SEC);
	if (!c->all)
		pprof_comment(p, "of the goroutines that were asked for: what the runtime does for "
				 "itself is not in it");
	note_sum(p, c->rows, c->n);
	note_sampling(v, proc, p, &c->totals);
	note_ourselves(v, p);
	pprof_comment(p, PROFILE_LABELS_NOW);
	return err;
}

static int fill_all(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
		    uint64_t *from)
{
	struct sample_totals totals;
	struct sample_row *rows;
	size_t n;
	int err = samples_copy(model_samples(v->model), proc, SAMPLE_CPU, &rows, &n, &totals);

	if (err)
		return err;
	err = add_rows(v, proc, p, rows, n);
	if (totals.from_ns)
		*from = MIN(now, totals.from_ns);
	note_sum(p, rows, n);
	note_sampling(v, proc, p, &totals);
	note_ourselves(v, p);
	pprof_comment(p, "since tracing began samples are kept by stack alone: goroutines and "
			 "their labels are in pprof/cpu");
	free(rows);
	return err;
}

/* As Go's own have it (runtime/pprof/proto.go). */
static const struct pprof_type types[] = {{"samples", "count"}, {"cpu", "nanoseconds"}};

int view_pprof_cpu(const struct view *v, struct view_query *q, struct buf *out)
{
	struct cpu_chosen c;
	struct proc_info info;
	struct pprof *p = NULL;
	int err = model_proc(v->model, q->proc, &info);

	if (!err)
		err = cpu_choose(v, q, SAMPLES_RECENT_NS, false, &c);
	if (err)
		return err;
	err = pprof_new(types, ARRAY_SIZE(types), &p);
	if (!err)
		err = fill_chosen(v, q->proc, p, &c);
	if (!err)
		err = profile_finish(v, q->proc, p, MAX(c.window.from, c.covered_ns), c.to_ns, out);
	pprof_free(p);
	cpu_chosen_free(&c);
	return err;
}

int view_pprof_cpu_since_start(const struct view *v, struct view_query *q, struct buf *out)
{
	return profile_make(v, q->proc, types, ARRAY_SIZE(types), fill_all, out);
}

/* --- lately ---------------------------------------------------------------------------------- */

struct own_sum {
	uint64_t func_id, ns;
	uint64_t goid, goid_ns; /* who spent most of it */
};

struct goroutine_sum {
	uint64_t key; /* function and goroutine */
	uint64_t ns;
};

/* Where the innermost call of the program's own is; row->n: there is none. */
static uint32_t own_place_of(const struct view *v, const struct sample_row *row)
{
	uint32_t i = 0;

	for (; i < row->n; i++) {
		const char *function = function_of(v, row->sites[i]);

		if (own_function(function, strlen(function)))
			break;
	}
	return i;
}

/* 0: there is none. */
static uint32_t own_site_of(const struct view *v, const struct sample_row *row)
{
	uint32_t place = own_place_of(v, row);

	return place < row->n ? row->sites[place] : 0;
}

static bool allocates(const struct view *v, const struct sample_row *row)
{
	for (uint32_t i = 0; i < row->n; i++) {
		if (begins_with(function_of(v, row->sites[i]), "runtime.mallocgc"))
			return true;
	}
	return false;
}

/* Go time/sleep.go, runtime/time.go timeSleep(): goroutineReady is called for nobody else. */
static bool sleeps(const struct view *v, const struct sample_row *row)
{
	for (uint32_t i = 0; i < row->n; i++) {
		const char *function = function_of(v, row->sites[i]);

		if (!strcmp(function, "time.Sleep") || !strcmp(function, "runtime.timeSleep") ||
		    !strcmp(function, "runtime.resetForSleep") ||
		    !strcmp(function, "runtime.goroutineReady"))
			return true;
	}
	return false;
}

/* Go runtime/proc.go: what is behind it runs on the scheduler's stack, whose caller is not known.
 */
static bool yields(const struct view *v, const struct sample_row *row)
{
	for (uint32_t i = 0; i < row->n; i++) {
		const char *function = function_of(v, row->sites[i]);

		if (!strcmp(function, "runtime.Gosched") || !strcmp(function, "runtime.gosched_m"))
			return true;
	}
	return false;
}

/* Go runtime/time.go: what goes through the heap of timers, since 1.23, since 1.14 and before. */
static bool works_on_timers(const struct view *v, const struct sample_row *row)
{
	static const char *const names[] = {
		"runtime.(*timers).run", "runtime.(*timers).adjust", "runtime.(*timer).maybeAdd",
		"runtime.runtimer",      "runtime.adjusttimers",     "runtime.doaddtimer",
	};

	for (uint32_t i = 0; i < row->n; i++) {
		const char *function = function_of(v, row->sites[i]);

		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			if (!strcmp(function, names[k]))
				return true;
		}
	}
	return false;
}

struct recent_sums {
	struct groups own, sleepers, yielders;          /* struct own_sum */
	struct groups of_own, of_sleepers, of_yielders; /* struct goroutine_sum */
};

/* Of the functions of the program's own, the one with most. */
struct own_most {
	uint64_t *ns, *goid;
	uint32_t *site;
};

static int add_own(const struct view *v, struct groups *sums, struct groups *goroutines,
		   uint32_t site, const struct sample_row *row, struct own_most most)
{
	uint64_t func_id = names_site(model_names(v->model), site)->func_id;
	struct own_sum *sum = groups_row(sums, func_id);
	/* Two that have one key, of numbers beyond 2^32, are taken for one. */
	struct goroutine_sum *of = groups_row(goroutines, func_id << 32 ^ row->goid);

	if (!sum || !of)
		return -ENOMEM;
	sum->ns += row->sum.weight;
	of->ns += row->sum.weight;
	if (of->ns > sum->goid_ns) {
		sum->goid = row->goid;
		sum->goid_ns = of->ns;
	}
	if (sum->ns >= *most.ns) {
		*most.ns = sum->ns;
		*most.site = site;
		*most.goid = sum->goid;
	}
	return 0;
}

static int add_sleep(const struct view *v, const struct sample_row *row, uint32_t site,
		     struct recent_sums *sums, struct cpu_recent *ret)
{
	const struct own_most most = {&ret->sleeper_ns, &ret->sleeper_goid, &ret->sleeper_site};

	if (!sleeps(v, row)) {
		bool timers = works_on_timers(v, row);

		ret->timers_ns += timers ? row->sum.weight : 0;
		ret->timers_hits += timers ? row->sum.hits : 0;
		return 0;
	}
	ret->sleep_ns += row->sum.weight;
	ret->sleep_hits += row->sum.hits;
	return site ? add_own(v, &sums->sleepers, &sums->of_sleepers, site, row, most) : 0;
}

static int add_yield(const struct view *v, const struct sample_row *row, uint32_t site,
		     struct recent_sums *sums, struct cpu_recent *ret)
{
	const struct own_most most = {&ret->yielder_ns, &ret->yielder_goid, &ret->yielder_site};

	if (!yields(v, row))
		return 0;
	ret->yield_ns += row->sum.weight;
	return site ? add_own(v, &sums->yielders, &sums->of_yielders, site, row, most) : 0;
}

static int add_recent(const struct view *v, const struct sample_row *row, struct recent_sums *sums,
		      struct cpu_recent *ret)
{
	const struct own_most most = {&ret->own_ns, &ret->goid, &ret->own_site};
	uint32_t site = own_site_of(v, row);
	int err = 0;

	ret->all_ns += row->sum.weight;
	if (row->n && strcmp(function_of(v, row->sites[0]), "[kernel]") != 0) {
		ret->user_ns += row->sum.weight;
		if (begins_with(work_of(v, row), "gc") || allocates(v, row))
			ret->memory_ns += row->sum.weight;
	}
	if (!strcmp(work_of(v, row), "gc assist"))
		ret->assist_ns += row->sum.weight;
	if (begins_with(work_of(v, row), "gc"))
		ret->gc_ns += row->sum.weight;
	else if (site)
		err = add_own(v, &sums->own, &sums->of_own, site, row, most);
	if (!err)
		err = add_yield(v, row, site, sums, ret);
	return err ? err : add_sleep(v, row, site, sums, ret);
}

/* "regexp.Compile", "os.(*File).Sync": what one looks up in the documentation. */
static bool is_documented(const char *function)
{
	const char *dot = strrchr(function, '.');

	return dot && dot[1] >= 'A' && dot[1] <= 'Z' && !begins_with(function, "internal/") &&
	       !own_is_runtime(function, strlen(function));
}

struct called_sum {
	uint64_t func_id, ns;
	size_t row; /* that it was counted for last: one that calls itself counts once */
};

/* Of a row, the calls below its own one; from the outermost on. */
static int add_called(const struct view *v, const struct sample_row *row, size_t number,
		      uint32_t place, struct groups *sums)
{
	const struct names *names = model_names(v->model);

	while (place-- > 0) {
		struct called_sum *sum;

		if (!is_documented(function_of(v, row->sites[place])))
			continue;
		sum = groups_row(sums, names_site(names, row->sites[place])->func_id);
		if (!sum)
			return -ENOMEM;
		if (sum->row != number)
			sum->ns += row->sum.weight;
		sum->row = number;
	}
	return 0;
}

/* What the function with most calls, that takes most of its time: "main.matches" alone does not say
 * that it compiles a regular expression each time. */
static int find_called(const struct view *v, const struct sample_row *rows, size_t n,
		       struct cpu_recent *ret)
{
	const struct names *names = model_names(v->model);
	struct groups sums = GROUPS_INIT(struct called_sum);
	int err = 0;

	for (size_t i = 0; i < n && ret->own_site && !err; i++) {
		uint32_t place = own_place_of(v, &rows[i]);

		if (place < rows[i].n && !begins_with(work_of(v, &rows[i]), "gc") &&
		    names_site(names, rows[i].sites[place])->func_id ==
			    names_site(names, ret->own_site)->func_id)
			err = add_called(v, &rows[i], i + 1, place, &sums);
	}
	for (size_t i = 0; i < sums.n && !err; i++) {
		const struct called_sum *sum = (const struct called_sum *)sums.rows + i;

		/* The innermost: the least that is still most of it. */
		if (2 * sum->ns <= ret->own_ns || (ret->called_func_id && sum->ns > ret->called_ns))
			continue;
		ret->called_func_id = (uint32_t)sum->func_id;
		ret->called_ns = sum->ns;
	}
	groups_free(&sums);
	return err;
}

int view_cpu_recent(const struct view *v, unsigned proc, uint64_t ns, struct cpu_recent *ret)
{
	struct recent_sums sums = {.own = GROUPS_INIT(struct own_sum),
				   .sleepers = GROUPS_INIT(struct own_sum),
				   .of_own = GROUPS_INIT(struct goroutine_sum),
				   .yielders = GROUPS_INIT(struct own_sum),
				   .of_sleepers = GROUPS_INIT(struct goroutine_sum),
				   .of_yielders = GROUPS_INIT(struct goroutine_sum)};
	cleanup_free_ struct sample_row *rows = NULL;
	uint64_t now = view_now(v, proc), since = now - MIN(now, ns), from_ns;
	struct sample_totals totals;
	struct proc_info info;
	size_t n = 0;
	int err = model_proc(v->model, proc, &info);

	*ret = (struct cpu_recent){.ns = 0};
	if (!err)
		err = samples_recent(model_samples(v->model), proc, SAMPLE_CPU, since, UINT64_MAX,
				     &rows, &n, &from_ns);
	if (err)
		return err;
	samples_totals(model_samples(v->model), proc, SAMPLE_CPU, &totals);
	since = MAX(since, MAX(totals.recent_from_ns, info.attached_ns));
	ret->ns = totals.from_ns ? view_since(now, since) : 0;
	for (size_t i = 0; i < n && !err; i++)
		err = add_recent(v, &rows[i], &sums, ret);
	if (!err)
		err = find_called(v, rows, n, ret);
	groups_free(&sums.own);
	groups_free(&sums.sleepers);
	groups_free(&sums.of_own);
	groups_free(&sums.of_sleepers);
	groups_free(&sums.yielders);
	groups_free(&sums.of_yielders);
	return err;
}

/* --- in other views -------------------------------------------------------------------------- */

void view_emit_cpu(struct emit *e, const struct view *v, const struct goroutine *g)
{
	struct sample_sum sum;

	if (!samples_begun(model_samples(v->model), SAMPLE_CPU)) {
		emit_unknown(e, "cpu_ns");
		emit_unknown(e, "cpu_error_ns");
		emit_unknown(e, "cpu_samples");
		return;
	}
	samples_of_goroutine(model_samples(v->model), g->proc, SAMPLE_CPU, g->goid, &sum);
	emit_u64(e, "cpu_ns", sum.weight);
	emit_u64(e, "cpu_error_ns", sample_error(&sum));
	emit_u64(e, "cpu_samples", sum.hits);
}

void view_emit_cpu_totals(struct emit *e, const struct view *v, unsigned proc)
{
	static const char *const marks[SAMPLE_MARKS] = {"cpu_samples_kernel", "cpu_samples_c",
							"cpu_samples_without_goroutine",
							"cpu_samples_cut"};
	struct sample_totals t;

	samples_totals(model_samples(v->model), proc, SAMPLE_CPU, &t);
	if (t.from_ns) {
		emit_u64(e, "cpu_sampled_ns", t.sum.weight);
		emit_u64(e, "cpu_sampled_error_ns", sample_error(&t.sum));
	} else {
		emit_unknown(e, "cpu_sampled_ns");
		emit_unknown(e, "cpu_sampled_error_ns");
	}
	emit_u64(e, "cpu_samples", t.sum.hits);
	emit_u64(e, "cpu_samples_lost", t.lost);
	for (unsigned i = 0; i < SAMPLE_MARKS; i++)
		emit_u64(e, marks[i], t.marks[i]);
}

static void add_call(const struct view *v, uint32_t site_id, struct buf *out)
{
	const struct names *names = model_names(v->model);
	const struct site *site = names_site(names, site_id);
	const char *file = names_string(names, site->file_id);

	buf_adds(out, names_string(names, site->func_id));
	buf_adds(out, "(...)\n");
	if (*file)
		buf_addf(out, "\t%s:%u\n", file, site->line);
}

bool view_add_last_sample(const struct view *v, const struct goroutine *g, struct buf *out)
{
	struct sample_row row;
	uint64_t at_ns;

	if (!samples_last(model_samples(v->model), g->proc, SAMPLE_CPU, g->goid, &row, &at_ns))
		return false;
	buf_addf(out, "... where it was when a CPU's clock ticked last, %.3f s ago:\n",
		 (double)view_since(view_now(v, g->proc), at_ns) / NS_PER_SEC);
	for (uint32_t i = 0; i < row.n; i++)
		add_call(v, row.sites[i], out);
	if (row.cut)
		buf_adds(out, "...more calls...\n");
	return true;
}
