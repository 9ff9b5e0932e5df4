/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where goroutines are, by stack: those of one stack and one reason are a row. Stacks are read now,
 * or are the last ones of a program that ended; where there are none (a recording), a row is a
 * start function and a reason. For this room; one thread at a time.
 */
#ifndef XGOTOPFS_VIEW_WAIT_STACKS_H
#define XGOTOPFS_VIEW_WAIT_STACKS_H

#include "core/memory/wait_graph.h"
#include "core/view/groups.h"
#include "core/view/view_internal.h"

#define WAIT_STACKS_MAX 10000 /* rows; others are counted in `left_out` */
#define WAIT_SAMPLES    3

/* Texts are offsets: wait_stacks_text(). 0: "", there is none or it is not known. */
struct wait_stack {
	uint64_t key;
	uint64_t n, oldest_ns;
	uint64_t sample[WAIT_SAMPLES]; /* the first is the oldest */
	size_t why;                    /* "chan send", "runnable", … */
	size_t own, own_at;            /* the innermost frame that is the program's own (own.h) */
	size_t frame, frame_at;        /* the innermost that is not the runtime's */
	size_t start;
	uint32_t func_id;  /* its number, as the model has it; 0 not known */
	bool aged;         /* oldest_ns is known */
	bool waits;        /* else it could run, or is in a system call */
	bool calls;        /* it is in a system call, or in C code */
	bool system;       /* of the runtime's own */
	bool own_is_start; /* where it starts is where it is: a loop at rest */
	bool roundtrip;    /* waits for the answer to a request of its own */
	bool connects;     /* … for a connection to send it on */
	bool pool;         /* waits for a connection of a database/sql pool */
	bool queries;      /* has such a connection, in a call of database/sql */
	bool init;         /* in the program's first goroutine, before its main began */
	bool child;        /* waits for a process that it has started */
	uint64_t n_calls;  /* that have been in a system call for WAIT_CALL_NS, or in C code */
	/* What most of them wait on; n_on 0: none, or not known. */
	uint64_t object; /* index into graph->objects, plus 1 while n_on is counted */
	uint64_t n_on;
};

struct wait_stacks {
	uint64_t now, as_of_ns; /* of the stacks; 0: now */
	bool stacks;            /* false: there are none, see above */
	struct groups rows;     /* struct wait_stack */
	uint32_t *order;        /* rows by number, most goroutines first */
	struct wait_of *of;     /* by goid */
	size_t n, cap;
	uint64_t left_out; /* goroutines */
	struct buf texts;
	struct wait_graph *graph; /* NULL: it could not be read */
	const struct view *v;
	struct known_wait *known; /* while it is read */
	size_t n_known;
	int err;
};

/* 0, -ENOENT, -ENOMEM. `graph`: what they wait on is read, too. wait_stacks_done() in any case. */
int wait_stacks_read(const struct view *v, unsigned proc, bool graph, struct wait_stacks *ret);
void wait_stacks_done(struct wait_stacks *w);

static inline const char *wait_stacks_text(const struct wait_stacks *w, size_t text)
{
	return text ? w->texts.data + text : "";
}

/* The row at a place of the order. */
const struct wait_stack *wait_stacks_row(const struct wait_stacks *w, size_t place);
/* The one that a goroutine is in; NULL: none. */
const struct wait_stack *wait_stacks_of(const struct wait_stacks *w, uint64_t goid);
/* NULL: they wait on nothing that is known, or not on one thing. */
const struct wait_object *wait_stack_object(const struct wait_stacks *w,
					    const struct wait_stack *row);
/* Who may end the waits on it, but that waits for it himself; NULL: nobody is known. */
const struct wait_holder *wait_holder_of(const struct wait_graph *graph,
					 const struct wait_object *o);

#endif
