/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows that are arrays without names, for the UI, which reads many of them: COLUMN(name, kind,
 * value) in their order, where kind is u64, id or text and value is an expression over what
 * add_row() and the like have at hand. PACK() writes a row; contract.c tells the UI which name
 * stands where.
 */
#ifndef XGOTOPFS_VIEW_COLUMNS_H
#define XGOTOPFS_VIEW_COLUMNS_H

#include "core/base/buf.h"
#include "core/base/json.h"

/* rows: a goroutine `g`; reason, func and site are numbers into the answer's texts (`t`). */
#define ROW_COLUMNS(COLUMN)                                                                        \
	COLUMN(goid, id, g->goid)                                                                  \
	COLUMN(parent, u64, g->parent)                                                             \
	COLUMN(state, u64, view_state(g))                                                          \
	COLUMN(flags, u64, g->flags)                                                               \
	COLUMN(reason, u64, string_number(t, view_reason_id(g)))                                   \
	COLUMN(func, u64, string_number(t, g->start_func_id))                                      \
	COLUMN(site, u64, site_number(t, g->created_site_id))                                      \
	COLUMN(since, u64, g->state_since_ns)                                                      \
	COLUMN(created, u64, g->created_ns)                                                        \
	COLUMN(exited, u64, g->exited_ns)                                                          \
	COLUMN(last, u64, g->last_event_ns)                                                        \
	COLUMN(woken_by, u64, g->woken_by)                                                         \
	COLUMN(events, u64, view_events_of(g))                                                     \
	COLUMN(slices, u64, g->counts[EVENT_MAKESLICE])                                            \
	COLUMN(maps, u64, g->counts[EVENT_MAKEMAP])                                                \
	COLUMN(objects, u64, g->counts[EVENT_NEWOBJECT])                                           \
	COLUMN(bytes, u64, g->alloc_bytes)                                                         \
	COLUMN(running, u64, g->state_ns[GSTATE_RUNNING])                                          \
	COLUMN(runnable, u64, g->state_ns[GSTATE_RUNNABLE])                                        \
	COLUMN(syscall, u64, g->state_ns[GSTATE_SYSCALL])                                          \
	COLUMN(waiting, u64, g->state_ns[GSTATE_WAITING])                                          \
	COLUMN(runnable_max, u64, g->runnable_max_ns)                                              \
	COLUMN(children, u64, g->children)                                                         \
	COLUMN(began, u64, goroutine_began(g))

/* spans: a `stay` of one goroutine; end 0: it is in it. */
#define SPAN_COLUMNS(COLUMN)                                                                       \
	COLUMN(begin, u64, stay->begin)                                                            \
	COLUMN(end, u64, stay->end)                                                                \
	COLUMN(state, u64, stay->state)                                                            \
	COLUMN(reason, text, names_string(names, stay->reason_id))                                 \
	COLUMN(ended_by, u64, stay->ended_by)

/* stays: the same of any goroutine; ns is how much of it lies in the time asked for. */
#define STAY_COLUMNS(COLUMN)                                                                       \
	COLUMN(goid, u64, found->goid)                                                             \
	COLUMN(begin, u64, stay->begin)                                                            \
	COLUMN(end, u64, stay->end)                                                                \
	COLUMN(ns, u64, found->ns)                                                                 \
	COLUMN(reason, text, names_string(names, stay->reason_id))                                 \
	COLUMN(ended_by, u64, stay->ended_by)                                                      \
	COLUMN(state, u64, stay->state)                                                            \
	COLUMN(begin_known, u64, stay->seen)

/* edges: who woke or made whom, by event `ev`; kind is "wake" or "create". */
#define EDGE_COLUMNS(COLUMN)                                                                       \
	COLUMN(time, u64, ev->time_ns)                                                             \
	COLUMN(from, u64, ev->goid)                                                                \
	COLUMN(to, u64, goid)                                                                      \
	COLUMN(kind, text, word)

/* sched/cpus: a span of a CPU, of one run or of several that are too short to be told apart; kinds:
 * bits 1 << enum run_kind; busy: ns in it that are not unknown; ended, cpu_end: of one alone. */
#define LANE_COLUMNS(COLUMN)                                                                       \
	COLUMN(begin, u64, s->begin)                                                               \
	COLUMN(end, u64, s->end)                                                                   \
	COLUMN(goid, u64, s->goid)                                                                 \
	COLUMN(runs, u64, s->runs)                                                                 \
	COLUMN(busy, u64, s->busy)                                                                 \
	COLUMN(kinds, u64, s->kinds)                                                               \
	COLUMN(ended, u64, s->ended)                                                               \
	COLUMN(cpu_end, u64, s->cpu_end)                                                           \
	COLUMN(sure, u64, s->sure)

/* sched/cpus: the collector at work. */
#define MARK_COLUMNS(COLUMN)                                                                       \
	COLUMN(begin, u64, m->begin)                                                               \
	COLUMN(end, u64, m->end)                                                                   \
	COLUMN(goid, u64, m->goid)                                                                 \
	COLUMN(what, text, m->what)

/* What goroutines are sorted by: KEY(name, function). */
#define SORT_KEYS(KEY)                                                                             \
	KEY(id, by_id)                                                                             \
	KEY(age, view_age_ns)                                                                      \
	KEY(since, by_since)                                                                       \
	KEY(waiting, by_waiting)                                                                   \
	KEY(runnable, by_runnable)                                                                 \
	KEY(alloc, by_alloc)                                                                       \
	KEY(events, by_events)                                                                     \
	KEY(last, by_last)

static inline void pack_u64(struct buf *out, uint64_t value)
{
	buf_addu(out, value);
	buf_addc(out, ',');
}

/* A reader in JavaScript tells integers up to 2^53 apart, and takes one number for another from
 * there on: from there on it is a text. */
static inline void pack_id(struct buf *out, uint64_t value)
{
	const char *quote = value < 1ull << 53 ? "" : "\"";

	buf_adds(out, quote);
	buf_addu(out, value);
	buf_adds(out, quote);
	buf_addc(out, ',');
}

static inline void pack_text(struct buf *out, const char *value)
{
	json_str(out, value);
	buf_addc(out, ',');
}

static inline void pack_end(struct buf *out)
{
	if (!buf_error(out))
		out->data[out->len - 1] = ']';
}

#define PACK_COLUMN(name, kind, value) pack_##kind(out, value);

/* One row into `out`, which has that name. */
#define PACK(COLUMNS)                                                                              \
	do {                                                                                       \
		buf_addc(out, '[');                                                                \
		COLUMNS(PACK_COLUMN)                                                               \
		pack_end(out);                                                                     \
	} while (0)

#endif
