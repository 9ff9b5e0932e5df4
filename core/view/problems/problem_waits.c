/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who waits too long, grows in number, or is gone. See problems.h. */
#include <stdio.h>
#include <string.h>

#include "core/view/growth.h"
#include "core/view/origins.h"
#include "core/view/own.h"
#include "core/view/problems/problems.h"
#include "core/view/waits/leaks.h"
#include "core/view/waits/waits.h"

/* --- waiting ---------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool is_lock(const struct wait_object *o)
{
	return o && (o->kind == WAIT_MUTEX || o->kind == WAIT_RWMUTEX);
}

/* It began in what is not the program's own, as net/http does for each connection; the runtime does
 * so for main and for the coroutine of an iter.Pull, who serve nobody. */
static bool is_of_server(const struct wait_stacks *w, const struct wait_stack *row)
{
	const char *start = wait_stacks_text(w, row->start);

	return !own_function(start, strlen(start)) && !begins(start, "runtime.");
}

/* What a row is, or PROBLEM_KINDS: nothing that is worth telling. Idle workers wait, too, and in
 * great numbers: for whoever comes next. */
static enum problem_kind kind_of(const struct wait_stacks *w, const struct wait_stack *row)
{
	const char *why = wait_stacks_text(w, row->why);

	if (row->calls && !row->system && row->own && !row->own_is_start && !row->child)
		return PROBLEM_CALLS;
	/* In code of the program's own none of them waits but who was given some to call. */
	if (row->waits && row->own && row->system)
		return PROBLEM_FINALIZER;
	if (!row->waits || row->system)
		return PROBLEM_KINDS;
	if (row->init)
		return PROBLEM_INIT;
	if (is_lock(wait_stack_object(w, row)))
		return PROBLEM_CONVOY;
	if (begins(why, "chan send"))
		return PROBLEM_BLOCKED;
	/* Whoever asks a database does not idle. */
	if (row->pool)
		return PROBLEM_WORK;
	if (!row->own || row->own_is_start || begins(why, "sleep"))
		return PROBLEM_KINDS;
	if (row->roundtrip)
		return PROBLEM_DOWNSTREAM;
	return is_of_server(w, row) ? PROBLEM_WORK : PROBLEM_KINDS;
}

/* Whoever may end it may wait himself, for one who waits for him. */
static void add_deadlock(struct problem *p, const struct wait_stacks *w, uint64_t goid)
{
	const struct wait_goroutine *g = wait_graph_goroutine(w->graph, goid);
	const struct wait_object *o =
		g && g->n_waits == 1 ? &w->graph->objects[w->graph->waits[g->waits].object] : NULL;
	const struct wait_holder *h = o ? wait_holder_of(w->graph, o) : NULL;

	if (!h || !h->awaits)
		return;
	buf_addf(&p->text, "; possibly a deadlock: that is for G%llu to end, which ",
		 (unsigned long long)h->goid);
	view_add_evidence(w->graph, h, &p->text);
	problem_see_goroutine(p, h->goid, "stack");
	problem_goids(p, &h->goid, 1);
}

/* Who may end it, and what he is at. */
static void add_other_end(struct scene *s, struct problem *p, const struct wait_stack *row)
{
	const struct wait_stacks *w = &s->stacks;
	const struct wait_object *o = wait_stack_object(w, row);
	const struct wait_holder *h = o ? wait_holder_of(w->graph, o) : NULL;
	const struct wait_stack *at = h ? wait_stacks_of(w, h->goid) : NULL;

	if (!o)
		return;
	if (!h) {
		buf_adds(&p->text, "; nobody is known who may end it");
		return;
	}
	/* Stacks are read at another moment than who waits on what. */
	if (is_lock(o) && at && wait_stack_object(w, at) == o) {
		buf_addf(&p->text,
			 "; who has it changes: G%llu, which may have had it a moment ago, waits "
			 "for it itself now",
			 (unsigned long long)h->goid);
		return;
	}
	buf_addf(&p->text, "; %s %s G%llu, which ",
		 wait_holder_is_likely(h) ? "likely" : "possible",
		 is_lock(o) ? "holder" : "other end", (unsigned long long)h->goid);
	view_add_evidence(w->graph, h, &p->text);
	problem_see_goroutine(p, h->goid, "stack");
	problem_goids(p, &h->goid, 1);
	if (!at)
		return;
	buf_addf(&p->text, ", now %s in ", wait_stacks_text(w, at->why));
	problem_add_place(&p->text, w, at);
	add_deadlock(p, w, h->goid);
}

/* ", all on one chan struct {} (len 8, cap 8)": one that is full may be a semaphore, whose slots
 * somebody does not give back. */
static void add_channel(struct problem *p, const struct wait_stacks *w,
			const struct wait_stack *row)
{
	const struct wait_object *o = wait_stack_object(w, row);
	const char *elem;

	/* Where not most of them wait on it, it is one among many. */
	if (!o || o->kind != WAIT_CHAN || !o->state_known || 2 * row->n_on <= row->n)
		return;
	elem = wait_graph_text(w->graph, o->chan.elem);
	if (row->n_on >= row->n)
		buf_adds(&p->text, ", all on one chan");
	else
		buf_addf(&p->text, ", %llu of them on one chan", (unsigned long long)row->n_on);
	buf_addf(&p->text, "%s%s (", *elem ? " " : "", elem);
	if (o->chan.cap)
		buf_addf(&p->text, "len %llu, cap %llu)", (unsigned long long)o->chan.len,
			 (unsigned long long)o->chan.cap);
	else
		buf_adds(&p->text, "unbuffered)");
}

/* ", one of them for tcp 10.0.0.5:40112->10.0.0.9:5432" */
static void add_descriptor(struct problem *p, const struct wait_stacks *w,
			   const struct wait_stack *row)
{
	const struct wait_object *o = wait_stack_object(w, row);
	const char *what = "";

	if (o && o->kind == WAIT_POLL && o->state_known)
		what = wait_graph_text(w->graph, o->poll.socket ? o->poll.socket : o->poll.what);
	if (*what)
		buf_addf(&p->text, ", %s %s", row->n > row->n_on ? "one of them for" : "for", what);
}

/* How many of the row it concerns. */
static uint64_t number_of(const struct wait_stack *row, enum problem_kind kind)
{
	return kind == PROBLEM_CONVOY ? row->n_on : kind == PROBLEM_CALLS ? row->n_calls : row->n;
}

/* Who has the connections that others wait for. */
static void add_queries(struct scene *s, struct problem *p)
{
	const struct wait_stacks *w = &s->stacks;
	const struct wait_stack *most = NULL;
	uint64_t n = 0;

	for (size_t i = 0; i < w->rows.n; i++) {
		const struct wait_stack *row = wait_stacks_row(w, i);

		n += row->queries ? row->n : 0;
		if (row->queries && (!most || row->n > most->n))
			most = row;
	}
	if (!most) {
		buf_adds(&p->text,
			 "; no call of database/sql is under way: somebody may keep Rows, "
			 "a Tx or a Conn open");
		return;
	}
	buf_addf(&p->text, "; %llu %s under way, most of them %s at ", (unsigned long long)n,
		 n == 1 ? "call is" : "calls are", wait_stacks_text(w, most->why));
	problem_add_place(&p->text, w, most);
	problem_see_goroutine(p, most->sample[0], "stack");
}

/* "40 chan receive at ", "30 wait for one Mutex at " */
static void add_what(struct problem *p, const struct wait_stacks *w, const struct wait_stack *row,
		     enum problem_kind kind)
{
	const char *why = wait_stacks_text(w, row->why);

	if (kind == PROBLEM_CONVOY)
		buf_addf(&p->text, "wait for one %s at ",
			 view_object_kind(wait_stack_object(w, row)));
	else if (kind == PROBLEM_DOWNSTREAM)
		buf_addf(&p->text, "wait for %s another server at ",
			 row->connects ? "a connection to" : "the answer of");
	else if (kind == PROBLEM_CALLS)
		buf_addf(&p->text, "in a system call or C code (%s), a thread each, at ",
			 wait_stacks_text(w, row->frame));
	else if (kind == PROBLEM_WORK && row->pool)
		buf_adds(&p->text, "wait for a free connection of a database/sql pool at ");
	else if (kind != PROBLEM_INIT && kind != PROBLEM_FINALIZER)
		buf_addf(&p->text, "%s at ", why);
}

static void tell_wait(struct scene *s, const struct wait_stack *row, enum problem_kind kind)
{
	const struct wait_stacks *w = &s->stacks;
	const struct wait_object *o = wait_stack_object(w, row);
	const char *why = wait_stacks_text(w, row->why);
	bool convoy = kind == PROBLEM_CONVOY;
	uint64_t n = number_of(row, kind);
	bool critical = kind == PROBLEM_BLOCKED || kind == PROBLEM_INIT ||
			kind == PROBLEM_FINALIZER || convoy || n >= 50;
	struct problem *p = problem_add(s, kind, critical ? PROBLEM_CRITICAL : PROBLEM_WARNING, n);

	s->senders_wait |= kind == PROBLEM_BLOCKED;
	if (!p)
		return;
	p->object = convoy ? o->address : 0;
	if (kind == PROBLEM_INIT)
		buf_addf(&p->text, "main has not begun: its goroutine waits, %s at ", why);
	else if (kind == PROBLEM_FINALIZER)
		buf_addf(&p->text,
			 "finalizers are not called: the goroutine that calls them waits, "
			 "%s at ",
			 why);
	else
		buf_addf(&p->text, "%llu ", (unsigned long long)n);
	add_what(p, w, row, kind);
	problem_add_place(&p->text, w, row);
	buf_adds(&p->text, convoy ? ", the longest for " : ", the oldest for ");
	emit_duration(&p->text, row->oldest_ns);
	/* What it was at between two of them nobody knows. */
	if (!s->starts.second.events)
		buf_adds(&p->text, " at each reading of memory");
	snprintf(p->function, sizeof(p->function), "%s",
		 wait_stacks_text(w, row->own ? row->own : row->frame));
	problem_goids(p, row->sample, WAIT_SAMPLES);
	if (kind == PROBLEM_BLOCKED)
		add_channel(p, w, row);
	add_descriptor(p, w, row);
	if (kind == PROBLEM_BLOCKED || kind == PROBLEM_INIT || kind == PROBLEM_FINALIZER || convoy)
		add_other_end(s, p, row);
	if (kind == PROBLEM_WORK && row->pool)
		add_queries(s, p);
	problem_see_goroutine(p, row->sample[0], "stack");
	problem_see(p, "waits.tsv");
}

/* PROBLEM_KINDS: it is none. */
static enum problem_kind problem_of(const struct scene *s, const struct wait_stack *row)
{
	enum problem_kind kind = kind_of(&s->stacks, row);
	const struct problem_rule *rule;

	if (kind == PROBLEM_KINDS)
		return kind;
	rule = &problem_rules[kind];
	if (rule->needs & ~s->has)
		return PROBLEM_KINDS;
	/* Readers of a device wait in it for whoever comes next. */
	if (kind == PROBLEM_CALLS && !is_of_server(&s->stacks, row) && row->n_calls < CALLS_OF_OWN)
		return PROBLEM_KINDS;
	return row->oldest_ns >= rule->ns && number_of(row, kind) >= rule->number ? kind
										  : PROBLEM_KINDS;
}

/* One lock is told of once, though it is waited for in several places. */
static bool told_before(const struct scene *s, size_t place, const struct wait_object *o)
{
	const struct wait_stacks *w = &s->stacks;

	for (size_t i = 0; i < place; i++) {
		const struct wait_stack *row = wait_stacks_row(w, i);

		if (wait_stack_object(w, row) == o && problem_of(s, row) == PROBLEM_CONVOY)
			return true;
	}
	return false;
}

void problems_of_waits(struct scene *s)
{
	const struct wait_stacks *w = &s->stacks;

	for (size_t i = 0; w->stacks && i < w->rows.n; i++) {
		const struct wait_stack *row = wait_stacks_row(w, i);
		enum problem_kind kind = problem_of(s, row);

		if (kind == PROBLEM_KINDS ||
		    (kind == PROBLEM_CONVOY && told_before(s, i, wait_stack_object(w, row))))
			continue;
		tell_wait(s, row, kind);
	}
}

/* --- growing ---------------------------------------------------------------------------------- */

/* What net/http leaves behind, and why; what begins so is called when one is made. */
static const struct known_start {
	const char *function, *reason, *callee;
	bool twin; /* of the one before: where that one grows it has no line of its own */
} known_starts[] = {
	{"net/http.(*persistConn).readLoop",
	 "a connection each, whose answer is under way, or whose body was neither read to its end "
	 "nor closed",
	 "net/http.(*Transport).", false},
	{"net/http.(*persistConn).writeLoop", "", NULL, true},
	{"net/http.(*conn).serve", "a connection each, from a client of this server", NULL, false},
};

static const struct known_start *known_start(const char *function)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known_starts); i++) {
		if (!strcmp(known_starts[i].function, function))
			return &known_starts[i];
	}
	return NULL;
}

static bool grows(const struct scene *s, const struct start_row *row, uint64_t *then, uint64_t *ns)
{
	return !row->system &&
	       growth_of(s->past, (uint32_t)row->func_id, row->f.live, s->now, then, ns);
}

/* The goroutines of this start function, where they grow, else NULL. */
static const struct start_row *growing_named(const struct scene *s, const char *function)
{
	uint64_t then, ns;

	for (size_t i = 0; i < s->starts.rows.n; i++) {
		const struct start_row *row = starts_row(&s->starts, i);

		if (!strcmp(problem_function(s, row->func_id), function))
			return grows(s, row, &then, &ns) ? row : NULL;
	}
	return NULL;
}

static bool is_told_by_twin(const struct scene *s, const struct known_start *known)
{
	return known && known->twin && growing_named(s, known[-1].function);
}

static void add_twin(const struct scene *s, const struct known_start *known, struct buf *out)
{
	const struct start_row *row;

	if (!known || known + 1 == known_starts + ARRAY_SIZE(known_starts) || !known[1].twin)
		return;
	row = growing_named(s, known[1].function);
	if (row)
		buf_addf(out, "; %s with it, now %llu", known[1].function,
			 (unsigned long long)row->f.live);
}

/* What of the program's own they were made for; where nobody sees them made, who is seen to call
 * what makes them. */
static void add_culprit(struct scene *s, struct problem *p, uint32_t func_id)
{
	const struct known_start *known = known_start(problem_function(s, func_id));
	struct origins *origins = NULL;
	const char *how = NULL;
	struct culprit c;

	if (!origins_read(s->v, s->proc, &origins) && origins_culprit(origins, s->v, func_id, &c))
		how = "; made for ";
	else if (known && known->callee && origins_caller(s->v, s->proc, known->callee, &c))
		how = "; by samples of who needs such, likely made for ";
	origins_free(origins);
	if (!how)
		return;
	buf_adds(&p->text, how);
	view_site_file(model_names(s->v->model), c.site_id, &p->text);
	if (c.share < 0.995)
		buf_addf(&p->text, " (%.0f %% of the stacks)", 100 * c.share);
}

static void tell_growth(struct scene *s, const struct start_row *row, uint64_t then, uint64_t ns)
{
	const char *function = problem_function(s, row->func_id);
	const struct known_start *known = known_start(function);
	uint64_t now = row->f.live;
	bool critical = now >= 4 * then && now >= 200;
	struct problem *p = problem_add(s, PROBLEM_GROWING,
					critical ? PROBLEM_CRITICAL : PROBLEM_WARNING, now - then);

	if (!p)
		return;
	buf_addf(&p->text, "%s %llu -> %llu in ", function, (unsigned long long)then,
		 (unsigned long long)now);
	emit_duration(&p->text, ns);
	if (known && *known->reason)
		buf_addf(&p->text, ": %s", known->reason);
	add_twin(s, known, &p->text);
	add_culprit(s, p, (uint32_t)row->func_id);
	snprintf(p->function, sizeof(p->function), "%s", function);
	problem_see_goroutine(p, row->goid, "stack");
	problem_see(p, "sites");
	problem_see_creations(s, p);
	problem_see(p, "leaks");
	problem_goids(p, &row->goid, 1);
}

void problems_of_growth(struct scene *s)
{
	if (!(s->has & NEEDS_PAST))
		return;
	for (size_t i = 0; i < s->starts.rows.n; i++) {
		const struct start_row *row = starts_row(&s->starts, i);
		const char *function = problem_function(s, row->func_id);
		uint64_t then, ns;

		if (grows(s, row, &then, &ns) && !is_told_by_twin(s, known_start(function)))
			tell_growth(s, row, then, ns);
	}
}

/* --- gone ------------------------------------------------------------------------------------- */

static void tell_life(const struct scene *s, const struct goroutine *g, struct buf *out)
{
	if (g->flags & GOROUTINE_EXIT_READ) {
		buf_adds(out, ", seen from ");
		emit_duration(out, view_since(s->now, g->created_ns));
		buf_adds(out, " to ");
		emit_duration(out, view_since(s->now, g->seen_ns));
		buf_adds(out, " ago");
		return;
	}
	buf_addf(out, ", after %s", g->flags & GOROUTINE_FOUND ? "at least " : "");
	emit_duration(out, view_since(g->exited_ns, g->created_ns));
}

static void tell_end(struct scene *s, const struct start_row *row, const struct goroutine *last)
{
	const char *function = problem_function(s, row->func_id);
	const char *of_seen = s->starts.counted ? "" : " that memory showed";
	struct problem *p = problem_add(s, PROBLEM_ENDED,
					s->senders_wait ? PROBLEM_CRITICAL : PROBLEM_NOTICE, 1);

	if (!p)
		return;
	if (row->f.exited == 1)
		buf_addf(&p->text, "%s, the only one%s, ended ", function, of_seen);
	else
		buf_addf(&p->text, "%s, all %llu%s, ended, the last ", function,
			 (unsigned long long)row->f.exited, of_seen);
	if (last && last->flags & GOROUTINE_EXIT_READ)
		buf_adds(&p->text, "at least ");
	emit_duration(&p->text, view_since(s->now, row->f.last_exit_ns));
	buf_adds(&p->text, " ago");
	if (last) {
		tell_life(s, last, &p->text);
		if (*names_string(model_names(s->v->model), last->reason_id))
			buf_addf(&p->text, "; it had waited for %s before",
				 names_string(model_names(s->v->model), last->reason_id));
		if (last->created_site_id) {
			buf_adds(&p->text, "; made at ");
			view_site_file(model_names(s->v->model), last->created_site_id, &p->text);
		}
		problem_see_goroutine(p, last->goid, "status");
		problem_see_goroutine(p, last->goid, "events");
	}
	snprintf(p->function, sizeof(p->function), "%s", function);
	problem_see(p, "functions.tsv");
	problem_goids(p, &row->f.last_exit_goid, 1);
}

/* Who was made for a request, or a connection, comes and goes with it. Whose maker is gone and
 * forgotten may be such a one: that is only told while somebody waits. */
static bool is_made_on_demand(const struct scene *s, const struct goroutine *g)
{
	const char *function;
	struct goroutine parent;

	if (g->parent == 1)
		return false;
	if (!g->parent || model_goroutine(s->v->model, s->proc, g->parent, &parent) ||
	    !parent.start_func_id)
		return !s->senders_wait;
	function = problem_function(s, parent.start_func_id);
	return !own_function(function, strlen(function));
}

/* It has lasted so long that it was not meant to end. Without its record: it was there before us.
 */
static bool is_missed(const struct scene *s, const struct start_row *row,
		      const struct goroutine *last)
{
	const struct problem_rule *rule = &problem_rules[PROBLEM_ENDED];

	if (!last)
		return row->f.created == 0 && s->starts.counted;
	if (last->flags & GOROUTINE_EXECED || is_made_on_demand(s, last))
		return false;
	/* Who comes and goes is met by a reading now and then, and others like it are not. */
	if (last->flags & GOROUTINE_EXIT_READ && s->senders_wait)
		return last->parent == 1 || last->seen_ns > last->created_ns;
	if (last->flags & GOROUTINE_EXIT_READ)
		return view_since(last->seen_ns, last->created_ns) >= rule->ns;
	return (last->flags & GOROUTINE_FOUND && s->starts.counted) ||
	       view_since(last->exited_ns, last->created_ns) >= rule->ns;
}

void problems_of_ends(struct scene *s)
{
	/* Who was done ended, too: only that somebody waits tells them apart. */
	uint64_t shown_ns = s->senders_wait ? UINT64_MAX : ENDED_SHOWN_MIN * 60 * NS_PER_SEC;
	const struct problem_rule *rule = &problem_rules[PROBLEM_ENDED];

	for (size_t i = 0; i < s->starts.rows.n && s->has & NEEDS_RUNNING; i++) {
		const struct start_row *row = starts_row(&s->starts, i);
		const char *function = problem_function(s, row->func_id);
		uint64_t ago = view_since(s->now, row->f.last_exit_ns);
		struct goroutine last;
		bool known;

		if (row->f.live || !row->f.last_exit_goid || row->f.exited > rule->number ||
		    ago < ENDED_FOR_S * NS_PER_SEC || ago > shown_ns ||
		    !own_function(function, strlen(function)))
			continue;
		known = !model_goroutine(s->v->model, s->proc, row->f.last_exit_goid, &last) &&
			last.flags & GOROUTINE_EXITED;
		if (is_missed(s, row, known ? &last : NULL))
			tell_end(s, row, known ? &last : NULL);
	}
}

/* --- leaked ----------------------------------------------------------------------------------- */

#define LEAKS_SHOWN 5

void problems_of_leaks(struct scene *s)
{
	const struct names *names = model_names(s->v->model);
	struct leak_brief briefs[LEAKS_SHOWN];
	size_t n = 0;

	if (!(s->has & NEEDS_LEAKS))
		return;
	s->err = view_leak_briefs(s->v, s->proc, briefs, LEAKS_SHOWN, &n);
	if (s->err)
		s->has &= ~(unsigned)NEEDS_LEAKS; /* blind_to() says so */
	for (size_t i = 0; i < n; i++) {
		const struct leak_brief *b = &briefs[i];
		struct problem *p = problem_add(s, PROBLEM_LEAK,
						b->joined || b->goroutines >= 100 ? PROBLEM_CRITICAL
										  : PROBLEM_WARNING,
						b->goroutines);

		if (!p)
			continue;
		problem_as_of(s, p, "as of", b->as_of_ns);
		buf_addf(&p->text, "%llu %s: %s, %s", (unsigned long long)b->goroutines,
			 !b->suspect   ? "leaked"
			 : b->possible ? "possibly in a deadlock"
				       : "likely in a deadlock",
			 problem_function(s, b->func_id), names_string(names, b->reason_id));
		if (b->site_id) {
			buf_adds(&p->text, ", made at ");
			view_site_file(names, b->site_id, &p->text);
		}
		if (*b->runs)
			buf_addf(&p->text, ", which runs %s", b->runs);
		buf_addf(&p->text, "; %s; the oldest for ", b->meaning);
		emit_duration(&p->text, b->oldest_ns);
		if (b->joined) {
			buf_addf(&p->text, "; %llu more in the ", (unsigned long long)b->joined);
			emit_duration(&p->text, b->watched_ns);
			buf_adds(&p->text, " before");
		}
		snprintf(p->function, sizeof(p->function), "%s", problem_function(s, b->func_id));
		problem_see(p, "leaks");
		problem_see_goroutine(p, b->goid, "stack");
		problem_goids(p, &b->goid, 1);
	}
}
