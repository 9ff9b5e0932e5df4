/* Stacks, read from the live target at the moment somebody looks. Any thread. */
#include <errno.h>

#include "core/view/view_internal.h"

/* JSON: the text as one string; its format is Go's, and parsers of it exist. */
static int wrap(int err, enum view_form form, struct buf *text, struct buf *out)
{
	struct emit e;

	if (err)
		return err;
	if (form == VIEW_TEXT) {
		buf_add(out, text->data, text->len);
		return buf_error(out);
	}
	emit_begin(&e, form, out);
	emit_string(&e, "format", "debug=2");
	emit_string(&e, "text", text->data ? text->data : "");
	return emit_end(&e);
}

int view_stacks(const struct view *v, unsigned proc, uint64_t goid, enum view_form form,
		struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct proc_info info;
	int err = model_proc(v->model, proc, &info);

	if (err)
		return err;
	if (!v->live->stacks)
		return -ENOSYS;
	return wrap(v->live->stacks(v->live->ctx, proc, &text), form, &text, out);
}

int view_stack(const struct view *v, unsigned proc, uint64_t goid, enum view_form form,
	       struct buf *out)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct goroutine g;
	int err = model_goroutine(v->model, proc, goid, &g);

	if (err)
		return err;
	if (!v->live->stack)
		return -ENOSYS;
	return wrap(v->live->stack(v->live->ctx, proc, goid, &text), form, &text, out);
}
