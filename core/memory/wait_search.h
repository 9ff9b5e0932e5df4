/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The search for holders (wait_holders.c), of which locks that are variables are a part
 * (wait_variables.c), which of several a frame has taken (wait_doubts.c), and which of those that
 * were found are told (wait_ranks.c). For this room; one thread.
 */
#ifndef XGOTOPFS_MEMORY_WAIT_SEARCH_H
#define XGOTOPFS_MEMORY_WAIT_SEARCH_H

#include "core/memory/heap.h"
#include "core/memory/stack_live.h"
#include "core/memory/wait_calls.h"
#include "core/memory/wait_reading.h"

#define RUNNING_BYTES (64u << 10) /* of the stack of one that runs, its outer end */

#define GIVEN_MAX 32

/* The heap's object that a lock is a part of. */
struct part {
	uint64_t base, end;
	uint32_t object;
};

/* A lock that a frame has deferred to give up. */
struct given {
	uint64_t lookup, address;
	enum wait_kind kind;
};

struct search {
	struct wait_reading *r;
	struct heap *heap;  /* NULL: not read, or it cannot be */
	struct part *parts; /* by base; several may have the same */
	size_t n_parts;
	struct wait_graph *g;
	struct address_map by_address; /* of the object */
	uint32_t *variables;           /* locks that are, n_variables objects */
	size_t n_variables;
	struct wait_holder *found;
	size_t n, cap;
	struct given given[GIVEN_MAX]; /* of the stack at hand */
	size_t n_given;
	struct wait_calls *calls;
	struct stack_live *live;
	const struct stack_trace *trace; /* at hand; NULL: of one that runs */
	uint64_t running[RUNNING_BYTES / 8];
};

/* What is known of the words at hand. */
struct whose {
	uint64_t goid;
	uint64_t lookup; /* the frame's; 0: not known */
	enum wait_word word;
};

/* One of a goroutine's for an object, unless it has a stronger one already: its own come together.
 * `lookup` of the frame that says so; 0: not known. 0, -ENOMEM, -ETIMEDOUT (the time for the search
 * is over: nothing is told of that goroutine). */
int search_add(struct search *s, struct wait_holder *h, uint64_t lookup);

/* Less than 0: `a` is the likelier one of a goroutine's, or of an object's. */
int search_compare_likely(const struct wait_holder *a, const struct wait_holder *b);
/* Those of what was found that are told, to the graph. */
void search_hand_out(struct search *s);

/* Which of the objects are locks that lie in the program's own variables. 0, -ENOMEM. */
int search_index_variables(struct search *s);
/* Has one of these frames taken such a lock? Code names a variable by its address, and no word of a
 * frame has it. Errors as above. */
int search_code(struct search *s, uint64_t goid, const struct stack_trace *trace);
/* A due deferred call whose code begins at `entry` (static): does it unlock one? It has captured
 * nothing. Errors as above. */
int search_deferred_variables(struct search *s, const struct whose *w, uint64_t entry);

/* No more than that he has its address, or code that has taken such a lock. */
static inline bool search_is_weak(const struct wait_holder *h)
{
	return h->evidence == WAIT_BY_FRAME || h->evidence == WAIT_BY_OBJECT;
}

/* The frame whose place is `lookup` defers a closure with this code (static), made for one call on
 * that address. */
void search_note_given(struct search *s, uint64_t lookup, uint64_t entry, uint64_t address);
/* Once all of a goroutine's frames were searched: those whose lock may be another one. */
void search_doubt(struct search *s, uint64_t goid);

#endif
