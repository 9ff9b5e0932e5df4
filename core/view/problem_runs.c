/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who runs too much, wakes too often, allocates; and what of all that is not told. See problems.h.
 */
#include <stdio.h>
#include <string.h>

#include "core/view/losses.h"
#include "core/view/own.h"
#include "core/view/problems.h"

/* What state running is by events: a goroutine stays in it while the machine runs another program
 * in its place. */
#define RUNNING "running or waiting for a CPU of the machine"

/* What the runtime said so long ago is no rate of now. */
#define COUNTED_NS (10 * NS_PER_SEC)
/* problem_rules says so. */
#define CALM_PERCENT    50
#define NAMED_PERCENT   10
#define STARVED_PERCENT 12
#define SLEEP_SAMPLES   5

/* Of one processor, in the last second. */
static double percent(const struct scene *s, uint64_t ns)
{
	return s->starts.second.ns ? 100.0 * (double)ns / (double)s->starts.second.ns : 0;
}

static double percent_of(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}

static void name(struct problem *p, const char *function)
{
	snprintf(p->function, sizeof(p->function), "%s", function);
}

/* Where those of a start function are that could run, and were running a moment ago: what the
 * scheduler took a processor away from. NULL: nowhere that is known. */
static const struct wait_stack *interrupted(const struct scene *s, uint64_t func_id)
{
	for (size_t i = 0; i < s->stacks.rows.n; i++) {
		const struct wait_stack *row = wait_stacks_row(&s->stacks, i);

		if (row->func_id == func_id && row->own &&
		    !strcmp(wait_stacks_text(&s->stacks, row->why), "runnable"))
			return row;
	}
	return NULL;
}

static void add_interrupted(const struct scene *s, struct problem *p, uint64_t func_id)
{
	const struct wait_stack *row = interrupted(s, func_id);

	if (!row)
		return;
	buf_adds(&p->text, ", in ");
	problem_add_place(&p->text, &s->stacks, row);
	name(p, wait_stacks_text(&s->stacks, row->own));
}

/* --- processors ------------------------------------------------------------------------------- */

/* Where most CPU time went, by samples: by states a goroutine runs, too, while the machine has its
 * processor run others, and such numbers add up to more than the machine has. */
static void add_sampled(const struct scene *s, struct problem *p)
{
	const struct names *names = model_names(s->v->model);
	const struct cpu_recent *cpu = &s->cpu;

	if (!cpu->own_site || percent_of(cpu->own_ns, cpu->ns) < NAMED_PERCENT)
		return;
	buf_adds(&p->text, "; ");
	view_site_file(names, cpu->own_site, &p->text);
	buf_addf(&p->text, " took %.0f %% of a processor in the last %.0f s, by samples",
		 percent_of(cpu->own_ns, cpu->ns), (double)cpu->ns / NS_PER_SEC);
	name(p, names_string(names, names_site(names, cpu->own_site)->func_id));
	problem_goids(p, &cpu->goid, 1);
}

/* Who ran most, up to three. */
static void add_runners(const struct scene *s, struct problem *p)
{
	const struct start_row *told[3] = {NULL};

	for (unsigned k = 0; k < ARRAY_SIZE(told); k++) {
		const struct start_row *most = NULL;

		for (size_t i = 0; i < s->starts.rows.n; i++) {
			const struct start_row *row = starts_row(&s->starts, i);

			if (row != told[0] && row != told[1] &&
			    (!most ||
			     row->second_ns[GSTATE_RUNNING] > most->second_ns[GSTATE_RUNNING]))
				most = row;
		}
		told[k] = most;
		if (!most || percent(s, most->second_ns[GSTATE_RUNNING]) < 10)
			break;
		buf_addf(&p->text, "%s %s for %.0f %% of a processor",
			 k ? "," : "; " RUNNING " in the last second:",
			 problem_function(s, most->func_id),
			 percent(s, most->second_ns[GSTATE_RUNNING]));
		if (!k) {
			name(p, problem_function(s, most->func_id));
			problem_goids(p, &most->goid, 1);
		}
	}
}

/* Who would take them. */
static void add_own_share(const struct scene *s, struct problem *p)
{
	const struct cpu_recent *cpu = &s->cpu;
	const struct names *names = model_names(s->v->model);

	if (!cpu->own_site || percent_of(cpu->own_ns, cpu->all_ns) < CALM_PERCENT)
		return;
	buf_addf(&p->text, "; %.0f %% of that in ", percent_of(cpu->own_ns, cpu->all_ns));
	view_site_file(names, cpu->own_site, &p->text);
	name(p, names_string(names, names_site(names, cpu->own_site)->func_id));
}

/* What the machine did not give. */
static void add_wait(const struct scene *s, struct problem *p)
{
	if (s->cpu_wait > 0)
		buf_addf(&p->text,
			 "; for each second that its threads had a processor they waited %.1f s "
			 "for one of the machine's",
			 s->cpu_wait);
}

/* Is it not the program that takes the processors? Nothing of its own stands out, and all of it is
 * less than half of one. */
static bool machine_is_short(const struct scene *s)
{
	const struct cpu_recent *cpu = &s->cpu;

	return percent_of(cpu->all_ns, cpu->ns) < CALM_PERCENT &&
	       (percent_of(cpu->own_ns, cpu->ns) < NAMED_PERCENT ||
		percent_of(cpu->own_ns, cpu->all_ns) < CALM_PERCENT);
}

/* Not one sample, though it has been watched for as long as they are of. */
static bool ran_nothing(const struct scene *s)
{
	return !s->cpu.ns && view_since(s->now, s->info.attached_ns) >= 2 * COUNTED_NS;
}

void problems_of_latency(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_LATENCY];
	uint64_t counts[LATENCY_BUCKETS], n = 0, worst;
	const struct past_moment *then;
	struct problem *p;
	bool others;

	if (rule->needs & ~s->has)
		return;
	then = &s->past->moments[past_before(s->past, s->now, 60 * NS_PER_SEC)];
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		counts[i] = sub_u64(s->totals.runnable_latency[i], then->runnable_latency[i]);
		n += counts[i];
	}
	worst = view_latency_percentile(counts, s->totals.runnable_max_ns,
					100 - (unsigned)rule->percent);
	if (n < rule->number || worst < rule->ns)
		return;
	others = s->cpu_sampled && (s->cpu.ns >= NS_PER_SEC ? machine_is_short(s) : ran_nothing(s));
	p = problem_add(s, PROBLEM_LATENCY, others ? PROBLEM_NOTICE : PROBLEM_WARNING, n);
	if (!p)
		return;
	buf_addf(&p->text, "%llu %% of %llu waits for a processor took some ",
		 (unsigned long long)rule->percent, (unsigned long long)n);
	emit_duration(&p->text, worst);
	buf_adds(&p->text, " or longer in the last ");
	emit_duration(&p->text, view_since(s->now, then->time_ns));
	if (others && !s->cpu.ns) {
		buf_adds(&p->text,
			 "; no sample met the program on a processor: the machine's were busy "
			 "with others, or its container has no more");
		add_wait(s, p);
	} else if (others) {
		buf_addf(&p->text,
			 "; the program itself took %.0f %% of a processor in the last %.0f s, by "
			 "samples: the machine's were busy with others, or its container has no "
			 "more",
			 percent_of(s->cpu.all_ns, s->cpu.ns), (double)s->cpu.ns / NS_PER_SEC);
		add_own_share(s, p);
		add_wait(s, p);
	} else if (!s->cpu_sampled)
		add_runners(s, p);
	else if (s->cpu.ns >= NS_PER_SEC)
		add_sampled(s, p);
	problem_see(p, "top");
	problem_see(p, "sched/latency");
	problem_see(p, "sched/procs");
}

/* Samples name the function itself. A machine that is short of processors gives none of them much
 * time: so it counts what part of the program's it is. */
static void tell_sampled(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_CPU];
	const struct names *names = model_names(s->v->model);
	const struct cpu_recent *cpu = &s->cpu;
	double share = percent_of(cpu->own_ns, cpu->ns),
	       part = percent_of(cpu->own_ns, cpu->all_ns);
	struct problem *p;

	if (!cpu->own_site || share < STARVED_PERCENT || part < (double)rule->percent ||
	    share * (1 + s->cpu_wait) < (double)rule->number)
		return;
	p = problem_add(s, PROBLEM_CPU, PROBLEM_WARNING, (uint64_t)share);
	if (!p)
		return;
	view_site_file(names, cpu->own_site, &p->text);
	buf_addf(&p->text,
		 " took %.0f %% of the program's CPU time in the last %.0f s, %.0f %% of a "
		 "processor",
		 part, (double)cpu->ns / NS_PER_SEC, share);
	if (share < (double)rule->number)
		add_wait(s, p);
	name(p, names_string(names, names_site(names, cpu->own_site)->func_id));
	problem_see(p, "pprof/cpu");
	problem_see(p, "top");
	if (cpu->goid) {
		problem_see_goroutine(p, cpu->goid, "stack");
		problem_goids(p, &cpu->goid, 1);
	}
}

static void tell_runs(struct scene *s, const struct start_row *row)
{
	uint64_t ns = row->second_ns[GSTATE_RUNNING];
	struct problem *p = problem_add(s, PROBLEM_CPU, PROBLEM_WARNING, (uint64_t)percent(s, ns));

	if (!p)
		return;
	buf_addf(&p->text, "%s was " RUNNING " for %.0f %% of a processor in the last second",
		 problem_function(s, row->func_id), percent(s, ns));
	if (row->second_wakes) {
		buf_adds(&p->text, ", ");
		emit_duration(&p->text, ns / row->second_wakes);
		buf_adds(&p->text, " between two waits");
	}
	name(p, problem_function(s, row->func_id));
	add_interrupted(s, p, row->func_id);
	problem_see(p, "top");
	problem_see_goroutine(p, row->goid, "stack");
	problem_goids(p, &row->goid, 1);
}

void problems_of_cpu(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_CPU];

	if (s->cpu_sampled) {
		if (s->cpu.ns >= NS_PER_SEC)
			tell_sampled(s);
		return;
	}
	for (size_t i = 0; i < s->starts.rows.n && s->has & NEEDS_EVENTS; i++) {
		const struct start_row *row = starts_row(&s->starts, i);
		uint64_t ns = row->second_ns[GSTATE_RUNNING];

		if (!row->system && percent(s, ns) >= (double)rule->percent &&
		    ns >= rule->ns * row->second_wakes)
			tell_runs(s, row);
	}
}

/* --- waking and starting ---------------------------------------------------------------------- */

static double a_second(const struct scene *s, uint64_t n)
{
	return s->starts.second.ns ? (double)n * NS_PER_SEC / (double)s->starts.second.ns : 0;
}

static void tell_timers(struct scene *s, const struct start_row *row)
{
	struct problem *p = problem_add(s, PROBLEM_TIMERS, PROBLEM_WARNING, row->second_wakes);

	if (!p)
		return;
	buf_addf(
		&p->text,
		"%s: %llu goroutines woke %.0f times in the last second from a sleep, and ran for ",
		problem_function(s, row->func_id), (unsigned long long)row->f.live,
		a_second(s, row->second_wakes));
	emit_duration(&p->text, row->second_ns[GSTATE_RUNNING] / row->second_wakes);
	buf_adds(&p->text, " each time");
	name(p, problem_function(s, row->func_id));
	problem_see_goroutine(p, row->goid, "stack");
	problem_see(p, "top");
	problem_goids(p, &row->goid, 1);
}

/* How many of a row's kind sleep at a place. */
static const struct wait_stack *sleepers_at(const struct scene *s, const char *function)
{
	for (size_t i = 0; s->stacks.stacks && i < s->stacks.rows.n; i++) {
		const struct wait_stack *row = wait_stacks_row(&s->stacks, i);

		if (!strcmp(wait_stacks_text(&s->stacks, row->why), "sleep") &&
		    !strcmp(wait_stacks_text(&s->stacks, row->own), function))
			return row;
	}
	return NULL;
}

/* Without events nobody counts who wakes: but what that takes is in samples, and how often
 * goroutines are given a processor the runtime counts itself. */
static void tell_sampled_timers(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_TIMERS];
	const struct names *names = model_names(s->v->model);
	const struct live *live = s->v->live;
	const struct cpu_recent *cpu = &s->cpu;
	const struct wait_stack *row;
	struct live_runtime r;
	struct problem *p;
	const char *function;

	if (!s->cpu_sampled || cpu->ns < NS_PER_SEC || !cpu->sleeper_site ||
	    cpu->sleep_hits < SLEEP_SAMPLES || !live->runtime_known ||
	    !live->runtime_known(live->ctx, s->proc, &r) ||
	    percent_of(cpu->sleep_ns, cpu->all_ns) < (double)rule->percent ||
	    r.switches_per_second < (double)rule->number ||
	    percent_of(cpu->all_ns, cpu->ns) / 100 * NS_PER_SEC >=
		    (double)rule->ns * r.switches_per_second)
		return;
	p = problem_add(s, PROBLEM_TIMERS, PROBLEM_WARNING, (uint64_t)r.switches_per_second);
	if (!p)
		return;
	function = names_string(names, names_site(names, cpu->sleeper_site)->func_id);
	row = sleepers_at(s, function);
	view_site_file(names, cpu->sleeper_site, &p->text);
	buf_adds(&p->text, ": ");
	if (row)
		buf_addf(&p->text, "%llu goroutines sleep in it, ", (unsigned long long)row->n);
	buf_addf(
		&p->text,
		"going to sleep and waking took %.0f %% of the program's CPU time in the last %.0f "
		"s, by samples, and goroutines were given a processor %.0f times in the last "
		"second",
		percent_of(cpu->sleep_ns, cpu->all_ns), (double)cpu->ns / NS_PER_SEC,
		r.switches_per_second);
	name(p, function);
	problem_see_goroutine(p, row ? row->sample[0] : cpu->sleeper_goid, "stack");
	problem_see(p, "waits.tsv");
	problem_see(p, "pprof/cpu");
	if (row)
		problem_goids(p, row->sample, WAIT_SAMPLES);
}

static void tell_starts(struct scene *s, const struct start_row *row, double rate)
{
	struct problem *p = problem_add(s, PROBLEM_STARTS, PROBLEM_WARNING, (uint64_t)rate);

	if (!p)
		return;
	buf_addf(&p->text, "%.0f goroutines of %s started a second", rate,
		 problem_function(s, row->func_id));
	name(p, problem_function(s, row->func_id));
	problem_see(p, "sites");
	problem_see_creations(s, p);
	problem_see(p, "functions.tsv");
}

void problems_of_wakes(struct scene *s)
{
	const struct problem_rule *timers = &problem_rules[PROBLEM_TIMERS];
	const struct names *names = model_names(s->v->model);
	const struct past_moment *then =
		s->has & NEEDS_PAST
			? &s->past->moments[past_before(s->past, s->now, 2 * PAST_STEP_NS)]
			: NULL;

	if (!(s->has & NEEDS_EVENTS))
		tell_sampled_timers(s);
	for (size_t i = 0; i < s->starts.rows.n && s->has & NEEDS_EVENTS; i++) {
		const struct start_row *row = starts_row(&s->starts, i);
		const struct past_function *f =
			then ? past_of(s->past, (uint32_t)row->func_id) : NULL;
		double seconds = then ? (double)view_since(s->now, then->time_ns) / NS_PER_SEC : 0;

		if (row->system)
			continue;
		if (a_second(s, row->second_wakes) >= (double)timers->number &&
		    row->second_ns[GSTATE_RUNNING] / row->second_wakes < timers->ns &&
		    !strcmp(names_string(names, row->second_reason_id), "sleep"))
			tell_timers(s, row);
		if (f && seconds > 0) {
			double started = (double)sub_u64(row->f.created,
							 f->created[then - s->past->moments]);

			if (started / seconds >= (double)problem_rules[PROBLEM_STARTS].number)
				tell_starts(s, row, started / seconds);
		}
	}
}

/* --- memory ----------------------------------------------------------------------------------- */

struct allocated {
	double rate;  /* bytes a second, now */
	double least; /* of what is known of it: now, and on average where it is sampled */
	uint32_t site_id;
	double percent;      /* of the site; 0: none is known */
	const char *is;      /* the rate, by whom, where that is not the runtime */
	uint64_t counted_ns; /* of the runtime's count; 0: it is not that */
};

/* By the runtime's own count, of which a rate of two readings tells of one burst. False: it is not
 * known; *rate < 0: not for long enough yet. */
static bool counts_allocation(const struct scene *s, double *rate, uint64_t *ret_ns)
{
	const struct live *live = s->v->live;
	struct live_runtime r;

	if (!live->runtime_known || !live->runtime_known(live->ctx, s->proc, &r) ||
	    r.heap.allocated == RUNTIME_UNKNOWN || view_since(s->now, r.read_ns) > COUNTED_NS)
		return false;
	*rate = r.judged_ns ? r.alloc_judged : -1;
	*ret_ns = r.judged_ns;
	return true;
}

/* Samples know who asked; events only who was the last to, and not all that is allocated. */
static bool measure_asked(const struct scene *s, struct allocated *ret)
{
	const struct second *second = &s->starts.second;
	struct alloc_most most;

	if (!view_alloc_most(s->v, s->proc, &most) && most.samples >= 20 && s->now > most.from_ns) {
		ret->rate = (double)most.bytes * NS_PER_SEC / (double)(s->now - most.from_ns);
		ret->site_id = most.site_id;
		ret->percent = 100.0 * (double)most.site_bytes / (double)most.bytes;
		ret->is = ", on average since it is sampled";
		return true;
	}
	if (!second->events || !second->ns || !second->alloc_bytes)
		return false;
	ret->rate = a_second(s, second->alloc_bytes);
	ret->is = ", as far as events tell (not append, strings, fmt)";
	for (size_t i = 0; i < second->n_sites; i++) {
		double part =
			100.0 * (double)second->sites[i].alloc_bytes / (double)second->alloc_bytes;

		if (second->sites[i].site_id && part > ret->percent) {
			ret->site_id = (uint32_t)second->sites[i].site_id;
			ret->percent = part;
		}
	}
	return true;
}

/* A machine that is short of processors keeps the rate down, but not the share. Of a program that
 * got little of their time there are few samples: then one place has to ask for most, too. (What it
 * waited is no measure by itself: a server that wants little waits as long for it.) */
static bool is_busy_with_memory(const struct scene *s, const struct allocated *a)
{
	const struct cpu_recent *cpu = &s->cpu;
	double took = percent_of(cpu->memory_ns, cpu->ns);

	if (!s->cpu_sampled || cpu->ns < NS_PER_SEC ||
	    percent_of(cpu->memory_ns, cpu->user_ns) < CALM_PERCENT)
		return false;
	return took >= NAMED_PERCENT ||
	       (2 * took >= NAMED_PERCENT && a->site_id && a->percent >= CALM_PERCENT &&
		took * (1 + s->cpu_wait) >= NAMED_PERCENT);
}

/* How much is the runtime's own figure where it is known; before that is, nothing is much. */
static bool measure_allocation(const struct scene *s, struct allocated *ret)
{
	bool asked, counted;
	double rate = -1;

	*ret = (struct allocated){.is = ""};
	asked = measure_asked(s, ret);
	ret->least = ret->rate;
	counted = counts_allocation(s, &rate, &ret->counted_ns);
	if (counted && rate < 0) {
		ret->least = 0;
		counted = false;
	} else if (counted) {
		ret->rate = rate;
		ret->least = asked ? MIN(ret->least, ret->rate) : ret->rate;
	}
	return asked || counted;
}

void problems_of_allocation(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_ALLOCATION];
	const struct names *names = model_names(s->v->model);
	struct allocated a;
	struct problem *p;
	bool known = measure_allocation(s, &a), much = a.least >= (double)rule->number;

	if (!known || (!much && !is_busy_with_memory(s, &a)))
		return;
	p = problem_add(s, PROBLEM_ALLOCATION, PROBLEM_WARNING, (uint64_t)(a.rate / (1 << 20)));
	if (!p)
		return;
	buf_addf(&p->text, "%.0f MB allocated a second", a.rate / 1e6);
	if (a.counted_ns)
		buf_addf(&p->text, " in the last %.0f s, as the runtime counts it",
			 (double)a.counted_ns / NS_PER_SEC);
	else
		buf_adds(&p->text, a.is);
	if (a.site_id && a.percent >= (double)rule->percent) {
		buf_addf(&p->text, ", %.0f %% for ", a.percent);
		view_site_file(names, a.site_id, &p->text);
		name(p, names_string(names, names_site(names, a.site_id)->func_id));
	}
	if (!much) {
		buf_addf(&p->text,
			 "; that and collecting took %.0f %% of its CPU time outside the kernel in "
			 "the "
			 "last %.0f s",
			 percent_of(s->cpu.memory_ns, s->cpu.user_ns),
			 (double)s->cpu.ns / NS_PER_SEC);
		add_wait(s, p);
	}
	problem_see(p, "alloc_sites.tsv");
	problem_see(p, "pprof/allocs");
	problem_see(p, "heap");
}

static void add_bytes(struct buf *out, uint64_t bytes)
{
	bool large = bytes >= 10ull << 30;

	buf_addf(out, "%llu %s", (unsigned long long)(bytes >> (large ? 30 : 20)),
		 large ? "GiB" : "MiB");
}

/* Who keeps it is not known: who asks for most of all is the first to look at. */
static void add_asked_most(const struct scene *s, struct problem *p)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_ALLOCATION];
	const struct names *names = model_names(s->v->model);
	struct allocated a = {.is = ""};

	if (!measure_asked(s, &a) || !a.site_id || a.percent < (double)rule->percent)
		return;
	buf_addf(&p->text, "; %.0f %% of all that is allocated, which need not be what stays, for ",
		 a.percent);
	view_site_file(names, a.site_id, &p->text);
	name(p, names_string(names, names_site(names, a.site_id)->func_id));
}

void problems_of_heap(struct scene *s)
{
	const struct live *live = s->v->live;
	struct live_runtime r;
	const struct heap_growth *g = &r.growth;
	struct problem *p;

	if (problem_rules[PROBLEM_HEAP].needs & ~s->has ||
	    !live->runtime_known(live->ctx, s->proc, &r) || !g->to_bytes)
		return;
	p = problem_add(s, PROBLEM_HEAP,
			g->to_bytes >= 2 * g->from_bytes ? PROBLEM_WARNING : PROBLEM_NOTICE,
			(g->to_bytes - g->from_bytes) >> 20);
	if (!p)
		return;
	buf_adds(&p->text, "heap live ");
	add_bytes(&p->text, g->from_bytes);
	buf_adds(&p->text, " -> ");
	add_bytes(&p->text, g->to_bytes);
	buf_adds(&p->text, " in ");
	emit_duration(&p->text, g->ns);
	buf_addf(&p->text, " (%llu GC cycles), after each collection",
		 (unsigned long long)g->cycles);
	add_asked_most(s, p);
	problem_see(p, "heap");
	problem_see(p, "alloc_sites.tsv");
	problem_see(p, "pprof/allocs");
	problem_see(p, "leaks");
}

static void tell_gc(struct scene *s, double of_one, double of_all, const char *took,
		    const char *when)
{
	double least = (double)problem_rules[PROBLEM_GC].percent;
	struct problem *p;

	if (of_one < least || of_all < least)
		return;
	p = problem_add(s, PROBLEM_GC, PROBLEM_WARNING, (uint64_t)of_one);
	if (!p)
		return;
	buf_addf(&p->text,
		 "garbage collection %s %.0f %% of a processor in the last %s, %.0f %% of all "
		 "that the program did",
		 took, of_one, when, of_all);
	problem_see(p, "heap");
	problem_see(p, "alloc_sites.tsv");
	problem_see(p, "top");
}

void problems_of_gc(struct scene *s)
{
	uint64_t gc = 0, all = 0;

	if (s->cpu_sampled) {
		if (s->cpu.ns >= NS_PER_SEC)
			tell_gc(s, percent_of(s->cpu.gc_ns, s->cpu.ns),
				percent_of(s->cpu.gc_ns, s->cpu.all_ns), "took", "seconds");
		return;
	}
	for (size_t i = 0; i < s->starts.rows.n && s->has & NEEDS_EVENTS; i++) {
		const struct start_row *row = starts_row(&s->starts, i);
		const char *function = problem_function(s, row->func_id);

		all += row->second_ns[GSTATE_RUNNING];
		if (!strcmp(function, "runtime.gcBgMarkWorker") ||
		    !strcmp(function, "runtime.bgsweep"))
			gc += row->second_ns[GSTATE_RUNNING];
	}
	tell_gc(s, percent(s, gc), percent_of(gc, all), "was " RUNNING " for", "second");
}

/* --- ourselves --------------------------------------------------------------------------------
 */

void problems_of_cost(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_COST];
	struct meter_sample now;
	struct problem *p;

	if (!(s->has & NEEDS_METER))
		return;
	meter_last(s->v->meter, &now);
	/* Of a program that does nothing, nearly all may be ours. */
	if (now.of_target_percent < (double)rule->percent ||
	    now.overhead_percent / 100 * NS_PER_SEC < (double)rule->ns)
		return;
	p = problem_add(s, PROBLEM_COST,
			now.of_target_percent >= (double)rule->number ? PROBLEM_WARNING
								      : PROBLEM_NOTICE,
			(uint64_t)now.of_target_percent);
	if (!p)
		return;
	buf_addf(&p->text,
		 "our probes took about %.0f %% of the program's CPU time in the last second; that "
		 "is in what is said of it here",
		 now.of_target_percent);
	problem_see(p, "health");
	problem_see(p, "control/probes");
}

/* --- what is not to be relied on -------------------------------------------------------------- */

/* How much of all there was is lost? All of it only a session can say: it ends. */
static enum problem_severity severity_of_loss(const struct scene *s, const struct losses *losses,
					      uint64_t lost)
{
	struct model_totals all;
	struct recording rec;
	uint64_t told;

	model_totals(s->v->model, -1, &all);
	view_recording(s->v, &rec);
	told = event_counts_sum(all.events);
	if (!told && (losses->unread || losses->skipped || (losses->torn && !rec.read_bytes)))
		return PROBLEM_CRITICAL;
	return lost > told || losses->torn > rec.read_bytes ? PROBLEM_WARNING : PROBLEM_NOTICE;
}

/* Events in one sum; what else is lost each in its own unit. */
static void tell_losses(struct scene *s)
{
	struct losses losses;
	struct problem *p;
	uint64_t lost, most;

	losses_count(s->v, &losses);
	lost = most = losses_events(s->v, &losses);
	for (unsigned i = 0; i < n_loss_ways; i++) {
		if (loss_ways[i].kind == LOSS_DATA)
			most = MAX(most, losses_of(&losses, &loss_ways[i]));
	}
	if (most < problem_rules[PROBLEM_LOST].number)
		return;
	p = problem_add(s, PROBLEM_LOST, severity_of_loss(s, &losses, lost), lost);
	if (!p)
		return;
	if (lost)
		buf_addf(&p->text, "%llu events lost on the way: counts are too low by that",
			 (unsigned long long)lost);
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];
		uint64_t n = losses_of(&losses, way);

		if (n && way->kind == LOSS_DATA && !loss_is_of_events(way))
			buf_addf(&p->text, "%s%llu %s %s", p->text.len ? "; " : "",
				 (unsigned long long)n, way->unit, way->what);
	}
	problem_see(p, "losses.tsv");
	problem_see(p, "health");
}

void problems_of_trust(struct scene *s)
{
	struct audit audit;
	struct problem *p;

	tell_losses(s);
	view_audit_of(s->v, s->proc, &audit);
	if (audit_total(&audit) < problem_rules[PROBLEM_AUDIT].number)
		return;
	p = problem_add(s, PROBLEM_AUDIT, PROBLEM_NOTICE, audit_total(&audit));
	if (!p)
		return;
	buf_adds(&p->text, "the audit ");
	view_audit_line(&audit, &p->text);
	problem_see(p, "audit");
}
