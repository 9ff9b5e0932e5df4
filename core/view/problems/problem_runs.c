/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who runs too much, or wakes too often; what we cost, and what is not told. See problems.h. */
#include <stdio.h>
#include <string.h>

#include "core/view/own.h"
#include "core/view/problems/problems.h"
#include "core/view/process/losses.h"
#include "core/view/process/process.h"
#include "core/view/profiles/allocs.h"

/* Of one processor, by events. */
static double percent(const struct scene *s, uint64_t ns)
{
	return s->starts.second.ns ? 100.0 * (double)ns / (double)s->starts.second.ns : 0;
}

/* How long it has been watched by events, as they are judged. */
static double seconds(const struct scene *s)
{
	return (double)s->starts.second.ns / NS_PER_SEC;
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
	problem_name(p, wait_stacks_text(&s->stacks, row->own));
}

/* --- processors ------------------------------------------------------------------------------- */

/* Where most CPU time went, by samples: by states a goroutine runs, too, while the machine has its
 * processor run others, and such numbers add up to more than the machine has. */
static void add_sampled(const struct scene *s, struct problem *p)
{
	const struct names *names = model_names(s->v->model);
	const struct cpu_recent *cpu = &s->cpu;

	if (!cpu->own_site || problem_percent(cpu->own_ns, cpu->ns) < NAMED_PERCENT)
		return;
	buf_adds(&p->text, "; ");
	view_site_file(names, cpu->own_site, &p->text);
	buf_addf(&p->text, " took %.0f %% of a processor in the last %.0f s, by samples",
		 problem_percent(cpu->own_ns, cpu->ns), (double)cpu->ns / NS_PER_SEC);
	problem_name(p, names_string(names, names_site(names, cpu->own_site)->func_id));
	problem_goids(p, &cpu->goid, 1);
}

/* Who ran most, up to three. */
static void add_runners(const struct scene *s, struct problem *p)
{
	const struct start_row *told[3] = {NULL};
	char over[120];

	snprintf(over, sizeof(over), "; " PROBLEM_RUNNING " in the last %.0f s:", seconds(s));
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
		buf_addf(&p->text, "%s %s for %.0f %% of a processor", k ? "," : over,
			 problem_function(s, most->func_id),
			 percent(s, most->second_ns[GSTATE_RUNNING]));
		if (!k) {
			problem_name(p, problem_function(s, most->func_id));
			problem_goids(p, &most->goid, 1);
		}
	}
}

/* Who would take them. */
static void add_own_share(const struct scene *s, struct problem *p)
{
	const struct cpu_recent *cpu = &s->cpu;
	const struct names *names = model_names(s->v->model);

	if (!cpu->own_site || problem_percent(cpu->own_ns, cpu->all_ns) < CALM_PERCENT)
		return;
	buf_addf(&p->text, "; %.0f %% of that in ", problem_percent(cpu->own_ns, cpu->all_ns));
	view_site_file(names, cpu->own_site, &p->text);
	problem_name(p, names_string(names, names_site(names, cpu->own_site)->func_id));
}

/* Is it not the program that takes the processors? Nothing of its own stands out, and all of it is
 * less than half of one. */
static bool machine_is_short(const struct scene *s)
{
	const struct cpu_recent *cpu = &s->cpu;

	return problem_percent(cpu->all_ns, cpu->ns) < CALM_PERCENT &&
	       (problem_percent(cpu->own_ns, cpu->ns) < NAMED_PERCENT ||
		problem_percent(cpu->own_ns, cpu->all_ns) < CALM_PERCENT);
}

/* What somebody waited for a processor from one moment of the past to the next, or to now. How many
 * it were; *ret: what the rule's share of them took or longer. */
static uint64_t waits_between(const struct scene *s, unsigned from, unsigned to, uint64_t *ret)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_LATENCY];
	const struct past_moment *moments = s->past->moments;
	const uint64_t *then = moments[from].runnable_latency,
		       *now = to < s->past->n ? moments[to].runnable_latency
					      : s->totals.runnable_latency;
	uint64_t counts[LATENCY_BUCKETS], n = 0;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		counts[i] = sub_u64(now[i], then[i]);
		n += counts[i];
	}
	*ret = n ? view_latency_percentile(counts, s->totals.runnable_max_ns,
					   100 - (unsigned)rule->percent)
		 : 0;
	return n;
}

/* A stop, or one collection of garbage, makes many wait once: that is over. */
static bool waits_go_on(const struct scene *s, unsigned from)
{
	unsigned late = 0;
	uint64_t took;

	for (unsigned i = from; i < s->past->n; i++) {
		(void)waits_between(s, i, i + 1, &took);
		late += took >= problem_rules[PROBLEM_LATENCY].ns;
	}
	return late >= LATE_STEPS;
}

void problems_of_latency(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_LATENCY];
	uint64_t n, worst;
	struct problem *p;
	unsigned from;
	bool others;

	if (rule->needs & ~s->has)
		return;
	from = past_before(s->past, s->now, rule->over_ns);
	n = waits_between(s, from, s->past->n, &worst);
	if (n < rule->number || worst < rule->ns || !waits_go_on(s, from))
		return;
	others = problems_judge_cpu(s) && machine_is_short(s);
	p = problem_add(s, PROBLEM_LATENCY, others ? PROBLEM_NOTICE : PROBLEM_WARNING, n);
	if (!p)
		return;
	buf_addf(&p->text, "%llu %% of %llu waits for a processor took some ",
		 (unsigned long long)rule->percent, (unsigned long long)n);
	emit_duration(&p->text, worst);
	buf_adds(&p->text, " or longer in the last ");
	emit_duration(&p->text, view_since(s->now, s->past->moments[from].time_ns));
	if (others && !s->cpu.all_ns) {
		buf_adds(&p->text,
			 "; no sample met the program on a processor: the machine's were busy "
			 "with others, or its container has no more");
		problem_add_cpu_wait(s, p);
	} else if (others) {
		buf_addf(&p->text,
			 "; the program itself took %.0f %% of a processor in the last %.0f s, by "
			 "samples: the machine's were busy with others, or its container has no "
			 "more",
			 problem_percent(s->cpu.all_ns, s->cpu.ns), (double)s->cpu.ns / NS_PER_SEC);
		add_own_share(s, p);
		problem_add_cpu_wait(s, p);
	} else if (!s->cpu_sampled)
		add_runners(s, p);
	else if (problems_judge_cpu(s))
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
	double share = problem_percent(cpu->own_ns, cpu->ns),
	       part = problem_percent(cpu->own_ns, cpu->all_ns);
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
	if (cpu->called_func_id)
		buf_addf(&p->text, "; %.0f %% of that in %s",
			 problem_percent(cpu->called_ns, cpu->own_ns),
			 names_string(names, cpu->called_func_id));
	if (share < (double)rule->number)
		problem_add_cpu_wait(s, p);
	problem_name(p, names_string(names, names_site(names, cpu->own_site)->func_id));
	problem_see(p, "pprof/cpu");
	problem_see(p, "top");
	if (cpu->goid) {
		problem_see_goroutine(p, cpu->goid, "stack");
		problem_goids(p, &cpu->goid, 1);
	}
}

/* Who waits in a loop of runtime.Gosched() takes a processor, and is in none of its own functions.
 */
static bool tell_yields(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_CPU];
	const struct names *names = model_names(s->v->model);
	const struct cpu_recent *cpu = &s->cpu;
	double share = problem_percent(cpu->yield_ns, cpu->ns),
	       part = problem_percent(cpu->yield_ns, cpu->all_ns);
	struct problem *p;

	if (!cpu->yielder_site || share < STARVED_PERCENT || part < (double)rule->percent ||
	    share * (1 + s->cpu_wait) < (double)rule->number)
		return false;
	p = problem_add(s, PROBLEM_CPU, PROBLEM_WARNING, (uint64_t)share);
	if (!p)
		return true;
	view_site_file(names, cpu->yielder_site, &p->text);
	buf_addf(&p->text,
		 " calls runtime.Gosched() all the time, as who waits in a loop does: that took "
		 "%.0f %% of the program's CPU time in the last %.0f s, %.0f %% of a processor",
		 part, (double)cpu->ns / NS_PER_SEC, share);
	if (share < (double)rule->number)
		problem_add_cpu_wait(s, p);
	problem_name(p, names_string(names, names_site(names, cpu->yielder_site)->func_id));
	problem_see(p, "pprof/cpu");
	problem_see(p, "top");
	problem_see_goroutine(p, cpu->yielder_goid, "stack");
	problem_goids(p, &cpu->yielder_goid, 1);
	return true;
}

static void tell_runs(struct scene *s, const struct start_row *row)
{
	uint64_t ns = row->second_ns[GSTATE_RUNNING];
	struct problem *p = problem_add(s, PROBLEM_CPU, PROBLEM_WARNING, (uint64_t)percent(s, ns));

	if (!p)
		return;
	buf_addf(&p->text,
		 "%s was " PROBLEM_RUNNING " for %.0f %% of a processor in the last %.0f s",
		 problem_function(s, row->func_id), percent(s, ns), seconds(s));
	if (row->second_wakes) {
		buf_adds(&p->text, ", ");
		emit_duration(&p->text, ns / row->second_wakes);
		buf_adds(&p->text, " between two waits");
	}
	problem_name(p, problem_function(s, row->func_id));
	add_interrupted(s, p, row->func_id);
	problem_see(p, "top");
	problem_see_goroutine(p, row->goid, "stack");
	problem_goids(p, &row->goid, 1);
}

void problems_of_cpu(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_CPU];

	if (s->cpu_sampled) {
		if (problems_judge_cpu(s) && !tell_yields(s))
			tell_sampled(s);
		return;
	}
	for (size_t i = 0; i < s->starts.rows.n && problems_judge_events(s); i++) {
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
		"%s: %llu goroutines woke %.0f times a second from a sleep in the last %.0f s, and "
		"ran for ",
		problem_function(s, row->func_id), (unsigned long long)row->f.live,
		a_second(s, row->second_wakes), seconds(s));
	emit_duration(&p->text, row->second_ns[GSTATE_RUNNING] / row->second_wakes);
	buf_adds(&p->text, " each time");
	problem_name(p, problem_function(s, row->func_id));
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
	const struct live_runtime *r = &s->runtime;
	const struct cpu_recent *cpu = &s->cpu;
	const struct wait_stack *row;
	struct problem *p;
	const char *function;

	if (!problems_judge_cpu(s) || !cpu->sleeper_site || cpu->sleep_hits < SLEEP_SAMPLES ||
	    !s->runtime_fresh || !r->judged_ns ||
	    problem_percent(cpu->sleep_ns, cpu->all_ns) < (double)rule->percent ||
	    r->switches_judged < (double)rule->number ||
	    problem_percent(cpu->all_ns, cpu->ns) / 100 * NS_PER_SEC >=
		    (double)rule->ns * r->switches_judged)
		return;
	p = problem_add(s, PROBLEM_TIMERS, PROBLEM_WARNING, (uint64_t)r->switches_judged);
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
		"s, by samples, and goroutines were given a processor %.0f times a second in the "
		"last %.0f",
		problem_percent(cpu->sleep_ns, cpu->all_ns), (double)cpu->ns / NS_PER_SEC,
		r->switches_judged, (double)r->judged_ns / NS_PER_SEC);
	problem_name(p, function);
	problem_see_goroutine(p, row ? row->sample[0] : cpu->sleeper_goid, "stack");
	problem_see(p, "waits.tsv");
	problem_see(p, "pprof/cpu");
	if (row)
		problem_goids(p, row->sample, WAIT_SAMPLES);
}

static void tell_starts(struct scene *s, const struct start_row *row, double rate, uint64_t ns)
{
	struct problem *p = problem_add(s, PROBLEM_STARTS, PROBLEM_WARNING, (uint64_t)rate);

	if (!p)
		return;
	buf_addf(&p->text, "%.0f goroutines of %s started a second in the last ", rate,
		 problem_function(s, row->func_id));
	emit_duration(&p->text, ns);
	problem_name(p, problem_function(s, row->func_id));
	problem_see(p, "sites");
	problem_see_creations(s, p);
	problem_see(p, "functions.tsv");
}

/* The past has the lower half of the number. It may go down, too: some have got another name. */
static double created_since(const struct start_row *row, const struct past_function *f, unsigned at)
{
	return MAX((int32_t)((uint32_t)row->f.created - f->created[at]), 0);
}

/* Many at once are no rate: it has to be in both halves of the time. */
static void look_at_starts(struct scene *s, const struct start_row *row)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_STARTS];
	const struct past_function *f = past_of(s->past, (uint32_t)row->func_id);
	unsigned from = past_before(s->past, s->now, rule->over_ns),
		 middle = past_before(s->past, s->now, rule->over_ns / 2);
	double all, late, seconds_all, seconds_late;

	if (!f || middle == from)
		return;
	all = created_since(row, f, from);
	late = created_since(row, f, middle);
	seconds_all = (double)view_since(s->now, s->past->moments[from].time_ns) / NS_PER_SEC;
	seconds_late = (double)view_since(s->now, s->past->moments[middle].time_ns) / NS_PER_SEC;
	if (all >= (double)rule->number * seconds_all &&
	    2 * late >= (double)rule->number * seconds_late &&
	    2 * (all - late) >= (double)rule->number * (seconds_all - seconds_late))
		tell_starts(s, row, all / seconds_all,
			    view_since(s->now, s->past->moments[from].time_ns));
}

/* Timers that wake nobody who sleeps take a processor all the same: those of tickers that nobody
 * stopped are in no goroutine's stack, so who made most of them is asked of allocations. */
static void tell_timers_due(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_TIMERS];
	const struct names *names = model_names(s->v->model);
	const struct cpu_recent *cpu = &s->cpu;
	struct alloc_most most;
	struct problem *p;

	if (!problems_judge_cpu(s) || cpu->timers_hits < SLEEP_SAMPLES ||
	    problem_percent(cpu->timers_ns, cpu->all_ns) < (double)rule->percent ||
	    problem_percent(cpu->timers_ns, cpu->ns) < STARVED_PERCENT)
		return;
	p = problem_add(s, PROBLEM_TIMERS, PROBLEM_WARNING,
			(uint64_t)problem_percent(cpu->timers_ns, cpu->ns));
	if (!p)
		return;
	buf_addf(&p->text,
		 "the runtime's work on timers that are due took %.0f %% of the program's CPU time "
		 "in the last %.0f s, %.0f %% of a processor, by samples: there are very many, as "
		 "where tickers are not stopped",
		 problem_percent(cpu->timers_ns, cpu->all_ns), (double)cpu->ns / NS_PER_SEC,
		 problem_percent(cpu->timers_ns, cpu->ns));
	if (!view_timers_made(s->v, s->proc, &most) && most.site_id) {
		buf_addf(&p->text, "; %.0f %% of what was sampled of the making of timers was for ",
			 problem_percent(most.site_bytes, most.bytes));
		view_site_file(names, most.site_id, &p->text);
		problem_name(p, names_string(names, names_site(names, most.site_id)->func_id));
	}
	problem_see(p, "pprof/cpu");
	problem_see(p, "alloc_sites.tsv");
	problem_see(p, "pprof/allocs");
}

/* Of those that memory met and that are gone, what most began at, where that is most of them; NULL.
 * Who starts and ends between two readings is met by chance. */
static const struct start_row *most_met(const struct scene *s)
{
	const struct start_row *most = NULL;
	uint64_t all = 0;

	for (size_t i = 0; i < s->starts.rows.n; i++) {
		const struct start_row *row = starts_row(&s->starts, i);

		all += row->f.exited;
		if (!row->system && row->f.exited >= (most ? most->f.exited : STARTS_MET))
			most = row;
	}
	return most && 2 * most->f.exited > all ? most : NULL;
}

/* Without events: all of them together, by the runtime's own count. */
static void tell_counted_starts(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_STARTS];
	const struct live_runtime *r = &s->runtime;
	const struct start_row *most;
	struct problem *p;

	if (rule->needs & ~s->has || r->starts_judged < (double)rule->number)
		return;
	p = problem_add(s, PROBLEM_STARTS, PROBLEM_WARNING, (uint64_t)r->starts_judged);
	if (!p)
		return;
	buf_addf(&p->text, "%.0f goroutines started a second in the last ", r->starts_judged);
	emit_duration(&p->text, r->judged_ns);
	buf_adds(&p->text, ", by the numbers that the runtime has given them");
	most = most_met(s);
	if (most) {
		buf_addf(&p->text,
			 "; most of those that memory showed, and that are gone, began at %s",
			 problem_function(s, most->func_id));
		problem_name(p, problem_function(s, most->func_id));
	}
	problem_see(p, "sites");
	problem_see(p, "functions.tsv");
	problem_see(p, "pprof/cpu");
}

void problems_of_wakes(struct scene *s)
{
	const struct problem_rule *timers = &problem_rules[PROBLEM_TIMERS];
	const struct names *names = model_names(s->v->model);

	tell_timers_due(s);
	if (!(s->has & NEEDS_EVENTS)) {
		tell_sampled_timers(s);
		tell_counted_starts(s);
	}
	for (size_t i = 0; i < s->starts.rows.n && s->has & NEEDS_EVENTS; i++) {
		const struct start_row *row = starts_row(&s->starts, i);

		if (row->system)
			continue;
		if (problems_judge_events(s) &&
		    a_second(s, row->second_wakes) >= (double)timers->number &&
		    row->second_ns[GSTATE_RUNNING] / row->second_wakes < timers->ns &&
		    !strcmp(names_string(names, row->second_reason_id), "sleep"))
			tell_timers(s, row);
		if (s->has & NEEDS_PAST)
			look_at_starts(s, row);
	}
}

/* --- ourselves --------------------------------------------------------------------------------
 */

/* In most of the last seconds; *ret: the one in the middle, of the program's time. */
static bool costs_much(const struct scene *s, double *ret)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_COST];
	struct meter_sample last[COST_OVER_S];
	double percents[COST_OVER_S];
	size_t n = meter_newest(s->v->meter, last, COST_OVER_S), over = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		/* Of a program that does nothing, nearly all may be ours. */
		over += last[i].of_target_percent >= (double)rule->percent &&
			last[i].overhead_percent / 100 * NS_PER_SEC >= (double)rule->ns;
		for (; at && percents[at - 1] > last[i].of_target_percent; at--)
			percents[at] = percents[at - 1];
		percents[at] = last[i].of_target_percent;
	}
	if (n < COST_OVER_S || 2 * over <= COST_OVER_S)
		return false;
	*ret = percents[COST_OVER_S / 2];
	return true;
}

void problems_of_cost(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_COST];
	struct problem *p;
	double took;

	if (!(s->has & NEEDS_METER) || !costs_much(s, &took))
		return;
	p = problem_add(s, PROBLEM_COST,
			took >= (double)rule->number ? PROBLEM_WARNING : PROBLEM_NOTICE,
			(uint64_t)took);
	if (!p)
		return;
	buf_addf(&p->text,
		 "our probes took about %.0f %% of the program's CPU time (median of the last %d "
		 "seconds); that is in what is said of it here",
		 took, COST_OVER_S);
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
