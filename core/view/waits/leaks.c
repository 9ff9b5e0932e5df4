/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who can never go on, and whose doing that is: groups from memory (core/memory/leak_report.h),
 * with names and ages from the model. Groups that look alike are one block. Any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/memory/leak_report.h"
#include "core/model/functions.h"
#include "core/view/dump.h"
#include "core/view/groups.h"
#include "core/view/growth.h"
#include "core/view/starts.h"
#include "core/view/view_internal.h"
#include "core/view/waits/leaks.h"
#include "core/view/waits/waits.h"

#define BRIEFS_WAIT_NS (2 * NS_PER_SEC)
#define BRIEFS_NAP_NS  20000000
#define BLOCKS_SHOWN   100
#define MEMBERS_SHOWN  20 /* of a block */
#define STACKS_SHOWN   20 /* each costs a reading */
#define GROWING_SHOWN  20
#define MARKED         "marked as leaked by the program's own profile"

struct block {
	uint64_t key;   /* what groups that look alike have in common */
	uint32_t group; /* the first of them */
	uint64_t alike, goroutines;
	uint64_t joined;    /* since the report's baseline */
	uint64_t oldest_ns; /* of the culprits */
	bool at_least;      /* it may be older */
};

struct leaks {
	const struct view *v;
	unsigned proc;
	uint64_t now;
	const struct leak_report *report;
	struct groups blocks;
	struct goroutine g; /* what the model knows of the one at hand; goid 0: nothing */
};

static const char *const meanings[LEAK_KINDS] = {
	[LEAK_CYCLE] = "each waits for what the next one likely holds",
	[LEAK_SELF] = "waits for a lock that it likely holds itself",
	[LEAK_ORPHAN] = "nobody who can still run refers to what it waits on",
	[LEAK_NEVER] = "waits on nothing that could ever wake it",
};

static const struct leak_member *members_of(const struct leaks *l, const struct leak_group *group)
{
	return &l->report->groups.members[group->first];
}

static const struct wait_goroutine *waiter(const struct leaks *l, const struct leak_member *m)
{
	return &l->report->graph->goroutines[m->goroutine];
}

static const struct wait_holder *step_of(const struct leaks *l, const struct leak_group *group,
					 uint32_t i)
{
	const struct leak_member *m = &members_of(l, group)[i];

	return m->holder == LEAK_NONE ? NULL : &l->report->graph->holders[m->holder];
}

/* The iterator's side of an iter.Pull, which waits to be asked. */
static bool is_unstopped(const struct leaks *l, const struct leak_member *m)
{
	const struct wait_graph *graph = l->report->graph;

	return waiter(l, m)->runs && m->object != LEAK_NONE &&
	       graph->objects[m->object].kind == WAIT_CORO;
}

/* Of what iter.Pull has made, which all begin alike; "" else. */
static const char *iterator_of(const struct leaks *l, const struct leak_member *m)
{
	return wait_graph_text(l->report->graph, waiter(l, m)->runs);
}

/* *ret_possible: a step of the cycle is no more than that. */
static const char *meaning(const struct leaks *l, const struct leak_group *group,
			   bool *ret_possible)
{
	bool awaits = false, possible = false;

	for (uint32_t i = 0; i < group->culprits && group->kind == LEAK_CYCLE; i++) {
		const struct wait_holder *h = step_of(l, group, i);

		awaits |= h && h->awaits;
		possible |= h && !wait_holder_is_likely(h);
	}
	if (ret_possible)
		*ret_possible = possible;
	if (group->kind == LEAK_ORPHAN && is_unstopped(l, &members_of(l, group)[0]))
		return "an iter.Pull that nobody can ask again: its stop was not called";
	return awaits     ? "each waits for what the next one holds, or has to do first, likely "
			    "or possibly"
	       : possible ? "each waits for what the next one holds, likely or possibly"
			  : meanings[group->kind];
}

static void look_up(struct leaks *l, const struct leak_member *m)
{
	if (model_goroutine(l->v->model, l->proc, waiter(l, m)->goid, &l->g))
		l->g = (struct goroutine){.goid = 0};
}

/* --- blocks ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x9e3779b97f4a7c15ULL;
}

static uint64_t key_of(struct leaks *l, const struct leak_group *group)
{
	uint64_t key = mix(mix(1, (uint64_t)group->kind * 2 + group->proven), group->culprits);

	key = mix(key, group->n);
	for (uint32_t i = 0; i < group->n && i < MEMBERS_SHOWN; i++) {
		const struct leak_member *m = &members_of(l, group)[i];

		look_up(l, m);
		key = mix(mix(key, l->g.start_func_id), l->g.created_site_id);
		key = mix(key, l->g.reason_id);
		key = mix(key, waiter(l, m)->runs); /* of one text, one: reading_text() */
	}
	return key;
}

static int gather(struct leaks *l)
{
	for (size_t i = 0; i < l->report->groups.n; i++) {
		const struct leak_group *group = &l->report->groups.groups[i];
		struct block *b = groups_row(&l->blocks, key_of(l, group));

		if (!b)
			return -ENOMEM;
		if (!b->alike++)
			b->group = (uint32_t)i;
		b->goroutines += group->n;
		for (uint32_t k = 0; k < group->n; k++)
			b->joined += leak_baseline_lacks(&l->report->earlier,
							 waiter(l, &members_of(l, group)[k])->goid);
		for (uint32_t k = 0; k < group->culprits && k < MEMBERS_SHOWN; k++) {
			look_up(l, &members_of(l, group)[k]);
			if (!l->g.goid)
				continue;
			b->oldest_ns = MAX(b->oldest_ns, view_age_ns(&l->g, l->now));
			b->at_least |= !!(l->g.flags & GOROUTINE_FOUND);
		}
	}
	return 0;
}

/* Most goroutines first; what is proven before what is suspect. */
static int by_weight(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->goroutines != y->goroutines)
		return x->goroutines > y->goroutines ? -1 : 1;
	return x->group < y->group ? -1 : x->group > y->group;
}

static uint64_t suspects(const struct leak_report *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->groups.n; i++) {
		const struct leak_group *group = &r->groups.groups[i];

		for (uint32_t k = 0; k < group->n && !group->proven; k++)
			n += !r->groups.members[group->first + k].proven;
	}
	return n;
}

/* --- where they are ------------------------------------------------------------------------- */

static void take_place(void *ctx, const struct dump_stack *stack)
{
	const struct dump_place place = dump_place(stack);
	const struct dump_frame *f = place.own ? place.own : place.frame;
	struct buf *out = ctx;

	if (f && f->at)
		buf_add(out, f->at, f->at_len);
}

static void add_where(const struct leaks *l, const struct leak_member *m, struct buf *out)
{
	cleanup_buf_ struct buf stack = BUF_INIT;
	uint64_t as_of_ns = 0;

	if (l->v->live->stack &&
	    !l->v->live->stack(l->v->live->ctx, l->proc, waiter(l, m)->goid, &stack, &as_of_ns) &&
	    stack.data)
		dump_parse(stack.data, stack.len, take_place, out);
}

/* --- text ------------------------------------------------------------------------------------- */

static void add_goroutine(struct leaks *l, const struct leak_member *m, bool with_stack,
			  struct buf *out)
{
	const struct wait_graph *graph = l->report->graph;
	const struct names *names = model_names(l->v->model);
	/* The graph's texts are the program's own; the model's names are escaped already. */
	cleanup_buf_ struct buf text = BUF_INIT;
	const char *func;
	uint64_t goid = waiter(l, m)->goid;

	look_up(l, m);
	func = l->g.goid ? names_string(names, l->g.start_func_id) : "";
	buf_addf(out, "  %s goroutine %llu %s", m->culprit ? "*" : " ", (unsigned long long)goid,
		 *func ? func : "?");
	if (with_stack)
		add_where(l, m, &text);
	if (text.len)
		buf_addf(out, " at %s", text.data);
	buf_reset(&text);
	if (m->object != LEAK_NONE) {
		buf_adds(out, ", waits on ");
		view_add_object(graph, &graph->objects[m->object], &text);
		text_line(out, text.data ? text.data : "");
	} else if (waiter(l, m)->n_waits > 1) {
		buf_addf(out, ", waits on %u channels", waiter(l, m)->n_waits);
	} else if (l->g.goid) {
		buf_addf(out, ", %s", names_string(names, l->g.reason_id));
	}
	buf_reset(&text);
	if (l->g.goid)
		view_site_file(names, l->g.created_site_id, &text);
	if (text.len)
		buf_addf(out, ", created in %s", text.data);
	if (text.len && *iterator_of(l, m)) {
		buf_adds(out, ", which runs ");
		text_line(out, iterator_of(l, m));
	}
	buf_addc(out, '\n');
	if (waiter(l, m)->marked)
		buf_addf(out, "      %s\n", MARKED);
	if (m->holder == LEAK_NONE)
		return;
	buf_addf(out, "      %s %s %llu: ",
		 wait_holder_is_likely(&graph->holders[m->holder]) ? "likely" : "possible",
		 graph->objects[graph->holders[m->holder].object].kind == WAIT_CHAN ? "other end"
										    : "holder",
		 (unsigned long long)graph->holders[m->holder].goid);
	buf_reset(&text);
	view_add_evidence(graph, &graph->holders[m->holder], &text);
	text_line(out, text.data ? text.data : "");
	buf_addc(out, '\n');
}

static void add_stack(struct leaks *l, const struct leak_member *m, struct buf *out)
{
	cleanup_buf_ struct buf stack = BUF_INIT;
	uint64_t as_of_ns = 0;

	if (!l->v->live->stack ||
	    l->v->live->stack(l->v->live->ctx, l->proc, waiter(l, m)->goid, &stack, &as_of_ns))
		return;
	for (const char *line = stack.data; line && *line;) {
		size_t len = strcspn(line, "\n");

		buf_adds(out, "      ");
		buf_add(out, line, len);
		buf_addc(out, '\n');
		line += len + (line[len] == '\n');
	}
}

/* Between the baseline and this look. */
static double watched_s(const struct leaks *l)
{
	return (double)(l->report->end_ns - l->report->earlier.end_ns) / NS_PER_SEC;
}

static double per_minute(const struct leaks *l, const struct block *b)
{
	double s = watched_s(l);

	return s > 0 ? (double)b->joined * 60 / s : 0;
}

static void add_block(struct leaks *l, const struct block *b, bool with_stack, struct buf *out)
{
	const struct leak_group *group = &l->report->groups.groups[b->group];
	uint32_t keeps = group->n - group->culprits;

	buf_addf(out, "\ngroup %s %s: %llu goroutine%s", group->proven ? "leaked" : "suspect",
		 leak_kind_name(group->kind), (unsigned long long)b->goroutines,
		 b->goroutines == 1 ? "" : "s");
	if (b->alike > 1)
		buf_addf(out, " in %llu groups alike, the first", (unsigned long long)b->alike);
	if (keeps)
		buf_addf(out, ", keeps %u waiting", keeps);
	if (b->oldest_ns) {
		buf_addf(out, ", oldest %s", b->at_least ? "at least " : "");
		emit_duration(out, b->oldest_ns);
	}
	if (l->report->earlier.end_ns && group->proven)
		buf_addf(out, ", growth %.1f a minute (%llu in %.0f s)", per_minute(l, b),
			 (unsigned long long)b->joined, watched_s(l));
	buf_addf(out, "\n  %s\n", meaning(l, group, NULL));
	for (uint32_t i = 0; i < group->n && i < MEMBERS_SHOWN; i++)
		add_goroutine(l, &members_of(l, group)[i], with_stack, out);
	if (group->n > MEMBERS_SHOWN)
		buf_addf(out, "    ... and %u more\n", group->n - MEMBERS_SHOWN);
	if (with_stack)
		add_stack(l, members_of(l, group), out);
}

static void add_head(const struct leaks *l, bool late, struct buf *out)
{
	const struct leak_report *r = l->report;

	buf_addf(out, "leaked %zu\nsuspect %llu\n", leak_report_leaked(r),
		 (unsigned long long)suspects(r));
	buf_addf(out, "unconfirmed %zu\ncandidates %zu\npasses %u\n", r->open, r->candidates,
		 r->passes);
	buf_addf(out, "as_of_unix_ns %llu\n", (unsigned long long)view_unix(l->v, r->end_ns));
	buf_addf(out, "pass_ns %llu\nheap_bytes %llu\nobjects_reached %llu\n",
		 (unsigned long long)(r->end_ns - r->begin_ns), (unsigned long long)r->heap_bytes,
		 (unsigned long long)r->objects);
	buf_addf(out, "unread_bytes %llu\nunread_spans %llu\n", (unsigned long long)r->unread_bytes,
		 (unsigned long long)r->spans_skipped);
	buf_addf(out, "stacks_by_words %llu\nrestless_goroutines %zu\n",
		 (unsigned long long)r->stacks_by_words, r->restless);
	buf_addf(out, "moved_goroutines %llu\nunreadable_goroutines %llu\nunsearched_stacks %llu\n",
		 (unsigned long long)r->graph->moved, (unsigned long long)r->graph->unreadable,
		 (unsigned long long)r->graph->stacks_unread);
	buf_addf(out, "under_way %s\n", late ? "yes" : "no");
}

struct growing {
	const char *function;
	uint64_t then, now, ns, goid;
};

static uint64_t grew(const struct growing *g)
{
	return g->now - g->then;
}

/* Those that grew most, and how many there are. */
struct growing_list {
	struct growing first[GROWING_SHOWN];
	size_t n;
};

/* Start functions whose goroutines only grow in number, those that grew most first: whatever they
 * wait on, and though some of them end. None where nobody has watched. */
static int find_growing(const struct leaks *l, struct growing_list *ret)
{
	cleanup_free_ struct model_past *past = NULL;
	struct starts starts;
	int err = model_past(l->v->model, l->proc, &past);

	ret->n = 0;
	if (err || !past->n)
		return err;
	err = starts_read(l->v, l->proc, 0, &starts);
	for (size_t i = 0; !err && i < starts.rows.n; i++) {
		const struct start_row *row = starts_row(&starts, i);
		struct growing g = {names_string(model_names(l->v->model), (uint32_t)row->func_id),
				    .now = row->f.live, .goid = row->goid};
		size_t at = MIN(ret->n, (size_t)GROWING_SHOWN);

		if (row->system || !growth_of(past, (uint32_t)row->func_id, row->f.live, starts.now,
					      &g.then, &g.ns))
			continue;
		for (; at > 0 && grew(&ret->first[at - 1]) < grew(&g); at--)
			if (at < GROWING_SHOWN)
				ret->first[at] = ret->first[at - 1];
		if (at < GROWING_SHOWN)
			ret->first[at] = g;
		ret->n++;
	}
	starts_free(&starts);
	return err;
}

static int add_growing(const struct leaks *l, struct buf *out)
{
	struct growing_list list;
	int err = find_growing(l, &list);

	for (size_t i = 0; i < list.n && i < GROWING_SHOWN; i++) {
		const struct growing *g = &list.first[i];

		buf_addf(out, "\nsuspect growing: %s %llu -> %llu in ", g->function,
			 (unsigned long long)g->then, (unsigned long long)g->now);
		emit_duration(out, g->ns);
		buf_addf(out, ", one is goroutine %llu\n", (unsigned long long)g->goid);
		buf_adds(out, "  by their number alone: it grows, and never falls by much\n");
	}
	if (list.n > GROWING_SHOWN)
		buf_addf(out, "\n... cut: %zu more\n", list.n - GROWING_SHOWN);
	return err;
}

static int json_growing(const struct leaks *l, struct buf *out)
{
	struct growing_list list;
	int err = find_growing(l, &list);

	json_key(out, "growing");
	buf_addc(out, '[');
	for (size_t i = 0; i < list.n && i < GROWING_SHOWN; i++) {
		const struct growing *g = &list.first[i];

		buf_adds(out, i ? ",{" : "{");
		json_ks(out, "function", g->function);
		json_ku(out, "then", g->then);
		json_ku(out, "now", g->now);
		json_ku(out, "over_ns", g->ns);
		json_ku(out, "goid", g->goid);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
	json_ku(out, "more_growing", list.n > GROWING_SHOWN ? list.n - GROWING_SHOWN : 0);
	return err;
}

static int as_text(struct leaks *l, bool late, struct buf *out)
{
	const struct block *blocks = (const void *)l->blocks.rows;
	int err;

	add_head(l, late, out);
	for (size_t i = 0; i < l->blocks.n && i < BLOCKS_SHOWN; i++)
		add_block(l, &blocks[i], i < STACKS_SHOWN, out);
	if (l->blocks.n > BLOCKS_SHOWN)
		buf_addf(out, "\n... cut: %zu more\n", l->blocks.n - BLOCKS_SHOWN);
	err = add_growing(l, out);
	return err ? err : buf_error(out);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_member(struct leaks *l, const struct leak_member *m, bool with_stack,
			struct buf *out)
{
	const struct wait_graph *graph = l->report->graph;
	const struct names *names = model_names(l->v->model);
	cleanup_buf_ struct buf text = BUF_INIT;

	look_up(l, m);
	buf_addc(out, '{');
	json_ku(out, "goid", waiter(l, m)->goid);
	json_kb(out, "culprit", m->culprit);
	json_kb(out, "proven", m->proven);
	json_kb(out, "marked_by_runtime", waiter(l, m)->marked);
	json_ks(out, "function", l->g.goid ? names_string(names, l->g.start_func_id) : "");
	if (with_stack)
		add_where(l, m, &text);
	json_ks(out, "at", text.data ? text.data : "");
	buf_reset(&text);
	if (l->g.goid)
		view_site_file(names, l->g.created_site_id, &text);
	json_ks(out, "created_at", text.data ? text.data : "");
	if (*iterator_of(l, m))
		json_ks(out, "runs", iterator_of(l, m));
	json_ks(out, "wait_reason", l->g.goid ? names_string(names, l->g.reason_id) : "");
	if (l->g.goid)
		json_ku(out, "age_ns", view_age_ns(&l->g, l->now));
	if (m->object != LEAK_NONE) {
		buf_reset(&text);
		view_add_object(graph, &graph->objects[m->object], &text);
		json_ks(out, "waits_on", text.data ? text.data : "");
		buf_reset(&text);
		buf_addx(&text, graph->objects[m->object].address);
		json_ks(out, "object", text.data ? text.data : "");
	}
	if (m->holder != LEAK_NONE) {
		buf_reset(&text);
		view_add_evidence(graph, &graph->holders[m->holder], &text);
		json_ku(out, "likely_holder", graph->holders[m->holder].goid);
		json_ks(out, "evidence", text.data ? text.data : "");
	}
	buf_addc(out, '}');
}

static void json_block(struct leaks *l, const struct block *b, bool with_stack, struct buf *out)
{
	const struct leak_group *group = &l->report->groups.groups[b->group];
	cleanup_buf_ struct buf stack = BUF_INIT;

	buf_addc(out, '{');
	json_ks(out, "level", group->proven ? "leaked" : "suspect");
	json_ks(out, "kind", leak_kind_name(group->kind));
	json_ks(out, "meaning", meaning(l, group, NULL));
	json_ku(out, "goroutines", b->goroutines);
	json_ku(out, "alike", b->alike);
	json_ku(out, "keeps_waiting", group->n - group->culprits);
	json_ku(out, "oldest_age_ns", b->oldest_ns);
	json_kb(out, "oldest_age_at_least", b->at_least);
	if (l->report->earlier.end_ns && group->proven) {
		json_ku(out, "joined", b->joined);
		json_ku(out, "joined_since_unix_ns", view_unix(l->v, l->report->earlier.end_ns));
		json_kd(out, "growth_per_minute", per_minute(l, b));
	}
	json_key(out, "members");
	buf_addc(out, '[');
	for (uint32_t i = 0; i < group->n && i < MEMBERS_SHOWN; i++) {
		if (i)
			buf_addc(out, ',');
		json_member(l, &members_of(l, group)[i], with_stack, out);
	}
	buf_addc(out, ']');
	json_ku(out, "more_members", group->n > MEMBERS_SHOWN ? group->n - MEMBERS_SHOWN : 0);
	if (with_stack)
		add_stack(l, members_of(l, group), &stack);
	json_ks(out, "stack", stack.data ? stack.data : "");
	buf_addc(out, '}');
}

static int as_json(struct leaks *l, bool late, struct buf *out)
{
	const struct block *blocks = (const void *)l->blocks.rows;
	const struct leak_report *r = l->report;
	int err;

	buf_addc(out, '{');
	json_ku(out, "leaked", leak_report_leaked(r));
	json_ku(out, "suspect", suspects(r));
	json_ku(out, "unconfirmed", r->open);
	json_ku(out, "candidates", r->candidates);
	json_ku(out, "passes", r->passes);
	json_ku(out, "as_of_unix_ns", view_unix(l->v, r->end_ns));
	json_ku(out, "pass_ns", r->end_ns - r->begin_ns);
	json_ku(out, "heap_bytes", r->heap_bytes);
	json_ku(out, "objects_reached", r->objects);
	json_ku(out, "unread_bytes", r->unread_bytes);
	json_ku(out, "unread_spans", r->spans_skipped);
	json_ku(out, "stacks_by_words", r->stacks_by_words);
	json_ku(out, "restless_goroutines", r->restless);
	json_ku(out, "moved_goroutines", r->graph->moved);
	json_ku(out, "unreadable_goroutines", r->graph->unreadable);
	json_ku(out, "unsearched_stacks", r->graph->stacks_unread);
	json_kb(out, "under_way", late);
	json_key(out, "groups");
	buf_addc(out, '[');
	for (size_t i = 0; i < l->blocks.n && i < BLOCKS_SHOWN; i++) {
		if (i)
			buf_addc(out, ',');
		json_block(l, &blocks[i], i < STACKS_SHOWN, out);
	}
	buf_addc(out, ']');
	json_ku(out, "more_groups", l->blocks.n > BLOCKS_SHOWN ? l->blocks.n - BLOCKS_SHOWN : 0);
	err = json_growing(l, out);
	buf_adds(out, "}\n");
	return err ? err : buf_error(out);
}

/* No report: the first look takes long, or there is no memory to look through. */
static int nothing(int why, enum view_form form, struct buf *out)
{
	struct emit e;

	emit_begin(&e, form, out);
	if (why == -EAGAIN)
		emit_yes(&e, "under_way", true);
	else
		emit_string(&e, "not_available",
			    why == -ESRCH ? "the program has ended, and nobody looked before"
			    : why == -ENOSYS
				    ? "there is no memory to look through, or this program's "
				      "cannot be read"
			    : why == -E2BIG ? "there is too much of it"
					    : strerror(-why));
	emit_list_begin(&e, "groups");
	emit_list_end(&e);
	return emit_end(&e);
}

/* The last report, if it can have proven anybody: a proof takes several passes. */
static int proven_report(const struct view *v, unsigned proc, struct leak_report **ret)
{
	int err = v->live->leaks_known(v->live->ctx, proc, ret);

	if (err || !(*ret)->beginning)
		return err;
	v->live->leaks_put(v->live->ctx, *ret);
	return -EAGAIN;
}

/* Who looks works at the lowest priority, so that beside a load it may take long: a view of
 * something else does not wait for that. leaks_known() has the look begun. */
static int await_report(const struct view *v, unsigned proc, struct leak_report **ret)
{
	uint64_t until_ns = monotonic_ns() + BRIEFS_WAIT_NS;
	const struct timespec nap = {.tv_nsec = BRIEFS_NAP_NS};
	int err;

	while ((err = proven_report(v, proc, ret)) == -EAGAIN && monotonic_ns() < until_ns)
		nanosleep(&nap, NULL);
	return err;
}

int view_leak_briefs(const struct view *v, unsigned proc, struct leak_brief *ret, size_t max,
		     size_t *ret_n)
{
	struct leaks l = {.v = v, .proc = proc, .blocks = GROUPS_INIT(struct block)};
	struct leak_report *report;
	int err = v->live->leaks_known ? await_report(v, proc, &report) : -ENOSYS;

	*ret_n = 0;
	if (err)
		return err;
	l.report = report;
	l.now = report->end_ns; /* who was seen then may be gone since */
	err = gather(&l);
	groups_sort(&l.blocks, by_weight);
	for (size_t i = 0; i < l.blocks.n && *ret_n < max && !err; i++) {
		const struct block *b = (const struct block *)(void *)l.blocks.rows + i;
		const struct leak_group *group = &report->groups.groups[b->group];
		bool possible;
		const char *means = meaning(&l, group, &possible);

		look_up(&l, members_of(&l, group));
		ret[(*ret_n)++] = (struct leak_brief){
			.suspect = !group->proven,
			.possible = possible,
			.goroutines = b->goroutines,
			.joined = report->earlier.end_ns && group->proven ? b->joined : 0,
			.watched_ns = report->earlier.end_ns
					      ? report->end_ns - report->earlier.end_ns
					      : 0,
			.oldest_ns = b->oldest_ns,
			.as_of_ns = report->end_ns,
			.goid = waiter(&l, members_of(&l, group))->goid,
			.func_id = l.g.start_func_id,
			.site_id = l.g.created_site_id,
			.reason_id = l.g.reason_id,
			.meaning = means,
		};
		snprintf(ret[*ret_n - 1].runs, sizeof(ret->runs), "%s",
			 iterator_of(&l, members_of(&l, group)));
	}
	groups_free(&l.blocks);
	v->live->leaks_put(v->live->ctx, report);
	return err;
}

int view_leaks(const struct view *v, struct view_query *q, struct buf *out)
{
	struct leaks l = {.v = v, .proc = q->proc, .blocks = GROUPS_INIT(struct block)};
	struct leak_report *report;
	struct proc_info info;
	bool late = false;
	int err = model_proc(v->model, q->proc, &info);

	if (!err)
		err = v->live->leaks ? v->live->leaks(v->live->ctx, q->proc, &report, &late)
				     : -ENOSYS;
	if (err)
		return err == -ENOENT || err == -ENOMEM ? err : nothing(err, q->form, out);
	l.report = report;
	l.now = view_now(v, q->proc);
	err = gather(&l);
	groups_sort(&l.blocks, by_weight);
	if (!err)
		err = q->form == VIEW_JSON ? as_json(&l, late, out) : as_text(&l, late, out);
	groups_free(&l.blocks);
	v->live->leaks_put(v->live->ctx, report);
	return err;
}
