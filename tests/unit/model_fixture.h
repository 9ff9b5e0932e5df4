/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A model, and events for it. After cmocka.h. */
#ifndef XGOTOPFS_TESTS_MODEL_FIXTURE_H
#define XGOTOPFS_TESTS_MODEL_FIXTURE_H

#include "core/base/util.h"
#include "core/model/model.h"
#include "tests/all_goroutines.h"

struct fixture {
	struct names *names;
	struct model *m;
	uint64_t now;
};

static inline void make(struct fixture *x, size_t retain, size_t exited)
{
	struct model_config config = {
		.retain = retain, .retain_exited = exited, .workers = 2, .names = x->names};
	struct proc_info info = {.pid = 100, .binary_path = "/bin/x", .go_version = "go1.24.1"};

	assert_int_equal(model_new(&config, &x->m), 0);
	assert_int_equal(model_proc_add(x->m, &info), 0);
}

static inline int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(names_new(10000, &x->names), 0);
	make(x, 1000, 100);
	*state = x;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *x = *state;

	model_free(x->m);
	names_free(x->names);
	free(x);
	return 0;
}

static inline uint32_t intern(struct fixture *x, const char *text)
{
	return names_intern(x->names, text, strlen(text));
}

/* Applies one event at time `at`; returns it as the model left it. */
static inline struct event apply(struct fixture *x, uint64_t at, struct event ev)
{
	ev.time_ns = at;
	model_apply(x->m, &ev, 1);
	return ev;
}

static inline struct event move(uint64_t actor, uint64_t target, unsigned from, unsigned to)
{
	return (struct event){.type = EVENT_CASGSTATUS,
			      .goid = actor,
			      .target = target,
			      .from = (uint8_t)from,
			      .to = (uint8_t)to};
}

static inline struct event go(uint64_t actor, uint64_t child)
{
	return (struct event){.type = EVENT_NEWGOROUTINE, .goid = actor, .target = child};
}

static inline struct event hidden(struct event ev)
{
	ev.flags |= EVENT_HIDDEN;
	return ev;
}

static inline struct event cgo(struct event ev)
{
	ev.flags |= EVENT_CGO_THREAD;
	return ev;
}

static inline struct event object(uint64_t actor, uint64_t size)
{
	return (struct event){.type = EVENT_NEWOBJECT, .goid = actor, .size = size};
}

static inline struct goroutine get(struct fixture *x, uint64_t goid)
{
	struct goroutine g;

	assert_int_equal(model_goroutine(x->m, 0, goid, &g), 0);
	return g;
}

static inline struct model_totals totals(struct fixture *x)
{
	struct model_totals t;

	model_totals(x->m, -1, &t);
	return t;
}

#endif
