/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may end the waits on an object: all stacks are searched for its address. Go records no owner
 * of a lock, so what is found is evidence, and which one is said:
 * - A deferred call that is due: a closure {entry of F.deferwrapN, &mu} (cmd/compile wraps every
 *   deferred call with arguments or a receiver: walk/order.go wrapGoDefer()), or another function
 *   that has captured it and makes that call. Due are those on g._defer (panic.go deferproc()), and
 *   the open-coded ones whose bit is set in the frame.
 * - Any other word that is live by its frame's stack map. The frame's code says whether it has
 *   taken a lock before it came to where it stands.
 * - The same with a word that points into the object that the lock is a part of, by the heap's map.
 * That a writer pends keeps an RWMutex's readers out: that is a fact.
 *
 * A stack is looked through word by word first, as most have none of these; where one does, or the
 * goroutine has deferred calls, its maps are read. Where they cannot be, each word counts, and the
 * evidence says so: of one that runs not even the frames are known, as its registers are not.
 *
 * Frames of the runtime and of sync are those of the wait itself and say nothing.
 */
#include <errno.h>
#include <string.h>

#include "core/memory/memory.h"
#include "core/memory/wait_search.h"

#define INLINED_MAX    64 /* calls at one place */
#define FRAMES_MAX     512
#define CAPTURED_MAX   5                /* words of a closure, its code included */
#define BUDGET_NS      (3 * NS_PER_SEC) /* of a processor: others may have them all */
#define FIRST_RECORDED 18 /* release whose due calls are known one by one (stack_live.h) */

/* --- what is found ---------------------------------------------------------------------------- */

int search_fill_frame(struct search *s, uint64_t lookup, struct wait_holder *h)
{
	struct target_frame frames[INLINED_MAX];
	int n = lookup ? target_frames_by_pc(s->r->t, lookup, frames, INLINED_MAX) : 0, err;

	if (n <= 0)
		return 0;
	/* The frame is the outermost call's: what was inlined into it there comes before. */
	h->line = frames[n - 1].line;
	err = reading_text(s->r, frames[n - 1].function, &h->func);
	return err ? err : reading_text(s->r, frames[n - 1].file, &h->file);
}

static bool waits_on(const struct wait_graph *g, uint64_t goid, uint32_t object)
{
	const struct wait_goroutine *w = wait_graph_goroutine(g, goid);

	for (uint32_t i = 0; w && i < w->n_waits; i++) {
		if (g->waits[w->waits + i].object == object)
			return true;
	}
	return false;
}

/* What the frames have done that a frame has called. */
struct callees {
	bool known;     /* the frame is among those of the stack */
	bool kept;      /* all of them have left a caller's lock alone, or taken it again */
	bool lent;      /* one has its address, and called a function value that may give it up */
	bool gave;      /* one has given up such a lock, maybe another one */
	bool cond;      /* sync.(*Cond).Wait is among them */
	bool waits_for; /* the innermost one of the program, or the frame, is in a call of Lock() */
};

/* Has a frame a live pointer to it? */
static bool frame_has(const struct search *s, size_t frame, uint64_t address)
{
	const struct stack_words *w = s->words;
	uint64_t word;

	for (uint64_t at = w ? w->sp : 0; w && at < w->hi; at += 8) {
		memcpy(&word, w->bytes + (at - w->sp), sizeof(word));
		if (word == address && stack_word_life(w, at) != WORD_DEAD &&
		    w->frame[(at - w->sp) / 8] == frame)
			return true;
	}
	return false;
}

static struct callees callees_of(struct search *s, uint64_t lookup, uint32_t object)
{
	const enum wait_kind kind = s->g->objects[object].kind;
	struct callees c = {.kept = true};
	bool innermost = true, taking, called = false;

	for (size_t f = 0; s->trace && f < s->trace->n && !c.known; f++) {
		uint64_t at = s->trace->frames[f].lookup;
		enum wait_section kept;

		c.cond |= wait_calls_is_cond_wait(s->calls, at);
		if (wait_calls_is_machinery(s->calls, at)) {
			/* One of sync's own may be the one that takes it: sync.(*Once).doSlow */
			called |= innermost && (wait_calls_takes(s->calls, at, kind) ||
						wait_calls_is_lock_slow(s->calls, at));
			c.known = at == lookup && !innermost;
			continue;
		}
		kept = wait_calls_kept(s->calls, at, kind, &taking);
		if (innermost)
			c.waits_for = taking || called; /* called: by a pointer, maybe */
		innermost = false;
		c.known = at == lookup;
		if (c.known)
			break;
		c.kept &= kept >= WAIT_SECTION_HIDDEN;
		c.lent |= kept == WAIT_SECTION_HIDDEN &&
			  frame_has(s, f, s->g->objects[object].address);
		c.gave |= kept == WAIT_SECTION_NO;
	}
	return c;
}

#define ITAB_LOCK 24 /* internal/abi/iface.go ITab.Fun[0]: of a sync.Locker, its Lock */

/* The lock of the Cond that he waits on: its address, or (`ret_exact` is false then) that of
 * something else that locks it. 0: not known. */
static uint64_t lock_of_cond(const struct search *s, uint64_t goid, bool *ret_exact)
{
	const struct wait_goroutine *w = wait_graph_goroutine(s->g, goid);
	const struct wait_object *cond;
	uint64_t locker[2]; /* sync/cond.go: Cond.L is its first field that has a size */
	uint64_t lock;

	*ret_exact = false;
	if (!w || w->n_waits != 1)
		return 0;
	cond = &s->g->objects[s->g->waits[w->waits].object];
	if (cond->kind != WAIT_COND ||
	    memory_read(s->r->pid, cond->address, locker, sizeof(locker)))
		return 0;
	*ret_exact = !memory_read(s->r->pid, locker[0] + ITAB_LOCK, &lock, sizeof(lock)) &&
		     (wait_calls_takes(s->calls, lock - s->r->bias, WAIT_MUTEX) ||
		      wait_calls_takes(s->calls, lock - s->r->bias, WAIT_RWMUTEX));
	return locker[1];
}

/*
 * That a frame has taken a lock, or will unlock it in the end, says little once what it has called
 * may have given it up: Cond.Wait(), or a function that unlocks for a while. Who waits for a lock
 * has it only where all of that is excluded: by the code from the frame to the call of Lock().
 * Where only the frame itself does not say it, having taken it through an interface, he may be the
 * one.
 */
static void weigh_callees(struct search *s, struct wait_holder *h, uint64_t lookup)
{
	enum wait_kind kind = s->g->objects[h->object].kind;
	struct callees c;

	if ((kind != WAIT_MUTEX && kind != WAIT_RWMUTEX) ||
	    (h->evidence != WAIT_BY_DEFER &&
	     !(search_is_weak(h) && h->section >= WAIT_SECTION_LENT)))
		return;
	c = callees_of(s, lookup, h->object);
	if (h->waiter) {
		const bool kept = c.known && c.kept && !c.lent && c.waits_for;

		h->unproven = h->evidence == WAIT_BY_DEFER && h->section == WAIT_SECTION_UNKNOWN;
		h->gave_up = c.cond || c.gave ||
			     (h->evidence == WAIT_BY_DEFER &&
			      !(kept && (h->unproven || h->section >= WAIT_SECTION_LENT)));
		return;
	}
	if (!c.known)
		return;
	if (c.cond) {
		bool exact;
		uint64_t lock = lock_of_cond(s, h->goid, &exact);

		h->gave_up = lock == s->g->objects[h->object].address;
		c.gave |= !exact && address_map_get(&s->by_address, lock) == ADDRESS_NONE;
	}
	if (c.gave)
		h->section = search_is_weak(h) ? WAIT_SECTION_MAYBE : WAIT_SECTION_NO;
	else if (c.lent && h->section == WAIT_SECTION_YES && search_is_weak(h))
		h->section = WAIT_SECTION_HIDDEN;
	else if (c.lent)
		h->doubted = true;
}

static uint64_t stack_word(const struct stack_words *words, uint64_t addr)
{
	uint64_t value;

	memcpy(&value, words->bytes + (addr - words->sp), sizeof(value));
	return value;
}

static bool is_on_stack(const struct stack_words *words, uint64_t addr)
{
	return addr >= words->sp && addr < words->hi && addr % 8 == 0;
}

/* Does the method that the frame's code has called take such a lock? */
static bool method_takes(struct search *s, enum wait_kind kind, size_t frame,
			 const struct lock_method *m)
{
	const struct stack_frame *f = &s->trace->frames[frame];
	const uint64_t at = f->sp + (uint64_t)m->disp;
	uint64_t function;

	if (!m->needed)
		return true;
	if (m->own) /* he is in it */
		return frame > 0 && wait_calls_takes(s->calls, f[-1].lookup, kind);
	return s->words && is_on_stack(s->words, at) &&
	       !memory_read(s->r->pid, stack_word(s->words, at) + m->method, &function,
			    sizeof(function)) &&
	       wait_calls_takes(s->calls, function - s->r->bias, kind);
}

/* Is it this very lock that the frame's code has taken: by the word that has its address, or by the
 * call that he waits in? */
static bool took_this(struct search *s, const struct wait_holder *h, uint64_t lookup)
{
	const struct wait_object *o = &s->g->objects[h->object];
	struct lock_word word = {.own = h->by_code,
				 .size = o->kind == WAIT_MUTEX ? MUTEX_BYTES : RWMUTEX_BYTES};
	size_t frame = h->by_code ? 0 : s->word_frame;
	struct lock_method method;

	if ((o->kind != WAIT_MUTEX && o->kind != WAIT_RWMUTEX) || !s->trace ||
	    (!h->by_code && !s->has_word))
		return false;
	if (!h->by_code) {
		word.closure = s->word_in_closure;
		word.disp = (int64_t)s->word_disp;
		word.off = (int64_t)(o->address - s->word_value);
	}
	while (h->by_code && frame + 1 < s->trace->n && s->trace->frames[frame].lookup != lookup)
		frame++;
	return wait_calls_section_by_word(s->calls, lookup, o->kind, &word, &method) ==
		       WAIT_SECTION_YES &&
	       method_takes(s, o->kind, frame, &method);
}

/* That the frame's code took a lock of that kind says something of this one when it is shown to be
 * the same. */
static void weigh_word(struct search *s, struct wait_holder *h, uint64_t lookup)
{
	const bool asked = search_is_weak(h) ? !h->by_variable
					     : s->word_in_closure && h->section != WAIT_SECTION_YES;

	if (!asked)
		return;
	if (lookup && took_this(s, h, lookup)) {
		h->section = WAIT_SECTION_YES;
	} else if (search_is_weak(h) && h->section == WAIT_SECTION_YES) {
		h->section = WAIT_SECTION_HIDDEN;
		h->doubted = true;
	}
}

static bool is_fact(const struct wait_holder *h)
{
	return h->evidence == WAIT_BY_PENDING_WRITER;
}

static int add_found(struct search *s, struct wait_holder *h, uint64_t lookup)
{
	size_t i = s->n;

	h->lookup = lookup;
	h->waiter = waits_on(s->g, h->goid, h->object);
	if (lookup && !h->by_variable)
		h->section = wait_calls_section(s->calls, lookup, s->g->objects[h->object].kind);
	weigh_word(s, h, lookup);
	weigh_callees(s, h, lookup);
	while (i > 0 && s->found[i - 1].goid == h->goid &&
	       (s->found[i - 1].object != h->object || is_fact(&s->found[i - 1]) != is_fact(h)))
		i--;
	if (i > 0 && s->found[i - 1].goid == h->goid) {
		if (search_compare_likely(&s->found[i - 1], h) <= 0)
			return 0;
		s->found[i - 1] = *h;
		return search_fill_frame(s, lookup, &s->found[i - 1]);
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		struct wait_holder *list = reallocarray(s->found, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->found = list;
		s->cap = cap;
	}
	s->found[s->n++] = *h;
	return search_fill_frame(s, lookup, &s->found[s->n - 1]);
}

/* A goroutine's own come together. */
int search_add(struct search *s, struct wait_holder *h, uint64_t lookup)
{
	int err = add_found(s, h, lookup);

	return err ? err : wait_calls_is_late(s->calls) ? -ETIMEDOUT : 0;
}

/* The first of the parts, by their order, that ends behind an address. */
static size_t first_part(const struct search *s, uint64_t addr)
{
	return FIRST_ABOVE(s->parts, s->n_parts, end, addr);
}

static bool points_into_part(const struct search *s, uint64_t word)
{
	size_t i;

	if (!s->n_parts || word < s->parts[0].base || word >= s->parts[s->n_parts - 1].end)
		return false;
	i = first_part(s, word);
	return i < s->n_parts && s->parts[i].base <= word;
}

static bool is_of_interest(const struct search *s, uint64_t word)
{
	return address_map_get(&s->by_address, word) != ADDRESS_NONE || points_into_part(s, word);
}

/* A word that is a pointer to an object, or into one that has locks in it. */
static int look_at_word(struct search *s, const struct whose *w, uint64_t word)
{
	struct wait_holder h = {.goid = w->goid, .evidence = WAIT_BY_FRAME, .word = w->word};
	int err = 0;

	h.object = address_map_get(&s->by_address, word);
	if (h.object != ADDRESS_NONE)
		return search_add(s, &h, w->lookup);
	if (!points_into_part(s, word))
		return 0;
	h.evidence = WAIT_BY_OBJECT;
	for (size_t i = first_part(s, word); i < s->n_parts && s->parts[i].base <= word && !err;
	     i++) {
		h.object = s->parts[i].object;
		err = search_add(s, &h, w->lookup);
	}
	return err;
}

/* --- deferred calls --------------------------------------------------------------------------- */

/* Does calling the closure with this code, which has captured an address, end waits on the object?
 */
static int look_at_deferred(struct search *s, const struct whose *w, uint64_t entry,
			    uint32_t object)
{
	struct wait_holder h = {
		.goid = w->goid, .object = object, .evidence = WAIT_BY_DEFER, .word = w->word};
	const char *call, *via;
	int err;

	wait_calls_deferred(s->calls, entry, s->g->objects[object].kind, &call, &via);
	if (!call)
		return 0;
	err = reading_text(s->r, call, &h.call);
	if (!err && via)
		err = reading_text(s->r, via, &h.deferred);
	return err ? err : search_add(s, &h, w->lookup);
}

static int look_at_captured(struct search *s, const struct whose *w, uint64_t entry, uint64_t word)
{
	uint32_t object = address_map_get(&s->by_address, word);
	int err = 0;

	if (object != ADDRESS_NONE)
		return look_at_deferred(s, w, entry, object);
	if (wait_calls_is_wrapper(s->calls, entry) || !points_into_part(s, word))
		return 0;
	for (size_t i = first_part(s, word); i < s->n_parts && s->parts[i].base <= word && !err;
	     i++)
		err = look_at_deferred(s, w, entry, s->parts[i].object);
	return err;
}

/* The word at hand is one of a closure, which lies in the frame that defers it. */
static void set_word_of_closure(struct search *s, uint64_t lookup, uint64_t at, uint64_t value)
{
	const struct stack_trace *trace = s->words->trace;
	size_t f = 0;

	if (!is_on_stack(s->words, at))
		return;
	while (f + 1 < trace->n && trace->frames[f + 1].sp <= at)
		f++;
	if (trace->frames[f].lookup != lookup || at < trace->frames[f].sp)
		return;
	s->has_word = s->word_in_closure = true;
	s->word_frame = f;
	s->word_value = value;
	s->word_disp = at - trace->frames[f].sp;
}

/* `defer locker.Unlock()` of an interface: the closure at `address` has captured {itab, data}. */
static int look_at_interface(struct search *s, const struct whose *w, uint64_t address,
			     const uint64_t *closure, size_t n)
{
	struct wait_holder h = {.goid = w->goid, .evidence = WAIT_BY_DEFER, .word = w->word};
	struct target_start start;
	uint64_t method;
	size_t at;
	const char *call;
	int err;

	if (!wait_calls_interface(s->calls, closure[0] - s->r->bias, &start))
		return 0;
	at = start.at / 8;
	if (at + 1 >= n)
		return 0;
	h.object = address_map_get(&s->by_address, closure[at + 1]);
	if (h.object == ADDRESS_NONE ||
	    memory_read(s->r->pid, closure[at] + start.method, &method, sizeof(method)))
		return 0;
	call = wait_calls_ends(s->calls, method - s->r->bias, s->g->objects[h.object].kind);
	if (!call)
		return 0;
	set_word_of_closure(s, w->lookup, address + 8 * (at + 1), closure[at + 1]);
	err = reading_text(s->r, call, &h.call);
	if (!err)
		err = search_add(s, &h, w->lookup);
	s->has_word = s->word_in_closure = false;
	return err;
}

/* Its code and what it has captured; returns how many words. */
static size_t read_closure(const struct search *s, const struct stack_words *words, uint64_t at,
			   uint64_t closure[CAPTURED_MAX])
{
	const struct heap_span *span = s->heap ? heap_span_at(s->heap, at) : NULL;
	size_t n = 0;

	if (is_on_stack(words, at)) {
		for (; n < CAPTURED_MAX && stack_word_life(words, at + 8 * n); n++)
			closure[n] = stack_word(words, at + 8 * n);
		return n;
	}
	n = span ? MIN((size_t)CAPTURED_MAX, (size_t)(span->elem_size / 8)) : 2;
	if (at < 4096 || at % 8 || memory_read(s->r->pid, at, closure, 8 * n))
		return 0;
	return n;
}

/* Who waits may have it himself, where his code has taken such a lock before: that he has its
 * address is no question. */
static int look_at_wait(struct search *s, uint64_t goid, const struct stack_trace *trace)
{
	const struct wait_goroutine *own = wait_graph_goroutine(s->g, goid);
	struct wait_holder h = {.goid = goid, .evidence = WAIT_BY_FRAME, .by_code = true};
	size_t f = 0;

	if (!own || own->n_waits != 1)
		return 0;
	h.object = s->g->waits[own->waits].object;
	if (s->g->objects[h.object].kind != WAIT_MUTEX &&
	    s->g->objects[h.object].kind != WAIT_RWMUTEX)
		return 0;
	while (f < trace->n && wait_calls_is_machinery(s->calls, trace->frames[f].lookup))
		f++;
	return f < trace->n ? search_add(s, &h, trace->frames[f].lookup) : 0;
}

static int follow_defers(struct search *s, uint64_t goid, const struct stack_words *words)
{
	int err = 0;

	for (size_t i = 0; i < words->n_defers && !err; i++) {
		struct whose w = {goid, words->defers[i].lookup, WAIT_WORD_MAPPED};
		uint64_t closure[CAPTURED_MAX];
		size_t n = read_closure(s, words, words->defers[i].closure, closure);
		uint64_t entry = n ? closure[0] - s->r->bias : 0;

		if (wait_calls_is_late(s->calls))
			return -ETIMEDOUT;
		if (n && s->n_variables)
			err = search_deferred_variables(s, &w, entry);
		if (n && !err)
			err = look_at_interface(s, &w, words->defers[i].closure, closure, n);
		if (n > 1 && wait_calls_is_wrapper(s->calls, entry))
			n = 2;
		for (size_t k = 1; k < n && !err; k++) {
			err = look_at_captured(s, &w, entry, closure[k]);
			/* Captured by reference. */
			if (!err && is_on_stack(words, closure[k]))
				err = look_at_captured(s, &w, entry, stack_word(words, closure[k]));
		}
	}
	return err;
}

/* --- one stack -------------------------------------------------------------------------------- */

/* One word, and the one before it. What a closure has captured that defers a call says something
 * when that is due only: then it was met already, where it is known which ones are due. */
static int look_at_pair(struct search *s, const struct whose *w, uint64_t before, uint64_t word,
			bool due_known)
{
	if (before <= s->r->bias || !wait_calls_is_wrapper(s->calls, before - s->r->bias))
		return look_at_word(s, w, word);
	return due_known ? 0 : look_at_captured(s, w, before - s->r->bias, word);
}

static int look_at_words(struct search *s, const struct whose *w, const void *bytes, size_t n)
{
	uint64_t before = 0, word;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++, before = word) {
		memcpy(&word, (const uint8_t *)bytes + 8 * i, sizeof(word));
		if (is_of_interest(s, word))
			err = look_at_pair(s, w, before, word, false);
	}
	return err;
}

/* A stack whose maps could not be read. */
static int look_at_copy(struct search *s, uint64_t goid, const struct stack_copy *copy)
{
	int err = 0;

	s->trace = copy->trace;
	for (size_t f = 0; f < copy->trace->n && !err; f++) {
		struct whose w = {goid, copy->trace->frames[f].lookup, WAIT_WORD_UNKNOWN};
		uint64_t lo = copy->trace->frames[f].sp, end = stack_copy_end(copy, f);

		if (lo < copy->sp || lo >= end || wait_calls_is_machinery(s->calls, w.lookup))
			continue;
		err = look_at_words(s, &w, copy->bytes + (lo - copy->sp), (size_t)((end - lo) / 8));
	}
	return err;
}

static int look_at_live(struct search *s, uint64_t goid, const struct stack_words *words)
{
	const bool due_known = target_go_minor(s->r->t) >= FIRST_RECORDED;
	uint64_t before = 0, word;
	int err = 0;

	for (uint64_t at = words->sp; at < words->hi && !err; at += 8, before = word) {
		enum word_life life = stack_word_life(words, at);
		struct whose w = {.goid = goid};

		word = stack_word(words, at);
		if (life == WORD_DEAD || !is_of_interest(s, word))
			continue;
		s->has_word = life == WORD_LIVE;
		s->word_frame = words->frame[(at - words->sp) / 8];
		s->word_value = word;
		s->word_disp = at - words->trace->frames[s->word_frame].sp;
		w.lookup = words->trace->frames[s->word_frame].lookup;
		w.word = life == WORD_LIVE ? WAIT_WORD_MAPPED : WAIT_WORD_UNKNOWN;
		if (!wait_calls_is_machinery(s->calls, w.lookup))
			err = look_at_pair(s, &w, before, word, due_known && life == WORD_LIVE);
	}
	s->has_word = false;
	return err;
}

static bool has_something(const struct search *s, const struct stack_copy *copy)
{
	for (uint64_t at = 0; at + 8 <= copy->size; at += 8) {
		if (is_of_interest(s, stack_copy_word(copy, copy->sp + at)))
			return true;
	}
	return false;
}

static int look_at_stack(struct search *s, const struct memory_goroutine *g,
			 const struct stack_copy *copy)
{
	struct stack_words words;
	int err = s->n_variables ? search_code(s, g->goid, copy->trace) : 0;

	if (err || (!g->defer && !s->n_variables && !has_something(s, copy)))
		return err;
	err = stack_live_read(s->live, g, &words);
	if (err == -ENODATA || err == -EAGAIN)
		return look_at_copy(s, g->goid, copy);
	if (err)
		return err == -ESRCH ? 0 : err;
	s->trace = words.trace;
	s->words = &words;
	err = follow_defers(s, g->goid, &words);
	if (!err)
		err = look_at_wait(s, g->goid, words.trace);
	if (!err)
		err = look_at_live(s, g->goid, &words);
	s->words = NULL;
	return err;
}

/* What is known of a part of a goroutine's frames may be wrong. */
static int forget_late(struct search *s, size_t n_before, int err)
{
	if (err != -ETIMEDOUT)
		return err;
	s->n = n_before;
	return 0;
}

static int visit(void *ctx, uint32_t i, const struct stack_copy *copy)
{
	const size_t n_before = ((struct search *)ctx)->n;
	struct search *s = ctx;
	bool whole = copy->whole && copy->trace->state != STACK_CUT;
	int err = wait_calls_is_late(s->calls) ? -ETIMEDOUT : look_at_stack(s, &s->r->gs[i], copy);

	s->g->stacks_unread += !whole || err == -ETIMEDOUT;
	return forget_late(s, n_before, err);
}

/* The stack's outer end has what it uses. */
static int visit_running(struct search *s, const struct memory_goroutine *g)
{
	struct whose w = {g->goid, 0, WAIT_WORD_RUNS};
	uint64_t size = g->stack_hi - g->stack_lo;
	int err;

	if (g->stack_lo >= g->stack_hi || g->stack_hi % 8)
		return -EFAULT;
	s->trace = NULL;
	size = MIN(size, (uint64_t)sizeof(s->running)) & ~7ULL;
	err = memory_read(s->r->pid, g->stack_hi - size, s->running, size);
	return err ? err : look_at_words(s, &w, s->running, (size_t)(size / 8));
}

/* --- facts ------------------------------------------------------------------------------------ */

static int add_pending_writers(struct search *s)
{
	const struct wait_graph *g = s->g;
	int err = 0;

	for (size_t i = 0; i < g->n_waits && !err; i++) {
		struct wait_holder h = {
			.goid = g->goroutines[g->waits[i].goroutine].goid,
			.object = g->waits[i].object,
			.evidence = WAIT_BY_PENDING_WRITER,
		};

		if (g->waits[i].how == WAIT_DRAIN && g->objects[h.object].n_waits > 1)
			err = add_found(s, &h, 0);
	}
	return err;
}

static int index_objects(struct search *s)
{
	int err = 0;

	for (size_t i = 0; i < s->g->n_objects && err >= 0; i++) {
		const struct wait_object *o = &s->g->objects[i];

		if (o->kind == WAIT_POLL || o->kind == WAIT_SEMAPHORE || o->kind == WAIT_CORO)
			continue;
		err = address_map_put(&s->by_address, o->address, (uint32_t)i);
	}
	return MIN(err, 0);
}

static int by_base(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

/* Where the heap cannot be read, pointers to the lock itself are all there is. */
static int index_parts(struct search *s)
{
	int err = 0;

	for (size_t i = 0; i < s->g->n_objects && !err; i++) {
		const struct wait_object *o = &s->g->objects[i];
		const struct heap_span *span;
		uint64_t base;

		if (o->kind != WAIT_MUTEX && o->kind != WAIT_RWMUTEX && o->kind != WAIT_WAITGROUP &&
		    o->kind != WAIT_COND)
			continue;
		if (!s->heap) {
			err = heap_read(s->r->t, s->r->pid, s->r->bias, &s->heap);
			s->parts = err ? NULL : calloc(s->g->n_objects, sizeof(*s->parts));
			if (!err && !s->parts)
				err = -ENOMEM;
		}
		span = err ? NULL : heap_span_at(s->heap, o->address);
		if (!span)
			continue;
		base = span->base + heap_object_in_span(span, o->address) * span->elem_size;
		s->parts[s->n_parts++] = (struct part){base, base + span->elem_size, (uint32_t)i};
	}
	if (s->n_parts)
		qsort(s->parts, s->n_parts, sizeof(*s->parts), by_base);
	return err == -ENOMEM || err == -ESRCH || err == -EPERM ? err : 0;
}

static int search_stacks(struct search *s)
{
	struct wait_reading *r = s->r;
	cleanup_free_ uint32_t *which = malloc((r->n + 1) * sizeof(*which));
	size_t n = 0;
	int err = which ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < r->n && !err && s->by_address.n; i++) {
		uint64_t sp;

		if (stack_used(&r->gs[i], &sp)) {
			which[n++] = i;
		} else {
			const size_t n_before = s->n;

			err = goroutine_is_running(&r->gs[i]) ? visit_running(s, &r->gs[i])
							      : -EFAULT;
			s->g->stacks_unread += err == -EFAULT || err == -ETIMEDOUT;
			err = forget_late(s, n_before, err == -EFAULT ? 0 : err);
		}
	}
	return err ? err
		   : stack_copies(r->t, r->pid, r->bias, r->gs, which, n, STACK_COPY_MAX,
				  FRAMES_MAX, visit, s);
}

int graph_find_holders(struct wait_reading *r, struct wait_graph *g)
{
	struct search *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->r = r;
	s->g = g;
	err = wait_calls_new(r->t, clock_ns(CLOCK_THREAD_CPUTIME_ID) + BUDGET_NS, &s->calls);
	if (!err)
		err = stack_live_new(r->t, r->pid, r->bias, &s->live);
	if (!err)
		err = index_objects(s);
	if (!err)
		err = search_index_variables(s);
	if (!err)
		err = index_parts(s);
	if (!err)
		err = add_pending_writers(s);
	if (!err)
		err = search_stacks(s);
	if (!err)
		search_hand_out(s);
	if (!err)
		err = search_ends(s);
	wait_calls_free(s->calls);
	stack_live_free(s->live);
	heap_free(s->heap);
	free(s->parts);
	free(s->variables);
	free(s->found);
	address_map_free(&s->by_address);
	free(s);
	return err;
}
