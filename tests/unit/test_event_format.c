/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Event lines, byte for byte: the text form, the JSON form, quoting, and names nobody vouches for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/text.h"
#include "core/model/event_format.h"

#define T0   1000000000ull
#define WALL 1763900000123456789ll

struct fixture {
	struct names *names;
	struct event_format format;
	struct buf out;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(names_new(1000, &x->names), 0);
	x->format.names = x->names;
	x->format.wall_offset_ns = WALL - (int64_t)T0;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	names_free(x->names);
	buf_free(&x->out);
	free(x);
	return 0;
}

static uint32_t intern(struct fixture *x, const char *text)
{
	return names_intern(x->names, text, strlen(text));
}

static uint32_t add_type(struct fixture *x, const char *name, uint64_t size, uint8_t kind)
{
	struct go_type type = {.name = name, .size = size, .kind = kind};

	return names_add_type(x->names, &type);
}

static uint32_t site(struct fixture *x, const char *func, const char *file, uint32_t line)
{
	return names_add_site(x->names, (struct site){.func_id = intern(x, func),
						      .file_id = intern(x, file),
						      .line = line});
}

static void check_text(struct fixture *x, const struct event *ev, const char *want)
{
	buf_reset(&x->out);
	event_format_text(&x->format, ev, &x->out);
	assert_int_equal(buf_error(&x->out), 0);
	assert_string_equal(x->out.data, want);
	assert_int_equal(x->out.len, strlen(want));
}

static void check_json(struct fixture *x, const struct event *ev, const char *want)
{
	json_t *root;

	buf_reset(&x->out);
	event_format_json(&x->format, ev, &x->out);
	assert_string_equal(x->out.data, want);
	root = json_loads(x->out.data, JSON_DECODE_INT_AS_REAL, NULL);
	assert_non_null(root);
	json_decref(root);
}

/* The lines of the design, as they stand there. */
static void test_text(void **state)
{
	struct fixture *x = *state;
	struct event ev = {.time_ns = T0, .goid = 37, .type = EVENT_CASGSTATUS, .target = 41};

	ev.from = GSTATE_WAITING;
	ev.to = GSTATE_RUNNABLE;
	ev.string_id = intern(x, "chan receive");
	check_text(x, &ev,
		   "1763900000.123456789 37 casgstatus target=41 from=waiting to=runnable "
		   "reason=\"chan receive\"\n");
	/* The same with a date. */
	x->format.rfc3339 = true;
	check_text(x, &ev,
		   "2025-11-23T12:13:20.123456789Z 37 casgstatus target=41 from=waiting "
		   "to=runnable reason=\"chan receive\"\n");
	x->format.rfc3339 = false;
	/* Quoted, whether it is one word or several. */
	ev.string_id = intern(x, "sleep");
	check_text(x, &ev,
		   "1763900000.123456789 37 casgstatus target=41 from=waiting to=runnable "
		   "reason=\"sleep\"\n");
	ev.from = GSTATE_RUNNABLE;
	ev.to = GSTATE_RUNNING;
	check_text(x, &ev,
		   "1763900000.123456789 37 casgstatus target=41 from=runnable to=running\n");
	ev = (struct event){.time_ns = T0 + 331, .goid = 41, .type = EVENT_NEWOBJECT, .size = 96};
	ev.type_id = add_type(x, "main.Request", 96, 25);
	check_text(x, &ev,
		   "1763900000.123457120 41 newobject type=main.Request size=96 kind=struct\n");
	ev = (struct event){
		.time_ns = T0 + 1214, .goid = 41, .type = EVENT_MAKESLICE, .len = 10, .cap = 16};
	ev.type_id = add_type(x, "uint8", 1, 8);
	check_text(x, &ev,
		   "1763900000.123458003 41 makeslice type=uint8 elem_size=1 len=10 cap=16\n");
	ev = (struct event){.time_ns = T0 + 1711, .goid = 41, .type = EVENT_MAKEMAP, .hint = 100};
	ev.type_id = add_type(x, "map[string]int", 8, 21);
	check_text(x, &ev, "1763900000.123458500 41 makemap key=string elem=int hint=100\n");
	ev = (struct event){
		.time_ns = T0 + 2211, .goid = 41, .type = EVENT_NEWGOROUTINE, .target = 57};
	ev.string_id = intern(x, "main.worker");
	check_text(x, &ev, "1763900000.123459000 41 newgoroutine child=57 func=main.worker\n");
	ev = (struct event){.time_ns = T0 + 3211, .goid = 57, .type = EVENT_GOEXIT, .target = 57};
	check_text(x, &ev, "1763900000.123460000 57 goexit\n");
	ev.string_id = intern(x, "main.fill");
	check_text(x, &ev, "1763900000.123460000 57 goexit func=main.fill\n");
}

static void test_text_more(void **state)
{
	struct fixture *x = *state;
	struct event ev = {.time_ns = T0, .type = EVENT_MAKEMAP};

	/* makemap_small: no type at all. */
	check_text(x, &ev, "1763900000.123456789 0 makemap key=? elem=? hint=0\n");
	ev.type_id = add_type(x, "http.Header", 8, 21);
	check_text(x, &ev, "1763900000.123456789 0 makemap key=? elem=? hint=0 type=http.Header\n");
	ev.type_id = add_type(x, "map[[4]int]map[string][]uint8", 8, 21);
	ev.hint = (uint64_t)-1;
	check_text(x, &ev,
		   "1763900000.123456789 0 makemap key=[4]int elem=map[string][]uint8 hint=-1\n");
	ev = (struct event){.time_ns = T0, .goid = 5, .type = EVENT_NEWOBJECT, .size = 24};
	ev.flags = EVENT_MERGED;
	ev.site_id = site(x, "main.handler", "/src/app/main.go", 12);
	check_text(x, &ev,
		   "1763900000.123456789 5 newobject type=? size=24 kind=? merged=true "
		   "caller=main.handler:12\n");
	ev = (struct event){.time_ns = T0, .goid = 5, .type = EVENT_MAKESLICE};
	ev.len = ev.cap = (uint64_t)-5;
	check_text(x, &ev, "1763900000.123456789 5 makeslice type=? elem_size=? len=-5 cap=-5\n");
	ev = (struct event){.time_ns = T0, .goid = 5, .type = EVENT_NEWGOROUTINE, .target = 6};
	check_text(x, &ev, "1763900000.123456789 5 newgoroutine child=6 func=?\n");
	ev.string_id = intern(x, "main.(*pool).run");
	ev.site_id = site(x, "main.serve", "/src/app/server.go", 99);
	check_text(x, &ev,
		   "1763900000.123456789 5 newgoroutine child=6 func=main.(*pool).run "
		   "created_by=main.serve at=server.go:99\n");
	ev = (struct event){.time_ns = T0, .goid = 0, .type = EVENT_GOEXIT, .target = 17};
	ev.flags = EVENT_CGO_THREAD;
	check_text(x, &ev, "1763900000.123456789 0 goexit target=17 cgo=true\n");
	ev = (struct event){.time_ns = T0, .type = EVENT_LOST, .count = 123};
	ev.lost_by_type = 1 << EVENT_CASGSTATUS | 1 << EVENT_NEWOBJECT;
	ev.proc = EVENT_PROC_NONE;
	check_text(x, &ev, "1763900000.123456789 0 lost count=123 events=casgstatus,newobject\n");
	ev.count = 0;
	ev.lost_by_type = EVENT_ALL_TYPES;
	check_text(x, &ev, "1763900000.123456789 0 probes state=off\n");
	ev.lost_by_type = 0;
	check_text(x, &ev, "1763900000.123456789 0 probes state=on\n");
	ev = (struct event){.time_ns = T0, .type = EVENT_CASGSTATUS, .from = 200, .to = 12};
	check_text(x, &ev, "1763900000.123456789 0 casgstatus target=0 from=? to=?\n");
}

static int pid_of(void *ctx, unsigned proc)
{
	return proc == 1 ? 4711 : 42;
}

/* Of a session that says of both times what cannot be: a time that is nearest, none that came
 * round. */
static void test_absurd_times(void **state)
{
	static const struct {
		int64_t ahead;
		uint64_t time;
		const char *want;
	} rows[] = {
		{INT64_MIN, 5, "0.000000000"},
		{-6, 5, "0.000000000"},
		{-5, 7, "0.000000002"},
		{INT64_MIN, UINT64_MAX, "9223372036.854775807"},
		{1, UINT64_MAX, "18446744073.709551615"},
		{INT64_MAX, UINT64_MAX - 1, "18446744073.709551615"},
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		x->format.wall_offset_ns = rows[i].ahead;
		buf_reset(&x->out);
		event_format_time(&x->format, rows[i].time, &x->out);
		assert_int_equal(x->out.len, strlen(rows[i].want));
		assert_memory_equal(x->out.data, rows[i].want, x->out.len);
	}
}

static void test_pid(void **state)
{
	struct fixture *x = *state;
	struct event ev = {.time_ns = T0, .goid = 3, .type = EVENT_GOEXIT, .target = 3, .proc = 1};

	x->format.pid_of = pid_of;
	check_text(x, &ev, "1763900000.123456789 3 goexit pid=4711\n");
	check_json(x, &ev,
		   "{\"timestamp\":1000000000,\"event_type\":5,\"goroutine\":3,"
		   "\"parent_goroutine\":0,\"attributes\":[3,0,0,0,0],\"pid\":4711}\n");
	ev = (struct event){.time_ns = T0, .type = EVENT_LOST, .count = 1, .lost_by_type = 2};
	ev.proc = EVENT_PROC_NONE;
	check_text(x, &ev, "1763900000.123456789 0 lost count=1 events=makeslice\n");
}

static void test_json(void **state)
{
	struct fixture *x = *state;
	struct event ev = {.time_ns = 7, .goid = 41, .parent = 1, .type = EVENT_NEWOBJECT};
	struct go_type map = {.name = "map[string]int",
			      .size = 8,
			      .kind = 21,
			      .key_size = 16,
			      .key_kind = 24,
			      .elem_size = 8,
			      .elem_kind = 2};

	ev.size = 96;
	ev.type_id = add_type(x, "main.Request", 96, 25);
	ev.site_id = site(x, "main.handler", "/src/main.go", 12);
	check_json(x, &ev,
		   "{\"timestamp\":7,\"event_type\":3,\"goroutine\":41,\"parent_goroutine\":1,"
		   "\"attributes\":[96,25,0,0,0],\"type\":\"main.Request\","
		   "\"caller\":\"main.handler\",\"file\":\"/src/main.go\",\"line\":12}\n");
	ev = (struct event){.time_ns = 7, .goid = 41, .type = EVENT_MAKEMAP, .hint = 5};
	ev.type_id = names_add_type(x->names, &map);
	check_json(x, &ev,
		   "{\"timestamp\":7,\"event_type\":2,\"goroutine\":41,\"parent_goroutine\":0,"
		   "\"attributes\":[16,24,8,2,5],\"type\":\"map[string]int\",\"key\":\"string\","
		   "\"elem\":\"int\"}\n");
	ev = (struct event){.time_ns = 7, .goid = 41, .type = EVENT_MAKESLICE, .len = 1, .cap = 2};
	ev.type_id = add_type(x, "uint16", 2, 9);
	check_json(x, &ev,
		   "{\"timestamp\":7,\"event_type\":1,\"goroutine\":41,\"parent_goroutine\":0,"
		   "\"attributes\":[2,9,1,2,0],\"type\":\"uint16\"}\n");
	ev = (struct event){.time_ns = 7, .goid = 41, .type = EVENT_CASGSTATUS, .target = 42};
	ev.from = GSTATE_RUNNING;
	ev.to = GSTATE_WAITING;
	ev.string_id = intern(x, "select");
	check_json(x, &ev,
		   "{\"timestamp\":7,\"event_type\":0,\"goroutine\":41,\"parent_goroutine\":0,"
		   "\"attributes\":[2,4,42,0,0],\"reason\":\"select\"}\n");
	ev = (struct event){.time_ns = 7, .goid = UINT64_MAX, .type = EVENT_NEWGOROUTINE};
	ev.target = 1ull << 40;
	ev.string_id = intern(x, "main.f");
	check_json(x, &ev,
		   "{\"timestamp\":7,\"event_type\":4,\"goroutine\":18446744073709551615,"
		   "\"parent_goroutine\":0,\"attributes\":[18446744073709551615,1099511627776,0,0,"
		   "0],\"func\":\"main.f\"}\n");
	ev = (struct event){.time_ns = 7, .type = EVENT_LOST, .count = 9, .lost_by_type = 9};
	check_json(x, &ev,
		   "{\"timestamp\":7,\"event_type\":6,\"goroutine\":0,\"parent_goroutine\":0,"
		   "\"attributes\":[9,9,0,0,0],\"lost\":9,\"events\":\"casgstatus,newobject\"}\n");
}

static void test_values(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *value, *text, *json;
	} rows[] = {
		{"plain", "plain", "\"plain\""},
		{"", "\"\"", "\"\""},
		{"a b", "\"a b\"", "\"a b\""},
		{"a=b", "\"a=b\"", "\"a=b\""},
		{"a\"b", "\"a\\\"b\"", "\"a\\\"b\""},
		{"a\\b", "a\\b", "\"a\\\\b\""},
		{"a \\b", "\"a \\\\b\"", "\"a \\\\b\""},
		{"a\nb\tc", "\"a\\nb\\tc\"", "\"a\\u000ab\\u0009c\""},
		{"\x1b[31m", "\"\\x1b[31m\"", "\"\\u001b[31m\""},
		{"\x7f", "\"\\x7f\"", "\"\\u007f\""},
		{"caf\xc3\xa9", "caf\xc3\xa9", "\"caf\xc3\xa9\""},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", "\"\xe2\x82\xac \xf0\x9f\x98\x80\"",
		 "\"\xe2\x82\xac \xf0\x9f\x98\x80\""},
		{"\xff", "\"\\xff\"", "\"\xef\xbf\xbd\""},
		{"a\xc3", "\"a\\xc3\"", "\"a\xef\xbf\xbd\""},
		{"\xc0\x80", "\"\\xc0\\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"",
		 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xe2\x82", "\"\\xe2\\x82\"", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_reset(&x->out);
		event_format_value(rows[i].value, &x->out);
		assert_string_equal(x->out.data, rows[i].text);
		buf_reset(&x->out);
		text_json(&x->out, rows[i].value, strlen(rows[i].value));
		assert_string_equal(x->out.data, rows[i].json);
	}
}

/* Whatever a program calls its types and functions, a line stays one line and JSON stays JSON. */
static void test_hostile_names(void **state)
{
	struct fixture *x = *state;
	uint32_t seed = 1;

	for (int round = 0; round < 2000; round++) {
		char name[600];
		size_t len = 0;
		struct event ev = {.goid = 1, .parent = UINT64_MAX, .time_ns = UINT64_MAX};
		json_t *root;

		seed = seed * 1664525 + 1013904223;
		while (len < seed >> 8 && len < sizeof(name) - 1) {
			seed = seed * 1664525 + 1013904223;
			name[len++] = (char)(seed >> 24 ? seed >> 24 : 1);
			if ((seed & 0xfff) < 8)
				break;
		}
		name[len] = '\0';
		ev.type = (uint8_t)(round % 7);
		ev.len = ev.cap = UINT64_MAX;
		ev.type_id = add_type(x, name, UINT64_MAX, 255);
		ev.string_id = intern(x, name);
		ev.site_id = site(x, name, name, UINT32_MAX);
		ev.from = ev.to = GSTATE_WAITING;
		buf_reset(&x->out);
		event_format_text(&x->format, &ev, &x->out);
		assert_int_equal(strlen(x->out.data), x->out.len);
		assert_ptr_equal(strchr(x->out.data, '\n'), x->out.data + x->out.len - 1);
		buf_reset(&x->out);
		event_format_json(&x->format, &ev, &x->out);
		assert_ptr_equal(strchr(x->out.data, '\n'), x->out.data + x->out.len - 1);
		root = json_loads(x->out.data, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				  NULL);
		assert_non_null(root);
		json_decref(root);
	}
}

static void test_names_of_types(void **state)
{
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		assert_int_equal(event_type_parse(event_type_name(type)), type);
	assert_string_equal(event_type_name(EVENT_LOST), "lost");
	assert_null(event_type_name(7));
	assert_true(event_type_parse("lost") < 0);
	assert_true(event_type_parse("") < 0);
	assert_string_equal(gstate_name(GSTATE_DEADEXTRA), "deadextra");
	assert_null(gstate_name(GSTATES));
	assert_true(gstate_is_exit(GSTATE_RUNNING, GSTATE_DEAD));
	assert_true(gstate_is_exit(GSTATE_SYSCALL, GSTATE_DEADEXTRA));
	assert_false(gstate_is_exit(GSTATE_IDLE, GSTATE_DEAD));
	assert_true(gstate_is_creation(GSTATE_DEAD, GSTATE_RUNNABLE));
	assert_true(gstate_is_creation(GSTATE_DEADEXTRA, GSTATE_SYSCALL));
	assert_true(gstate_is_creation(GSTATE_DEAD, GSTATE_WAITING));
	assert_false(gstate_is_creation(GSTATE_IDLE, GSTATE_DEAD));
	assert_false(gstate_is_creation(GSTATE_WAITING, GSTATE_RUNNABLE));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_text),           TEST(test_text_more),    TEST(test_pid),
		TEST(test_json),           TEST(test_values),       TEST(test_hostile_names),
		TEST(test_names_of_types), TEST(test_absurd_times),
	};

	return cmocka_run_group_tests_name("event_format", tests, NULL, NULL);
}
