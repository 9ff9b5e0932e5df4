/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A view is asked, with the arguments of the fixture. After cmocka.h and jansson.h. */
#ifndef XGOTOPFS_TESTS_VIEW_ASK_H
#define XGOTOPFS_TESTS_VIEW_ASK_H

#include "tests/unit/view_fixture.h"

static inline const char *argument(void *ctx, const char *name)
{
	const struct fixture *x = ctx;

	for (size_t i = 0; x->args && x->args[i]; i += 2) {
		if (!strcmp(x->args[i], name))
			return x->args[i + 1];
	}
	return NULL;
}

static inline int ask_of(struct fixture *x, view_fn *fn, uint64_t goid, enum view_form form)
{
	struct view_query q = {.form = form, .goid = goid, .arg = argument, .arg_ctx = x};
	int err;

	buf_reset(&x->out);
	err = fn(&x->v, &q, &x->out);
	memcpy(x->why, q.why, sizeof(x->why));
	return err;
}

static inline const char *text_of(struct fixture *x, view_fn *fn, uint64_t goid)
{
	assert_int_equal(ask_of(x, fn, goid, VIEW_TEXT), 0);
	return x->out.data;
}

static inline json_t *json_of(struct fixture *x, view_fn *fn, uint64_t goid)
{
	json_error_t error;
	json_t *v;
	int err = ask_of(x, fn, goid, VIEW_JSON);

	if (err)
		fail_msg("%d: %s", err, x->why);
	v = json_loadb(x->out.data, x->out.len, 0, &error);
	if (!v)
		fail_msg("%s: %s", error.text, x->out.data);
	return v;
}

/* What is not of one goroutine. */
static inline int ask(struct fixture *x, view_fn *fn, enum view_form form)
{
	return ask_of(x, fn, 0, form);
}

static inline json_t *json(struct fixture *x, view_fn *fn)
{
	return json_of(x, fn, 0);
}

#endif
