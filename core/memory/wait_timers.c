/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The channels of timers up to 1.22, and later with asynctimerchan=1, look like any other. But a
 * timer knows its channel: its argument (time/sleep.go newTimer(), sendTime()); and each P has its
 * timers in a heap (time.go: p.timers, a slice of them; from 1.23 on a struct that has one, with
 * their times). A timer that is just being fired or moved is missed: then the channel shows as any
 * other.
 */
#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/roots.h"
#include "core/memory/wait_reading.h"

#define TIMERS_MAX (1u << 22) /* of all Ps together */
#define BATCH      512
#define IS_CHAN    10 /* timer.isChan */
#define TIMER_WHEN 24 /* timer.when is so far before timer.arg: period and f are between */

/* time.go timer, from 1.23 on: isChan, and when it fires: 0, never. */
bool timer_is_stopped(const struct wait_reading *r, uint64_t timer)
{
	uint8_t bytes[GO_WAIT_SIZE_MAX];
	const uint32_t arg = r->l->timer_arg;
	uint64_t when;

	if (!r->l->timers_in_struct || arg < TIMER_WHEN + IS_CHAN || arg > sizeof(bytes) ||
	    timer % 8 || memory_read(r->pid, timer, bytes, arg))
		return false;
	memcpy(&when, bytes + arg - TIMER_WHEN, sizeof(when));
	return bytes[IS_CHAN] == 1 && !when;
}

/* A timer's channel has room for one time.Time. */
static bool may_be_timers(const struct wait_reading *r, const struct wait_object *o)
{
	return o->kind == WAIT_CHAN && o->state_known && !o->chan.timer && o->chan.cap == 1 &&
	       !strcmp(r->texts.data + o->chan.elem, "time.Time");
}

/* Marks the channels that these timers send on. */
static int mark_channels(struct wait_reading *r, const uint64_t *timers, size_t stride, size_t n)
{
	const uint32_t arg = r->l->timer_arg + 8; /* the interface's second word */
	struct memory_piece pieces[BATCH];
	uint64_t channels[BATCH];

	for (size_t at = 0; at < n; at += BATCH) {
		size_t some = MIN(n - at, (size_t)BATCH);
		int err;

		for (size_t i = 0; i < some; i++)
			pieces[i] = (struct memory_piece){timers[(at + i) * stride] + arg,
							  &channels[i], sizeof(channels[i]), false};
		err = memory_read_pieces(r->pid, pieces, some);
		for (size_t i = 0; i < some && !err; i++) {
			uint32_t o = pieces[i].ok ? address_map_get(&r->by_object[WAIT_CHAN],
								    channels[i])
						  : ADDRESS_NONE;

			if (o != ADDRESS_NONE && may_be_timers(r, &r->objects[o]))
				r->objects[o].chan.timer = true;
		}
		if (err)
			return err;
	}
	return 0;
}

static int read_proc(struct wait_reading *r, uint64_t p, uint64_t *left)
{
	/* timers.heap is behind a mutex of a word; a timerWhen is {timer, when}. */
	const uint64_t at = p + r->l->heap.p_timers + (r->l->timers_in_struct ? 8 : 0);
	const size_t stride = r->l->timers_in_struct ? 2 : 1;
	cleanup_free_ uint64_t *timers = NULL;
	uint64_t slice[3];

	if (memory_read(r->pid, at, slice, sizeof(slice)) || !slice[0] || slice[1] > slice[2] ||
	    slice[1] > *left)
		return 0;
	*left -= slice[1];
	timers = calloc(slice[1] + 1, stride * sizeof(*timers));
	if (!timers)
		return -ENOMEM;
	if (memory_read(r->pid, slice[0], timers, slice[1] * stride * sizeof(*timers)))
		return 0;
	return mark_channels(r, timers, stride, slice[1]);
}

int reading_timers(struct wait_reading *r)
{
	cleanup_free_ uint64_t *procs = NULL;
	uint64_t left = TIMERS_MAX;
	bool any = false;
	size_t n = 0;
	int err;

	for (size_t i = 0; i < r->n_objects && !any; i++)
		any = may_be_timers(r, &r->objects[i]);
	if (!any || !r->l->timer_size || !r->l->heap.p_timers)
		return 0;
	err = roots_list_procs(r->t, r->pid, r->bias, &procs, &n);
	for (size_t i = 0; i < n && !err; i++)
		err = read_proc(r, procs[i], &left);
	return err;
}
