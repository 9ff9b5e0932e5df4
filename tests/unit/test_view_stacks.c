/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The views that stacks and leaks are read for: also of a program that has ended or ends meanwhile,
 * and where they are cut. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/view/emit.h"
#include "core/memory/leak_report.h"
#include "tests/unit/view_render.h"

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

/* More than anybody wants in one piece. */
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
		TEST(test_stack_of_ended), TEST(test_stacks), TEST(test_stacks_of_a_dying),
		TEST(test_tables_cut),     TEST(test_readme), TEST(test_leaks_names),
		TEST(test_leaks_growth),
	};

	return cmocka_run_group_tests_name("view_stacks", tests, NULL, NULL);
}
