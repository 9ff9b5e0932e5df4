/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The views: keys, units, what is not known, JSON twins that are JSON with the same keys,
 * Prometheus text that a scraper takes, and names of the target that try to break a line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/util.h"
#include "core/model/samples.h"
#include "core/view/emit.h"
#include "core/memory/leak_report.h"
#include "core/view/view.h"
#include "tests/unit/view_fixture.h"

#define MS 1000000ull
#define T0 (1000 * NS_PER_SEC)

static bool get_paused(void *ctx)
{
	return true;
}

static int health(void *ctx, unsigned proc, struct health *ret)
{
	*ret = ((struct fixture *)ctx)->health;
	return 0;
}

static uint64_t as_of_ns; /* of stacks; 0: now */

static int stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out, uint64_t *ret_as_of_ns)
{
	if (as_of_ns)
		*ret_as_of_ns = as_of_ns;
	buf_addf(out, "goroutine %llu [select]:\n", (unsigned long long)goid);
	return 0;
}

static int gone_with = -ESRCH;

static int stacks_gone(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn, void *arg,
		       uint64_t *ret_as_of_ns)
{
	assert_int_equal(fn(arg, "half of", 7), 0);
	return gone_with;
}

/* More than anybody wants in one piece. */
/* As when the process has ended: those of then. */
static int stacks_of_then(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn,
			  void *arg, uint64_t *ret_as_of_ns)
{
	static const char text[] = "goroutine 7 [select] {k: v}:\nmain.f(...)\n\t/a.go:1 +0x1\n";

	*ret_as_of_ns = as_of_ns;
	return fn(arg, text, strlen(text));
}

static unsigned dying; /* so many readings are of a program that ends meanwhile */

static int stacks_of_a_dying(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn,
			     void *arg, uint64_t *ret_as_of_ns)
{
	static const char part[] =
		"goroutine 1 [select] {torn: part}:\nmain.torn(...)\n\t/a.go:2 +0x1\n\n"
		"goroutine 7 [sleep] {torn: part}:\nmain.torn(...)\n\t/a.go:2 +0x1\n";

	if (!dying)
		return stacks_of_then(ctx, proc, what, fn, arg, ret_as_of_ns);
	dying--;
	assert_int_equal(fn(arg, part, strlen(part)), 0);
	return -ESRCH;
}

static int stacks_without_end(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn,
			      void *arg, uint64_t *ret_as_of_ns)
{
	static char text[1 << 20];
	int err = 0;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	for (int i = 0; i < 1024 && !err; i++)
		err = fn(arg, text, sizeof(text));
	return err;
}

/* Goroutine 1 found, 7 created by it in a known life that ends the process at T0 + 100 ms. */
static void fill(struct fixture *x)
{
	struct go_type request = {.name = "main.Request", .size = 96, .kind = 25};
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = 7, .from = 6, .to = 1},
		{.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 7},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 1, .to = 2},
		{.type = EVENT_NEWOBJECT, .goid = 7, .size = 96},
		{.type = EVENT_MAKEMAP, .goid = 7},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 2, .to = 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i].time_ns = T0 + 10 * MS * i;
	events[1].string_id = intern(x, "main.worker");
	events[1].site_id = names_add_site(
		x->names, (struct site){intern(x, "main.main"), intern(x, "/src/main.go"), 12});
	events[3].type_id = names_add_type(x->names, &request);
	events[5].string_id = intern(x, "chan receive");
	model_apply(x->m, events, ARRAY_SIZE(events));
	model_proc_exited(x->m, 0, T0 + 100 * MS);
}

static int setup(void **state)
{
	struct proc_info info = {.pid = 4711,
				 .attached_ns = T0,
				 .binary_path = "/srv/a \"quoted\"\nname",
				 .go_version = "go1.24.1"};
	struct fixture *x = fixture_new(1000, 5, &info);

	assert_int_equal(meter_new(&x->meter), 0);
	x->v.meter = x->meter;
	fill(x);
	*state = x;
	return 0;
}

static int ask(struct fixture *x, view_fn *fn, unsigned proc, uint64_t goid, enum view_form form)
{
	struct view_query q = {.proc = proc, .goid = goid, .form = form};

	return fn(&x->v, &q, &x->out);
}

static const char *render(struct fixture *x, view_fn *fn, uint64_t goid, enum view_form form)
{
	buf_reset(&x->out);
	assert_int_equal(ask(x, fn, 0, goid, form), 0);
	return x->out.data;
}

static void starts_with(const char *text, const char *start)
{
	assert_int_equal(strncmp(text, start, strlen(start)), 0);
}

static void has_line(const char *text, const char *line)
{
	const char *at = text;
	size_t len = strlen(line);

	while ((at = strstr(at, line))) {
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return;
		at++;
	}
	fail_msg("no line \"%s\" in:\n%s", line, text);
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s in: %s", error.text, text);
	return root;
}

/* Each key of the text is one of the JSON form, and the other way round. */
static void same_keys(struct fixture *x, view_fn *fn, uint64_t goid)
{
	char *text = strdup(render(x, fn, goid, VIEW_TEXT));
	json_t *root = parse(render(x, fn, goid, VIEW_JSON));
	size_t in_text = 0;
	char *save, *previous = NULL;

	assert_true(json_is_object(root));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');

		assert_non_null(space);
		assert_true(space[1] != '\0');
		*space = '\0';
		for (const char *c = line; *c; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '_' ||
				    (*c >= '0' && *c <= '9'));
		if (!json_object_get(root, line))
			fail_msg("%s is not in the JSON form", line);
		/* A list has a line for each item. */
		in_text += !previous || strcmp(previous, line) != 0;
		previous = line;
	}
	for (const char *key = json_object_iter_key(json_object_iter(root)); key;) {
		json_t *value = json_object_get(root, key);

		if (json_is_array(value) && json_array_size(value) == 0)
			in_text++;
		key = json_object_iter_key(
			json_object_iter_next(root, json_object_key_to_iter(key)));
	}
	assert_int_equal(in_text, json_object_size(root));
	json_decref(root);
	free(text);
}

static void test_status(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_status, 7, VIEW_TEXT);

	assert_string_equal(text, "goid 7\n"
				  "pid 4711\n"
				  "state waiting\n"
				  "state_from event\n"
				  "wait_reason chan receive\n"
				  "state_since_ns 50000000\n"
				  "state_since_unix_ns 1000050000005\n"
				  "state_since_is exact\n"
				  "start_function main.worker\n"
				  "created_by main.main:12\n"
				  "created_at /src/main.go:12\n"
				  "parent 1\n"
				  "woken_by -\n"
				  "children 0\n"
				  "age_ns 100000000\n"
				  "created_unix_ns 1000000000005\n"
				  "first_seen_unix_ns 1000000000005\n"
				  "last_event_unix_ns 1000050000005\n"
				  "exited_unix_ns -\n"
				  "exited no\n"
				  "ended_by_exec no\n"
				  "system no\n"
				  "cgo no\n"
				  "found no\n"
				  "cpu_ns ?\n"
				  "cpu_error_ns ?\n"
				  "cpu_samples ?\n"
				  "creation_stack ?\n"
				  "creation_stack_is ?\n"
				  "creation_stack_share ?\n"
				  "uncertain no\n");
	text = render(x, view_status, 1, VIEW_TEXT);
	has_line(text, "state unknown");
	has_line(text, "wait_reason -");
	has_line(text, "start_function ?");
	has_line(text, "created_by ?");
	has_line(text, "created_at ?");
	has_line(text, "parent -");
	has_line(text, "age_ns ?");
	has_line(text, "created_unix_ns ?");
	has_line(text, "children 1");
	same_keys(x, view_status, 7);
	same_keys(x, view_status, 1);
}

static void test_json_values(void **state)
{
	struct fixture *x = *state;
	json_t *root = parse(render(x, view_status, 1, VIEW_JSON));

	assert_true(json_is_null(json_object_get(root, "start_function")));
	assert_true(json_is_null(json_object_get(root, "parent")));
	assert_true(json_is_false(json_object_get(root, "exited")));
	assert_int_equal(json_integer_value(json_object_get(root, "goid")), 1);
	json_decref(root);
}

static void test_goroutine_stats(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_goroutine_stats, 7, VIEW_TEXT);

	has_line(text, "goid 7");
	has_line(text, "events_total 5");
	has_line(text, "events_casgstatus 3");
	has_line(text, "events_newobject 1");
	has_line(text, "events_makemap 1");
	has_line(text, "alloc_bytes 96");
	has_line(text, "runnable_ns 20000000");
	has_line(text, "running_ns 30000000");
	has_line(text, "waiting_ns 50000000"); /* the stay under way, to the program's end */
	has_line(text, "runnable_to_running_count 1");
	has_line(text, "runnable_to_running_max_ns 20000000");
	assert_null(strstr(text, "sample_"));
	same_keys(x, view_goroutine_stats, 7);
}

static void test_sampled(void **state)
{
	struct fixture *x = *state;

	x->control.get_rates = get_rates;
	assert_null(strstr(render(x, view_goroutine_stats, 7, VIEW_TEXT), "sample_"));
	x->rates[EVENT_NEWOBJECT] = 1000;
	x->rates[EVENT_MAKEMAP] = 0;
	has_line(render(x, view_goroutine_stats, 7, VIEW_TEXT), "sample_newobject 0.1000");
	has_line(render(x, view_stats, 0, VIEW_TEXT), "sample_makemap 0.0000");
	has_line(render(x, view_status, 7, VIEW_TEXT), "sample_newobject 0.1000");
	has_line(render(x, view_metrics, 0, VIEW_TEXT),
		 "xgotopfs_sample_ratio{event=\"newobject\"} 0.1");
	assert_non_null(strstr(render(x, view_health, 0, VIEW_TEXT), "\nlimit sampled ("));
	same_keys(x, view_stats, 0);
}

static void test_tables(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_allocations, 7, VIEW_TEXT);
	json_t *root;

	starts_with(text, "kind\ttype\tcount\tbytes\tgo_kind\tsize\n"
			  "newobject\tmain.Request\t1\t96\tstruct\t96\n"
			  "makemap\t?\t1\t?\t?\t?\n"
			  "... events of new and make; not append, strings, conversions, maps: see "
			  "alloc_sites\n");
	root = parse(render(x, view_allocations, 7, VIEW_JSON));
	assert_int_equal(json_array_size(root), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(root, 0), "type")),
			    "main.Request");
	assert_true(json_is_null(json_object_get(json_array_get(root, 1), "type")));
	json_decref(root);
	/* Of the whole process. */
	assert_non_null(strstr(render(x, view_allocations, 0, VIEW_TEXT), "main.Request\t1\t96"));
	text = render(x, view_allocations, 1, VIEW_TEXT);
	assert_string_equal(text, "kind\ttype\tcount\tbytes\tgo_kind\tsize\n"
				  "... events of new and make; not append, strings, conversions, "
				  "maps: see alloc_sites\n");
	root = parse(render(x, view_allocations, 1, VIEW_JSON));
	assert_int_equal(json_array_size(root), 0);
	json_decref(root);
	text = render(x, view_goroutines, 0, VIEW_TEXT);
	has_line(text, "7\twaiting\tchan receive\t50000000\tmain.worker\tmain.main:12\t1\t-\t0\t"
		       "100000000\t5\t96\tno\tno\t30000000\t20000000\t0\t50000000\t20000000\t"
		       "1000050000005\texact\t?\t?\t?");
	root = parse(render(x, view_goroutines, 0, VIEW_JSON));
	assert_int_equal(json_array_size(root), 2);
	assert_int_equal(json_object_size(json_array_get(root, 0)), 24);
	json_decref(root);
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
	same_keys(x, view_health, 0);
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

static int no_stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out,
		    uint64_t *ret_as_of_ns)
{
	return -ESRCH;
}

/* One that has ended answers with what is known of it, also where stacks cannot be read at all. */
static void test_stack_of_ended(void **state)
{
	struct fixture *x = *state;
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = 7, .from = 4, .to = 1},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 1, .to = 2},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 2, .to = 6},
		{.type = EVENT_GOEXIT, .goid = 7, .target = 7},
	};
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i].time_ns = T0 + 60 * MS + 10 * MS * MIN(i, (size_t)2);
	model_apply(x->m, events, ARRAY_SIZE(events));
	for (unsigned i = 0; i < 2; i++) {
		text = render(x, view_stack, 7, VIEW_TEXT);
		assert_true(!strncmp(text, "goroutine 7 [exited]:\n... exited ", 33));
		assert_non_null(strstr(text, "Z, 0.0 s ago; it was running before; its last wait "
					     "was for chan receive\n"));
		assert_non_null(strstr(text, "... started with main.worker, by main.main "
					     "(/src/main.go:12) in goroutine 1\n"));
		assert_non_null(strstr(text, "... its stack was not read while it lived\n"));
		x->live.stack = no_stack;
	}
	/* As it was read last, if it was. */
	x->live.stack = stack;
	as_of_ns = T0 + 50 * MS;
	text = render(x, view_stack, 7, VIEW_TEXT);
	as_of_ns = 0;
	assert_non_null(strstr(text, "... its stack as of 1970-01-01T00:16:40.050Z"));
	assert_non_null(strstr(text, ":\ngoroutine 7 [select]:\n"));
}

static void test_stacks(void **state)
{
	struct fixture *x = *state;
	json_t *root;

	assert_int_equal(ask(x, view_stack, 0, 7, VIEW_TEXT), -ENOSYS);
	assert_int_equal(ask(x, view_stacks, 0, 0, VIEW_TEXT), -ENOSYS);
	x->live.stack = stack;
	x->live.stacks = stacks_gone;
	assert_string_equal(render(x, view_stack, 7, VIEW_TEXT), "goroutine 7 [select]:\n");
	root = parse(render(x, view_stack, 7, VIEW_JSON));
	assert_string_equal(json_string_value(json_object_get(root, "text")),
			    "goroutine 7 [select]:\n");
	json_decref(root);
	/* Nothing half-written is left, by an error or by the end of the program. */
	assert_string_equal(render(x, view_stacks, 0, VIEW_TEXT),
			    "... none was read before the program ended\n");
	buf_reset(&x->out);
	gone_with = -EPERM;
	assert_int_equal(ask(x, view_stacks, 0, 0, VIEW_TEXT), -EPERM);
	assert_int_equal(x->out.len, 0);
	gone_with = -ESRCH;
	/* Those of a process that has ended say of when they are: it ended at T0 + 100 ms. */
	as_of_ns = T0 + 75 * MS;
	x->live.stacks = stacks_of_then;
	{
		const char *text = render(x, view_stacks, 0, VIEW_TEXT);

		assert_true(!strncmp(text, "... as of ", 10));
		assert_non_null(
			strstr(text, "Z, 0.0 s before the program ended\n\ngoroutine 7 [sel"));
		text = render(x, view_stack, 7, VIEW_TEXT);
		assert_true(!strncmp(text, "... as of ", 10));
		assert_non_null(strstr(text, "ended\n\ngoroutine 7 [select]:\n"));
	}
	as_of_ns = 0;
	/* A bound, and a last line that says so. */
	x->live.stacks = stacks_without_end;
	assert_int_equal(ask(x, view_stacks, 0, 0, VIEW_TEXT), 0);
	assert_in_range(x->out.len, 256 << 20, (256 << 20) + 200);
	assert_non_null(strstr(x->out.data + x->out.len - 200, "\n... cut: after 256 MiB; "));
	buf_free(&x->out);
}

/* What was told of a program that ended meanwhile is a part; the last that are whole are shown. */
static void test_stacks_of_a_dying(void **state)
{
	static view_fn *const takers[] = {view_stacks,       view_wait_stacks,
					  view_flame_stacks, view_pprof_goroutine,
					  view_pprof_offcpu, view_pprof_allocs};
	struct fixture *x = *state;

	as_of_ns = T0 + 75 * MS;
	x->live.stacks = stacks_of_a_dying;
	for (size_t i = 0; i < ARRAY_SIZE(takers); i++) {
		cleanup_buf_ struct buf whole = BUF_INIT;

		dying = 0;
		(void)render(x, takers[i], 0, VIEW_TEXT);
		buf_add(&whole, x->out.data, x->out.len);
		dying = 1;
		(void)render(x, takers[i], 0, VIEW_TEXT);
		assert_int_equal(x->out.len, whole.len);
		assert_memory_equal(x->out.data, whole.data, whole.len);
	}
	/* There are none of it any more. */
	dying = 2;
	buf_reset(&x->out);
	assert_int_equal(ask(x, view_pprof_goroutine, 0, 0, VIEW_TEXT), -ESRCH);
	dying = 2;
	assert_null(strstr(render(x, view_wait_stacks, 0, VIEW_TEXT), "torn"));
	dying = 0;
	as_of_ns = 0;
}

static void check_cut(struct fixture *x, enum view_form form, const char *end)
{
	static const char *const columns[] = {"name"};
	struct emit e;
	size_t rows = 0;

	emit_table_begin(&e, form, columns, 1, &x->out);
	assert_false(emit_cut(&e, 1));
	assert_int_equal(buf_reserve(&x->out, 256 << 20), 0);
	memset(x->out.data + x->out.len, ' ', 256 << 20);
	x->out.len += 256 << 20;
	for (; rows < 5 && !emit_cut(&e, 5 - rows); rows++)
		emit_row(&e);
	assert_int_equal(rows, 0);
	assert_int_equal(emit_table_end(&e), 0);
	x->out.data[x->out.len] = '\0';
	assert_string_equal(x->out.data + x->out.len - strlen(end), end);
	if (form == VIEW_JSON)
		json_decref(parse(x->out.data));
	buf_free(&x->out);
}

/* Tables have a bound, too, and a last row that says so. */
static void test_tables_cut(void **state)
{
	check_cut(*state, VIEW_TEXT, "... cut: 5 rows more\n");
	check_cut(*state, VIEW_JSON, "{\"cut\":5}\n]\n");
}

static void test_not_there(void **state)
{
	struct fixture *x = *state;
	static view_fn *const of_process[] = {view_stats, view_health, view_stacks, view_goroutines,
					      view_allocations};
	static view_fn *const of_goroutine[] = {view_status, view_goroutine_stats, view_allocations,
						view_stack};

	for (size_t i = 0; i < ARRAY_SIZE(of_process); i++) {
		assert_int_equal(ask(x, of_process[i], 9, 0, VIEW_TEXT), -ENOENT);
		assert_int_equal(x->out.len, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(of_goroutine); i++) {
		assert_int_equal(ask(x, of_goroutine[i], 0, 99, VIEW_JSON), -ENOENT);
		assert_int_equal(x->out.len, 0);
	}
}

static const char *render_row(struct fixture *x, view_fn *fn)
{
	struct view_query q = {.form = VIEW_TEXT};
	unsigned i = 0;

	while (views[i].fn != fn)
		i++;
	buf_reset(&x->out);
	assert_int_equal(view_render(&views[i], &x->v, &q, &x->out), 0);
	return x->out.data;
}

/* Before the first process each view says that it waits, and none is empty or no JSON. */
static void test_waiting(void **state)
{
	struct fixture *x = *state;
	struct model_config config = {.retain = 100, .workers = 1, .names = x->names};
	unsigned waiting = 0;

	model_free(x->m);
	assert_int_equal(model_new(&config, &x->m), 0);
	x->v.model = x->m;
	for (unsigned i = 0; i < n_views; i++) {
		for (enum view_form form = VIEW_TEXT; form <= VIEW_JSON; form++) {
			struct view_query q = {.form = form};
			json_t *root;
			int err;

			if (views[i].scope != VIEW_PROCESS || views[i].no_file ||
			    !(views[i].forms & VIEW_HAS(form)))
				continue;
			buf_reset(&x->out);
			err = view_render(&views[i], &x->v, &q, &x->out);
			if (err == -ENOSYS)
				continue;
			assert_int_equal(err, 0);
			assert_true(x->out.len > 0);
			if (form == VIEW_TEXT) {
				waiting += !strcmp(x->out.data,
						   "waiting: no process has been seen yet\n");
				continue;
			}
			root = parse(x->out.data);
			/* What is of all processes may be 0. */
			assert_true(views[i].all_procs ||
				    json_is_true(json_object_get(root, "waiting")));
			json_decref(root);
		}
	}
	assert_true(waiting >= 5); /* stats, goroutines, types, top, summary, … */
	has_line(render_row(x, view_health), "verdict waiting: no process has been seen yet");
	/* What a process that is there has not is not waited for. */
	assert_false(view_waits(&x->v, &views[0], -ESRCH));
	assert_int_equal(ask(x, view_stats, 0, 0, VIEW_TEXT), -ENOENT);
}

static void test_readme(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_readme, 0, VIEW_TEXT);
	json_t *root;

	assert_non_null(strstr(text, "goroutines/ID/"));
	assert_null(strstr(text, "stacks"));
	assert_null(strstr(text, "control/"));
	/* It is read in a terminal. */
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 100);
	x->live.stacks = stacks_gone;
	assert_non_null(strstr(render(x, view_readme, 0, VIEW_TEXT), "stacks"));
	root = parse(render(x, view_readme, 0, VIEW_JSON));
	json_decref(root);
}

/* A program may name its functions and types as it likes. */
static void test_hostile_names(void **state)
{
	struct fixture *x = *state;
	struct go_type evil = {.name = "evil\ttype\nrow\xff", .size = 8, .kind = 25};
	struct event ev = {.type = EVENT_NEWOBJECT, .goid = 8, .size = 8, .time_ns = T0};
	struct event go = {.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 8, .time_ns = T0};
	json_t *root;

	go.string_id = intern(x, "f\nstate running\t\x01\"");
	ev.type_id = names_add_type(x->names, &evil);
	model_apply(x->m, &go, 1);
	model_apply(x->m, &ev, 1);
	has_line(render(x, view_status, 8, VIEW_TEXT),
		 "start_function f\\nstate running\\t\\x01\"");
	same_keys(x, view_status, 8);
	has_line(render(x, view_allocations, 8, VIEW_TEXT),
		 "newobject\tevil\\ttype\\nrow\\xff\t1\t8\tstruct\t8");
	root = parse(render(x, view_allocations, 8, VIEW_JSON));
	json_decref(root);
	root = parse(render(x, view_goroutines, 0, VIEW_JSON));
	json_decref(root);
}

/* Who made a goroutine is told although its creation is no longer among the retained events. */
static void test_edge_of_old_creation(void **state)
{
	struct fixture *x = *state;
	struct event go = {.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 88, .time_ns = T0 + 5};
	struct event alloc = {.type = EVENT_NEWOBJECT, .goid = 1, .size = 8, .time_ns = T0 + 6};
	char want[64];

	model_apply(x->m, &go, 1);
	snprintf(want, sizeof(want), "%llu\t1\t88\tcreate", T0 + 5ULL);
	has_line(render_row(x, view_edges), want);
	for (unsigned i = 0; i < 3000; i++)
		model_apply(x->m, &alloc, 1);
	has_line(render_row(x, view_edges), want);
}

/* A leaked goroutine with names that a program may choose. */
static int leaks(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late)
{
	static char texts[] = "\0T\ngroup leaked\x1b[2J";
	static struct wait_goroutine goroutine = {.goid = 8, .why = WAIT_ON_OBJECTS, .n_waits = 1};
	static struct wait_object object = {
		.address = 0xc000012345, .kind = WAIT_CHAN, .state_known = true, .chan.elem = 1};
	static struct wait_graph graph = {.goroutines = &goroutine,
					  .n_goroutines = 1,
					  .objects = &object,
					  .n_objects = 1,
					  .texts = texts,
					  .texts_bytes = sizeof(texts)};
	static struct leak_member member = {.culprit = true,
					    .proven = true,
					    .object = 0,
					    .waits_for = LEAK_NONE,
					    .holder = LEAK_NONE};
	static struct leak_group group = {
		.kind = LEAK_ORPHAN, .proven = true, .n = 1, .culprits = 1};
	static struct leak_report report = {
		.graph = &graph, .groups = {&group, &member, 1, 1}, .passes = 10};

	*ret = &report;
	*ret_late = false;
	return 0;
}

static void leaks_put(void *ctx, struct leak_report *r)
{
}

static void test_leaks_names(void **state)
{
	struct fixture *x = *state;
	struct event go = {.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 8, .time_ns = T0};
	const char *text;

	go.string_id = intern(x, "f\ngroup suspect\x1b[2J");
	model_apply(x->m, &go, 1);
	x->live.leaks = leaks;
	x->live.leaks_put = leaks_put;
	text = render_row(x, view_leaks);
	has_line(text, "leaked 1");
	assert_non_null(strstr(text, "  * goroutine 8 f\\ngroup suspect\\x1b[2J, waits on chan "
				     "0xc000012345 of T\\ngroup leaked\\x1b[2J len=0"));
	assert_null(strchr(text, 0x1b));
	assert_null(strstr(text, "growth"));
	json_decref(parse(render(x, view_leaks, 0, VIEW_JSON)));
}

/* Since an earlier look that did not know it, and since one that did. */
static void test_leaks_growth(void **state)
{
	static uint64_t known[] = {3, 8, 9}, others[] = {3, 9};
	struct fixture *x = *state;
	struct leak_report *report;
	bool late;
	json_t *j;

	x->live.leaks = leaks;
	x->live.leaks_put = leaks_put;
	leaks(NULL, 0, &report, &late);
	report->end_ns = T0 + 90 * NS_PER_SEC;
	report->earlier = (struct leak_baseline){T0 + 60 * NS_PER_SEC, others, 2};
	assert_non_null(strstr(render_row(x, view_leaks), ", growth 2.0 a minute (1 in 30 s)"));
	j = parse(render(x, view_leaks, 0, VIEW_JSON));
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(j, "groups"), 0), "joined")),
			 1);
	json_decref(j);
	report->earlier = (struct leak_baseline){T0 + 60 * NS_PER_SEC, known, 3};
	assert_non_null(strstr(render_row(x, view_leaks), ", growth 0.0 a minute (0 in 30 s)"));
	report->earlier = (struct leak_baseline){0};
	report->end_ns = 0;
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_json_values),
		TEST(test_goroutine_stats),
		TEST(test_sampled),
		TEST(test_tables),
		TEST(test_stats),
		TEST(test_health),
		TEST(test_runtime_known),
		TEST(test_torn_run_queue),
		TEST(test_audit),
		TEST(test_recording),
		TEST(test_metrics),
		TEST(test_stack_of_ended),
		TEST(test_stacks),
		TEST(test_stacks_of_a_dying),
		TEST(test_tables_cut),
		TEST(test_not_there),
		TEST(test_readme),
		TEST(test_hostile_names),
		TEST(test_waiting),
		TEST(test_leaks_names),
		TEST(test_leaks_growth),
		TEST(test_edge_of_old_creation),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
