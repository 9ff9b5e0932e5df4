/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stacks, read from the live target at the moment somebody looks. Any thread. */
#include <errno.h>
#include <time.h>

#include "core/view/family.h"
#include "core/view/goroutines/goroutine.h"
#include "core/view/profiles/cpu.h"
#include "core/view/view_internal.h"

/* The goroutines' text in one piece has a bound; who wants all takes view_each_stack(). */
#define BYTES_MAX (256u << 20)

struct collected {
	const struct view *v;
	unsigned proc;
	struct buf *out;
	size_t from;
	uint64_t as_of_ns; /* 0: now */
	bool begun, cut;
};

/* JSON: the text as one string; its format is Go's, and parsers of it exist. */
static int wrap(enum view_form form, struct buf *text, bool cut, struct buf *out)
{
	struct emit e;

	emit_begin(&e, form, out);
	emit_string(&e, "format", "debug=2");
	if (cut)
		emit_yes(&e, "cut", true);
	emit_string(&e, "text", text->data ? text->data : "");
	return emit_end(&e);
}

struct taking {
	const struct stack_taker *taker;
	bool begun;
};

static int take(void *arg, const char *text, size_t len)
{
	struct taking *t = arg;

	t->begun = true;
	return t->taker->take(t->taker->arg, text, len);
}

int view_each_stack(const struct view *v, unsigned proc, enum live_stacks what,
		    const struct stack_taker *taker, uint64_t *ret_as_of_ns)
{
	struct taking t = {.taker = taker};
	struct proc_info info;
	int err = model_proc(v->model, proc, &info);

	*ret_as_of_ns = 0;
	if (err)
		return err;
	if (!v->live->stacks)
		return -ENOSYS;
	err = v->live->stacks(v->live->ctx, proc, what, take, &t, ret_as_of_ns);
	if (err != -ESRCH || !t.begun)
		return err;
	t.begun = false;
	err = taker->drop(taker->arg);
	if (!err)
		err = v->live->stacks(v->live->ctx, proc, what, take, &t, ret_as_of_ns);
	if (err != -ESRCH || !t.begun)
		return err;
	err = taker->drop(taker->arg);
	return err ? err : -ESRCH;
}

void view_add_utc(uint64_t unix_ns, struct buf *out)
{
	time_t seconds = (time_t)(unix_ns / NS_PER_SEC);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_addf(out, "%s.%03uZ", text, (unsigned)(unix_ns % NS_PER_SEC / 1000000));
}

void view_stacks_as_of(const struct view *v, unsigned proc, uint64_t as_of_ns, struct buf *out)
{
	struct proc_info info;

	buf_adds(out, "as of ");
	view_add_utc(view_unix(v, as_of_ns), out);
	if (!model_proc(v->model, proc, &info) && info.exited_ns > as_of_ns)
		buf_addf(out, ", %.1f s before the program ended",
			 (double)(info.exited_ns - as_of_ns) / NS_PER_SEC);
}

/* The line before stacks that are not of now; readers of dumps pass over it. */
static void add_as_of(const struct view *v, unsigned proc, uint64_t as_of_ns, struct buf *out)
{
	if (!as_of_ns)
		return;
	buf_adds(out, "... ");
	view_stacks_as_of(v, proc, as_of_ns, out);
	buf_adds(out, "\n\n");
}

/* Instead of an error, so that who reads all files of an ended program meets none. */
static int add_none(const struct view *v, unsigned proc, int err, struct buf *out)
{
	if (err != -ESRCH || !view_ended(v, proc))
		return err;
	buf_adds(out, "... none was read before the program ended\n");
	return buf_error(out);
}

static int collect(void *arg, const char *text, size_t len)
{
	struct collected *c = arg;

	if (!c->begun)
		add_as_of(c->v, c->proc, c->as_of_ns, c->out);
	c->begun = true;
	c->cut = c->out->len - c->from + len > BYTES_MAX;
	if (c->cut)
		return 1;
	buf_add(c->out, text, len);
	return buf_error(c->out);
}

static int drop_collected(void *arg)
{
	struct collected *c = arg;

	c->out->len = c->from;
	c->begun = c->cut = false;
	return 0;
}

int view_stacks(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct collected c = {.v = v, .proc = q->proc, .out = q->form == VIEW_TEXT ? out : &text};
	const struct stack_taker taker = {&c, collect, drop_collected};
	int err;

	c.from = c.out->len;
	err = view_each_stack(v, q->proc, LIVE_STACKS_AS_GO, &taker, &c.as_of_ns);
	if (!c.begun)
		err = add_none(v, q->proc, err, c.out);
	if (c.cut) {
		buf_addf(c.out, "\n... cut: after %u MiB; pprof/goroutine counts all goroutines\n",
			 BYTES_MAX >> 20);
		err = buf_error(c.out);
	}
	if (err && !out->err) {
		/* Nothing half-written. */
		out->len = q->form == VIEW_TEXT ? c.from : out->len;
		return err;
	}
	return err || q->form == VIEW_TEXT ? err : wrap(q->form, &text, c.cut, out);
}

/* Of one that has ended: what is known, and its stack as it was read last, if it was. */
static int ended_stack(const struct view *v, const struct goroutine *g, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t as_of_ns = 0;
	int err = -ESRCH;

	view_ended_text(v, g, out);
	if (v->live->stack)
		err = v->live->stack(v->live->ctx, g->proc, g->goid, &text, &as_of_ns);
	if (!err && as_of_ns) {
		buf_adds(out, "... its stack ");
		view_stacks_as_of(v, g->proc, as_of_ns, out);
		buf_adds(out, ":\n");
		buf_add(out, text.data, text.len);
	} else {
		buf_adds(out, "... its stack was not read while it lived\n");
	}
	return buf_error(out);
}

int view_stack(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT, head = BUF_INIT;
	uint64_t as_of_ns = 0;
	struct goroutine g;
	int err = model_goroutine(v->model, q->proc, q->goid, &g);

	if (err)
		return err;
	if (!v->live->stack && !(g.flags & GOROUTINE_EXITED))
		return -ENOSYS;
	if (g.flags & GOROUTINE_EXITED) {
		err = ended_stack(v, &g, &text);
	} else {
		err = v->live->stack(v->live->ctx, q->proc, q->goid, &text, &as_of_ns);
		err = add_none(v, q->proc, err, &text);
	}
	/* It may have ended just now. */
	if (err == -ESRCH && !model_goroutine(v->model, q->proc, q->goid, &g) &&
	    g.flags & GOROUTINE_EXITED)
		err = ended_stack(v, &g, &text);
	if (err)
		return err;
	add_as_of(v, q->proc, as_of_ns, &head);
	buf_add(&head, text.data, text.len);
	if (view_state(&g) == GSTATE_RUNNING)
		(void)view_add_last_sample(v, &g, &head);
	if (buf_error(&head) || q->form == VIEW_JSON)
		return buf_error(&head) ? -ENOMEM : wrap(q->form, &head, false, out);
	buf_add(out, head.data, head.len);
	return buf_error(out);
}
