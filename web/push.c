/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * /ws: the original's batches of events as JSON, the same as protobuf, or ten ticks a second for
 * our UI. Each client has a cursor into the feed and one frame in flight; who falls behind by more
 * than LAG_MAX events loses the oldest, counted and told. All on the socket thread.
 */
#include <errno.h>
#include <libwebsockets.h>
#include <string.h>

#include "core/session/encoder.h"
#include "core/view/family.h"
#include "core/view/process/overview.h"
#include "web/server.h"
#include "web/source.h"

#define LAG_MAX      100000 /* events a client may be behind */
#define LAG_KEEP     20000  /* how many it is given then */
#define FRAME_EVENTS 1000
#define LOOK_US      25000
#define TICK_US      100000

struct push_client {
	struct push_client *next;
	struct lws *wsi;
	enum push_form form;
	uint64_t cursor, dropped, ticked_us;
	unsigned told_procs;
	struct encoder *encoder; /* PUSH_PROTOBUF */
};

struct push {
	struct web *web;
	struct push_client *clients;
	unsigned n;
	atomic_uint n_shown;
	lws_sorted_usec_list_t timer;
	bool timing;
	struct event *events;
	struct buf frame;
};

int push_new(struct web *w, struct push **ret)
{
	struct push *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->web = w;
	p->events = malloc(FRAME_EVENTS * sizeof(*p->events));
	if (!p->events) {
		push_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void push_free(struct push *p)
{
	if (!p)
		return;
	buf_free(&p->frame);
	free(p->events);
	free(p);
}

unsigned push_clients(const struct push *p)
{
	return atomic_load(&p->n_shown);
}

static const struct view *view_of(const struct push *p)
{
	return &sources_live(p->web->sources)->view;
}

static void drop(struct push *p, struct push_client *c, uint64_t n)
{
	c->dropped += n;
	feed_count_missed(view_feed(view_of(p)), FEED_STREAM, n);
	atomic_fetch_add(&p->web->events_dropped, n);
	atomic_fetch_add(&p->web->frames_dropped, (n + FRAME_EVENTS - 1) / FRAME_EVENTS);
}

/* Who is too far behind loses the oldest. Looked at when nothing can be sent, too: a client that
 * does not read at all is never writable. */
static void trim(struct push *p, struct push_client *c)
{
	uint64_t head = feed_head(view_feed(view_of(p)));

	if (c->form == PUSH_TICKS || head - c->cursor <= LAG_MAX)
		return;
	drop(p, c, head - LAG_KEEP - c->cursor);
	c->cursor = head - LAG_KEEP;
}

static bool is_due(const struct push *p, const struct push_client *c, lws_usec_t now)
{
	if (c->form == PUSH_TICKS)
		return (uint64_t)now - c->ticked_us >= TICK_US;
	return feed_head(view_feed(view_of(p))) > c->cursor;
}

static void look(lws_sorted_usec_list_t *timer)
{
	struct push *p = lws_container_of(timer, struct push, timer);
	lws_usec_t now = lws_now_usecs();

	for (struct push_client *c = p->clients; c; c = c->next) {
		trim(p, c);
		if (is_due(p, c, now))
			lws_callback_on_writable(c->wsi);
	}
	p->timing = p->clients;
	if (p->timing)
		lws_sul_schedule(p->web->context, 0, &p->timer, look, LOOK_US);
}

int push_open(struct push *p, struct lws *wsi, enum push_form form, struct push_client **ret)
{
	struct push_client *c = calloc(1, sizeof(*c));
	int err = 0;

	if (!c)
		return -ENOMEM;
	c->wsi = wsi;
	c->form = form;
	c->cursor = feed_head(view_feed(view_of(p)));
	if (form == PUSH_PROTOBUF)
		err = encoder_new(view_names(view_of(p)), &c->encoder);
	if (err) {
		free(c);
		return err;
	}
	c->next = p->clients;
	p->clients = c;
	atomic_store(&p->n_shown, ++p->n);
	if (!p->timing) {
		p->timing = true;
		lws_sul_schedule(p->web->context, 0, &p->timer, look, LOOK_US);
	}
	control_reads_events(view_of(p)->control, true);
	*ret = c;
	return 0;
}

void push_close(struct push *p, struct push_client *c)
{
	for (struct push_client **at = &p->clients; *at; at = &(*at)->next) {
		if (*at != c)
			continue;
		*at = c->next;
		atomic_store(&p->n_shown, --p->n);
		control_reads_events(view_of(p)->control, false);
		encoder_free(c->encoder);
		free(c);
		return;
	}
}

/* --- frames ---------------------------------------------------------------------------------- */

static size_t read_events(struct push *p, struct push_client *c)
{
	struct feed *feed = view_feed(view_of(p));
	uint64_t missed = 0;
	size_t n;

	trim(p, c);
	n = feed_read(feed, &c->cursor, p->events, FRAME_EVENTS, &missed);
	if (missed)
		drop(p, c, missed);
	return n;
}

static int json_frame(struct push *p, struct push_client *c, size_t n)
{
	size_t events = 0;

	buf_adds(&p->frame, "{\"type\":\"batch\",\"events\":[");
	for (size_t i = 0; i < n; i++) {
		if (p->events[i].type >= EVENT_TYPES)
			continue;
		if (events++)
			buf_addc(&p->frame, ',');
		view_event_json(view_of(p), &p->events[i], &p->frame);
	}
	buf_addc(&p->frame, ']');
	if (c->dropped)
		json_ku(&p->frame, "dropped", c->dropped);
	buf_addc(&p->frame, '}');
	return 0;
}

static int protobuf_frame(struct push *p, struct push_client *c, size_t n)
{
	for (unsigned n_procs = view_procs(view_of(p)); c->told_procs < n_procs; c->told_procs++) {
		struct proc_info info;

		if (!view_proc(view_of(p), c->told_procs, &info))
			encoder_process(c->encoder, c->told_procs, &info);
	}
	return encoder_batch(c->encoder, p->events, n, NULL, &p->frame);
}

static void tick_frame(struct push *p, struct push_client *c)
{
	buf_adds(&p->frame, "{\"type\":\"tick\"");
	view_tick(view_of(p), &p->frame);
	buf_addc(&p->frame, '}');
	c->ticked_us = (uint64_t)lws_now_usecs();
}

static int build_frame(struct push *p, struct push_client *c)
{
	size_t n;

	if (c->form == PUSH_TICKS) {
		if (is_due(p, c, lws_now_usecs()))
			tick_frame(p, c);
		return 0;
	}
	n = read_events(p, c);
	if (!n)
		return 0;
	return c->form == PUSH_PROTOBUF ? protobuf_frame(p, c, n) : json_frame(p, c, n);
}

int push_writable(struct push *p, struct push_client *c)
{
	int err;

	if (lws_send_pipe_choked(c->wsi)) {
		lws_callback_on_writable(c->wsi);
		return 0;
	}
	buf_reset(&p->frame);
	buf_reserve(&p->frame, LWS_PRE);
	if (buf_error(&p->frame))
		return -ENOMEM;
	memset(p->frame.data, 0, LWS_PRE);
	p->frame.len = LWS_PRE;
	err = build_frame(p, c);
	if (err || buf_error(&p->frame))
		return err ? err : -ENOMEM;
	if (p->frame.len == LWS_PRE)
		return 0;
	if (lws_write(c->wsi, (unsigned char *)p->frame.data + LWS_PRE, p->frame.len - LWS_PRE,
		      c->form == PUSH_PROTOBUF ? LWS_WRITE_BINARY : LWS_WRITE_TEXT) < 0)
		return -EPIPE;
	atomic_fetch_add(&p->web->frames, 1);
	if (is_due(p, c, lws_now_usecs()))
		lws_callback_on_writable(c->wsi);
	return 0;
}
