/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads every g of a live process. The list and the gs change while they are read:
 * - The list is read as the runtime does, length first, so that the array is at least that long.
 * - gs are read twice. Where the goroutine in a g is another one the second time (it died and the g
 *   was used again: newproc1), the entry may be mixed of both and is read again by itself.
 * A g is never freed, so its address stays good.
 *
 * 100,000 gs lie close together in the heap: they are read in address order, neighbours as one
 * piece.
 */
#include "core/memory/goroutines.h"

#include <errno.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/target/allgs.h"
#include "core/memory/goroutines_read.h"
#include "core/memory/memory.h"

#define GIDLE      0 /* runtime2.go */
#define GDEAD      6
#define GDEADEXTRA 11
#define GSCAN      0x1000

#define ALLGS_MAX   (1u << 24)
#define BATCH_BYTES (1u << 20)
#define PIECES_MAX  256
#define JOIN_GAP    512 /* bytes between two gs that are cheaper to read than to skip */
#define TRIES       4
#define CHUNK       (64u << 10) /* addresses of gs that are read at a time */

/* How many bytes of a g from its start hold all that is read. */
static uint32_t bytes_of(const struct go_layout *l)
{
	const uint32_t offsets[] = {
		l->g_m,
		l->g_atomicstatus,
		l->g_goid,
		l->g_waitsince,
		l->g_waitreason,
		l->g_gopc,
		l->g_startpc,
		l->g_lockedm,
		l->g_parent_goid,
		l->g_sched_sp,
		l->g_sched_pc,
		l->g_sched_lr,
		l->g_sched_bp,
		l->g_syscallsp,
		l->g_syscallpc,
		l->g_syscallbp,
		l->g_labels,
		l->g_bubble,
		l->g_running_cleanups,
		l->g_tracking_seq,
		l->g_waiting,
		l->g_defer,
	};
	uint32_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
		size = MAX(size, offsets[i] + 8);
	return size;
}

static uint64_t word(const uint8_t *g, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, g + offset, sizeof(value));
	return value;
}

static uint64_t static_address(uint64_t addr, uint64_t bias)
{
	return addr ? addr - bias : 0;
}

/* A field that this version may not have. */
static uint64_t maybe(const uint8_t *g, uint32_t offset)
{
	return offset ? word(g, offset) : 0;
}

static void extract(const struct go_layout *l, const uint8_t *g, uint64_t address, uint64_t bias,
		    struct memory_goroutine *ret)
{
	uint32_t status = (uint32_t)word(g, l->g_atomicstatus);

	*ret = (struct memory_goroutine){
		.address = address,
		.goid = word(g, l->g_goid),
		.parent = maybe(g, l->g_parent_goid),
		.status = status & ~(uint32_t)GSCAN,
		.scanning = status & GSCAN,
		.wait_reason = g[l->g_waitreason],
		.running_cleanups = l->g_running_cleanups && g[l->g_running_cleanups],
		.labels = maybe(g, l->g_labels),
		.bubble = maybe(g, l->g_bubble),
		.counts_turns = l->g_tracking_seq != 0,
		.turns = l->g_tracking_seq ? g[l->g_tracking_seq] : 0,
		.locked_to_thread = maybe(g, l->g_lockedm) != 0,
		.start_pc = static_address(word(g, l->g_startpc), bias),
		.go_pc = static_address(word(g, l->g_gopc), bias),
		.wait_since_ns = (int64_t)word(g, l->g_waitsince),
		.m = word(g, l->g_m),
		.sched_pc = maybe(g, l->g_sched_pc),
		.sched_sp = maybe(g, l->g_sched_sp),
		.sched_bp = maybe(g, l->g_sched_bp),
		.sched_lr = maybe(g, l->g_sched_lr),
		.syscall_pc = maybe(g, l->g_syscallpc),
		.syscall_sp = maybe(g, l->g_syscallsp),
		.syscall_bp = maybe(g, l->g_syscallbp),
		.stack_lo = word(g, 0), /* g.stack is the first field */
		.stack_hi = word(g, 8),
		.waiting = maybe(g, l->g_waiting),
		.defer = maybe(g, l->g_defer),
	};
}

static bool is_live(const struct memory_goroutine *g)
{
	return g->goid != 0 && g->status != GIDLE && g->status != GDEAD && g->status != GDEADEXTRA;
}

static bool is_same(const struct memory_goroutine *a, const struct memory_goroutine *b)
{
	return a->goid == b->goid && a->start_pc == b->start_pc && a->go_pc == b->go_pc &&
	       a->parent == b->parent && is_live(a) == is_live(b);
}

/* --- one pass over all gs ------------------------------------------------------------------- */

struct slot {
	uint64_t address;
	size_t index; /* in allgs */
};

struct sweep {
	const struct target *t;
	const struct go_layout *layout;
	pid_t pid;
	uint64_t bias;
	uint32_t size;      /* bytes of a g */
	struct slot *slots; /* by address */
	size_t n;
	uint8_t *buf; /* BATCH_BYTES */
};

static struct sweep begin(const struct target *t, pid_t pid, uint64_t bias)
{
	const struct go_layout *layout = target_layout(t);

	return (struct sweep){
		.t = t, .layout = layout, .pid = pid, .bias = bias, .size = bytes_of(layout)};
}

static int by_address(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* Plans one batch from slot `first` on: joined pieces that fit the buffer. Returns the slot after
 * the last one planned. */
static size_t plan(const struct sweep *s, size_t first, struct memory_piece *pieces, size_t *ret_n)
{
	size_t used = 0, n = 0, i;

	for (i = first; i < s->n; i++) {
		uint64_t addr = s->slots[i].address;
		struct memory_piece *last = n ? &pieces[n - 1] : NULL;

		if (last && addr - (last->addr + last->size) <= JOIN_GAP &&
		    addr >= last->addr + last->size) {
			size_t more = addr + s->size - (last->addr + last->size);

			if (used + more > BATCH_BYTES)
				break;
			last->size += more;
			used += more;
			continue;
		}
		if (n == PIECES_MAX || used + s->size > BATCH_BYTES)
			break;
		pieces[n++] = (struct memory_piece){
			.addr = addr,
			.buf = s->buf + used,
			.size = s->size,
		};
		used += s->size;
	}
	*ret_n = n;
	return i;
}

/* Reads one g until two readings in a row are of the same goroutine. */
static int read_one(const struct sweep *s, uint64_t address, struct memory_goroutine *ret)
{
	struct memory_goroutine a, b;
	uint8_t bytes[GO_G_SIZE_MAX];
	int err;

	err = memory_read(s->pid, address, bytes, s->size);
	if (err < 0)
		return err;
	extract(s->layout, bytes, address, s->bias, &a);
	for (int i = 0; i < TRIES; i++) {
		err = memory_read(s->pid, address, bytes, s->size);
		if (err < 0)
			return err;
		extract(s->layout, bytes, address, s->bias, &b);
		if (is_same(&a, &b)) {
			*ret = b;
			return 0;
		}
		a = b;
	}
	return -EAGAIN;
}

/*
 * The first pass writes out[index] of every g that could be read; the others keep address 0. The
 * second pass takes the newer reading, or, where the two are not of the same goroutine, reads that
 * g by itself.
 */
static void take(const struct sweep *s, bool second, const struct memory_goroutine *now,
		 struct memory_goroutine *out)
{
	if (!second || (out->address && is_same(out, now)))
		*out = *now;
	else if (read_one(s, now->address, out))
		out->address = 0;
}

static int sweep(const struct sweep *s, bool second, struct memory_goroutine *out)
{
	struct memory_piece pieces[PIECES_MAX];
	struct memory_goroutine now;

	for (size_t first = 0; first < s->n;) {
		size_t n, end = plan(s, first, pieces, &n), piece = 0;
		int err;

		err = target_reading_ends(s->t) ? -ECANCELED
						: memory_read_pieces(s->pid, pieces, n);
		if (err < 0)
			return err;
		for (; first < end; first++) {
			const struct slot *slot = &s->slots[first];

			while (slot->address >= pieces[piece].addr + pieces[piece].size)
				piece++;
			if (!pieces[piece].ok)
				continue;
			extract(s->layout,
				(uint8_t *)pieces[piece].buf + (slot->address - pieces[piece].addr),
				slot->address, s->bias, &now);
			take(s, second, &now, &out[slot->index]);
		}
	}
	return 0;
}

/* --- numbers that were seen ------------------------------------------------------------------ */

/* Open addressing; 0 is no member. */
struct seen {
	uint64_t *slots;
	size_t n, cap;
};

static uint64_t *seen_slot(const struct seen *s, uint64_t value)
{
	size_t at = hash_u64(value) & (s->cap - 1);

	while (s->slots[at] && s->slots[at] != value)
		at = (at + 1) & (s->cap - 1);
	return &s->slots[at];
}

static int seen_grow(struct seen *s)
{
	struct seen next = {.n = s->n, .cap = s->cap ? s->cap * 2 : 1024};

	next.slots = calloc(next.cap, sizeof(*next.slots));
	if (!next.slots)
		return -ENOMEM;
	for (size_t i = 0; i < s->cap; i++) {
		if (s->slots[i])
			*seen_slot(&next, s->slots[i]) = s->slots[i];
	}
	free(s->slots);
	*s = next;
	return 0;
}

/* 1: it is new, 0: it was there, or -ENOMEM. */
static int seen_add(struct seen *s, uint64_t value)
{
	uint64_t *slot;

	if (s->n * 2 >= s->cap && seen_grow(s))
		return -ENOMEM;
	slot = seen_slot(s, value);
	if (*slot)
		return 0;
	*slot = value;
	s->n++;
	return 1;
}

static void seen_free(struct seen *s)
{
	free(s->slots);
}

/* --- the list ------------------------------------------------------------------------------- */

/* The addresses of the gs, each once, in the order of the list: its memory is that of what it
 * holds, not what the target says is its length. */
struct list {
	struct slot *slots;
	size_t n, cap;
	bool cut;
};

static bool can_be_g(uint64_t address)
{
	return address != 0 && address % 8 == 0 && address < 1ull << 56;
}

static int add_slot(struct list *l, uint64_t address)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 1024;
		struct slot *slots = reallocarray(l->slots, cap, sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		l->slots = slots;
		l->cap = cap;
	}
	l->slots[l->n] = (struct slot){address, l->n};
	l->n++;
	return 0;
}

static int read_addresses(pid_t pid, uint64_t ptr, uint64_t len, struct list *l)
{
	cleanup_free_ uint64_t *chunk = malloc(CHUNK * sizeof(*chunk));
	cleanup_(seen_free) struct seen seen = {0};
	int err = chunk ? 0 : -ENOMEM;

	l->n = 0;
	for (uint64_t at = 0; at < len && !err; at += CHUNK) {
		size_t n = MIN(len - at, (uint64_t)CHUNK);

		err = memory_read(pid, ptr + at * sizeof(*chunk), chunk, n * sizeof(*chunk));
		for (size_t i = 0; i < n && !err; i++) {
			int new = can_be_g(chunk[i]) ? seen_add(&seen, chunk[i]) : 0;

			if (new > 0 && l->n == MEMORY_GOROUTINES_MAX) {
				l->cut = true;
				return 0;
			}
			err = new > 0 ? add_slot(l, chunk[i]) : new;
		}
	}
	return err;
}

static int read_list(const struct target *t, pid_t pid, uint64_t bias, struct list *l)
{
	struct allgs_address at;
	uint64_t len, ptr;
	int err;

	err = allgs_find(t, &at);
	if (err < 0)
		return err;
	for (int i = 0; i < TRIES; i++) {
		err = memory_read(pid, at.len + bias, &len, sizeof(len));
		if (!err)
			err = memory_read(pid, at.ptr + bias, &ptr, sizeof(ptr));
		if (err < 0)
			return err;
		if (len > ALLGS_MAX || (len > 0 && ptr % 8 != 0))
			return -EFAULT;
		/* The array may be replaced, and the old one freed, in between. */
		err = read_addresses(pid, ptr, len, l);
		if (err != -EFAULT)
			break;
	}
	if (!err && l->n)
		qsort(l->slots, l->n, sizeof(*l->slots), by_address);
	return err;
}

/* They start nowhere: no go statement made them. */
static size_t count_of_threads(const struct memory_goroutine *found, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += found[i].address && found[i].goid && !found[i].start_pc;
	return count;
}

/* Those that live, each goroutine once: that two gs hold the same one cannot be. */
static int keep_live(struct memory_goroutine *found, size_t n, size_t *ret_kept)
{
	cleanup_(seen_free) struct seen goids = {0};
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		int new;

		if (!found[i].address || !is_live(&found[i]))
			continue;
		new = seen_add(&goids, found[i].goid);
		if (new < 0)
			return new;
		if (new)
			found[kept++] = found[i];
	}
	*ret_kept = kept;
	return 0;
}

int memory_goroutines_about(const struct target *t, pid_t pid, uint64_t bias,
			    struct memory_goroutine **ret, size_t *ret_n,
			    struct memory_about *ret_about)
{
	struct sweep s = begin(t, pid, bias);
	cleanup_free_ uint8_t *buf = malloc(BATCH_BYTES);
	cleanup_free_ struct memory_goroutine *found = NULL;
	struct memory_about about = {0};
	struct list list = {0};
	size_t kept = 0;
	int err;

	err = read_list(t, pid, bias, &list);
	if (!err) {
		found = calloc(list.n + 1, sizeof(*found));
		err = buf && found ? 0 : -ENOMEM;
	}
	s.slots = list.slots;
	s.n = list.n;
	s.buf = buf;
	if (!err)
		err = sweep(&s, false, found);
	if (!err)
		err = sweep(&s, true, found);
	if (!err) {
		about.of_threads = count_of_threads(found, list.n);
		err = keep_live(found, list.n, &kept);
	}
	free(list.slots);
	if (err < 0)
		return err;
	*ret = move_ptr(found);
	*ret_n = kept;
	about.cut = list.cut;
	*ret_about = about;
	return 0;
}

int memory_goroutines(const struct target *t, pid_t pid, uint64_t bias,
		      struct memory_goroutine **ret, size_t *ret_n, bool *ret_cut)
{
	struct memory_about about;
	int err = memory_goroutines_about(t, pid, bias, ret, ret_n, &about);

	if (!err && ret_cut)
		*ret_cut = about.cut;
	return err;
}

int memory_goroutine_records(const struct target *t, pid_t pid, uint64_t bias, uint64_t **ret,
			     size_t *ret_n)
{
	struct list list = {0};
	uint64_t *addresses = NULL;
	int err = read_list(t, pid, bias, &list);

	if (!err) {
		addresses = malloc((list.n + 1) * sizeof(*addresses));
		err = addresses ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !err && i < list.n; i++)
		addresses[i] = list.slots[i].address;
	*ret_n = err ? 0 : list.n;
	*ret = addresses;
	free(list.slots);
	return err;
}

int memory_goroutine_again(const struct target *t, pid_t pid, uint64_t bias,
			   const struct memory_goroutine *before, struct memory_goroutine *ret)
{
	struct sweep s = begin(t, pid, bias);
	struct memory_goroutine now;
	int err;

	err = read_one(&s, before->address, &now);
	if (err < 0)
		return err;
	if (!is_live(&now) || now.goid != before->goid)
		return -ESRCH;
	*ret = now;
	return 0;
}

int memory_goroutine_by_id(const struct target *t, pid_t pid, uint64_t bias, uint64_t goid,
			   struct memory_goroutine *ret)
{
	cleanup_free_ struct memory_goroutine *list = NULL;
	size_t n;
	int err;

	err = memory_goroutines(t, pid, bias, &list, &n, NULL);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (list[i].goid == goid) {
			*ret = list[i];
			return 0;
		}
	}
	return -ESRCH;
}

size_t goroutine_bytes(const struct target *t)
{
	return bytes_of(target_layout(t));
}

bool goroutine_from_bytes(const struct target *t, const void *bytes, uint64_t address,
			  uint64_t bias, struct memory_goroutine *ret)
{
	extract(target_layout(t), bytes, address, bias, ret);
	return is_live(ret);
}
