/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading the text of follow.c: the cache of rendered blocks, and readers whose place may be
 * trimmed under them.
 */
#include "fs/follow_internal.h"

#include <errno.h>
#include <string.h>

#include "core/base/util.h"

#define CACHE_SLOTS 256
#define NEAR        (1 << 20) /* bytes a reader may go back without meaning another place */
#define MARKER_MAX  256       /* bytes; no line for trimmed events is longer */
#define TURNS       4
#define PATIENCE_NS NS_PER_SEC /* so long a read that loses each race goes on */

struct cache_slot {
	const struct follow *log;
	uint64_t off;
	uint64_t used; /* clock of the last use */
	struct buf text;
};

struct follow_cache {
	pthread_mutex_t lock;
	/* All below is protected by lock. */
	struct cache_slot slots[CACHE_SLOTS];
	uint64_t clock;
	size_t bytes, max_bytes;
};

int follow_cache_new(size_t max_bytes, struct follow_cache **ret)
{
	struct follow_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->max_bytes = max_bytes;
	*ret = c;
	return 0;
}

static void slot_clear(struct follow_cache *c, struct cache_slot *s)
{
	c->bytes -= s->text.cap;
	buf_free(&s->text);
	s->log = NULL;
}

void follow_cache_free(struct follow_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		slot_clear(c, &c->slots[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct cache_slot *slot_find(struct follow_cache *c, const struct follow *l, uint64_t off)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		if (c->slots[i].log == l && c->slots[i].off == off)
			return &c->slots[i];
	}
	return NULL;
}

static struct cache_slot *slot_oldest(struct follow_cache *c, const struct cache_slot *spare)
{
	struct cache_slot *oldest = NULL;

	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		struct cache_slot *s = &c->slots[i];

		if (s->log && s != spare && (!oldest || s->used < oldest->used))
			oldest = s;
	}
	return oldest;
}

/* An empty slot, at the price of the one not used for longest. */
static struct cache_slot *slot_take(struct follow_cache *c, const struct follow *l, uint64_t off)
{
	struct cache_slot *s = NULL;

	for (size_t i = 0; !s && i < CACHE_SLOTS; i++) {
		if (!c->slots[i].log)
			s = &c->slots[i];
	}
	if (!s) {
		s = slot_oldest(c, NULL);
		slot_clear(c, s);
	}
	s->log = l;
	s->off = off;
	return s;
}

static void slot_append(struct follow_cache *c, struct cache_slot *s, const char *text, size_t len)
{
	struct cache_slot *oldest;

	c->bytes -= s->text.cap;
	buf_add(&s->text, text, len);
	c->bytes += s->text.cap;
	s->used = ++c->clock;
	if (buf_error(&s->text)) {
		slot_clear(c, s);
		return;
	}
	while (c->bytes > c->max_bytes && (oldest = slot_oldest(c, s)))
		slot_clear(c, oldest);
}

bool follow_cache_get(struct follow_cache *c, const struct follow *l, uint64_t off, struct buf *out)
{
	struct cache_slot *s;

	pthread_mutex_lock(&c->lock);
	s = slot_find(c, l, off);
	if (s) {
		s->used = ++c->clock;
		buf_add(out, s->text.data, s->text.len);
	}
	pthread_mutex_unlock(&c->lock);
	return s != NULL;
}

void follow_cache_put(struct follow_cache *c, const struct follow *l, uint64_t off,
		      const char *text, size_t len)
{
	struct cache_slot *s;

	pthread_mutex_lock(&c->lock);
	s = slot_find(c, l, off);
	if (s)
		slot_clear(c, s);
	slot_append(c, slot_take(c, l, off), text, len);
	pthread_mutex_unlock(&c->lock);
}

void follow_cache_append(struct follow_cache *c, const struct follow *l, uint64_t off, size_t had,
			 const char *text, size_t len)
{
	struct cache_slot *s;

	pthread_mutex_lock(&c->lock);
	s = slot_find(c, l, off);
	if (!s && !had)
		s = slot_take(c, l, off);
	if (s && s->text.len == had)
		slot_append(c, s, text, len);
	pthread_mutex_unlock(&c->lock);
}

void follow_cache_forget(struct follow_cache *c, const struct follow *l)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		if (c->slots[i].log == l)
			slot_clear(c, &c->slots[i]);
	}
	pthread_mutex_unlock(&c->lock);
}

/* --- reading ---------------------------------------------------------------------------- */

/* The block that holds byte `off`, which is in [start, size). */
static const struct block *block_at(const struct follow *l, uint64_t off)
{
	const struct block *first = l->blocks + l->first;
	size_t i = FIRST_ABOVE(first, l->n - l->first, off, off);

	return i ? first + i - 1 : first;
}

static uint64_t count_lines(const char *text, size_t len)
{
	uint64_t lines = 0;

	for (const char *end = text + len, *p = text; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	return lines;
}

/* `end` bytes of block b were read: where is the reader now, and what is the rest of its line? */
static void find_place(const struct block *b, const struct buf *text, size_t end,
		       struct follow_reader *r)
{
	const char *newline;
	uint64_t lines;

	buf_reset(&r->carry);
	if (end == b->len) {
		r->index = b->index + b->lines;
		return;
	}
	lines = count_lines(text->data, end);
	newline = memchr(text->data + end, '\n', text->len - end);
	if (end && text->data[end - 1] != '\n' && newline) {
		buf_add(&r->carry, text->data + end, (size_t)(newline + 1 - text->data) - end);
		lines++;
	}
	/* The line of a gap is none of the events counted from the block's index on. */
	r->index = b->index + lines - (b->gap && lines ? 1 : 0);
}

/* Appends bytes [off, off + size) of the log; -ESTALE when it no longer has the first of them. */
static int read_log(struct follow *l, uint64_t off, size_t size, struct buf *out,
		    struct follow_reader *r)
{
	struct buf text cleanup_buf_ = BUF_INIT;
	size_t got = 0;
	int err = 0;

	pthread_mutex_lock(&l->lock);
	follow_trim(l);
	while (got < size && off + got < l->size) {
		const struct block *b;
		size_t skip, n;

		err = -ESTALE;
		if (l->first == l->n || off + got < l->blocks[l->first].off)
			break;
		b = block_at(l, off + got);
		buf_reset(&text);
		err = follow_block_text(l, b, &text);
		if (err)
			break;
		skip = (size_t)(off + got - b->off);
		n = MIN(size - got, b->len - skip);
		buf_add(out, text.data + skip, n);
		got += n;
		find_place(b, &text, skip + n, r);
	}
	pthread_mutex_unlock(&l->lock);
	/* When a block went while it was rendered, what came before it is an answer. */
	if (err == -ESTALE && got)
		err = 0;
	return err ? err : buf_error(out);
}

/*
 * The reader at file offset `off` finds its text gone. It goes on at the first block that is far
 * enough ahead to make room for what it must be told first, so that its offsets never run past
 * the size of the file: a tool that follows would take that for a truncation. Who lost a race
 * against trimming before (`turn`) would lose the next as well: it goes on further ahead.
 */
static void jump(struct follow_reader *r, struct follow *l, uint64_t off, int turn)
{
	bool sequential = r->started && off == r->next;
	uint64_t went = off + r->delta, to, index;
	const struct block *b = NULL;
	size_t rest, need;

	buf_reset(&r->insert);
	r->insert_off = off;
	if (sequential)
		buf_add(&r->insert, r->carry.data, r->carry.len);
	buf_reset(&r->carry);
	rest = r->insert.len;
	need = sequential ? rest + MARKER_MAX : 0;
	pthread_mutex_lock(&l->lock);
	follow_trim(l);
	for (size_t i = l->first + (l->n - l->first) * (size_t)turn / TURNS; i < l->n; i++) {
		b = &l->blocks[i];
		if (b->off - went >= need)
			break;
	}
	to = b ? b->off : l->size;
	index = b ? b->index - b->gap : l->index;
	if (sequential && index > r->index)
		follow_trimmed_line(l->config.format, l->config.json, true,
				    b ? b->time_ns : l->last_ns, index - r->index, &r->insert);
	pthread_mutex_unlock(&l->lock);
	if (to - went < r->insert.len)
		r->insert.len = rest; /* a very small feed; the rest of a line always fits */
	r->index = index;
	r->delta = to - (off + r->insert.len);
}

void follow_reader_free(struct follow_reader *r)
{
	buf_free(&r->carry);
	buf_free(&r->insert);
}

/* The part of the reader's own text that lies at file offset `off`. */
static size_t read_insert(const struct follow_reader *r, uint64_t off, size_t size, struct buf *out)
{
	size_t skip, n;

	if (off < r->insert_off || off - r->insert_off >= r->insert.len)
		return 0;
	skip = (size_t)(off - r->insert_off);
	n = MIN(size, r->insert.len - skip);
	buf_add(out, r->insert.data + skip, n);
	return n;
}

/*
 * A reader whose offsets stand for later text, and which now leaps ahead (a pager that goes to the
 * end), means the file's own offsets: its size is the file's. Reading on, or going back a little as
 * a shell's `read` does, is no leap.
 */
static void note_leap(struct follow_reader *r, struct follow *l, uint64_t off)
{
	struct follow_state state;

	if (!r->started || !r->delta || (off <= r->next && r->next - off < NEAR))
		return;
	follow_state(l, &state);
	if (off < state.start)
		return;
	r->delta = 0;
	buf_reset(&r->insert);
	buf_reset(&r->carry);
}

int follow_reader_read(struct follow_reader *r, struct follow *l, uint64_t off, size_t size,
		       struct buf *out)
{
	int err = -ESTALE;
	size_t start = out->len, got;
	bool jumped = false;

	note_leap(r, l, off);
	/* Each turn of the loop is another race lost against trimming. */
	for (int turn = 0; turn < TURNS && err == -ESTALE; turn++) {
		out->len = start;
		got = read_insert(r, off, size, out);
		err = got == size ? 0 : read_log(l, off + got + r->delta, size - got, out, r);
		if (err == -ESTALE && got)
			err = 0; /* its own text is an answer; the next read finds its way */
		else if (err == -ESTALE)
			jump(r, l, off, turn);
		jumped |= err == -ESTALE;
	}
	r->started = true;
	r->next = off + (out->len - start);
	if (err == -ESTALE || (!err && jumped && out->len == start))
		return -EAGAIN;
	return err ? err : buf_error(out);
}

/* Is nothing made of what it lost, and more there to make something of? */
static bool is_overtaken(struct follow *l)
{
	bool overtaken;

	pthread_mutex_lock(&l->lock);
	overtaken = l->overtaken && feed_head(view_feed(l->config.view)) > l->next_seq;
	pthread_mutex_unlock(&l->lock);
	return overtaken;
}

int follow_read(struct follow_reader *r, struct follow *l, uint64_t off, size_t size,
		struct buf *out)
{
	const uint64_t until_ns = monotonic_ns() + PATIENCE_NS;
	const size_t start = out->len;
	struct follow_state state;
	int err;

	/* How often it loses is the machine's doing: one that stops it for a moment each time. */
	do {
		/* What came since the last look is wanted only where this read would end. */
		follow_state(l, &state);
		err = off + r->delta + size > state.size ? follow_extend(l) : 0;
		if (!err)
			err = follow_reader_read(r, l, off, size, out);
		if (!err && out->len == start && is_overtaken(l))
			err = -EAGAIN;
	} while (err == -EAGAIN && monotonic_ns() < until_ns);
	return err == -EAGAIN ? 0 : err;
}
