/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is wrong, worst first: of a made-up program, at its thresholds and below them; and the
 * counts by start function that it rests on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/util.h"
#include "core/memory/leak_report.h"
#include "core/model/functions.h"
#include "core/model/samples.h"
#include "core/view/own.h"
#include "core/view/view.h"
#include "tests/unit/problem_fixture.h"

static void create(struct fixture *x, uint64_t goid, const char *function, uint64_t at)
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
static void park(struct fixture *x, uint64_t goid, const char *reason, const char *calls,
		 uint64_t at)
{
	change(x, goid, GSTATE_WAITING, reason, at);
	buf_addf(&stacks, "goroutine %llu [%s]:\n%s\n", (unsigned long long)goid, reason, calls);
}

/* The line with that number, from 1 on; the first says how many there are. */
static const char *line(const char *text, unsigned n)
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
static void now(struct fixture *x, uint64_t at)
{
	create(x, at, "net/http.(*conn).serve", at);
	change(x, at, GSTATE_DEAD, "", at + 10);
}

static void test_quiet(void **state)
{
	struct fixture *x = *state;
	const char *text;

	/* Idle workers, however many and for however long; and who has only just begun to send. */
	for (uint64_t i = 0; i < 100; i++) {
		create(x, 100 + i, "main.worker", T0 + i);
		park(x, 100 + i, "chan receive", IDLES, T0 + S);
	}
	for (uint64_t i = 0; i < 50; i++) {
		create(x, 300 + i, "net/http.(*conn).serve", T0 + 100 * S - 1000 + i);
		park(x, 300 + i, "chan send", SENDS, T0 + 100 * S);
	}
	now(x, T0 + 104 * S);
	text = problems(x);
	assert_string_equal(line(text, 1), "nothing found");
	/* The first screen of what is quiet does not read as if something were found. */
	assert_string_equal(line(text, 3), "looked for, and not found unless above:");
	assert_null(strstr(text, "has ended"));
	assert_int_equal(strncmp(line(text, 4), "  blocked, ", 11), 0);
	assert_string_equal(line(text, 5), "  what each is, with its thresholds: cat looked_for");
	assert_non_null(strstr(text, "not looked for: leak: "));
	text = looked_for(x);
	assert_non_null(strstr(text, "\ntarget: the program has ended, or is stopped "));
	assert_int_equal(strncmp(text,
				 "blocked: 5 or more in one place that send on a channel, the "
				 "oldest for 5.0s or longer; told on for 10.0s\n",
				 104),
			 0);
}

/* At 3 a.m. `cat problems` is typed into 80 columns and 24 lines: what is at its top must not have
 * scrolled away. With each kind's thresholds in it, it were three such screens. */
static void test_one_screen(void **state)
{
	struct fixture *x = *state;
	const char *text;
	unsigned rows = 0;

	now(x, T0 + 104 * S);
	text = problems(x);
	for (unsigned at = 0; *text; text++) {
		at = *text == '\n' ? 0 : at + 1;
		rows += at % 80 == 1;
		rows += *text == '\n' && text[1] == '\n';
	}
	assert_in_range(rows, 5, 23);
}

/* A recording in which nothing happened: its goroutines were found in memory a moment after it
 * began, and are not of times to come. */
static void test_nothing_happened(void **state)
{
	struct goroutine_seen seen = {.goid = 1, .state = GSTATE_WAITING};
	struct fixture *x = *state;

	assert_int_equal(view_now(&x->v, 0), T0);
	model_heal(x->m, 0, &seen, 1, T0 + S / 10, true);
	assert_int_equal(view_now(&x->v, 0), T0 + S / 10);
	now(x, T0 + 3 * S);
	assert_int_equal(view_now(&x->v, 0), T0 + 3 * S + 10);
}

/* Several processes: the root's list is of the first alone, and says so. */
static void test_other_processes(void **state)
{
	struct proc_info info = {.attached_ns = T0};
	struct fixture *x = *state;
	struct view_query q = {.form = VIEW_JSON};

	now(x, T0 + 104 * S);
	assert_null(strstr(problems(x), " alone; "));
	info.pid = 4712;
	assert_int_equal(model_proc_add(x->m, &info), 1);
	assert_string_equal(line(problems(x), 1),
			    "of process 4711 alone; 1 more runs: see processes/4712/problems");
	assert_string_equal(line(x->out.data, 2), "nothing found");
	/* Who looks into a process's own folder knows that. */
	assert_null(strstr(problems_of(x, 1), " alone; "));
	for (info.pid = 4713; info.pid <= 4716; info.pid++)
		assert_true(model_proc_add(x->m, &info) > 0);
	assert_string_equal(line(problems(x), 1),
			    "of process 4711 alone; 5 more run: see processes/4712/problems, "
			    "processes/4713/problems, processes/4714/problems, "
			    "processes/4715/problems, …");
	buf_reset(&x->out);
	assert_int_equal(view_problems(&x->v, &q, &x->out), 0);
	assert_non_null(strstr(x->out.data, "\"other_processes\":5,"));
	for (unsigned i = 1; i <= 5; i++)
		model_proc_exited(x->m, i, T0 + 105 * S);
	assert_null(strstr(problems(x), " alone; "));
}

/* Those that were there before us are read still: that nothing was found says nothing. */
static void test_unread(void **state)
{
	static const char *const kinds[] = {"blocked", "convoy", "downstream",
					    "work",    "ended",  "growing"};
	const struct proc_info info = {.pid = 4712, .attached_ns = 1};
	struct fixture *x = *state;
	struct view_query q = {.form = VIEW_JSON};
	char wanted[120];

	assert_int_equal(model_proc_add(x->m, &info), 1);
	x->v.replay = false;
	assert_null(strstr(problems_of(x, 1), "not all goroutines"));
	assert_string_equal(line(x->out.data, 1), "nothing found");
	model_await(x->m, 1, true);
	assert_non_null(strstr(line(problems_of(x, 1), 0), "; not all goroutines have been read"));
	assert_string_equal(line(x->out.data, 1), "nothing found so far");
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(wanted, sizeof(wanted), "\n  %s: ", kinds[i]);
		assert_null(strstr(x->out.data, wanted));
		snprintf(wanted, sizeof(wanted), "\n  not looked for: %s: ", kinds[i]);
		assert_non_null(strstr(x->out.data, wanted));
	}
	assert_non_null(strstr(x->out.data, "not looked for: blocked: not all goroutines have "
					    "been read yet\n"));
	buf_reset(&x->out);
	q.proc = 1;
	assert_int_equal(view_problems(&x->v, &q, &x->out), 0);
	assert_non_null(strstr(x->out.data, "\"unread\":true"));
	/* Read just now, and attached to long ago: since when they wait is not known yet. */
	assert_true(model_heal(x->m, 1, NULL, 0, monotonic_ns(), true));
	assert_null(strstr(problems_of(x, 1), "not all goroutines"));
	assert_non_null(strstr(x->out.data, "\nnothing found\ntoo early to tell: "));
	buf_reset(&x->out);
	assert_int_equal(view_problems(&x->v, &q, &x->out), 0);
	assert_null(strstr(x->out.data, "\"too_early_ns\":0,"));
	x->v.replay = true;
	buf_reset(&x->out);
	assert_int_equal(view_problems(&x->v, &q, &x->out), 0);
	assert_non_null(strstr(x->out.data, "\"too_early_ns\":0,"));
}

static void test_worst_first(void **state)
{
	struct fixture *x = *state;
	struct view_query q = {.form = VIEW_JSON};
	json_t *root, *first;
	const char *text;

	create(x, 7, "main.mailer", T0);
	change(x, 7, GSTATE_DEAD, "", T0 + 20 * S);
	for (uint64_t i = 0; i < 60; i++) {
		create(x, 300 + i, "net/http.(*conn).serve", T0 + i);
		park(x, 300 + i, "chan send", SENDS, T0 + 21 * S);
	}
	now(x, T0 + 31 * S);
	text = problems(x);
	assert_string_equal(line(text, 1),
			    "critical blocked: 60 chan send at main.signup (/src/main.go:37), the "
			    "oldest for 10.0s; see goroutines/300/stack waits.tsv");
	assert_non_null(strstr(line(text, 2),
			       "critical ended: main.mailer, the only one, ended 11.0s ago"));
	assert_string_equal(line(text, 3), "");
	buf_reset(&x->out);
	assert_int_equal(view_problems(&x->v, &q, &x->out), 0);
	root = json_loadb(x->out.data, x->out.len, 0, NULL);
	assert_non_null(root);
	first = json_array_get(json_object_get(root, "problems"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "kind")), "blocked");
	assert_string_equal(json_string_value(json_object_get(first, "function")), "main.signup");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(first, "goids"), 0)),
			 300);
	json_decref(root);
}

/* Of a table: the row that begins so, in the column of that name. */
static const char *field(const char *table, const char *row, const char *column)
{
	static char ret[100];
	const char *header = table, *at;
	size_t n = 0, len;

	for (; strncmp(header, column, strlen(column)) != 0; n++)
		header += strcspn(header, "\t\n") + 1;
	at = strstr(table, row);
	assert_non_null(at);
	while (n-- > 0)
		at += strcspn(at, "\t\n") + 1;
	len = MIN(strcspn(at, "\t\n"), sizeof(ret) - 1);
	memcpy(ret, at, len);
	ret[len] = '\0';
	return ret;
}

/* A job that is done ended, too: it is no more than a notice, and for 5 minutes; unless somebody
 * waits, and nobody takes. */
static void test_done(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 7, "main.warm", T0);
	change(x, 7, GSTATE_DEAD, "", T0 + 15 * S);
	now(x, T0 + 25 * S);
	text = problems(x);
	assert_non_null(
		strstr(line(text, 1), "notice ended: main.warm, the only one, ended 10.0s"));
	assert_non_null(strstr(looked_for(x), "else a notice, for 5 minutes"));
	now(x, T0 + 314 * S);
	assert_non_null(strstr(problems(x), "notice ended: main.warm"));
	now(x, T0 + 316 * S);
	assert_string_equal(line(problems(x), 1), "nothing found");
	for (uint64_t i = 0; i < 5; i++) {
		create(x, 300 + i, "net/http.(*conn).serve", T0 + 317 * S + i);
		park(x, 300 + i, "chan send", SENDS, T0 + 318 * S);
	}
	now(x, T0 + 324 * S);
	assert_non_null(strstr(problems(x), "critical ended: main.warm, the only one"));
}

static void sample(struct fixture *x, const char *function, uint64_t weight, uint64_t at)
{
	const struct site site = {.func_id = intern(x, function), .line = 7};
	const struct stack_sample s = {.time_ns = at,
				       .weight = weight,
				       .kind = SAMPLE_CPU,
				       .n = 1,
				       .sites = {names_add_site(x->names, site)}};

	samples_add(model_samples(x->m), &s);
}

/* By events a goroutine runs while the machine runs another program in its place: samples alone
 * say what it took; without them the line says what is counted. */
static void test_running(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 8, "main.hog", T0);
	now(x, T0 + 20 * S);
	text = problems(x);
	assert_non_null(strstr(text, "warning cpu: main.hog was running or waiting for a CPU of "
				     "the machine for 100 % of a processor in the last 5 s"));
	assert_non_null(strstr(text, "goroutines/8/stack"));
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	text = problems(x);
	assert_string_equal(line(text, 1), "nothing found");
	assert_null(strstr(text, "not looked for: cpu"));
	/* All of the last half second, and nothing before: that is 5 % of what is looked at. */
	sample(x, "main.hog", S / 2, T0 + 19 * S + S / 2);
	assert_string_equal(line(problems(x), 1), "nothing found");
	sample(x, "main.hog", 3 * S, T0 + 16 * S);
	assert_non_null(strstr(problems(x), "took 100 % of the program's CPU time in the last "
					    "10 s, 35 % of a processor"));
}

/* Who ran, and is no more, has no file. */
static void test_ran(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 8, "main.hog", T0);
	change(x, 8, GSTATE_DEAD, "", T0 + 20 * S - S / 10);
	now(x, T0 + 20 * S);
	text = problems(x);
	assert_non_null(strstr(text, "warning cpu: main.hog was running"));
	assert_null(strstr(text, "goroutines/0"));
}

static const char *waits(struct fixture *x)
{
	struct view_query q = {.form = VIEW_TEXT};

	buf_reset(&x->out);
	assert_int_equal(view_wait_stacks(&x->v, &q, &x->out), 0);
	return line(x->out.data, 1);
}

/* Since when they had waited as the process executed another program is not known any more. */
static void test_execed(void **state)
{
	struct fixture *x = *state;

	create(x, 7, "main.worker", T0);
	park(x, 7, "chan receive", IDLES, T0 + S);
	now(x, T0 + 5 * S);
	assert_ptr_equal(strstr(waits(x), "1\tchan receive\t4000000010\t"), waits(x));
	model_proc_execed(x->m, 0, "/srv/shop", T0 + 9 * S);
	assert_ptr_equal(strstr(waits(x), "1\tchan receive\t?\t"), waits(x));
}

/* What is read from the memory of a process that lives is not looked for in one that has ended. */
static void test_target_gone(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 7, "main.mailer", T0);
	change(x, 7, GSTATE_DEAD, "", T0 + 20 * S);
	for (uint64_t i = 0; i < 60; i++) {
		create(x, 300 + i, "net/http.(*conn).serve", T0 + i);
		park(x, 300 + i, "chan send", SENDS, T0 + 21 * S);
	}
	now(x, T0 + 31 * S);
	model_proc_exited(x->m, 0, T0 + 31 * S + S / 2);
	text = problems(x);
	assert_non_null(strstr(text, "critical target: the program has ended: "));
	assert_non_null(strstr(text, "critical blocked: 60 chan send"));
	assert_non_null(strstr(text, "not looked for: convoy: what they wait on is read from the "
				     "memory of a process that lives\n"));
	assert_non_null(strstr(text, "not looked for: ended: "));
	assert_null(strstr(text, "\n  convoy:"));
}

/* A start function's CPU time is that of the stacks that go back to it. */
static void test_functions_cpu(void **state)
{
	struct fixture *x = *state;
	struct view_query q = {.form = VIEW_TEXT};

	create(x, 8, "main.hog", T0);
	now(x, T0 + S);
	buf_reset(&x->out);
	assert_int_equal(view_functions(&x->v, &q, &x->out), 0);
	assert_string_equal(field(x->out.data, "main.hog", "cpu_ns"), "?");
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	sample(x, "main.hog", 3000, T0 + 1);
	sample(x, "main.hog", 4000, T0 + 2);
	sample(x, "main.other", 5000, T0 + 3);
	buf_reset(&x->out);
	assert_int_equal(view_functions(&x->v, &q, &x->out), 0);
	assert_string_equal(field(x->out.data, "main.hog", "cpu_ns"), "7000");
}

/* One more a minute is less than a quarter of an hour shows: it is seen in the hours. What came in
 * the first of them and stays is none. */
static void test_slow_growth(void **state)
{
	struct fixture *x = *state;
	unsigned minutes = 0;
	const char *text;

	for (uint64_t i = 0; i < 40; i++)
		create(x, 900000 + i, "main.early", T0 + i * 60 * S);
	for (; minutes < 120; minutes++) {
		create(x, 100 + minutes, "main.forgotten", T0 + (3000 + 60 * minutes) * S);
		for (unsigned k = 1; k < 12; k++)
			now(x, T0 + (3000 + 60 * minutes + 5 * k) * S);
	}
	text = problems(x);
	assert_non_null(strstr(text, "growing: main.forgotten "));
	assert_null(strstr(text, "growing: main.early"));
	assert_non_null(strstr(looked_for(x), "as far back as it has been watched"));
	/* Four days more, and what is known of them is no larger. */
	for (; minutes < 4 * 24 * 60; minutes++) {
		create(x, 100 + minutes, "main.forgotten", T0 + (3000 + 60 * minutes) * S);
		now(x, T0 + (3000 + 60 * minutes + 30) * S);
	}
	text = problems(x);
	assert_non_null(strstr(text, "growing: main.forgotten "));
	/* It has ended: others are made in its place no more. */
	for (unsigned k = 0; k < 2 * 24 * 60; k++)
		now(x, T0 + (3000 + 60 * (minutes + k)) * S);
	assert_null(strstr(problems(x), "growing: main."));
}

static bool probes_off;

static void tell_probes(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = (struct live_probes){.level = PROBES_NONE, .off = probes_off, .why = ""};
}

/* A reading of memory has them, and no event tells of any. */
static void read_all(struct fixture *x, const uint64_t *goids, size_t n, uint64_t at)
{
	struct goroutine_seen seen[4] = {{0}};

	for (size_t i = 0; i < n; i++)
		seen[i] = (struct goroutine_seen){
			.goid = goids[i],
			.parent = goids[i] == 9 ? 0 : 1, /* 9: a release that does not tell */
			.state = GSTATE_WAITING,
			.start_func_id = intern(x, goids[i] == 7   ? "main.mailer"
						   : goids[i] == 9 ? "main.average"
								   : "main.walk.func2")};
	assert_true(model_heal(x->m, 0, seen, n, at, true));
}

/* Memory alone tells: who was met by one reading need not have been the only one, nor have lasted.
 */
static void test_ends_by_memory(void **state)
{
	struct fixture *x = *state;
	struct view_query q = {.form = VIEW_TEXT};
	const char *text;

	x->live.probes = tell_probes;
	probes_off = true;
	model_unwatch(x->m, T0, true);
	read_all(x, (const uint64_t[]){7, 8, 9}, 3, T0 + S);
	read_all(x, (const uint64_t[]){7, 9}, 2, T0 + 20 * S);
	read_all(x, (const uint64_t[]){7, 9}, 2, T0 + 21 * S);
	read_all(x, NULL, 0, T0 + 22 * S);
	now(x, T0 + 31 * S);
	text = problems(x);
	assert_null(strstr(text, "walk"));
	assert_null(strstr(text, "average")); /* for whom nobody knows, and nobody waits */
	text = strstr(text, "ended: main.mailer, the only one that memory showed, ended at least "
			    "9.0s ago, seen from 30.0s to 10.0s ago");
	assert_non_null(text);
	buf_reset(&x->out);
	assert_int_equal(view_functions(&x->v, &q, &x->out), 0);
	text = strstr(x->out.data, "main.mailer\t");
	assert_non_null(text);
	assert_non_null(strstr(text, "main.mailer\t0\t0\t0\t0\t0\t0\t?\t?\t"));
	/* What ends then, and how long that is ago. */
	q.goid = 7;
	buf_reset(&x->out);
	assert_int_equal(view_status(&x->v, &q, &x->out), 0);
	assert_non_null(strstr(x->out.data, "state_from memory\n"));
	assert_non_null(strstr(x->out.data, "state_since_is at_least\n"));
	probes_off = false;
}

/* One too few of each. */
static void test_below_thresholds(void **state)
{
	struct fixture *x = *state;

	create(x, 7, "main.mailer", T0);
	change(x, 7, GSTATE_DEAD, "", T0 + 9 * S); /* it did not last */
	create(x, 8, "net/http.(*Server).Serve", T0);
	change(x, 8, GSTATE_DEAD, "", T0 + 20 * S); /* not the program's own */
	for (uint64_t i = 0; i < 4; i++) {
		create(x, 300 + i, "net/http.(*conn).serve", T0 + i);
		park(x, 300 + i, "chan send", SENDS, T0 + 21 * S);
	}
	now(x, T0 + 31 * S);
	assert_string_equal(line(problems(x), 1), "nothing found");
}

static void test_growing(void **state)
{
	struct fixture *x = *state;
	uint64_t goid = 1000;

	for (uint64_t s = 0; s <= 60; s++) {
		for (uint64_t i = 0; i < 2; i++, goid++) {
			create(x, goid, "main.leaky", T0 + s * S + i);
			change(x, goid, GSTATE_WAITING, "select", T0 + s * S + 100);
		}
		/* As many, in one step: who has just started, or got a load. */
		for (uint64_t i = 0; s == 30 && i < 120; i++) {
			create(x, 5000 + i, "main.burst", T0 + s * S + 200 + 10 * i);
			change(x, 5000 + i, GSTATE_WAITING, "select", T0 + s * S + 205 + 10 * i);
		}
	}
	assert_non_null(strstr(problems(x), "growing: main.leaky "));
	assert_non_null(strstr(x->out.data, " sites pprof/creations leaks\n"));
	assert_null(strstr(problems(x), "main.burst"));
}

/* What grows is told by name, as `leaks` and `sites` tell it: a twin in the line of the other, or,
 * where it grows alone, in its own. */
static void test_growing_twins(void **state)
{
	static const char read_loop[] = "net/http.(*persistConn).readLoop";
	static const char write_loop[] = "net/http.(*persistConn).writeLoop";
	struct fixture *x = *state;
	uint64_t goid = 1000;
	const char *text;

	for (uint64_t s = 0; s <= 120; s++) {
		for (uint64_t i = 0; i < 2; i++, goid += 2) {
			uint64_t at = T0 + s * S + 10 * i;

			create(x, goid, write_loop, at);
			change(x, goid, GSTATE_WAITING, "select", at + 1);
			if (s <= 60)
				continue;
			create(x, goid + 1, read_loop, at + 2);
			change(x, goid + 1, GSTATE_WAITING, "select", at + 3);
		}
		if (s == 60) {
			text = problems(x);
			assert_non_null(
				strstr(text, "growing: net/http.(*persistConn).writeLoop "));
			assert_null(strstr(text, read_loop));
		}
	}
	text = problems(x);
	assert_non_null(strstr(text, "growing: net/http.(*persistConn).readLoop "));
	assert_non_null(strstr(text, "; net/http.(*persistConn).writeLoop with it, now 242"));
	assert_null(strstr(text, "growing: net/http.(*persistConn).writeLoop "));
}

static int nobody_leaked(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late)
{
	static struct wait_graph graph = {.refs = 1};
	static struct leak_report report = {.refs = 1, .graph = &graph};

	*ret = &report;
	*ret_late = false;
	return 0;
}

static void keep_report(void *ctx, struct leak_report *r)
{
}

/* What only grows is a suspect of leaks by its number alone: also where two calls of three succeed,
 * and so their goroutines end. What is made and ends, or came in one step, is none. */
/* The table of go statements marks the same functions. */
static void check_growing_sites(struct fixture *x)
{
	struct view_query q = {.form = VIEW_JSON};
	json_t *rows, *row;
	size_t i;

	buf_reset(&x->out);
	assert_int_equal(view_sites(&x->v, &q, &x->out), 0);
	rows = json_loads(x->out.data, 0, NULL);
	assert_true(json_array_size(rows) >= 3);
	json_array_foreach(rows, i, row)
	{
		const char *function = json_string_value(json_object_get(row, "function"));

		assert_int_equal(json_is_true(json_object_get(row, "growing")),
				 function && !strcmp(function, "main.leaky"));
	}
	json_decref(rows);
}

static void test_leaks_growing(void **state)
{
	struct fixture *x = *state;
	uint64_t goid = 1000;

	x->live.leaks = nobody_leaked;
	x->live.leaks_put = keep_report;
	for (uint64_t s = 0; s <= 70; s++) {
		for (uint64_t i = 0; i < 3; i++, goid += 2) {
			create(x, goid, "main.leaky", T0 + s * S + 10 * i);
			change(x, goid, GSTATE_WAITING, "chan receive", T0 + s * S + 100 + i);
			if (i)
				change(x, goid, GSTATE_DEAD, "", T0 + s * S + 200 + i);
			create(x, goid + 1, "main.served", T0 + s * S + 300 + 10 * i);
			change(x, goid + 1, GSTATE_DEAD, "", T0 + s * S + 305 + 10 * i);
		}
		for (uint64_t i = 0; s == 30 && i < 120; i++)
			create(x, 500000 + i, "main.burst", T0 + s * S + 400 + i);
	}
	for (int json = 0; json < 2; json++) {
		struct view_query q = {.form = json ? VIEW_JSON : VIEW_TEXT};

		buf_reset(&x->out);
		assert_int_equal(view_leaks(&x->v, &q, &x->out), 0);
		assert_non_null(strstr(x->out.data, json ? "\"function\":\"main.leaky\""
							 : "\nsuspect growing: main.leaky "));
		assert_null(strstr(x->out.data, "main.served"));
		assert_null(strstr(x->out.data, "main.burst"));
	}
	check_growing_sites(x);
}

/* Those that are not shown are counted. */
static void test_leaks_growing_many(void **state)
{
	struct fixture *x = *state;
	struct view_query text = {.form = VIEW_TEXT}, json = {.form = VIEW_JSON};
	uint64_t goid = 1000;
	char name[32];

	x->live.leaks = nobody_leaked;
	x->live.leaks_put = keep_report;
	for (uint64_t s = 0; s <= 70; s++) {
		for (uint64_t i = 0; i < 23; i++, goid++) {
			snprintf(name, sizeof(name), "main.leaky%llu", (unsigned long long)i);
			create(x, goid, name, T0 + s * S + 10 * i);
		}
	}
	buf_reset(&x->out);
	assert_int_equal(view_leaks(&x->v, &text, &x->out), 0);
	assert_non_null(strstr(x->out.data, "\n... cut: 3 more\n"));
	buf_reset(&x->out);
	assert_int_equal(view_leaks(&x->v, &json, &x->out), 0);
	assert_non_null(strstr(x->out.data, "\"more_growing\":3"));
}

/* The counts are those of the goroutines, however few of them are kept. */
static void test_functions(void **state)
{
	struct fixture *x = *state;
	cleanup_free_ struct model_function *list = NULL;
	bool seen = false;
	size_t n = 0;

	for (uint64_t i = 0; i < 500; i++) {
		create(x, 100 + i, "main.handle", T0 + i * 1000);
		change(x, 100 + i, GSTATE_DEAD, "", T0 + i * 1000 + 50);
	}
	create(x, 7, "main.handle", T0 + S);
	assert_int_equal(model_functions(x->m, 0, &list, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (list[i].func_id != intern(x, "main.handle"))
			continue;
		seen = true;
		assert_int_equal(list[i].live, 1);
		assert_int_equal(list[i].created, 501);
		assert_int_equal(list[i].exited, 500);
		assert_int_equal(list[i].last_exit_goid, 599);
		assert_int_equal(list[i].last_exit_ns, T0 + 499 * 1000 + 50);
		assert_true(list[i].dropped.goroutines >= 399); /* of retain_exited 100 */
	}
	assert_true(seen);
	assert_int_equal(model_reset(x->m), 0);
	free(list);
	list = NULL;
	assert_int_equal(model_functions(x->m, 0, &list, &n), 0);
	assert_int_equal(n, 0);
}

static void test_own(void **state)
{
	static const char *const own[] = {"main.main",           "github.com/x/y.F",
					  "shop/cart.(*T).Add",  "main.main.func1",
					  "go.uber.org/zap.New", "main.F[net/http.T]"},
				 *const others[] = {"net/http.Get",
						    "runtime.gopark",
						    "os.Open",
						    "internal/poll.runtime_pollWait",
						    "type:.eq.T",
						    "vendor/golang.org/x/net/http2.F",
						    "memcpy",
						    "go.uber",
						    "sync.(*Mutex).Lock"};

	for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
		assert_true(own_function(own[i], strlen(own[i])));
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(own_function(others[i], strlen(others[i])));
}

static int no_report_yet(void *ctx, unsigned proc, struct leak_report **ret)
{
	return -EAGAIN;
}

/* Two are out of reach after the first of several passes. */
static int first_pass(void *ctx, unsigned proc, struct leak_report **ret)
{
	static struct wait_graph graph;
	static struct leak_report report = {.graph = &graph, .beginning = true};

	*ret = &report;
	return 0;
}

static void no_put(void *ctx, struct leak_report *r)
{
}

static int look_through(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late)
{
	fail_msg("problems waits for a look through the whole heap");
	return -EAGAIN;
}

/* Who looks for leaks takes as long as the machine's load lets him. */
static void test_leaks_late(void **state)
{
	struct fixture *x = *state;

	x->live.leaks_known = no_report_yet;
	x->live.leaks = look_through;
	now(x, T0 + S);
	assert_non_null(strstr(problems(x), "\n  not looked for: leak: memory was not looked "
					    "through yet: ask again soon\n"));
	x->live.leaks_known = first_pass;
	x->live.leaks_put = no_put;
	assert_non_null(strstr(problems(x), "\n  not looked for: leak: memory was not looked "
					    "through yet: ask again soon\n"));
}

static void run_late(struct fixture *x, uint64_t goid, uint64_t at)
{
	struct event ev = {.time_ns = at + S / 20,
			   .type = EVENT_CASGSTATUS,
			   .goid = goid,
			   .target = goid,
			   .from = GSTATE_RUNNABLE,
			   .to = GSTATE_RUNNING};

	change(x, goid, GSTATE_RUNNABLE, "", at);
	model_apply(x->m, &ev, 1);
}

/* Running by events is no CPU time; samples are. */
static void test_latency(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 8, "main.compact", T0);
	for (uint64_t i = 0; i < 150; i++)
		run_late(x, 8, T0 + S + i * S / 10);
	text = strstr(problems(x), "warning latency: 1 % of ");
	assert_non_null(text);
	assert_non_null(strstr(text, "; running or waiting for a CPU of the machine in the last "
				     "5 s: main.compact for "));
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	sample(x, "main.compact", 2 * S, T0 + 11 * S);
	text = strstr(problems(x), "warning latency: 1 % of ");
	assert_non_null(text);
	assert_null(strstr(line(text, 0), "running or"));
	assert_non_null(strstr(line(text, 0), "main.compact"));
	assert_non_null(
		strstr(line(text, 0), " of a processor in the last 10 s, by samples; see "));
	/* Switched off, they say nothing of now. */
	samples_end(model_samples(x->m), SAMPLE_CPU, T0 + 10 * S);
	text = strstr(problems(x), "warning latency: 1 % of ");
	assert_non_null(text);
	assert_non_null(strstr(line(text, 0), "in the last 5 s: main.compact for "));
}

static bool starved(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){.cpu_wait_ratio = 9};
	return true;
}

/* The machine gives it next to nothing: whom it would take most for is named all the same, and that
 * requests wait is the machine's doing where nobody is. */
static void test_starved(void **state)
{
	struct fixture *x = *state;
	const char *text;

	create(x, 8, "main.compact", T0);
	for (uint64_t i = 0; i < 150; i++)
		run_late(x, 8, T0 + S + i * S / 10);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	sample(x, "main.rank", S * 7 / 10, T0 + 11 * S);
	sample(x, "main.other", S / 10, T0 + 12 * S);
	text = problems(x);
	assert_null(strstr(text, "warning"));
	assert_non_null(strstr(text, "notice latency: 1 % of "));
	assert_non_null(strstr(text, "the program itself took 8 % of a processor"));
	assert_non_null(strstr(text, "by samples: the machine's were busy with others, or its "
				     "container has no more; 88 % of that in main.rank"));
	x->live.runtime_known = starved;
	assert_null(strstr(problems(x), "warning"));
	sample(x, "main.rank", S * 6 / 10, T0 + 11 * S);
	text = problems(x);
	assert_non_null(strstr(text, "warning cpu: main.rank"));
	assert_non_null(strstr(text, "13 % of a processor; for each second that its threads had a "
				     "processor they waited 9.0 s for one of the machine's"));
}

/* What is cut counts the rows that would be there, not those that no table shows. */
static void test_waits_cut(void **state)
{
	struct fixture *x = *state;
	struct view_query q = {.form = VIEW_TEXT};
	const char *end = "... cut: 1 rows more\n";
	const size_t full = 256 << 20;

	create(x, 7, "main.worker", T0);
	park(x, 7, "chan receive", IDLES, T0 + S);
	create(x, 8, "runtime.bgsweep", T0);
	park(x, 8, "GC sweep wait", "runtime.bgsweep(...)\n\t/go/mgcsweep.go:9\n", T0 + S);
	buf_reset(&x->out);
	assert_int_equal(buf_reserve(&x->out, full + 4096), 0);
	memset(x->out.data, ' ', full);
	x->out.len = full;
	assert_int_equal(view_wait_stacks(&x->v, &q, &x->out), 0);
	assert_string_equal(x->out.data + x->out.len - strlen(end), end);
	buf_free(&x->out);
}

static uint64_t judged_ns;

static bool allocates(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){.read_ns = T0 + 20 * S,
				     .alloc_per_second = 100e6,
				     .judged_ns = judged_ns,
				     .alloc_judged = 99e6,
				     .switches_judged = -1};
	return true;
}

/* What the runtime counts, once that is over some seconds: two readings tell of a burst. */
static void test_allocation(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 21 * S);
	assert_null(strstr(problems(x), "MiB allocated"));
	x->live.runtime_known = allocates;
	judged_ns = 0;
	assert_null(strstr(problems(x), "MiB allocated"));
	judged_ns = 5 * S;
	assert_non_null(strstr(problems(x), "warning allocation: 94 MiB allocated a second in the "
					    "last 5 s, as the runtime counts it"));
	now(x, T0 + 31 * S);
	assert_null(strstr(problems(x), "MiB allocated"));
}

static void allocate(struct fixture *x, const char *function, uint64_t at)
{
	const struct site site = {.func_id = intern(x, function), .line = 7};
	const struct stack_sample s = {.time_ns = at,
				       .weight = 512 << 10,
				       .kind = SAMPLE_ALLOC,
				       .n = 1,
				       .sites = {names_add_site(x->names, site)}};

	samples_add(model_samples(x->m), &s);
}

/* It lives on garbage, and got a fiftieth of a processor: what part of that goes into it, and that
 * one place asks for most, says so all the same. */
static void test_starved_allocation(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 20 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	samples_begin(model_samples(x->m), SAMPLE_ALLOC, T0);
	sample(x, "runtime.mallocgc", S * 60 / 100, T0 + 15 * S);
	sample(x, "main.other", S * 20 / 100, T0 + 16 * S);
	for (uint64_t i = 0; i < 30; i++)
		allocate(x, i % 3 ? "main.buildKey" : "main.other", T0 + 11 * S + i);
	assert_null(strstr(problems(x), " allocation: 0"));
	x->live.runtime_known = starved;
	assert_non_null(strstr(problems(x),
			       "warning allocation: 2 MiB allocated a second in the last 10 s, by "
			       "samples; 67 % of what was sampled in the last 10 s for "
			       "main.buildKey"));
	assert_non_null(strstr(x->out.data,
			       "; that and collecting took 75 % of its CPU time outside "
			       "the kernel in the last 10 s; for each second that its "
			       "threads had a processor they waited 9.0 s"));
	/* Nobody in particular, or less than half of the time. */
	for (uint64_t i = 0; i < 30; i++)
		allocate(x, i % 2 ? "main.third" : "main.fourth", T0 + 12 * S + i);
	assert_null(strstr(problems(x), "warning allocation"));
	for (uint64_t i = 0; i < 90; i++)
		allocate(x, "main.buildKey", T0 + 13 * S + i);
	assert_non_null(strstr(problems(x), "warning allocation"));
	sample(x, "main.other", S * 60 / 100, T0 + 16 * S);
	assert_null(strstr(problems(x), "warning allocation"));
}

/* A server that wants little waits as long for it. */
static void test_starved_little(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 20 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	samples_begin(model_samples(x->m), SAMPLE_ALLOC, T0);
	sample(x, "runtime.mallocgc", S * 30 / 100, T0 + 15 * S);
	for (uint64_t i = 0; i < 30; i++)
		allocate(x, "main.buildKey", T0 + 11 * S + i);
	x->live.runtime_known = starved;
	assert_null(strstr(problems(x), "warning"));
}

/* Not one sample met it: who makes its goroutines wait is not the program. */
static void test_starved_of_all(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.compact", T0);
	for (uint64_t i = 0; i < 150; i++)
		run_late(x, 8, T0 + S + i * S / 10);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0 + 7 * S); /* not for long enough */
	assert_non_null(strstr(problems(x), "warning latency: 1 % of "));
	now(x, T0 + 21 * S);
	x->live.runtime_known = starved;
	assert_non_null(strstr(problems(x), "notice latency: 1 % of "));
	assert_non_null(strstr(x->out.data,
			       "; no sample met the program on a processor: the machine's "
			       "were busy with others, or its container has no more; for "
			       "each second that its threads had a processor they waited"));
	assert_null(strstr(x->out.data, "warning"));
}

/* Without events: who sleeps and wakes all the time, by what that takes, and by the runtime's own
 * count. */
static double switches;

static bool switches_of(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){.read_ns = T0 + 20 * S,
				     .alloc_per_second = -1,
				     .judged_ns = 5 * S,
				     .alloc_judged = -1,
				     .switches_judged = switches};
	return true;
}

static void sample_sleep(struct fixture *x, const char *function, unsigned n)
{
	const struct site own = {.func_id = intern(x, function), .line = 7},
			  sleep = {.func_id = intern(x, "time.Sleep")};

	for (unsigned i = 0; i < n; i++) {
		const struct stack_sample s = {
			.time_ns = T0 + 15 * S + i,
			.weight = S / 99,
			.kind = SAMPLE_CPU,
			.goid = 20 + i,
			.n = 2,
			.sites = {names_add_site(x->names, sleep), names_add_site(x->names, own)}};

		samples_add(model_samples(x->m), &s);
	}
}

static void test_timers_by_samples(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.(*session).poll", T0);
	now(x, T0 + 20 * S);
	x->live.probes = tell_probes;
	probes_off = true;
	x->live.runtime_known = switches_of;
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	switches = 18204;
	sample(x, "runtime.schedule", S / 5, T0 + 16 * S);
	sample_sleep(x, "main.(*session).poll", 8);
	assert_non_null(strstr(problems(x), "warning timers: main.(*session).poll"));
	assert_non_null(strstr(x->out.data,
			       "going to sleep and waking took 29 % of the program's CPU time in "
			       "the last 10 s, by samples, and goroutines were given a processor "
			       "18204 times a second in the last 5; see goroutines/20/stack "
			       "waits.tsv pprof/cpu\n"));
	switches = 1999;
	assert_null(strstr(problems(x), "timers: main"));
	switches = -1;
	assert_null(strstr(problems(x), "timers: main"));
	switches = 18204;
	sample(x, "main.other", S, T0 + 16 * S); /* not a tenth of it */
	assert_null(strstr(problems(x), "timers: main"));
}

static struct heap_growth growth;

static bool collects(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = (struct live_runtime){
		.read_ns = T0 + 20 * S, .alloc_per_second = 1e6, .growth = growth};
	return true;
}

/* The heap that grows, by the runtime's own figures alone; whose doing it is where that is known.
 */
static void test_heap(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "main.worker", T0);
	now(x, T0 + 21 * S);
	assert_non_null(strstr(problems(x), "\n  not looked for: heap: what is live"));
	x->live.runtime_known = collects;
	growth = (struct heap_growth){.watched_ns = 59 * S};
	assert_non_null(strstr(problems(x), "\n  not looked for: heap: what is live"));
	growth.watched_ns = 700 * S;
	assert_non_null(strstr(looked_for(x), "\nheap: 67108864 bytes and 50 % more are live"));
	assert_non_null(strstr(problems(x), ", heap, "));
	assert_null(strstr(x->out.data, "not looked for: heap"));
	assert_null(strstr(x->out.data, " heap: heap live"));
	growth.from_bytes = 120ull << 20;
	growth.to_bytes = 480ull << 20;
	growth.ns = 600 * S;
	growth.cycles = 37;
	assert_non_null(strstr(problems(x), "warning heap: heap live 120 MiB -> 480 MiB in 10m "
					    "(37 GC cycles), after each collection; see heap "
					    "alloc_sites.tsv pprof/allocs leaks\n"));
	growth.to_bytes = 200ull << 20;
	assert_non_null(strstr(problems(x), "notice heap: heap live 120 MiB -> 200 MiB"));
}

static int is_traced(void *ctx, unsigned proc, struct health *ret)
{
	*ret = (struct health){0};
	return 0;
}

static void test_cost(void **state)
{
	struct fixture *x = *state;
	struct meter_sample s = {.of_target_percent = 9.9, .overhead_percent = 3};

	now(x, T0 + S);
	assert_non_null(strstr(problems(x), "\n  not looked for: cost: "));
	assert_int_equal(meter_new(&x->meter), 0);
	x->v.meter = x->meter;
	meter_add(x->meter, &s);
	/* A replay has a meter, too, and nobody traces. */
	assert_non_null(strstr(problems(x), "\n  not looked for: cost: "));
	x->live.health = is_traced;
	assert_null(strstr(problems(x), " cost: our probes took"));
	s = (struct meter_sample){.of_target_percent = 94, .overhead_percent = 1.9};
	for (unsigned i = 0; i < 5; i++)
		meter_add(x->meter, &s); /* it does next to nothing */
	assert_null(strstr(problems(x), " cost: our probes took"));
	s = (struct meter_sample){.of_target_percent = 12, .overhead_percent = 3};
	meter_add(x->meter, &s);
	meter_add(x->meter, &s);
	assert_null(strstr(problems(x), " cost: our probes took")); /* two seconds of five */
	for (unsigned i = 0; i < 3; i++)
		meter_add(x->meter, &s);
	assert_non_null(strstr(problems(x), "notice cost: our probes took about 12 % of the "
					    "program's CPU time"));
	s.of_target_percent = 94;
	for (unsigned i = 0; i < 3; i++)
		meter_add(x->meter, &s);
	assert_non_null(strstr(problems(x), "warning cost: our probes took about 94 % of the "
					    "program's CPU time (median of the last 5 seconds)"));
	assert_non_null(strstr(x->out.data, "; see health control/probes\n"));
}

/* Is there such a file, as the table of views has it? */
static bool is_file(const char *path)
{
	static const char of_goroutine[] = "goroutines/%llu/";
	bool inner = !strncmp(path, of_goroutine, strlen(of_goroutine));
	char name[96];

	if (inner)
		path += strlen(of_goroutine);
	/* Those the mount has without a view. */
	if (!strcmp(path, inner ? "events" : "control/probes"))
		return true;
	for (unsigned i = 0; i < n_views; i++) {
		const struct view_row *row = &views[i];

		snprintf(name, sizeof(name), "%s%s", row->name, row->suffix ? row->suffix : "");
		if (row->scope == (inner ? VIEW_GOROUTINE : VIEW_PROCESS) && !row->no_file &&
		    !strcmp(name, path))
			return true;
	}
	return false;
}

/* The literal behind the last comma of a call, or "". */
static void path_of(const char *line, char *ret, size_t size)
{
	static const char see[] = "problem_see(p, \"", of[] = "problem_see_goroutine(p, ";
	const char *at = strstr(line, see), *goroutine = strstr(line, of);

	*ret = '\0';
	if (goroutine)
		at = strchr(goroutine, '"');
	else if (at)
		at += strlen(see) - 1;
	if (at)
		snprintf(ret, size, "%s%.*s", goroutine ? "goroutines/%llu/" : "",
			 (int)strcspn(at + 1, "\""), at + 1);
}

/* Whoever is pointed to a file finds it: each call in the source. */
static void test_see_is_there(void **state)
{
	static const char *const files[] = {"problems.c", "problem_waits.c", "problem_runs.c",
					    "problem_heap.c"};
	char text[400], path[96];
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f;

		snprintf(text, sizeof(text), SOURCE_ROOT "/core/view/problems/%s", files[i]);
		f = fopen(text, "r");
		assert_non_null(f);
		while (fgets(text, sizeof(text), f)) {
			path_of(text, path, sizeof(path));
			/* Where problem_see_goroutine() does it for all. */
			if (!*path || !strcmp(path, "goroutines/%llu/%s"))
				continue;
			if (!is_file(path))
				fail_msg("%s: problems points to %s, and there is no such file",
					 files[i], path);
			n++;
		}
		fclose(f);
	}
	assert_true(n > 20);
	assert_false(is_file("sites.tsv"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, problem_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_quiet),
		TEST(test_worst_first),
		TEST(test_below_thresholds),
		TEST(test_growing),
		TEST(test_growing_twins),
		TEST(test_functions),
		TEST(test_own),
		TEST(test_done),
		TEST(test_running),
		TEST(test_ran),
		TEST(test_target_gone),
		TEST(test_functions_cpu),
		TEST(test_see_is_there),
		TEST(test_execed),
		TEST(test_leaks_late),
		TEST(test_leaks_growing),
		TEST(test_leaks_growing_many),
		TEST(test_latency),
		TEST(test_cost),
		TEST(test_heap),
		TEST(test_starved_allocation),
		TEST(test_starved_little),
		TEST(test_starved_of_all),
		TEST(test_timers_by_samples),
		TEST(test_ends_by_memory),
		TEST(test_slow_growth),
		TEST(test_starved),
		TEST(test_waits_cut),
		TEST(test_allocation),
		TEST(test_unread),
		TEST(test_nothing_happened),
		TEST(test_one_screen),
		TEST(test_other_processes),
	};
	int failed = cmocka_run_group_tests_name("problems", tests, NULL, NULL);

	buf_free(&stacks);
	return failed;
}
