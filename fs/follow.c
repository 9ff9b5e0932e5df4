/*
 * The text over the feed: which event stands at which byte. Fetches events in slices, renders them
 * to learn their lengths, and keeps one small record a block. See follow.h.
 */
#include "fs/follow_internal.h"

#include <errno.h>
#include <string.h>

#define BLOCK_LINES 256
#define BLOCK_SPAN  16384 /* sequence numbers a block may span when few of them are its own */
#define SLICE       1024  /* events fetched at once from the whole feed */
#define SLICE_SPAN  65536 /* sequence numbers looked through at once for one goroutine */

/* Events fetched from [from, to), with the sequence number of each. */
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

static int fetch_goroutine(const struct follow_config *c, uint64_t from, uint64_t to,
			   struct batch *b)
{
	uint64_t tail = feed_tail(model_feed(c->model));
	int err;

	b->missed = tail > from ? tail - from : 0;
	from += b->missed;
	to = MIN(MAX(to, from), from + SLICE_SPAN);
	b->next = to;
	err = model_goroutine_events(c->model, (unsigned)c->proc, c->goid, from, to, &b->events,
				     &b->seqs, &b->n);
	return err == -ENOENT ? 0 : err; /* no longer retained: its text ends here */
}

static int fetch_feed(const struct follow_config *c, uint64_t from, uint64_t to, struct batch *b)
{
	uint64_t cursor = from, missed = 0;
	size_t n, kept = 0;

	b->events = malloc(SLICE * sizeof(*b->events));
	b->seqs = malloc(SLICE * sizeof(*b->seqs));
	if (!b->events || !b->seqs)
		return -ENOMEM;
	n = feed_read(model_feed(c->model), &cursor, b->events, MIN(to - from, SLICE), &missed);
	for (size_t i = 0; i < n; i++) {
		uint64_t seq = cursor - n + i;

		if (seq >= to || (c->proc >= 0 && b->events[i].proc != (unsigned)c->proc))
			continue;
		b->events[kept] = b->events[i];
		b->seqs[kept++] = seq;
	}
	b->n = kept;
	b->missed = missed;
	b->next = MAX(MIN(cursor, to), from + missed);
	return 0;
}

static int fetch(const struct follow_config *c, uint64_t from, uint64_t to, struct batch *b)
{
	*b = (struct batch){.next = from};
	return c->goid ? fetch_goroutine(c, from, to, b) : fetch_feed(c, from, to, b);
}

static void render(const struct follow_config *c, const struct event *ev, struct buf *out)
{
	if (c->json)
		event_format_json(c->format, ev, out);
	else
		event_format_text(c->format, ev, out);
}

void follow_trimmed_line(const struct event_format *f, bool json, uint64_t time_ns, const char *key,
			 uint64_t count, struct buf *out)
{
	uint64_t wall = time_ns + (uint64_t)f->wall_offset_ns;

	if (json) {
		buf_addf(out,
			 "{\"timestamp\":%llu,\"event_type\":%d,\"goroutine\":0,"
			 "\"parent_goroutine\":0,\"attributes\":[%llu,0,0,0,0],"
			 "\"event\":\"trimmed\",\"%s\":%llu}\n",
			 (unsigned long long)time_ns, EVENT_LOST, (unsigned long long)count, key,
			 (unsigned long long)count);
		return;
	}
	buf_addu(out, wall / NS_PER_SEC);
	buf_addc(out, '.');
	buf_addu_pad(out, wall % NS_PER_SEC, 9);
	buf_addf(out, " 0 trimmed %s=%llu\n", key, (unsigned long long)count);
}

static void render_gap(const struct follow *l, const struct block *b, struct buf *out)
{
	const struct follow_config *c = &l->config;
	bool whole = !c->goid && c->proc < 0;

	if (b->gap)
		follow_trimmed_line(c->format, c->json, b->time_ns, whole ? "count" : "of", b->gap,
				    out);
}

int follow_new(const struct follow_config *config, struct follow **ret)
{
	struct follow *l = calloc(1, sizeof(*l));
	size_t capacity;

	if (!l)
		return -ENOMEM;
	l->config = *config;
	pthread_mutex_init(&l->lock, NULL);
	/* Text leaves block by block: a small feed gets small blocks. */
	capacity = feed_capacity(model_feed(config->model));
	l->block_lines = (uint32_t)MAX(1, MIN(BLOCK_LINES, capacity / 64));
	*ret = l;
	return 0;
}

void follow_free(struct follow *l)
{
	if (!l)
		return;
	follow_cache_forget(l->config.cache, l);
	pthread_mutex_destroy(&l->lock);
	free(l->blocks);
	free(l);
}

void follow_trim(struct follow *l)
{
	uint64_t tail = feed_tail(model_feed(l->config.model));

	while (l->first < l->n && l->blocks[l->first].seq < tail)
		l->first++;
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
	return &l->blocks[l->n++];
}

/* The block the event with this number goes into: the last, or a new one. */
static struct block *block_for(struct follow *l, uint64_t seq, uint64_t time_ns)
{
	struct block *b = l->n > l->first ? &l->blocks[l->n - 1] : NULL;

	if (b && !l->gap && b->lines < l->block_lines && seq - b->seq < BLOCK_SPAN)
		return b;
	return add_block(l, seq, time_ns);
}

/* Puts the text of a run of lines at the end of block b, and of the log. */
static void append(struct follow *l, struct block *b, struct buf *text, uint32_t lines)
{
	follow_cache_append(l->config.cache, l, b->off, b->len, text->data, text->len);
	b->len += (uint32_t)text->len;
	b->lines += lines;
	l->size += text->len;
	l->index += lines;
	l->next_seq = b->end_seq;
	buf_reset(text);
}

static int add_batch(struct follow *l, const struct batch *batch, struct buf *text)
{
	size_t i = 0;

	while (i < batch->n) {
		struct block *b = block_for(l, batch->seqs[i], batch->events[i].time_ns);
		uint32_t lines = 0;

		if (!b)
			return -ENOMEM;
		if (!b->len)
			render_gap(l, b, text);
		do {
			render(&l->config, &batch->events[i], text);
			l->last_ns = batch->events[i].time_ns;
			b->end_seq = batch->seqs[i] + 1;
			lines++;
			i++;
		} while (i < batch->n && b->lines + lines < l->block_lines &&
			 batch->seqs[i] - b->seq < BLOCK_SPAN);
		if (buf_error(text))
			return buf_error(text);
		append(l, b, text, lines);
	}
	return 0;
}

/* Were events of this goroutine among those the feed trimmed since the last look? Not when it has
 * done nothing since; otherwise they may have been. */
static bool gap_concerns(const struct follow *l)
{
	const struct follow_config *c = &l->config;
	struct goroutine g;

	if (!c->goid)
		return true;
	return !model_goroutine(c->model, (unsigned)c->proc, c->goid, &g) &&
	       g.last_event_ns > l->last_ns;
}

/* Makes one slice visible. Under the lock. */
static int extend_slice(struct follow *l, uint64_t head)
{
	struct buf text cleanup_buf_ = BUF_INIT;
	struct batch batch cleanup_(batch_free) = {0};
	int err;

	follow_trim(l); /* or lines would be added to a block that cannot be read any more */
	err = fetch(&l->config, l->next_seq, head, &batch);
	if (err)
		return err;
	/* What went before the first look is not told: there was no text to leave a hole in. */
	if (batch.missed && (l->looked || l->size) && gap_concerns(l))
		l->gap += batch.missed;
	err = add_batch(l, &batch, &text);
	if (err)
		return err;
	l->next_seq = batch.next;
	return 0;
}

uint64_t follow_backlog(struct follow *l)
{
	uint64_t tail = feed_tail(model_feed(l->config.model)), next;

	pthread_mutex_lock(&l->lock);
	next = MAX(l->next_seq, tail);
	pthread_mutex_unlock(&l->lock);
	return feed_head(model_feed(l->config.model)) - next;
}

int follow_extend(struct follow *l)
{
	/* Where it ends is fixed now, or a fast feed would hold the caller for ever. */
	uint64_t head = feed_head(model_feed(l->config.model));
	bool more = true;
	int err = 0;

	while (more && !err) {
		pthread_mutex_lock(&l->lock);
		more = l->next_seq < head;
		if (more)
			err = extend_slice(l, head);
		else
			l->looked = true;
		pthread_mutex_unlock(&l->lock);
	}
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
		struct batch batch cleanup_(batch_free) = {0};
		int err = fetch(&l->config, seq, b->end_seq, &batch);

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
	/* A goroutine that is no longer retained has lost its events. */
	if (lines != b->lines || out->len - start != b->len)
		return -ESTALE;
	follow_cache_put(l->config.cache, l, b->off, out->data + start, b->len);
	return 0;
}
