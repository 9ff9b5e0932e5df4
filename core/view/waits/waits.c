/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goroutines wait on, and who may let them go on: the table of objects, a goroutine's own
 * rows, and the keys in its status. Read from memory when somebody looks (core/memory/waits.h); a
 * goroutine that has moved since is not told of. Any thread.
 */
#include "core/view/waits/waits.h"

#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/util.h"
#include "core/memory/wait_graph.h"
#include "core/view/family.h"
#include "core/view/view_internal.h"

#define WAITERS_SHOWN 100 /* of an object's */
#define WAITERS_LINE  10  /* … in a line that somebody reads; by-object/ has all */

static const char *const kinds[WAIT_KINDS] = {
	[WAIT_CHAN] = "chan",           [WAIT_MUTEX] = "Mutex",    [WAIT_RWMUTEX] = "RWMutex",
	[WAIT_WAITGROUP] = "WaitGroup", [WAIT_COND] = "Cond",      [WAIT_SEMAPHORE] = "semaphore",
	[WAIT_POLL] = "descriptor",     [WAIT_CORO] = "coroutine",
};

const char *view_object_kind(const struct wait_object *o)
{
	return kinds[o->kind];
}

static const char *how_word(enum wait_how how)
{
	static const char *const words[] = {
		[WAIT_HOW_UNKNOWN] = "",    [WAIT_RECEIVE] = "receive", [WAIT_SEND] = "send",
		[WAIT_LOCK] = "lock",       [WAIT_READ] = "read",       [WAIT_WRITE] = "write",
		[WAIT_DRAIN] = "drain",     [WAIT_ZERO] = "zero",       [WAIT_SIGNAL] = "signal",
		[WAIT_ACQUIRE] = "acquire", [WAIT_RESUME] = "resume",
	};

	return words[how];
}

/* What it is at when no object goes with it; NULL: nothing that somebody else ends. */
static const char *nothing_word(enum wait_why why)
{
	switch (why) {
	case WAIT_NIL_RECEIVE:
	case WAIT_NIL_SEND:
		return "nil channel";
	case WAIT_NO_CASES:
		return "no cases";
	default:
		return NULL;
	}
}

/* --- a value ---------------------------------------------------------------------------------- */

static void lock_state(const struct wait_object *o, struct buf *out)
{
	if (o->kind == WAIT_MUTEX) {
		buf_adds(out, o->lock.locked ? "locked" : "unlocked");
		buf_addf(out, "%s%s waiters=%u", o->lock.woken ? " woken" : "",
			 o->lock.starving ? " starving" : "", o->lock.waiters);
		return;
	}
	/* Readers that are in: those that a pending writer waits for, or all when there is none. */
	buf_addf(out, "readers=%d", (int)(o->lock.writer ? o->lock.leaving : o->lock.readers));
	buf_addf(out, " writer=%s",
		 !o->lock.writer       ? "none"
		 : o->lock.leaving > 0 ? "pending"
				       : "holding");
	if (o->lock.writer)
		buf_addf(out, " readers_waiting=%d", (int)(o->lock.readers - o->lock.leaving));
	buf_addf(out, " writers_waiting=%u", o->lock.waiters);
}

static void add_state(const struct wait_graph *graph, const struct wait_object *o, struct buf *out)
{
	switch (o->kind) {
	case WAIT_CHAN:
		buf_adds(out, o->chan.timer ? "timer" : o->chan.closed ? "closed" : "open");
		break;
	case WAIT_MUTEX:
	case WAIT_RWMUTEX:
		lock_state(o, out);
		break;
	case WAIT_WAITGROUP:
		buf_addf(out, "counter=%d waiters=%u", (int)o->group.counter, o->group.waiters);
		break;
	case WAIT_COND:
		buf_addf(out, "waiters=%u", o->cond.waiters);
		break;
	case WAIT_SEMAPHORE:
		buf_addf(out, "value=%u", o->semaphore.value);
		break;
	case WAIT_POLL:
		buf_addf(out, "fd=%d %s", (int)o->poll.fd, wait_graph_text(graph, o->poll.what));
		if (*wait_graph_text(graph, o->poll.socket))
			buf_addf(out, " %s", wait_graph_text(graph, o->poll.socket));
		break;
	case WAIT_CORO:
	case WAIT_KINDS:
		break;
	}
}

static void emit_state(struct emit *e, const struct wait_graph *graph, const struct wait_object *o)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (o->state_known)
		add_state(graph, o, &text);
	emit_string(e, NULL, text.data ? text.data : "");
}

static void emit_address(struct emit *e, const char *key, uint64_t address)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	buf_addx(&text, address);
	emit_string(e, key, text.data ? text.data : "");
}

static void emit_pair(struct emit *e, struct buf *text, struct buf *json)
{
	if (buf_error(text) || buf_error(json))
		emit_unknown(e, NULL);
	else
		emit_as(e, NULL, text->len ? text->data : "-", json->data);
}

static void emit_waiters(struct emit *e, const struct wait_graph *graph,
			 const struct wait_object *o)
{
	cleanup_buf_ struct buf text = BUF_INIT, json = BUF_INIT;

	buf_addc(&json, '[');
	for (uint32_t i = 0; i < o->n_waits && i < WAITERS_SHOWN; i++) {
		const struct wait_edge *wait = wait_graph_waiter(graph, o, i);
		uint64_t goid = graph->goroutines[wait->goroutine].goid;

		if (i < WAITERS_LINE)
			buf_addf(&text, "%s%llu:%s", i ? "," : "", (unsigned long long)goid,
				 *how_word(wait->how) ? how_word(wait->how) : "?");
		buf_adds(&json, i ? ",{" : "{");
		json_ku(&json, "goid", goid);
		json_ks(&json, "wait", how_word(wait->how));
		buf_addc(&json, '}');
	}
	if (o->n_waits > WAITERS_LINE)
		buf_adds(&text, ",...");
	buf_addc(&json, ']');
	emit_pair(e, &text, &json);
}

static const char *evidence_word(enum wait_evidence evidence)
{
	static const char *const words[] = {
		[WAIT_BY_PENDING_WRITER] = "pending_writer",
		[WAIT_BY_DEFER] = "deferred",
		[WAIT_BY_FRAME] = "pointer_in_frame",
		[WAIT_BY_OBJECT] = "pointer_into_object",
	};

	return words[evidence];
}

/* "defers sync.(*Mutex).Unlock in main.work (/src/main.go:12)"; of who merely may be the one it
 * says that. */
void view_add_evidence(const struct wait_graph *graph, const struct wait_holder *h, struct buf *out)
{
	static const char *const doubts[] = {
		[WAIT_WORD_MAPPED] = "",
		[WAIT_WORD_UNKNOWN] = ", by a word that may be dead",
		[WAIT_WORD_RUNS] = ", by a word of its stack that may be dead, as it runs",
	};
	const char *func = wait_graph_text(graph, h->func);

	switch (h->evidence) {
	case WAIT_BY_PENDING_WRITER:
		buf_adds(out, "is the pending writer");
		return;
	case WAIT_BY_DEFER:
		if (h->deferred)
			buf_addf(out, "defers %s, which calls ",
				 wait_graph_text(graph, h->deferred));
		else
			buf_adds(out, "defers ");
		buf_adds(out, wait_graph_text(graph, h->call));
		break;
	case WAIT_BY_FRAME:
		buf_adds(out, h->by_variable ? h->section == WAIT_SECTION_YES
						       ? "took it"
						       : "took it or gave it up"
			      : h->by_code   ? "waits for it"
					     : "has a pointer to it");
		break;
	case WAIT_BY_OBJECT:
		buf_adds(out, h->awaits ? "has a pointer to what has it"
					: "has a pointer into its object");
		break;
	}
	if (*func)
		buf_addf(out, " in %s", func);
	if (h->line)
		buf_addf(out, " (%s:%u)", wait_graph_text(graph, h->file), h->line);
	if (h->section == WAIT_SECTION_YES && !(h->by_code && h->by_variable))
		buf_adds(out, h->evidence == WAIT_BY_DEFER ? ", after it took such a lock"
							   : ", after it took it");
	buf_adds(out, doubts[h->word]);
	if ((h->section == WAIT_SECTION_HIDDEN || h->section == WAIT_SECTION_LENT) &&
	    h->evidence != WAIT_BY_DEFER && !h->by_variable)
		buf_adds(out, h->doubted ? ", after it took such a lock, maybe another one"
					 : ", after it took such a lock, which a function value "
					   "may have given up");
	if (h->awaits && h->evidence != WAIT_BY_DEFER)
		buf_addf(out, ", whose code has a %s", wait_graph_text(graph, h->call));
	if (h->awaits)
		buf_adds(out, "; it waits for who waits here, and so do all others that have such "
			      "a pointer");
	if (!wait_holder_is_likely(h))
		buf_adds(out, ": it may be the one");
}

static void add_holder_json(const struct wait_graph *graph, const struct wait_holder *h,
			    struct buf *json)
{
	static const char *const words[] = {[WAIT_WORD_MAPPED] = "live",
					    [WAIT_WORD_UNKNOWN] = "unknown",
					    [WAIT_WORD_RUNS] = "unknown, it runs"};
	static const char *const sections[] = {[WAIT_SECTION_NO] = "no",
					       [WAIT_SECTION_MAYBE] = "maybe",
					       [WAIT_SECTION_LENT] = "maybe",
					       [WAIT_SECTION_HIDDEN] = "maybe",
					       [WAIT_SECTION_YES] = "yes"};

	buf_adds(json, buf_last(json) == '[' ? "{" : ",{");
	json_ku(json, "goid", h->goid);
	json_ks(json, "evidence", h->by_code ? "code" : evidence_word(h->evidence));
	if (h->evidence != WAIT_BY_PENDING_WRITER && !h->by_code)
		json_ks(json, "word", words[h->word]);
	if (h->section != WAIT_SECTION_UNKNOWN)
		json_ks(json, "took_lock", sections[h->section]);
	json_kb(json, "waiter", h->waiter);
	json_kb(json, "likely", wait_holder_is_likely(h));
	if (h->awaits)
		json_kb(json, "waits_for_waiter", true);
	if (h->call)
		json_ks(json, "call", wait_graph_text(graph, h->call));
	if (h->deferred)
		json_ks(json, "deferred", wait_graph_text(graph, h->deferred));
	if (h->func)
		json_ks(json, "function", wait_graph_text(graph, h->func));
	if (h->line) {
		json_ks(json, "file", wait_graph_text(graph, h->file));
		json_ku(json, "line", h->line);
	}
	buf_addc(json, '}');
}

/* Who may hold it, and why we think so. */
static void emit_holders(struct emit *e, const struct wait_graph *graph,
			 const struct wait_object *o)
{
	cleanup_buf_ struct buf text = BUF_INIT, json = BUF_INIT, why = BUF_INIT;

	buf_addc(&json, '[');
	for (uint32_t i = 0; i < o->n_holders; i++) {
		const struct wait_holder *h = &graph->holders[o->holders + i];

		buf_addf(&text, "%s%llu", i ? "," : "", (unsigned long long)h->goid);
		buf_addf(&why, "%s%llu ", i ? "; " : "", (unsigned long long)h->goid);
		view_add_evidence(graph, h, &why);
		add_holder_json(graph, h, &json);
	}
	buf_addc(&json, ']');
	emit_pair(e, &text, &json);
	if (o->n_holders)
		emit_string(e, NULL, why.data ? why.data : "");
	else
		emit_none(e, NULL);
}

void view_add_object(const struct wait_graph *graph, const struct wait_object *o, struct buf *out)
{
	buf_addf(out, "%s ", kinds[o->kind]);
	buf_addx(out, o->address);
	if (!o->state_known)
		return;
	buf_addc(out, ' ');
	if (o->kind == WAIT_CHAN)
		buf_addf(out, "of %s len=%llu cap=%llu ", wait_graph_text(graph, o->chan.elem),
			 (unsigned long long)o->chan.len, (unsigned long long)o->chan.cap);
	add_state(graph, o, out);
}

/* --- a row ------------------------------------------------------------------------------------ */

static const char *const columns[] = {
	"object", "kind",      "wait",    "type",           "len",      "cap",
	"state",  "n_waiters", "waiters", "likely_holders", "evidence",
};

static void emit_channel(struct emit *e, const struct wait_graph *graph,
			 const struct wait_object *o)
{
	if (o->kind != WAIT_CHAN) {
		for (int i = 0; i < 3; i++)
			emit_none(e, NULL);
	} else if (!o->state_known) {
		for (int i = 0; i < 3; i++)
			emit_unknown(e, NULL);
	} else {
		emit_string(e, NULL, wait_graph_text(graph, o->chan.elem));
		emit_u64(e, NULL, o->chan.len);
		emit_u64(e, NULL, o->chan.cap);
	}
}

/* `wait`: how somebody waits on it, or all in common; NULL: they differ. */
static void emit_object(struct emit *e, const struct wait_graph *graph, const struct wait_object *o,
			const char *wait)
{
	emit_row(e);
	emit_address(e, NULL, o->address);
	emit_string(e, NULL, kinds[o->kind]);
	emit_string(e, NULL, wait);
	emit_channel(e, graph, o);
	emit_state(e, graph, o);
	emit_u64(e, NULL, o->n_waits);
	emit_waiters(e, graph, o);
	emit_holders(e, graph, o);
	emit_row_end(e);
}

static const char *common_wait(const struct wait_graph *graph, const struct wait_object *o)
{
	enum wait_how how = wait_graph_waiter(graph, o, 0)->how;

	for (uint32_t i = 1; i < o->n_waits; i++) {
		if (wait_graph_waiter(graph, o, i)->how != how)
			return "several";
	}
	return how_word(how);
}

/* A goroutine that waits on nothing that there is, or on what could not be read. */
static void emit_no_object(struct emit *e, const struct wait_goroutine *g)
{
	const char *nothing = nothing_word(g->why);
	cleanup_buf_ struct buf waiter = BUF_INIT, json = BUF_INIT;
	const char *wait = g->why == WAIT_NIL_RECEIVE ? "receive"
			   : g->why == WAIT_NIL_SEND  ? "send"
						      : NULL;

	emit_row(e);
	if (nothing)
		emit_none(e, NULL);
	else
		emit_unknown(e, NULL);
	emit_string(e, NULL, nothing ? nothing : "");
	if (wait)
		emit_string(e, NULL, wait);
	else
		emit_none(e, NULL);
	for (int i = 0; i < 3; i++)
		emit_none(e, NULL);
	emit_string(e, NULL, nothing ? "nothing can end it" : "");
	emit_u64(e, NULL, 1);
	buf_addf(&waiter, "%llu:%s", (unsigned long long)g->goid, wait ? wait : "-");
	buf_adds(&json, "[{");
	json_ku(&json, "goid", g->goid);
	json_ks(&json, "wait", wait ? wait : "");
	buf_adds(&json, "}]");
	emit_pair(e, &waiter, &json);
	emit_as(e, NULL, "-", "[]");
	emit_none(e, NULL);
	emit_row_end(e);
}

/* --- the views -------------------------------------------------------------------------------- */

static int read_graph(const struct view *v, unsigned proc, uint64_t newer_ns,
		      struct wait_graph **ret)
{
	struct proc_info info;
	int err = model_proc(v->model, proc, &info);

	if (err)
		return err;
	return v->live->waits ? v->live->waits(v->live->ctx, proc, newer_ns, ret) : -ENOSYS;
}

static bool shown_without_object(const struct wait_goroutine *g)
{
	return nothing_word(g->why) || g->why == WAIT_UNREADABLE;
}

static size_t n_without_object(const struct wait_graph *graph, size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < graph->n_goroutines; i++)
		n += shown_without_object(&graph->goroutines[i]);
	return n;
}

/* Objects, then who waits on none; or how many rows of both are left. */
static void emit_rows(struct emit *e, const struct wait_graph *graph)
{
	for (size_t i = 0; i < graph->n_objects; i++) {
		if (emit_full(e)) {
			emit_cut(e, graph->n_objects - i + n_without_object(graph, 0));
			return;
		}
		emit_object(e, graph, &graph->objects[i], common_wait(graph, &graph->objects[i]));
	}
	for (size_t i = 0; i < graph->n_goroutines; i++) {
		if (!shown_without_object(&graph->goroutines[i]))
			continue;
		if (emit_full(e)) {
			emit_cut(e, n_without_object(graph, i));
			return;
		}
		emit_no_object(e, &graph->goroutines[i]);
	}
}

/* Of one that has ended. */
static void emit_as_of(struct emit *e, const struct view *v, unsigned proc,
		       const struct wait_graph *graph)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	if (!view_ended(v, proc))
		return;
	view_stacks_as_of(v, proc, graph->end_ns, &text);
	emit_note(e, text.data ? text.data : "as of before the program ended", "as_of_unix_ns",
		  view_unix(v, graph->end_ns));
}

int view_wait_graph(const struct view *v, struct view_query *q, struct buf *out)
{
	struct wait_graph *graph;
	struct emit e;
	int err = read_graph(v, q->proc, 0, &graph);

	if (err)
		return err;
	emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
	emit_rows(&e, graph);
	emit_as_of(&e, v, q->proc, graph);
	v->live->waits_put(v->live->ctx, graph);
	return emit_table_end(&e);
}

/* The park it is in now, as a reading has it; NULL: that is of an earlier one. */
static const struct wait_goroutine *present(const struct wait_graph *graph,
					    const struct goroutine *g)
{
	return g->state_since_ns < graph->begin_ns ? wait_graph_goroutine(graph, g->goid) : NULL;
}

static void emit_moved(struct emit *e)
{
	emit_row(e);
	for (unsigned i = 0; i < ARRAY_SIZE(columns); i++)
		emit_unknown(e, NULL);
	emit_row_end(e);
}

static void emit_own(struct emit *e, const struct wait_graph *graph,
		     const struct wait_goroutine *own)
{
	for (uint32_t i = 0; i < own->n_waits && !emit_full(e); i++) {
		const struct wait_edge *wait = &graph->waits[own->waits + i];

		emit_object(e, graph, &graph->objects[wait->object], how_word(wait->how));
	}
	if (!own->n_waits && shown_without_object(own))
		emit_no_object(e, own);
}

int view_goroutine_waits(const struct view *v, struct view_query *q, struct buf *out)
{
	const struct wait_goroutine *own;
	struct wait_graph *graph;
	struct goroutine g;
	struct emit e;
	int err = model_goroutine(v->model, q->proc, q->goid, &g);

	if (!err)
		err = read_graph(v, q->proc, g.state_since_ns, &graph);
	if (err)
		return err;
	emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
	own = present(graph, &g);
	if (own)
		emit_own(&e, graph, own);
	else if (gstate_waits(view_state(&g)))
		emit_moved(&e);
	if (own)
		emit_as_of(&e, v, q->proc, graph);
	v->live->waits_put(v->live->ctx, graph);
	return emit_table_end(&e);
}

/* --- in status -------------------------------------------------------------------------------- */

static void emit_waits_of(struct emit *e, const struct wait_graph *graph,
			  const struct wait_goroutine *own)
{
	struct buf text = BUF_INIT;

	emit_list_begin(e, "waits_on");
	for (uint32_t i = 0; i < own->n_waits; i++) {
		const struct wait_edge *wait = &graph->waits[own->waits + i];
		const struct wait_object *o = &graph->objects[wait->object];

		buf_reset(&text);
		buf_addf(&text, "%s ", kinds[o->kind]);
		buf_addx(&text, o->address);
		buf_addf(&text, " %s", how_word(wait->how));
		if (!buf_error(&text))
			emit_list_item(e, "waits_on", text.data);
	}
	emit_list_end(e);
	emit_list_begin(e, "likely_holder");
	for (uint32_t i = 0; i < own->n_waits; i++) {
		const struct wait_object *o = &graph->objects[graph->waits[own->waits + i].object];

		for (uint32_t k = 0; k < o->n_holders; k++) {
			const struct wait_holder *h = &graph->holders[o->holders + k];

			buf_reset(&text);
			buf_addf(&text, "%llu ", (unsigned long long)h->goid);
			view_add_evidence(graph, h, &text);
			if (!buf_error(&text))
				emit_list_item(e, "likely_holder", text.data);
		}
	}
	emit_list_end(e);
	buf_free(&text);
}

void view_emit_waits_on(struct emit *e, const struct view *v, unsigned proc,
			const struct goroutine *g)
{
	const struct wait_goroutine *own = NULL;
	struct wait_graph *graph = NULL;

	if (!v->live->waits_known)
		return;
	if (!gstate_waits(view_state(g))) {
		emit_none(e, "waits_on");
		return;
	}
	if (!v->live->waits_known(v->live->ctx, proc, &graph))
		own = present(graph, g);
	if (!own || own->why == WAIT_UNREADABLE)
		emit_unknown(e, "waits_on");
	else if (own->n_waits)
		emit_waits_of(e, graph, own);
	else if (nothing_word(own->why))
		emit_string(e, "waits_on", nothing_word(own->why));
	else
		emit_none(e, "waits_on");
	if (graph)
		v->live->waits_put(v->live->ctx, graph);
}

/* --- folders ---------------------------------------------------------------------------------- */

int view_objects(const struct view *v, unsigned proc, uint64_t **ret, size_t *ret_n)
{
	struct wait_graph *graph;
	int err = read_graph(v, proc, 0, &graph);

	*ret = NULL;
	*ret_n = 0;
	if (err)
		return err == -ENOMEM ? err : 0;
	*ret = calloc(graph->n_objects + 1, sizeof(**ret));
	for (size_t i = 0; *ret && i < graph->n_objects; i++) {
		if (!*ret_n || (*ret)[*ret_n - 1] != graph->objects[i].address)
			(*ret)[(*ret_n)++] = graph->objects[i].address;
	}
	v->live->waits_put(v->live->ctx, graph);
	return *ret ? 0 : -ENOMEM;
}

int view_object_waiters(const struct view *v, unsigned proc, uint64_t address, uint64_t **ret,
			size_t *ret_n)
{
	struct wait_graph *graph;
	size_t at, n = 0;
	int err = read_graph(v, proc, 0, &graph);

	*ret = NULL;
	*ret_n = 0;
	if (err)
		return err == -ENOMEM ? err : -ENOENT;
	at = wait_graph_object(graph, address);
	for (size_t i = at; i < graph->n_objects && graph->objects[i].address == address; i++)
		n += graph->objects[i].n_waits;
	if (n)
		*ret = calloc(n, sizeof(**ret));
	err = !n ? -ENOENT : *ret ? 0 : -ENOMEM;
	for (; !err && at < graph->n_objects && graph->objects[at].address == address; at++) {
		const struct wait_object *o = &graph->objects[at];

		for (uint32_t i = 0; i < o->n_waits; i++)
			(*ret)[(*ret_n)++] =
				graph->goroutines[wait_graph_waiter(graph, o, i)->goroutine].goid;
	}
	v->live->waits_put(v->live->ctx, graph);
	if (err)
		return err;
	/* Two cases of a select may have the same channel. */
	*ret_n = sort_unique_u64(*ret, *ret_n);
	return 0;
}
