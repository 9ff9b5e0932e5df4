/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where goroutines came from: the stack at the `go` statement, sampled by statement (the first ones
 * of each, then one in many). A goroutine whose creation was no sample has that of its statement
 * which was seen most often. For this room.
 */
#ifndef XGOTOPFS_VIEW_ORIGINS_H
#define XGOTOPFS_VIEW_ORIGINS_H

#include "core/model/samples.h"
#include "core/view/view_internal.h"

/* The samples of a process, by statement, as they were when they were read. Not thread-safe. */
struct origins;

/* None in a recording, and where there are no probes. 0 or -ENOMEM. */
int origins_read(const struct view *v, unsigned proc, struct origins **ret);
void origins_free(struct origins *o); /* NULL is fine */

struct origin {
	struct sample_row
		row;  /* the go statement first, which is the goroutine's created_site_id */
	bool own;     /* it is this goroutine's; else of another of the same statement */
	double share; /* of the statement's goroutines that came this way; an estimate */
};

/* false: there is no sample of its statement. */
bool origin_of(const struct origins *o, const struct goroutine *g, struct origin *ret);
/* "main.(*server).accept:31 < main.serve:12 < main.main:9", the go statement first, at most `most`
 * calls. */
void origin_text(const struct view *v, const struct origin *origin, unsigned most, struct buf *out);
/* Of status: the keys creation_stack, creation_stack_is, creation_stack_share. */
void origin_emit(struct emit *e, const struct view *v, const struct goroutine *g);

/* The function of the program's own (own.h) that goroutines of a start function were made for: the
 * innermost such call at their go statements; where they are made by goroutines in which there is
 * none (net/http dials in one), the same of those. */
struct culprit {
	uint32_t site_id; /* names_site(): that call */
	double share;     /* of the stacks at the last go statements, by estimate */
};
/* false: none is known. */
bool origins_culprit(const struct origins *o, const struct view *v, uint32_t start_func_id,
		     struct culprit *ret);
/* The same of a call, by samples of CPU time and of allocations: the first of the program's own
 * above one whose name begins so. */
bool origins_caller(const struct view *v, unsigned proc, const char *callee, struct culprit *ret);

#endif
