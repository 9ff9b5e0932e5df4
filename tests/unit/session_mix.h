/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A typical mix of events for tests and benchmarks, always the same for the same seed: an HTTP
 * server with the shares of event types the recorded example sessions have (seed: 50 % newobject,
 * 36 % casgstatus, 6 % makeslice, 5 % newgoroutine, 3.5 % makemap) and as many goexit as
 * newgoroutine. Half of the goroutines are the listener's children, half other goroutines'.
 */
#ifndef XGOTOPFS_TESTS_SESSION_MIX_H
#define XGOTOPFS_TESTS_SESSION_MIX_H

#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/model/event.h"
#include "core/model/names.h"

#define MIX_TYPES    60
#define MIX_SITES    200
#define MIX_REASONS  6
#define MIX_LIVE     200                             /* goroutines at a time */
#define MIX_START_NS (3ull * 24 * 3600 * NS_PER_SEC) /* three days of uptime */

struct mix {
	uint64_t random, time_ns, next_goid;
	unsigned births; /* goroutines that end, for another one to begin, in 1000 events */
	unsigned made;   /* events */
	unsigned born;   /* 1 + the slot whose goroutine is created next; 0 none */
	uint32_t types[MIX_TYPES], maps[MIX_TYPES / 4], sites[MIX_SITES], reasons[MIX_REASONS];
	uint32_t funcs[4], sizes[MIX_TYPES];
	struct {
		uint64_t goid, parent;
		uint8_t state;
	} live[MIX_LIVE];
};

static inline uint32_t mix_random(struct mix *m, uint32_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (uint32_t)((m->random >> 20) % below);
}

/* Small numbers more often, as hot types and sites are. */
static inline uint32_t mix_skewed(struct mix *m, uint32_t below)
{
	return mix_random(m, mix_random(m, below) + 1);
}

static inline uint32_t mix_name(struct names *names, const char *format, unsigned i)
{
	char text[80];
	int n = snprintf(text, sizeof(text), format, i);

	return names_intern(names, text, (size_t)n);
}

static inline void mix_init(struct mix *m, struct names *names, uint64_t seed)
{
	static const char *const reasons[MIX_REASONS] = {"chan receive",     "select",
							 "IO wait",          "sync.Mutex.Lock",
							 "GC worker (idle)", "sleep"};
	char text[80];

	memset(m, 0, sizeof(*m));
	m->random = seed * 2654435761u + 88172645463325252ull;
	m->time_ns = MIX_START_NS;
	m->next_goid = 35;
	m->births = 50;
	for (unsigned i = 0; i < MIX_TYPES; i++) {
		snprintf(text, sizeof(text), "net/http.type%u", i);
		m->sizes[i] = 8 + i * 8 % 300;
		m->types[i] = names_add_type(
			names, &(struct go_type){.name = text, .size = m->sizes[i], .kind = 25});
	}
	for (unsigned i = 0; i < MIX_TYPES / 4; i++) {
		snprintf(text, sizeof(text), "map[string]main.T%u", i);
		m->maps[i] = names_add_type(names, &(struct go_type){.name = text,
								     .size = 8,
								     .kind = 21,
								     .key_size = 16,
								     .key_kind = 24,
								     .elem_size = 8,
								     .elem_kind = 22});
	}
	for (unsigned i = 0; i < MIX_SITES; i++)
		m->sites[i] = names_add_site(
			names,
			(struct site){mix_name(names, "net/http.(*conn).serve%u", i),
				      mix_name(names, "/usr/lib/go/src/net/http/f%u.go", i / 20),
				      10 + i});
	for (unsigned i = 0; i < MIX_REASONS; i++)
		m->reasons[i] = names_intern(names, reasons[i], strlen(reasons[i]));
	for (unsigned i = 0; i < 4; i++)
		m->funcs[i] = mix_name(names, "net/http.(*Server).Serve.gowrap%u", i);
	for (unsigned i = 0; i < MIX_LIVE; i++) {
		m->live[i].goid = m->next_goid++;
		m->live[i].parent = 1;
		m->live[i].state = GSTATE_RUNNING;
	}
}

/* One that runs, `who` or the next: what acts does. */
static inline unsigned mix_runner(const struct mix *m, unsigned who)
{
	for (unsigned i = 0; i < MIX_LIVE; i++) {
		if (m->live[(who + i) % MIX_LIVE].state == GSTATE_RUNNING)
			return (who + i) % MIX_LIVE;
	}
	return who;
}

static inline void mix_status(struct mix *m, struct event *ev, unsigned who)
{
	uint8_t from = m->live[who].state, to;

	switch (from) {
	case GSTATE_RUNNING:
		to = mix_random(m, 3) ? GSTATE_WAITING : GSTATE_SYSCALL;
		break;
	case GSTATE_WAITING:
		to = GSTATE_RUNNABLE;
		break;
	default:
		to = GSTATE_RUNNING;
	}
	m->live[who].state = to;
	ev->from = from;
	ev->to = to;
	ev->target = m->live[who].goid;
	if (to == GSTATE_WAITING)
		ev->string_id = m->reasons[mix_skewed(m, MIX_REASONS)];
	if (from == GSTATE_WAITING) { /* another goroutine wakes it, or the network poller */
		unsigned waker = mix_runner(m, mix_random(m, MIX_LIVE));

		ev->goid = mix_random(m, 2) ? m->live[waker].goid : 0;
		ev->parent = ev->goid ? m->live[waker].parent : 0;
	}
}

/* A goroutine ends, and another one is created in its place with the next event. */
static inline void mix_end(struct mix *m, struct event *ev, unsigned who)
{
	ev->type = EVENT_GOEXIT;
	ev->target = ev->goid;
	ev->exit_time = ev->time_ns;
	m->live[who].goid = m->next_goid++;
	m->live[who].state = GSTATE_RUNNABLE;
	m->born = who + 1;
}

static inline void mix_create(struct mix *m, struct event *ev, unsigned who)
{
	unsigned creator = mix_runner(m, (who + 1 + mix_random(m, MIX_LIVE - 1)) % MIX_LIVE);
	bool listener = mix_random(m, 2);

	ev->type = EVENT_NEWGOROUTINE;
	ev->target = m->live[who].goid;
	ev->goid = m->live[who].parent = listener ? 1 : m->live[creator].goid;
	ev->parent = listener ? 0 : m->live[creator].parent;
	ev->string_id = m->funcs[mix_random(m, 4)];
	ev->site_id = m->sites[mix_random(m, 4)];
	m->born = 0;
}

static inline void mix_next(struct mix *m, struct event *ev)
{
	unsigned who = mix_random(m, MIX_LIVE), kind = mix_random(m, 1000), i;

	m->time_ns += 200 + mix_random(m, 1000);
	memset(ev, 0, sizeof(*ev));
	ev->time_ns = m->time_ns;
	ev->goid = m->live[who].goid;
	ev->parent = m->live[who].parent;
	/* Of four CPUs: some events in a row, as one handles a request. */
	ev->cpu = (uint16_t)(1 + ((m->made++ / 8 * 2654435761u) >> 30));
	if (m->born) {
		mix_create(m, ev, m->born - 1);
		return;
	}
	if (kind < 395 - m->births) {
		ev->type = EVENT_CASGSTATUS;
		mix_status(m, ev, who);
		return;
	}
	who = mix_runner(m, who);
	ev->goid = m->live[who].goid;
	ev->parent = m->live[who].parent;
	if (kind < 395) {
		mix_end(m, ev, who);
		return;
	}
	/* What is allocated where: a call site allocates one type. */
	i = mix_skewed(m, MIX_SITES);
	ev->site_id = m->sites[i];
	if (kind < 458) {
		ev->type = EVENT_MAKESLICE;
		ev->type_id = m->types[i % MIX_TYPES];
		ev->len = mix_random(m, 64);
		ev->cap = ev->len + mix_random(m, 64);
	} else if (kind < 494) {
		ev->type = EVENT_MAKEMAP;
		ev->type_id = m->maps[i % (MIX_TYPES / 4)];
		ev->hint = mix_random(m, 16);
	} else {
		ev->type = EVENT_NEWOBJECT;
		ev->type_id = m->types[i % MIX_TYPES];
		ev->size = m->sizes[i % MIX_TYPES];
	}
}

#endif
