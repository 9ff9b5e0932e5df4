/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each rule of problem_rules[] at its edge: just below a threshold nothing is told, at it the kind
 * is; and what makes figures jump (a stop, a tracer that was not run, a clock that went on while
 * nobody ran, counters that go back, a program that has ended) is not taken for a problem.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory/runtime_seen.h"
#include "core/memory/wait_graph.h"
#include "core/model/samples.h"
#include "core/view/problem_rules.h"
#include "core/view/view.h"
#include "tests/unit/problem_program.h"

#define MS     1000000ull
#define US     1000ull
#define END    (T0 + 60 * S) /* the present */
#define SERVES "net/http.(*conn).serve(...)\n\t/go/server.go:9\n"

/* --- a world --------------------------------------------------------------------------------- */

static void step(struct fixture *x, uint64_t goid, uint8_t from, uint8_t to, const char *reason,
		 uint64_t at)
{
	struct event ev = {.time_ns = at,
			   .type = EVENT_CASGSTATUS,
			   .goid = goid,
			   .target = goid,
			   .from = from,
			   .to = to,
			   .string_id = intern(x, reason)};

	model_apply(x->m, &ev, 1);
}

/* The present is then: somebody is in a system call. */
static void syscall_at(struct fixture *x, uint64_t at)
{
	step(x, 5, GSTATE_RUNNING, GSTATE_SYSCALL, "", at);
}

/* From T0 to then, something happens each second, so that there is a past. */
static void tick(struct fixture *x, uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at <= to; at += S)
		syscall_at(x, at);
}

static void wait_at(struct fixture *x, unsigned n, const char *reason, const char *calls,
		    uint64_t for_ns)
{
	for (unsigned i = 0; i < n; i++) {
		create(x, 100 + i, "net/http.(*conn).serve", T0 + S);
		step(x, 100 + i, GSTATE_RUNNING, GSTATE_WAITING, reason, END - for_ns);
		buf_addf(&stacks, "goroutine %u [%s]:\n%s\n", 100 + i, reason, calls);
	}
	syscall_at(x, END);
}

/* Is it told of? */
static bool told(struct fixture *x, enum problem_kind kind)
{
	static const char *const severities[] = {"\nnotice", "\nwarning", "\ncritical"};
	const char *text = problems(x), *end = strstr(text, "\nlooked for,");
	bool ret = false;
	char begins[64];

	for (unsigned i = 0; i < ARRAY_SIZE(severities); i++) {
		const char *at;

		snprintf(begins, sizeof(begins), "%s %s: ", severities[i],
			 problem_rules[kind].name);
		at = strstr(text, begins);
		ret |= at && at < end;
	}
	return ret;
}

/* --- the edges ------------------------------------------------------------------------------- */

/* Each makes a world that is at the edge, or just below it in the way of that number. */
#define AT (-1)

static void blocked(struct fixture *x, int below)
{
	wait_at(x, below == 0 ? 4 : 5, "chan send", SENDS, below == 1 ? 5 * S - MS : 5 * S);
}

static struct wait_object mutex = {
	.address = 0xc000010000, .kind = WAIT_MUTEX, .state_known = true, .n_waits = 5};
static struct wait_goroutine lockers[5];
static struct wait_edge edges[5];
static struct wait_graph graph = {.goroutines = lockers, .objects = &mutex, .n_objects = 1};

static int give_graph(void *ctx, unsigned proc, uint64_t since, struct wait_graph **ret)
{
	*ret = &graph;
	return 0;
}

static void keep_graph(void *ctx, struct wait_graph *g)
{
}

static void convoy(struct fixture *x, int below)
{
	unsigned n = below == 0 ? 4 : 5;

	for (unsigned i = 0; i < n; i++) {
		lockers[i] = (struct wait_goroutine){
			.goid = 100 + i, .why = WAIT_ON_OBJECTS, .waits = i, .n_waits = 1};
		edges[i] = (struct wait_edge){.goroutine = i, .object = 0, .how = WAIT_LOCK};
	}
	graph.waits = edges;
	graph.n_waits = graph.n_goroutines = n;
	x->live.waits = give_graph;
	x->live.waits_put = keep_graph;
	wait_at(x, n, "sync.Mutex.Lock", "main.hit(...)\n\t/src/main.go:21\n" SERVES,
		below == 1 ? 49 * MS : 50 * MS);
}

#define ASKS                                                                                       \
	"net/http.(*Client).do(...)\n\t/go/client.go:9\n"                                          \
	"main.priceOf(...)\n\t/src/main.go:15\n" SERVES
static void downstream(struct fixture *x, int below)
{
	wait_at(x, below == 0 ? 9 : 10, "select", ASKS, below == 1 ? S - MS : S);
}

#define WORKS "main.query(...)\n\t/src/main.go:15\n" SERVES
static void work(struct fixture *x, int below)
{
	wait_at(x, below == 0 ? 19 : 20, "chan receive", WORKS, below == 1 ? 2 * S - MS : 2 * S);
}

/* 0 and 1: too few, not for long enough; 2: by the stack alone, which is of another moment. */
static void call(struct fixture *x, int below, unsigned n, const char *start)
{
	for (unsigned i = 0; i < n - (below == 0); i++) {
		create(x, 100 + i, start, T0 + S);
		step(x, 100 + i, GSTATE_RUNNING, below == 2 ? GSTATE_WAITING : GSTATE_SYSCALL, "",
		     END - 2 * S + (below == 1 ? MS : 0));
		buf_addf(
			&stacks,
			"goroutine %u [syscall]:\nsyscall.flock(...)\n\t/go/z.go:9\n"
			"main.save(...)\n\t/src/main.go:15\nmain.worker(...)\n\t/src/main.go:9\n\n",
			100 + i);
	}
	syscall_at(x, END);
}

static void calls(struct fixture *x, int below)
{
	call(x, below, 10, "net/http.(*conn).serve");
}

/* Readers of a device. */
static void own_calls(struct fixture *x, int below)
{
	call(x, below, 100, "main.worker");
}

/* 1: main has begun. */
static void first(struct fixture *x, int below)
{
	create(x, 1, "runtime.main", T0 + S);
	step(x, 1, GSTATE_RUNNING, GSTATE_WAITING, "sync.WaitGroup.Wait",
	     END - 10 * S + (below == 0 ? MS : 0));
	buf_addf(&stacks,
		 "goroutine 1 [sync.WaitGroup.Wait]:\nsync.(*WaitGroup).Wait(...)\n\t/go/w.go:9\n"
		 "main.%s(...)\n\t/src/main.go:15\n\n",
		 below == 1 ? "main" : "init.0");
	syscall_at(x, END);
}

static void ended(struct fixture *x, int below)
{
	uint64_t ends = below == 1 ? END - 3 * S + MS : END - 3 * S;

	create(x, 7, "main.mailer", below == 0 ? ends - 10 * S + MS : ends - 10 * S);
	step(x, 7, GSTATE_RUNNING, GSTATE_DEAD, "", ends);
	syscall_at(x, END);
}

/* Half of them come in the middle of the minute, the others at its end. */
static void growing(struct fixture *x, int below)
{
	unsigned had = below == 1 ? 60 : 40, more = below == 0 ? 19 : 20;

	more = below == 1 ? 29 : more; /* 48 % more */
	for (unsigned i = 0; i < had + more; i++) {
		uint64_t at = i < had ? T0 : i < had + more / 2 ? T0 + 30 * S : END - S;

		create(x, 100 + i, "main.leaky", at);
		step(x, 100 + i, GSTATE_RUNNING, GSTATE_WAITING, "select", at);
		if (i + 1 == had || i + 1 == had + more / 2)
			tick(x, T0 + (i + 1 == had ? 1 : 31) * S,
			     T0 + (i + 1 == had ? 29 : 58) * S);
	}
	syscall_at(x, END);
}

/* Waits for a processor, so many of so long in each of these steps of five seconds. */
static void wait_for_cpu(struct fixture *x, unsigned n, uint64_t ns, unsigned steps)
{
	create(x, 8, "main.compact", T0);
	for (unsigned s = 0; s < 12; s++) {
		uint64_t at = T0 + s * 5 * S + 2 * S;

		syscall_at(x, at - S);
		for (unsigned i = 0; i < n; i++, at += MS) {
			step(x, 8, GSTATE_WAITING, GSTATE_RUNNABLE, "", at);
			at += s < steps ? ns : 10 * US;
			step(x, 8, GSTATE_RUNNABLE, GSTATE_RUNNING, "", at);
			step(x, 8, GSTATE_RUNNING, GSTATE_WAITING, "select", at);
		}
	}
	syscall_at(x, END);
}

static void latency(struct fixture *x, int below)
{
	wait_for_cpu(x, below == 0 ? 8 : 9, below == 1 ? 20 * MS : 80 * MS, below == 2 ? 2 : 3);
}

/* 0: not all of ten seconds; 1: a quarter of a processor; 2: not most of the program's. */
static void cpu(struct fixture *x, int below)
{
	samples_begin(model_samples(x->m), SAMPLE_CPU, END - 10 * S + (below == 0 ? MS : 0));
	sample(x, "main.rank", 2500 * MS - (below == 1 ? 10 * MS : 0), END - 5 * S);
	sample(x, "main.other", (below == 2 ? 1700 : 1600) * MS, END - 4 * S);
	syscall_at(x, END);
}

static void cpu_by_events(struct fixture *x, int below)
{
	uint64_t begins = END - (below == 0 ? 2900 * MS : 3 * S);

	create(x, 8, "main.hog", T0);
	step(x, 8, GSTATE_RUNNING, GSTATE_WAITING, "select", T0 + S);
	step(x, 8, GSTATE_WAITING, GSTATE_RUNNABLE, "", begins);
	step(x, 8, GSTATE_RUNNABLE, GSTATE_RUNNING, "", begins);
	syscall_at(x, END);
}

/* One of them wakes so often in five seconds. */
static void timers(struct fixture *x, int below)
{
	unsigned n = below == 0 ? 9999 : 10000;
	uint64_t ran = below == 1 ? 200 * US : 199 * US;

	create(x, 8, "main.poll", T0);
	step(x, 8, GSTATE_RUNNING, GSTATE_WAITING, "sleep", T0 + S);
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = END - 5 * S + i * 500 * US;

		step(x, 8, GSTATE_WAITING, GSTATE_RUNNABLE, "sleep", at);
		step(x, 8, GSTATE_RUNNABLE, GSTATE_RUNNING, "", at);
		step(x, 8, GSTATE_RUNNING, GSTATE_WAITING, "sleep", at + ran);
	}
	syscall_at(x, END);
}

/* Over fifteen seconds, as the past has steps of five. 0: too few; 1: all of them at once. */
static void starts(struct fixture *x, int below)
{
	unsigned n = below == 0 ? 74000 : 76000;

	tick(x, T0, END - 16 * S);
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = below == 1 ? END - S : END - 15 * S + i * (15 * S / n);

		create(x, 1000 + i, "main.spawned", at);
		step(x, 1000 + i, GSTATE_RUNNING, GSTATE_DEAD, "", at);
	}
	syscall_at(x, END);
}

static struct live_runtime said;

static bool runtime_says(void *ctx, unsigned proc, struct live_runtime *ret)
{
	*ret = said;
	return true;
}

static void says(struct fixture *x)
{
	said = (struct live_runtime){.read_ns = END,
				     .alloc_per_second = -1,
				     .alloc_judged = -1,
				     .switches_judged = -1,
				     .switches_per_second = -1,
				     .cpu_wait_ratio = -1,
				     .files = RUNTIME_UNKNOWN,
				     .files_most = RUNTIME_UNKNOWN,
				     .heap.allocated = 1};
	x->live.runtime_known = runtime_says;
}

/* 0: too little; 1: so much a second just now, and not over five; 2: told so long ago. */
static void allocation(struct fixture *x, int below)
{
	create(x, 8, "main.worker", T0);
	says(x);
	said.alloc_per_second = 100e6;
	said.judged_ns = below == 1 ? 0 : 5 * S;
	said.alloc_judged = below == 1 ? -1 : (double)((64 << 20) - (below == 0));
	said.read_ns = below == 2 ? END - 10 * S - MS : END;
	syscall_at(x, END);
}

static void heap(struct fixture *x, int below)
{
	says(x);
	said.growth = (struct heap_growth){.watched_ns = 60 * S - (below == 0 ? MS : 0),
					   .from_bytes = 100 << 20,
					   .to_bytes = below == 1 ? 0 : 164 << 20,
					   .ns = 60 * S,
					   .cycles = 4};
	syscall_at(x, END);
}

static void files(struct fixture *x, int below)
{
	says(x);
	said.files = below == 0 ? 819 : 820;
	said.files_most = below == 1 ? RUNTIME_UNKNOWN : 1024;
	syscall_at(x, END);
}

/* A goroutine of the runtime's in what is the program's own. */
static void finalizer(struct fixture *x, int below)
{
	struct goroutine_seen seen = {.goid = 4,
				      .state = GSTATE_WAITING,
				      .start_func_id = intern(x, "runtime.runFinalizers")};

	(void)model_heal(x->m, 0, &seen, 1, T0, true);
	step(x, 4, GSTATE_RUNNING, GSTATE_WAITING, "sync.Mutex.Lock",
	     END - 10 * S + (below == 0 ? MS : 0));
	buf_adds(&stacks, "goroutine 4 [sync.Mutex.Lock]:\nsync.(*Mutex).Lock(...)\n\t/go/m.go:9\n"
			  "main.(*resource).close(...)\n\t/src/main.go:15\n"
			  "runtime.runFinalizers(...)\n\t/go/mfinal.go:9\n\n");
	syscall_at(x, END);
}

static void gc(struct fixture *x, int below)
{
	samples_begin(model_samples(x->m), SAMPLE_CPU, END - 10 * S + (below == 2 ? MS : 0));
	sample(x, "runtime.gcBgMarkWorker", 2000 * MS - (below == 0 ? 10 * MS : 0), END - 5 * S);
	sample(x, "runtime.gcAssistAlloc", 500 * MS, END - 5 * S);
	sample(x, "main.other", (below == 1 ? 7600 : 7500) * MS, END - 4 * S);
	syscall_at(x, END);
}

static int is_traced(void *ctx, unsigned proc, struct health *ret)
{
	*ret = (struct health){0};
	return 0;
}

/* 0 and 1: too little; 2: in two of five seconds; 3: for four seconds. */
static void cost(struct fixture *x, int below)
{
	struct meter_sample s = {.of_target_percent = below == 0 ? 9.9 : 10,
				 .overhead_percent = below == 1 ? 1.9 : 2},
			    none = {0};

	assert_int_equal(meter_new(&x->meter), 0);
	x->v.meter = x->meter;
	x->live.health = is_traced;
	for (unsigned i = 0; i < (below == 3 ? 4 : 5); i++)
		meter_add(x->meter, below == 2 && i >= 2 ? &none : &s);
	syscall_at(x, END);
}

static void stopped(struct fixture *x, int below)
{
	says(x);
	said.stopped_readings = below == 0 ? 1 : 2;
	said.stopped_ns = END - 2 * S;
	said.read_ns = below == 1 ? END - 10 * S - MS : END;
	syscall_at(x, END);
}

static const struct edge {
	enum problem_kind kind;
	int ways; /* to be below it */
	void (*make)(struct fixture *x, int below);
} all_edges[] = {
	{PROBLEM_BLOCKED, 2, blocked},
	{PROBLEM_CONVOY, 2, convoy},
	{PROBLEM_DOWNSTREAM, 2, downstream},
	{PROBLEM_WORK, 2, work},
	{PROBLEM_CALLS, 3, calls},
	{PROBLEM_CALLS, 3, own_calls},
	{PROBLEM_INIT, 2, first},
	{PROBLEM_FINALIZER, 1, finalizer},
	{PROBLEM_FILES, 2, files},
	{PROBLEM_ENDED, 2, ended},
	{PROBLEM_GROWING, 2, growing},
	{PROBLEM_LATENCY, 3, latency},
	{PROBLEM_CPU, 3, cpu},
	{PROBLEM_CPU, 1, cpu_by_events},
	{PROBLEM_TIMERS, 2, timers},
	{PROBLEM_STARTS, 2, starts},
	{PROBLEM_ALLOCATION, 3, allocation},
	{PROBLEM_HEAP, 2, heap},
	{PROBLEM_GC, 3, gc},
	{PROBLEM_COST, 4, cost},
	{PROBLEM_TARGET, 2, stopped},
};

static void test_edges(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_edges); i++) {
		const struct edge *edge = &all_edges[i];

		for (int below = AT; below < edge->ways; below++) {
			void *fixture;

			assert_int_equal(problem_setup(&fixture), 0);
			edge->make(fixture, below);
			if (told(fixture, edge->kind) != (below == AT))
				fail_msg("%s, %d: %s", problem_rules[edge->kind].name, below,
					 problems(fixture));
			teardown(&fixture);
		}
	}
}

static void test_assist(void **state)
{
	struct fixture *x = *state;

	gc(x, AT);
	assert_non_null(strstr(problems(x), "took 25 % of a processor in the last 10 s, 25 % of "
					    "all that the program did, 20 % of it goroutines' "
					    "help (assist); see heap"));
}

/* Of those who are in it the one who takes most is pointed to, not who was met last. */
static void test_who_takes_most(void **state)
{
	struct fixture *x = *state;
	const struct site site = {.func_id = intern(x, "main.rank"), .line = 7};
	struct stack_sample s = {.weight = S / 10,
				 .kind = SAMPLE_CPU,
				 .n = 1,
				 .sites = {names_add_site(x->names, site)}};

	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 40; i++) {
		s.goid = i % 4 == 1 ? 30 : i % 4 == 3 ? 20 + i : 25;
		s.time_ns = END - 9 * S + i * S / 10;
		samples_add(model_samples(x->m), &s);
	}
	syscall_at(x, END);
	assert_non_null(strstr(problems(x), "cpu: main.rank took 100 % of"));
	assert_non_null(strstr(x->out.data, "see pprof/cpu top goroutines/25/stack\n"));
}

/* The runtime begins the coroutine of an iter.Pull, too: that calls no finalizers, and is no
 * server's. */
static void test_coroutines(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 40; i++) {
		create(x, 100 + i, "runtime.corostart", T0 + S);
		step(x, 100 + i, GSTATE_RUNNING, i < 25 ? GSTATE_WAITING : GSTATE_SYSCALL,
		     i < 25 ? "chan receive" : "", END - 20 * S);
		buf_addf(&stacks,
			 "goroutine %u [%s]:\nmain.rows.func1(...)\n\t/src/main.go:%d\n"
			 "iter.Pull[...].func1(...)\n\t/go/iter.go:301\n\n",
			 100 + i, i < 25 ? "chan receive" : "syscall", i < 25 ? 15 : 19);
	}
	syscall_at(x, END);
	for (unsigned kind = 0; kind < PROBLEM_KINDS; kind++)
		if (kind != PROBLEM_GROWING && told(x, kind))
			fail_msg("%s: %s", problem_rules[kind].name, problems(x));
}

/* Not only in which function of the program's, but in what that calls: the innermost function that
 * has most of it and a page in the documentation. */
static void test_what_takes_it(void **state)
{
	static const char *const calls[][5] = {
		{"regexp/syntax.(*parser).push", "regexp/syntax.Parse", "regexp.compile",
		 "regexp.Compile", "main.matches"},
		{"runtime.mallocgc", "regexp.compile", "regexp.Compile", "regexp.MatchString",
		 "main.matches"},
		{"[kernel]", "regexp.(*Regexp).MatchString", "regexp.MatchString", "main.matches",
		 "net/http.HandlerFunc.ServeHTTP"},
	};
	struct fixture *x = *state;

	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 40; i++) {
		struct stack_sample s = {.weight = S / 10,
					 .kind = SAMPLE_CPU,
					 .goid = 25,
					 .time_ns = END - 9 * S + i * S / 10,
					 .n = 5};

		for (unsigned k = 0; k < 5; k++) {
			const struct site site = {.func_id = intern(x, calls[i % 4 % 3][k]),
						  .line = 7};

			s.sites[k] = names_add_site(x->names, site);
		}
		samples_add(model_samples(x->m), &s);
	}
	syscall_at(x, END);
	assert_non_null(strstr(problems(x), "cpu: main.matches took 100 % of"));
	assert_non_null(strstr(x->out.data, "; 75 % of that in regexp.Compile; see pprof/cpu"));
}

#define ASKS_DB                                                                                    \
	"database/sql.(*DB).conn(...)\n\t/go/sql.go:1370\n"                                        \
	"database/sql.(*DB).QueryRowContext(...)\n\t/go/sql.go:1800\n"                             \
	"main.balance(...)\n\t/src/main.go:15\n"
#define OPENS_DB "database/sql.(*DB).connectionOpener(...)\n\t/go/sql.go:1200\n"
#define QUERIES_DB                                                                                 \
	"net.(*conn).Read(...)\n\t/go/net.go:9\n"                                                  \
	"github.com/lib/pq.(*conn).recv(...)\n\t/pq/conn.go:30\n"                                  \
	"database/sql.(*DB).queryDC(...)\n\t/go/sql.go:1700\n"                                     \
	"main.balance(...)\n\t/src/main.go:15\n"

/* Who waits for a connection of a database's pool is told so, and who has them: in whatever
 * goroutine, as nobody asks a database and idles. */
static void test_pool(void **state)
{
	struct fixture *x = *state;

	create(x, 8, "database/sql.(*DB).connectionOpener", T0);
	step(x, 8, GSTATE_RUNNING, GSTATE_WAITING, "select", T0);
	buf_adds(&stacks, "goroutine 8 [select]:\n" OPENS_DB "\n");
	wait_at(x, 20, "select", ASKS_DB "main.job(...)\n\t/src/main.go:4\n", 3 * S);
	assert_non_null(
		strstr(problems(x),
		       "warning work: 20 wait for a free connection of a database/sql pool at "
		       "main.balance (/src/main.go:15), the oldest for 3.0s; no call of "
		       "database/sql is under way: somebody may keep Rows, a Tx or a Conn open; "
		       "see goroutines/100/stack waits.tsv\n"));
	for (unsigned i = 0; i < 3; i++) {
		create(x, 300 + i, "main.job", T0 + S);
		step(x, 300 + i, GSTATE_RUNNING, GSTATE_WAITING, "IO wait", END - S / 2);
		buf_addf(&stacks, "goroutine %u [IO wait]:\n" QUERIES_DB "\n", 300 + i);
	}
	syscall_at(x, END);
	assert_non_null(strstr(problems(x),
			       "the oldest for 3.0s; 3 calls are under way, most of them IO wait "
			       "at github.com/lib/pq.(*conn).recv (/pq/conn.go:30); see "
			       "goroutines/300/stack goroutines/100/stack waits.tsv\n"));
}

/* The page that one reads at night. */
static void read_page(struct buf *ret)
{
	FILE *f = fopen(SOURCE_ROOT "/docs/oncall.md", "r");
	char text[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(text, 1, sizeof(text), f)) > 0)
		buf_add(ret, text, n);
	fclose(f);
	buf_addc(ret, '\0');
	assert_false(buf_error(ret));
}

/* Each rule says what it is judged by, and no more than that; and so does the page. */
static void test_rules_say(void **state)
{
	cleanup_buf_ struct buf page = BUF_INIT;

	read_page(&page);
	for (unsigned i = 0; i < PROBLEM_KINDS; i++) {
		const struct problem_rule *rule = &problem_rules[i];
		cleanup_buf_ struct buf text = BUF_INIT;

		assert_int_equal(strstr(rule->says, "{o}") != NULL, rule->over_ns != 0);
		assert_int_equal(strstr(rule->says, "{n}") != NULL, rule->number != 0);
		assert_int_equal(strstr(rule->says, "{t}") != NULL, rule->ns != 0);
		assert_int_equal(strstr(rule->says, "{p}") != NULL, rule->percent != 0);
		buf_addf(&text, "\n| %s | ", rule->name);
		problem_rule_add(rule, &text);
		buf_adds(&text, " |\n");
		assert_false(buf_error(&text));
		if (!strstr(page.data, text.data))
			fail_msg("docs/oncall.md does not have: %s", text.data);
		assert_null(strchr(text.data, '{'));
		assert_int_equal(strstr(text.data, "; told on for 10.0s") != NULL,
				 rule->stays_ns != 0);
	}
}

/* --- what makes figures jump ----------------------------------------------------------------- */

static const char *found(struct fixture *x)
{
	const char *text = problems(x);

	text += strcspn(text, "\n");
	return strncmp(text, "\nnothing found\n", strlen("\nnothing found\n")) ? text : "";
}

/* A stop of two seconds: all that could run wait that long, once. */
static void test_stopped_once(void **state)
{
	struct fixture *x = *state;
	unsigned i;

	tick(x, T0, T0 + 40 * S);
	for (i = 0; i < 300; i++)
		create(x, 100 + i, "net/http.(*conn).serve", T0 + 40 * S);
	for (i = 0; i < 300; i++)
		step(x, 100 + i, GSTATE_RUNNING, GSTATE_RUNNABLE, "", T0 + 41 * S);
	for (i = 0; i < 300; i++)
		step(x, 100 + i, GSTATE_RUNNABLE, GSTATE_RUNNING, "", T0 + 43 * S + i * MS);
	for (i = 0; i < 300; i++)
		step(x, 100 + i, GSTATE_RUNNING, GSTATE_WAITING, "IO wait", T0 + 43 * S + i * MS);
	tick(x, T0 + 45 * S, T0 + 60 * S);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	assert_string_equal(found(x), "");
}

/* An hour in which nobody ran (a virtual machine that was halted), or in which we did not: nothing
 * is of the hour, and nothing of what came before it is of now. */
static void test_gap(void **state)
{
	struct fixture *x = *state;

	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 30; i++) {
		create(x, 100 + i, "main.worker", T0);
		step(x, 100 + i, GSTATE_RUNNING, GSTATE_WAITING, "chan receive", T0 + S);
		buf_addf(&stacks,
			 "goroutine %u [chan receive]:\nmain.worker(...)\n\t/src/main.go:60\n\n",
			 100 + i);
	}
	tick(x, T0, T0 + 20 * S);
	for (unsigned i = 0; i < 200; i++)
		sample(x, "main.rank", S / 20, T0 + 10 * S + i * S / 20);
	says(x);
	said.judged_ns = 5 * S;
	said.alloc_judged = 200e6;
	said.stopped_readings = 3;
	said.read_ns = T0 + 20 * S;
	assert_true(told(x, PROBLEM_CPU));
	syscall_at(x, T0 + 3620 * S);
	assert_string_equal(found(x), "");
}

/* Counters that go back, as those of a function that got another name, or of what was read torn. */
static void test_backwards(void **state)
{
	struct fixture *x = *state;
	struct event ev = {.type = EVENT_NEWGOROUTINE, .goid = 1};

	tick(x, T0, T0 + 40 * S);
	for (unsigned i = 0; i < 200; i++)
		create(x, 1000 + i, "main.a", T0 + 41 * S);
	tick(x, T0 + 42 * S, T0 + 50 * S);
	/* They are told of once more, with another start function. */
	for (unsigned i = 0; i < 200; i++) {
		ev.target = 1000 + i;
		ev.time_ns = T0 + 51 * S;
		ev.string_id = intern(x, "main.b");
		model_apply(x->m, &ev, 1);
		step(x, 1000 + i, GSTATE_RUNNING, GSTATE_DEAD, "", T0 + 51 * S);
	}
	tick(x, T0 + 52 * S, END);
	assert_false(told(x, PROBLEM_STARTS));
	says(x);
	said.judged_ns = 5 * S; /* engine: a rate of a counter that went back is -1 */
	assert_false(told(x, PROBLEM_ALLOCATION));
	assert_false(told(x, PROBLEM_TIMERS));
}

/* Of one that has ended what was true at its end is told, and that it is stopped is not. */
static void test_ended(void **state)
{
	struct fixture *x = *state;

	cpu(x, AT);
	says(x);
	said.stopped_readings = 5;
	model_proc_exited(x->m, 0, END);
	assert_true(told(x, PROBLEM_CPU));
	assert_non_null(strstr(x->out.data, "critical target: the program has ended"));
	assert_null(strstr(x->out.data, "is stopped, by"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, problem_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_rules_say),
		TEST(test_stopped_once),
		TEST(test_gap),
		TEST(test_assist),
		TEST(test_coroutines),
		TEST(test_who_takes_most),
		TEST(test_what_takes_it),
		TEST(test_pool),
		TEST(test_backwards),
		TEST(test_ended),
	};
	int failed = cmocka_run_group_tests_name("problem_edges", tests, NULL, NULL);

	buf_free(&stacks);
	return failed;
}
