/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The search for holders (wait_holders.c), of which locks that are variables are a part
 * (wait_variables.c), which of those that were found are told (wait_ranks.c), and who is at the
 * other end of a channel in a deadlock (wait_ends.c). For this room; one thread.
 */
#ifndef XGOTOPFS_MEMORY_WAIT_SEARCH_H
#define XGOTOPFS_MEMORY_WAIT_SEARCH_H

#include "core/memory/heap.h"
#include "core/memory/stack_live.h"
#include "core/memory/wait_calls.h"
#include "core/memory/wait_reading.h"

#define RUNNING_BYTES (64u << 10) /* of the stack of one that runs, its outer end */

#define MUTEX_BYTES   8  /* sync/mutex.go */
#define RWMUTEX_BYTES 24 /* sync/rwmutex.go */

/* The heap's object that a lock is a part of. */
struct part {
	uint64_t base, end;
	uint32_t object;
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
	struct wait_calls *calls;
	struct stack_live *live;
	const struct stack_trace *trace; /* at hand; NULL: of one that runs */
	const struct stack_words *words; /* the same; NULL: its maps are not known */
	/* The word at hand: which of the trace's frames it is of, how far above that one's sp it
	 * is, and what it is. Of a deferred function value, which nobody changes? */
	bool has_word, word_in_closure;
	size_t word_frame;
	uint64_t word_disp, word_value;
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

/* Function, file and line of a place in the code. 0, -ENOMEM. */
int search_fill_frame(struct search *s, uint64_t lookup, struct wait_holder *h);
/* Who would end what keeps the holder of a lock waiting that is no lock, of those who wait for that
 * (wait_ends.c). After search_hand_out(). Errors as of memory_waits(). */
int search_ends(struct search *s);

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

#endif
