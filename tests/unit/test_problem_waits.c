/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a line of `problems` says of what they wait on: the channel, and who has the lock by now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory/wait_graph.h"
#include "core/view/view.h"
#include "tests/unit/problem_fixture.h"

#define N      26
#define SERVES "net/http.(*conn).serve(...)\n\t/go/server.go:9\n"
#define LOCKS  "main.look(...)\n\t/src/main.go:21\n" SERVES
#define SENDS  "main.acquire(...)\n\t/src/main.go:13\n" SERVES

static const char texts[] = "\0struct {}\0main.serve\0/src/main.go\0"
			    "socket:[77]\0tcp 10.0.0.5:40112->10.0.0.9:5432";
static struct wait_object object;
static struct wait_goroutine parked[N];
static struct wait_edge edges[N];
static struct wait_holder holder;
static struct wait_graph graph;

static int give_graph(void *ctx, unsigned proc, uint64_t since, struct wait_graph **ret)
{
	*ret = &graph;
	return 0;
}

static void keep_graph(void *ctx, struct wait_graph *g)
{
}

static void at(struct fixture *x, uint64_t goid, const char *reason, const char *calls)
{
	struct event ev = {.type = EVENT_NEWGOROUTINE,
			   .goid = 1,
			   .target = goid,
			   .time_ns = T0 + S,
			   .string_id = intern(x, "net/http.(*conn).serve")};

	model_apply(x->m, &ev, 1);
	change(x, goid, GSTATE_WAITING, reason, T0 + 2 * S);
	buf_addf(&stacks, "goroutine %llu [%s]:\n%s\n", (unsigned long long)goid, reason, calls);
}

/* So many wait for the object from goroutine 100 on; `moved` has begun to since that was read. */
static void wait_for(struct fixture *x, unsigned n, unsigned moved, const char *reason,
		     const char *calls)
{
	for (unsigned i = 0; i < n; i++) {
		parked[i] = (struct wait_goroutine){
			.goid = 100 + i, .why = WAIT_ON_OBJECTS, .waits = i, .n_waits = 1};
		edges[i] = (struct wait_edge){.goroutine = i};
	}
	object.n_waits = n;
	graph = (struct wait_graph){.objects = &object,
				    .n_objects = 1,
				    .goroutines = parked,
				    .n_goroutines = n,
				    .waits = edges,
				    .n_waits = n,
				    .holders = &holder,
				    .n_holders = object.n_holders,
				    .texts = (char *)(uintptr_t)texts,
				    .texts_bytes = sizeof(texts)};
	x->live.waits = give_graph;
	x->live.waits_put = keep_graph;
	for (unsigned i = 0; i < n + moved; i++)
		at(x, 100 + i, reason, calls);
	change(x, 5, GSTATE_SYSCALL, "", T0 + 60 * S); /* the present */
}

static void test_semaphore(void **state)
{
	struct fixture *x = *state;

	object = (struct wait_object){.address = 0xc000010000,
				      .kind = WAIT_CHAN,
				      .state_known = true,
				      .chan = {.elem = 1, .len = 8, .cap = 8}};
	wait_for(x, 6, 0, "chan send", SENDS);
	assert_non_null(strstr(problems(x), "6 chan send at main.acquire (/src/main.go:13), the "
					    "oldest for 58.0s, all on one chan struct {} (len 8, "
					    "cap 8); nobody is known who may end it; see "));
	buf_reset(&stacks);
	object.chan.len = object.chan.cap = 0;
	wait_for(x, 5, 2, "chan send", SENDS);
	assert_non_null(
		strstr(problems(x), ", 5 of them on one chan struct {} (unbuffered); nobody is "));
	/* Each on one of its own, or nearly. */
	buf_reset(&stacks);
	wait_for(x, 2, 5, "chan send", SENDS);
	assert_non_null(strstr(problems(x), "7 chan send at main.acquire (/src/main.go:13), the "
					    "oldest for 58.0s; nobody is known "));
	buf_reset(&stacks);
	wait_for(x, 5, 2, "chan send", SENDS);
	object.state_known = false;
	assert_non_null(strstr(problems(x), " the oldest for 58.0s; nobody is known "));
}

/* Who has it at one moment waits for it at the next: stacks are read at another one than holders.
 */
static void test_passed_on(void **state)
{
	struct fixture *x = *state;

	object = (struct wait_object){
		.address = 0xc000010000, .kind = WAIT_MUTEX, .state_known = true, .n_holders = 1};
	holder = (struct wait_holder){.goid = 106,
				      .evidence = WAIT_BY_FRAME,
				      .word = WAIT_WORD_RUNS,
				      .func = 11,
				      .file = 22,
				      .line = 49};
	wait_for(x, 6, 1, "sync.Mutex.Lock", LOCKS);
	assert_non_null(strstr(problems(x),
			       "convoy: 6 wait for one Mutex at main.look (/src/main.go:21), the "
			       "longest for 58.0s; who has it changes: G106, which may have had it "
			       "a moment ago, waits for it itself now; see goroutines/100/stack "));
	/* Elsewhere he may have it still. */
	holder.goid = 7;
	at(x, 7, "sleep", "main.serve(...)\n\t/src/main.go:49\n" SERVES);
	assert_non_null(strstr(problems(x), "; possible holder G7, which has a pointer to it in "
					    "main.serve (/src/main.go:49), by a word of its stack "
					    "that may be dead, as it runs: it may be the one, now "
					    "sleep in main.serve (/src/main.go:49); see "
					    "goroutines/7/stack "));
}

/* Who does not answer has an address. */
static void test_descriptor(void **state)
{
	struct fixture *x = *state;

	object = (struct wait_object){.address = 0x7f0010000,
				      .kind = WAIT_POLL,
				      .state_known = true,
				      .poll = {.fd = 9, .what = 35, .socket = 47}};
	wait_for(x, 24, 2, "IO wait", "main.query(...)\n\t/src/main.go:30\n" SERVES);
	assert_non_null(strstr(problems(x), " the oldest for 58.0s, one of them for tcp "
					    "10.0.0.5:40112->10.0.0.9:5432; see "));
}

static int end(void **state)
{
	buf_free(&stacks);
	return teardown(state);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, problem_setup, end)
	const struct CMUnitTest tests[] = {
		TEST(test_semaphore),
		TEST(test_passed_on),
		TEST(test_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
