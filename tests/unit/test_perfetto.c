/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tracks of a Perfetto trace: named by function and number, below their function's, once each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/session/perfetto.h"
#include "proto/perfetto.pb-c.h"

#define T0 (1000 * NS_PER_SEC)

struct fixture {
	struct names *names;
	uint32_t worker, site;
	struct perfetto *p;
	struct buf out;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(names_new(1000, &x->names), 0);
	x->worker = names_intern(x->names, "main.worker", 11);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	buf_free(&x->out);
	names_free(x->names);
	free(x);
	return 0;
}

/* A goroutine's life; its creation and its end are told of twice, as capture does. */
static size_t life(const struct fixture *x, uint64_t goid, bool named, struct event *to)
{
	const struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = goid, .from = 6, .to = 1},
		{.type = EVENT_NEWGOROUTINE, .goid = 1, .target = goid, .string_id = x->worker},
		{.type = EVENT_CASGSTATUS, .goid = goid, .target = goid, .from = 1, .to = 2},
		{.type = EVENT_NEWOBJECT, .goid = goid, .size = 96},
		{.type = EVENT_CASGSTATUS, .goid = goid, .target = goid, .from = 2, .to = 6},
		{.type = EVENT_GOEXIT, .goid = goid, .target = goid},
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (!named && events[i].type == EVENT_NEWGOROUTINE)
			continue;
		to[n] = events[i];
		to[n++].time_ns = T0 + goid * 1000 + i;
	}
	return n;
}

/* Given `step` events at a time. */
static void convert(struct fixture *x, const struct event *events, size_t n, size_t step)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0};

	buf_reset(&x->out);
	strcpy(info.binary_path, "/srv/demo");
	assert_int_equal(perfetto_new(x->names, 0, &x->p), 0);
	assert_int_equal(perfetto_process(x->p, 0, &info, &x->out), 0);
	for (size_t i = 0; i < n; i += step)
		assert_int_equal(perfetto_events(x->p, events + i, MIN(step, n - i), &x->out), 0);
	assert_int_equal(perfetto_finish(x->p, 0, &x->out), 0);
	perfetto_free(x->p);
}

static Perfetto__Trace *unpack(const struct fixture *x)
{
	Perfetto__Trace *trace =
		perfetto__trace__unpack(NULL, x->out.len, (const uint8_t *)x->out.data);

	assert_non_null(trace);
	return trace;
}

/* The only track of that name; NULL when there is none. */
static const Perfetto__TrackDescriptor *track(const Perfetto__Trace *trace, const char *name)
{
	const Perfetto__TrackDescriptor *found = NULL;

	for (size_t i = 0; i < trace->n_packet; i++) {
		const Perfetto__TrackDescriptor *t = trace->packet[i]->track_descriptor;

		if (!t || strcmp(t->name, name))
			continue;
		assert_null(found);
		found = t;
	}
	return found;
}

static unsigned descriptors(const Perfetto__Trace *trace, uint64_t uuid)
{
	unsigned n = 0;

	for (size_t i = 0; i < trace->n_packet; i++) {
		const Perfetto__TrackDescriptor *t = trace->packet[i]->track_descriptor;

		n += t && t->uuid == uuid;
	}
	return n;
}

static void test_tracks(void **state)
{
	struct fixture *x = *state;
	struct event events[32];
	size_t n = life(x, 9, true, events);
	const Perfetto__TrackDescriptor *group, *nine, *ten, *unknown;
	Perfetto__Trace *trace;

	n += life(x, 10, true, events + n);
	n += life(x, 11, false, events + n);
	convert(x, events, n, n);
	trace = unpack(x);
	group = track(trace, "main.worker");
	nine = track(trace, "main.worker 9");
	ten = track(trace, "main.worker 10");
	assert_non_null(group);
	assert_non_null(nine);
	assert_non_null(ten);
	assert_true(nine->parent_uuid == group->uuid && ten->parent_uuid == group->uuid);
	/* Described once: it keeps its name when it ends, and its place. */
	assert_int_equal(descriptors(trace, nine->uuid), 1);
	assert_int_equal(descriptors(trace, group->uuid), 1);
	/* The groups are the process's; those whose function is not known are one. */
	unknown = track(trace, "start function not known");
	assert_non_null(unknown);
	assert_true(unknown->parent_uuid == group->parent_uuid);
	assert_non_null(track(trace, "G11"));
	assert_true(track(trace, "G11")->parent_uuid == unknown->uuid);
	assert_int_equal(descriptors(trace, group->parent_uuid), 1);
	perfetto__trace__free_unpacked(trace, NULL);
}

/* However the events come, the trace is the same. */
static void test_pieces(void **state)
{
	struct fixture *x = *state;
	cleanup_buf_ struct buf whole = BUF_INIT;
	struct event events[32];
	size_t n = life(x, 9, true, events);

	n += life(x, 10, true, events + n);
	convert(x, events, n, n);
	buf_add(&whole, x->out.data, x->out.len);
	for (size_t step = 1; step < n; step++) {
		convert(x, events, n, step);
		assert_int_equal(x->out.len, whole.len);
		assert_memory_equal(x->out.data, whole.data, whole.len);
	}
}

/* One the model knows of, and that did nothing: it has been waiting since before the events. */
static void test_known(void **state)
{
	struct fixture *x = *state;
	struct goroutine g = {.goid = 5,
			      .state = GSTATE_WAITING,
			      .start_func_id = x->worker,
			      .state_since_ns = T0 - 7};
	Perfetto__Trace *trace;
	const Perfetto__TrackDescriptor *five;
	unsigned begins = 0, cuts = 0;

	assert_int_equal(perfetto_new(x->names, 0, &x->p), 0);
	assert_int_equal(perfetto_goroutine(x->p, &g, T0, &x->out), 0);
	g.goid = 6;
	g.state_since_ns = T0 + 1; /* its events tell */
	assert_int_equal(perfetto_goroutine(x->p, &g, T0, &x->out), 0);
	assert_int_equal(perfetto_cut(x->p, "cut: after 1 MiB", &x->out), 0);
	assert_int_equal(perfetto_finish(x->p, 0, &x->out), 0);
	perfetto_free(x->p);
	trace = unpack(x);
	five = track(trace, "main.worker 5");
	assert_non_null(five);
	assert_non_null(track(trace, "main.worker 6"));
	for (size_t i = 0; i < trace->n_packet; i++) {
		const Perfetto__TrackEvent *ev = trace->packet[i]->track_event;

		if (!ev)
			continue;
		if (ev->type == 1) {
			assert_true(ev->track_uuid == five->uuid);
			assert_true(trace->packet[i]->timestamp == T0 - 7);
			begins++;
		}
		cuts += ev->type == 3;
	}
	assert_int_equal(begins, 1);
	assert_int_equal(cuts, 1);
	perfetto__trace__free_unpacked(trace, NULL);
}

/* What waits on while nothing happens has not ended with the last event. */
static void test_until(void **state)
{
	struct fixture *x = *state;
	struct goroutine g = {.goid = 5, .state = GSTATE_WAITING, .state_since_ns = T0 - 7};
	uint64_t ends[2] = {0, 0}, until[2] = {0, T0 + NS_PER_SEC};

	for (int i = 0; i < 2; i++) {
		struct event events[8];
		size_t n = life(x, 9, true, events);
		Perfetto__Trace *trace;

		buf_reset(&x->out);
		assert_int_equal(perfetto_new(x->names, 0, &x->p), 0);
		assert_int_equal(perfetto_goroutine(x->p, &g, T0, &x->out), 0);
		assert_int_equal(perfetto_events(x->p, events, n, &x->out), 0);
		assert_int_equal(perfetto_finish(x->p, until[i], &x->out), 0);
		perfetto_free(x->p);
		trace = unpack(x);
		for (size_t k = 0; k < trace->n_packet; k++)
			ends[i] = MAX(ends[i], trace->packet[k]->timestamp);
		perfetto__trace__free_unpacked(trace, NULL);
	}
	assert_int_equal(ends[0], T0 + 9000 + 5);
	assert_int_equal(ends[1], until[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tracks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_until, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
