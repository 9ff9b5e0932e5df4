/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A time range by reason, function, waker, go statement and caller, against a plain recount of the
 * same events: a loop of its own, over goroutines whose every change is an event. What `was:`
 * chooses, pages, and the flame graphs of allocations and CPU samples of a range.
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
#include "tests/unit/range_program.h"

/* --- the recount ------------------------------------------------------------------------------ */

struct counted {
	char key[80];
	uint64_t stays, ns, max_ns, waiting_ns, allocations, bytes, goroutines, last;
};

static struct counted counted[400];
static unsigned n_counted;

static struct counted *row(const char *key, uint64_t goid)
{
	unsigned i = 0;

	while (i < n_counted && strcmp(counted[i].key, key))
		i++;
	assert_true(i < ARRAY_SIZE(counted));
	if (i == n_counted)
		counted[n_counted++] = (struct counted){0};
	snprintf(counted[i].key, sizeof(counted[i].key), "%s", key);
	counted[i].goroutines += counted[i].last != goid;
	counted[i].last = goid;
	return &counted[i];
}

static void place(char *ret, size_t size, unsigned line)
{
	snprintf(ret, size, "main.main (/src/main.go:%u)", line);
}

/* What the stay of `goid` in [begin, end) is called; false: it is in no row. woken: by whom; -1: it
 * goes on. */
static bool name_stay(const char *by, uint64_t goid, unsigned state, uint32_t reason, int64_t woken,
		      char *ret, size_t size)
{
	static const char *const states[] = {
		[GSTATE_RUNNABLE] = "(runnable)", [GSTATE_RUNNING] = "(running)"};

	if (!strcmp(by, "function"))
		snprintf(ret, size, "%s", functions[function_of(goid)]);
	else if (!strcmp(by, "site"))
		place(ret, size, lines[made_at(goid)]);
	else if (!strcmp(by, "reason") && state != GSTATE_WAITING)
		snprintf(ret, size, "%s", states[state]);
	else if (!strcmp(by, "reason"))
		for (unsigned i = 0; i < 4; i++) {
			if (reason_ids[i] == reason)
				snprintf(ret, size, "%s", reasons[i]);
		}
	else if (!strcmp(by, "caller") || state != GSTATE_WAITING)
		return false;
	else if (woken <= 0)
		snprintf(ret, size, "%s",
			 woken ? "(not over)" : "(itself, the runtime, or not known)");
	else if (!strcmp(by, "waker"))
		snprintf(ret, size, "%d", (int)woken);
	else
		snprintf(ret, size, "%s", functions[function_of((uint64_t)woken)]);
	return true;
}

static void count_stay(const char *by, uint64_t goid, unsigned state, uint32_t reason,
		       uint64_t begin, uint64_t end, int64_t woken, const uint64_t window[2])
{
	struct counted *r;
	char key[80];
	uint64_t ns;

	begin = MAX(begin, window[0]);
	end = MIN(end, window[1]);
	if (end <= begin || state == GSTATE_DEAD ||
	    !name_stay(by, goid, state, reason, woken, key, sizeof(key)))
		return;
	ns = end - begin;
	r = row(key, goid);
	r->stays++;
	r->ns += ns;
	r->max_ns = MAX(r->max_ns, ns);
	r->waiting_ns += state == GSTATE_WAITING ? ns : 0;
}

static void count_allocation(const char *by, const struct event *ev, const uint64_t window[2])
{
	struct counted *r;
	char key[80];
	unsigned line = 0;

	if (ev->time_ns < window[0] || ev->time_ns >= window[1])
		return;
	while (site_ids[line] != ev->site_id)
		line++;
	if (!strcmp(by, "caller"))
		place(key, sizeof(key), lines[line]);
	else if (!strcmp(by, "function") || !strcmp(by, "site"))
		name_stay(by, ev->goid, GSTATE_RUNNING, 0, 0, key, sizeof(key));
	else
		return;
	r = row(key, ev->goid);
	r->allocations++;
	r->bytes += ev->size;
}

/* Of one goroutine: a stay lasts from one change to the next. */
static void recount_one(const char *by, uint64_t goid, const uint64_t window[2])
{
	uint64_t since = 0;
	unsigned state = GSTATE_DEAD;
	uint32_t reason = 0;

	for (unsigned i = 0; i < n_events; i++) {
		const struct event *ev = &events[i];

		if (ev->type == EVENT_NEWOBJECT && ev->goid == goid)
			count_allocation(by, ev, window);
		if (ev->type != EVENT_CASGSTATUS || ev->target != goid)
			continue;
		count_stay(by, goid, state, reason, since, ev->time_ns, (int64_t)ev->goid, window);
		state = ev->to;
		reason = ev->string_id;
		since = ev->time_ns;
	}
	count_stay(by, goid, state, reason, since, END, -1, window);
}

static bool all(uint64_t goid)
{
	return goid != 0;
}

static void recount(const char *by, const uint64_t window[2], bool (*which)(uint64_t goid))
{
	n_counted = 0;
	memset(counted, 0, sizeof(counted));
	for (uint64_t goid = 1; goid <= N; goid++) {
		if (which(goid))
			recount_one(by, goid, window);
	}
}

/* --- by one key ------------------------------------------------------------------------------- */

static const char *const bys[] = {"reason",         "function", "waker",
				  "waker_function", "site",     "caller"};
static bool allocates(const char *by)
{
	return !strcmp(by, "function") || !strcmp(by, "site") || !strcmp(by, "caller");
}

static bool has_stays(const char *by)
{
	return strcmp(by, "caller") != 0;
}

/* How many figures a row has not. */
static unsigned nulls(json_t *row)
{
	const char *key;
	json_t *value;
	unsigned n = 0;

	json_object_foreach(row, key, value)
	{
		n += json_is_null(value) && strcmp(key, "function") != 0;
	}
	return n;
}

static void compare_row(json_t *got, const char *by)
{
	const char *key = json_string_value(json_object_get(got, "key"));
	unsigned i = 0;

	while (i < n_counted && strcmp(counted[i].key, key))
		i++;
	if (i == n_counted)
		fail_msg("by %s: nobody else knows \"%s\"", by, key);
	assert_int_equal(number(got, "goroutines"), counted[i].goroutines);
	if (has_stays(by)) {
		assert_int_equal(number(got, "stays"), counted[i].stays);
		assert_int_equal(number(got, "total_ns"), counted[i].ns);
		assert_int_equal(number(got, "max_ns"), counted[i].max_ns);
		assert_int_equal(number(got, "waiting_ns"), counted[i].waiting_ns);
	} else {
		assert_int_equal(nulls(got), 8);
	}
	if (!strncmp(by, "waker", 5))
		assert_int_equal(nulls(got), 6); /* and no allocations */
	else if (has_stays(by))
		assert_int_equal(number(got, "running_ns") + number(got, "runnable_ns") +
					 number(got, "waiting_ns") + number(got, "syscall_ns") +
					 number(got, "other_ns"),
				 number(got, "total_ns"));
	if (!allocates(by)) {
		assert_true(json_is_null(json_object_get(got, "alloc_bytes")));
		return;
	}
	assert_int_equal(number(got, "allocations"), counted[i].allocations);
	assert_int_equal(number(got, "alloc_bytes"), counted[i].bytes);
}

static void compare_all(struct fixture *x, const char *by)
{
	json_t *v = json(x, view_range_by), *rows = json_object_get(v, "rows"), *got;
	json_t *sum = json_object_get(v, "sum");
	uint64_t stays = 0, ns = 0, bytes = 0, last = UINT64_MAX;
	const char *sorted = strcmp(by, "caller") ? "total_ns" : "alloc_bytes";
	size_t i;

	if (number(v, "total") != n_counted)
		fail_msg("by %s: not %u rows: %s", by, n_counted, x->out.data);
	assert_int_equal(json_array_size(rows), n_counted);
	json_array_foreach(rows, i, got)
	{
		compare_row(got, by);
		assert_true(number(got, sorted) <= last);
		last = number(got, sorted);
		stays += has_stays(by) ? number(got, "stays") : 0;
		ns += has_stays(by) ? number(got, "total_ns") : 0;
		bytes += allocates(by) ? number(got, "alloc_bytes") : 0;
	}
	if (has_stays(by)) {
		assert_int_equal(number(sum, "stays"), stays);
		assert_int_equal(number(sum, "total_ns"), ns);
	}
	if (allocates(by))
		assert_int_equal(number(sum, "alloc_bytes"), bytes);
	json_decref(v);
}

static const uint64_t windows[][2] = {{0, UINT64_MAX},
				      {T0 + NS_PER_SEC, T0 + 2 * NS_PER_SEC},
				      {T0 + 3 * NS_PER_SEC + 12345, T0 + 3 * NS_PER_SEC + 98765},
				      {T0 + 8 * NS_PER_SEC, T0 + 90 * NS_PER_SEC}};

static void test_recount(void **state)
{
	struct fixture *x = *state;
	char from[24], to[24];

	for (unsigned w = 0; w < ARRAY_SIZE(windows); w++) {
		for (unsigned i = 0; i < ARRAY_SIZE(bys); i++) {
			const char *args[] = {"by", bys[i], "from", from, "to", to, NULL};

			snprintf(from, sizeof(from), "%llu", (unsigned long long)windows[w][0]);
			snprintf(to, sizeof(to), "%llu", (unsigned long long)windows[w][1]);
			x->args = args;
			recount(bys[i], windows[w], all);
			compare_all(x, bys[i]);
		}
	}
}

/* By whatever key, all stays (or all allocations) are those of `range`. */
static void test_as_range(void **state)
{
	struct fixture *x = *state;
	const char *args[] = {"by", "", "from", "1001000000000", "to", "1003000000000", NULL};
	json_t *range, *st;
	uint64_t stays = 0, ns = 0;
	size_t i;

	x->args = args;
	range = json(x, view_range);
	json_array_foreach(json_object_get(range, "states"), i, st)
	{
		stays += number(st, "stays");
		ns += number(st, "total_ns");
	}
	assert_true(stays > 100);
	for (i = 0; i < ARRAY_SIZE(bys); i++) {
		json_t *v, *sum;

		args[1] = bys[i];
		v = json(x, view_range_by);
		sum = json_object_get(v, "sum");
		if (!strcmp(bys[i], "reason") || !strcmp(bys[i], "function") ||
		    !strcmp(bys[i], "site")) {
			assert_int_equal(number(sum, "stays"), stays);
			assert_int_equal(number(sum, "total_ns"), ns);
		}
		if (allocates(bys[i]))
			assert_int_equal(number(sum, "alloc_bytes"), number(range, "alloc_bytes"));
		json_decref(v);
	}
	json_decref(range);
}

/* Pages together are the whole, in its order, each row once. */
static void test_pages(void **state)
{
	struct fixture *x = *state;
	char offset[24];
	const char *whole_args[] = {"by", "waker", NULL};
	const char *args[] = {"by", "waker", "limit", "7", "offset", offset, NULL};
	json_t *whole, *rows;
	size_t at = 0, n;

	x->args = whole_args;
	whole = json(x, view_range_by);
	rows = json_object_get(whole, "rows");
	n = json_array_size(rows);
	assert_true(n > 21);
	x->args = args;
	do {
		json_t *v, *page;

		snprintf(offset, sizeof(offset), "%zu", at);
		v = json(x, view_range_by);
		page = json_object_get(v, "rows");
		assert_int_equal(json_array_size(page), MIN((size_t)7, n - at));
		for (size_t i = 0; i < json_array_size(page); i++)
			assert_true(
				json_equal(json_array_get(page, i), json_array_get(rows, at + i)));
		assert_int_equal(number(v, "total"), n);
		at += 7;
		json_decref(v);
	} while (at < n);
	/* Past the end there is nothing, and no error. */
	snprintf(offset, sizeof(offset), "4294967295");
	rows = json(x, view_range_by);
	assert_int_equal(json_array_size(json_object_get(rows, "rows")), 0);
	json_decref(rows);
	json_decref(whole);
}

/* --- was: ------------------------------------------------------------------------------------- */

static const uint64_t short_window[2] = {T0 + 2 * NS_PER_SEC, T0 + 2 * NS_PER_SEC + 100 * MS};

/* Was it in a wait for that reason at some moment of the short window? */
static bool waited(uint64_t goid, uint32_t reason)
{
	uint64_t since = 0;
	uint32_t now = 0;
	bool was = false;

	for (unsigned i = 0; i <= n_events; i++) {
		const struct event *ev = i < n_events ? &events[i] : NULL;
		uint64_t at = ev ? ev->time_ns : END;

		if (ev && (ev->type != EVENT_CASGSTATUS || ev->target != goid))
			continue;
		was |= now == reason && MIN(at, short_window[1]) > MAX(since, short_window[0]);
		since = at;
		now = ev ? ev->string_id : 0;
		now = ev && ev->to == GSTATE_WAITING ? now : 0;
	}
	return was;
}

static bool locked(uint64_t goid)
{
	return waited(goid, reason_ids[1]);
}

static bool never_locked(uint64_t goid)
{
	return !locked(goid);
}

/* In the short window. */
static bool ended_then(uint64_t goid)
{
	for (unsigned i = 0; i < n_events; i++) {
		if (events[i].type == EVENT_CASGSTATUS && events[i].target == goid &&
		    events[i].to == GSTATE_DEAD && events[i].time_ns >= short_window[0] &&
		    events[i].time_ns < short_window[1])
			return true;
	}
	return false;
}

/* What stands for no state, reason or kind is a slip, unless the program has told it. */
static void test_no_such_wait(void **state)
{
	static const char *const bad[] = {"was:wating", "was:sync,nope", "wait:syncx",
					  "-was:wating"};
	static const char *const good[] = {"wait:sync",
					   "wait:chan*",
					   "wait:semacquire",
					   "wait:GC_sweep_*",
					   "was:waiting,other",
					   "was:exited",
					   "wait:chan_receive_(nil_chan)"};
	struct fixture *x = *state;
	const char *args[] = {"filter", "wait:dream_of_later", NULL};

	x->args = args;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		args[1] = good[i];
		if (ask(x, view_range, VIEW_JSON))
			fail_msg("%s: %s", good[i], x->why);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		args[1] = bad[i];
		assert_int_equal(ask(x, view_range, VIEW_JSON), -EINVAL);
		assert_non_null(strstr(x->why, "there are other sync channel network"));
	}
	args[1] = "wait:dream_of_later";
	assert_int_equal(ask(x, view_goroutines, VIEW_JSON), -EINVAL);
	(void)intern(x, "dream of later");
	assert_int_equal(ask(x, view_goroutines, VIEW_JSON), 0);
}

static void test_was(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *filter;
		bool (*which)(uint64_t goid);
	} cases[] = {{"was:sync", locked},        {"was:sync.Mutex.Lock", locked},
		     {"was:SYNC*", locked},       {"-was:sync", never_locked},
		     {"was:sync,leaked", locked}, {"was:dead", ended_then},
		     {"was:exi*", ended_then}};
	const char *args[] = {"by",     "function", "from", "1002000000000", "to", "1002100000000",
			      "filter", "",         NULL};
	unsigned n = 0;

	for (uint64_t goid = 1; goid <= N; goid++)
		n += locked(goid);
	assert_in_range(n, 5, N - 5);
	x->args = args;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		args[7] = cases[i].filter;
		recount("function", short_window, cases[i].which);
		compare_all(x, "function");
	}
	/* In `range` and `stays`, too; and nowhere else. */
	args[7] = "was:sync";
	json_decref(json(x, view_range));
	json_decref(json(x, view_stays));
	json_decref(json(x, view_flame_alloc));
	assert_int_equal(ask(x, view_goroutines, VIEW_JSON), -EINVAL);
	assert_non_null(strstr(x->why, "\"was:\" goes only where a time is asked about"));
}

static const char *shown(struct fixture *x, const char *const args[])
{
	x->args = args;
	assert_int_equal(ask(x, view_range_by, VIEW_TEXT), 0);
	return x->out.data;
}

/* What a key has none of is nothing in the sum, as in the rows. */
static void test_sum(void **state)
{
	struct fixture *x = *state;
	const char *args[] = {"by", "reason", NULL};
	json_t *v, *sum;

	x->args = args;
	v = json(x, view_range_by);
	sum = json_object_get(v, "sum");
	assert_true(json_is_null(json_object_get(sum, "allocations")));
	assert_true(json_is_null(json_object_get(sum, "alloc_bytes")));
	assert_true(number(sum, "stays") > 0);
	json_decref(v);
	args[1] = "caller";
	v = json(x, view_range_by);
	sum = json_object_get(v, "sum");
	assert_true(json_is_null(json_object_get(sum, "stays")));
	assert_true(json_is_null(json_object_get(sum, "total_ns")));
	assert_true(number(sum, "allocations") > 0);
	json_decref(v);
}

/* One that is made and runs, and of which a change is lost. */
static int setup_lost(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/demo"};
	static const uint64_t lost[EVENT_TYPES] = {[EVENT_CASGSTATUS] = 1};
	struct fixture *x = fixture_new(EVENTS_MAX, 0, &info);

	n_events = 0;
	seed = 42;
	reason_ids[0] = reason_ids[1] = reason_ids[2] = reason_ids[3] = intern(x, reasons[0]);
	change(T0 + MS, 0, 1, GSTATE_DEAD, GSTATE_RUNNABLE);
	change(T0 + 2 * MS, 1, 1, GSTATE_RUNNABLE, GSTATE_RUNNING);
	add(T0 + 4 * MS, 1, EVENT_NEWOBJECT);
	change(T0 + 8 * MS, 0, 1, GSTATE_SYSCALL, GSTATE_RUNNABLE);
	model_apply(x->m, events, 3);
	model_lost(x->m, 0, lost, T0 + 6 * MS);
	model_apply(x->m, events + 3, 1);
	model_proc_exited(x->m, 0, END);
	*state = x;
	return 0;
}

/* What it did then is not known; and that can be asked for, as each row can. */
static void test_unknown(void **state)
{
	struct fixture *x = *state;
	const char *args[] = {"filter", "was:unknown", NULL};

	assert_non_null(strstr(shown(x, NULL), "\n(state unknown)\t"));
	assert_null(strstr(x->out.data, "(unknown)"));
	assert_non_null(strstr(shown(x, args), "\n(state unknown)\t"));
}

static void test_refusals(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *name, *value, *why;
	} bad[] = {{"by", "colour", "not \"colour\""},
		   {"sort", "colour", "not \"colour\""},
		   {"limit", "0", "limit: "},
		   {"limit", "5001", "limit: "},
		   {"offset", "-1", "offset: "},
		   {"filter", "colour:red", "no such key: \"colour:red\""},
		   {"from", "x", "from: "}};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *args[] = {bad[i].name, bad[i].value, NULL};

		x->args = args;
		assert_int_equal(ask(x, view_range_by, VIEW_JSON), -EINVAL);
		if (!strstr(x->why, bad[i].why))
			fail_msg("%s=%s: %s", bad[i].name, bad[i].value, x->why);
	}
	x->args = NULL;
	assert_int_equal(ask(x, view_range_by, VIEW_TEXT), 0);
	assert_non_null(strstr(x->out.data, "\nchan receive\t-\t"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_recount, setup, teardown),
		cmocka_unit_test_setup_teardown(test_as_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_was, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup_lost, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
	};

	return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
