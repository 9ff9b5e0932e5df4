/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/memory/wait_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define SLOTS        4096 /* a power of two */
#define ENDS_MAX     8
#define TIME_UNASKED 64
#define READ_MAX     512 /* functions whose code is read in one reading */
#define READ_VARIABLES_MAX                                                                         \
	4096 /* the same for locks that are variables, once for each of these                      \
	      */

/* What is known of a place in the code. */
struct place_known {
	uint64_t pc; /* 0: unused */
	bool machinery, cond_wait;
	uint8_t asked; /* a bit a kind: `section` is known */
	uint8_t section[WAIT_KINDS];
	uint8_t asked_kept, taking; /* the same of `kept` */
	uint8_t kept[WAIT_KINDS];
};

/* Of a function that closures have. */
struct closure_known {
	uint64_t entry; /* 0: unused */
	bool wrapper;
	uint8_t asked;                /* a bit a kind: `call` is known */
	const char *call[WAIT_KINDS]; /* NULL: nothing that ends a wait */
	bool interface;
	struct target_start start; /* when it is `interface` */
	const char *via;           /* NULL: the wrapper's own call */
};

struct word_known {
	uint64_t pc; /* 0: unused */
	struct lock_word word;
	struct lock_method method;
	uint8_t section;
};

struct variable_known {
	uint64_t pc, lock; /* 0: unused */
	uint8_t section;
};

/* The same of a deferred function. */
struct deferred_known {
	uint64_t entry, lock; /* 0: unused */
	const char *call, *via;
};

struct wait_calls {
	const struct target *t;
	unsigned read, read_words, read_variables;
	struct lock_time time;
	unsigned asked_time; /* since the clock was looked at */
	struct word_known words[SLOTS];
	struct variable_known variables[SLOTS];
	struct deferred_known deferred[SLOTS];
	struct place_known places[SLOTS];
	struct closure_known closures[SLOTS];
};

/* What ends a wait on each kind of object. */
static const char *const ends[WAIT_KINDS][ENDS_MAX] = {
	[WAIT_CHAN] = {"runtime.closechan"},
	[WAIT_MUTEX] = {"sync.(*Mutex).Unlock", "internal/sync.(*Mutex).Unlock"},
	[WAIT_RWMUTEX] = {"sync.(*RWMutex).Unlock", "sync.(*RWMutex).RUnlock",
			  "sync.(*rlocker).Unlock"},
	[WAIT_WAITGROUP] = {"sync.(*WaitGroup).Done", "sync.(*WaitGroup).Add"},
	[WAIT_COND] = {"sync.(*Cond).Broadcast", "sync.(*Cond).Signal"},
};

static const struct lock_calls locks[WAIT_KINDS] = {
	[WAIT_MUTEX] = {.takes = {"sync.(*Mutex).Lock"},
			.tries = {"sync.(*Mutex).TryLock"},
			.gives = {"sync.(*Mutex).Unlock"}},
	[WAIT_RWMUTEX] = {.takes = {"sync.(*RWMutex).Lock", "sync.(*RWMutex).RLock",
				    "sync.(*rlocker).Lock"},
			  .tries = {"sync.(*RWMutex).TryLock", "sync.(*RWMutex).TryRLock"},
			  .gives = {"sync.(*RWMutex).Unlock", "sync.(*RWMutex).RUnlock",
				    "sync.(*rlocker).Unlock"}},
	[WAIT_WAITGROUP] = {.gives = {"sync.(*WaitGroup).Done"}},
	[WAIT_COND] = {.gives = {"sync.(*Cond).Broadcast", "sync.(*Cond).Signal"}},
};

int wait_calls_new(const struct target *t, uint64_t until_ns, struct wait_calls **ret)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->t = t;
	(*ret)->time.until_ns = until_ns;
	return 0;
}

bool wait_calls_is_late(struct wait_calls *c)
{
	/* What reads code looks at the clock itself. */
	if (!c->time.late && ++c->asked_time % TIME_UNASKED == 0)
		c->time.late = clock_ns(CLOCK_THREAD_CPUTIME_ID) > c->time.until_ns;
	return c->time.late;
}

void wait_calls_free(struct wait_calls *c)
{
	free(c);
}

static size_t slot_of(uint64_t pc)
{
	return (pc * 0x9e3779b97f4a7c15ull) >> 40 & (SLOTS - 1);
}

static struct place_known *place_of(struct wait_calls *c, uint64_t pc)
{
	struct place_known *p = &c->places[slot_of(pc)];
	struct go_func func;

	if (p->pc == pc)
		return p;
	*p = (struct place_known){.pc = pc};
	if (target_func_by_pc(c->t, pc, &func))
		return p;
	p->machinery = lock_is_machinery(func.name) || !strncmp(func.name, "internal/poll.", 14);
	p->cond_wait = !strcmp(func.name, "sync.(*Cond).Wait");
	return p;
}

bool wait_calls_is_machinery(struct wait_calls *c, uint64_t lookup)
{
	return place_of(c, lookup)->machinery;
}

bool wait_calls_is_cond_wait(struct wait_calls *c, uint64_t lookup)
{
	return place_of(c, lookup)->cond_wait;
}

static const enum wait_section sections[] = {
	[LOCK_HELD_UNKNOWN] = WAIT_SECTION_UNKNOWN, [LOCK_HELD_NO] = WAIT_SECTION_NO,
	[LOCK_HELD_MAYBE] = WAIT_SECTION_MAYBE,     [LOCK_HELD_HIDDEN] = WAIT_SECTION_HIDDEN,
	[LOCK_HELD_LENT] = WAIT_SECTION_LENT,       [LOCK_HELD_YES] = WAIT_SECTION_YES,
};

enum wait_section wait_calls_section(struct wait_calls *c, uint64_t lookup, enum wait_kind kind)
{
	struct place_known *p = place_of(c, lookup);

	if (!locks[kind].gives[0] || (!(p->asked >> kind & 1) && c->read >= READ_MAX))
		return WAIT_SECTION_UNKNOWN;
	if (!(p->asked >> kind & 1)) {
		c->read++;
		p->asked |= (uint8_t)(1u << kind);
		p->section[kind] =
			(uint8_t)sections[lock_held_at(c->t, lookup, &locks[kind], &c->time)];
	}
	return (enum wait_section)p->section[kind];
}

enum wait_section wait_calls_kept(struct wait_calls *c, uint64_t lookup, enum wait_kind kind,
				  bool *ret_taking)
{
	const uint8_t bit = (uint8_t)(1u << kind);
	struct place_known *p = place_of(c, lookup);
	bool taking;

	*ret_taking = p->taking & bit;
	if (!locks[kind].gives[0] || (!(p->asked_kept & bit) && c->read >= READ_MAX))
		return WAIT_SECTION_UNKNOWN;
	if (!(p->asked_kept & bit)) {
		c->read++;
		p->asked_kept |= bit;
		p->kept[kind] = (uint8_t)
			sections[lock_kept_at(c->t, lookup, &locks[kind], &c->time, &taking)];
		p->taking |= taking ? bit : 0;
		*ret_taking = taking;
	}
	return (enum wait_section)p->kept[kind];
}

enum wait_section wait_calls_section_by_word(struct wait_calls *c, uint64_t lookup,
					     enum wait_kind kind, const struct lock_word *word,
					     struct lock_method *ret_method)
{
	const uint64_t both = lookup ^ (uint64_t)word->disp << 20 ^ (uint64_t)word->off << 36;
	struct word_known *k = &c->words[slot_of(both)];

	*ret_method = (struct lock_method){0};
	if (k->pc != lookup || k->word.own != word->own || k->word.closure != word->closure ||
	    k->word.disp != word->disp || k->word.off != word->off || k->word.size != word->size) {
		if (c->read_words >= READ_MAX)
			return WAIT_SECTION_UNKNOWN;
		c->read_words++;
		*k = (struct word_known){.pc = lookup, .word = *word};
		k->section = (uint8_t)sections[lock_word_held_at(c->t, lookup, &locks[kind], word,
								 &c->time, &k->method)];
	}
	*ret_method = k->method;
	return (enum wait_section)k->section;
}

bool wait_calls_is_lock_slow(struct wait_calls *c, uint64_t pc)
{
	struct go_func func;

	return !target_func_by_pc(c->t, pc, &func) &&
	       (!strcmp(func.name, "sync.(*Mutex).lockSlow") ||
		!strcmp(func.name, "internal/sync.(*Mutex).lockSlow"));
}

bool wait_calls_takes(struct wait_calls *c, uint64_t pc, enum wait_kind kind)
{
	struct go_func func;

	if (target_func_by_pc(c->t, pc, &func))
		return false;
	for (unsigned i = 0; i < LOCK_CALLS_MAX && locks[kind].takes[i]; i++)
		if (!strcmp(func.name, locks[kind].takes[i]))
			return true;
	return false;
}

const char *wait_calls_made(struct wait_calls *c, uint64_t lookup, const char *const *names)
{
	struct go_func func;

	return target_func_by_pc(c->t, lookup, &func)
		       ? NULL
		       : lock_called(c->t, func.entry, names, &c->time);
}

static size_t slot_of_both(uint64_t pc, struct lock_variable which)
{
	return slot_of(pc ^ which.lo << 20);
}

/* A place's answer for each variable that is waited for: hashed by both. */
enum wait_section wait_calls_section_of(struct wait_calls *c, uint64_t lookup, enum wait_kind kind,
					struct lock_variable which)
{
	struct variable_known *k = &c->variables[slot_of_both(lookup, which)];

	if (!locks[kind].takes[0])
		return WAIT_SECTION_UNKNOWN;
	if (k->pc == lookup && k->lock == which.lo)
		return (enum wait_section)k->section;
	if (c->read_variables >= READ_VARIABLES_MAX)
		return WAIT_SECTION_UNKNOWN;
	c->read_variables++;
	*k = (struct variable_known){lookup, which.lo,
				     (uint8_t)sections[lock_variable_held_at(
					     c->t, lookup, &locks[kind], which, &c->time)]};
	return (enum wait_section)k->section;
}

/* --- closures --------------------------------------------------------------------------------- */

static const char *end_of(const char *name, enum wait_kind kind)
{
	for (size_t i = 0; i < ENDS_MAX && ends[kind][i]; i++)
		if (!strcmp(name, ends[kind][i]))
			return ends[kind][i];
	return NULL;
}

static struct closure_known *closure_of(struct wait_calls *c, uint64_t entry)
{
	struct closure_known *k = &c->closures[slot_of(entry)];
	struct go_func func;

	if (k->entry == entry)
		return k;
	*k = (struct closure_known){.entry = entry};
	if (target_deferred(c->t, entry, &k->start))
		return k;
	func = k->start.func;
	if (k->start.held) {
		k->interface = k->start.method != 0;
		return k;
	}
	for (unsigned kind = 0; kind < WAIT_KINDS; kind++) {
		k->call[kind] = end_of(func.name, (enum wait_kind)kind);
		k->wrapper |= k->call[kind] != NULL;
	}
	/* What it calls may end waits, or else what that calls. */
	if (!k->wrapper)
		k->via = func.name;
	return k;
}

bool wait_calls_is_wrapper(struct wait_calls *c, uint64_t entry)
{
	return closure_of(c, entry)->wrapper;
}

bool wait_calls_interface(struct wait_calls *c, uint64_t entry, struct target_start *ret)
{
	struct closure_known *k = closure_of(c, entry);

	if (k->interface)
		*ret = k->start;
	return k->interface;
}

const char *wait_calls_ends(struct wait_calls *c, uint64_t entry, enum wait_kind kind)
{
	struct go_func func;

	if (target_func_by_pc(c->t, entry, &func) || func.entry != entry)
		return NULL;
	return end_of(func.name, kind);
}

void wait_calls_deferred_variable(struct wait_calls *c, uint64_t entry, enum wait_kind kind,
				  struct lock_variable which, const char **ret_call,
				  const char **ret_via)
{
	struct deferred_known *k = &c->deferred[slot_of_both(entry, which)];
	struct go_func func;

	*ret_call = *ret_via = NULL;
	if (k->entry != entry || k->lock != which.lo) {
		if (c->read_variables >= READ_VARIABLES_MAX ||
		    target_func_by_pc(c->t, entry, &func) || func.entry != entry)
			return;
		c->read_variables++;
		*k = (struct deferred_known){
			.entry = entry,
			.lock = which.lo,
			.call = lock_variable_called(c->t, entry, ends[kind], which, &c->time),
			/* F.deferwrapN was made by the compiler for that one call. */
			.via = strstr(func.name, ".deferwrap") ? NULL : func.name,
		};
	}
	*ret_call = k->call;
	*ret_via = k->via;
}

void wait_calls_deferred(struct wait_calls *c, uint64_t entry, enum wait_kind kind,
			 const char **ret_call, const char **ret_via)
{
	struct closure_known *k = closure_of(c, entry);
	struct go_func func;

	if (!k->wrapper && !(k->asked >> kind & 1) && c->read < READ_MAX &&
	    !target_func_by_pc(c->t, entry, &func) && func.entry == entry) {
		c->read++;
		k->asked |= (uint8_t)(1u << kind);
		if (k->via)
			func = k->start.func;
		else
			k->via = func.name;
		k->call[kind] = lock_called(c->t, func.entry, ends[kind], &c->time);
	}
	*ret_call = k->call[kind] && !strcmp(k->call[kind], "runtime.closechan") ? "close"
										 : k->call[kind];
	*ret_via = k->wrapper ? NULL : k->via;
}
