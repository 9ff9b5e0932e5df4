/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every way to lose something: brought about here where it takes no kernel (else in
 * tests/cases/losses.sh and others), and shown in every view with the same count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/model/samples.h"
#include "core/pyramid/pyramid.h"
#include "core/view/process/losses.h"
#include "core/view/process/overview.h"
#include "view_fixture.h"

#define T0 1000000000ull

static int setup(void **state)
{
	const struct proc_info info = {.pid = 4711, .attached_ns = T0};

	*state = fixture_new(64, 0, &info);
	return 0;
}

static uint64_t counted(struct fixture *x, const char *name)
{
	struct losses losses;

	losses_count(&x->v, &losses);
	for (unsigned i = 0; i < n_loss_ways; i++) {
		if (strcmp(loss_ways[i].name, name) == 0)
			return losses_of(&losses, &loss_ways[i]);
	}
	fail_msg("no way %s", name);
	return 0;
}

static const char *render(struct fixture *x, view_fn *fn)
{
	struct view_query q = {.form = VIEW_TEXT};

	buf_reset(&x->out);
	assert_int_equal(fn(&x->v, &q, &x->out), 0);
	return x->out.data;
}

static void live_losses(void *ctx, struct live_losses *ret)
{
	(void)ctx;
	*ret = (struct live_losses){.ring_full = 11,
				    .unreadable = 12,
				    .absent_fields = 13,
				    .outside_namespace = 14,
				    .unfollowed = 15,
				    .undecodable = 16,
				    .left_in_rings = 17,
				    .misnamed_fields = 18};
}

static void recording(void *ctx, struct recording *ret)
{
	*ret = ((struct fixture *)ctx)->recording;
}

/* The table covers struct losses: each field has one row, and each row says something. */
static void test_table(void **state)
{
	assert_int_equal(n_loss_ways * sizeof(uint64_t), sizeof(struct losses));
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];

		assert_true(*way->name && *way->unit && *way->what);
		for (unsigned k = 0; k < i; k++) {
			assert_string_not_equal(way->name, loss_ways[k].name);
			assert_int_not_equal(way->offset, loss_ways[k].offset);
		}
	}
}

static void apply(struct fixture *x, struct event ev)
{
	model_apply(x->m, &ev, 1);
}

static void test_each_is_shown(void **state)
{
	struct fixture *x = *state;
	struct feed *feed = model_feed(x->m);
	char wanted[160];

	x->live.losses = live_losses;
	x->v.recording = recording;
	x->v.recording_ctx = x;
	x->recording = (struct recording){.state = RECORDING_RUNNING,
					  .missed = 21,
					  .not_recorded = 22,
					  .nameless = 23,
					  .torn_bytes = 24,
					  .torn_why = "the last record is cut",
					  .unread_events = 25};
	for (unsigned who = 0; who < FEED_READERS; who++)
		feed_count_missed(feed, who, 31 + who);
	for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++)
		samples_lost(model_samples(x->m), (enum sample_kind)kind, 41 + kind, 1);
	assert_int_equal(counted(x, "alloc_samples"), 41 + SAMPLE_ALLOC);
	assert_int_equal(counted(x, "cpu_samples"), 41 + SAMPLE_CPU);
	assert_int_equal(counted(x, "offcpu_samples"), 41 + SAMPLE_OFF_CPU);
	assert_int_equal(counted(x, "creation_samples"), 41 + SAMPLE_CREATED);
	/* The model's own. */
	apply(x, (struct event){.type = EVENT_NEWOBJECT, .proc = 7, .goid = 1, .time_ns = T0});
	apply(x, (struct event){.type = EVENT_CASGSTATUS, .from = 99, .goid = 1, .time_ns = T0});
	for (uint64_t goid = 1; goid <= 300; goid++)
		apply(x, (struct event){.type = EVENT_CASGSTATUS,
					.goid = goid,
					.target = goid,
					.from = GSTATE_RUNNING,
					.to = GSTATE_DEAD,
					.time_ns = T0 + goid});
	assert_true(counted(x, "unknown_process") > 0);
	assert_true(counted(x, "malformed") > 0);
	assert_true(counted(x, "events_forgotten") > 0);
	assert_int_equal(counted(x, "goroutines_forgotten"), 200);
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];
		unsigned long long n = counted(x, way->name);

		if (!n)
			continue;
		snprintf(wanted, sizeof(wanted), "\nloss_%s %llu\n", way->name, n);
		assert_non_null(strstr(render(x, view_stats), wanted));
		snprintf(wanted, sizeof(wanted), "\nloss %s %llu %s\n", way->name, n, way->unit);
		assert_non_null(strstr(render(x, view_health), wanted));
		snprintf(wanted, sizeof(wanted), "\n%s\t%llu\t%s\t", way->name, n, way->unit);
		assert_non_null(strstr(render(x, view_losses), wanted));
		snprintf(wanted, sizeof(wanted),
			 "losses_total{way=\"%s\",unit=\"%s\",of=\"%s\"} %llu\n", way->name,
			 way->unit, loss_kind_name(way->kind), n);
		assert_non_null(strstr(render(x, view_metrics), wanted));
		/* What makes figures wrong is in the verdict, and names what helps; what only a
		 * reader missed is a limit. */
		snprintf(wanted, sizeof(wanted), "\n%s %llu %s %s",
			 way->kind == LOSS_DATA ? "warning" : "limit", n, way->unit, way->what);
		assert_int_equal(!!strstr(render(x, view_health), wanted),
				 way->kind != LOSS_BOUND && !way->said);
	}
	assert_non_null(strstr(render(x, view_health), "verdict incomplete"));
	assert_non_null(strstr(render(x, view_health), "-ring-size"));
}

/* What could not be read of a session that is looked at makes its figures wrong, and why is said.
 */
static void test_torn_session(void **state)
{
	struct fixture *x = *state;

	x->v.recording = recording;
	x->v.recording_ctx = x;
	x->recording = (struct recording){.torn_bytes = 12540, .torn_why = "no event"};
	assert_non_null(strstr(render(x, view_health), "verdict incomplete: see the warnings\n"));
	assert_non_null(strstr(x->out.data, "\nwarning the recorded session is torn: 12540 bytes "
					    "after the last whole record could not be read: no "
					    "event\n"));
	assert_non_null(strstr(render(x, view_losses), "\ntorn\t12540\tbytes\tdata\t"));
	/* Cut where a record ends. */
	x->recording = (struct recording){.unread_events = 7};
	assert_non_null(strstr(render(x, view_health), "verdict incomplete: see the warnings\n"));
	assert_non_null(strstr(render(x, view_losses), "\nunread\t7\tevents\tdata\t"));
	/* Read, and of no use. */
	x->recording = (struct recording){.skipped = 2, .out_of_range = 9};
	assert_non_null(strstr(render(x, view_health), "verdict incomplete: see the warnings\n"));
	assert_non_null(strstr(x->out.data, "\nwarning 2 events of the recorded session are of no "
					    "type that exists\n"));
	assert_non_null(strstr(x->out.data, "\nwarning 9 fields of the recorded session (cpu, "
					    "line, pid, nth) cannot be: taken as absent\n"));
	assert_non_null(strstr(render(x, view_stats), "\nloss_skipped 2\n"));
	assert_non_null(strstr(x->out.data, "\nloss_out_of_range 9\n"));
	assert_non_null(strstr(render(x, view_losses), "\nout_of_range\t9\tfields\tdata\t"));
}

/* Samples are estimates: that some are lost is no warning, but is not hidden either. */
static void test_samples_in_verdict(void **state)
{
	struct fixture *x = *state;

	assert_non_null(strstr(render(x, view_health), "verdict good: complete, nothing lost\n"));
	samples_lost(model_samples(x->m), SAMPLE_ALLOC, 16280, 1);
	samples_lost(model_samples(x->m), SAMPLE_OFF_CPU, 67, 1);
	assert_non_null(strstr(render(x, view_health),
			       "verdict good: complete, no event lost, 16347 samples lost\n"));
	assert_non_null(strstr(x->out.data, "\nlimit 16280 samples of allocations lost: "));
	assert_null(strstr(x->out.data, "\nwarning "));
}

/* The model: too many goroutines, names, rows. */
static void test_full_tables(void **state)
{
	struct model_config config = {
		.retain = 16, .retain_exited = 1, .workers = 1, .goroutines_max = 64};
	struct fixture *x = *state;
	const struct proc_info info = {.pid = 1};

	model_free(x->m);
	names_free(x->names);
	assert_int_equal(names_new(20, &x->names), 0);
	config.names = x->names;
	assert_int_equal(model_new(&config, &x->m), 0);
	x->v.model = x->m;
	assert_int_equal(model_proc_add(x->m, &info), 0);
	for (uint64_t i = 1; i <= 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", (unsigned)i);
		(void)names_intern(x->names, name, strlen(name));
		apply(x, (struct event){.type = EVENT_NEWOBJECT, .goid = i, .time_ns = T0 + i});
	}
	assert_int_equal(counted(x, "untracked_goroutines"), 36);
	assert_true(counted(x, "nameless") >= 80);
}

/* In doubt: said wherever states are counted. */
static void test_doubt(void **state)
{
	uint64_t lost[EVENT_TYPES] = {[EVENT_GOEXIT] = 1};
	struct fixture *x = *state;

	assert_non_null(strstr(render(x, view_stats), "\nstates_in_doubt no\n"));
	model_lost(x->m, -1, lost, T0);
	assert_non_null(strstr(render(x, view_stats), "\nstates_in_doubt yes\n"));
	assert_non_null(strstr(render(x, view_health), "\nstates_in_doubt yes\n"));
	assert_non_null(strstr(render(x, view_health), "are in doubt\n"));
	assert_non_null(strstr(render(x, view_metrics), "states_in_doubt{pid=\"4711\"} 1\n"));
	assert_true(model_heal(x->m, 0, NULL, 0, T0 + 1, true));
	assert_non_null(strstr(render(x, view_stats), "\nstates_in_doubt no\n"));
}

static void live_probes(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = ((struct fixture *)ctx)->probes;
}

/* Those that were there before us are read still: how many live is not known, nowhere. */
static void test_unread(void **state)
{
	static view_fn *const fns[] = {view_stats, view_health};
	static view_fn *const counts[] = {view_count_states, view_count_waits, view_count_funcs};
	struct fixture *x = *state;

	x->live.probes = live_probes;
	apply(x, (struct event){.type = EVENT_NEWOBJECT, .goid = 1, .time_ns = T0});
	model_await(x->m, 0, true);
	for (unsigned i = 0; i < 2; i++) {
		const char *text = render(x, fns[i]);

		assert_non_null(strstr(text, "\ngoroutines_live ?\n"));
		assert_non_null(strstr(text, "\ngoroutines_waiting ?\n"));
		assert_non_null(strstr(text, "\ngoroutines_state_unknown ?\n"));
		assert_non_null(strstr(text, "\ngoroutines_as events, exact in time of those that "
					     "are known: not all goroutines have been read yet\n"));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		const char *text = render(x, counts[i]);

		assert_non_null(strstr(text, "\n(all)\t?\n(not all goroutines have been read "
					     "yet)\t?\n"));
	}
	assert_null(strstr(render(x, view_metrics), "xgotopfs_goroutines{"));
	assert_non_null(strstr(x->out.data, "states_in_doubt{pid=\"4711\"} 1\n"));
	/* By memory alone, and it was never read. */
	model_await(x->m, 0, false);
	x->probes.off = 1;
	x->probes.why = "-probes none";
	assert_non_null(strstr(render(x, view_stats), "\ngoroutines_live ?\n"));
	assert_null(strstr(render(x, view_metrics), "xgotopfs_goroutines{"));
	x->probes.as_of_ns = T0;
	assert_non_null(strstr(render(x, view_stats), "\ngoroutines_live 1\n"));
	assert_non_null(strstr(render(x, view_metrics), "xgotopfs_goroutines{"));
	assert_non_null(strstr(render(x, view_count_states), "\n(all)\t1\n"));
	assert_null(strstr(x->out.data, "(not all"));
	x->probes.off = 0;
	assert_non_null(strstr(render(x, view_health), "\ngoroutines_live 1\n"));
	assert_non_null(strstr(x->out.data, "\ngoroutines_as events, exact in time\n"));
}

/* The mount has no folder for numbers from 2^40 on: each COUNTS says how many it has of them. */
static void test_without_folder(void **state)
{
	static view_fn *const counts[] = {view_count_states, view_count_waits, view_count_funcs};
	static const char row[] = "\n(of these without a folder: goroutines from 2^40 on)\t2\n";
	static const uint64_t goids[] = {7, (1ull << 40) - 1, 1ull << 40, INT64_MAX};
	struct fixture *x = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(goids); i++) {
		if (i == 2) /* none of them yet */
			for (unsigned k = 0; k < ARRAY_SIZE(counts); k++)
				assert_null(strstr(render(x, counts[k]), "without a folder"));
		apply(x, (struct event){.type = EVENT_NEWGOROUTINE,
					.goid = 1,
					.target = goids[i],
					.time_ns = T0 + 2 * i});
		apply(x, (struct event){.type = EVENT_CASGSTATUS,
					.goid = goids[i],
					.target = goids[i],
					.from = GSTATE_RUNNING,
					.to = GSTATE_WAITING,
					.time_ns = T0 + 2 * i + 1});
	}
	for (unsigned k = 0; k < ARRAY_SIZE(counts); k++)
		assert_non_null(strstr(render(x, counts[k]), row));
	/* What has ended lives in none. */
	apply(x, (struct event){.type = EVENT_GOEXIT,
				.goid = INT64_MAX,
				.target = INT64_MAX,
				.time_ns = T0 + 100});
	assert_non_null(strstr(render(x, view_count_states), row));
	assert_non_null(strstr(render(x, view_count_waits), "2^40 on)\t1\n"));
	assert_non_null(strstr(render(x, view_count_funcs), "2^40 on)\t1\n"));
}

/* The timeline: cells that are given up. */
static void test_timeline(void **state)
{
	struct fixture *x = *state;
	struct pyramid *p;
	struct pyramid_info info;

	assert_int_equal(pyramid_new(1 << 20, &p), 0);
	for (uint64_t i = 0; i < 400000; i++) {
		struct event ev = {.type = EVENT_CASGSTATUS,
				   .goid = 1 + i % 50,
				   .target = 1 + i % 50,
				   .from = i % 2 ? GSTATE_RUNNING : GSTATE_WAITING,
				   .to = i % 2 ? GSTATE_WAITING : GSTATE_RUNNING,
				   .time_ns = T0 + i * 40000};

		pyramid_apply(p, x->names, &ev, 1);
	}
	pyramid_info(p, &info);
	assert_true(info.forgotten > 0);
	x->v.pyramid = p;
	assert_int_equal(counted(x, "timeline_forgotten"), info.forgotten);
	pyramid_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test_setup_teardown(test_each_is_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_samples_in_verdict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doubt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeline, setup, teardown),
	};

	return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
