/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of what is looked for, and the list of what was found. Any thread. */
#include "core/view/problems/problems.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/model/samples.h"
#include "core/view/probes.h"
#include "core/view/problems/problem_memory.h"

static const char *const severities[] = {"notice", "warning", "critical"};

/* --- what is found ---------------------------------------------------------------------------- */

static int worst_first(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->n < y->n ? -1 : 1;
}

struct problem *problem_add(struct scene *s, enum problem_kind kind, enum problem_severity severity,
			    uint64_t weight)
{
	struct problem *p, item = {.kind = kind, .severity = severity, .weight = weight};

	item.n = s->found++;
	if (s->n < PROBLEMS_MAX) {
		p = &s->list[s->n++];
	} else {
		p = &s->list[0];
		for (unsigned i = 1; i < s->n; i++) {
			if (worst_first(&s->list[i], p) > 0)
				p = &s->list[i];
		}
		if (worst_first(&item, p) > 0)
			return NULL;
		buf_free(&p->text);
	}
	*p = item;
	return p;
}

void problem_see(struct problem *p, const char *fmt, ...)
{
	va_list ap;

	for (unsigned i = 0; i < PROBLEM_SEES; i++) {
		if (p->see[i][0])
			continue;
		va_start(ap, fmt);
		vsnprintf(p->see[i], sizeof(p->see[i]), fmt, ap);
		va_end(ap);
		return;
	}
}

void problem_as_of(const struct scene *s, struct problem *p, const char *how, uint64_t then_ns)
{
	p->as_of_ns = then_ns;
	buf_addf(&p->text, "%s ", how);
	emit_duration(&p->text, view_since(s->now, then_ns));
	buf_adds(&p->text, " ago: ");
}

void problem_see_goroutine(struct problem *p, uint64_t goid, const char *file)
{
	if (goid)
		problem_see(p, "goroutines/%llu/%s", (unsigned long long)goid, file);
}

void problem_see_creations(const struct scene *s, struct problem *p)
{
	if (s->v->replay || samples_begun(model_samples(s->v->model), SAMPLE_CREATED))
		problem_see(p, "pprof/creations");
}

void problem_goids(struct problem *p, const uint64_t *goids, uint64_t n)
{
	for (uint64_t i = 0; i < n && p->n_goids < PROBLEM_GOIDS; i++) {
		if (goids[i])
			p->goids[p->n_goids++] = goids[i];
	}
}

/* "main.signup (/src/main.go:37)" */
static void problem_add_frame(struct buf *out, const struct wait_stacks *w, size_t name, size_t at)
{
	const char *where = wait_stacks_text(w, at);

	buf_adds(out, wait_stacks_text(w, name));
	if (*where)
		buf_addf(out, " (%s)", where);
}

void problem_add_place(struct buf *out, const struct wait_stacks *w, const struct wait_stack *row)
{
	if (row->own)
		problem_add_frame(out, w, row->own, row->own_at);
	else if (row->frame)
		problem_add_frame(out, w, row->frame, row->frame_at);
	else
		buf_adds(out, wait_stacks_text(w, row->start));
}

const char *problem_function(const struct scene *s, uint64_t func_id)
{
	const char *name = names_string(model_names(s->v->model), (uint32_t)func_id);

	return *name ? name : "?";
}

void problem_name(struct problem *p, const char *function)
{
	snprintf(p->function, sizeof(p->function), "%s", function);
}

void problem_add_cpu_wait(const struct scene *s, struct problem *p)
{
	if (s->cpu_wait > 0)
		buf_addf(&p->text,
			 "; for each second that its threads had a processor they waited %.1f s "
			 "for one of the machine's",
			 s->cpu_wait);
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Nothing of it moves: whatever else is told of it follows from that. */
static void say_stopped(struct scene *s)
{
	const struct live_runtime *r = &s->runtime;
	struct problem *p;

	if (!s->runtime_fresh || r->stopped_readings < problem_rules[PROBLEM_TARGET].number)
		return;
	p = problem_add(s, PROBLEM_TARGET, PROBLEM_CRITICAL, UINT64_MAX);
	if (!p)
		return;
	buf_adds(&p->text, "the process is stopped, by a signal (SIGSTOP, SIGTSTP), a debugger or "
			   "the freezer of "
			   "its cgroup (docker pause), "
			   "for ");
	emit_duration(&p->text, view_since(s->now, r->stopped_ns));
	buf_adds(&p->text,
		 " or longer: none of its goroutines runs, and what is said of waits "
		 "below may follow from that; kill -CONT, or docker unpause, lets it go on");
	problem_see(p, "stats");
	problem_see(p, "stacks");
}

#define LAST_RUNNING_MOST 3

/* Who called os.Exit() was running, by events: one of very few. */
static void say_last_running(struct scene *s, struct problem *p)
{
	cleanup_free_ uint64_t *goids = NULL;
	unsigned told = 0;
	size_t n;

	if (model_goids(s->v->model, s->proc, MODEL_BY_STATE, GSTATE_RUNNING, &goids, &n) ||
	    n > LAST_RUNNING_MOST)
		return;
	for (size_t i = 0; i < n; i++) {
		struct goroutine g;

		if (model_goroutine(s->v->model, s->proc, goids[i], &g) ||
		    g.flags & (GOROUTINE_SYSTEM | GOROUTINE_STATE_UNKNOWN))
			continue;
		buf_addf(&p->text, "%s %s (G%llu)",
			 told++ ? "," : "; running then:", problem_function(s, g.start_func_id),
			 (unsigned long long)g.goid);
		problem_see_goroutine(p, g.goid, "events");
		problem_goids(p, &g.goid, 1);
	}
}

/* Who ended it, where that can be thought; os.Exit() and log.Fatal() leave nothing else. */
static void say_why_ended(struct scene *s, struct problem *p)
{
	int status = view_exit_status(&s->info);

	if (view_exit_signal(&s->info) == SIGKILL)
		buf_adds(&p->text, "; by somebody, or by the kernel where memory ran out (dmesg)");
	else if (status == 2)
		buf_adds(&p->text, "; 2 is Go's after a panic or a fatal error, whose stack is in "
				   "what it wrote to stderr");
	if (status > 0)
		say_last_running(s, p);
}

static void say_ended(struct scene *s)
{
	struct problem *p;

	if (s->info.state != PROC_EXITED) {
		say_stopped(s);
		return;
	}
	p = problem_add(s, PROBLEM_TARGET, PROBLEM_CRITICAL, UINT64_MAX);
	if (!p)
		return;
	buf_adds(&p->text, s->info.execed ? "the process executed " : "the program has ended");
	if (s->info.execed)
		buf_adds(&p->text, *s->info.execed_path ? s->info.execed_path : "another program");
	view_ended_as(&s->info, &p->text);
	if (!s->v->replay && monotonic_ns() > s->info.exited_ns) {
		buf_adds(&p->text, ", ");
		emit_duration(&p->text, monotonic_ns() - s->info.exited_ns);
		buf_adds(&p->text, " ago");
	}
	buf_adds(&p->text, ": what is told of it is as it was then");
	say_why_ended(s, p);
	problem_see(p, "health");
	problem_see(p, "stacks");
}

/* How long the past goes back that growth is seen in. */
static uint64_t watched_ns(const struct scene *s)
{
	return s->past && s->past->n ? view_since(s->now, s->past->moments[0].time_ns) : 0;
}

static bool sees_samples(const struct scene *s)
{
	struct live_probes p;

	return view_probes(s->v, s->proc, &p) && probe_levels[p.level].samples_allocations;
}

static void ask_runtime(struct scene *s)
{
	const struct live *live = s->v->live;

	s->runtime_known =
		live->runtime_known && live->runtime_known(live->ctx, s->proc, &s->runtime);
	s->runtime_fresh = s->runtime_known && view_since(s->now, s->runtime.read_ns) <= COUNTED_NS;
	s->cpu_wait =
		s->runtime_known && s->runtime.cpu_wait_ratio > 0 ? s->runtime.cpu_wait_ratio : 0;
}

bool problems_judge_cpu(const struct scene *s)
{
	return s->cpu_sampled && s->cpu.ns >= problem_rules[PROBLEM_CPU].over_ns;
}

bool problems_judge_events(const struct scene *s)
{
	const struct second *second = &s->starts.second;

	return s->has & NEEDS_EVENTS && (second->ns >= EVENTS_OVER_S * NS_PER_SEC ||
					 (second->cut && second->ns >= PROBLEM_LEAST_NS));
}

static void see_what_can_be_seen(struct scene *s)
{
	bool lives = s->info.state == PROC_RUNNING;

	ask_runtime(s);
	s->has = s->starts.second.states ? NEEDS_EVENTS : 0;
	s->has |= s->stacks.stacks ? NEEDS_STACKS : 0;
	s->has |= watched_ns(s) >= 2 * PAST_STEP_NS ? NEEDS_PAST : 0;
	s->has |= s->v->live->leaks_known && lives ? NEEDS_LEAKS : 0;
	s->has |= s->starts.second.events || sees_samples(s) ? NEEDS_ALLOCS : 0;
	s->has |= s->v->live->audit ? NEEDS_LIVE : 0;
	s->has |= s->stacks.graph ? NEEDS_OBJECTS : 0;
	s->has |=
		s->runtime_known && s->runtime.growth.watched_ns >= HEAP_GROWS_NS ? NEEDS_HEAP : 0;
	s->has |= s->has & NEEDS_EVENTS || (s->runtime_fresh && s->runtime.starts_judged >= 0)
			  ? NEEDS_STARTS
			  : 0;
	s->has |= s->runtime_fresh && s->runtime.files != RUNTIME_UNKNOWN &&
				  s->runtime.files_most != RUNTIME_UNKNOWN
			  ? NEEDS_FILES
			  : 0;
	s->has |= lives ? NEEDS_RUNNING : 0;
	s->has |= s->unread ? 0 : NEEDS_ALL;
	s->has |= s->v->meter && s->v->live->health ? NEEDS_METER : 0;
	/* Just now; of one that has ended, then. */
	s->cpu_sampled =
		samples_on(model_samples(s->v->model), SAMPLE_CPU, view_now(s->v, s->proc));
	s->has |= s->cpu_sampled || s->has & NEEDS_EVENTS ? NEEDS_CPU : 0;
}

/* Who else runs just now, where the process that is meant unless one is named is looked at. */
static void see_others(struct scene *s)
{
	struct model *m = s->v->model;
	struct proc_info info;

	if (s->proc != model_proc_root(m))
		return;
	for (unsigned i = 0; i < model_procs(m); i++) {
		if (i == s->proc || model_proc(m, i, &info) < 0 || info.state != PROC_RUNNING)
			continue;
		if (s->n_others < PROBLEM_OTHERS)
			s->others[s->n_others] = info.pid;
		s->n_others++;
	}
}

static int look(struct scene *s, const struct view *v, unsigned proc)
{
	static problem_fn *const all[] = {
		say_ended,        problems_of_waits, problems_of_growth,
		problems_of_ends, problems_of_leaks, problems_of_latency,
		problems_of_cpu,  problems_of_wakes, problems_of_allocation,
		problems_of_heap, problems_of_files, problems_of_gc,
		problems_of_cost, problems_of_trust,
	};
	int err = model_proc(v->model, proc, &s->info);

	s->v = v;
	s->proc = proc;
	s->now = view_now(v, proc);
	/* Before and after: what was read in between may be of less than all. */
	s->unread = view_unread(v, proc);
	if (!err)
		err = wait_stacks_read(v, proc, true, &s->stacks);
	if (!err)
		err = starts_read(v, proc, EVENTS_OVER_S * NS_PER_SEC, &s->starts);
	if (!err)
		err = model_past(v->model, proc, &s->past);
	if (!err)
		err = view_cpu_recent(v, proc, problem_rules[PROBLEM_CPU].over_ns, &s->cpu);
	s->list = calloc(PROBLEMS_MAX, sizeof(*s->list));
	if (!err && !s->list)
		err = -ENOMEM;
	if (err)
		return err;
	model_totals(v->model, (int)proc, &s->totals);
	s->unread |= view_unread(v, proc);
	see_others(s);
	see_what_can_be_seen(s);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		all[i](s);
	problem_memory_merge(v->problems, s);
	qsort(s->list, s->n, sizeof(*s->list), worst_first);
	for (unsigned i = 0; i < s->n && !err; i++)
		err = buf_error(&s->list[i].text);
	return err;
}

static void scene_free(struct scene *s)
{
	for (unsigned i = 0; s->list && i < s->n; i++)
		buf_free(&s->list[i].text);
	free(s->list);
	free(s->past);
	wait_stacks_done(&s->stacks);
	starts_free(&s->starts);
}

/* --- showing ---------------------------------------------------------------------------------- */

/* What a kind is not looked for without; "": it is. */
static const char *blind_to(const struct scene *s, const struct problem_rule *rule)
{
	unsigned lacks = rule->needs & ~s->has;

	if (lacks & NEEDS_LIVE)
		return "nobody audits a recording";
	if (lacks & NEEDS_LEAKS)
		return !s->v->live->leaks_known || !(s->has & NEEDS_RUNNING)
			       ? "the memory of a process that lives is needed"
		       : s->err == -EAGAIN ? "memory was not looked through yet: ask again soon"
					   : "memory could not be looked through";
	if (lacks & NEEDS_STACKS)
		return "there are no stacks to be had";
	if (lacks & NEEDS_OBJECTS)
		return s->has & NEEDS_RUNNING ? "memory does not tell what they wait on"
					      : "what they wait on is read from the memory of a "
						"process that lives";
	if (lacks & NEEDS_ALL)
		return VIEW_UNREAD;
	if (lacks & NEEDS_RUNNING)
		return "the program has ended, and all of its goroutines with it";
	if (lacks & NEEDS_METER)
		return "nobody measures what a recording cost";
	if (lacks & NEEDS_EVENTS)
		return "no events are seen just now, or not all changes of state";
	if (lacks & NEEDS_STARTS)
		return "no events are seen just now, and how many were started has not been read "
		       "for as long";
	if (lacks & NEEDS_CPU)
		return "processors are not sampled, and no events are seen just now";
	if (lacks & NEEDS_ALLOCS)
		return "no allocations are seen just now";
	if (lacks & NEEDS_HEAP)
		return "what is live in the heap after a collection has not been watched for as "
		       "long, or is not known";
	if (lacks & NEEDS_FILES)
		return "how many descriptors are open is not known";
	if (lacks & NEEDS_PAST)
		return "it has not been watched for long enough";
	return "";
}

static void text_problem(const struct problem *p, struct buf *out)
{
	buf_addf(out, "%s %s: ", severities[p->severity], problem_rules[p->kind].name);
	text_line(out, p->text.data ? p->text.data : "");
	for (unsigned i = 0; i < PROBLEM_SEES && p->see[i][0]; i++) {
		buf_adds(out, i ? " " : "; see ");
		text_line(out, p->see[i]);
	}
	buf_addc(out, '\n');
}

/* What takes its time to be seen has had it in so many whole seconds; 0: it has had it. */
static uint64_t too_early_ns(const struct scene *s)
{
	/* How long those that were there before us have waited may be known from the first reading
	 * on only. */
	uint64_t ns = view_since(s->now, MAX(s->info.attached_ns, s->totals.first_read_ns));

	if (s->v->replay || s->info.state != PROC_RUNNING || s->unread || ns >= PROBLEM_EARLY_NS)
		return 0;
	return (PROBLEM_EARLY_NS - ns + NS_PER_SEC - 1) / NS_PER_SEC * NS_PER_SEC;
}

static void add_too_early(const struct scene *s, struct buf *out)
{
	uint64_t ns = too_early_ns(s);

	if (!ns)
		return;
	buf_adds(out, "too early to tell: what grows, ended, takes processors or memory, waits for "
		      "long or for a processor is seen after 5 to 15 s; look again in ");
	emit_duration(out, ns);
	buf_addc(out, '\n');
}

/* What comes and goes is told on for a while once it was seen: of one look that is nothing. */
static void add_alone(const struct scene *s, struct buf *out)
{
	if (s->alone && !s->v->replay)
		buf_adds(out, "one look: blocked, convoy, downstream, work and syscalls are of "
			      "this moment, and "
			      "may come and go; look again in 1 to 10 s\n");
}

/* Of several processes each has its own: who looks at one must not take that for all. */
static void add_others(const struct scene *s, struct buf *out)
{
	if (!s->n_others)
		return;
	buf_addf(out, "of process %d alone; %u more %s: see", s->info.pid, s->n_others,
		 s->n_others == 1 ? "runs" : "run");
	for (unsigned i = 0; i < MIN(s->n_others, PROBLEM_OTHERS); i++)
		buf_addf(out, "%s processes/%d/problems", i ? "," : "", s->others[i]);
	buf_adds(out, s->n_others > PROBLEM_OTHERS ? ", …\n" : "\n");
}

/* By name: it is one screen. Who reads only the first lines must not take what is looked for as
 * found; least of all that the program has ended, the first of the kinds. */
static void add_looked_for(const struct scene *s, struct buf *out)
{
	const char *between = "  ";

	buf_adds(out, "\nlooked for, and not found unless above:\n");
	for (unsigned i = 0; i < PROBLEM_KINDS; i++) {
		const struct problem_rule *rule = problem_rule_told(i);

		if (*blind_to(s, rule))
			continue;
		buf_adds(out, between);
		buf_adds(out, rule->name);
		between = ", ";
	}
	buf_adds(out, "\n  what each is, with its thresholds: cat looked_for\n");
}

static int as_text(const struct scene *s, struct buf *out)
{
	buf_addf(out, "problems %u, watched for ", s->n);
	emit_duration(out, view_since(s->now, s->info.attached_ns));
	buf_adds(out, ", goroutines by ");
	buf_adds(out, s->starts.second.events ? "events" : "memory alone");
	if (s->unread)
		buf_adds(out, "; " VIEW_UNREAD);
	buf_adds(out, s->v->replay ? ", of a recording\n" : "\n");
	add_others(s, out);
	for (unsigned i = 0; i < s->n; i++)
		text_problem(&s->list[i], out);
	if (!s->n)
		buf_adds(out, s->unread ? "nothing found so far\n" : "nothing found\n");
	add_too_early(s, out);
	add_alone(s, out);
	add_looked_for(s, out);
	for (unsigned i = 0; i < PROBLEM_KINDS; i++) {
		if (*blind_to(s, &problem_rules[i]))
			buf_addf(out, "  not looked for: %s: %s\n", problem_rules[i].name,
				 blind_to(s, &problem_rules[i]));
	}
	return buf_error(out);
}

static void json_problem(const struct scene *s, const struct problem *p, struct buf *out)
{
	buf_addc(out, '{');
	json_ks(out, "kind", problem_rules[p->kind].name);
	json_ks(out, "severity", severities[p->severity]);
	json_ks(out, "text", p->text.data ? p->text.data : "");
	json_ks(out, "function", p->function);
	json_ku(out, "as_of_unix_ns", view_unix(s->v, p->as_of_ns ? p->as_of_ns : s->now));
	json_key(out, "see");
	buf_addc(out, '[');
	for (unsigned i = 0; i < PROBLEM_SEES && p->see[i][0]; i++) {
		if (i)
			buf_addc(out, ',');
		json_str(out, p->see[i]);
	}
	buf_addc(out, ']');
	json_key(out, "goids");
	buf_addc(out, '[');
	for (unsigned i = 0; i < p->n_goids; i++)
		buf_addf(out, "%s%llu", i ? "," : "", (unsigned long long)p->goids[i]);
	buf_adds(out, "]}");
}

static int as_json(const struct scene *s, struct buf *out)
{
	cleanup_buf_ struct buf rule = BUF_INIT;

	buf_addc(out, '{');
	json_ku(out, "as_of_unix_ns", view_unix(s->v, s->now));
	json_ku(out, "watched_ns", view_since(s->now, s->info.attached_ns));
	json_ks(out, "goroutines_by", s->starts.second.events ? "events" : "memory");
	json_kb(out, "unread", s->unread);
	json_kb(out, "one_look", s->alone && !s->v->replay);
	json_ku(out, "too_early_ns", too_early_ns(s));
	json_ku(out, "other_processes", s->n_others);
	json_key(out, "problems");
	buf_addc(out, '[');
	for (unsigned i = 0; i < s->n; i++) {
		if (i)
			buf_addc(out, ',');
		json_problem(s, &s->list[i], out);
	}
	buf_addc(out, ']');
	json_key(out, "looked_for");
	buf_addc(out, '[');
	for (unsigned i = 0; i < PROBLEM_KINDS; i++) {
		const char *blind = blind_to(s, &problem_rules[i]);

		buf_reset(&rule);
		problem_rule_add(&problem_rules[i], &rule);
		buf_adds(out, i ? ",{" : "{");
		json_ks(out, "kind", problem_rules[i].name);
		json_ks(out, "threshold", rule.data ? rule.data : "");
		json_kb(out, "seen", !*blind);
		json_ks(out, "why_not", blind);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
	return buf_error(out);
}

int view_problems(const struct view *v, struct view_query *q, struct buf *out)
{
	struct scene s = {.n = 0};
	int err = look(&s, v, q->proc);

	if (!err)
		err = q->form == VIEW_JSON ? as_json(&s, out) : as_text(&s, out);
	scene_free(&s);
	return err;
}
