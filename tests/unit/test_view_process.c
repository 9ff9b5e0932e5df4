/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The views of a process as a whole: its stats, health, runtime, audit, metrics and recording. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/model/samples.h"
#include "tests/unit/view_render.h"

static bool get_paused(void *ctx)
{
	return true;
}

static void test_stats(void **state)
{
	struct fixture *x = *state;
	struct meter_sample sample = {.rps = 3489, .pps = 3488, .lat_ns = 1304, .bps = 81.924};
	uint64_t lost[EVENT_TYPES] = {[EVENT_NEWOBJECT] = 12};
	const char *text;

	meter_add(x->meter, &sample);
	model_lost(x->m, 0, lost, T0);
	text = render(x, view_stats, 0, VIEW_TEXT);
	has_line(text, "pid 4711");
	has_line(text, "state exited");
	has_line(text, "binary /srv/a \"quoted\"\\nname");
	has_line(text, "uptime_ns 100000000");
	has_line(text, "events_casgstatus 3");
	has_line(text, "events_total 6");
	has_line(text, "lost_newobject 12");
	has_line(text, "lost_total 12");
	has_line(text, "goroutines_live 2");
	has_line(text, "goroutines_waiting 1");
	has_line(text, "goroutines_state_unknown 1");
	has_line(text, "goroutines_created 1");
	has_line(text, "rps 3489");
	has_line(text, "lat_ns 1304");
	has_line(text, "bps 81.924");
	has_line(text, "trap_ns ?");
	/* The one log of all processes, with the notice of what was lost. */
	has_line(text, "all_processes_logged_events 7");
	has_line(text, "retained_events 7");
	has_line(text, "retained_events_max 1000");
	same_keys(x, view_stats, 0);
	/* A recorded session has no meter. */
	x->v.meter = NULL;
	x->v.replay = true;
	text = render(x, view_stats, 0, VIEW_TEXT);
	has_line(text, "rps -");
	has_line(text, "lost_per_second -");
	has_line(render(x, view_health, 0, VIEW_TEXT), "lost_per_second -");
	has_line(x->out.data, "events_waiting -");
	text = render(x, view_stats, 0, VIEW_TEXT);
	has_line(text, "replay yes");
	has_line(text, "uptime_ns 50000000"); /* to the last event */
}

static void test_health(void **state)
{
	struct fixture *x = *state;
	uint64_t lost[EVENT_TYPES] = {[EVENT_NEWOBJECT] = 2};
	const char *text = render(x, view_health, 0, VIEW_TEXT);

	starts_with(text, "verdict good: nothing lost, within the limits");
	assert_non_null(strstr(text, "\nlimit the target has ended"));
	assert_null(strstr(text, "\nwarning"));
	has_line(text, "attached_for_ns 100000000");
	has_line(text, "attached_for 100ms");
	assert_null(strstr(text, "symbols_from"));
	same_keys(x, view_health, 0);
	model_lost(x->m, -1, lost, T0);
	x->live.health = health;
	x->control.get_paused = get_paused;
	strcpy(x->health.symbols_from, ".gopclntab");
	strcpy(x->health.not_covered, "inline system calls");
	x->health.n_probes = 1;
	strcpy(x->health.probes[0].symbol, "runtime.casgstatus");
	strcpy(x->health.probes[0].instruction, "push %rbp");
	x->health.probes[0].event_name = "casgstatus";
	text = render(x, view_health, 0, VIEW_TEXT);
	assert_int_equal(strncmp(text, "verdict incomplete", 18), 0);
	assert_non_null(strstr(text, "warning 2 events lost (25.0000%)"));
	/* Of every program of that release: once, and no warning. */
	has_line(text, "not_covered inline system calls");
	assert_ptr_equal(strstr(strstr(text, "inline system calls") + 1, "inline system calls"),
			 NULL);
	assert_non_null(strstr(text, "\nlimit paused"));
	has_line(text, "probe runtime.casgstatus+0 casgstatus out-of-line \"push %rbp\"");
	has_line(text, "paused yes");
	assert_null(strstr(text, "the machine's clock"));
	same_keys(x, view_health, 0);
	x->health.clock_set_ns = 3600 * (int64_t)NS_PER_SEC;
	assert_non_null(strstr(render(x, view_health, 0, VIEW_TEXT),
			       "\nlimit the machine's clock is 1h ahead of what"));
	x->health.clock_set_ns = -(int64_t)NS_PER_SEC / 2;
	assert_non_null(strstr(render(x, view_health, 0, VIEW_TEXT),
			       "\nlimit the machine's clock is 500ms behind what"));
}

static struct live_runtime counted; /* by the runtime below */

static bool runtime_known(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = counted;
	return counted.read_ns;
}

/* What the runtime counts is shown as of its reading, and says what share events tell of. */
static void test_runtime_known(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_stats, 0, VIEW_TEXT);

	has_line(text, "runtime_as_of_unix_ns -");
	has_line(text, "heap_live_bytes ?");
	has_line(text, "cpu_percent ?");
	has_line(text, "alloc_events_percent ?");
	counted = (struct live_runtime){.read_ns = T0,
					.heap = runtime_heap_unknown(),
					.procs = 4,
					.threads = 9,
					.cpu_ns = 77,
					.alloc_per_second = 1234.4,
					.cpu_percent = 12.5,
					.allocated_since = 1000,
					.event_bytes = 250,
					.sampled_bytes = 900};
	counted.heap.live = 4096;
	counted.heap.cycles = 3;
	counted.heap.pause_longest = 50;
	counted.heap.assist = 1;
	counted.heap.mark = 8;
	x->live.runtime_known = runtime_known;
	text = render(x, view_stats, 0, VIEW_TEXT);
	has_line(text, "heap_live_bytes 4096");
	has_line(text, "heap_goal_bytes ?");
	has_line(text, "heap_allocated_bytes_per_second 1234");
	has_line(text, "gc_cycles 3");
	has_line(text, "gc_pause_longest_ns 50");
	has_line(text, "gc_assist_percent 12.50");
	has_line(text, "gomaxprocs 4");
	has_line(text, "threads 9");
	has_line(text, "cpu_percent 12.50");
	has_line(text, "alloc_events_percent 25.00");
	has_line(text, "alloc_sampled_percent 90.00");
	/* Its own count comes late: that events tell of all is not known. */
	counted.event_bytes = 1126;
	has_line(render(x, view_stats, 0, VIEW_TEXT), "alloc_events_percent ?");
	counted.event_bytes = 250;
	same_keys(x, view_stats, 0);
	assert_non_null(strstr(render(x, view_allocations, 0, VIEW_TEXT),
			       "\n... events of new and make, 25.0 % of the bytes"));
	assert_non_null(strstr(render(x, view_top, 0, VIEW_TEXT),
			       "\nAllocations: events of new and make, 25.0 %"));
	/* What is in no sample ranks among the sites. */
	samples_add(model_samples(x->m),
		    &(struct stack_sample){.kind = SAMPLE_ALLOC, .weight = 300, .size = 10});
	counted.sampled_bytes = 300;
	text = render(x, view_alloc_sites, 0, VIEW_TEXT);
	has_line(text, "700\t70.00\t?\t?\t0\t(not sampled)\t-\t-");
	has_line(text, "300\t30.00\t300\t30\t1\t?\t-\t?");
	counted.allocated_since = RUNTIME_UNKNOWN;
	has_line(render(x, view_alloc_sites, 0, VIEW_TEXT), "300\t100.00\t300\t30\t1\t?\t-\t?");
	has_line(render(x, view_stats, 0, VIEW_TEXT), "alloc_sampled_percent ?");
}

static int three_ps(void *ctx, unsigned proc, struct runtime_seen **ret)
{
	struct runtime_seen *s = calloc(1, sizeof(*s) + 3 * sizeof(s->ps[0]));

	assert_non_null(s);
	s->has_sched = true;
	s->n_ps = 3;
	s->ms_at = sizeof(*s) + 3 * sizeof(s->ps[0]);
	s->ps[0].runq = runtime_runq(UINT32_MAX - 1, 3);
	s->ps[1].id = 1;
	s->ps[1].runq = runtime_runq(1000, 1000 + RUNTIME_RUNQ_MAX);
	s->ps[2].id = 2;
	s->ps[2].runq = runtime_runq(1000, 999);
	*ret = s;
	return 0;
}

/* A queue whose head and tail are of different moments is not an empty one. */
static void test_torn_run_queue(void **state)
{
	struct fixture *x = *state;
	const char *text;

	x->live.runtime = three_ps;
	text = render(x, view_sched_procs, 0, VIEW_TEXT);
	assert_non_null(strstr(text, "P0: status=idle schedtick=0 syscalltick=0 m=0 runqsize=5 "));
	assert_non_null(
		strstr(text, "P1: status=idle schedtick=0 syscalltick=0 m=0 runqsize=256 "));
	assert_non_null(strstr(text, "P2: status=idle schedtick=0 syscalltick=0 m=0 runqsize=? "));
	text = render(x, view_sched_procs, 0, VIEW_JSON);
	assert_non_null(strstr(text, "\"runqsize\":256,"));
	assert_non_null(strstr(text, "\"runqsize\":null,"));
}

static bool many;

static int cut_ms(void *ctx, unsigned proc, struct runtime_seen **ret)
{
	struct runtime_seen *s = calloc(1, sizeof(*s) + sizeof(struct runtime_m));

	assert_non_null(s);
	s->has_sched = s->has_ms = s->cut = true;
	s->many = many;
	s->threads = 20007;
	s->n_ms = 1;
	s->ms_at = sizeof(*s);
	*ret = s;
	return 0;
}

/* A list of threads that is cut says why, and how much of it is there. */
static void test_cut_threads(void **state)
{
	struct fixture *x = *state;

	x->live.runtime = cut_ms;
	many = true;
	assert_non_null(strstr(render(x, view_sched_procs, 0, VIEW_TEXT),
			       "\n  ... cut: the newest 1 of 20007 threads\n"));
	many = false;
	assert_non_null(strstr(render(x, view_sched_procs, 0, VIEW_TEXT),
			       "\n  ... cut: the list of threads changed while it was read\n"));
}

static struct live_probes attached;

static void probes(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = attached;
}

/* What happened while no probe was in is in no count, also once they are back; and a pause is as of
 * its beginning, not of when memory was read before. */
static void test_without_probes(void **state)
{
	struct fixture *x = *state;
	const char *text;

	x->live.probes = probes;
	attached = (struct live_probes){.level = PROBES_FULL, .off_ns = 6600 * MS, .why = ""};
	text = render(x, view_health, 0, VIEW_TEXT);
	starts_with(text, "verdict good: nothing lost, within the limits");
	has_line(text, "limit no probe was attached for 6.6s in all: of that time there are no "
		       "events");
	attached = (struct live_probes){.level = PROBES_FULL,
					.off = 1,
					.paused = true,
					.why = "paused (control/pause)",
					.as_of_ns = T0,
					.since_ns = T0 + 90 * MS};
	has_line(render(x, view_health, 0, VIEW_TEXT),
		 "goroutines_as nobody, nor is memory read: no probe for events is attached, "
		 "paused (control/pause); as of 10.0ms before it ended");
	attached.paused = false;
	assert_non_null(strstr(render(x, view_health, 0, VIEW_TEXT),
			       "; as of 100ms before it ended, nothing is known of the time"));
	x->live.probes = NULL;
}

/* Nobody measures the tracing of a session that is looked at: no figure is none. */
static void test_unmeasured(void **state)
{
	struct fixture *x = *state;

	assert_non_null(
		strstr(render(x, view_metrics, 0, VIEW_TEXT), "\nxgotopfs_overhead_ratio "));
	x->v.meter = NULL;
	assert_null(strstr(render(x, view_metrics, 0, VIEW_TEXT), "\nxgotopfs_overhead_ratio "));
	assert_null(strstr(render(x, view_metrics, 0, VIEW_TEXT), "\nxgotopfs_trap_seconds "));
}

static struct audit found; /* what the audit below says */

static void audit(void *ctx, unsigned proc, struct audit *ret)
{
	*ret = found;
}

/* The verdict is good only while the audit agrees and never found anything. */
static void test_audit(void **state)
{
	struct fixture *x = *state;
	const char *text;

	/* Nobody audits, as in a replay of a session that kept nothing of it. */
	has_line(render(x, view_audit, 0, VIEW_TEXT), "audit none: not recorded");
	x->live.audit = audit;
	found = (struct audit){.state = AUDIT_WAITING};
	starts_with(render(x, view_health, 0, VIEW_TEXT), "verdict not known yet");
	found = (struct audit){.state = AUDIT_BEHIND, .comparisons = 5};
	starts_with(render(x, view_health, 0, VIEW_TEXT), "verdict not known yet");
	found = (struct audit){.state = AUDIT_AGREES, .comparisons = 5, .agree = 3};
	starts_with(render(x, view_health, 0, VIEW_TEXT), "verdict good");
	has_line(x->out.data, "audit agrees: events and memory tell the same");
	same_keys(x, view_audit, 0);
	/* Its memory cannot be read: where the list of goroutines, or its code, is was not found.
	 */
	found = (struct audit){.state = AUDIT_BLIND, .why = "somewhere"};
	text = render(x, view_health, 0, VIEW_TEXT);
	starts_with(text, "verdict incomplete");
	assert_non_null(strstr(text, "warning the audit blind: somewhere"));
	found = (struct audit){.state = AUDIT_OFF, .why = "nobody traces", .comparisons = 2};
	text = render(x, view_health, 0, VIEW_TEXT);
	starts_with(text, "verdict good: nothing lost");
	assert_non_null(strstr(text, "\nlimit not audited: nobody traces"));
	/* Found, healed, not forgotten; and told in words. */
	found = (struct audit){
		.state = AUDIT_AGREES,
		.comparisons = 9,
		.compared_ns = T0,
		.first_ns = T0,
		.total = {[AUDIT_EXIT] = 2, [AUDIT_MISSED] = 7},
		.examples = {{.goid = 41,
			      .kind = AUDIT_EXIT,
			      .memory = GSTATE_DEAD,
			      .events = GSTATE_WAITING}},
		.n_examples = 1,
	};
	text = render(x, view_health, 0, VIEW_TEXT);
	starts_with(text, "verdict incomplete");
	assert_non_null(strstr(text, "2 exit, 7 missed"));
	text = render(x, view_audit, 0, VIEW_TEXT);
	has_line(text, "differences_total 9");
	has_line(text, "differences_exit 2");
	assert_non_null(strstr(text, "\nmeaning exit: "));
	assert_non_null(strstr(text, "\nmeaning what to do: "));
	assert_non_null(strstr(text, "\ndifference goroutine 41 exit: waiting by events, not there "
				     "in memory"));
	same_keys(x, view_audit, 0);
	text = render(x, view_metrics, 0, VIEW_TEXT);
	has_line(text, "xgotopfs_audit_agrees{pid=\"4711\"} 1");
	has_line(text, "xgotopfs_audit_differences_total{pid=\"4711\",kind=\"missed\"} 7");
}

/* Every line is a comment or a series; HELP and TYPE come once and first; no goroutine in a label.
 */
static void check_exposition(const char *text)
{
	char *copy = strdup(text), *save;
	char family[128] = "";

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[128];
		size_t len;

		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %127s", family), 1);
			continue;
		}
		if (strncmp(line, "# TYPE ", 7) == 0) {
			assert_int_equal(sscanf(line, "# TYPE %127s", name), 1);
			assert_string_equal(name, family);
			continue;
		}
		len = strcspn(line, "{ ");
		snprintf(name, sizeof(name), "%.*s", (int)len, line);
		assert_int_equal(strncmp(name, family, strlen(family)), 0);
		assert_null(strstr(line, "goid"));
		assert_non_null(strrchr(line, ' '));
	}
	free(copy);
}

static void test_metrics(void **state)
{
	struct fixture *x = *state;
	struct proc_info info = {.pid = 4712, .attached_ns = T0};
	const char *text = render(x, view_metrics, 0, VIEW_TEXT);

	check_exposition(text);
	has_line(text,
		 "xgotopfs_target_info{pid=\"4711\",binary=\"/srv/a \\\"quoted\\\"\\\\nname\","
		 "go_version=\"go1.24.1\"} 1");
	has_line(text, "xgotopfs_target_up{pid=\"4711\"} 0");
	has_line(text, "xgotopfs_events_total{pid=\"4711\",event=\"casgstatus\"} 3");
	has_line(text, "xgotopfs_goroutines{pid=\"4711\",state=\"waiting\"} 1");
	has_line(text, "xgotopfs_traced_seconds{pid=\"4711\"} 0.100000000");
	has_line(text, "xgotopfs_runnable_latency_seconds_count{pid=\"4711\"} 1");
	has_line(text, "xgotopfs_runnable_latency_seconds_sum{pid=\"4711\"} 0.020000000");
	has_line(text, "xgotopfs_runnable_latency_seconds_bucket{pid=\"4711\",le=\"0.016777216\"} "
		       "0");
	has_line(text, "xgotopfs_runnable_latency_seconds_bucket{pid=\"4711\",le=\"0.033554432\"} "
		       "1");
	has_line(text, "xgotopfs_runnable_latency_seconds_bucket{pid=\"4711\",le=\"+Inf\"} 1");
	assert_int_equal(model_proc_add(x->m, &info), 1);
	assert_null(strstr(render(x, view_metrics, 0, VIEW_TEXT), "4712"));
	buf_reset(&x->out);
	assert_int_equal(ask(x, view_metrics, VIEW_ALL_PROCS, 0, VIEW_TEXT), 0);
	check_exposition(x->out.data);
	has_line(x->out.data, "xgotopfs_target_up{pid=\"4711\"} 0");
	has_line(x->out.data, "xgotopfs_target_up{pid=\"4712\"} 1");
}

static void recording(void *ctx, struct recording *ret)
{
	*ret = ((struct fixture *)ctx)->recording;
}

/* A recording that stopped is said in the verdict, with its reason and its time, the same in all.
 */
static void test_recording(void **state)
{
	static view_fn *const flat[] = {view_stats, view_health};
	struct fixture *x = *state;
	const char *text;

	for (unsigned i = 0; i < ARRAY_SIZE(flat); i++)
		has_line(render(x, flat[i], 0, VIEW_TEXT), "recording none");
	assert_null(strstr(render(x, view_metrics, 0, VIEW_TEXT), "record"));
	x->v.recording = recording;
	x->v.recording_ctx = x;
	x->recording = (struct recording){
		.state = RECORDING_RUNNING, .id = "an-id", .events = 40, .why = "not shown"};
	assert_int_equal(strncmp(render(x, view_health, 0, VIEW_TEXT), "verdict good", 12), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(flat); i++) {
		text = render(x, flat[i], 0, VIEW_TEXT);
		has_line(text, "recording running");
		has_line(text, "recording_session an-id");
		has_line(text, "recorded_events 40");
		assert_null(strstr(text, "stopped"));
	}
	has_line(render(x, view_metrics, 0, VIEW_TEXT), "xgotopfs_recording_running 1");
	x->recording.state = RECORDING_STOPPED;
	x->recording.not_recorded = 7;
	x->recording.stopped_ns = 1795410450358415102;
	strcpy(x->recording.why, "No space left on device");
	text = render(x, view_health, 0, VIEW_TEXT);
	assert_int_equal(strncmp(text, "verdict incomplete", 18), 0);
	has_line(text,
		 "warning recording stopped: No space left on device; 7 events that came since "
		 "are not in it");
	for (unsigned i = 0; i < ARRAY_SIZE(flat); i++) {
		text = render(x, flat[i], 0, VIEW_TEXT);
		has_line(text, "recording stopped");
		has_line(text, "not_recorded_events 7");
		has_line(text, "recording_stopped_unix_ns 1795410450358415102");
		has_line(text, "recording_stopped_by No space left on device");
		same_keys(x, flat[i], 0);
	}
	text = render(x, view_metrics, 0, VIEW_TEXT);
	check_exposition(text);
	has_line(text, "xgotopfs_recording_running 0");
	has_line(text, "xgotopfs_recording_stopped 1");
	has_line(text, "xgotopfs_recording_stopped_timestamp_seconds 1795410450.358415102");
	has_line(text, "xgotopfs_not_recorded_events_total 7");
	x->recording.state = RECORDING_DONE;
	x->recording.missed = 3;
	text = render(x, view_health, 0, VIEW_TEXT);
	has_line(text, "recording done");
	has_line(text, "warning the recording could not keep up: 3 events are not in it");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_stats),          TEST(test_health),         TEST(test_runtime_known),
		TEST(test_torn_run_queue), TEST(test_audit),          TEST(test_recording),
		TEST(test_cut_threads),    TEST(test_without_probes), TEST(test_unmeasured),
		TEST(test_metrics),
	};

	return cmocka_run_group_tests_name("view_process", tests, NULL, NULL);
}
