/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who allocates too much, a heap that grows, what collecting takes; and descriptors. See
 * problems.h. */
#include <stdio.h>
#include <string.h>

#include "core/view/problems/problems.h"
#include "core/view/profiles/allocs.h"
#include "core/view/view_internal.h"

/* Who asked is told by samples over so long: there may be few of them. */
#define ASKED_NS      (10 * NS_PER_SEC)
#define ASKED_SAMPLES 20

struct allocated {
	double rate; /* bytes a second; below 0: not judged yet */
	uint32_t site_id;
	double percent; /* of the site; 0: none is known */
	/* By whom the rate is, and over how long; of whom the percentage is. */
	const char *by, *of;
	uint64_t ns, of_ns;
};

/* By the runtime's own count. False: it is not known. */
static bool counts_allocation(const struct scene *s, struct allocated *ret)
{
	const struct live_runtime *r = &s->runtime;

	if (!s->runtime_fresh || r->heap.allocated == RUNTIME_UNKNOWN)
		return false;
	ret->rate = r->judged_ns ? r->alloc_judged : -1;
	ret->ns = r->judged_ns;
	ret->by = ", as the runtime counts it";
	return true;
}

/* Samples know who asked. */
static bool sampled_asked(const struct scene *s, uint64_t ns, struct allocated *ret)
{
	struct alloc_most most;

	if (view_alloc_most(s->v, s->proc, ns, &most) || most.samples < ASKED_SAMPLES ||
	    s->now <= most.from_ns)
		return false;
	ret->ns = ret->of_ns = s->now - most.from_ns;
	ret->rate = ret->ns < problem_rules[PROBLEM_ALLOCATION].over_ns
			    ? -1
			    : (double)most.bytes * NS_PER_SEC / (double)ret->ns;
	ret->site_id = most.site_id;
	ret->percent = problem_percent(most.site_bytes, most.bytes);
	ret->by = ", by samples";
	ret->of = "what was sampled";
	return true;
}

/* Events only know who was the last to, and not all that is allocated. */
static bool events_asked(const struct scene *s, struct allocated *ret)
{
	const struct second *second = &s->starts.second;

	if (!second->events || !second->ns || !second->alloc_bytes)
		return false;
	ret->ns = ret->of_ns = second->ns;
	ret->rate = problems_judge_events(s)
			    ? (double)second->alloc_bytes * NS_PER_SEC / (double)second->ns
			    : -1;
	ret->by = ", as far as events tell (not append, strings, fmt)";
	ret->of = "what events tell of";
	for (size_t i = 0; i < second->n_sites; i++) {
		double part = problem_percent(second->sites[i].alloc_bytes, second->alloc_bytes);

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
	double took = problem_percent(cpu->memory_ns, cpu->ns);

	if (!problems_judge_cpu(s) || problem_percent(cpu->memory_ns, cpu->user_ns) < CALM_PERCENT)
		return false;
	return took >= NAMED_PERCENT ||
	       (2 * took >= NAMED_PERCENT && a->site_id && a->percent >= CALM_PERCENT &&
		took * (1 + s->cpu_wait) >= NAMED_PERCENT);
}

/* How much is the runtime's own figure where it is known; before that is, nothing is much. */
static bool measure_allocation(const struct scene *s, struct allocated *ret)
{
	bool asked;

	*ret = (struct allocated){.rate = -1, .by = "", .of = ""};
	asked = sampled_asked(s, ASKED_NS, ret) || events_asked(s, ret);
	return counts_allocation(s, ret) || asked;
}

static void add_asked(const struct scene *s, const struct allocated *a, struct problem *p)
{
	const struct names *names = model_names(s->v->model);

	if (!a->site_id || a->percent < (double)problem_rules[PROBLEM_ALLOCATION].percent)
		return;
	buf_addf(&p->text, "; %.0f %% of %s in the last %.0f s for ", a->percent, a->of,
		 (double)a->of_ns / NS_PER_SEC);
	view_site_file(names, a->site_id, &p->text);
	problem_name(p, names_string(names, names_site(names, a->site_id)->func_id));
}

void problems_of_allocation(struct scene *s)
{
	struct allocated a;
	struct problem *p;
	bool known = measure_allocation(s, &a),
	     much = a.rate >= (double)problem_rules[PROBLEM_ALLOCATION].number;

	if (!known || (!much && !is_busy_with_memory(s, &a)))
		return;
	p = problem_add(s, PROBLEM_ALLOCATION, PROBLEM_WARNING,
			a.rate > 0 ? (uint64_t)(a.rate / (1 << 20)) : 0);
	if (!p)
		return;
	if (a.rate >= 0)
		buf_addf(&p->text, "%.0f MiB allocated a second in the last %.0f s%s",
			 a.rate / (1 << 20), (double)a.ns / NS_PER_SEC, a.by);
	else
		buf_adds(&p->text, "much is allocated");
	add_asked(s, &a, p);
	if (!much) {
		buf_addf(&p->text,
			 "; that and collecting took %.0f %% of its CPU time outside the kernel in "
			 "the last %.0f s",
			 problem_percent(s->cpu.memory_ns, s->cpu.user_ns),
			 (double)s->cpu.ns / NS_PER_SEC);
		problem_add_cpu_wait(s, p);
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
	struct allocated a = {.by = ""};

	if ((!sampled_asked(s, 0, &a) && !events_asked(s, &a)) || !a.site_id ||
	    a.percent < (double)rule->percent)
		return;
	buf_addf(&p->text, "; %.0f %% of all that is allocated, which need not be what stays, for ",
		 a.percent);
	view_site_file(names, a.site_id, &p->text);
	problem_name(p, names_string(names, names_site(names, a.site_id)->func_id));
}

/* Where the program keeps a profile of its heap, that knows who keeps it. */
static bool add_grown_most(const struct scene *s, struct problem *p)
{
	const struct names *names = model_names(s->v->model);
	struct heap_grown grown;
	double percent;

	if (view_heap_grown(s->v, s->proc, sub_u64(s->now, s->runtime.growth.ns), &grown) ||
	    !grown.ns)
		return false;
	percent = problem_percent(grown.site_bytes, grown.bytes);
	if (!grown.site_id || percent < (double)problem_rules[PROBLEM_ALLOCATION].percent)
		return false;
	buf_addf(&p->text, "; %.0f %% of what came to it in the last ", percent);
	emit_duration(&p->text, grown.ns);
	buf_adds(&p->text, ", as the program's own heap profile has it, is from ");
	view_site_file(names, grown.site_id, &p->text);
	problem_name(p, names_string(names, names_site(names, grown.site_id)->func_id));
	problem_see(p, "pprof/heap");
	return true;
}

void problems_of_heap(struct scene *s)
{
	const struct heap_growth *g = &s->runtime.growth;
	struct problem *p;
	bool kept;

	if (problem_rules[PROBLEM_HEAP].needs & ~s->has || !g->to_bytes)
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
	kept = add_grown_most(s, p);
	if (!kept)
		add_asked_most(s, p);
	problem_see(p, "heap");
	problem_see(p, "alloc_sites.tsv");
	if (!kept)
		problem_see(p, "pprof/allocs");
	problem_see(p, "leaks");
}

/* A connection that cannot be accepted, a file that cannot be opened: all of it fails at once. */
void problems_of_files(struct scene *s)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_FILES];
	const struct live_runtime *r = &s->runtime;
	double percent;
	struct problem *p;

	if (rule->needs & ~s->has)
		return;
	percent = problem_percent(r->files, r->files_most);
	if (percent < (double)rule->percent)
		return;
	p = problem_add(s, PROBLEM_FILES,
			percent >= FILES_FULL ? PROBLEM_CRITICAL : PROBLEM_WARNING,
			(uint64_t)percent);
	if (!p)
		return;
	buf_addf(&p->text,
		 "%llu descriptors are open, of %llu that the process may have (files, "
		 "connections: ls -l /proc/%d/fd tells which)",
		 (unsigned long long)r->files, (unsigned long long)r->files_most, (int)s->info.pid);
	problem_see(p, "stats");
	problem_see(p, "functions.tsv");
}

/* A heap that has no room below its limit is collected all the time. */
static void add_limit(const struct scene *s, struct problem *p)
{
	const struct runtime_heap *h = &s->runtime.heap;

	if (!s->runtime_fresh || h->live == RUNTIME_UNKNOWN || h->memory_limit == RUNTIME_UNKNOWN ||
	    h->memory_limit > INT64_MAX / 2 || h->live < h->memory_limit / 5 * 4)
		return;
	buf_adds(&p->text, "; ");
	add_bytes(&p->text, h->live);
	buf_adds(&p->text, " live, with a limit (GOMEMLIMIT) of ");
	add_bytes(&p->text, h->memory_limit);
}

static void tell_gc(struct scene *s, double of_one, double of_all, const char *took, uint64_t ns)
{
	double least = (double)problem_rules[PROBLEM_GC].percent;
	struct problem *p;

	if (of_one < least || of_all < least)
		return;
	p = problem_add(s, PROBLEM_GC, PROBLEM_WARNING, (uint64_t)of_one);
	if (!p)
		return;
	buf_addf(&p->text,
		 "garbage collection %s %.0f %% of a processor in the last %.0f s, %.0f %% of all "
		 "that the program did",
		 took, of_one, (double)ns / NS_PER_SEC, of_all);
	if (s->cpu_sampled)
		buf_addf(&p->text, ", %.0f %% of it goroutines' help (assist)",
			 problem_percent(s->cpu.assist_ns, s->cpu.gc_ns));
	add_limit(s, p);
	problem_see(p, "heap");
	problem_see(p, "alloc_sites.tsv");
	problem_see(p, "top");
}

void problems_of_gc(struct scene *s)
{
	const struct cpu_recent *cpu = &s->cpu;
	uint64_t gc = 0, all = 0, ns = s->starts.second.ns;

	if (s->cpu_sampled) {
		if (problems_judge_cpu(s))
			tell_gc(s, problem_percent(cpu->gc_ns, cpu->ns),
				problem_percent(cpu->gc_ns, cpu->all_ns), "took", cpu->ns);
		return;
	}
	for (size_t i = 0; i < s->starts.rows.n && problems_judge_events(s); i++) {
		const struct start_row *row = starts_row(&s->starts, i);
		const char *function = problem_function(s, row->func_id);

		all += row->second_ns[GSTATE_RUNNING];
		if (!strcmp(function, "runtime.gcBgMarkWorker") ||
		    !strcmp(function, "runtime.bgsweep"))
			gc += row->second_ns[GSTATE_RUNNING];
	}
	tell_gc(s, problem_percent(gc, ns), problem_percent(gc, all), "was " PROBLEM_RUNNING " for",
		ns);
}
