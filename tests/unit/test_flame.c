/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A dump of stacks becomes a tree, and the tree text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/view/dump.h"
#include "core/view/profiles/flame.h"

static const char dump[] =
	"goroutine 1 [chan receive (nil chan), 5 minutes]:\n"
	"main.(*Queue).pop(0xc000012345, {0x1, 0x2})\n\t/srv/queue.go:31 +0x85\n"
	"main.worker[...](...)\n\t/srv/main.go:40\n"
	"created by main.main in goroutine 1\n\t/srv/main.go:17 +0x2a\n"
	"\n"
	"goroutine 2 [running]:\n\tgoroutine running on other thread; stack unavailable\n"
	"created by main.main in goroutine 1\n\t/srv/main.go:17 +0x2a\n"
	"\n"
	"goroutine 3 [select, locked to thread]:\n"
	"main.(*Queue).pop(...)\n\t/srv/queue.go:35 +0x85\n"
	"main.worker[...](...)\n\t/srv/main.go:40\n"
	"...additional frames elided...\n";

struct seen {
	struct flame flame;
	unsigned n, empty;
};

static void take(void *ctx, uint64_t goid, const struct flame_step *path, size_t n)
{
	struct seen *s = ctx;

	s->n++;
	if (!n)
		s->empty++;
	else
		flame_add(&s->flame, path, n, goid, 1, goid * 10);
}

static void test_dump(void **state)
{
	struct seen s = {0};
	struct buf out = BUF_INIT;

	flame_parse(dump, sizeof(dump) - 1, take, &s);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.empty, 1);
	assert_int_equal(s.flame.err, 0);
	flame_render_folded(&s.flame, false, &out);
	assert_string_equal(
		out.data,
		"...additional frames elided...;main.worker[...];main.(*Queue).pop;select 1\n"
		"main.worker[...];main.(*Queue).pop;chan receive (nil chan) 1\n");
	buf_reset(&out);
	flame_render_folded(&s.flame, true, &out);
	assert_non_null(strstr(out.data, "select 30\n"));
	buf_reset(&out);
	flame_render(&s.flame, &out);
	assert_non_null(strstr(out.data, "{\"name\":\"all\",\"kind\":\"function\",\"goroutines\":2,"
					 "\"ns\":40"));
	assert_non_null(strstr(out.data, "\"at\":\"/srv/main.go:40\""));
	assert_non_null(strstr(out.data, "\"kind\":\"state\""));
	buf_free(&out);
	flame_free(&s.flame);
}

/* Two goroutines in one function at two lines: no line is that of both. */
static void test_places(void **state)
{
	static const char two[] = "goroutine 1 [select]:\nmain.f(...)\n\t/a.go:1 +0x1\n\n"
				  "goroutine 2 [select]:\nmain.f(...)\n\t/a.go:2 +0x1\n";
	struct seen s = {0};
	struct buf out = BUF_INIT;

	flame_parse(two, sizeof(two) - 1, take, &s);
	flame_render(&s.flame, &out);
	assert_null(strstr(out.data, "/a.go"));
	assert_non_null(strstr(out.data, "\"name\":\"main.f\",\"kind\":\"function\","
					 "\"goroutines\":2"));
	buf_free(&out);
	flame_free(&s.flame);
}

/* What is cut off anywhere is read as far as it goes. */
static void test_cut(void **state)
{
	for (size_t len = 0; len < sizeof(dump); len++) {
		struct seen s = {0};
		struct buf out = BUF_INIT;

		flame_parse(dump, len, take, &s);
		flame_render(&s.flame, &out);
		assert_int_equal(s.flame.err, 0);
		buf_free(&out);
		flame_free(&s.flame);
	}
}

/* Deep and many: bounded, and what does not fit still counts above. */
static void test_bounds(void **state)
{
	struct seen s = {0};
	struct buf text = BUF_INIT;

	buf_adds(&text, "goroutine 1 [select]:\n");
	for (unsigned i = 0; i < 2 * DUMP_DEPTH_MAX; i++)
		buf_addf(&text, "main.f%u(...)\n\t/a.go:1 +0x1\n", i);
	flame_parse(text.data, text.len, take, &s);
	assert_int_equal(s.flame.n, DUMP_DEPTH_MAX + 2);
	for (unsigned i = 0; i < FLAME_NODES_MAX + 10; i++) {
		char branch[32], leaf[32];
		struct flame_step path[2] = {{.name = branch}, {.name = leaf}};

		/* A hundred branches: siblings are searched one by one. */
		path[0].name_len = (size_t)snprintf(branch, sizeof(branch), "g%u", i % 100);
		path[1].name_len = (size_t)snprintf(leaf, sizeof(leaf), "h%u", i);
		flame_add(&s.flame, path, 2, i, 1, 0);
	}
	assert_true(s.flame.truncated);
	assert_int_equal(s.flame.n, FLAME_NODES_MAX);
	assert_int_equal(s.flame.v[0].goroutines, FLAME_NODES_MAX + 11);
	buf_free(&text);
	flame_free(&s.flame);
}

static void note_place(void *ctx, const struct dump_stack *stack)
{
	const struct dump_place place = dump_place(stack);
	struct buf *out = ctx;

	for (int own = 0; own < 2; own++) {
		const struct dump_frame *f = own ? place.own : place.frame;

		buf_add(out, f ? f->name : "-", f ? f->name_len : 1);
		buf_addc(out, own ? '\n' : ' ');
	}
}

/* Whose frame a stack's place is: one rule for all who show it. */
static void test_own_place(void **state)
{
	static const char stacks[] = "goroutine 1 [IO wait]:\n"
				     "runtime.gopark(...)\n\t/go/proc.go:1\n"
				     "internal/poll.runtime_pollWait(0x1)\n\t/go/netpoll.go:2\n"
				     "internal/poll.(*FD).Read(...)\n\t/go/fd.go:3\n"
				     "net/http.(*conn).serve(0x1)\n\t/go/server.go:4\n"
				     "\n"
				     "goroutine 2 [sync.Mutex.Lock]:\n"
				     "internal/sync.runtime_SemacquireMutex(0x1)\n\t/go/sema.go:1\n"
				     "sync.(*Mutex).Lock(...)\n\t/go/mutex.go:2\n"
				     "main.runtime_own(0x1)\n\t/srv/main.go:3\n"
				     "main.main()\n\t/srv/main.go:4\n"
				     "\n"
				     "goroutine 3 [GC worker (idle)]:\n"
				     "runtime.gopark(...)\n\t/go/proc.go:1\n"
				     "runtime.gcBgMarkWorker(...)\n\t/go/mgc.go:2\n";
	struct buf out = BUF_INIT;

	dump_parse(stacks, sizeof(stacks) - 1, note_place, &out);
	assert_string_equal(out.data, "internal/poll.(*FD).Read -\n"
				      "sync.(*Mutex).Lock main.runtime_own\n"
				      "- -\n");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump),   cmocka_unit_test(test_own_place),
		cmocka_unit_test(test_places), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
