/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stacks, read from the live target at the moment somebody looks. Any thread. */
#include <errno.h>

#include "core/view/view_internal.h"

/* The goroutines' text in one piece has a bound; who wants all takes view_each_stack(). */
#define BYTES_MAX (256u << 20)

struct collected {
	struct buf *out;
	size_t from;
	bool cut;
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

int view_each_stack(const struct view *v, unsigned proc, live_text_fn *fn, void *arg)
{
	struct proc_info info;
	int err = model_proc(v->model, proc, &info);

	if (err)
		return err;
	return v->live->stacks ? v->live->stacks(v->live->ctx, proc, fn, arg) : -ENOSYS;
}

static int collect(void *arg, const char *text, size_t len)
{
	struct collected *c = arg;

	c->cut = c->out->len - c->from + len > BYTES_MAX;
	if (c->cut)
		return 1;
	buf_add(c->out, text, len);
	return buf_error(c->out);
}

int view_stacks(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct collected c = {.out = q->form == VIEW_TEXT ? out : &text};
	int err;

	c.from = c.out->len;
	err = view_each_stack(v, q->proc, collect, &c);
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

int view_stack(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct goroutine g;
	int err = model_goroutine(v->model, q->proc, q->goid, &g);

	if (err)
		return err;
	if (!v->live->stack)
		return -ENOSYS;
	err = v->live->stack(v->live->ctx, q->proc, q->goid, &text);
	if (err || q->form == VIEW_JSON)
		return err ? err : wrap(q->form, &text, false, out);
	buf_add(out, text.data, text.len);
	return buf_error(out);
}
