/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stays: from when to when a goroutine was in one state, out of its retained events. What counts
 * them (range), lists them (stays) and draws them (spans) reads the same ones.
 */
#ifndef XGOTOPFS_VIEW_STAYS_H
#define XGOTOPFS_VIEW_STAYS_H

#include "core/view/view.h"

struct stay {
	uint64_t begin, end; /* end 0: it is in it */
	uint64_t ended_by;   /* goid; 0: itself, the runtime, or not known */
	uint32_t reason_id;  /* why it waits; names_string() */
	uint8_t state;       /* enum gstate, GSTATES: not known */
	bool seen;           /* its begin is known; else what is known begins there */
};

/*
 * Calls fn for each stay, oldest first. `events` are the goroutine's, which are kept from since_ns
 * on; g may be older than they. What an event means is core/model/walk.h's word.
 */
void stays_walk(const struct goroutine *g, const struct event *events, size_t n, uint64_t since_ns,
		void (*fn)(void *ctx, const struct stay *stay), void *ctx);

/* The number of the first retained event that is not before a time; the head when there is none.
 * They are in the order of time but for some microseconds. */
uint64_t view_feed_at(const struct view *v, uint64_t time_ns);

/* What is asked about: [from, to). Events are kept from since_ns on. */
struct window {
	uint64_t from, to, since_ns, now;
	uint64_t end_ns; /* of the process; 0: it runs */
	bool torn;       /* it reaches into what could not be read of a session */
	bool unseen;     /* no probe was attached for a part of it, as far as is known */
};

/*
 * What is asked about: the arguments from and to, of q's process. Nothing is told of what is to
 * come: a `to` after now is cut to it (past now by one, so that the last event is in it), a `from`
 * after now is refused. 0 or -EINVAL.
 */
int window_read(const struct view *v, struct view_query *q, struct window *ret);
/* What is left of a window whose from and to are set. */
void window_place(struct window *w, const struct view *v, unsigned proc);
/* All of the time of a process that is known. */
void window_all(const struct view *v, unsigned proc, struct window *ret);
/* For who reads such arguments on its own: a time after now is refused. 0 or -EINVAL. */
int view_not_to_come(struct view_query *q, const char *name, uint64_t at_ns, uint64_t now_ns);
/* Its end, for who reads it: now at most. */
uint64_t window_to(const struct window *w);
/* All events of it were seen, are kept, and were read. */
bool window_exact(const struct window *w);
/* Why not, a line; nothing where it is. */
void window_note(const struct window *w, struct buf *out);
/* stays_walk(), where what is open in a process that has ended ends with it. */
void window_walk(const struct window *w, const struct goroutine *g, const struct event *events,
		 size_t n, void (*fn)(void *ctx, const struct stay *stay), void *ctx);
/* The same over the retained events of g. 0 or -ENOMEM. */
int window_stays(const struct window *w, const struct view *v, const struct goroutine *g,
		 void (*fn)(void *ctx, const struct stay *stay), void *ctx);
/* Exited goroutines of a process that are no longer kept. */
struct missing {
	uint64_t dropped; /* whenever they ended */
	bool here;        /* some were there in the window, and may have been asked for */
};

/* One whose retained events those are, oldest first, n of them. 0, or an error, which ends it. */
typedef int window_goroutine_fn(void *ctx, const struct goroutine *g, const struct event *events,
				size_t n);
/*
 * Calls fn for each goroutine that q chooses (choose.h), by goid, and tells what is missing. What
 * counts, lists or draws what goroutines did in a window goes through here, so that all of it is of
 * the same ones. 0, fn's, or what view_pass_new_in() says.
 */
int window_pass(const struct window *w, const struct view *v, struct view_query *q,
		window_goroutine_fn *fn, void *ctx, struct missing *ret);
/* ns of a stay that are in the window. */
uint64_t window_inside(const struct window *w, const struct stay *stay);

#endif
