/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A model of one process, and a view of it. After cmocka.h. */
#ifndef XGOTOPFS_TESTS_VIEW_FIXTURE_H
#define XGOTOPFS_TESTS_VIEW_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "core/view/view.h"

struct fixture {
	struct names *names;
	struct model *m;
	struct live live;
	struct control control;
	struct view v;
	uint32_t rates[RATES]; /* all of RATE_ONE; control does not tell them unless told to */
	struct buf out;
	char why[160];
	/* What only some tests have. */
	struct meter *meter;
	struct health health;
	struct live_probes probes;
	struct recording recording;
	const char *const *args; /* name, value, …, NULL */
};

static inline struct fixture *fixture_new(size_t retain, int64_t wall_offset_ns,
					  const struct proc_info *info)
{
	struct model_config config = {.retain = retain,
				      .retain_exited = 100,
				      .workers = 1,
				      .wall_offset_ns = wall_offset_ns};
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(names_new(10000, &x->names), 0);
	config.names = x->names;
	assert_int_equal(model_new(&config, &x->m), 0);
	assert_int_equal(model_proc_add(x->m, info), 0);
	for (unsigned i = 0; i < RATES; i++)
		x->rates[i] = RATE_ONE;
	x->live.ctx = x->control.ctx = x;
	x->v = (struct view){.model = x->m, .live = &x->live, .control = &x->control};
	return x;
}

static inline int teardown(void **state)
{
	struct fixture *x = *state;

	buf_free(&x->out);
	meter_free(x->meter);
	model_free(x->m);
	names_free(x->names);
	free(x);
	return 0;
}

static inline uint32_t intern(struct fixture *x, const char *text)
{
	return names_intern(x->names, text, strlen(text));
}

/* For control.get_rates. */
static inline void get_rates(void *ctx, uint32_t ret[RATES])
{
	memcpy(ret, ((struct fixture *)ctx)->rates, sizeof(((struct fixture *)ctx)->rates));
}

#endif
