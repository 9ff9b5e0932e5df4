/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the program of problem_fixture.h does. After cmocka.h and jansson.h. */
#ifndef XGOTOPFS_TESTS_PROBLEM_PROGRAM_H
#define XGOTOPFS_TESTS_PROBLEM_PROGRAM_H

#include "core/model/samples.h"
#include "tests/unit/problem_fixture.h"

static inline void create(struct fixture *x, uint64_t goid, const char *function, uint64_t at)
{
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = goid, .from = 6, .to = 1},
		{.type = EVENT_NEWGOROUTINE, .goid = 1, .target = goid},
		{.type = EVENT_CASGSTATUS, .goid = goid, .target = goid, .from = 1, .to = 2},
	};

	events[1].string_id = intern(x, function);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i].time_ns = at + i;
	model_apply(x->m, events, ARRAY_SIZE(events));
}

/* It waits since then, with that stack: innermost first. */
static inline void park(struct fixture *x, uint64_t goid, const char *reason, const char *calls,
			uint64_t at)
{
	change(x, goid, GSTATE_WAITING, reason, at);
	buf_addf(&stacks, "goroutine %llu [%s]:\n%s\n", (unsigned long long)goid, reason, calls);
}

/* The line with that number, from 1 on; the first says how many there are. */
static inline const char *line(const char *text, unsigned n)
{
	static char ret[600];
	size_t len;

	while (n-- > 0)
		text += strcspn(text, "\n") + 1;
	len = MIN(strcspn(text, "\n"), sizeof(ret) - 1);
	memcpy(ret, text, len);
	ret[len] = '\0';
	return ret;
}

#define SENDS                                                                                      \
	"main.signup(...)\n\t/src/main.go:37\nnet/http.(*conn).serve(...)\n\t/go/server.go:9\n"
#define IDLES "main.worker(...)\n\t/src/main.go:60\n"

/* The present is moved on. */
static inline void now(struct fixture *x, uint64_t at)
{
	create(x, at, "net/http.(*conn).serve", at);
	change(x, at, GSTATE_DEAD, "", at + 10);
}

static inline void sample(struct fixture *x, const char *function, uint64_t weight, uint64_t at)
{
	const struct site site = {.func_id = intern(x, function), .line = 7};
	const struct stack_sample s = {.time_ns = at,
				       .weight = weight,
				       .kind = SAMPLE_CPU,
				       .n = 1,
				       .sites = {names_add_site(x->names, site)}};

	samples_add(model_samples(x->m), &s);
}

#endif
