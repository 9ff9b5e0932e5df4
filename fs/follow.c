/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The text over the feed: which event stands at which byte. Fetches events in slices, renders them
 * to learn their lengths, and keeps one small record a block. See follow.h.
 */
#include "fs/follow_internal.h"

#include <errno.h>
#include <string.h>

#define BLOCK_LINES 256
#define BLOCK_SPAN  16384 /* sequence numbers a block may span when few of them are its own */
#define SLICE       1024  /* events fetched, or added under one hold of the lock, at once */

_Static_assert(BLOCK_SPAN <= UINT16_MAX, "a block's events are numbered in 16 bits");

/* Events fetched, with the sequence number of each. */
struct batch {
	struct event *events;
	uint64_t *seqs;
	size_t n;
	uint64_t missed; /* were trimmed before they could be fetched */
	uint64_t next;   /* where to go on */
};

static void batch_free(struct batch *b)
{
	free(b->events);
	free(b->seqs);
}

/* All that is new of one goroutine: the model walks back from its newest event. */
static int fetch_goroutine(const struct follow_config *c, uint64_t from, uint64_t to,
			   struct batch *b)
{
	uint64_t tail = feed_tail(view_feed(c->view));
	int err;

	b->missed = tail > from ? tail - from : 0;
	from += b->missed;
	b->next = MAX(to, from);
	err = view_events_between(c->view, (unsigned)c->proc, c->goid, from, b->next, &b->events,
				  &b->seqs, &b->n);
	return err; /* none when it is no longer retained: its text ends here */
}

static bool is_ours(const struct follow_config *c, const struct event *ev)
{
	return c->proc < 0 || ev->proc == (unsigned)c->proc || ev->proc == EVENT_PROC_NONE;
}

/* Some of what is in [from, to). */
static int fetch_feed(const struct follow_config *c, uint64_t from, uint64_t to, struct batch *b)
{
	uint64_t cursor = from, missed = 0;
	size_t n, kept = 0;

	b->events = malloc(SLICE * sizeof(*b->events));
	b->seqs = malloc(SLICE * sizeof(*b->seqs));
	if (!b->events || !b->seqs)
		return -ENOMEM;
	n = feed_read(view_feed(c->view), &cursor, b->events, MIN(to - from, SLICE), &missed);
	for (size_t i = 0; i < n; i++) {
		uint64_t seq = cursor - n + i;

		if (seq >= to || !is_ours(c, &b->events[i]))
			continue;
		b->events[kept] = b->events[i];
		b->seqs[kept++] = seq;
	}
	b->n = kept;
	b->missed = missed;
	b->next = MAX(MIN(cursor, to), from + missed);
	return 0;
}

static void render(const struct follow_config *c, const struct event *ev, struct buf *out)
{
	if (c->json)
		event_format_json(c->format, ev, out);
	else
		event_format_text(c->format, ev, out);
}

void follow_trimmed_line(const struct event_format *f, bool json, bool exact, uint64_t time_ns,
			 uint64_t count, struct buf *out)
{
	if (json) {
		buf_addf(out,
			 "{\"timestamp\":%llu,\"event_type\":%d,\"goroutine\":0,"
			 "\"parent_goroutine\":0,\"attributes\":[%llu,0,0,0,0],"
			 "\"%s\":%llu}\n",
			 (unsigned long long)time_ns, EVENT_LOST, (unsigned long long)count,
			 exact ? "trimmed" : "trimmed_of", (unsigned long long)count);
		return;
	}
	event_format_time(f, time_ns, out);
	buf_addf(out, " 0 trimmed %s=%llu\n", exact ? "count" : "of", (unsigned long long)count);
}

static void render_gap(const struct follow *l, const struct block *b, struct buf *out)
{
	const struct follow_config *c = &l->config;
	bool whole = !c->goid && c->proc < 0;

	if (b->gap)
		follow_trimmed_line(c->format, c->json, whole, b->time_ns, b->gap, out);
}

int follow_new(const struct follow_config *config, struct follow **ret)
{
	struct follow *l = calloc(1, sizeof(*l));
	size_t share;

	if (!l)
		return -ENOMEM;
	l->config = *config;
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->extend_lock, NULL);
	/* Text leaves block by block, so a block is a small share of what is retained. */
	share = MAX((size_t)1, feed_capacity(view_feed(config->view)) / 64);
	l->block_lines = (uint32_t)MIN(share, BLOCK_LINES);
	l->block_span = (uint32_t)MIN(share, BLOCK_SPAN);
	*ret = l;
	return 0;
}

void follow_free(struct follow *l)
{
	if (!l)
		return;
	follow_cache_forget(l->config.cache, l);
	for (size_t i = l->first; i < l->n; i++)
		free(l->blocks[i].seqs);
	pthread_mutex_destroy(&l->extend_lock);
	pthread_mutex_destroy(&l->lock);
	free(l->blocks);
	free(l);
}

void follow_trim(struct follow *l)
{
	uint64_t tail = feed_tail(view_feed(l->config.view));

	while (l->first < l->n && l->blocks[l->first].seq < tail)
		free(l->blocks[l->first++].seqs);
	if (l->first == l->n)
		l->first = l->n = 0;
}

static struct block *add_block(struct follow *l, uint64_t seq, uint64_t time_ns)
{
	struct block *blocks;
	size_t cap;

	if (l->n == l->cap && l->first > l->n / 2) {
		memmove(l->blocks, l->blocks + l->first, (l->n - l->first) * sizeof(*l->blocks));
		l->n -= l->first;
		l->first = 0;
	}
	if (l->n == l->cap) {
		cap = l->cap ? l->cap * 2 : 1;
		blocks = realloc(l->blocks, cap * sizeof(*blocks));
		if (!blocks)
			return NULL;
		l->blocks = blocks;
		l->cap = cap;
	}
	l->index += l->gap;
	l->blocks[l->n] = (struct block){.seq = seq,
					 .end_seq = seq,
					 .off = l->size,
					 .index = l->index,
					 .gap = l->gap,
					 .time_ns = time_ns};
	l->gap = 0;
	l->overtaken = false;
	return &l->blocks[l->n++];
}

/* The block the event with this number goes into: the last, or a new one. */
static struct block *block_for(struct follow *l, uint64_t seq, uint64_t time_ns)
{
	struct block *b = l->n > l->first ? &l->blocks[l->n - 1] : NULL;

	if (b && !l->gap && b->lines < l->block_lines && seq - b->seq < l->block_span)
		return b;
	return add_block(l, seq, time_ns);
}

/* Notes which events of the feed are this block's. */
static int note_seq(const struct follow *l, struct block *b, uint32_t line, uint64_t seq)
{
	uint32_t cap = b->seqs_cap ? b->seqs_cap * 2 : 4;
	uint16_t *seqs;

	if (!l->config.goid)
		return 0;
	if (line == b->seqs_cap) {
		seqs = realloc(b->seqs, cap * sizeof(*seqs));
		if (!seqs)
			return -ENOMEM;
		b->seqs = seqs;
		b->seqs_cap = cap;
	}
	b->seqs[line] = (uint16_t)(seq - b->seq);
	return 0;
}

/* Adds events from *at on, one block's worth of them. Under the lock. */
static int add_run(struct follow *l, const struct batch *batch, size_t *at, struct buf *text)
{
	struct block *b = block_for(l, batch->seqs[*at], batch->events[*at].time_ns);
	uint64_t end_seq = 0, last_ns = 0;
	uint32_t lines = 0;
	size_t i = *at;
	int err = 0;

	if (!b)
		return -ENOMEM;
	buf_reset(text);
	if (!b->len)
		render_gap(l, b, text);
	do {
		err = note_seq(l, b, b->lines + lines, batch->seqs[i]);
		if (err)
			return err;
		render(&l->config, &batch->events[i], text);
		last_ns = batch->events[i].time_ns;
		end_seq = batch->seqs[i] + 1;
		lines++;
		i++;
	} while (i < batch->n && b->lines + lines < l->block_lines &&
		 batch->seqs[i] - b->seq < l->block_span);
	if (buf_error(text))
		return buf_error(text);
	follow_cache_append(l->config.cache, l, b->off, b->len, text->data, text->len);
	b->end_seq = end_seq;
	b->len += (uint32_t)text->len;
	b->lines += lines;
	l->size += text->len;
	l->index += lines;
	l->last_ns = last_ns;
	l->next_seq = end_seq;
	*at = i;
	return 0;
}

/* Were events of this goroutine among those the feed trimmed since the last look? Not when it has
 * done nothing since; otherwise they may have been. */
static bool gap_concerns(const struct follow *l)
{
	const struct follow_config *c = &l->config;

	return !c->goid || view_last_event(c->view, (unsigned)c->proc, c->goid) > l->last_ns;
}

/* Makes some more visible: at most up to `head`. Under extend_lock. */
static int extend_some(struct follow *l, uint64_t head)
{
	struct buf text cleanup_buf_ = BUF_INIT;
	struct batch batch cleanup_(batch_free) = {.next = l->next_seq};
	size_t at = 0;
	int err;

	/* Only extending changes next_seq, so it may be read without the lock. */
	if (l->config.goid)
		err = fetch_goroutine(&l->config, l->next_seq, head, &batch);
	else
		err = fetch_feed(&l->config, l->next_seq, head, &batch);
	if (err)
		return err;
	do {
		size_t begin = at;

		pthread_mutex_lock(&l->lock);
		follow_trim(l); /* or lines would be added to a block that nobody can read */
		l->overtaken |= !begin && batch.missed && gap_concerns(l);
		/* What went before the first look is not told: there was no text to leave a hole
		 * in. */
		if (!begin && batch.missed && (l->looked || l->size) && gap_concerns(l)) {
			l->gap += batch.missed;
			feed_count_missed(view_feed(l->config.view), FEED_MOUNT, batch.missed);
		}
		while (!err && at < batch.n && at - begin < SLICE)
			err = add_run(l, &batch, &at, &text);
		if (!err && at == batch.n)
			l->next_seq = batch.next;
		pthread_mutex_unlock(&l->lock);
	} while (!err && at < batch.n);
	return err;
}

uint64_t follow_backlog(struct follow *l)
{
	uint64_t tail = feed_tail(view_feed(l->config.view)), next;

	pthread_mutex_lock(&l->lock);
	next = MAX(l->next_seq, tail);
	pthread_mutex_unlock(&l->lock);
	return feed_head(view_feed(l->config.view)) - next;
}

/*
 * The feed trims faster than text is made of it: what is made of the oldest is gone before anybody
 * reads it. Goes on in the middle of what there is, where text stays for as long as half of that
 * takes to come. Returns where to end: past some of it. Under extend_lock.
 */
static uint64_t leap(struct follow *l, uint64_t head)
{
	struct feed *feed = view_feed(l->config.view);
	uint64_t tail = feed_tail(feed), newest = feed_head(feed), to = tail + (newest - tail) / 2;

	pthread_mutex_lock(&l->lock);
	if (to > l->next_seq && gap_concerns(l)) {
		l->overtaken = true;
		l->gap += to - l->next_seq;
		feed_count_missed(feed, FEED_MOUNT, to - l->next_seq);
	}
	l->next_seq = MAX(l->next_seq, to);
	pthread_mutex_unlock(&l->lock);
	return MAX(head, MIN(newest, l->next_seq + SLICE));
}

int follow_extend(struct follow *l)
{
	struct feed *feed = view_feed(l->config.view);
	/* Where it ends is fixed now, or a fast feed would hold the caller for ever. */
	uint64_t head = feed_head(feed);
	int err = 0;

	pthread_mutex_lock(&l->extend_lock);
	for (bool first = true; !err && l->next_seq < head; first = false) {
		if (!first && l->next_seq < feed_tail(feed))
			head = leap(l, head);
		err = extend_some(l, head);
	}
	if (!err)
		l->looked = true;
	pthread_mutex_unlock(&l->extend_lock);
	return err;
}

void follow_state(struct follow *l, struct follow_state *ret)
{
	pthread_mutex_lock(&l->lock);
	follow_trim(l);
	ret->size = l->size;
	ret->start = l->first < l->n ? l->blocks[l->first].off : l->size;
	ret->last_event_ns = l->last_ns;
	pthread_mutex_unlock(&l->lock);
}

/* The events of a block of one goroutine: runs of neighbours in the feed. */
static int fetch_noted(const struct follow *l, const struct block *b, struct batch *batch)
{
	struct feed *feed = view_feed(l->config.view);
	uint32_t i = 0;

	batch->events = malloc(b->lines * sizeof(*batch->events));
	if (!batch->events)
		return -ENOMEM;
	while (i < b->lines) {
		uint64_t cursor = b->seq + b->seqs[i], missed = 0;
		uint32_t n = 1;

		while (i + n < b->lines && b->seqs[i + n] == b->seqs[i] + n)
			n++;
		if (feed_read(feed, &cursor, batch->events + i, n, &missed) != n || missed)
			return -ESTALE;
		i += n;
	}
	batch->n = b->lines;
	batch->next = b->end_seq;
	return 0;
}

int follow_block_text(struct follow *l, const struct block *b, struct buf *out)
{
	uint64_t seq = b->seq;
	uint32_t lines = 0;
	size_t start = out->len;

	if (follow_cache_get(l->config.cache, l, b->off, out) && out->len - start == b->len)
		return 0;
	out->len = start;
	render_gap(l, b, out);
	while (seq < b->end_seq) {
		struct batch batch cleanup_(batch_free) = {.next = seq};
		int err = l->config.goid ? fetch_noted(l, b, &batch)
					 : fetch_feed(&l->config, seq, b->end_seq, &batch);

		if (err)
			return err;
		if (batch.missed || batch.next == seq)
			return -ESTALE;
		for (size_t i = 0; i < batch.n; i++)
			render(&l->config, &batch.events[i], out);
		lines += (uint32_t)batch.n;
		seq = batch.next;
	}
	if (buf_error(out))
		return buf_error(out);
	if (lines != b->lines || out->len - start != b->len)
		return -ESTALE; /* cannot be: the same event gives the same bytes */
	follow_cache_put(l->config.cache, l, b->off, out->data + start, b->len);
	return 0;
}
