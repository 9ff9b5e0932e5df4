/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Coroutines (iter.Pull): runtime/coro.go. One goroutine is blocked on a coro, and coro.gp says
 * which; who switches to it takes its place. Nothing leads from a goroutine to the coro that it is
 * blocked on, but each coro is made with a goroutine, which has it in the frame of corostart() as
 * long as it lives (what is deferred there needs it), and in g.coroarg before. So those are asked
 * for their coros, and these for who is blocked. From 1.22 on.
 */
#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/wait_reading.h"

#define FRAME_BYTES 256 /* corostart()'s is the outermost, and smaller */
#define G_BYTES     512 /* of a g, with coroarg */
#define WORDS_MAX   (G_BYTES / 8)
#define HELD_WORDS  10 /* of the function value that iter.Pull makes: eight in 1.23 */
#define BATCH       8  /* goroutines at a time */

/* coro{gp, f, …} */
struct coro {
	uint64_t gp, f;
};

/* Where one that was made with a coro has it. */
static struct memory_piece where(const struct wait_reading *r, const struct memory_goroutine *g,
				 uint64_t corostart, uint64_t *words)
{
	if (g->sched_pc - r->bias == corostart) /* it has not begun */
		return (struct memory_piece){g->address, words, G_BYTES, false};
	return (struct memory_piece){g->stack_hi - FRAME_BYTES, words, FRAME_BYTES, false};
}

/* A funcval is an address of code, and what it was given. False: that is none. */
static bool is_closure(const struct wait_reading *r, uint64_t code, struct go_func *ret)
{
	return code && !target_func_by_pc(r->t, code - r->bias, ret) &&
	       ret->entry == code - r->bias;
}

/* The iterator that iter.Pull was given: of what its own function value holds the one that is a
 * function value, too; the others are where the two sides leave what they hand over. */
static int name_iterator(struct wait_reading *r, uint32_t body, const uint64_t held[HELD_WORDS])
{
	struct go_func func;
	uint64_t code = 0;

	if (!r->runs)
		r->runs = calloc(r->n + 1, sizeof(*r->runs));
	if (!r->runs)
		return -ENOMEM;
	for (size_t i = 0; i < HELD_WORDS; i++) {
		if (held[i] >= 4096 && held[i] % 8 == 0 &&
		    !memory_read(r->pid, held[i], &code, sizeof(code)) &&
		    is_closure(r, code, &func))
			return reading_text(r, func.name, &r->runs[body]);
	}
	return 0;
}

/* Is that a coro that somebody is blocked on, who is not known to be yet? A sudog's first word is a
 * g, too, but its second one no function value. `body` was made with it, or is what made it. */
static int try_coro(struct wait_reading *r, uint32_t body, uint64_t address,
		    const struct coro *coro)
{
	uint32_t g = address_map_get(&r->by_g, coro->gp), object;
	uint64_t f[1 + HELD_WORDS];
	struct go_func func;
	int err;

	if (g == ADDRESS_NONE || r->park[g] != PARK_CORO || coro->f % 8 ||
	    memory_read(r->pid, coro->f, f, sizeof(f)) || !is_closure(r, f[0], &func))
		return 0;
	err = reading_edge(r, g, address, WAIT_CORO, WAIT_RESUME);
	if (!err)
		err = reading_object(r, address, WAIT_CORO, &object);
	if (err)
		return err;
	r->objects[object].coro.blocked = g;
	r->park[g] = PARK_CORO_KNOWN;
	return r->runs && r->runs[body] ? 0 : name_iterator(r, body, f + 1);
}

/* From the outermost on: the first is its own, further ones it may have made. */
static int try_words(struct wait_reading *r, uint32_t body, const uint64_t *words, size_t n)
{
	const struct memory_goroutine *g = &r->gs[body];
	struct memory_piece pieces[WORDS_MAX];
	struct coro coros[WORDS_MAX];
	size_t n_pieces = 0;
	int err;

	for (size_t i = n; i-- > 0;) {
		if (words[i] < 4096 || words[i] % 8 || words[i] >= 1ull << 56 ||
		    (words[i] >= g->stack_lo && words[i] < g->stack_hi))
			continue;
		pieces[n_pieces] =
			(struct memory_piece){words[i], &coros[n_pieces], sizeof(coros[0]), false};
		n_pieces++;
	}
	err = memory_read_pieces(r->pid, pieces, n_pieces);
	for (size_t i = 0; i < n_pieces && !err; i++)
		if (pieces[i].ok)
			err = try_coro(r, body, pieces[i].addr, &coros[i]);
	return err;
}

/* Those of gs[which[0]] … */
static int try_some(struct wait_reading *r, const uint32_t *which, size_t n, uint64_t corostart)
{
	uint64_t words[BATCH][WORDS_MAX];
	struct memory_piece pieces[BATCH];
	int err;

	for (size_t i = 0; i < n; i++)
		pieces[i] = where(r, &r->gs[which[i]], corostart, words[i]);
	err = memory_read_pieces(r->pid, pieces, n);
	for (size_t i = 0; i < n && !err; i++)
		if (pieces[i].ok)
			err = try_words(r, which[i], words[i], pieces[i].size / 8);
	return err;
}

int reading_coroutines(struct wait_reading *r)
{
	uint32_t which[BATCH];
	struct go_func corostart;
	bool any = false;
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < r->n && !any; i++)
		any = r->park[i] == PARK_CORO;
	if (!any || target_func_by_name(r->t, "runtime.corostart", &corostart))
		return 0;
	for (size_t i = 0; i < r->n && !err; i++) {
		const struct memory_goroutine *g = &r->gs[i];

		if (g->start_pc != corostart.entry || g->stack_hi - g->stack_lo < FRAME_BYTES)
			continue;
		which[n++] = (uint32_t)i;
		if (n == BATCH) {
			err = try_some(r, which, n, corostart.entry);
			n = 0;
		}
	}
	return err || !n ? err : try_some(r, which, n, corostart.entry);
}

int reading_coroutines_hold(struct wait_reading *r)
{
	for (size_t i = 0; i < r->n_objects; i++) {
		const struct wait_object *o = &r->objects[i];
		uint64_t gp = 0;
		uint32_t g;
		int err;

		if (o->kind != WAIT_CORO)
			continue;
		g = o->coro.blocked;
		err = memory_read(r->pid, o->address, &gp, sizeof(gp));
		if (err && err != -EFAULT)
			return err;
		if (gp == r->gs[g].address || r->park[g] == PARK_NOT)
			continue;
		r->park[g] = PARK_NOT;
		r->graph->moved++;
	}
	return 0;
}
