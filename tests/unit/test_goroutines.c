/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Views of goroutines with arguments: chosen by filter and by number, sorted, in parts; compact
 * rows; one of them at once, its events and stays; and the words for states, the same in each of
 * them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/util.h"
#include "core/view/view.h"
#include "tests/unit/view_fixture.h"

#define MS    1000000ull
#define T0    (1000 * NS_PER_SEC)
#define LIVES 50 /* goroutines 100 to 149: each waits; the first ten have exited */

static void apply(struct fixture *x, struct event ev)
{
	model_apply(x->m, &ev, 1);
}

/* 7 does something before its state is known; 1 makes all others. */
static void fill(struct fixture *x)
{
	uint32_t func = names_intern(x->names, "main.worker", 11),
		 reason = names_intern(x->names, "chan receive", 12);

	apply(x, (struct event){.time_ns = T0, .type = EVENT_NEWOBJECT, .goid = 7, .size = 16});
	for (uint64_t i = 0; i < LIVES; i++) {
		uint64_t goid = 100 + i, at = T0 + i * MS;

		apply(x, (struct event){.time_ns = at,
					.type = EVENT_CASGSTATUS,
					.goid = 1,
					.target = goid,
					.from = GSTATE_DEAD,
					.to = GSTATE_RUNNABLE});
		apply(x, (struct event){.time_ns = at + 1,
					.type = EVENT_NEWGOROUTINE,
					.goid = 1,
					.target = goid,
					.string_id = func});
		apply(x, (struct event){.time_ns = at + 1000,
					.type = EVENT_CASGSTATUS,
					.goid = goid,
					.target = goid,
					.from = GSTATE_RUNNABLE,
					.to = GSTATE_RUNNING});
		for (uint64_t n = 0; i >= 10 && n < i % 5; n++)
			apply(x, (struct event){.time_ns = at + 1500 + n,
						.type = EVENT_NEWOBJECT,
						.goid = goid,
						.size = 8});
		apply(x, (struct event){.time_ns = at + 2000,
					.type = EVENT_CASGSTATUS,
					.goid = goid,
					.target = goid,
					.from = GSTATE_RUNNING,
					.to = i < 10 ? GSTATE_DEAD : GSTATE_WAITING,
					.string_id = i < 10 ? 0 : reason});
	}
	model_proc_exited(x->m, 0, T0 + 100 * MS);
}

static int setup(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0};
	struct fixture *x = fixture_new(1000, 5, &info);

	fill(x);
	*state = x;
	return 0;
}

/* ctx: "name=value" and so on, ended by NULL. */
static const char *argument(void *ctx, const char *name)
{
	size_t len = strlen(name);

	for (const char *const *arg = ctx; *arg; arg++) {
		if (!strncmp(*arg, name, len) && (*arg)[len] == '=')
			return *arg + len + 1;
	}
	return NULL;
}

static int ask(struct fixture *x, view_fn *fn, uint64_t goid, enum view_form form,
	       const char *const *args)
{
	struct view_query q = {
		.goid = goid, .form = form, .arg = args ? argument : NULL, .arg_ctx = (void *)args};
	int err;

	buf_reset(&x->out);
	err = fn(&x->v, &q, &x->out);
	snprintf(x->why, sizeof(x->why), "%s", q.why);
	return err;
}

#define ARGS(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__ __VA_OPT__(, ) NULL                                                    \
	}

static json_t *get(struct fixture *x, view_fn *fn, uint64_t goid, const char *const *args)
{
	json_error_t error;
	json_t *root;

	assert_int_equal(ask(x, fn, goid, VIEW_JSON, args), 0);
	root = json_loads(x->out.data, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("%s in: %s", error.text, x->out.data);
	return root;
}

static uint64_t number(const json_t *row, const char *key)
{
	assert_true(json_is_integer(json_object_get(row, key)));
	return (uint64_t)json_integer_value(json_object_get(row, key));
}

static const char *word(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "null";
}

/* The numbers of the goroutines that are answered, and how many there are. */
static void is_list(struct fixture *x, const char *const *args, uint64_t total,
		    const uint64_t *goids, size_t n)
{
	json_t *root = get(x, view_goroutines, 0, args),
	       *list = json_object_get(root, "goroutines");

	assert_int_equal(number(root, "total"), total);
	assert_int_equal(number(root, "now_ns"), T0 + 100 * MS);
	assert_int_equal(json_array_size(list), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(number(json_array_get(list, i), "goid"), goids[i]);
	json_decref(root);
}

#define IS_LIST(x, args, total, ...)                                                               \
	do {                                                                                       \
		const uint64_t goids[] = {__VA_ARGS__};                                            \
		is_list(x, args, total, goids, ARRAY_SIZE(goids));                                 \
	} while (0)

static void test_list(void **state)
{
	struct fixture *x = *state;
	json_t *root, *file;

	IS_LIST(x, ARGS("limit=3"), LIVES + 2, 1, 7, 100);
	IS_LIST(x, ARGS("limit=3", "offset=2"), LIVES + 2, 100, 101, 102);
	IS_LIST(x, ARGS("limit=3", "offset=51"), LIVES + 2, 149);
	IS_LIST(x, ARGS("limit=2", "desc=1"), LIVES + 2, 149, 148);
	IS_LIST(x, ARGS("limit=2", "desc=0"), LIVES + 2, 1, 7);
	IS_LIST(x, ARGS("sort=alloc", "desc=1", "limit=4"), LIVES + 2, 114, 119, 124, 129);
	IS_LIST(x, ARGS("sort=alloc", "desc=1", "limit=1", "offset=8"), LIVES + 2, 113);
	IS_LIST(x, ARGS("sort=age", "limit=3"), LIVES + 2, 100, 101, 102); /* who lived least */
	IS_LIST(x, ARGS("sort=age", "limit=2", "filter=state:waiting"), LIVES - 10, 149, 148);
	IS_LIST(x, ARGS("sort=waiting", "desc=1", "limit=2"), LIVES + 2, 110, 111);
	IS_LIST(x, ARGS("goids=7,111-113,5000"), 4, 7, 111, 112, 113);
	IS_LIST(x, ARGS("goids=113,113,111", "filter=id<113"), 1, 111);
	is_list(x, ARGS("filter=func:nothing"), 0, NULL, 0);
	assert_int_equal(ask(x, view_goroutines, 0, VIEW_JSON, ARGS("sort=x")), -EINVAL);
	assert_non_null(strstr(x->why, "sort: one of id, age"));
	assert_int_equal(ask(x, view_goroutines, 0, VIEW_JSON, ARGS("limit=10001")), -EINVAL);
	assert_int_equal(ask(x, view_goroutines, 0, VIEW_JSON, ARGS("goids=x")), -EINVAL);
	assert_int_equal(ask(x, view_goroutines, 0, VIEW_JSON, ARGS("filter=state:wating")),
			 -EINVAL);
	assert_string_equal(x->why, "filter: no such state: \"wating\"; there are running runnable "
				    "waiting syscall preempted leaked dead unknown");
	assert_int_equal(x->out.len, 0);
	/* A file is the array alone, of the same rows; text is all of them, too. */
	root = get(x, view_goroutines, 0, ARGS("goids=1-1000"));
	file = get(x, view_goroutines, 0, NULL);
	assert_true(json_equal(json_object_get(root, "goroutines"), file));
	json_decref(root);
	json_decref(file);
	assert_int_equal(ask(x, view_goroutines, 0, VIEW_TEXT, ARGS("filter=state:dead")), 0);
	assert_non_null(strstr(x->out.data, "\n109\tdead\t-\t"));
	assert_null(strstr(x->out.data, "\n110\t"));
	assert_int_equal(ask(x, view_goroutines, 0, VIEW_TEXT, ARGS("full=1")), -EINVAL);
}

static void test_states(void **state)
{
	struct fixture *x = *state;
	json_t *root, *rows;

	is_list(x, ARGS("filter=state:unknown"), 2, (const uint64_t[]){1, 7}, 2);
	IS_LIST(x, ARGS("filter=state:dead", "limit=1"), 10, 100);
	IS_LIST(x, ARGS("filter=state:exited", "limit=1"), 10, 100);
	is_list(x, ARGS("filter=state:running"), 0, NULL, 0);
	is_list(x, ARGS("filter=state:runnable"), 0, NULL, 0);
	root = get(x, view_goroutines, 0, ARGS("goids=7,100,120"));
	rows = json_object_get(root, "goroutines");
	assert_string_equal(word(json_array_get(rows, 0), "state"), "unknown");
	assert_string_equal(word(json_array_get(rows, 1), "state"), "dead");
	assert_string_equal(word(json_array_get(rows, 2), "state"), "waiting");
	json_decref(root);
	/* Time in a state that is not known is no state's. */
	root = get(x, view_goroutine, 7, NULL);
	assert_string_equal(word(root, "state"), "unknown");
	assert_int_equal(number(root, "running_ns"), 0);
	assert_int_equal(number(root, "waiting_ns"), 0);
	json_decref(root);
	for (unsigned s = 0; s <= GSTATES; s++)
		assert_int_equal(view_state_parse(view_state_name(s)), s);
	assert_int_equal(view_state_parse("exited"), GSTATE_DEAD);
	assert_int_equal(view_state_parse("exit"), -EINVAL);
	assert_int_equal(view_state_parse("wating"), -EINVAL);
}

/* What is shown of one is the same in each view that shows it. */
static void test_one(void **state)
{
	struct fixture *x = *state;
	json_t *one = get(x, view_goroutine, 120, NULL), *list, *part, *value;
	view_fn *const parts[] = {view_status, view_goroutine_stats};
	const char *key;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		part = get(x, parts[i], 120, NULL);
		json_object_foreach(part, key, value)
			assert_true(json_equal(json_object_get(one, key), value));
		json_decref(part);
	}
	/* In the table, where it has the same key; and in full. */
	list = get(x, view_goroutines, 0, ARGS("goids=120"));
	part = json_array_get(json_object_get(list, "goroutines"), 0);
	assert_int_equal(json_object_size(part), 24);
	json_object_foreach(part, key, value)
	{
		if (json_object_get(one, key) && !json_equal(json_object_get(one, key), value))
			fail_msg("%s", key);
	}
	json_decref(list);
	list = get(x, view_goroutines, 0, ARGS("goids=120", "full=1"));
	part = json_array_get(json_object_get(list, "goroutines"), 0);
	/* now, children, where it was made */
	assert_true(json_object_size(part) + 5 == json_object_size(one));
	json_object_foreach(part, key, value)
		assert_true(json_equal(json_object_get(one, key), value));
	json_decref(list);
	assert_string_equal(word(one, "wait_reason"), "chan receive");
	assert_int_equal(number(one, "created_ns"), T0 + 20 * MS);
	assert_int_equal(number(one, "now_ns"), T0 + 100 * MS);
	assert_int_equal(json_array_size(json_object_get(one, "children_known")), 0);
	json_decref(one);
	one = get(x, view_goroutine, 1, NULL);
	part = json_object_get(one, "children_known");
	assert_int_equal(json_array_size(part), LIVES);
	assert_string_equal(word(json_array_get(part, 0), "state"), "dead");
	assert_string_equal(word(json_array_get(part, 20), "state"), "waiting");
	json_decref(one);
	assert_int_equal(ask(x, view_goroutine, 99, VIEW_JSON, NULL), -ENOENT);
	assert_int_equal(x->out.len, 0);
}

static void is_rows(struct fixture *x, const char *const *args, size_t n, uint64_t first, bool all,
		    bool more)
{
	json_t *root = get(x, view_rows, 0, args), *rows = json_object_get(root, "rows");

	assert_int_equal(json_array_size(rows), n);
	if (n)
		assert_int_equal(json_integer_value(json_array_get(json_array_get(rows, 0), 0)),
				 first);
	assert_int_equal(json_is_true(json_object_get(root, "all")), all);
	assert_int_equal(json_is_true(json_object_get(root, "more")), more);
	json_decref(root);
}

static void test_rows(void **state)
{
	struct fixture *x = *state;
	json_t *root, *row;

	is_rows(x, NULL, LIVES + 2, 1, true, false);
	is_rows(x, ARGS("limit=5"), 5, 1, true, true);
	is_rows(x, ARGS("after=7", "limit=5"), 5, 100, true, true);
	is_rows(x, ARGS("since=1000040000000"), 11, 1, false, false); /* 1 made 140 to 149 */
	is_rows(x, ARGS("goids=7,120-129"), 11, 7, false, false);
	is_rows(x, ARGS("goids=7,120-129", "limit=4"), 4, 7, false, true);
	is_rows(x, ARGS("goids=7,120-129", "after=7", "limit=10"), 10, 120, false, false);
	is_rows(x, ARGS("goids=7,120-129", "since=1000028000000"), 2, 128, false, false);
	is_rows(x, ARGS("filter=state:dead"), 10, 100, false, false);
	is_rows(x, ARGS("goids=5000"), 0, 0, false, false);
	/* States are numbers: 12 is not known, 6 is over. */
	root = get(x, view_rows, 0, ARGS("goids=7,100,120"));
	for (size_t i = 0; i < 3; i++) {
		const json_int_t want[] = {12, 6, 4};

		row = json_array_get(json_object_get(root, "rows"), i);
		assert_int_equal(json_array_size(row), 24);
		assert_int_equal(json_integer_value(json_array_get(row, 2)), want[i]);
	}
	row = json_array_get(row, 4);
	assert_string_equal(json_string_value(json_array_get(json_object_get(root, "texts"),
							     (size_t)json_integer_value(row))),
			    "chan receive");
	assert_int_equal(number(root, "kept"), LIVES + 2);
	json_decref(root);
	root = get(x, view_rows, 0, ARGS("numbers=1"));
	assert_int_equal(number(root, "kept"), LIVES + 2);
	assert_string_equal(word(root, "goids"), "1,7,100-149");
	json_decref(root);
	assert_int_equal(ask(x, view_rows, 0, VIEW_JSON, ARGS("limit=0")), -EINVAL);
	assert_int_equal(ask(x, view_rows, 0, VIEW_JSON, ARGS("filter=flag:x")), -EINVAL);
}

static void test_events(void **state)
{
	struct fixture *x = *state;
	json_t *root = get(x, view_goroutine_events, 124, ARGS("limit=3"));

	assert_int_equal(number(root, "total"), 8); /* with its creator's */
	assert_int_equal(json_array_size(json_object_get(root, "events")), 3);
	json_decref(root);
	root = get(x, view_goroutine_events, 124, ARGS("to=1000024001000"));
	assert_int_equal(number(root, "total"), 3);
	json_decref(root);
	assert_int_equal(
		ask(x, view_goroutine_events, 124, VIEW_JSON, ARGS("format=jsonl", "limit=2")), 0);
	root = json_loads(strchr(x->out.data, '\n') + 1, 0, NULL);
	assert_int_equal(number(root, "goroutine"), 124);
	json_decref(root);
	assert_int_equal(ask(x, view_goroutine_events, 124, VIEW_JSON, ARGS("from=5", "to=4")),
			 -EINVAL);
	assert_int_equal(ask(x, view_goroutine_events, 124, VIEW_JSON, ARGS("format=x")), -EINVAL);
	assert_int_equal(ask(x, view_goroutine_events, 99, VIEW_JSON, NULL), -ENOENT);
}

static void is_spans(struct fixture *x, const char *const *args, size_t n, uint64_t first)
{
	json_t *root = get(x, view_spans, 124, args), *spans = json_object_get(root, "spans");

	assert_int_equal(json_array_size(spans), n);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(spans, 0), 0)), first);
	json_decref(root);
}

static void test_spans(void **state)
{
	struct fixture *x = *state;
	uint64_t begin = T0 + 24 * MS;

	is_spans(x, NULL, 3, begin);
	is_spans(x, ARGS("limit=2"), 2, begin);
	is_spans(x, ARGS("limit=2", "newest=1"), 2, begin + 1000);
	is_spans(x, ARGS("limit=9", "newest=1"), 3, begin);
	is_spans(x, ARGS("from=1000024001500", "limit=1"), 1, begin + 1000);
	is_spans(x, ARGS("from=1000024001500", "limit=1", "newest=1"), 1, begin + 2000);
	assert_int_equal(ask(x, view_spans, 99, VIEW_JSON, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spans, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
