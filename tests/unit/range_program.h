/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a made-up program did in ten seconds, event by event, and its model. After cmocka.h and
 * jansson.h. */
#ifndef XGOTOPFS_TESTS_RANGE_PROGRAM_H
#define XGOTOPFS_TESTS_RANGE_PROGRAM_H

#include "core/base/util.h"
#include "core/view/view.h"
#include "tests/unit/view_ask.h"

#define MS         1000000ull
#define T0         (1000 * NS_PER_SEC)
#define END        (T0 + 10 * NS_PER_SEC)
#define N          60 /* goroutines, 1 to N */
#define EVENTS_MAX 20000

static const char *const reasons[] = {"chan receive", "sync.Mutex.Lock", "IO wait", "sleep"};
static const char *const functions[] = {"main.a", "main.b", "main.c"};
static const unsigned lines[] = {10, 20, 30, 40, 50};

/* What the test itself knows of each event. */
static struct event events[EVENTS_MAX];
static unsigned n_events;
static uint32_t reason_ids[4], function_ids[3], site_ids[5], type_id;
static uint64_t seed;

static inline uint64_t rnd(uint64_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

static inline unsigned function_of(uint64_t goid)
{
	return (unsigned)(goid % 3);
}

static inline unsigned made_at(uint64_t goid)
{
	return (unsigned)(goid % 5);
}

static inline struct event *add(uint64_t time_ns, uint64_t goid, unsigned type)
{
	struct event *ev = &events[n_events++];

	assert_true(n_events < EVENTS_MAX);
	*ev = (struct event){.time_ns = time_ns, .goid = goid, .type = (uint8_t)type};
	return ev;
}

static inline void change(uint64_t time_ns, uint64_t by, uint64_t goid, unsigned from, unsigned to)
{
	struct event *ev = add(time_ns, by, EVENT_CASGSTATUS);

	ev->target = goid;
	ev->from = (uint8_t)from;
	ev->to = (uint8_t)to;
	if (to == GSTATE_WAITING)
		ev->string_id = reason_ids[rnd(4)];
}

/* Another one, of those that do not end. */
static inline uint64_t waker_of(uint64_t goid)
{
	uint64_t by;

	do
		by = 1 + rnd(N);
	while (by == goid || by % 4 == 0);
	return by;
}

/* One life: made, then runs and waits in turns, allocates; some end. */
static inline void live(uint64_t goid)
{
	uint64_t at = T0 + goid;
	struct event *ev;

	change(at, 0, goid, GSTATE_DEAD, GSTATE_RUNNABLE);
	ev = add(at, 0, EVENT_NEWGOROUTINE);
	ev->target = goid;
	ev->string_id = function_ids[function_of(goid)];
	ev->site_id = site_ids[made_at(goid)];
	at += MS; /* all are there by then */
	for (unsigned turn = 0; turn < 20; turn++) {
		change(at += 1 + rnd(50 * MS), goid, goid, GSTATE_RUNNABLE, GSTATE_RUNNING);
		for (unsigned i = 0; i < rnd(3); i++) {
			ev = add(at += 1 + rnd(5 * MS), goid, EVENT_NEWOBJECT);
			ev->size = 1 + rnd(1000);
			ev->site_id = site_ids[rnd(5)];
			ev->type_id = type_id;
		}
		if (turn == 10 && goid % 4 == 0) {
			change(at += 1 + rnd(5 * MS), goid, goid, GSTATE_RUNNING, GSTATE_DEAD);
			return;
		}
		change(at += 1 + rnd(50 * MS), goid, goid, GSTATE_RUNNING, GSTATE_WAITING);
		if (turn == 19 && goid % 5)
			return; /* it waits still */
		/* Nobody wakes it, or somebody who lives. */
		change(at += 1 + rnd(200 * MS), rnd(3) ? waker_of(goid) : 0, goid, GSTATE_WAITING,
		       GSTATE_RUNNABLE);
	}
}

static inline int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (event_subject(x) != event_subject(y))
		return event_subject(x) < event_subject(y) ? -1 : 1;
	return (int)x->type - (int)y->type; /* of a creation: the change first */
}

static inline int setup(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/demo"};
	struct fixture *x = fixture_new(EVENTS_MAX, 0, &info);
	struct go_type type = {.name = "main.T", .size = 8, .kind = 25};

	seed = 42;
	n_events = 0;
	for (unsigned i = 0; i < 4; i++)
		reason_ids[i] = intern(x, reasons[i]);
	for (unsigned i = 0; i < 3; i++)
		function_ids[i] = intern(x, functions[i]);
	for (unsigned i = 0; i < 5; i++)
		site_ids[i] = names_add_site(
			x->names,
			(struct site){intern(x, "main.main"), intern(x, "/src/main.go"), lines[i]});
	type_id = names_add_type(x->names, &type);
	for (uint64_t goid = 1; goid <= N; goid++)
		live(goid);
	/* Times of one goroutine's events differ, but for the two of its creation. */
	qsort(events, n_events, sizeof(events[0]), by_time);
	for (unsigned i = 0; i < n_events; i++) {
		struct event ev = events[i];

		model_apply(x->m, &ev, 1);
	}
	model_proc_exited(x->m, 0, END);
	*state = x;
	return 0;
}

static inline uint64_t number(json_t *of, const char *key)
{
	json_t *v = json_object_get(of, key);

	if (!json_is_integer(v))
		fail_msg("no number %s", key);
	return (uint64_t)json_integer_value(v);
}

#endif
