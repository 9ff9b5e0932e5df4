/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model against a program that is made up: a random but lawful Go program is run step by step,
 * and what it did is known exactly from the running of it, not from the events. Then storms of
 * lawless events: whatever comes, for any number of shards and threads and any cut into batches,
 * the outcome is the same and adds up.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/model_internal.h"
#include "tests/all_goroutines.h"

#define GOIDS  2000
#define TYPES  40
#define EVENTS 60000

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static struct names *make_names(void)
{
	struct names *n;

	assert_int_equal(names_new(10000, &n), 0);
	for (uint32_t i = 1; i <= TYPES; i++) {
		struct go_type t = {.name = "T", .size = i * 8, .kind = 25};

		assert_int_equal(names_add_type(n, &t), i);
	}
	return n;
}

static struct model *make_model(struct names *names, size_t retain, size_t exited, unsigned shards,
				unsigned threads)
{
	struct model_config config = {.retain = retain, .retain_exited = exited, .names = names};
	struct proc_info info = {.pid = 1};
	struct model *m;

	assert_int_equal(model_new_sharded(&config, shards, threads, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	info.pid = 2;
	assert_int_equal(model_proc_add(m, &info), 1);
	return m;
}

/* --- a lawful program ----------------------------------------------------------------------- */

/* What is true of a goroutine. */
struct truth {
	bool alive, ever;
	uint8_t state;
	uint64_t since, created, exited, parent, woken_by, children, bytes;
	uint64_t counts[EVENT_TYPES], state_ns[GSTATES];
	uint64_t ready_count, ready_sum, ready_max;
	uint64_t type_count[TYPES + 1][ALLOCATION_KINDS];
	uint64_t *seqs;
	size_t n_seqs, cap_seqs;
};

struct program {
	uint64_t seed, now, next_goid;
	struct truth *all; /* by goid */
	struct event *events;
	size_t n;
};

static void concerns(struct program *p, uint64_t goid)
{
	struct truth *t = &p->all[goid];

	if (goid == 0 || (t->n_seqs && t->seqs[t->n_seqs - 1] == p->n))
		return;
	if (t->n_seqs == t->cap_seqs) {
		t->cap_seqs = t->cap_seqs ? t->cap_seqs * 2 : 16;
		t->seqs = realloc(t->seqs, t->cap_seqs * sizeof(*t->seqs));
		assert_non_null(t->seqs);
	}
	t->seqs[t->n_seqs++] = p->n;
}

static void emit(struct program *p, struct event ev)
{
	ev.time_ns = p->now;
	concerns(p, ev.goid);
	concerns(p, event_subject(&ev));
	p->events[p->n++] = ev;
}

static void change(struct program *p, uint64_t actor, uint64_t goid, uint8_t to)
{
	struct truth *t = &p->all[goid];
	struct event ev = {.type = EVENT_CASGSTATUS, .goid = actor, .target = goid};
	uint64_t stay = p->now - t->since;

	ev.from = t->state;
	ev.to = to;
	t->counts[EVENT_CASGSTATUS]++;
	t->state_ns[t->state] += stay;
	if (t->state == GSTATE_RUNNABLE && to == GSTATE_RUNNING) {
		t->ready_count++;
		t->ready_sum += stay;
		t->ready_max = MAX(t->ready_max, stay);
	}
	if (t->state == GSTATE_WAITING && to == GSTATE_RUNNABLE)
		t->woken_by = actor;
	t->state = to;
	t->since = p->now;
	emit(p, ev);
}

static void create(struct program *p, uint64_t actor)
{
	uint64_t goid = p->next_goid++;
	struct truth *t = &p->all[goid];
	struct event ev = {.type = EVENT_CASGSTATUS, .goid = actor, .target = goid};

	*t = (struct truth){.alive = true, .ever = true, .parent = actor};
	t->created = t->since = p->now;
	t->state = ev.to = GSTATE_RUNNABLE;
	ev.from = GSTATE_DEAD;
	t->counts[EVENT_CASGSTATUS]++;
	emit(p, ev);
	if (actor) {
		p->all[actor].children++;
		p->all[actor].counts[EVENT_NEWGOROUTINE]++;
	}
	emit(p, (struct event){.type = EVENT_NEWGOROUTINE, .goid = actor, .target = goid});
}

static void end(struct program *p, uint64_t goid)
{
	struct truth *t = &p->all[goid];

	change(p, goid, goid, GSTATE_DEAD);
	t->counts[EVENT_GOEXIT]++;
	t->alive = false;
	t->exited = p->now;
	emit(p, (struct event){.type = EVENT_GOEXIT, .goid = goid, .target = goid});
}

static void allocate(struct program *p, uint64_t goid)
{
	struct event ev = {.goid = goid, .type_id = (uint32_t)(next_random(&p->seed) % TYPES) + 1};
	struct truth *t = &p->all[goid];
	uint64_t size = ev.type_id * 8;

	ev.type = (uint8_t)(EVENT_MAKESLICE + next_random(&p->seed) % 3);
	if (ev.type == EVENT_MAKESLICE) {
		ev.cap = next_random(&p->seed) % 100;
		t->bytes += size * ev.cap;
	} else if (ev.type == EVENT_NEWOBJECT) {
		ev.size = size;
		t->bytes += size;
	}
	t->counts[ev.type]++;
	t->type_count[ev.type_id][ev.type - EVENT_MAKESLICE]++;
	emit(p, ev);
}

static uint64_t pick(struct program *p, uint8_t state)
{
	for (int tries = 0; tries < 30; tries++) {
		uint64_t goid = 1 + next_random(&p->seed) % (p->next_goid - 1);

		if (p->all[goid].alive && p->all[goid].state == state)
			return goid;
	}
	return 0;
}

static void step(struct program *p)
{
	uint64_t running = pick(p, GSTATE_RUNNING), other;

	p->now += next_random(&p->seed) % 1000;
	switch (next_random(&p->seed) % 8) {
	case 0:
		if (p->next_goid < GOIDS)
			create(p, running);
		break;
	case 1:
		other = pick(p, GSTATE_RUNNABLE);
		if (other)
			change(p, next_random(&p->seed) % 2 ? other : 0, other, GSTATE_RUNNING);
		break;
	case 2:
		if (running)
			change(p, running, running,
			       next_random(&p->seed) % 2 ? GSTATE_WAITING : GSTATE_SYSCALL);
		break;
	case 3:
		other = pick(p, GSTATE_WAITING);
		if (other)
			change(p, running, other, GSTATE_RUNNABLE);
		break;
	case 4:
		other = pick(p, GSTATE_SYSCALL);
		if (other)
			change(p, other, other,
			       next_random(&p->seed) % 2 ? GSTATE_RUNNING : GSTATE_RUNNABLE);
		break;
	case 5:
		/* Not the last ones: the show goes on. */
		if (running && p->next_goid < GOIDS && next_random(&p->seed) % 4 == 0)
			end(p, running);
		break;
	default:
		if (running)
			allocate(p, running);
		break;
	}
}

static void check_goroutine(struct model *m, uint64_t goid, const struct truth *t)
{
	struct goroutine g;
	struct allocation *rows;
	struct event *events;
	uint64_t *seqs, count = 0;
	size_t n;

	assert_int_equal(model_goroutine(m, 0, goid, &g), 0);
	assert_int_equal(g.flags, t->alive ? 0 : GOROUTINE_EXITED);
	assert_int_equal(g.state, t->state);
	assert_int_equal(g.state_since_ns, t->since);
	assert_int_equal(g.created_ns, t->created);
	assert_int_equal(g.exited_ns, t->exited);
	assert_int_equal(g.parent, t->parent);
	assert_int_equal(g.woken_by, t->woken_by);
	assert_int_equal(g.children, t->children);
	assert_int_equal(g.alloc_bytes, t->bytes);
	assert_memory_equal(g.counts, t->counts, sizeof(g.counts));
	assert_memory_equal(g.state_ns, t->state_ns, sizeof(g.state_ns));
	assert_int_equal(g.runnable_count, t->ready_count);
	assert_int_equal(g.runnable_sum_ns, t->ready_sum);
	assert_int_equal(g.runnable_max_ns, t->ready_max);
	assert_int_equal(model_allocations(m, 0, goid, &rows, &n), 0);
	for (size_t i = 0; i < n; i++) {
		count += rows[i].count;
		if (rows[i].type_id)
			assert_int_equal(rows[i].count,
					 t->type_count[rows[i].type_id]
						      [rows[i].event_type - EVENT_MAKESLICE]);
	}
	assert_int_equal(count, t->counts[EVENT_MAKESLICE] + t->counts[EVENT_MAKEMAP] +
					t->counts[EVENT_NEWOBJECT]);
	free(rows);
	assert_int_equal(model_goroutine_events(m, 0, goid, 0, UINT64_MAX, &events, &seqs, &n), 0);
	assert_int_equal(n, t->n_seqs);
	assert_memory_equal(seqs, t->seqs, n * sizeof(*seqs));
	free(events);
	free(seqs);
}

static void check_program(struct model *m, const struct program *p)
{
	struct model_totals t;
	uint64_t live[GSTATES] = {0}, bytes = 0, live_total = 0, exited = 0, ready = 0, sum = 0;

	model_totals(m, 0, &t);
	for (uint64_t goid = 1; goid < p->next_goid; goid++) {
		check_goroutine(m, goid, &p->all[goid]);
		live[p->all[goid].state] += p->all[goid].alive;
		live_total += p->all[goid].alive;
		exited += !p->all[goid].alive;
		bytes += p->all[goid].bytes;
		ready += p->all[goid].ready_sum;
	}
	assert_memory_equal(t.live, live, sizeof(live));
	assert_int_equal(t.live_total, live_total);
	assert_int_equal(t.live_unknown, 0);
	assert_int_equal(t.goroutines_created, p->next_goid - 1);
	assert_int_equal(t.goroutines_exited, exited);
	assert_int_equal(t.exited_retained, exited);
	assert_int_equal(t.alloc_bytes, bytes);
	assert_int_equal(t.runnable_sum_ns, ready);
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		sum += t.events[i];
	assert_int_equal(sum, p->n);
	assert_int_equal(feed_head(model_feed(m)), p->n);
}

/* The feed holds the events as they were, with the parent that was true then. */
static void check_feed(struct model *m, const struct program *p)
{
	struct event ev;
	uint64_t cursor = 0;

	for (size_t i = 0; i < p->n; i++) {
		assert_int_equal(feed_read(model_feed(m), &cursor, &ev, 1, NULL), 1);
		assert_int_equal(ev.parent, ev.goid ? p->all[ev.goid].parent : 0);
		assert_int_equal(ev.time_ns, p->events[i].time_ns);
		assert_int_equal(ev.goid, p->events[i].goid);
		assert_int_equal(ev.target, p->events[i].target);
		assert_int_equal(ev.cap, p->events[i].cap);
		assert_int_equal(ev.type_id, p->events[i].type_id);
		assert_int_equal(ev.site_id, p->events[i].site_id);
		assert_int_equal(ev.type, p->events[i].type);
		assert_int_equal(ev.from, p->events[i].from);
		assert_int_equal(ev.to, p->events[i].to);
	}
}

static void run_program(unsigned shards, unsigned threads, size_t batch, uint64_t seed)
{
	struct names *names = make_names();
	struct model *m = make_model(names, EVENTS * 2, EVENTS, shards, threads);
	struct program p = {.seed = seed, .now = 1000, .next_goid = 2};

	p.all = calloc(GOIDS + 1, sizeof(*p.all));
	p.events = calloc(EVENTS + 2, sizeof(*p.events));
	assert_non_null(p.all);
	assert_non_null(p.events);
	p.next_goid = 1;
	create(&p, 0);
	while (p.n < EVENTS)
		step(&p);
	for (size_t at = 0, n; at < p.n; at += n) {
		n = batch ? batch : (size_t)(1 + next_random(&p.seed) % 9000);
		n = MIN(n, p.n - at);
		model_apply(m, p.events + at, n);
	}
	check_program(m, &p);
	check_feed(m, &p);
	for (size_t i = 0; i <= GOIDS; i++)
		free(p.all[i].seqs);
	free(p.all);
	free(p.events);
	model_free(m);
	names_free(names);
}

static void test_lawful(void **state)
{
	static const struct {
		unsigned shards, threads;
		size_t batch;
	} runs[] = {{1, 1, 1}, {1, 1, 0},     {2, 2, 0},     {4, 4, 0},
		    {4, 1, 7}, {3, 2, 60000}, {8, 4, 30000}, {1, 1, 60000}};

	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		run_program(runs[i].shards, runs[i].threads, runs[i].batch,
			    88172645463325252ull + i);
}

/* --- lawless events -------------------------------------------------------------------------- */

/* Anything goes: unknown types and states, hidden and cgo, two processes and one too many. */
static void lawless(struct event *events, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t r = next_random(&seed);
		struct event *ev = &events[i];

		*ev = (struct event){.time_ns = i * 10, .goid = r % 64, .type = r >> 8 & 7};
		/* Told late, now and then. */
		if (r % 50 == 0)
			ev->time_ns -= MIN(ev->time_ns, r >> 50);
		ev->target = r >> 11 & 1 ? ev->goid : r >> 12 & 63;
		ev->cap = r >> 20 & 0xff;
		ev->from = r >> 28 & 15;
		ev->to = r >> 32 & 15;
		ev->flags = r >> 36 & 7 ? 0 : r >> 39 & 15;
		ev->proc = r >> 43 & 7 ? 0 : r >> 46 & 3;
		ev->type_id = r >> 48 & 63;
		ev->string_id = r >> 54 & 3;
		ev->parent = r >> 56 & 15 ? 0 : r >> 60;
	}
}

static void storm(struct model *m, const struct event *events, size_t n, size_t batch)
{
	struct event *copy = malloc(n * sizeof(*copy));
	uint64_t lost[EVENT_TYPES] = {1, 0, 2};
	struct goroutine_seen seen[40];

	assert_non_null(copy);
	memcpy(copy, events, n * sizeof(*copy));
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		seen[i] = (struct goroutine_seen){
			.goid = i * 2, .state = (uint8_t)(i % GSTATES), .parent = i % 5};
	for (size_t at = 0; at < n;) {
		size_t part = MIN(batch, n - at);

		model_apply(m, copy + at, part);
		at += part;
		/* At the same places of the stream, whatever the batches are. */
		if (at % 20000 == 0) {
			model_lost(m, at % 3 ? 0 : -1, lost, at * 10);
			model_heal(m, 0, seen, ARRAY_SIZE(seen), at * 10 - 500, at % 40000 == 0);
		}
	}
	free(copy);
}

static void check_adds_up(struct model *m, int proc)
{
	struct model_totals t;
	struct goroutine *all;
	uint64_t live[STATES_COUNTED] = {0}, exited = 0;
	size_t n;

	model_totals(m, proc, &t);
	assert_int_equal(all_goroutines(m, (unsigned)proc, true, &all, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (all[i].flags & GOROUTINE_EXITED)
			exited++;
		else
			live[all[i].flags & GOROUTINE_STATE_UNKNOWN ? GSTATES : all[i].state]++;
		assert_true(all[i].goid != 0);
		if (i)
			assert_true(all[i - 1].goid < all[i].goid);
	}
	assert_memory_equal(t.live, live, sizeof(t.live));
	assert_int_equal(t.live_unknown, live[GSTATES]);
	assert_int_equal(t.live_total + exited, n);
	assert_int_equal(t.exited_retained, exited);
	free(all);
}

static void same_goroutines(struct model *a, struct model *b, unsigned proc)
{
	struct goroutine *x, *y;
	size_t n, n2;

	assert_int_equal(all_goroutines(a, proc, true, &x, &n), 0);
	assert_int_equal(all_goroutines(b, proc, true, &y, &n2), 0);
	assert_int_equal(n, n2);
	/* One that ended and acts again after all took the place of who was its function's last;
	 * where it does both in one batch it never had it. No lawful stream has such. */
	for (size_t i = 0; i < n; i++) {
		x[i].flags &= ~GOROUTINE_LAST_ENDED;
		y[i].flags &= ~GOROUTINE_LAST_ENDED;
	}
	assert_memory_equal(x, y, n * sizeof(*x));
	for (size_t i = 0; i < n; i++) {
		struct allocation *r, *s;
		struct event *e, *f;
		uint64_t *g, *h;
		size_t m1, m2;

		assert_int_equal(model_allocations(a, proc, x[i].goid, &r, &m1), 0);
		assert_int_equal(model_allocations(b, proc, x[i].goid, &s, &m2), 0);
		assert_int_equal(m1, m2);
		assert_memory_equal(r, s, m1 * sizeof(*r));
		free(r);
		free(s);
		assert_int_equal(
			model_goroutine_events(a, proc, x[i].goid, 0, UINT64_MAX, &e, &g, &m1), 0);
		assert_int_equal(
			model_goroutine_events(b, proc, x[i].goid, 0, UINT64_MAX, &f, &h, &m2), 0);
		assert_int_equal(m1, m2);
		assert_memory_equal(e, f, m1 * sizeof(*e));
		assert_memory_equal(g, h, m1 * sizeof(*g));
		free(e);
		free(f);
		free(g);
		free(h);
	}
	free(x);
	free(y);
}

static void same_totals(struct model *a, struct model *b)
{
	struct model_totals x, y;
	struct allocation *r, *s;
	size_t n, n2;

	model_totals(a, -1, &x);
	model_totals(b, -1, &y);
	x.memory_bytes = y.memory_bytes = 0; /* depends on the tables */
	assert_memory_equal(&x, &y, sizeof(x));
	assert_int_equal(model_type_totals(a, 0, &r, &n), 0);
	assert_int_equal(model_type_totals(b, 0, &s, &n2), 0);
	assert_int_equal(n, n2);
	assert_memory_equal(r, s, n * sizeof(*r));
	free(r);
	free(s);
}

static void same_feeds(struct model *a, struct model *b)
{
	uint64_t at = 0, at2 = 0;
	struct event e[500], f[500];
	size_t n;

	do {
		n = feed_read(model_feed(a), &at, e, 500, NULL);
		assert_int_equal(feed_read(model_feed(b), &at2, f, 500, NULL), n);
		assert_int_equal(at, at2);
		assert_memory_equal(e, f, n * sizeof(*e));
	} while (n);
}

static void test_lawless(void **state)
{
	static const struct {
		unsigned shards, threads;
		size_t batch;
	} runs[] = {{2, 2, 20000}, {4, 4, 20000}, {4, 1, 20000}, {1, 1, 10000}, {7, 3, 5000}};
	struct event *events = calloc(200000, sizeof(*events));
	struct names *names = make_names();

	assert_non_null(events);
	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct model *one = make_model(names, 50000, 1000, 1, 1);

		lawless(events, 200000, seed * 7919);
		storm(one, events, 200000, 20000);
		check_adds_up(one, 0);
		check_adds_up(one, 1);
		for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
			struct model *m =
				make_model(names, 50000, 1000, runs[i].shards, runs[i].threads);

			storm(m, events, 200000, runs[i].batch);
			check_adds_up(m, 0);
			check_adds_up(m, 1);
			same_goroutines(one, m, 0);
			same_goroutines(one, m, 1);
			same_totals(one, m);
			same_feeds(one, m);
			model_free(m);
		}
		model_free(one);
	}
	free(events);
	names_free(names);
}

/* --- readers beside the writer ---------------------------------------------------------------- */

struct watching {
	struct model *m;
	_Atomic bool done;
	_Atomic uint64_t looks;
};

/* Looks at everything there is to look at; whatever it sees must hold together. */
static void *watch(void *arg)
{
	struct watching *w = arg;
	uint64_t cursor = 0, looks = 0;

	while (!atomic_load(&w->done)) {
		struct model_totals t;
		struct goroutine *all, g;
		struct allocation *rows;
		struct event events[100];
		size_t n;

		looks++;
		model_totals(w->m, -1, &t);
		assert_true(t.live_total <= t.goroutines_created + 64 * 3);
		assert_int_equal(all_goroutines(w->m, 0, true, &all, &n), 0);
		for (size_t i = 1; i < n; i++)
			assert_true(all[i - 1].goid < all[i].goid);
		free(all);
		if (model_goroutine(w->m, 0, 1 + looks % 60, &g) == 0)
			assert_int_equal(g.goid, 1 + looks % 60);
		if (model_allocations(w->m, 0, 1 + looks % 60, &rows, &n) == 0)
			free(rows);
		assert_int_equal(model_type_totals(w->m, 0, &rows, &n), 0);
		free(rows);
		if (looks % 8 == 0) {
			struct event *own;
			uint64_t *seqs;

			if (model_goroutine_events(w->m, 0, 1 + looks % 60, 0, UINT64_MAX, &own,
						   &seqs, &n) == 0) {
				for (size_t i = 1; i < n; i++)
					assert_true(seqs[i - 1] < seqs[i]);
				free(own);
				free(seqs);
			}
		}
		feed_read(model_feed(w->m), &cursor, events, 100, NULL);
	}
	atomic_fetch_add(&w->looks, looks);
	return NULL;
}

static void test_readers(void **state)
{
	struct names *names = make_names();
	struct model *m = make_model(names, 3000, 20, 2, 2);
	struct watching w = {.m = m};
	struct event *events = calloc(200000, sizeof(*events));
	pthread_t threads[2];

	assert_non_null(events);
	lawless(events, 200000, 4242);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, watch, &w), 0);
	for (int i = 0; i < 3; i++) {
		storm(m, events, 200000, 10000);
		storm(m, events, 50000, 100);
	}
	atomic_store(&w.done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_true(w.looks > 0);
	check_adds_up(m, 0);
	free(events);
	model_free(m);
	names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lawful),
		cmocka_unit_test(test_lawless),
		cmocka_unit_test(test_readers),
	};

	return cmocka_run_group_tests_name("model_storm", tests, NULL, NULL);
}
