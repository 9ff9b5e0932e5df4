/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is wrong, worst first: of a made-up program, at its thresholds and below them; and the
 * counts by start function that it rests on. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/model/functions.h"
#include "core/view/own.h"
#include "tests/unit/problem_program.h"

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

/* How it ended, where that is known. */
static const char *ended_as(struct fixture *x, int status)
{
	create(x, 7, "main.mailer", T0);
	park(x, 7, "chan receive", SENDS, T0 + S);
	create(x, 9, "main.consume", T0);
	change(x, 9, GSTATE_RUNNING, "", T0 + 2 * S);
	now(x, T0 + 3 * S);
	model_proc_status(x->m, 0, status);
	model_proc_exited(x->m, 0, T0 + 3 * S);
	return line(problems(x), 1);
}

/* Who called os.Exit() is one of those that ran then. */
static void test_exit_status(void **state)
{
	assert_string_equal(ended_as(*state, 1 << 8),
			    "critical target: the program has ended with exit status 1: what is "
			    "told of it is as it was then; running then: main.consume (G9); see "
			    "goroutines/9/events health stacks");
}

static void test_exit_panic(void **state)
{
	assert_non_null(strstr(ended_as(*state, 2 << 8),
			       "with exit status 2: what is told of it is as it was then; 2 is "
			       "Go's after a panic or a fatal error, "));
}

static void test_exit_fine(void **state)
{
	const char *text = ended_as(*state, 0);

	assert_non_null(strstr(text, "the program has ended with exit status 0: "));
	assert_null(strstr(text, "running then"));
}

static void test_exit_killed(void **state)
{
	const char *text = ended_as(*state, SIGKILL | 0x80);

	assert_non_null(strstr(text, "the program has ended, killed by signal 9 (SIGKILL): "));
	assert_non_null(strstr(text, "; by somebody, or by the kernel where memory ran out"));
	assert_null(strstr(text, "running then"));
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
		TEST(test_exit_status),
		TEST(test_exit_panic),
		TEST(test_exit_fine),
		TEST(test_exit_killed),
		TEST(test_cost),
		TEST(test_ends_by_memory),
		TEST(test_slow_growth),
		TEST(test_waits_cut),
		TEST(test_unread),
		TEST(test_nothing_happened),
		TEST(test_one_screen),
		TEST(test_other_processes),
	};
	int failed = cmocka_run_group_tests_name("problems", tests, NULL, NULL);

	buf_free(&stacks);
	return failed;
}
