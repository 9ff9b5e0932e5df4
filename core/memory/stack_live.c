/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bit for each word of a copy of the stack. At first the words are live that the maps of the
 * frames name; then the variables that a live word points to, whole, and so on.
 *
 * As the collector does it, but for what is more here: the words of frames that are not known, and
 * of the caller's frame, in which such a one has its arguments; all words of a variable, pointers
 * or not; the frames on both sides of an interruption.
 */
#include "core/memory/stack_live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/memory/memory.h"
#include "core/memory/stack_walk.h"

#define STACK_MAX     (1u << 20) /* bytes of one that is read */
#define G_MAX         GO_G_SIZE_MAX
#define WALK_NS       NS_PER_SEC
#define MAPS          1024 /* a power of two */
#define VARIABLES     8192 /* of one stack */
#define DEFERS_MAX    4096
#define RECORD_MAX    256
#define CLOSURE_BYTES 40 /* its code, and what it has captured, as far as is looked at */
#define FIRST_CALLED  18 /* before 1.18 a deferred call's arguments may lie behind its record */

struct map_entry {
	uint64_t pc; /* 0: unused */
	int err;
	struct target_stack_map map;
	struct target_open_defers open;
};

struct variable {
	uint64_t lo, hi; /* addresses */
	uint16_t frame;
	bool live;
};

/* A live word that points into the stack. */
struct inward {
	uint64_t value;
	uint8_t life; /* of that word */
};

struct stack_live {
	const struct target *t;
	pid_t pid;
	uint64_t bias;
	bool has_lr;
	struct stack_steps *steps;
	struct stack_trace *trace;
	struct map_entry *maps;
	/* Of the stack at hand. */
	uint64_t sp, hi;
	uint8_t *copy, *life;    /* of [sp, hi); a byte a word */
	uint16_t *frame;         /* of each word that is not dead */
	struct inward *pointers; /* not looked at; a word gives one at most */
	size_t n_pointers;
	struct variable *variables; /* by lo once all are there */
	size_t n_variables;
	uint64_t g[G_MAX / 8];
	uint64_t others[2 * DEFERS_MAX]; /* values beside the stack */
	struct stack_defer defers[DEFERS_MAX];
	uint64_t
		slots[DEFERS_MAX]; /* of the frame, where the closure's address is; 0: a record's */
	size_t n_others, n_defers;
};

int stack_live_new(const struct target *t, pid_t pid, uint64_t bias, struct stack_live **ret)
{
	struct stack_live *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->t = t;
	s->pid = pid;
	s->bias = bias;
	s->has_lr = target_has_link_register(t);
	s->steps = stack_steps_new();
	s->trace = malloc(sizeof(*s->trace));
	s->maps = calloc(MAPS, sizeof(*s->maps));
	s->copy = malloc(STACK_MAX);
	s->life = malloc(STACK_MAX / 8);
	s->frame = calloc(STACK_MAX / 8, sizeof(*s->frame));
	s->pointers = calloc(STACK_MAX / 8 + G_MAX / 8 + 2 * DEFERS_MAX, sizeof(*s->pointers));
	s->variables = calloc(VARIABLES, sizeof(*s->variables));
	if (!s->steps || !s->trace || !s->maps || !s->copy || !s->life || !s->frame ||
	    !s->pointers || !s->variables) {
		stack_live_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void stack_live_free(struct stack_live *s)
{
	if (!s)
		return;
	free(s->steps);
	free(s->trace);
	free(s->maps);
	free(s->copy);
	free(s->life);
	free(s->frame);
	free(s->pointers);
	free(s->variables);
	free(s);
}

/* --- words ------------------------------------------------------------------------------------ */

static uint64_t word_at(const struct stack_live *s, uint64_t addr)
{
	uint64_t value;

	memcpy(&value, s->copy + (addr - s->sp), sizeof(value));
	return value;
}

static void note_pointer(struct stack_live *s, uint64_t value, enum word_life life)
{
	if (value >= s->sp && value < s->hi)
		s->pointers[s->n_pointers++] = (struct inward){value, (uint8_t)life};
}

static void mark_word(struct stack_live *s, uint64_t addr, enum word_life as, size_t frame)
{
	size_t i = (addr - s->sp) / 8;
	bool known = s->life[i] != WORD_DEAD;

	/* A map says more than a frame that has none. */
	if (known && (as != WORD_LIVE || s->life[i] == WORD_LIVE))
		return;
	s->life[i] = (uint8_t)as;
	s->frame[i] = (uint16_t)frame;
	if (!known)
		note_pointer(s, word_at(s, addr), as);
}

/* As much of [lo, hi) as is in use. */
static void mark_range(struct stack_live *s, uint64_t lo, uint64_t hi, enum word_life as,
		       size_t frame)
{
	lo = MAX(lo, s->sp) & ~7ULL;
	hi = MIN(hi, s->hi);
	for (uint64_t at = lo; at < hi && hi - at >= 8; at += 8)
		mark_word(s, at, as, frame);
}

/* --- frames ----------------------------------------------------------------------------------- */

static const struct map_entry *map_at(struct stack_live *s, uint64_t pc)
{
	struct map_entry *e = &s->maps[(pc ^ pc >> 10) & (MAPS - 1)];

	if (e->pc != pc || !pc) {
		e->pc = pc;
		e->err = target_stack_map(s->t, pc, &e->map);
		if (target_open_defers(s->t, pc, &e->open))
			e->open.n = 0;
	}
	return e->err ? NULL : e;
}

static bool bit(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static int add_variables(struct stack_live *s, const struct target_stack_map *m, size_t frame,
			 uint64_t varp, uint64_t argp)
{
	for (uint32_t i = 0; i < m->n_objects; i++) {
		struct target_stack_object o = target_stack_object(m, i);
		uint64_t at = (o.offset < 0 ? varp : argp) + (uint64_t)(int64_t)o.offset;

		if (o.size <= 0 || at < s->trace->frames[frame].sp) /* it has not come to be yet */
			continue;
		if (at >= s->hi || s->n_variables == VARIABLES)
			return -ENODATA;
		s->variables[s->n_variables++] = (struct variable){
			at, MIN(at + (uint32_t)o.size, s->hi), (uint16_t)frame, false};
	}
	return 0;
}

/* Those of one frame that are due; what does not make sense is left out. */
static void add_open_defers(struct stack_live *s, const struct target_open_defers *open,
			    const struct stack_frame *f, uint64_t varp)
{
	uint8_t due;

	if (!open->n || !open->bits || open->bits > varp - f->sp)
		return;
	due = s->copy[varp - open->bits - s->sp];
	for (uint32_t i = 0; i < open->n; i++) {
		uint32_t below = open->closures[i];

		if (!(due >> i & 1) || below < 8 || below > varp - f->sp || below % 8 ||
		    s->n_defers == DEFERS_MAX)
			continue;
		s->slots[s->n_defers] = varp - below;
		s->defers[s->n_defers++] =
			(struct stack_defer){word_at(s, varp - below), f->lookup};
	}
}

/* One frame by its map, [sp, end); false: it does not fit to it. runtime/traceback.go
 * resolveInternal() says where things are. */
static bool mark_mapped(struct stack_live *s, const struct map_entry *e, size_t frame, uint64_t end,
			int *ret)
{
	const struct stack_frame *f = &s->trace->frames[frame];
	uint64_t varp = end - (s->has_lr ? 0 : 8), argp = end + (s->has_lr ? 8 : 0), sp = f->sp;
	const struct target_stack_map *m = e ? &e->map : NULL;

	if (!m || end - sp < (s->has_lr ? 0 : 8))
		return false;
	if (varp > sp)
		varp -= 8; /* the saved frame pointer */
	if (!m->locals && varp - sp > (s->has_lr ? 16 : 0))
		return false;
	if ((uint64_t)m->n_locals * 8 > varp - sp ||
	    (m->n_args && (argp > s->hi || (uint64_t)m->n_args * 8 > s->hi - argp)))
		return false;
	for (uint32_t i = 0; i < m->n_locals; i++)
		if (bit(m->locals, i))
			mark_word(s, varp - 8 * (uint64_t)(m->n_locals - i), WORD_LIVE, frame);
	for (uint32_t i = 0; i < m->n_args; i++)
		if (bit(m->args, i))
			mark_word(s, argp + 8 * (uint64_t)i, WORD_LIVE, frame);
	add_open_defers(s, &e->open, f, varp);
	*ret = add_variables(s, m, frame, varp, argp);
	return true;
}

/* Did something interrupt the code there (a signal), or was it about to begin? */
static bool is_interrupted(const struct stack_live *s, size_t i)
{
	return i < s->trace->n && s->trace->frames[i].lookup == s->trace->frames[i].pc;
}

static int mark_frames(struct stack_live *s)
{
	const struct stack_frame *f = s->trace->frames;
	size_t n = s->trace->n;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		uint64_t end = i + 1 < n ? f[i + 1].sp : s->hi;

		if (f[i].sp < s->sp || end < f[i].sp || end > s->hi || f[i].sp % 8 || end % 8)
			return -ENODATA;
		if (i + 1 < n && !is_interrupted(s, i) && !is_interrupted(s, i + 1) &&
		    mark_mapped(s, map_at(s, f[i].pc), i, end, &err))
			continue;
		/* Its arguments are in its caller's frame. */
		mark_range(s, f[i].sp, end, WORD_UNKNOWN, i);
		mark_range(s, end, i + 2 < n ? f[i + 2].sp : s->hi, WORD_UNKNOWN,
			   MIN(i + 1, n - 1));
	}
	return err;
}

/* --- what hangs on g -------------------------------------------------------------------------- */

static void add_other(struct stack_live *s, uint64_t value)
{
	s->others[s->n_others++] = value;
	note_pointer(s, value, WORD_LIVE);
}

/* Before its function a record has where in the code the call was deferred. */
static void add_recorded(struct stack_live *s, const uint8_t *record, uint64_t fn)
{
	const struct go_layout *l = target_layout(s->t);
	uint64_t pc = 0;

	if (l->defer_fn >= 16)
		memcpy(&pc, record + l->defer_fn - 8, sizeof(pc));
	if (fn && s->n_defers < DEFERS_MAX) {
		s->slots[s->n_defers] = 0;
		s->defers[s->n_defers++] =
			(struct stack_defer){fn, pc > s->bias + 1 ? pc - s->bias - 1 : 0};
	}
}

/* Deferred calls lie in frames or in the heap, in any order. */
static int add_defers(struct stack_live *s, const struct memory_goroutine *g)
{
	const struct go_layout *l = target_layout(s->t);
	uint64_t at = g->defer;

	if (!l->g_defer)
		return -ENODATA;
	if (at &&
	    (!l->defer_size || l->defer_size > RECORD_MAX || target_go_minor(s->t) < FIRST_CALLED))
		return -ENODATA;
	for (unsigned i = 0; at; i++) {
		uint8_t record[RECORD_MAX];
		uint64_t fn;

		if (i == DEFERS_MAX / 2)
			return -ENODATA;
		if (at >= s->sp && at < s->hi && s->hi - at >= l->defer_size)
			memcpy(record, s->copy + (at - s->sp), l->defer_size);
		else if (memory_read(s->pid, at, record, l->defer_size))
			return -EAGAIN;
		else
			add_other(s, at);
		memcpy(&fn, record + l->defer_fn, sizeof(fn));
		add_other(s, fn);
		add_recorded(s, record, fn);
		memcpy(&at, record + l->defer_link, sizeof(at));
	}
	return 0;
}

/* --- variables -------------------------------------------------------------------------------- */

static int by_lo(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static struct variable *variable_at(const struct stack_live *s, uint64_t addr)
{
	size_t i = FIRST_ABOVE(s->variables, s->n_variables, lo, addr);

	return i && addr < s->variables[i - 1].hi ? &s->variables[i - 1] : NULL;
}

static void mark_variables(struct stack_live *s)
{
	qsort(s->variables, s->n_variables, sizeof(*s->variables), by_lo);
	while (s->n_pointers) {
		const struct inward *p = &s->pointers[--s->n_pointers];
		struct variable *v = variable_at(s, p->value);

		if (!v || v->live)
			continue;
		v->live = true;
		mark_range(s, v->lo, v->hi, (enum word_life)p->life, v->frame);
	}
}

/* Where a closure at `at` ends at the latest: before another one, or where one's address is kept.
 */
static uint64_t closure_end(const struct stack_live *s, uint64_t at)
{
	uint64_t end = at + CLOSURE_BYTES;

	for (size_t i = 0; i < s->n_defers; i++) {
		if (s->defers[i].closure > at)
			end = MIN(end, s->defers[i].closure);
		if (s->slots[i] > at)
			end = MIN(end, s->slots[i]);
	}
	return end;
}

/* What a deferred closure in a frame has captured is used when it is called. Up to 1.17 no map
 * names it. */
static void mark_closures(struct stack_live *s)
{
	for (size_t i = 0; i < s->n_defers; i++) {
		const uint64_t at = s->defers[i].closure;
		size_t frame = 0;

		if (at < s->sp || at >= s->hi || at % 8 || s->life[(at - s->sp) / 8] != WORD_DEAD)
			continue;
		while (frame + 1 < s->trace->n && s->trace->frames[frame + 1].sp <= at)
			frame++;
		mark_range(s, at, closure_end(s, at), WORD_UNKNOWN, frame);
	}
	mark_variables(s);
}

/* --- all of it -------------------------------------------------------------------------------- */

static int read_all(struct stack_live *s, const struct memory_goroutine *g)
{
	size_t g_size = target_layout(s->t)->g_size;
	struct memory_piece pieces[] = {
		{.addr = s->sp, .buf = s->copy, .size = s->hi - s->sp},
		{.addr = g->address, .buf = s->g, .size = g_size & ~(size_t)7},
	};
	struct memory_goroutine now;
	int err;

	if (g_size > G_MAX)
		return -ENODATA;
	err = memory_read_pieces(s->pid, pieces, ARRAY_SIZE(pieces));
	if (!err && !(pieces[0].ok && pieces[1].ok))
		err = -EAGAIN;
	if (!err)
		err = memory_goroutine_again(s->t, s->pid, s->bias, g, &now);
	if (!err && !(stack_is_unmoved(g, &now) && stack_live_can_tell(&now)))
		err = -EAGAIN;
	for (size_t i = 0; !err && i < g_size / 8; i++)
		note_pointer(s, s->g[i], WORD_LIVE);
	return err;
}

int stack_live_read(struct stack_live *s, const struct memory_goroutine *g, struct stack_words *ret)
{
	const struct stack_bounds bounds = {STACK_INNER, monotonic_ns() + WALK_NS};
	uint64_t used = stack_live_can_tell(g) ? stack_used(g, &s->sp) : 0;
	int err;

	if (!used || used > STACK_MAX || used % 8)
		return -ENODATA;
	s->hi = s->sp + used;
	s->n_pointers = s->n_variables = s->n_others = s->n_defers = 0;
	memset(s->life, 0, used / 8);
	err = read_all(s, g);
	if (err)
		return err;
	stack_walk_copy(s->t, s->bias, g, s->steps, s->copy, used, &bounds, s->trace);
	if (s->trace->state != STACK_WHOLE || s->trace->inner != s->trace->n)
		return -ENODATA;
	err = mark_frames(s);
	if (!err)
		err = add_defers(s, g);
	if (err)
		return err;
	mark_variables(s);
	mark_closures(s);
	*ret = (struct stack_words){
		.trace = s->trace,
		.sp = s->sp,
		.hi = s->hi,
		.bytes = s->copy,
		.life = s->life,
		.frame = s->frame,
		.defers = s->defers,
		.n_defers = s->n_defers,
		.others = s->others,
		.n_others = s->n_others,
	};
	return 0;
}

int stack_live_words(struct stack_live *s, const struct memory_goroutine *g, stack_live_fn *fn,
		     void *ctx)
{
	struct stack_words words;
	int err = stack_live_read(s, g, &words);

	for (uint64_t at = s->sp; !err && at < s->hi; at += 8) {
		if (stack_word_life(&words, at))
			fn(ctx, word_at(s, at));
	}
	for (size_t i = 0; !err && i < words.n_others; i++)
		fn(ctx, words.others[i]);
	return err;
}
