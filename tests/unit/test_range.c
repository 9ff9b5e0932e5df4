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
#include "core/model/samples.h"
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

static uint64_t rnd(uint64_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

static unsigned function_of(uint64_t goid)
{
	return (unsigned)(goid % 3);
}

static unsigned made_at(uint64_t goid)
{
	return (unsigned)(goid % 5);
}

static struct event *add(uint64_t time_ns, uint64_t goid, unsigned type)
{
	struct event *ev = &events[n_events++];

	assert_true(n_events < EVENTS_MAX);
	*ev = (struct event){.time_ns = time_ns, .goid = goid, .type = (uint8_t)type};
	return ev;
}

static void change(uint64_t time_ns, uint64_t by, uint64_t goid, unsigned from, unsigned to)
{
	struct event *ev = add(time_ns, by, EVENT_CASGSTATUS);

	ev->target = goid;
	ev->from = (uint8_t)from;
	ev->to = (uint8_t)to;
	if (to == GSTATE_WAITING)
		ev->string_id = reason_ids[rnd(4)];
}

/* Another one, of those that do not end. */
static uint64_t waker_of(uint64_t goid)
{
	uint64_t by;

	do
		by = 1 + rnd(N);
	while (by == goid || by % 4 == 0);
	return by;
}

/* One life: made, then runs and waits in turns, allocates; some end. */
static void live(uint64_t goid)
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

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (event_subject(x) != event_subject(y))
		return event_subject(x) < event_subject(y) ? -1 : 1;
	return (int)x->type - (int)y->type; /* of a creation: the change first */
}

static int setup(void **state)
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

static uint64_t number(json_t *of, const char *key)
{
	json_t *v = json_object_get(of, key);

	if (!json_is_integer(v))
		fail_msg("no number %s", key);
	return (uint64_t)json_integer_value(v);
}

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

/* --- flame graphs ----------------------------------------------------------------------------- */

static json_t *child(json_t *node, const char *name)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(node, "children"), i, c)
	{
		if (!strcmp(json_string_value(json_object_get(c, "name")), name))
			return c;
	}
	return NULL;
}

static void test_allocations(void **state)
{
	struct fixture *x = *state;
	const char *args[] = {"from", "1001000000000", "to", "1002000000000", NULL};
	uint64_t n = 0, bytes = 0;
	json_t *v, *root;

	x->args = args;
	v = json(x, view_flame_alloc);
	root = json_object_get(v, "root");
	for (unsigned f = 0; f < 3; f++) {
		for (unsigned s = 0; s < 5; s++) {
			uint64_t of_n = 0, of_bytes = 0;
			char site[40];
			json_t *node = child(root, functions[f]);

			for (unsigned i = 0; i < n_events; i++) {
				const struct event *ev = &events[i];

				if (ev->type != EVENT_NEWOBJECT || ev->time_ns < windows[1][0] ||
				    ev->time_ns >= windows[1][1] || function_of(ev->goid) != f ||
				    ev->site_id != site_ids[s])
					continue;
				of_n++;
				of_bytes += ev->size;
			}
			snprintf(site, sizeof(site), "main.main:%u", lines[s]);
			node = child(child(node, site), "main.T");
			assert_int_equal(node ? number(node, "allocations") : 0, of_n);
			assert_int_equal(node ? number(node, "bytes") : 0, of_bytes);
			n += of_n;
			bytes += of_bytes;
		}
	}
	assert_true(n > 50);
	assert_int_equal(number(v, "allocations"), n);
	assert_int_equal(number(root, "bytes"), bytes);
	/* What is not seen is said. */
	assert_non_null(strstr(json_string_value(json_object_get(v, "seen")),
			       "not append, strings, conversions"));
	json_decref(v);
	assert_int_equal(ask(x, view_flame_alloc, VIEW_TEXT), 0);
	assert_non_null(strstr(x->out.data, ";main.main:10;main.T "));
}

/* A sample each 10 ms of [T0, T0 + 4 s), of goroutines 1 to 4 in turn, in two stacks. */
static void add_samples(struct fixture *x)
{
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 400; i++) {
		struct stack_sample s = {.time_ns = T0 + i * 10 * MS,
					 .goid = 1 + i % 4,
					 .weight = 10 * MS,
					 .kind = SAMPLE_CPU,
					 .n = 2,
					 .sites = {site_ids[i % 2], site_ids[4]}};

		samples_add(model_samples(x->m), &s);
	}
}

static void test_cpu(void **state)
{
	struct fixture *x = *state;
	static const char *const one[] = {
		"from", "1001000000000", "to", "1002000000000", "goids", "3", NULL};
	static const char *const by_name[] = {"from",   "1001000000000", "to", "1002000000000",
					      "filter", "func:main.a",   NULL};
	static const char *const later[] = {"from", "1007000000000", "to", "1008000000000", NULL};
	json_t *v, *root;

	v = json(x, view_flame_cpu);
	assert_non_null(strstr(json_string_value(json_object_get(v, "why")), "no CPU samples"));
	json_decref(v);
	/* In lines, too, and in none that could be taken for a stack and its number. */
	assert_int_equal(ask(x, view_flame_cpu, VIEW_TEXT), 0);
	assert_string_equal(x->out.data,
			    "... no samples (a recorded session has no CPU samples)\n");
	add_samples(x);
	v = json(x, view_flame_cpu);
	root = json_object_get(v, "root");
	assert_int_equal(number(v, "samples"), 400);
	assert_int_equal(number(v, "goroutines"), 4);
	assert_int_equal(number(root, "ns"), 4 * NS_PER_SEC);
	assert_int_equal(number(child(child(root, "main.main"), "main.main"), "samples"), 400);
	assert_null(json_object_get(v, "running_ns"));
	json_decref(v);
	/* Every fourth of the hundred in that second; what it ran then is said beside it. */
	x->args = one;
	v = json(x, view_flame_cpu);
	assert_int_equal(number(v, "samples"), 25);
	assert_int_equal(number(v, "goroutines"), 1);
	assert_int_equal(number(v, "covered_from_ns"), T0 + NS_PER_SEC);
	recount("reason", windows[1], all);
	{
		json_t *by, *got;
		size_t i;
		uint64_t running = 0;

		by = json(x, view_range_by);
		json_array_foreach(json_object_get(by, "rows"), i, got) running +=
			number(got, "running_ns");
		assert_int_equal(number(v, "running_ns"), running);
		json_decref(by);
	}
	json_decref(v);
	/* 3 is the only one of the four that is main.a. */
	x->args = by_name;
	v = json(x, view_flame_cpu);
	assert_int_equal(number(v, "samples"), 25);
	json_decref(v);
	x->args = later;
	v = json(x, view_flame_cpu);
	assert_int_equal(number(v, "samples"), 0);
	json_decref(v);
	x->args = one;
	assert_int_equal(ask(x, view_flame_cpu, VIEW_TEXT), 0);
	assert_string_equal(x->out.data, "main.main;main.main 25\n");
	assert_int_equal(ask(x, view_pprof_cpu, VIEW_BINARY), 0);
	assert_true(x->out.len > 50);
}

/* Nothing is told of what is to come, and no figure is exact of what could not be read. */
static bool is_torn;

static void torn_recording(void *ctx, struct recording *ret)
{
	*ret = (struct recording){.torn_bytes = is_torn ? 12 : 0};
}

static bool is_exact(struct fixture *x, view_fn *fn)
{
	json_t *v = json(x, fn);
	bool yes = json_is_true(json_object_get(v, "exact"));

	json_decref(v);
	return yes;
}

static void test_time_to_come(void **state)
{
	static view_fn *const ranged[] = {view_range,    view_range_by,  view_stays,
					  view_lanes,    view_flame_cpu, view_flame_alloc,
					  view_pprof_cpu};
	const char *args[] = {"to", "18446744073709551615", "from", "0", NULL};
	struct fixture *x = *state;
	char after[32], before[32];
	uint64_t last;
	json_t *v;

	x->v.replay = true;
	x->v.recording = torn_recording;
	is_torn = false;
	last = view_now(&x->v, 0);
	snprintf(after, sizeof(after), "%llu", (unsigned long long)last + 1);
	snprintf(before, sizeof(before), "%llu", (unsigned long long)last - 1);
	x->args = args;
	v = json(x, view_range);
	assert_int_equal(number(v, "to"), last);
	json_decref(v);
	assert_true(is_exact(x, view_range) && is_exact(x, view_range_by));
	args[3] = after;
	for (unsigned i = 0; i < ARRAY_SIZE(ranged); i++) {
		assert_int_equal(ask(x, ranged[i], VIEW_JSON), -EINVAL);
		assert_non_null(strstr(x->why, "from: not before now ("));
	}
	args[3] = "0";

	is_torn = true;
	assert_false(is_exact(x, view_range) || is_exact(x, view_range_by) ||
		     is_exact(x, view_flame_alloc));
	/* What was read of it is. */
	args[1] = before;
	assert_true(is_exact(x, view_range) && is_exact(x, view_range_by));
	x->v.recording = NULL;
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
		cmocka_unit_test_setup_teardown(test_time_to_come, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpu, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
