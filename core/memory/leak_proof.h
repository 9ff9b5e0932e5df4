/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When an unreachable goroutine is proven to be leaked: named by LEAK_PASSES passes one after the
 * other, in the same park, the first and the last at least LEAK_SPAN_NS apart.
 *
 * A process that runs while it is read can show a pass what was never so: the only pointer to a
 * channel moves from what is still to be read to what was read. Where one moves all the while a
 * pass meets it once on the average, so that it misses it in 1 of e cases: hence so many passes.
 * Who was named and then met again in the same park is such a one, or was hidden by a dead word for
 * a while: it takes twice as many from then on, and so on.
 *
 * A goroutine on a processor may hold the only pointer in a register, which nobody sees from
 * outside. Once it was at rest in a pass that named somebody, its registers were in its stack: so
 * nobody is proven to be leaked as long as there is one that ran in each of the last LEAK_PASSES.
 * All this does not concern whom the program's own collector has marked, stopped and with all
 * registers: one pass that meets him is enough.
 * Pure; belongs to one thread.
 */
#ifndef XGOTOPFS_MEMORY_LEAK_PROOF_H
#define XGOTOPFS_MEMORY_LEAK_PROOF_H

#include "core/memory/unreachable.h"

#define LEAK_PASSES     10
#define LEAK_PASSES_MAX 80 /* for who was met again and again */
#define LEAK_SPAN_NS    1000000000ULL

struct leak_proof;

int leak_proof_new(struct leak_proof **ret); /* -ENOMEM */
void leak_proof_free(struct leak_proof *p);  /* NULL is fine */

/* A pass is done. 0 or -ENOMEM, and then it is as if there had been none. */
int leak_proof_add(struct leak_proof *p, const struct unreachable *pass);
/* Named, and not proven yet: another pass would tell. */
size_t leak_proof_open(const struct leak_proof *p);
/* Of those that are not proven, also of those that the last passes did not name, the ones that were
 * named time and again: a disturbed pass lies between, and more of them would tell. Unlike who is
 * on its way, of whom a busy program always has some. */
size_t leak_proof_steady(const struct leak_proof *p);
/* Goroutines because of which nobody is proven: they ran in each of the last LEAK_PASSES. */
size_t leak_proof_restless(const struct leak_proof *p);
/* The proven ones, ascending; constant until the next leak_proof_add(). */
const uint64_t *leak_proof_goids(const struct leak_proof *p, size_t *ret_n);

#endif
