/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When an unreachable goroutine is proven to be leaked: named by LEAK_PASSES passes one after the
 * other, in the same park, the first and the last at least LEAK_SPAN_NS apart. A process that runs
 * while it is read can show one pass what was never so; not the same thing again and again.
 * Pure; belongs to one thread.
 */
#ifndef XGOTOPFS_MEMORY_LEAK_PROOF_H
#define XGOTOPFS_MEMORY_LEAK_PROOF_H

#include "core/memory/unreachable.h"

#define LEAK_PASSES  3
#define LEAK_SPAN_NS 1000000000ULL

struct leak_proof;

int leak_proof_new(struct leak_proof **ret); /* -ENOMEM */
void leak_proof_free(struct leak_proof *p);  /* NULL is fine */

/* A pass is done. 0 or -ENOMEM, and then it is as if there had been none. */
int leak_proof_add(struct leak_proof *p, const struct unreachable *pass);
/* Named, and not proven yet: another pass would tell. */
size_t leak_proof_open(const struct leak_proof *p);
/* The proven ones, ascending; constant until the next leak_proof_add(). */
const uint64_t *leak_proof_goids(const struct leak_proof *p, size_t *ret_n);

#endif
