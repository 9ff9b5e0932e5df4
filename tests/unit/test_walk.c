/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whoever follows events says the same of them. The same random life of some goroutines, with lost
 * and hidden events, wrong old states, copied stacks, ends of every kind and returns, goes to the
 * model, the pyramid, stays and Perfetto; each says how long which goroutine was in which state,
 * and all say so to the ns. What a state that is not known lasted, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/model_internal.h"
#include "core/pyramid/pyramid.h"
#include "core/session/perfetto.h"
#include "core/view/stays.h"
#include "proto/perfetto.pb-c.h"

#define PROCS   3
#define GOIDS   5 /* of a process, from 1 on */
#define STEPS   3000
#define BASE    (1ull << 44)
#define STATES  (GSTATES + 1) /* the last: not known */
#define BUCKETS 2048          /* of the pyramid: 2 s */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* ns in each state. */
struct times {
	uint64_t v[PROCS][GOIDS + 1][STATES];
};

/* What a goroutine of the made-up program is, whether or not anybody was told. */
struct one {
	bool ever, alive,
		hidden; /* hidden: an event of it was; after a hidden end it stays ended */
	uint8_t state;
};

struct world {
	uint64_t seed, now;
	struct names *names;
	struct model *model;
	struct pyramid *pyramid;
	struct perfetto *perfetto;
	struct buf trace;
	uint64_t cursor;
	bool readings;
	struct one all[PROCS][GOIDS + 1];
	struct event batch[64];
	size_t n;
};

static unsigned rnd(struct world *w, unsigned n)
{
	return (unsigned)((next_random(&w->seed) >> 16) % n);
}

static void open_world(struct world *w, uint64_t seed, bool readings)
{
	struct model_config config = {.retain = 100000, .retain_exited = 1000, .workers = 1};

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->now = BASE;
	w->readings = readings;
	assert_int_equal(names_new(1000, &w->names), 0);
	config.names = w->names;
	assert_int_equal(model_new(&config, &w->model), 0);
	assert_int_equal(pyramid_new(0, &w->pyramid), 0);
	assert_int_equal(perfetto_new(w->names, 0, &w->perfetto), 0);
	for (unsigned proc = 0; proc < PROCS; proc++) {
		struct proc_info info = {.pid = (pid_t)proc + 1, .attached_ns = BASE};

		assert_int_equal(model_proc_add(w->model, &info), proc);
		assert_int_equal(perfetto_process(w->perfetto, proc, &info, &w->trace), 0);
	}
}

static void close_world(struct world *w)
{
	buf_free(&w->trace);
	perfetto_free(w->perfetto);
	pyramid_free(w->pyramid);
	model_free(w->model);
	names_free(w->names);
}

/* The batch to the model, and what that puts into its feed to everybody else. */
static void deliver(struct world *w)
{
	struct event events[128];
	size_t n;

	if (w->n)
		model_apply(w->model, w->batch, w->n);
	w->n = 0;
	while ((n = feed_read(model_feed(w->model), &w->cursor, events, ARRAY_SIZE(events),
			      NULL))) {
		pyramid_apply(w->pyramid, w->names, events, n);
		assert_int_equal(perfetto_events(w->perfetto, events, n, &w->trace), 0);
	}
	pyramid_until(w->pyramid, w->now);
	for (unsigned proc = 0; proc < PROCS; proc++)
		assert_int_equal(pyramid_sync(w->pyramid, w->model, proc, w->now + 1), 0);
}

static void tell(struct world *w, struct event ev)
{
	ev.time_ns = w->now;
	w->batch[w->n++] = ev;
	/* What is hidden can be asked of the model only, before the next event comes. */
	if (w->n == ARRAY_SIZE(w->batch) || ev.flags & EVENT_HIDDEN || !rnd(w, 20))
		deliver(w);
}

static uint64_t pick_running(struct world *w, unsigned proc)
{
	uint64_t goid = 1 + rnd(w, GOIDS);
	const struct one *g = &w->all[proc][goid];

	return g->alive && g->state == GSTATE_RUNNING ? goid : 0;
}

static void change(struct world *w, unsigned proc, uint64_t goid, uint8_t to, uint8_t flags)
{
	struct one *g = &w->all[proc][goid];
	struct event ev = {.type = EVENT_CASGSTATUS,
			   .proc = (uint16_t)proc,
			   .target = goid,
			   .goid = rnd(w, 2) ? goid : pick_running(w, proc),
			   .from = g->state,
			   .to = to,
			   .flags = flags};

	if (to == GSTATE_WAITING)
		ev.string_id = 1 + rnd(w, 3);
	/* Now and then what went before was missed; or this one is. */
	if (g->alive && !rnd(w, 40))
		ev.from = (uint8_t)rnd(w, GSTATES);
	g->state = to;
	/* That one is back is told: what has ended does nothing. */
	if (rnd(w, 30) || flags || (g->ever && !g->alive))
		tell(w, ev);
}

static void begin(struct world *w, unsigned proc, uint64_t goid)
{
	struct one *g = &w->all[proc][goid];
	uint64_t creator = pick_running(w, proc);
	unsigned how = g->ever ? 2 : rnd(w, 6);

	if (g->hidden)
		return;
	g->state = GSTATE_DEAD;
	g->hidden |= how == 5;
	if (how)
		change(w, proc, goid, GSTATE_RUNNABLE, how == 5 ? EVENT_HIDDEN : 0);
	g->state = GSTATE_RUNNABLE;
	if (!g->ever && how != 1)
		tell(w, (struct event){.type = EVENT_NEWGOROUTINE,
				       .proc = (uint16_t)proc,
				       .goid = creator,
				       .target = goid,
				       .flags = how == 5 ? EVENT_HIDDEN : 0});
	g->ever = g->alive = true;
}

static void end(struct world *w, unsigned proc, uint64_t goid)
{
	struct one *g = &w->all[proc][goid];
	unsigned how = rnd(w, 8);
	uint8_t flags = how == 7 ? EVENT_HIDDEN : 0;

	g->hidden |= flags != 0;
	if (how)
		change(w, proc, goid, rnd(w, 2) ? GSTATE_DEAD : GSTATE_DEADEXTRA, flags);
	g->alive = false;
	g->state = GSTATE_DEAD;
	if (how != 1)
		tell(w, (struct event){.type = EVENT_GOEXIT,
				       .proc = (uint16_t)proc,
				       .goid = goid,
				       .target = goid,
				       .flags = flags});
}

static void act(struct world *w, unsigned proc, uint64_t goid)
{
	tell(w, (struct event){.type = (uint8_t)(EVENT_MAKESLICE + rnd(w, 3)),
			       .proc = (uint16_t)proc,
			       .goid = goid,
			       .cap = 1});
}

static void lose(struct world *w, unsigned proc)
{
	uint64_t lost[EVENT_TYPES] = {1};

	deliver(w);
	model_lost(w->model, rnd(w, 2) ? (int)proc : -1, lost, w->now);
	for (unsigned goid = 1; goid <= GOIDS; goid++) {
		static const uint8_t any[] = {GSTATE_RUNNING, GSTATE_WAITING, GSTATE_SYSCALL};

		if (w->all[proc][goid].alive)
			w->all[proc][goid].state = any[rnd(w, 3)];
	}
}

/* Memory says what is true, or an older truth, or misses one that lives. */
static void read_memory(struct world *w, unsigned proc)
{
	struct goroutine_seen seen[GOIDS];
	size_t n = 0;

	deliver(w);
	for (unsigned goid = 1; goid <= GOIDS; goid++) {
		const struct one *g = &w->all[proc][goid];

		if (g->alive && rnd(w, 10))
			seen[n++] = (struct goroutine_seen){
				.goid = goid,
				.state = rnd(w, 10) ? g->state : (uint8_t)rnd(w, GSTATES),
				.reason_id = rnd(w, 3)};
	}
	model_heal(w->model, proc, seen, n, w->now, rnd(w, 2));
	deliver(w);
}

static void step(struct world *w)
{
	unsigned proc = rnd(w, PROCS);
	uint64_t goid = 1 + rnd(w, GOIDS);
	struct one *g = &w->all[proc][goid];
	static const uint8_t after_syscall[] = {GSTATE_RUNNING, GSTATE_RUNNABLE, GSTATE_SYSCALL};

	w->now += rnd(w, 2) ? rnd(w, 100000) : 0;
	if (!rnd(w, 60)) {
		lose(w, proc);
	} else if (w->readings && !rnd(w, 20)) {
		read_memory(w, proc);
	} else if (!g->alive) {
		if (!rnd(w, 4))
			begin(w, proc, goid);
		else if (g->ever && !g->hidden && !rnd(w, 20)) { /* it had not ended after all */
			change(w, proc, goid, GSTATE_RUNNING, 0);
			g->alive = true;
		}
	} else if (g->state == GSTATE_RUNNING) {
		static const uint8_t next[] = {GSTATE_WAITING,   GSTATE_SYSCALL, GSTATE_RUNNABLE,
					       GSTATE_COPYSTACK, GSTATE_RUNNING, GSTATE_PREEMPTED};
		unsigned what = rnd(w, 14);

		if (what < ARRAY_SIZE(next))
			change(w, proc, goid, next[what], 0);
		else if (what < 13)
			act(w, proc, goid);
		else
			end(w, proc, goid);
	} else if (!rnd(w, 50)) {
		act(w, proc, goid); /* a change was missed */
	} else if (g->state == GSTATE_SYSCALL) {
		change(w, proc, goid, after_syscall[rnd(w, 3)], 0);
	} else if (g->state == GSTATE_COPYSTACK || g->state == GSTATE_RUNNABLE) {
		change(w, proc, goid, GSTATE_RUNNING, 0);
	} else {
		change(w, proc, goid, rnd(w, 4) ? GSTATE_RUNNABLE : GSTATE_LEAKED, 0);
	}
}

static void live(struct world *w, unsigned steps)
{
	while (steps--)
		step(w);
	/* Perfetto ends with the last event. */
	w->now++;
	tell(w, (struct event){.type = EVENT_NEWOBJECT, .size = 8});
	deliver(w);
}

/* --- what each says --------------------------------------------------------------------------- */

static void ask_model(struct world *w, struct times *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned proc = 0; proc < PROCS; proc++) {
		for (unsigned goid = 1; goid <= GOIDS; goid++) {
			struct goroutine g;

			if (model_goroutine(w->model, proc, goid, &g))
				continue;
			memcpy(ret->v[proc][goid], g.state_ns, sizeof(g.state_ns));
			if (!(g.flags & (GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN)))
				ret->v[proc][goid][g.state] += w->now - g.state_since_ns;
		}
	}
}

struct sum {
	uint64_t *v, now;
};

static void add_stay(void *ctx, const struct stay *stay)
{
	const struct sum *sum = ctx;

	assert_in_range(stay->state, 0, GSTATES);
	sum->v[stay->state] += (stay->end ? stay->end : sum->now) - stay->begin;
}

static void ask_stays(struct world *w, struct times *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned proc = 0; proc < PROCS; proc++) {
		for (unsigned goid = 1; goid <= GOIDS; goid++) {
			struct sum sum = {ret->v[proc][goid], w->now};
			struct event *events;
			struct goroutine g;
			uint64_t *seqs;
			size_t n;

			if (model_goroutine(w->model, proc, goid, &g))
				continue;
			assert_int_equal(model_goroutine_events(w->model, proc, goid, 0, UINT64_MAX,
								&events, &seqs, &n),
					 0);
			stays_walk(&g, events, n, 0, add_stay, &sum);
			free(events);
			free(seqs);
		}
	}
}

/* By process: the pyramid's exact figures are those of all its goroutines. */
static void ask_pyramid(struct world *w, uint64_t ret[PROCS][STATES])
{
	static struct pyramid_bucket b[BUCKETS];

	memset(ret, 0, PROCS * sizeof(*ret));
	assert_true(w->now - BASE < (uint64_t)BUCKETS << 20);
	for (unsigned proc = 0; proc < PROCS; proc++) {
		assert_int_equal(pyramid_series(w->pyramid, proc, 20, BASE >> 20, BUCKETS, b), 0);
		for (unsigned i = 0; i < BUCKETS; i++) {
			for (unsigned s = 0; s < STATES; s++)
				ret[proc][s] += b[i].state_ns[s];
		}
	}
}

/* A slice's name as a state. */
static unsigned state_of(const char *name)
{
	if (!strncmp(name, "waiting", 7))
		return GSTATE_WAITING;
	for (unsigned s = 0; s < GSTATES; s++) {
		if (!strcmp(name, gstate_name(s)))
			return s;
	}
	assert_string_equal(name, "unknown");
	return GSTATES;
}

/* The trace of a tracks of its own: begins and ends of slices alternate. */
static void ask_perfetto(struct world *w, struct times *ret)
{
	static char *names[4096];
	uint64_t since[PROCS][GOIDS + 1] = {0};
	unsigned state[PROCS][GOIDS + 1];
	Perfetto__Trace *trace;

	memset(ret, 0, sizeof(*ret));
	memset(names, 0, sizeof(names));
	assert_int_equal(perfetto_finish(w->perfetto, 0, &w->trace), 0);
	trace = perfetto__trace__unpack(NULL, w->trace.len, (const uint8_t *)w->trace.data);
	assert_non_null(trace);
	for (size_t i = 0; i < trace->n_packet; i++) {
		const Perfetto__TracePacket *p = trace->packet[i];
		const Perfetto__TrackEvent *ev = p->track_event;
		unsigned proc, goid;

		for (size_t k = 0; p->interned_data && k < p->interned_data->n_event_names; k++) {
			assert_true(p->interned_data->event_names[k]->iid < ARRAY_SIZE(names));
			names[p->interned_data->event_names[k]->iid] =
				p->interned_data->event_names[k]->name;
		}
		if (!ev || (ev->type != 1 && ev->type != 2))
			continue;
		proc = (unsigned)(ev->track_uuid >> 48) - 1;
		goid = (unsigned)(ev->track_uuid & 0xffff) - 1;
		assert_in_range(proc, 0, PROCS - 1);
		assert_in_range(goid, 1, GOIDS);
		if (ev->type == 1) {
			assert_int_equal(since[proc][goid], 0);
			since[proc][goid] = p->timestamp;
			state[proc][goid] = state_of(names[ev->name_iid]);
			continue;
		}
		assert_in_range(since[proc][goid], 1, p->timestamp);
		ret->v[proc][goid][state[proc][goid]] += p->timestamp - since[proc][goid];
		since[proc][goid] = 0;
	}
	for (unsigned proc = 0; proc < PROCS; proc++) {
		for (unsigned goid = 1; goid <= GOIDS; goid++)
			assert_int_equal(since[proc][goid], 0);
	}
	perfetto__trace__free_unpacked(trace, NULL);
}

/* --- and that it is the same ------------------------------------------------------------------ */

static void same_as_pyramid(struct world *w, const struct times *model)
{
	uint64_t pyramid[PROCS][STATES];

	ask_pyramid(w, pyramid);
	for (unsigned proc = 0; proc < PROCS; proc++) {
		for (unsigned s = 0; s < GSTATES; s++) {
			uint64_t sum = 0;

			for (unsigned goid = 1; goid <= GOIDS; goid++)
				sum += model->v[proc][goid][s];
			assert_int_equal(sum, pyramid[proc][s]);
		}
	}
}

static void test_same(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct times model, stays, perfetto;
		uint64_t known = 0, unknown = 0;
		struct world w;

		open_world(&w, seed * 88172645463325252ull, false);
		live(&w, STEPS);
		ask_model(&w, &model);
		ask_stays(&w, &stays);
		ask_perfetto(&w, &perfetto);
		for (unsigned proc = 0; proc < PROCS; proc++) {
			for (unsigned goid = 1; goid <= GOIDS; goid++) {
				bool hidden = w.all[proc][goid].hidden;

				for (unsigned s = 0; s < GSTATES; s++) {
					uint64_t ns = model.v[proc][goid][s];

					assert_int_equal(stays.v[proc][goid][s], ns);
					/* Its end was not in the feed. */
					if (!hidden)
						assert_int_equal(perfetto.v[proc][goid][s], ns);
					known += ns;
				}
				unknown += stays.v[proc][goid][GSTATES];
				if (!hidden)
					assert_int_equal(perfetto.v[proc][goid][GSTATES],
							 stays.v[proc][goid][GSTATES]);
				assert_int_equal(model.v[proc][goid][GSTATE_COPYSTACK], 0);
			}
		}
		same_as_pyramid(&w, &model);
		assert_true(known > unknown && unknown > 0);
		close_world(&w);
	}
}

/* The same with readings of memory between the events, which the pyramid hears of by the model. */
static void test_readings(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct times model;
		struct world w;

		open_world(&w, seed * 2463534242ull, true);
		live(&w, STEPS);
		ask_model(&w, &model);
		same_as_pyramid(&w, &model);
		close_world(&w);
	}
}

/* A process that ended: what was open ends with it. */
static void test_frozen(void **state)
{
	struct proc_info info = {.pid = 1, .attached_ns = BASE};
	struct times perfetto;
	struct world w;
	uint64_t ended;

	open_world(&w, 1, false);
	w.all[0][1].alive = true;
	tell(&w, (struct event){.type = EVENT_CASGSTATUS,
				.target = 1,
				.from = GSTATE_DEAD,
				.to = GSTATE_RUNNABLE});
	ended = w.now += 1000;
	model_proc_exited(w.model, 0, ended);
	assert_int_equal(model_proc(w.model, 0, &info), 0);
	assert_int_equal(perfetto_process(w.perfetto, 0, &info, &w.trace), 0);
	w.now += 5000;
	tell(&w, (struct event){.type = EVENT_NEWOBJECT, .proc = 1, .goid = 1, .size = 8});
	deliver(&w);
	ask_perfetto(&w, &perfetto);
	assert_int_equal(perfetto.v[0][1][GSTATE_RUNNABLE], 1000);
	close_world(&w);
}

/* A record and what is counted beside it, before and after. */
struct counted {
	struct record g;
	struct shard_proc sp;
	struct event ev;
};

/* Both ways from the same begin: false where there is no short one. */
static bool same_by_short_way(const struct life *life, const struct event *ev)
{
	static struct counted shortly, wholly;
	struct shard_proc *procs[] = {&wholly.sp};
	struct shard s = {.procs = procs};
	struct meaning meaning;

	if (!life_moves_on(life, ev))
		return false;
	memset(&shortly, 0, sizeof(shortly));
	shortly.g.goid = 7;
	shortly.g.life = *life;
	shortly.g.woken_by = 99;
	shortly.g.last_event_ns = life->since_ns;
	shortly.sp.live[life->state] = 3;
	shortly.ev = *ev;
	wholly = shortly;
	record_move(&shortly.sp, &shortly.g, &shortly.ev);
	walk_subject(&wholly.g.life, &wholly.ev, &meaning);
	if (meaning.means & MEANS_WAITED)
		wholly.ev.string_id = meaning.waited_id;
	record_follow(&s, &wholly.g, &meaning, 0);
	assert_int_equal(meaning.means & ~(unsigned)(MEANS_STATE | MEANS_LATENCY | MEANS_WOKEN |
						     MEANS_WAITED),
			 0);
	assert_memory_equal(&shortly.g, &wholly.g, sizeof(wholly.g));
	assert_memory_equal(&shortly.sp, &wholly.sp, sizeof(wholly.sp));
	assert_memory_equal(&shortly.ev, &wholly.ev, sizeof(wholly.ev));
	return true;
}

/* The short way of an event (life_moves_on(), record_move()) says what the whole one says, whatever
 * is known and told; and it is the way of a change in time that is no surprise. */
static void test_short_way(void **state)
{
	unsigned went = 0;

	for (unsigned one = 0; one <= 16; one++) {
		for (unsigned two = one; two <= 16; two++) {
			uint16_t flags = (uint16_t)(LIFE_SEEN ^ (1u << one | 1u << two));

			for (unsigned k = 0; k < GSTATES * GSTATES * GSTATES; k++) {
				struct life life = {.since_ns = 1000,
						    .ran_ns = k % 2 ? 1500 : 0,
						    .reason_id = 5,
						    .flags = flags,
						    .state = (uint8_t)(k % GSTATES),
						    .before = GSTATE_SYSCALL};
				struct event ev = {.type = EVENT_CASGSTATUS,
						   .target = 7,
						   .string_id = k % 5,
						   .from = (uint8_t)(k / GSTATES % GSTATES),
						   .to = (uint8_t)(k / GSTATES / GSTATES)};

				for (unsigned how = 0; how < 3 * 3 * 9; how++) {
					ev.time_ns = 900 + 400 * (how % 3);
					ev.goid = how / 3 % 3 * 7;
					ev.flags = (uint8_t)(1u << how / 9 >> 1);
					went += same_by_short_way(&life, &ev);
				}
			}
		}
	}
	assert_true(went > 1000);
	assert_true(same_by_short_way(
		&(struct life){.since_ns = 1, .flags = LIFE_SEEN, .state = GSTATE_RUNNING},
		&(struct event){.time_ns = 1, .from = GSTATE_RUNNING, .to = GSTATE_WAITING}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_short_way),
		cmocka_unit_test(test_readings),
		cmocka_unit_test(test_frozen),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
