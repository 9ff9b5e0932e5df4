/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A replayed process whose problems are looked for, with the stacks that a test gives it. After
 * cmocka.h. */
#ifndef XGOTOPFS_TESTS_PROBLEM_FIXTURE_H
#define XGOTOPFS_TESTS_PROBLEM_FIXTURE_H

#include "core/base/util.h"
#include "core/view/view.h"
#include "tests/unit/view_fixture.h"

#define S  NS_PER_SEC
#define T0 (1000 * S)

static struct buf stacks;

static inline int give_stacks(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn,
			      void *arg, uint64_t *ret_as_of_ns)
{
	return fn(arg, stacks.data ? stacks.data : "", stacks.len);
}

static inline int problem_setup(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/shop"};
	struct fixture *x = fixture_new(100000, 0, &info);

	x->v.replay = true; /* its present is the last event */
	x->live.stacks = give_stacks;
	buf_reset(&stacks);
	*state = x;
	return 0;
}

static inline void change(struct fixture *x, uint64_t goid, uint8_t to, const char *reason,
			  uint64_t at)
{
	struct event ev = {.time_ns = at,
			   .type = EVENT_CASGSTATUS,
			   .goid = goid,
			   .target = goid,
			   .from = GSTATE_RUNNING,
			   .to = to,
			   .string_id = intern(x, reason)};

	model_apply(x->m, &ev, 1);
}

static inline const char *problems_of(struct fixture *x, unsigned proc)
{
	struct view_query q = {.form = VIEW_TEXT, .proc = proc};

	buf_reset(&x->out);
	assert_int_equal(view_problems(&x->v, &q, &x->out), 0);
	return x->out.data;
}

static inline const char *problems(struct fixture *x)
{
	return problems_of(x, 0);
}

static inline const char *looked_for(struct fixture *x)
{
	struct view_query q = {.form = VIEW_TEXT};

	buf_reset(&x->out);
	assert_int_equal(view_looked_for(&x->v, &q, &x->out), 0);
	return x->out.data;
}

#endif
