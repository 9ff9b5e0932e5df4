/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists in the target are walked many at a time: each round reads the next element of all of them
 * with few system calls. An address is taken up once, so a ring ends a walk. See wait_sudogs.h.
 */
#include "core/memory/wait_sudogs.h"

#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/waits.h"

#define PIECES     512
#define SEMA_ROOTS 251 /* sema.go semTabSize, all releases */
#define TREAP      8   /* semaRoot.treap */

static uint64_t word(const uint8_t *bytes, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

static bool can_be_pointer(uint64_t address)
{
	return address >= 4096 && address % 8 == 0 && address < 1ull << 56;
}

void sudogs_free(struct sudogs *s)
{
	free(s->list);
	address_map_free(&s->by_address);
	*s = (struct sudogs){0};
}

static void parse(const struct go_layout *l, const uint8_t *bytes, uint64_t address,
		  struct sudog *ret)
{
	*ret = (struct sudog){
		.address = address,
		.g = word(bytes, 0), /* sudog.g is the first field */
		.next = word(bytes, l->sudog_next),
		.prev = word(bytes, l->sudog_prev),
		.elem = word(bytes, l->sudog_elem),
		.waitlink = word(bytes, l->sudog_waitlink),
		.c = word(bytes, l->sudog_c),
	};
}

/* 1: added, 0: it is there already (or there is no more room), -ENOMEM. */
static int add(struct sudogs *s, const struct sudog *sudog)
{
	int err;

	if (s->n == WAIT_SUDOGS_MAX) {
		s->cut = true;
		return 0;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		struct sudog *list = reallocarray(s->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->list = list;
		s->cap = cap;
	}
	err = address_map_put(&s->by_address, sudog->address, (uint32_t)s->n);
	if (err > 0)
		s->list[s->n++] = *sudog;
	return err;
}

/* --- walking many lists at once -------------------------------------------------------------- */

/* What is to be read next: `tag` says for whom. */
struct wanted {
	uint64_t address;
	uint32_t tag;
};

struct front {
	struct wanted *list;
	size_t n, cap;
};

static int want(struct front *f, uint64_t address, uint32_t tag)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 256;
		struct wanted *list = reallocarray(f->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		f->list = list;
		f->cap = cap;
	}
	f->list[f->n++] = (struct wanted){address, tag};
	return 0;
}

/* What to do with one that was read (`sudog`), or that could not be (NULL); wants more in `next`.
 */
typedef int take_fn(void *ctx, const struct wanted *w, const struct sudog *sudog,
		    struct front *next);

struct buffers {
	struct memory_piece pieces[PIECES];
	uint8_t bytes[PIECES * GO_WAIT_SIZE_MAX];
};

/* One round: all of `now` is read and taken. */
static int read_round(const struct go_layout *l, pid_t pid, const struct front *now,
		      struct buffers *b, take_fn *take, void *ctx, struct front *next)
{
	for (size_t at = 0; at < now->n; at += PIECES) {
		size_t n = MIN(now->n - at, (size_t)PIECES);
		int err;

		for (size_t i = 0; i < n; i++)
			b->pieces[i] = (struct memory_piece){
				.addr = now->list[at + i].address,
				.buf = b->bytes + i * l->sudog_size,
				.size = l->sudog_size,
			};
		err = memory_read_pieces(pid, b->pieces, n);
		for (size_t i = 0; i < n && !err; i++) {
			const struct wanted *w = &now->list[at + i];
			struct sudog sudog;

			if (b->pieces[i].ok)
				parse(l, b->pieces[i].buf, w->address, &sudog);
			err = take(ctx, w, b->pieces[i].ok ? &sudog : NULL, next);
		}
		if (err)
			return err;
	}
	return 0;
}

static int read_all(const struct go_layout *l, pid_t pid, struct front *first, take_fn *take,
		    void *ctx)
{
	struct buffers *b = malloc(sizeof(*b));
	struct front now = *first, next = {0};
	int err = b ? 0 : -ENOMEM;

	*first = (struct front){0};
	while (now.n && !err) {
		struct front swap = now;

		next.n = 0;
		err = read_round(l, pid, &now, b, take, ctx, &next);
		now = next;
		next = swap;
	}
	free(b);
	free(now.list);
	free(next.list);
	return err;
}

static bool is_known(const struct go_layout *l)
{
	return l->sudog_size && l->sudog_size <= GO_WAIT_SIZE_MAX && l->g_waiting;
}

/* --- of goroutines ---------------------------------------------------------------------------- */

struct chains {
	const struct sudog_head *heads;
	bool *broken;
	struct sudogs *s;
};

static int take_chain(void *ctx, const struct wanted *w, const struct sudog *sudog,
		      struct front *next)
{
	struct chains *c = ctx;
	const struct sudog_head *head = &c->heads[w->tag];
	struct sudog mine;
	int err;

	if (!sudog || sudog->g != head->g) {
		c->broken[head->owner] = true;
		return 0;
	}
	mine = *sudog;
	mine.owner = head->owner;
	err = add(c->s, &mine);
	if (err <= 0) {
		c->broken[head->owner] = true;
		return err;
	}
	if (!head->chain || !sudog->waitlink)
		return 0;
	if (can_be_pointer(sudog->waitlink))
		return want(next, sudog->waitlink, w->tag);
	c->broken[head->owner] = true;
	return 0;
}

int sudogs_read(const struct go_layout *l, pid_t pid, const struct sudog_head *heads, size_t n,
		bool *broken, struct sudogs *s)
{
	struct chains c = {heads, broken, s};
	struct front first = {0};
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (is_known(l) && can_be_pointer(heads[i].address))
			err = want(&first, heads[i].address, (uint32_t)i);
		else
			broken[heads[i].owner] = true;
	}
	if (!err)
		return read_all(l, pid, &first, take_chain, &c);
	free(first.list);
	return err;
}

/* --- of semaphores ---------------------------------------------------------------------------- */

static int take_treap(void *ctx, const struct wanted *w, const struct sudog *sudog,
		      struct front *next)
{
	struct sudogs *s = ctx;
	struct sudog mine;
	uint64_t more[3];
	int err;

	/* semTable.rootFor(). */
	if (!sudog || !sudog->elem || (sudog->elem >> 3) % SEMA_ROOTS != w->tag)
		return 0;
	mine = *sudog;
	mine.owner = ADDRESS_NONE;
	err = add(s, &mine);
	if (err <= 0)
		return err;
	more[0] = sudog->waitlink; /* the queue; only at its head are there children */
	more[1] = sudog->prev;
	more[2] = sudog->next;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		err = can_be_pointer(more[i]) ? want(next, more[i], w->tag) : 0;
		if (err)
			return err;
	}
	return 0;
}

int sudogs_read_semaphores(const struct go_layout *l, pid_t pid, uint64_t table, struct sudogs *s)
{
	const size_t size = (size_t)SEMA_ROOTS * l->sema_stride;
	cleanup_free_ uint8_t *roots = malloc(size + 1);
	struct front first = {0};
	int err = roots ? 0 : -ENOMEM;

	if (!is_known(l) || l->sema_stride < TREAP + 8)
		return -ENOSYS;
	if (!err)
		err = memory_read(pid, table, roots, size);
	for (uint32_t i = 0; i < SEMA_ROOTS && !err; i++) {
		uint64_t treap = word(roots, i * l->sema_stride + TREAP);

		if (can_be_pointer(treap))
			err = want(&first, treap, i);
	}
	if (!err)
		return read_all(l, pid, &first, take_treap, s);
	free(first.list);
	return err;
}

/* --- are they as they were? ------------------------------------------------------------------- */

struct check {
	const struct sudogs *s;
	bool *broken;
};

static int take_again(void *ctx, const struct wanted *w, const struct sudog *sudog,
		      struct front *next)
{
	struct check *c = ctx;
	const struct sudog *before = &c->s->list[w->tag];

	(void)next;
	if (!sudog || sudog->g != before->g || sudog->elem != before->elem || sudog->c != before->c)
		c->broken[before->owner] = true;
	return 0;
}

int sudogs_check(const struct go_layout *l, pid_t pid, const struct sudogs *s, bool *broken)
{
	struct check c = {s, broken};
	struct front first = {0};
	int err = 0;

	for (size_t i = 0; i < s->n && !err; i++) {
		if (s->list[i].owner != ADDRESS_NONE)
			err = want(&first, s->list[i].address, (uint32_t)i);
	}
	if (!err)
		return read_all(l, pid, &first, take_again, &c);
	free(first.list);
	return err;
}

/* --- channels --------------------------------------------------------------------------------- */

static void parse_channel(const struct go_layout *l, const uint8_t *bytes, struct channel *c)
{
	uint32_t closed;

	memcpy(&closed, bytes + l->hchan_closed, sizeof(closed));
	memcpy(&c->elem_bytes, bytes + l->hchan_elemsize, sizeof(c->elem_bytes));
	c->len = word(bytes, l->hchan_qcount);
	c->cap = word(bytes, l->hchan_dataqsiz);
	c->elem_type = word(bytes, l->hchan_elemtype);
	c->recvq = word(bytes, l->hchan_recvq);
	c->sendq = word(bytes, l->hchan_sendq);
	c->closed = closed == 1;
	c->timer_at = l->hchan_timer ? word(bytes, l->hchan_timer) : 0;
	c->timer = c->timer_at != 0;
	/* makechan(): an element is smaller than 64 KiB. */
	c->ok = closed <= 1 && c->len <= c->cap && c->cap < 1ull << 48 &&
		(!c->recvq || can_be_pointer(c->recvq)) && (!c->sendq || can_be_pointer(c->sendq));
}

int channels_read(const struct go_layout *l, pid_t pid, struct channel *list, size_t n)
{
	struct buffers *b = malloc(sizeof(*b));
	int err = b ? 0 : -ENOMEM;

	for (size_t i = 0; i < n; i++)
		list[i].ok = false;
	for (size_t at = 0; at < n && !err && l->hchan_size; at += PIECES) {
		size_t some = MIN(n - at, (size_t)PIECES);

		for (size_t i = 0; i < some; i++)
			b->pieces[i] = (struct memory_piece){
				.addr = list[at + i].address,
				.buf = b->bytes + i * l->hchan_size,
				.size = l->hchan_size,
			};
		err = memory_read_pieces(pid, b->pieces, some);
		for (size_t i = 0; i < some && !err; i++) {
			if (b->pieces[i].ok)
				parse_channel(l, b->pieces[i].buf, &list[at + i]);
		}
	}
	free(b);
	return err;
}

/* The next sudog in a queue: of the list (then its number, too), or read by itself. */
static int step(const struct go_layout *l, pid_t pid, struct sudogs *s, uint64_t address,
		size_t *budget, uint32_t *ret_i, uint64_t *ret_next)
{
	uint8_t bytes[GO_WAIT_SIZE_MAX];
	struct sudog other;
	int err;

	*ret_i = address_map_get(&s->by_address, address);
	if (*ret_i != ADDRESS_NONE) {
		*ret_next = s->list[*ret_i].next;
		return 0;
	}
	if (!*budget)
		return -EAGAIN;
	--*budget;
	err = memory_read(pid, address, bytes, l->sudog_size);
	if (err)
		return err;
	parse(l, bytes, address, &other);
	*ret_next = other.next;
	return 0;
}

static int mark_queue(const struct go_layout *l, pid_t pid, uint64_t channel, uint64_t first,
		      bool receive, struct sudogs *s, size_t *budget)
{
	uint64_t at = first, next;
	uint32_t i;

	while (can_be_pointer(at)) {
		int err = step(l, pid, s, at, budget, &i, &next);

		if (err)
			return err == -EAGAIN || err == -EFAULT ? 0 : err;
		if (i != ADDRESS_NONE) {
			struct sudog *sudog = &s->list[i];
			bool *mark = receive ? &sudog->in_recvq : &sudog->in_sendq;

			if (sudog->c != channel || *mark)
				return 0; /* it changed under the walk, or a ring */
			*mark = true;
		}
		at = next;
	}
	return 0;
}

int channel_mark_queues(const struct go_layout *l, pid_t pid, const struct channel *c,
			struct sudogs *s, size_t *budget)
{
	int err = mark_queue(l, pid, c->address, c->recvq, true, s, budget);

	return err ? err : mark_queue(l, pid, c->address, c->sendq, false, s, budget);
}
